//! An answer with instructions, read to its end.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, response::Parts};
use hyper::ext::ReasonPhrase;

use super::{
    MAX_ANSWER,
    caller::{Caller, Trouble},
};
use crate::{
    channel::Reply,
    grip::{Hold, Instruct, strip},
    response::{Body, Refusal, full},
    upstream::{
        Download, own,
        proxy::{answer::clean, headers::strip_hops},
    },
};

/// An answer and what it instructs.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) instruct: Instruct,
    pub(super) body: Bytes,
    status: StatusCode,
    reason: Option<ReasonPhrase>,
    headers: HeaderMap,
}

impl Told {
    pub(super) async fn read(response: Response<Download>) -> Result<Self, Refusal> {
        let (parts, body) = response.into_parts();
        Self::new(parts, &body.whole(MAX_ANSWER).await?)
    }

    pub(super) fn new(mut parts: Parts, body: &Bytes) -> Result<Self, Refusal> {
        let reason = parts.extensions.remove::<ReasonPhrase>();
        let reason = reason.and_then(|reason| phrase(reason.as_bytes()));
        let instruct = Instruct::read(&parts.headers, body).map_err(|error| {
            let what = format!("The application's GRIP instructions cannot be followed. {error}");
            Refusal::BadGateway(what.into())
        })?;
        let Parts { status, mut headers, .. } = parts;
        strip(&mut headers);
        let (headers, body) = (own::headers(&headers), Bytes::copy_from_slice(body));
        let mut told = Self { instruct, body, status, reason, headers };
        if let Some(reply) = told.instruct.response.take() {
            (told.status, told.reason, told.headers) = head(&reply);
            told.body = reply.part.content;
        } else if told.headers.get(header::CONTENT_TYPE).is_some_and(instructs) {
            (told.status, told.reason) = (StatusCode::OK, None);
            (told.headers, told.body) = (HeaderMap::new(), Bytes::new());
        }
        if let Some(names) = &told.instruct.expose {
            let hidden = |name: &&HeaderName| !names.contains(name);
            let hidden: Vec<_> = told.headers.keys().filter(hidden).cloned().collect();
            for name in hidden {
                told.headers.remove(name);
            }
        }
        Ok(told)
    }

    /// What follows an answer has to be a success; what is none for now is asked for again.
    pub(super) fn fine(self) -> Result<Self, Trouble> {
        if self.status.is_success() {
            return Ok(self);
        }
        let status = self.status.as_u16();
        if self.status.is_server_error() {
            return Err(Trouble::Passing);
        }
        let what = format!("The application answers {status} for what follows.");
        Err(Trouble::Lasting(Refusal::Forbidden(what.into())))
    }

    /// Whether more follows the answer.
    pub(super) fn goes_on(&self) -> bool {
        self.instruct.hold == Some(Hold::Stream) || self.instruct.next.is_some()
    }

    /// The status that the client gets.
    pub(super) fn status(&self) -> StatusCode {
        self.instruct.status.as_ref().map_or(self.status, |(status, _)| *status)
    }

    /// The whole answer.
    pub(super) fn answer(self, caller: &Caller) -> Response<Body> {
        let length = self.body.len() as u64;
        let body = full(self.body.clone());
        self.head(body, Some(length), caller)
    }

    /// The answer with another body.
    pub(super) fn head(self, body: Body, length: Option<u64>, caller: &Caller) -> Response<Body> {
        let status = self.status();
        let reason = match self.instruct.status {
            Some((_, reason)) => reason.and_then(|reason| phrase(reason.as_bytes())),
            None => self.reason,
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = self.headers;
        clean(&mut response, &caller.method, length, &caller.location);
        if let Some(reason) = reason {
            response.extensions_mut().insert(reason);
        }
        response
    }
}

/// An answer that was published.
pub(super) fn published(reply: &Reply, body: Bytes) -> Response<Body> {
    let (status, reason, headers) = head(reply);
    let mut response = Response::new(full(body));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    if let Some(reason) = reason {
        response.extensions_mut().insert(reason);
    }
    response
}

fn head(reply: &Reply) -> (StatusCode, Option<ReasonPhrase>, HeaderMap) {
    let mut headers = HeaderMap::new();
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(&**name), HeaderValue::from_str(value))
        {
            headers.append(name, value);
        }
    }
    strip_hops(&mut headers);
    headers.remove(header::CONTENT_LENGTH);
    let status = StatusCode::from_u16(reply.status).unwrap_or_default();
    (status, reply.reason.as_deref().and_then(|reason| phrase(reason.as_bytes())), headers)
}

fn phrase(reason: &[u8]) -> Option<ReasonPhrase> {
    ReasonPhrase::try_from(reason.to_vec()).ok()
}

fn instructs(value: &HeaderValue) -> bool {
    value.as_bytes().starts_with(crate::grip::INSTRUCT_TYPE.as_bytes())
}
