//! What an application has said of a subscriber, for filters.

use std::collections::BTreeMap;

/// Facts that may be known of one subscriber, ...
pub const MAX_META: usize = 64;
/// ... and the bytes of their names and values together.
pub const MAX_META_BYTES: usize = 16 << 10;

/// Facts, each with its name; they are bounded, because there are some for each connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Meta {
    facts: BTreeMap<Box<str>, Box<str>>,
    bytes: usize,
}

/// Why there is no place for a fact.
const TOO_MUCH: &str = "has more than 64 values or 16384 bytes";

impl Meta {
    /// A fact.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(|value| &**value)
    }

    /// Notes a fact, in place of an earlier one of the name; where there is no place for it that stays, and
    /// the error says why.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        let earlier = self.get(name).map(|earlier| name.len() + earlier.len());
        let bytes = self.bytes - earlier.unwrap_or(0) + name.len() + value.len();
        let facts = self.facts.len() + usize::from(earlier.is_none());
        if bytes > MAX_META_BYTES || facts > MAX_META {
            return Err(TOO_MUCH);
        }
        self.facts.insert(name.into(), value.into());
        self.bytes = bytes;
        Ok(())
    }

    /// Forgets a fact.
    pub fn remove(&mut self, name: &str) {
        if let Some(value) = self.facts.remove(name) {
            self.bytes -= name.len() + value.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_bounded_in_number() {
        let mut meta = Meta::default();
        for number in 0..MAX_META {
            assert_eq!(meta.set(&number.to_string(), "x"), Ok(()));
        }
        assert_eq!(meta.set("more", "x"), Err(TOO_MUCH));
        assert_eq!(meta.set("0", "y"), Ok(()));
        meta.remove("1");
        assert_eq!(meta.set("more", "x"), Ok(()));
        assert_eq!((meta.get("0"), meta.get("1"), meta.get("more")), (Some("y"), None, Some("x")));
    }

    #[test]
    fn facts_are_bounded_in_bytes() {
        let mut meta = Meta::default();
        let most = "x".repeat(MAX_META_BYTES - 1);
        assert_eq!(meta.set("a", &most), Ok(()));
        assert_eq!(meta.set("b", ""), Err(TOO_MUCH));
        assert_eq!(meta.set("a", &format!("{most}x")), Err(TOO_MUCH));
        assert_eq!(meta.get("a"), Some(&*most));
        assert_eq!(meta.set("a", ""), Ok(()));
        assert_eq!(meta.set("b", &most[1..]), Ok(()));
        meta.remove("b");
        meta.remove("b");
        assert_eq!(meta.set("c", &most[1..]), Ok(()));
        assert_eq!(TOO_MUCH, format!("has more than {MAX_META} values or {MAX_META_BYTES} bytes"));
    }
}
