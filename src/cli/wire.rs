//! Requests and responses over one connection.

use std::{
    io,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{
    connection::{Connection, Waited, wait},
    endpoint::Endpoint,
    response::{Body, Head, Length, Malformed, Mark},
    visible,
};

/// A connection, and what has come over it and is not taken yet.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) connection: Connection,
    pub(super) input: Vec<u8>,
    buffer: Box<[u8]>,
    /// Somebody has to read the output, or it is of no use to go on.
    watched: bool,
}

/// The head of a response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) length: Length,
    /// Another request may follow over the same connection.
    pub(super) keeps: bool,
}

/// Why nothing more comes over a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("the connection is lost: {0}")]
    Io(#[from] io::Error),
    #[error("the connection was closed")]
    Closed,
    #[error("no answer within {} seconds", .0.as_secs())]
    Late(Duration),
    #[error("what comes is not of the protocol: {0}")]
    Malformed(#[from] Malformed),
    /// Nobody reads the output any more.
    #[error("nobody reads")]
    Unread,
}

/// So many responses may only inform before the one that counts comes in time.
const INFORMING: u32 = 8;
/// One read, in bytes.
const READ: usize = 64 << 10;
/// The sentence of a refusal, in bytes.
const SENTENCE: usize = 1000;
/// How long a refusal may take to say why.
const REASON: Duration = Duration::from_secs(5);
/// Where the push stream module says why.
const EXPLAIN: &str = "x-nginx-pushstream-explain";

impl Wire {
    pub(super) fn open(endpoint: &Endpoint, watched: bool) -> Result<Self, Broken> {
        let connection = Connection::open(endpoint).map_err(Broken::Connect)?;
        Ok(Self { connection, input: Vec::new(), buffer: vec![0; READ].into(), watched })
    }

    /// Waits for more input; false: there is none any more.
    pub(super) fn fill(&mut self, until: Option<Instant>) -> Result<Filled, Broken> {
        loop {
            // Who sends without end is late, too.
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(Filled::Late);
            }
            match wait(Some(&self.connection), until)? {
                Waited::Late => return Ok(Filled::Late),
                Waited::Unread if self.watched => return Err(Broken::Unread),
                Waited::Ready | Waited::Unread => {}
            }
            match self.connection.read(&mut self.buffer)? {
                Some(0) => return Ok(Filled::End),
                Some(length) => {
                    self.input.extend_from_slice(&self.buffer[..length]);
                    return Ok(Filled::More);
                }
                None => {}
            }
        }
    }

    /// The head of the response to come, after those that only inform (RFC 9110 section 15.2). It may
    /// take for ever if there is no `patience`, kept alive by any number of those.
    pub(super) fn head(&mut self, patience: Option<Duration>) -> Result<Answer, Broken> {
        let until = patience.map(|patience| Instant::now() + patience);
        let mut informing = 0;
        loop {
            if let Some((head, length)) = Head::parse(&self.input)? {
                let answer = Answer::new(&head)?;
                self.input.drain(..length);
                if !answer.status.is_informational()
                    || answer.status == StatusCode::SWITCHING_PROTOCOLS
                {
                    return Ok(answer);
                }
                informing += 1;
                if until.is_some() && informing > INFORMING {
                    return Err(Malformed::new("responses that only inform, without end").into());
                }
                continue;
            }
            match self.fill(until)? {
                Filled::More => {}
                Filled::End => return Err(Broken::Closed),
                Filled::Late => return Err(Broken::Late(patience.unwrap_or_default())),
            }
        }
    }

    /// The body of a response, or so much of it; whether that is all of it.
    pub(super) fn body(
        &mut self,
        answer: &Answer,
        limit: usize,
        patience: Option<Duration>,
    ) -> Result<(Vec<u8>, bool), Broken> {
        let until = patience.map(|patience| Instant::now() + patience);
        let (mut body, mut all) = (Body::new(&answer.length), Vec::new());
        loop {
            let mut at = 0;
            loop {
                let (data, mark, length) = body.next(&self.input[at..])?;
                at += length;
                all.extend_from_slice(data);
                if mark == Mark::Body || all.len() > limit {
                    self.input.drain(..at);
                    return Ok((all, mark == Mark::Body));
                }
                if at == self.input.len() {
                    break;
                }
            }
            self.input.clear();
            match (self.fill(until)?, &body) {
                (Filled::More, _) => {}
                (Filled::End, Body::UntilClose) => return Ok((all, true)),
                (Filled::End, _) => return Err(Broken::Closed),
                (Filled::Late, _) => return Err(Broken::Late(patience.unwrap_or_default())),
            }
        }
    }

    /// A refusal in words: its status, and the sentence of reason in its body if there is one.
    pub(super) fn refusal(&mut self, answer: &Answer) -> String {
        let status = answer.status_line();
        let page = answer.text(header::CONTENT_TYPE).starts_with("text/html");
        let told = answer.headers.get(EXPLAIN).or_else(|| answer.headers.get(header::LOCATION));
        let body = match told {
            Some(told) => told.as_bytes().to_vec(),
            // A page for browsers says nothing more.
            None if page => Vec::new(),
            // One that cannot be read takes nothing from the status.
            None => self.body(answer, SENTENCE, Some(REASON)).map_or(Vec::new(), |(body, _)| body),
        };
        let sentence = visible::line(&body[..body.len().min(SENTENCE)]);
        if sentence.is_empty() { status } else { format!("{status}: {sentence}") }
    }
}

