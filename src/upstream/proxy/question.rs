//! Requests of the gateway's own to the application, on behalf of a client.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, header};

use super::{Passage, answer, headers::strip_hops};
use crate::{
    config::Timeouts,
    response::{Body, Refusal, full},
    upstream::{Client, Upload, UpstreamError, counts::Counted},
};

/// A request of the gateway's own. What it says is settled, so that it can wait, and be sent again.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The number of the upstream.
    pub upstream: usize,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// GET, or POST with a message.
    pub method: Method,
    /// A path, with arguments.
    pub uri: Uri,
    /// Its headers; they say nothing of a body.
    pub headers: HeaderMap,
}

impl Passage<'_> {
    /// The request that would be passed on, without its body.
    pub fn inquiry(&self) -> Result<Inquiry, Refusal> {
        let mut onward = self.onward(&Upload::empty())?;
        for name in [header::CONTENT_LENGTH, header::CONNECTION, header::UPGRADE] {
            onward.headers.remove(name);
        }
        Ok(Inquiry {
            upstream: self.proxy.upstream,
            timeouts: self.proxy.timeouts,
            method: self.head.method.clone(),
            uri: onward.uri,
            headers: onward.headers,
        })
    }
}

impl Client {
    /// As [`Client::inquire`], for somebody who waits for the answer: such questions take turns, those to
    /// each upstream among themselves.
    pub async fn question(
        &self,
        inquiry: &Inquiry,
        body: Bytes,
        limit: usize,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let patience = inquiry.timeouts.read;
        let _counted = Counted::among(&self.counts.questions);
        let Some(_turn) = self.questions[inquiry.upstream].turn(patience).await else {
            self.counts.turned_away.fetch_add(1, Relaxed);
            return Err(UpstreamError::Busy);
        };
        self.inquire(inquiry, body, limit).await
    }

    /// Asks, and reads the answer, whose body may have at most `limit` bytes.
    pub async fn inquire(
        &self,
        inquiry: &Inquiry,
        body: Bytes,
        limit: usize,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let mut headers = inquiry.headers.clone();
        if body.is_empty() && inquiry.method == Method::POST {
            headers.insert(header::CONTENT_LENGTH, 0.into());
        }
        let upload = if body.is_empty() { Upload::empty() } else { Upload::bytes(body) };
        let mut request = Request::new(upload);
        *request.method_mut() = inquiry.method.clone();
        *request.uri_mut() = inquiry.uri.clone();
        *request.headers_mut() = headers;
        self.fetch(inquiry.upstream, request, &inquiry.timeouts, limit).await
    }
}

/// An answer to a question, as whoever it was about gets it.
pub fn pass_on(answer: Response<Bytes>) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    let mut response = Response::new(full(body.clone()));
    *response.status_mut() = parts.status;
    let headers = response.headers_mut();
    *headers = parts.headers;
    strip_hops(headers);
    for name in &answer::INSTRUCTIONS {
        headers.remove(name);
    }
    headers.remove(header::CONTENT_LENGTH);
    if parts.status != http::StatusCode::NO_CONTENT {
        headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    response
}
