//! WebSocket for an application that speaks HTTP: what the client does are events in the bodies of
//! requests, and what the application does are those in their answers.

mod ending;
mod exchange;
mod session;

use std::rc::Rc;

use bytes::Bytes;
use exchange::{Exchange, is_events};
use http::{Response, StatusCode, header, request};
use session::Session;

use super::Caller;
use crate::{
    grip::{Control, Event, decode, strip},
    hold::{Answer, Converse, Door, Talk},
    response::{Body, Refusal, full},
    upstream::proxy::answer::clean,
    websocket::{self, HandshakeError, Terms},
};

/// Asks the application whether a WebSocket opens; what it says else is passed back.
pub(in crate::upstream) async fn open(
    caller: Rc<Caller>,
    head: &request::Parts,
) -> Result<Answer, Refusal> {
    let terms = Terms { protocols: &[], deflate: false };
    let accepted = websocket::accept(head, &terms).map_err(refuse)?;
    let mut exchange = Exchange::new(&caller);
    let response = exchange.request(&[Event::Open]).await?;
    if response.status() != StatusCode::OK || !is_events(response.headers()) {
        return Ok(Answer::Respond(passed_back(response, &caller)));
    }
    let events = decode(response.body());
    let mut events = events.map_err(|error| Refusal::BadGateway(error.to_string().into()))?;
    if events.first() != Some(&Event::Open) {
        let why = "The application does not open the WebSocket.";
        return Err(Refusal::Forbidden(why.into()));
    }
    events.remove(0);
    exchange.note(response.headers());
    let mut headers = accepted.headers;
    for name in [header::SEC_WEBSOCKET_PROTOCOL, header::SET_COOKIE] {
        for value in response.headers().get_all(&name) {
            headers.append(&name, value.clone());
        }
    }
    let extensions = response.headers().get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter();
    let extensions: Vec<_> = extensions.filter_map(|value| value.to_str().ok()).collect();
    let control = Control::agreed(&extensions.join(","));
    let run = move |door: Door, talk: Talk| -> crate::hold::Doing<()> {
        let session = Session::new(exchange, control, &door, talk);
        Box::pin(session.run(door, events))
    };
    Ok(Answer::Converse(Converse { headers, run: Box::new(run) }))
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
