//! One thing to tell the application, in little space.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};

use super::{Late, Lines, UpstreamError, grip, proxy::Inquiry};
use crate::{
    channel::MessageId,
    config::{Location, Timeouts, variable::later::Marks},
};

const X_MESSAGE_ID: HeaderName = HeaderName::from_static("x-message-id");
/// What is said in front of an application that is away.
const AWAY: [StatusCode; 2] = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE];

/// Something to tell; there may be one for each connection, so it is small.
#[derive(Debug)]
pub struct Notice {
    pub(super) upstream: usize,
    timeouts: Timeouts,
    head: Lines,
    /// The latest message that whoever it is about has seen.
    pub seen: Option<MessageId>,
    farewell: Option<Box<Farewell>>,
    /// What is put into it when it goes out.
    late: Option<Box<Late>>,
}

/// What is sent by POST of a client that was held by GRIP.
#[derive(Debug)]
struct Farewell {
    /// Of each request: they go out one after the other.
    bodies: VecDeque<Bytes>,
    /// Whose key signs them.
    location: Arc<Location>,
}

/// Whether the application seems to be away: it cannot be reached, does not answer in time, or somebody
/// says so in front of it.
pub(super) fn is_away(answer: &Result<Response<Bytes>, UpstreamError>) -> bool {
    match answer {
        Ok(answer) => AWAY.contains(&answer.status()),
        Err(error) => error.is_unsent() || error.is_late(),
    }
}

/// What has become of an attempt.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// The application has it.
    Told,
    /// It has a part of it.
    GoesOn,
    /// It comes again.
    Again,
    /// It may have been heard, and does not go out twice.
    Lost,
}

impl Notice {
    /// What a question asks, in little space.
    pub fn new(inquiry: &Inquiry) -> Self {
        Self::marked(inquiry, &Marks::new(&[]), None)
    }

    /// The same, with what is put into it when it goes out, in place of marks.
    pub fn marked(inquiry: &Inquiry, marks: &Marks, late: Option<Late>) -> Self {
        let (head, late) = (Lines::new(inquiry, marks), late.map(Box::new));
        let Inquiry { upstream, timeouts, .. } = *inquiry;
        // Who keeps it tries again.
        let timeouts = Timeouts { retry: Duration::ZERO, ..timeouts };
        Self { upstream, timeouts, head, seen: None, farewell: None, late }
    }

    /// What is sent by POST in so many requests, each signed with the key of `location` when it goes out.
    pub(super) fn farewell(
        inquiry: &Inquiry,
        location: &Arc<Location>,
        bodies: VecDeque<Bytes>,
    ) -> Self {
        let farewell = Farewell { bodies, location: location.clone() };
        Self { farewell: Some(Box::new(farewell)), ..Self::new(inquiry) }
    }

    /// What it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        let farewell = self.farewell.as_ref().map_or(0, |own| {
            let bodies = own.bodies.iter().map(|body| size_of::<Bytes>() + body.len());
            size_of::<Farewell>() + bodies.sum::<usize>()
        });
        let late = self.late.as_ref().map_or(0, |late| late.size());
        size_of::<Self>() + self.head.size() + farewell + late
    }

    /// The body of the request that tells it.
    pub(super) fn body(&self) -> Bytes {
        let farewell = self.farewell.as_ref();
        farewell.and_then(|own| own.bodies.front()).cloned().unwrap_or_default()
    }

    /// What an attempt has done. What a farewell says is asked for by nobody and may not be said twice:
    /// it comes again where no server has got it, or one says that it cannot take it for now.
    pub(super) fn judge(&mut self, answer: &Result<Response<Bytes>, UpstreamError>) -> Outcome {
        let Some(farewell) = &mut self.farewell else {
            // It is not asked for anything; what it refuses it would refuse again.
            let told = answer.as_ref().is_ok_and(|answer| !answer.status().is_server_error());
            return if told { Outcome::Told } else { Outcome::Again };
        };
        let told = match answer {
            Err(error) if error.is_unsent() => return Outcome::Again,
            Ok(answer) if AWAY.contains(&answer.status()) => return Outcome::Again,
            answer => answer.is_ok(),
        };
        farewell.bodies.pop_front();
        match (told, farewell.bodies.is_empty()) {
            (true, false) => Outcome::GoesOn,
            (false, false) => Outcome::Again,
            (true, true) => Outcome::Told,
            (false, true) => Outcome::Lost,
        }
    }

    /// The request that tells it.
    pub(super) fn inquiry(&self) -> Option<Inquiry> {
        let (uri, mut headers) = self.head.read(self.late.as_deref(), self.seen)?;
        if let Some(seen) = self.seen
            && let Ok(seen) = HeaderValue::from_str(&seen.to_string())
        {
            headers.insert(X_MESSAGE_ID, seen);
        }
        let Self { upstream, timeouts, .. } = *self;
        let mut method = Method::GET;
        if let Some(farewell) = &self.farewell {
            method = Method::POST;
            grip::sign(&mut headers, farewell.location.grip.as_ref()?);
        }
        Some(Inquiry { upstream, timeouts, method, uri, headers })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};

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

    #[test]
    fn only_who_is_away_is_left_alone() {
        let answer =
            |status: u16| Ok(Response::builder().status(status).body(Bytes::new()).unwrap());
        for (answer, away) in [
            (answer(200), false),
            (answer(404), false),
            (answer(500), false),
            (answer(502), true),
            (answer(503), true),
            (Err(UpstreamError::Connect(std::io::Error::other("refused"))), true),
            (Err(UpstreamError::ConnectTimeout), true),
            (Err(UpstreamError::ReadTimeout), true),
            (Err(UpstreamError::SendTimeout), true),
            (Err(UpstreamError::Closed), false),
            (Err(UpstreamError::Malformed), false),
            (Err(UpstreamError::TooLarge), false),
        ] {
            assert_eq!(is_away(&answer), away, "{answer:?}");
        }
    }
}
