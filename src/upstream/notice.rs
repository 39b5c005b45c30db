//! One thing to tell the application, in little space.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::proxy::Inquiry;
use crate::{channel::MessageId, config::Timeouts};

const X_MESSAGE_ID: HeaderName = HeaderName::from_static("x-message-id");

/// Something to tell; there may be one for each connection, so it is small.
#[derive(Debug)]
pub struct Notice {
    pub(super) upstream: usize,
    timeouts: Timeouts,
    /// Path, and header lines, with a line feed after each.
    head: Box<[u8]>,
    /// The latest message that whoever it is about has seen.
    pub seen: Option<MessageId>,
}

impl Notice {
    /// What a question asks, in little space.
    pub fn new(inquiry: &Inquiry) -> Self {
        let mut head = inquiry.uri.to_string().into_bytes();
        for (name, value) in &inquiry.headers {
            for part in [b"\n", name.as_str().as_bytes(), b":", value.as_bytes()] {
                head.extend_from_slice(part);
            }
        }
        let Inquiry { upstream, timeouts, .. } = *inquiry;
        // Who keeps it tries again.
        let timeouts = Timeouts { retry: Duration::ZERO, ..timeouts };
        Self { upstream, timeouts, head: head.into(), seen: None }
    }

    /// What it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.head.len()
    }

    /// The request that tells it.
    pub(super) fn inquiry(&self) -> Option<Inquiry> {
        let mut lines = self.head.split(|byte| *byte == b'\n');
        let uri = lines.next().and_then(|uri| uri.try_into().ok())?;
        let mut headers = HeaderMap::new();
        for line in lines {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(&line[..colon]).ok()?;
            headers.append(name, HeaderValue::from_bytes(&line[colon + 1..]).ok()?);
        }
        if let Some(seen) = self.seen
            && let Ok(seen) = HeaderValue::from_str(&seen.to_string())
        {
            headers.insert(X_MESSAGE_ID, seen);
        }
        let Self { upstream, timeouts, .. } = *self;
        Some(Inquiry { upstream, timeouts, method: Method::GET, uri, headers })
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn inquiry(path: &str) -> Inquiry {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("app"));
        headers.append("x-a", HeaderValue::from_static("1: 2"));
        headers.append("x-a", HeaderValue::from_bytes(b"\xe4").unwrap());
        let (timeouts, method) = (Timeouts::default(), Method::GET);
        Inquiry { upstream: 0, timeouts, method, uri: path.parse().unwrap(), headers }
    }

    #[test]
    fn a_notice_says_what_its_question_says_and_what_was_seen() {
        let mut notice = Notice::new(&inquiry("/left?x=1"));
        let said = notice.inquiry().unwrap();
        assert_eq!((said.uri, said.headers), (inquiry("/left?x=1").uri, inquiry("/").headers));
        notice.seen = MessageId::new(5, 3);
        assert_eq!(notice.inquiry().unwrap().headers["x-message-id"], "5:3");
    }
}
