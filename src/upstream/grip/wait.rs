//! A request that waits for its answer: `Grip-Hold: response`.

use std::{collections::VecDeque, rc::Rc, sync::Arc};

use http::Response;
use tokio::time::{Instant, sleep_until};

use super::{
    Caller, MAX_ASKS, Told,
    gone::Gone,
    seat::{Next, Piece, Seat, is_hint},
    told::published,
};
use crate::{
    channel::{Item, Message, Part},
    hold::{Doing, Said},
    response::{Body, Refusal, full},
};

/// Messages that came while the application was asked, and are looked at again after it; of more the
/// oldest are left out.
const MAX_PASSED: usize = 256;

/// How a wait ends.
#[derive(Debug)]
pub(super) enum Outcome {
    /// With what the request is answered.
    Said(Said),
    /// The application was asked again, and this is what it says.
    Told(Box<Told>),
}

/// What happens next.
enum Turn {
    News(Next),
    Ask,
    Told(Result<Box<Told>, Refusal>),
    Over,
}

/// Waits for the first answer that is published, or for the time to be up. An item that may be lost is
/// a reason to ask the application, [`MAX_ASKS`] times; `asked` counts them. So is a hint: all that are
/// there when it is asked are one. `seat` may have been at some of the channels before.
pub(super) async fn wait(
    caller: &Rc<Caller>,
    seat: &mut Seat,
    told: Box<Told>,
    asked: &mut usize,
) -> Result<Outcome, Refusal> {
    let gone = Gone::watch(caller, told.instruct.gone.as_deref());
    seat.meta.clone_from(&told.instruct.meta);
    // What is soon done need not be a part of what waits.
    let lost = Box::pin(seat.follow(caller, told.instruct.wanted())).await?;
    let mut wait = Wait { caller, seat, asked, due: false, asking: None, passed: VecDeque::new() };
    if lost {
        wait.due = wait.may_ask();
    }
    let outcome = wait.end(told).await?;
    gone.ended();
    Ok(outcome)
}

struct Wait<'a> {
    caller: &'a Rc<Caller>,
    seat: &'a mut Seat,
    /// How often the application was asked because of lost items.
    asked: &'a mut usize,
    /// It is to be asked.
    due: bool,
    /// It is being asked. This takes the most room of all, and is seldom done.
    asking: Option<Doing<Result<Box<Told>, Refusal>>>,
    /// What has come since then and answers nothing.
    passed: VecDeque<Arc<Message>>,
}

impl Wait<'_> {
    async fn end(mut self, told: Box<Told>) -> Result<Outcome, Refusal> {
        let end = Instant::now() + told.instruct.patience();
        loop {
            match self.turn(end).await {
                Turn::Over | Turn::News(Next::Over) => {
                    return Ok(Outcome::Said(Said::Answer(told.answer(self.caller))));
                }
                Turn::Told(again) => {
                    self.seat.put_back(self.passed);
                    return Ok(Outcome::Told(again?));
                }
                Turn::Ask => self.ask(),
                Turn::News(Next::Lost) => {
                    self.due = self.may_ask();
                    if !self.due {
                        self.seat.give_up();
                    }
                }
                Turn::News(Next::Message(message)) => match answered(self.seat, &message) {
                    Answered::Reply(reply) => return Ok(Outcome::Said(Said::Message(reply))),
                    _ if self.asking.is_some() => self.pass(message),
                    Answered::Ask => self.due = self.caller.is_repeatable(),
                    Answered::Nothing => {}
                },
            }
        }
    }

    /// A reply that is there goes before a question, and before its answer.
    async fn turn(&mut self, end: Instant) -> Turn {
        let (asks, begins) = (self.due || self.asking.is_some(), self.due);
        tokio::select! {
            biased;
            next = self.seat.next_of(asks) => Turn::News(next),
            () = std::future::ready(()), if begins => Turn::Ask,
            told = told(&mut self.asking) => Turn::Told(told),
            () = sleep_until(end) => Turn::Over,
        }
    }

    /// Asks the application again, for as long as the request may wait: it may be away.
    fn ask(&mut self) {
        let (caller, seen) = (self.caller.clone(), self.seat.last());
        self.asking = Some(Box::pin(async move { caller.again(&seen).await.map(Box::new) }));
        self.due = false;
    }

    /// Whether an item that may be lost is a reason to ask.
    fn may_ask(&mut self) -> bool {
        let may = *self.asked < MAX_ASKS && self.caller.is_repeatable();
        *self.asked += usize::from(may);
        may
    }

    /// A message that is for whoever follows after the question, if for anybody.
    fn pass(&mut self, message: Arc<Message>) {
        if self.passed.len() >= MAX_PASSED {
            // Of hints one has to remain.
            let oldest = self.passed.iter().position(|message| !is_hint(message, reply));
            self.passed.remove(oldest.unwrap_or(0));
        }
        self.passed.push_back(message);
    }
}

/// What the application says that is being asked.
async fn told(
    asking: &mut Option<Doing<Result<Box<Told>, Refusal>>>,
) -> Result<Box<Told>, Refusal> {
    match asking {
        Some(asking) => asking.as_mut().await,
        None => std::future::pending().await,
    }
}

enum Answered {
    Nothing,
    Reply(Response<Body>),
    Ask,
}

fn reply(item: &Item) -> Option<&Part> {
    item.response.as_ref().map(|reply| &reply.part)
}

/// What a message answers.
fn answered(seat: &Seat, message: &Message) -> Answered {
    match seat.piece(message, reply) {
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
