//! Where a body ends (RFC 9112 section 6.3).

use super::{Length, Malformed, chunks::Chunks};

/// A body while it comes.
#[derive(Debug)]
pub(in crate::cli) enum Body {
    Chunked(Chunks),
    /// So many bytes are to come.
    Sized(u64),
    UntilClose,
}

/// What ends with the bytes in hand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::cli) enum Mark {
    Nothing,
    Chunk,
    Body,
}

impl Body {
    pub(in crate::cli) fn new(length: &Length) -> Self {
        match length {
            Length::Chunked => Self::Chunked(Chunks::default()),
            Length::Sized(length) => Self::Sized(*length),
            Length::UntilClose => Self::UntilClose,
        }
    }

    /// Data at the beginning of what has come, what ends with it, and how many bytes that took. A body
    /// without bytes ends with none.
    pub(in crate::cli) fn next<'a>(
        &mut self,
        bytes: &'a [u8],
    ) -> Result<(&'a [u8], Mark, usize), Malformed> {
        match self {
            Self::Chunked(chunks) => chunks.next(bytes),
            Self::Sized(left) => {
                let length = usize::try_from(*left).map_or(bytes.len(), |n| n.min(bytes.len()));
                *left -= length as u64;
                let mark = if *left == 0 { Mark::Body } else { Mark::Nothing };
                Ok((&bytes[..length], mark, length))
            }
            Self::UntilClose => Ok((bytes, Mark::Nothing, bytes.len())),
        }
    }
}
