//! The name of a channel within its group.

use std::{fmt, sync::Arc};

/// Group and id in one key, cheap to clone; both may be any bytes.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ChannelId(Arc<[u8]>);

/// Length of the group's name, in front of both.
const PREFIX: usize = size_of::<u16>();

impl ChannelId {
    /// A channel of the nameless group.
    pub fn new(id: &[u8]) -> Self {
        Self::grouped(&[], id)
    }

    /// A channel of a group; a group's name beyond 65,535 bytes is cut.
    pub fn grouped(group: &[u8], id: &[u8]) -> Self {
        let length = u16::try_from(group.len()).unwrap_or(u16::MAX);
        let group = &group[..length.into()];
        Self([&length.to_be_bytes(), group, id].concat().into())
    }

    /// Group and id as they are ordered.
    pub fn key(&self) -> &[u8] {
        &self.0
    }

    /// The channel of a key, if it is one.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let (length, rest) = key.split_at_checked(PREFIX)?;
        let length = u16::from_be_bytes(length.try_into().ok()?);
        (usize::from(length) <= rest.len()).then(|| Self(key.into()))
    }

    /// The bytes of the id.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.get(PREFIX + self.group_length()..).unwrap_or_default()
    }

    /// The bytes of the group's name.
    pub fn group(&self) -> &[u8] {
        self.0.get(PREFIX..PREFIX + self.group_length()).unwrap_or_default()
    }

    fn group_length(&self) -> usize {
        usize::from(u16::from_be_bytes([self.0[0], self.0[1]]))
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_and_id_are_told_apart() {
        let a = ChannelId::grouped(b"a", b"bc");
        assert_eq!((a.group(), a.as_bytes()), (&b"a"[..], &b"bc"[..]));
        assert_ne!(a, ChannelId::grouped(b"ab", b"c"));
        assert_eq!(ChannelId::new(b"x"), ChannelId::grouped(b"", b"x"));
    }

    #[test]
    fn a_key_is_the_channel_again_and_other_bytes_are_none() {
        let a = ChannelId::grouped(b"a", b"bc");
        assert_eq!(ChannelId::from_key(a.key()), Some(a));
        for bytes in [&b""[..], b"\0", b"\0\x02a", b"\xff\xffab"] {
            assert_eq!(ChannelId::from_key(bytes), None, "{bytes:?}");
        }
    }
}
