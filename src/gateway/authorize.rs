//! `push_authorize_request`: the application is asked whether a request is served.
//!
//! What must hold: whoever cannot be asked about is not served.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};

use super::hooks::{MAX_ANSWER, Matter, Role};
use crate::{
    access::Peer,
    channel::ChannelId,
    config::Question,
    hold::Answer,
    log::Entry,
    response::Refusal,
    upstream::{Inquiry, Key, Verdict, pass_on},
};

/// Headers that differ from one request of a client to the next, and say nothing of who it is. All
/// others that the application is told are part of what a verdict is kept for.
const VOLATILE: [HeaderName; 4] = [
    header::SEC_WEBSOCKET_KEY,
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("x-request-id"),
];

impl Matter<'_> {
    /// Whether the request is served: `None`, or what is answered in place of that.
    pub(super) async fn authorize(&self) -> Result<Option<Answer>, Refusal> {
        let hooks = &self.location().hooks;
        let Some(question) = &hooks.authorize else { return Ok(None) };
        let inquiry = self.inquiry(question, Method::GET)?;
        let epochs = &self.desk.gateway.epochs;
        let verdict = match hooks.authorize_cache.zip(epochs.now()) {
            None => self.ask(&inquiry).await?,
            Some((lasts, epoch)) => {
                let (key, verdicts) = (self.key(question, &inquiry), &self.desk.verdicts);
                verdicts.borrow_mut().renew(epoch);
                let known = verdicts.borrow_mut().find(&key, Instant::now());
                if let Some(verdict) = known {
                    verdict
                } else {
                    let verdict = self.ask(&inquiry).await?;
                    let now = Instant::now();
                    if epochs.now() == Some(epoch) {
                        verdicts.borrow_mut().keep(key, &verdict, now, lasts, epoch);
                    }
                    verdict
                }
            }
        };
        Ok(self.enforce(verdict))
    }

    /// Asks whether somebody may; what is no verdict is an error.
    pub(super) async fn ask(&self, inquiry: &Inquiry) -> Result<Verdict, Refusal> {
        let question = self.desk.upstreams.question(inquiry, Bytes::new(), MAX_ANSWER);
        let answer = Entry::clocked(Entry::of(self.head).cloned(), question).await?;
        match answer.status() {
            status if status.is_success() => Ok(Verdict::Admitted),
            StatusCode::NOT_MODIFIED => {
                Err(Refusal::BadGateway("The application's answer is no verdict.".into()))
            }
            _ => Ok(Verdict::Refused(answer)),
        }
    }

    /// What a verdict means for the request.
    pub(super) fn enforce(&self, verdict: Verdict) -> Option<Answer> {
        let Verdict::Refused(answer) = verdict else { return None };
        let mut response = pass_on(answer);
        let origin = self.head.headers.get(header::ORIGIN);
        self.location().cors.append_to(response.headers_mut(), origin);
        Some(Answer::Respond(response))
    }

    /// Everything that the application could judge by.
    fn key(&self, question: &Question, inquiry: &Inquiry) -> Key {
        let scope = self.stop.scope;
        let address = match scope.peer {
            Peer::Inet(address, _) => address.to_string(),
            Peer::Unix => "unix:".to_owned(),
        };
        let role = match self.role {
            Role::Subscriber(transport) => transport.name(),
            Role::Publisher => "publisher",
            Role::Both => "both",
        };
        let (uri, asked) = (inquiry.uri.to_string(), scope.asked.to_string());
        let by_location = if question.to.is_some() { "server" } else { "location" };
        let texts = [&uri, &asked, &address, role, by_location, self.head.method.as_str()];
        let upstream = inquiry.upstream.to_be_bytes();
        let group = self.channels.first().map(ChannelId::group).unwrap_or_default();
        let head = texts.into_iter().chain([scope.scheme, scope.server_name]).map(str::as_bytes);
        let channels = self.channels.iter().map(ChannelId::as_bytes);
        let count = self.channels.len().to_be_bytes();
        let head = head.chain([&upstream[..], &count, group]).chain(channels);
        Key::of(head.chain(told(&inquiry.headers)))
    }
}

/// What the application is told that does not change from request to request.
fn told(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .iter()
        .filter(|(name, _)| !VOLATILE.contains(name))
        .flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()])
}
