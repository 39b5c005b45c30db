//! A request that waits for its answer: `Grip-Hold: response`.

use std::rc::Rc;

use http::Response;
use tokio::time::{Instant, sleep_until};

use super::{
    Caller, Told,
    gone::Gone,
    seat::{Next, Piece, Seat},
    told::published,
};
use crate::{
    channel::Message,
    hold::Door,
    response::{Body, Refusal, full},
};

/// How a wait ends.
#[derive(Debug)]
pub(super) enum Outcome {
    /// With an answer.
    Answer(Response<Body>),
    /// The application was asked again, and this is what it says.
    Told(Box<Told>),
}

/// Waits for the first answer that is published, or for the time to be up. An item that may be lost is
/// a reason to ask the application, if it `may_ask`. `seat` may have been at some of the channels before.
pub(super) async fn wait(
    caller: &Rc<Caller>,
    door: &Door,
    seat: &mut Seat,
    told: Told,
    may_ask: bool,
) -> Result<Outcome, Refusal> {
    let gone = Gone::watch(caller, told.instruct.gone.as_deref());
    let end = Instant::now() + told.instruct.patience();
    seat.meta.clone_from(&told.instruct.meta);
    let may_ask = may_ask && caller.is_repeatable();
    let lost = seat.follow(caller, told.instruct.wanted()).await? && may_ask;
    let outcome = loop {
        let next = tokio::select! {
            biased;
            () = std::future::ready(()), if lost => Next::Lost,
            next = seat.next() => next,
            () = sleep_until(end) => Next::Over,
        };
        let asks = match next {
            Next::Over => break Outcome::Answer(told.answer(caller)),
            Next::Lost if may_ask => true,
            Next::Lost => {
                seat.give_up();
                false
            }
            Next::Message(message) => match answered(seat, &message) {
                Answered::Reply(response) => break Outcome::Answer(response),
                Answered::Ask => caller.is_repeatable(),
                Answered::Nothing => false,
            },
        };
        if asks {
            // It takes the most room of all this, and is seldom done.
            break Box::pin(again(caller, door, seat, told, end)).await?;
        }
    };
    gone.ended();
    Ok(outcome)
}

/// Asks the application again, for as long as the request may wait: it may be away.
async fn again(
    caller: &Caller,
    door: &Door,
    seat: &Seat,
    told: Told,
    end: Instant,
) -> Result<Outcome, Refusal> {
    let seen = seat.last();
    tokio::select! {
        again = caller.again(&seen) => Ok(Outcome::Told(Box::new(again?))),
        () = sleep_until(end) => Ok(Outcome::Answer(told.answer(caller))),
        () = door.closing() => Ok(Outcome::Answer(told.answer(caller))),
    }
}

enum Answered {
    Nothing,
    Reply(Response<Body>),
    Ask,
}

/// What a message answers.
fn answered(seat: &Seat, message: &Message) -> Answered {
    match seat.piece(message, |item| item.response.as_ref().map(|reply| &reply.part)) {
        Piece::Nothing | Piece::End => Answered::Nothing,
        Piece::Ask => Answered::Ask,
        Piece::Content(body) => match message.item().and_then(|item| item.response.as_ref()) {
            Some(reply) => Answered::Reply(published(reply, body)),
            None => Answered::Reply(plain(message)),
        },
    }
}

/// A message that was not published as an item.
fn plain(message: &Message) -> Response<Body> {
    let mut response = Response::new(full(message.body().clone()));
    let content_type =
        message.content_type().and_then(|value| http::HeaderValue::from_bytes(value).ok());
    if let Some(value) = content_type {
        response.headers_mut().insert(http::header::CONTENT_TYPE, value);
    }
    response
}
