//! WebSocket for an application that speaks HTTP: what the client does are events in the bodies of
//! requests, and what the application does are those in their answers.

mod ending;
mod exchange;
mod session;

use std::rc::Rc;

use bytes::Bytes;
use exchange::{Exchange, is_events};
use http::{HeaderMap, Response, StatusCode, header, request};
use session::Session;

use super::Caller;
use crate::{
    grip::{Control, Event, decode, strip},
    hold::{Answer, Converse, Door, Talk},
    response::{Body, Refusal, full},
    upstream::{Passed, Redirect, Upload, proxy::answer::clean},
    websocket::{self, HandshakeError, Terms},
};

/// Asks the application whether a WebSocket opens, or another location answers; what it says else is
/// passed back.
pub(in crate::upstream) async fn open(
    caller: Rc<Caller>,
    head: &request::Parts,
    upload: &Upload,
) -> Result<Passed, Refusal> {
    let terms = Terms { protocols: &[], deflate: false };
    let accepted = websocket::accept(head, &terms).map_err(refuse)?;
    let exchange = Exchange::new(&caller);
    let response = exchange.insist(&[Event::Open]).await?;
    if let Some(redirect) = Redirect::of(response.headers(), upload)? {
        return Ok(Passed::Redirect(redirect));
    }
    if response.status() != StatusCode::OK || !is_events(response.headers()) {
        return Ok(Passed::Answer(Answer::Respond(passed_back(response, &caller))));
    }
    let (head, body) = response.into_parts();
    converse(exchange, accepted.headers, &head.headers, &body)
}

/// The conversation that an answer opens.
fn converse(
    mut exchange: Exchange,
    mut headers: HeaderMap,
    told: &HeaderMap,
    body: &[u8],
) -> Result<Passed, Refusal> {
    let mut events = decode(body).map_err(|error| Refusal::BadGateway(error.to_string().into()))?;
    if events.first() != Some(&Event::Open) {
        let why = "The application does not open the WebSocket.";
        return Err(Refusal::Forbidden(why.into()));
    }
    events.remove(0);
    exchange.note(told);
    for name in [header::SEC_WEBSOCKET_PROTOCOL, header::SET_COOKIE] {
        for value in told.get_all(&name) {
            headers.append(&name, value.clone());
        }
    }
    let extensions = told.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter();
    let extensions: Vec<_> = extensions.filter_map(|value| value.to_str().ok()).collect();
    let control = Control::agreed(&extensions.join(","));
    let run = move |door: Door, talk: Talk| -> crate::hold::Doing<()> {
        let session = Session::new(exchange, control, &door, talk);
        Box::pin(session.run(door, events))
    };
    Ok(Passed::Answer(Answer::Converse(Converse { entry: None, headers, run: Box::new(run) })))
}

/// An answer that opens nothing.
fn passed_back(response: Response<Bytes>, caller: &Caller) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let length = body.len() as u64;
    let mut answer = Response::new(full(body));
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = parts.headers;
    clean(&mut answer, &caller.method, Some(length), &caller.location);
    strip(answer.headers_mut());
    answer
}

fn refuse(error: HandshakeError) -> Refusal {
    match error {
        HandshakeError::UnsupportedVersion => Refusal::UpgradeRequired,
        error => Refusal::BadRequest(error.to_string().into()),
    }
}
