//! Texts with variables, in pushgate's names.

use std::collections::HashMap;

use super::{
    level::Chain,
    names::variable::{FAMILIES, NAMES},
    read::Directive,
    report::Report,
    sense::Part,
};
use crate::{config::Template, router::Pattern};

/// Variables that are set by each other.
const MAX_DEPTH: usize = 8;

/// What `set` says around a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Sets<'t>(HashMap<&'t str, &'t Directive>);

impl<'t> Sets<'t> {
    pub(super) fn new(chain: &Chain<'t>) -> Self {
        let sets = chain.every(Part::Set).filter(|set| set.args.len() == 2);
        Self(sets.filter_map(|set| Some((set.arg().strip_prefix('$')?, set))).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&'t Directive> {
        self.0.get(name).copied()
    }
}

/// A place where texts stand.
#[derive(Debug)]
pub(super) struct Texts<'a, 't> {
    pub(super) sets: &'a Sets<'t>,
    pub(super) pattern: &'a Pattern,
}

impl Texts<'_, '_> {
    /// A text of nginx in our names; what is set by `set` is put in its place. Fails with what is
    /// wrong: a variable that is not known, as a rule.
    pub(super) fn translate(&self, text: &str, report: &mut Report) -> Result<String, String> {
        let translated = self.substitute(text, MAX_DEPTH, report)?;
        match Template::parse(&translated, self.pattern) {
            Ok(_) => Ok(translated),
            Err(error) => Err(error.to_string()),
        }
    }

    fn substitute(&self, text: &str, depth: usize, report: &mut Report) -> Result<String, String> {
        let mut translated = String::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('$') {
            translated.push_str(literal);
            let (name, after) = name(after).ok_or("a `$` without the name of a variable")?;
            if let Some(set) = self.sets.get(name) {
                let depth =
                    depth.checked_sub(1).ok_or_else(|| format!("${name} is set by itself"))?;
                report.carry(set);
                let value = set.args.get(1).map_or("", String::as_str);
                translated += &self.substitute(value, depth, report)?;
            } else {
                let ours = self.known(name).ok_or_else(|| unknown(name))?;
                let set_off = after.starts_with(is_name) && !name.starts_with(is_digit);
                let (open, close) = if set_off { ("{", "}") } else { ("", "") };
                translated.extend(["$", open, ours, close]);
            }
            rest = after;
        }
        translated.push_str(rest);
        Ok(translated)
    }

    /// Our name of a variable.
    fn known<'n>(&self, name: &'n str) -> Option<&'n str> {
        let captured = || self.pattern.groups().iter().flatten().any(|group| group == name);
        let lower = name.to_ascii_lowercase();
        let found = NAMES.iter().find(|(theirs, _)| *theirs == lower).map(|(_, ours)| *ours);
        if found.is_some() {
            return found;
        }
        let family = FAMILIES.iter().any(|family| lower.starts_with(family));
        (family || name.starts_with(is_digit) || captured()).then_some(name)
    }
}

fn unknown(name: &str) -> String {
    format!("pushgate has no variable ${name}")
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// The name after a `$`, and what follows; a digit is a name of its own.
fn name(text: &str) -> Option<(&str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (name, after) = braced.split_once('}')?;
        return (!name.is_empty() && name.chars().all(is_name)).then_some((name, after));
    }
    let end = match text.chars().next() {
        Some(first) if is_digit(first) => 1,
        _ => text.find(|c| !is_name(c)).unwrap_or(text.len()),
    };
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::import::{lex::Position, read::Place};

    fn set(name: &str, value: &str, line: u32) -> Directive {
        let place = Place { file: 0, position: Position { line, column: 1 } };
        let args = vec![format!("${name}"), value.to_owned()];
        Directive { name: "set".into(), args, place, block: None }
    }

    fn translated(text: &str, sets: &[Directive]) -> Result<String, String> {
        let sets = Sets(sets.iter().map(|set| (&set.arg()[1..], set)).collect());
        let pattern = Pattern::parse("~ ^/(?<room>\\w+)/(\\w+)$").unwrap();
        Texts { sets: &sets, pattern: &pattern }.translate(text, &mut Report::default())
    }

    #[test]
    fn variables_get_our_names() {
        for (text, expected) in [
            ("plain", "plain"),
            ("$arg_id", "$arg_id"),
            ("${arg_id}x-$1y", "${arg_id}x-$1y"),
            (
                "$nchan_channel_id/$nchan_prev_message_id",
                "$push_channel_id/$push_previous_message_id",
            ),
            ("$query_string", "$args"),
            ("a$room", "a$room"),
            ("$http_x_user$cookie_s", "$http_x_user$cookie_s"),
        ] {
            assert_eq!(translated(text, &[]).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_set_is_put_in_its_place() {
        let sets = [set("id", "$arg_id", 1), set("push_channel_id", "c-${id}", 2)];
        assert_eq!(translated("$push_channel_id.x", &sets).unwrap(), "c-$arg_id.x");
        let loops = [set("a", "$b", 1), set("b", "$a", 2)];
        assert!(translated("$a", &loops).unwrap_err().ends_with("is set by itself"));
    }

    #[test]
    fn what_is_not_known_is_told() {
        for (text, expected) in [
            ("$uid_got", "pushgate has no variable $uid_got"),
            ("$is_args", "pushgate has no variable $is_args"),
            ("$", "a `$` without the name of a variable"),
            ("${a", "a `$` without the name of a variable"),
        ] {
            assert_eq!(translated(text, &[]).unwrap_err(), expected);
        }
        let third = translated("$3", &[]).unwrap_err();
        assert_eq!(third, "`$3`: the path \"~ ^/(?<room>\\\\w+)/(\\\\w+)$\" has 2 groups");
    }
}
