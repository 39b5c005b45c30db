//! What somebody may have meant who wrote a name that there is not.

/// The known name that is nearest to a misspelt one; none if they have nothing in common.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |known: &str| strsim::osa_distance(name, known);
    let nearest = known.into_iter().min_by_key(|known| distance(known))?;
    (distance(nearest) < name.chars().count().max(nearest.len())).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_the_known_one() {
        let known = ["push_channel_id", "push_channel_group", "path"];
        assert_eq!(nearest("push_chanel_id", known), Some("push_channel_id"));
        assert_eq!(nearest("nchan_channel_id", known), Some("push_channel_id"));
        assert_eq!(nearest("pahts", known), Some("path"));
        assert_eq!(nearest("zzz", known), None);
        assert_eq!(nearest("", known), None);
    }
}
