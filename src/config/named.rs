//! The channels that a request names.

use super::{Channels, Scope};
use crate::{channel::ChannelId, response::Refusal};

/// Channels that one request may name.
const MAX_CHANNELS: usize = 255;

impl Channels {
    /// The channels that a request names, each once, at least one.
    pub fn named(&self, scope: &Scope<'_>) -> Result<Vec<ChannelId>, Refusal> {
        let group = self.group.expand(scope);
        let mut channels: Vec<ChannelId> = Vec::with_capacity(1);
        for template in &self.ids {
            let value = template.expand(scope);
            for id in split(&value, self.delimiter.as_deref()) {
                if id.len() > self.max_id_length {
                    return Err(Refusal::Forbidden("The channel id is too long.".into()));
                }
                let channel = ChannelId::grouped(&group, id);
                if !id.is_empty() && !channels.contains(&channel) {
                    channels.push(channel);
                }
                if channels.len() > MAX_CHANNELS {
                    return Err(Refusal::Forbidden("The request names too many channels.".into()));
                }
            }
        }
        if channels.is_empty() { Err(Refusal::NoChannelId) } else { Ok(channels) }
    }
}

fn split<'a>(value: &'a [u8], delimiter: Option<&[u8]>) -> Vec<&'a [u8]> {
    let Some(delimiter) = delimiter.filter(|delimiter| !delimiter.is_empty()) else {
        return vec![value];
    };
    let mut parts = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at + delimiter.len() <= value.len() {
        if value[at..].starts_with(delimiter) {
            parts.push(&value[start..at]);
            at += delimiter.len();
            start = at;
        } else {
            at += 1;
        }
    }
    parts.push(&value[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_split_at_each_delimiter() {
        let parts = |value: &'static str, delimiter: &'static str| {
            let parts = split(value.as_bytes(), Some(delimiter.as_bytes()));
            parts
                .into_iter()
                .map(|part| String::from_utf8_lossy(part).into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(parts("a,b,,c", ","), ["a", "b", "", "c"]);
        assert_eq!(parts("a::b:c", "::"), ["a", "b:c"]);
        assert_eq!(parts("abc", ""), ["abc"]);
        assert_eq!(parts("", ","), [""]);
    }
}
