//! Response heads.

use httparse::{EMPTY_HEADER, Header, Response, Status};

use super::Malformed;

/// A whole response head.
pub(in crate::cli) struct Head<'a> {
    pub(in crate::cli) status: u16,
    minor: u8,
    headers: [Header<'a>; HEADERS],
}

/// How a body ends.
#[derive(Debug)]
pub(in crate::cli) enum Length {
    Chunked,
    Sized(u64),
    UntilClose,
}

/// Header lines of a response.
const HEADERS: usize = 64;
/// Bytes of a response head.
const LONGEST: usize = 64 << 10;

impl<'a> Head<'a> {
    /// The head at the beginning of what has come, once it is whole, and its length.
    pub(in crate::cli) fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let mut headers = [EMPTY_HEADER; HEADERS];
        let mut response = Response::new(&mut headers);
        match response.parse(bytes) {
            Ok(Status::Partial) if bytes.len() > LONGEST => Err(Malformed::new("an endless head")),
            Ok(Status::Partial) => Ok(None),
            Ok(Status::Complete(length)) => {
                let status = response.code.unwrap_or_default();
                let minor = response.version.unwrap_or_default();
                Ok(Some((Self { status, minor, headers }, length)))
            }
            Err(error) => Err(Malformed::new(format!("a head that is none: {error}"))),
        }
    }

    /// Whether it is of HTTP/1.1, not 1.0.
    pub(in crate::cli) fn is_http_1_1(&self) -> bool {
        self.minor >= 1
    }

    /// All headers that have a name and a value, in their order.
    pub(in crate::cli) fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let there = self.headers.iter().filter(|header| !header.name.is_empty());
        there.map(|header| (header.name, header.value))
    }

    /// The value of a header; nothing if it is not text.
    pub(in crate::cli) fn value(&self, name: &str) -> Option<&'a str> {
        let found = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    }

    /// How the body ends (RFC 9112 section 6.3).
    pub(in crate::cli) fn length(&self) -> Result<Length, Malformed> {
        match (self.value("transfer-encoding"), self.value("content-length")) {
            // What follows is of another protocol, whatever the head says (Nchan's has a length).
            _ if self.status == 101 => Ok(Length::UntilClose),
            _ if matches!(self.status, 204 | 304) => Ok(Length::Sized(0)),
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Length::Chunked),
            (None, Some(length)) => {
                let bad = || Malformed::new(format!("Content-Length: {length}"));
                length.parse().map(Length::Sized).map_err(|_| bad())
            }
            (None, None) => Ok(Length::UntilClose),
            _ => Err(Malformed::new("a body of more than one length")),
        }
    }
}
