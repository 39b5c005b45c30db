//! Values that are known only after a text is expanded: the text keeps a place open for each.
//!
//! What must hold: no text that a client sends can be taken for such a place.

use std::hash::{BuildHasher, RandomState};

use super::{
    Part, Scope, Template,
    source::{Known, Source},
};
use crate::channel::MessageId;

/// What comes into a text later.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Slot {
    /// `$push_subscriber_count`.
    Count,
    /// `$push_message_id`.
    Id,
    /// The same, percent-encoded.
    EncodedId,
}

/// An expanded text, and where in it something is missing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Later {
    text: Box<[u8]>,
    /// Before which bytes of the text, in their order.
    slots: Box<[(usize, Slot)]>,
}

impl Later {
    /// Whether subscribers are counted for it.
    pub fn counts(&self) -> bool {
        self.slots.iter().any(|(_, slot)| *slot == Slot::Count)
    }

    /// What it takes besides itself, in bytes.
    pub fn size(&self) -> usize {
        self.text.len() + size_of_val(&*self.slots)
    }

    /// The text with a count, and an id or nothing.
    pub fn fill(&self, count: usize, id: Option<MessageId>) -> Vec<u8> {
        let (mut out, mut from) = (Vec::with_capacity(self.text.len()), 0);
        for (at, slot) in &self.slots {
            out.extend_from_slice(&self.text[from..*at]);
            let id = || id.map(|id| id.to_string()).unwrap_or_default();
            let value = match slot {
                Slot::Count => count.to_string(),
                Slot::Id => id(),
                Slot::EncodedId => id().replace(':', "%3A"),
            };
            out.extend_from_slice(value.as_bytes());
            from = *at;
        }
        out.extend_from_slice(&self.text[from..]);
        out
    }
}

/// Stand for what is missing while an URI goes through the rules of a location. They are made anew for
/// each, when all that the client has sent is there, and nobody is told them.
#[derive(Clone, Debug)]
pub struct Marks {
    /// 32 hexadecimal digits.
    secret: String,
    open: &'static [Slot],
}

impl Marks {
    /// New ones for what is missing.
    pub fn new(open: &'static [Slot]) -> Self {
        let half = || RandomState::new().hash_one(0_u8);
        Self { secret: format!("{:016x}{:016x}", half(), half()), open }
    }

    /// What stands for the value of a part in an URI, if it is missing.
    pub(super) fn stand_in(&self, part: &Part) -> Option<String> {
        let end = match part.slot().filter(|slot| self.open.contains(slot))? {
            Slot::Count => COUNT,
            Slot::Id | Slot::EncodedId => ENCODED_ID,
        };
        Some(format!("{}{end}", self.secret))
    }

    /// The text with places in place of marks.
    pub fn split(&self, text: &[u8]) -> Later {
        let (mut out, mut slots, mut rest) = (Vec::with_capacity(text.len()), Vec::new(), text);
        let secret = self.secret.as_bytes();
        while let Some(at) = rest.windows(secret.len()).position(|window| window == secret) {
            out.extend_from_slice(&rest[..at]);
            rest = &rest[at + secret.len()..];
            for (end, slot) in [(COUNT, Slot::Count), (ID, Slot::Id), (ENCODED_ID, Slot::EncodedId)]
            {
                if let Some(after) = rest.strip_prefix(end.as_bytes()) {
                    slots.push((out.len(), slot));
                    rest = after;
                    break;
                }
            }
        }
        out.extend_from_slice(rest);
        Later { text: out.into(), slots: slots.into() }
    }
}

/// What follows the secret of a mark; an id is percent-encoded in an URI, and what is decoded from there
/// is not.
const COUNT: &str = "n";
const ID: &str = ":i";
const ENCODED_ID: &str = "%3Ai";

impl Part {
    fn slot(&self) -> Option<Slot> {
        match self {
            Self::Variable { source: Source::Known(Known::SubscriberCount), .. } => {
                Some(Slot::Count)
            }
            Self::Variable { source: Source::Known(Known::MessageId), .. } => Some(Slot::Id),
            _ => None,
        }
    }
}

impl Template {
    /// Whether subscribers are counted for it.
    pub fn counts(&self) -> bool {
        self.parts.iter().any(|part| part.slot() == Some(Slot::Count))
    }

    /// The text for a request, with places for what is missing.
    pub fn expand_later<'a>(&'a self, scope: &Scope<'a>, open: &[Slot]) -> Later {
        let (mut text, mut slots) = (Vec::new(), Vec::new());
        for part in &self.parts {
            match part.slot().filter(|slot| open.contains(slot)) {
                Some(slot) => slots.push((text.len(), slot)),
                None => text.extend_from_slice(&part.expand(scope)),
            }
        }
        Later { text: text.into(), slots: slots.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &[Slot] = &[Slot::Count, Slot::Id];

    #[test]
    fn marks_become_places_wherever_they_stand_and_nothing_else_does() {
        let marks = Marks::new(OPEN);
        let secret = &marks.secret;
        assert_eq!(secret.len(), 32);
        let others = Marks::new(OPEN).secret;
        assert_ne!(*secret, others);
        let text = format!("{secret}n of {secret}:i, {secret}%3Ai{secret}n {others}n");
        let split = marks.split(text.as_bytes());
        let filled = format!("7 of 5:3, 5%3A37 {others}n");
        assert_eq!(split.fill(7, MessageId::new(5, 3)), filled.as_bytes());
        assert_eq!(split.fill(0, None), format!("0 of , 0 {others}n").as_bytes());
        assert!(split.counts() && !marks.split(b"x").counts());
    }
}
