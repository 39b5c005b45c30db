//! What is wrong with a configuration, and where.

use std::{borrow::Cow, fmt};

use super::{unit::UnitError, variable::TemplateError};
use crate::{access::AccessError, router::PatternError};

/// Everything that is wrong with a configuration, in the order of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Errors(Vec<Error>);

impl Errors {
    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Error> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Errors {
    type Item = &'a Error;
    type IntoIter = std::slice::Iter<'a, Error>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for Errors {
    /// One line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.iter().map(Error::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Errors {}

/// One thing that is wrong: `FILE:LINE:COL: KEY: reason` in one line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{file}{}{}: {reason}", place(*.position), name(key))]
pub struct Error {
    /// The file as it was named, or `-g`.
    pub file: String,
    /// Line and column, both from 1; the column counts characters. None: the file as a whole.
    pub position: Option<(usize, usize)>,
    /// The key, empty where there is none.
    pub key: String,
    /// What is wrong with it.
    pub reason: Reason,
}

fn place(position: Option<(usize, usize)>) -> String {
    position.map_or_else(String::new, |(line, column)| format!(":{line}:{column}"))
}

fn name(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(": {}", key.escape_debug()) }
}

/// What can be wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Reason {
    /// A malformed rule of `access` or entry of `real_ip_from`.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A secret or a key that cannot be had; the text does not show it.
    #[error("the value {0}")]
    Credentials(String),
    /// Two values that exclude each other.
    #[error("conflicts with `{0}`")]
    Conflict(&'static str),
    /// The same thing twice; the text says where else.
    #[error("{0:?} is already taken {1}")]
    Duplicate(String, String),
    /// A value that has the right type and no meaning.
    #[error("{0:?} is not {1}")]
    Invalid(String, &'static str),
    /// Bounds of the number of stored messages that exclude each other.
    #[error(
        "push_min_message_buffer_length ({min}) is above push_max_message_buffer_length ({max})"
    )]
    Lengths {
        /// The lower bound.
        min: usize,
        /// The upper bound.
        max: usize,
    },
    /// A key on a level where it has no meaning.
    #[error("this key belongs {0}")]
    Misplaced(&'static str),
    /// A key that has to be there.
    #[error("missing: {0}")]
    Missing(&'static str),
    /// A `proxy_pass` that is no URL and names no upstream.
    #[error("there is no upstream {name:?}{}", did_you_mean(nearest.as_deref()))]
    NoUpstream {
        /// The name.
        name: String,
        /// The known one that is nearest to it.
        nearest: Option<String>,
    },
    /// A key without what it is for.
    #[error("without effect: {0}")]
    NoEffect(&'static str),
    /// A variable that has no value where it stands.
    #[error("`${0}` is always empty here")]
    NeverKnown(String),
    /// A malformed `path`.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A number outside its bounds.
    #[error("must be {0}")]
    Range(&'static str),
    /// Text that is no TOML.
    #[error("{0}")]
    Syntax(String),
    /// A malformed text with variables.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A value of another type.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What the key takes.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A malformed duration or size.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// A location that what outer levels ask of visitors does not guard.
    #[error(
        "{path:?} is not guarded by {guards} of an outer level, because of its {role}; access may say who comes here"
    )]
    Unguarded {
        /// Its `path`.
        path: String,
        /// The keys that guard others.
        guards: String,
        /// The key of what it is for.
        role: &'static str,
    },
    /// A key that there is not.
    #[error("unknown key{}", did_you_mean(*.0))]
    UnknownKey(Option<&'static str>),
    /// A file that cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// A word that the key does not take.
    #[error("{found:?} is none of {known}")]
    Word {
        /// The word.
        found: String,
        /// Those that it takes.
        known: String,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |key| format!(", did you mean `{key}`?"))
}

/// A level of the configuration: the nearer to the request, the greater.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Level {
    /// The root of the file.
    Root,
    /// `-g`, which replaces what the root says.
    Override,
    /// `[[server]]`.
    Server,
    /// `[[server.location]]`.
    Location,
    /// `[[upstream]]`, which inherits nothing.
    Upstream,
}

/// Where something is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    /// The key.
    pub(super) key: &'static str,
    /// The level of the block it is in.
    pub(super) level: Level,
    /// 0 is the file, the others are the `-g` in their order.
    pub(super) source: usize,
    /// Its first byte.
    pub(super) offset: usize,
}

/// A text that is read: the file, or a `-g`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

/// Gathers what is wrong, and what is worth a look, in any order.
#[derive(Debug, Default)]
pub(super) struct Faults {
    errors: Vec<Fault>,
    warnings: Vec<Fault>,
}

#[derive(Debug)]
struct Fault {
    source: usize,
    offset: usize,
    key: Cow<'static, str>,
    reason: Reason,
}

impl Faults {
    /// Something wrong with what is written at a place.
    pub(super) fn add(&mut self, place: Place, reason: impl Into<Reason>) {
        self.add_key(place, place.key, reason);
    }

