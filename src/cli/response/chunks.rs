//! Chunked bodies (RFC 9112 section 7.1), without extensions and trailers: nobody asked for them.

use super::{Malformed, Mark};

/// Where in a chunked body a connection is.
#[derive(Debug, Default)]
pub(in crate::cli) struct Chunks(At);

#[derive(Clone, Copy, Debug)]
enum At {
    /// Digits of a size, so many so far.
    Size {
        size: u32,
        digits: u8,
    },
    SizeLf {
        size: u32,
    },
    Data {
        left: u32,
    },
    DataCr,
    DataLf,
    LastCr,
    LastLf,
    Over,
}

impl Default for At {
    fn default() -> Self {
        Self::Size { size: 0, digits: 0 }
    }
}

/// Hexadecimal digits of a size.
const DIGITS: u8 = 7;

impl Chunks {
    /// Data at the beginning of what has come, what ends with it, and how many bytes that took.
    pub(super) fn next<'a>(
        &mut self,
        bytes: &'a [u8],
    ) -> Result<(&'a [u8], Mark, usize), Malformed> {
        let mut at = 0;
        while at < bytes.len() {
            if let At::Data { left } = self.0 {
                let length = bytes.len() - at;
                let length = usize::try_from(left).map_or(length, |left| left.min(length));
                let data = &bytes[at..at + length];
                let left = left - u32::try_from(length).unwrap_or(left);
                let over = left == 0;
                self.0 = if over { At::DataCr } else { At::Data { left } };
                return Ok((data, if over { Mark::Chunk } else { Mark::Nothing }, at + length));
            }
            self.0 = self.step(bytes[at])?;
            at += 1;
            if let At::Over = self.0 {
                return Ok((&[], Mark::Body, at));
            }
        }
        Ok((&[], Mark::Nothing, at))
    }

    fn step(&self, byte: u8) -> Result<At, Malformed> {
        Ok(match (self.0, byte) {
            (At::Size { size, digits }, byte) if byte.is_ascii_hexdigit() && digits < DIGITS => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                At::Size { size: size << 4 | digit, digits: digits + 1 }
            }
            (At::Size { size, digits: 1.. }, b'\r') => At::SizeLf { size },
            (At::SizeLf { size: 0 }, b'\n') => At::LastCr,
            (At::SizeLf { size }, b'\n') => At::Data { left: size },
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::default(),
            (At::LastCr, b'\r') => At::LastLf,
            (At::LastLf, b'\n') => At::Over,
            (at, byte) => {
                return Err(Malformed::new(format!("byte {byte:#04x} in a chunked body: {at:?}")));
            }
        })
    }
}