/// What waiting for input has come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Filled {
    More,
    End,
    Late,
}

impl Answer {
    fn new(head: &Head<'_>) -> Result<Self, Malformed> {
        let status = StatusCode::from_u16(head.status);
        let status = status.map_err(|_| Malformed::new(format!("status {}", head.status)))?;
        let mut headers = HeaderMap::new();
        for (name, value) in head.headers() {
            let header = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value));
            if let (Ok(name), Ok(value)) = header {
                headers.append(name, value);
            }
        }
        let length = head.length()?;
        let close = head.value("connection").is_some_and(|value| {
            value.split(',').any(|option| option.trim().eq_ignore_ascii_case("close"))
        });
        let keeps = head.is_http_1_1() && !close && !matches!(length, Length::UntilClose);
        Ok(Self { status, headers, length, keeps })
    }

    /// The value of a header; nothing if it is not there or no text.
    pub(super) fn text(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// `404 Not Found`.
    pub(super) fn status_line(&self) -> String {
        let reason = self.status.canonical_reason().unwrap_or_default();
        format!("{} {reason}", self.status.as_u16()).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::unix::net::UnixStream, thread};

    use super::*;

    /// A wire whose other end sends this over and over.
    fn flooded(piece: &'static [u8]) -> Wire {
        let (stream, mut other) = UnixStream::pair().unwrap();
        thread::spawn(move || while other.write_all(piece).is_ok() {});
        let (connection, buffer) = (Connection::Unix(stream), vec![0; READ].into());
        Wire { connection, input: Vec::new(), buffer, watched: false }
    }

    #[test]
    fn whoever_sends_without_end_is_late() {
        let answer = Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            length: Length::UntilClose,
            keeps: false,
        };
        // It is read away as fast as it comes: there is always more, and it never is enough.
        let body = flooded(b"x").body(&answer, usize::MAX, Some(Duration::from_millis(200)));
        assert!(matches!(body, Err(Broken::Late(_))));
    }

    #[test]
    fn responses_that_only_inform_have_to_come_to_an_end() {
        let informs = b"HTTP/1.1 103 Early Hints\r\n\r\n";
        let head = flooded(informs).head(Some(Duration::from_hours(1)));
        assert!(matches!(head, Err(Broken::Malformed(_))), "{head:?}");
    }
}
