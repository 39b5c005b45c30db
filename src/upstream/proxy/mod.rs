//! `proxy_pass`: a request goes on to the application, and its answer comes back, both as they come.

pub(super) mod answer;
pub(super) mod headers;
mod question;
mod target;

use std::{rc::Rc, sync::Arc};

pub use headers::{CONDITIONS, strip_hops};
use http::{Method, Request, Response, StatusCode, header, request};
use hyper::{ext::ReasonPhrase, upgrade};
pub use question::{Inquiry, pass_on};

use self::headers::Onward;
use super::{
    Client, Download, Notices, Upload,
    accel_redirect::Redirect,
    grip::{self, Caller},
    own,
};
use crate::{
    access::Peer,
    channel::Hub,
    config::{Location, Proxy, Scope},
    hold::{Answer, RequestBody, Tunnel},
    log::Entry,
    response::{Body, Refusal},
    websocket,
};

/// The methods that are passed on, as far as they have a name; only those that concern the gateway
/// itself are not.
pub const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Whether a method is passed on.
pub fn takes(method: &Method) -> bool {
    !matches!(*method, Method::CONNECT | Method::TRACE)
}

/// A request that is passed on.
#[derive(Debug)]
pub struct Passage<'a> {
    /// What speaks to the application.
    pub client: &'a Client,
    /// What it is told and need not decide.
    pub notices: &'a Rc<Notices>,
    /// Where the request came to.
    pub location: &'a Location,
    /// What its `proxy_pass` says.
    pub proxy: &'a Proxy,
    /// The request.
    pub head: &'a request::Parts,
    /// Its variables.
    pub scope: &'a Scope<'a>,
    /// The other end of the connection, which may be a proxy.
    pub peer: Peer,
    /// Whether an `X-Accel-Redirect` has led here: then the client's own URI is another one.
    pub redirected: bool,
}

/// What the application said.
#[derive(Debug)]
pub enum Passed {
    /// Its answer.
    Answer(Answer),
    /// Another location answers.
    Redirect(Box<Redirect>),
}

impl Passage<'_> {
    /// Passes the request on; without a body, if that has gone elsewhere. `place` is where it waits, at
    /// the same location, if the application has it held.
    pub async fn pass(
        &self,
        body: Option<RequestBody>,
        place: (&Arc<Hub>, &Arc<Location>),
    ) -> Result<Passed, Refusal> {
        let limit = Some(self.location.max_body_size).filter(|limit| *limit > 0);
        let declared = body.as_ref().map_or(0, |body| http_body::Body::size_hint(body).lower());
        if limit.is_some_and(|limit| declared > limit as u64) {
            return Err(Refusal::TooLarge);
        }
        let patience = self.location.body_timeout;
        let upload = body.map_or_else(Upload::empty, |body| {
            body.ends_with_client();
            Upload::client(body, limit, patience)
        });
        let mut head = self.onward(&upload)?;
        let caller = self.caller(&mut head, place);
        let over_http =
            |own: &&Rc<Caller>| own.speaks_over_http() && websocket::is_requested(self.head);
        if let Some(caller) = caller.as_ref().filter(over_http) {
            let opening = grip::socket::open(caller.clone(), self.head, &upload);
            return Entry::clocked(Entry::of(self.head).cloned(), opening).await;
        }
        let mut request = Request::new(upload.again());
        (*request.method_mut(), *request.uri_mut()) = (self.head.method.clone(), head.uri);
        *request.headers_mut() = head.headers;
        let Proxy { upstream, timeouts, .. } = self.proxy;
        let response = self.client.request(*upstream, request, timeouts);
        let response = Entry::clocked(Entry::of(self.head).cloned(), response).await?;
        if let Some(redirect) = Redirect::of(response.headers(), &upload)? {
            return Ok(Passed::Redirect(redirect));
        }
        upload.answered();
        if let Some(caller) = caller
            && response.status() != StatusCode::SWITCHING_PROTOCOLS
        {
            return caller.instructed(response).await.map(Passed::Answer);
        }
        Ok(Passed::Answer(self.answer(response)))
    }

    /// Who asks the application again, if it may have the request held.
    fn caller(
        &self,
        head: &mut Onward,
        (hub, location): (&Arc<Hub>, &Arc<Location>),
    ) -> Option<Rc<Caller>> {
        let own = self.location.grip.as_ref()?;
        grip::sign(&mut head.headers, own);
        let group = self.location.channels.group.expand(self.scope);
        Some(Rc::new(Caller {
            client: self.client.clone(),
            notices: self.notices.clone(),
            hub: hub.clone(),
            location: location.clone(),
            group: (*group).into(),
            number: self.scope.request_id,
            method: self.head.method.clone(),
            uri: own::uri(&head.uri),
            headers: own::headers(&head.headers),
        }))
    }

    /// The answer as the client gets it.
    fn answer(&self, mut response: Response<Download>) -> Answer {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Answer::Tunnel(Box::new(self.tunnel(&mut response)));
        }
        Answer::Respond(passed_back(response, &self.head.method, self.location))
    }

    /// What becomes of an upgraded connection.
    fn tunnel(&self, response: &mut Response<Download>) -> Tunnel {
        let upstream = upgrade::on(&mut *response);
        let protocol = response.headers_mut().remove(header::UPGRADE);
        let mut headers = std::mem::take(response.headers_mut());
        headers::strip_hops(&mut headers);
        if let Some(protocol) = protocol {
            headers.insert(header::UPGRADE, protocol);
        }
        Tunnel { entry: None, headers, upstream, patience: self.proxy.timeouts.read }
    }
}

/// An answer as the client gets it, its body as it comes.
pub(super) fn passed_back(
    mut response: Response<Download>,
    method: &Method,
    location: &Location,
) -> Response<Body> {
    let reason = response.extensions_mut().remove::<ReasonPhrase>();
    let (parts, body) = response.into_parts();
    let length = http_body::Body::size_hint(&body).exact();
    let mut answer = Response::new(Body::Stream(Box::pin(body)));
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = parts.headers;
    answer::clean(&mut answer, method, length, location);
    if let Some(reason) = reason {
        answer.extensions_mut().insert(reason);
    }
    answer
}
