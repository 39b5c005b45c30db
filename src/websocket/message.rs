//! A message while its bytes come in, fragment after fragment.

use bytes::Bytes;

use super::{
    Event, InflateError, Violation, inflate, mask,
    violation::{NOT_DEFLATED, NOT_UTF_8, TOO_LARGE},
};

/// What a compressor that gains nothing may add to a message: one byte for so many, ...
const LOSS: usize = 8;
/// ... and these.
const LOSS_AT_LEAST: usize = 64;

/// What has come of a message.
#[derive(Debug)]
pub(super) struct Message {
    text: bool,
    compressed: bool,
    bytes: Vec<u8>,
    /// How far `bytes` are known to be UTF-8, if they are text that is not compressed.
    valid: usize,
}

impl Message {
    /// Nothing yet.
    pub(super) fn new(text: bool, compressed: bool) -> Self {
        Self { text, compressed, bytes: Vec::new(), valid: 0 }
    }

    /// The bytes of memory that it has.
    pub(super) fn buffered(&self) -> usize {
        self.bytes.capacity()
    }

    /// How many bytes may still come of a message that may have `limit`.
    pub(super) fn room(&self, limit: usize) -> usize {
        let limit = if self.compressed {
            limit.saturating_add(limit / LOSS + LOSS_AT_LEAST)
        } else {
            limit
        };
        limit.saturating_sub(self.bytes.len())
    }

    /// Adds bytes as they came, with the key turned to the first of them.
    pub(super) fn extend(&mut self, masked: &[u8], key: &mut [u8; 4]) -> Result<(), Violation> {
        extend(&mut self.bytes, masked, key);
        // What a compressed message says is known at its end only.
        if self.compressed { Ok(()) } else { self.check() }
    }

    /// The whole message, of `limit` bytes at most.
    pub(super) fn end(mut self, limit: usize) -> Result<Event, Violation> {
        if self.compressed {
            self.bytes = inflate(&self.bytes, limit).map_err(|error| match error {
                InflateError::Corrupt => NOT_DEFLATED,
                InflateError::TooLarge => TOO_LARGE,
            })?;
            self.check()?;
        }
        if !self.text {
            return Ok(Event::Binary(exact(self.bytes)));
        }
        if self.valid < self.bytes.len() {
            return Err(NOT_UTF_8);
        }
        Ok(Event::Text(exact(self.bytes)))
    }

    /// Holds what came against UTF-8, but for a last character that may still become whole.
    fn check(&mut self) -> Result<(), Violation> {
        if !self.text {
            return Ok(());
        }
        match str::from_utf8(&self.bytes[self.valid..]) {
            Ok(text) => self.valid += text.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(NOT_UTF_8),
        }
        Ok(())
    }
}

/// Adds a piece of a payload, unmasked; `key` is turned to the byte after it.
pub(super) fn extend(bytes: &mut Vec<u8>, masked: &[u8], key: &mut [u8; 4]) {
    let start = bytes.len();
    bytes.extend_from_slice(masked);
    mask(&mut bytes[start..], key);
}

/// Gives back the room that a growing buffer has too much: messages may be kept for long.
pub(super) fn exact(bytes: Vec<u8>) -> Bytes {
    bytes.into_boxed_slice().into()
}

#[cfg(test)]
impl Message {
    /// The bytes that it has room for.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}
