//! The channels that a request names.

use super::{Channels, Location, Scope};
use crate::{channel::ChannelId, dialect::Dialect, response::Refusal};

/// Channels that one request may name.
const MAX_CHANNELS: usize = 255;

/// What a path ends a channel's name with to ask for its last messages: `.b3`.
const BACKTRACK: &[u8] = b".b";
/// The channel of all channels, in statistics.
const ALL: &[u8] = b"ALL";

/// What a request names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// The channels, each once, at least one.
    pub channels: Vec<ChannelId>,
    /// So many of the last messages are to come first, where ids are paths. Each channel may ask
    /// for its own; the most that any asks for counts, because one cursor serves them all.
    pub backtrack: Option<usize>,
}

impl Channels {
    /// What a request names. In a dialect whose ids are paths the segments are the channels; empty
    /// ones are none.
    pub fn named(&self, scope: &Scope<'_>, dialect: &Dialect) -> Result<Named, Refusal> {
        let group = self.group.expand(scope);
        let mut named = Named { channels: Vec::with_capacity(1), backtrack: None };
        for template in &self.ids {
            let value = template.expand(scope);
            for part in split(&value, self.delimiter.as_deref()) {
                if !dialect.paths {
                    self.add(&mut named, &group, part)?;
                    continue;
                }
                for segment in part.split(|byte| *byte == b'/') {
                    let Segment::Channel(id, backtrack) = Segment::parse(segment) else {
                        return Err(Refusal::ChannelIdReserved);
                    };
                    self.add(&mut named, &group, id)?;
                    named.backtrack = named.backtrack.max(backtrack.filter(|_| !id.is_empty()));
                }
            }
        }
        if named.channels.is_empty() { Err(Refusal::NoChannelId) } else { Ok(named) }
    }

    fn add(&self, named: &mut Named, group: &[u8], id: &[u8]) -> Result<(), Refusal> {
        if id.len() > self.max_id_length {
            return Err(Refusal::ChannelIdTooLong);
        }
        let channel = ChannelId::grouped(group, id);
        if !id.is_empty() && !named.channels.contains(&channel) {
            named.channels.push(channel);
        }
        if named.channels.len() > MAX_CHANNELS {
            return Err(Refusal::Forbidden("The request names too many channels.".into()));
        }
        Ok(())
    }
}

impl Location {
    /// The ids of channels as one text, with commas between them; `None` if it could mean other
    /// channels as well, because an id has a comma where there may be several.
    pub fn joined(&self, channels: &[ChannelId]) -> Option<Vec<u8>> {
        let Channels { ids, delimiter, .. } = &self.channels;
        let one = ids.len() == 1 && delimiter.is_none();
        let one = one && !self.dialect.paths && self.items.is_none();
        let ids: Vec<&[u8]> = channels.iter().map(ChannelId::as_bytes).collect();
        (one || !ids.iter().any(|id| id.contains(&b','))).then(|| ids.join(&b","[..]))
    }
}

/// What a segment of a path stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Segment<'a> {
    /// A channel, and how many of its last messages are to come first.
    Channel(&'a [u8], Option<usize>),
    /// In statistics, all channels whose id begins with this: `a*`, whatever comes after the `*`;
    /// `ALL` and `*` are those that begin with nothing.
    Prefix(&'a [u8]),
}

impl<'a> Segment<'a> {
    /// Reads a segment, which has no `/`.
    pub fn parse(segment: &'a [u8]) -> Self {
        let (id, backtrack) = cut_backtrack(segment);
        if id == ALL {
            return Self::Prefix(b"");
        }
        match id.iter().position(|byte| *byte == b'*') {
            Some(star) => Self::Prefix(&id[..star]),
            None => Self::Channel(id, backtrack),
        }
    }
}

/// A segment of a path without the `.bN` at its end, and the number, if it is above 0; one that is
/// too large is as large as can be.
fn cut_backtrack(segment: &[u8]) -> (&[u8], Option<usize>) {
    let digits = segment.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, digits) = segment.split_at(segment.len() - digits);
    match before.strip_suffix(BACKTRACK) {
        Some(id) if !digits.is_empty() => {
            let number = digits.iter().fold(0_usize, |number, digit| {
                number.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
            });
            (id, Some(number).filter(|number| *number > 0))
        }
        _ => (segment, None),
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
    fn a_backtrack_is_cut_off_the_end_of_a_segment() {
        for (segment, id, backtrack) in [
            ("x", "x", None),
            ("x.b3", "x", Some(3)),
            ("x.b3.b2", "x.b3", Some(2)),
            ("a.b18.c", "a.b18.c", None),
            ("x.b", "x.b", None),
            ("x.b-1", "x.b-1", None),
            ("x.b0", "x", None),
            ("x.b007", "x", Some(7)),
            ("x.b99999999999999999999", "x", Some(usize::MAX)),
            (".b3", "", Some(3)),
            ("123", "123", None),
            ("b3", "b3", None),
            ("", "", None),
        ] {
            assert_eq!(cut_backtrack(segment.as_bytes()), (id.as_bytes(), backtrack), "{segment}");
        }
    }

    #[test]
    fn a_segment_is_a_channel_or_a_prefix() {
        for (segment, expected) in [
            ("x.b3", Segment::Channel(b"x", Some(3))),
            ("", Segment::Channel(b"", None)),
            ("ALLE", Segment::Channel(b"ALLE", None)),
            ("ALL", Segment::Prefix(b"")),
            ("ALL.b3", Segment::Prefix(b"")),
            ("*", Segment::Prefix(b"")),
            ("a*", Segment::Prefix(b"a")),
            ("a*b*.b3", Segment::Prefix(b"a")),
        ] {
            assert_eq!(Segment::parse(segment.as_bytes()), expected, "{segment}");
        }
    }

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
