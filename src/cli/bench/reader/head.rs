//! Response heads, and what is wrong with them.

use httparse::{EMPTY_HEADER, Header, Response, Status};

use super::{
    super::transport::{Transport, WEBSOCKET_ACCEPT},
    Broken, LONGEST, Use,
};

/// A whole response head.
pub(super) struct Head<'a> {
    status: u16,
    headers: [Header<'a>; HEADERS],
}

/// How a body ends.
pub(super) enum Length {
    Chunked,
    Sized(u64),
    UntilClose,
}

/// Header lines of a response.
const HEADERS: usize = 32;

impl<'a> Head<'a> {
    /// The head at the beginning of what has come, once it is whole, and its length.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Broken> {
        let mut headers = [EMPTY_HEADER; HEADERS];
        let mut response = Response::new(&mut headers);
        match response.parse(bytes) {
            Ok(Status::Partial) if bytes.len() > LONGEST => Err(Broken::framing("an endless head")),
            Ok(Status::Partial) => Ok(None),
            Ok(Status::Complete(length)) => {
                let status = response.code.unwrap_or_default();
                Ok(Some((Self { status, headers }, length)))
            }
            Err(error) => Err(Broken::framing(format!("a head that is none: {error}"))),
        }
    }

    /// The value of a header; nothing if it is not text.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        let found = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    }

    fn is(&self, name: &str, expected: &str) -> bool {
        self.value(name).is_some_and(|value| value.eq_ignore_ascii_case(expected))
    }

    /// Whether it is what was asked for.
    pub(super) fn accept(&self, used: Use) -> Result<(), Broken> {
        let wanted = match used {
            Use::Ask => (200..300).contains(&self.status),
            Use::Listen(Transport::Ws) => self.status == 101,
            Use::Listen(_) => self.status == 200,
        };
        if !wanted {
            return Err(Broken::Refused(format!("status {}", self.status)));
        }
        let content_type = self.value("content-type").unwrap_or_default();
        let fits = match used {
            Use::Listen(Transport::Sse) => content_type.starts_with("text/event-stream"),
            Use::Listen(Transport::Ws) => {
                self.is("upgrade", "websocket")
                    && self.is("connection", "upgrade")
                    && self.value("sec-websocket-accept") == Some(WEBSOCKET_ACCEPT)
                    && self.value("sec-websocket-extensions").is_none()
            }
            Use::Listen(_) | Use::Ask => true,
        };
        if fits { Ok(()) } else { Err(Broken::Refused("a head of something else".to_owned())) }
    }

    /// How the body ends (RFC 9112 section 6.3).
    pub(super) fn length(&self) -> Result<Length, Broken> {
        match (self.value("transfer-encoding"), self.value("content-length")) {
            _ if matches!(self.status, 204 | 304) => Ok(Length::Sized(0)),
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Length::Chunked),
            (None, Some(length)) => {
                let bad = || Broken::framing(format!("Content-Length: {length}"));
                length.parse().map(Length::Sized).map_err(|_| bad())
            }
            (None, None) => Ok(Length::UntilClose),
            _ => Err(Broken::framing("a body of more than one length")),
        }
    }

    /// Header lines that ask for what comes after this answer.
    pub(super) fn cursor(&self) -> Vec<u8> {
        let lines = [("last-modified", "If-Modified-Since"), ("etag", "If-None-Match")];
        let mut cursor = Vec::with_capacity(96);
        for (answered, asked) in lines {
            if let Some(value) = self.value(answered) {
                cursor.extend_from_slice(asked.as_bytes());
                cursor.extend_from_slice(b": ");
                cursor.extend_from_slice(value.as_bytes());
                cursor.extend_from_slice(b"\r\n");
            }
        }
        cursor
    }
}