    /// The same with another name than that of the place.
    pub(super) fn add_key(
        &mut self,
        place: Place,
        key: impl Into<Cow<'static, str>>,
        reason: impl Into<Reason>,
    ) {
        let Place { source, offset, .. } = place;
        self.errors.push(Fault { source, offset, key: key.into(), reason: reason.into() });
    }

    /// Something at a place that works, though not as it may be meant.
    pub(super) fn warn(&mut self, place: Place, reason: impl Into<Reason>) {
        let Place { source, offset, key, .. } = place;
        self.warnings.push(Fault { source, offset, key: key.into(), reason: reason.into() });
    }

    /// How many there are by now.
    pub(super) fn count(&self) -> usize {
        self.errors.len()
    }

    /// Forgets those of a source from an offset on.
    pub(super) fn forget_from(&mut self, source: usize, offset: usize) {
        let stays = |fault: &Fault| fault.source != source || fault.offset < offset;
        self.errors.retain(stays);
        self.warnings.retain(stays);
    }

    /// The errors in the order of the sources, each once, none if there are none; and the warnings.
    pub(super) fn told(self, sources: &[Source<'_>]) -> (Option<Errors>, Vec<Error>) {
        let errors = Self::located(self.errors, sources);
        let warnings = Self::located(self.warnings, sources);
        ((!errors.is_empty()).then_some(Errors(errors)), warnings)
    }

    fn located(mut faults: Vec<Fault>, sources: &[Source<'_>]) -> Vec<Error> {
        faults.sort_by_key(|fault| (fault.source, fault.offset));
        let located = faults.into_iter().filter_map(|fault| {
            let source = sources.get(fault.source)?;
            Some(Error {
                file: source.name.to_owned(),
                position: Some(position(source.text, fault.offset)),
                key: fault.key.into_owned(),
                reason: fault.reason,
            })
        });
        let mut errors: Vec<Error> = Vec::new();
        for error in located {
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
        errors
    }
}

/// Line and column of a byte, both from 1, the column in characters.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.char_indices().take_while(|(at, _)| *at < offset);
    before.fold((1, 1), |(line, column), (_, c)| match c {
        '\n' => (line + 1, 1),
        _ => (line, column + 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let text = "ab\n\u{e4}\u{1f600}c\n";
        for (offset, expected) in
            [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (5, (2, 2)), (9, (2, 3)), (99, (3, 1))]
        {
            assert_eq!(position(text, offset), expected, "{offset}");
        }
    }

    #[test]
    fn faults_are_sorted_and_reported_once() {
        let place = |source, offset| Place { key: "k", level: Level::Root, source, offset };
        let mut faults = Faults::default();
        faults.add(place(1, 0), Reason::Range("b"));
        faults.add(place(0, 3), Reason::Range("a"));
        faults.add(place(0, 0), Reason::Range("c"));
        faults.add(place(0, 3), Reason::Range("a"));
        let sources = [Source { name: "f", text: "a\n\nb" }, Source { name: "-g", text: "x" }];
        let errors = faults.told(&sources).0.unwrap();
        assert_eq!(
            errors.to_string(),
            "f:1:1: k: must be c\nf:3:1: k: must be a\n-g:1:1: k: must be b"
        );
    }

    #[test]
    fn an_error_stays_in_one_line() {
        let error = Error {
            file: "f".into(),
            position: None,
            key: "a\nb".into(),
            reason: Reason::Invalid("c\nd".into(), "fine"),
        };
        assert_eq!(error.to_string(), "f: a\\nb: \"c\\nd\" is not fine");
    }
}
