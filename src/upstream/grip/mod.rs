//! GRIP: an application has its requests held, and tells later what they are answered.
//!
//! A [`Caller`] asks the application, at first and again; a [`seat::Seat`] is the place of one client in
//! the channels that the application names. [`wait`] holds a request for its answer, [`stream`] within
//! its answer, and [`socket`] speaks WebSocket for an application that speaks HTTP. Held requests are
//! tasks: filters make that each client reads bytes of its own.

mod caller;
mod chain;
mod faults;
mod flow;
mod gone;
mod join;
mod link;
mod piece;
mod seat;
pub(super) mod socket;
mod stream;
mod told;
mod wait;

use std::rc::Rc;

pub(super) use caller::{Caller, sign};
use faults::Fault;
pub(super) use faults::Faults;
use seat::Seat;
use told::Told;

use crate::{
    config::Transport,
    grip::Hold,
    hold::{Answer, Doing, Door, Follow, Said},
    response::Refusal,
};

/// Bytes that an answer with instructions may have, and one with the events of a WebSocket.
const MAX_ANSWER: usize = 1 << 20;

/// How often the application is asked for one request because it names items that are not known. Hints
/// do not count: they are its own word, and asked for one at a time, however many there are.
const MAX_ASKS: usize = 3;

/// A request is held as the application has told it.
fn hold(caller: Rc<Caller>, told: Told) -> Answer {
    let waits = told.instruct.hold == Some(Hold::Response);
    let transport = if waits { Transport::LongPoll } else { Transport::Chunked };
    let names = told.instruct.wanted();
    let channels = names.iter().map(|channel| caller.channel(&channel.name)).collect();
    // It would be a part of all that waits with it.
    let told = Box::new(told);
    let respond = move |door: Door| -> Doing<Said> {
        Box::pin(async move { held(caller, door, told).await })
    };
    Answer::Follow(Follow {
        entry: None,
        transport,
        channels,
        headers: http::HeaderMap::new(),
        respond: Box::new(respond),
    })
}

/// The answer, once there is one, or why the request cannot be held.
async fn held(caller: Rc<Caller>, door: Door, told: Box<Told>) -> Said {
    answered(&caller, door, told).await.unwrap_or_else(|refusal| {
        caller.warns(Fault::Refused, &refusal);
        Said::Message(refusal.into())
    })
}

/// A request that waits may be told to wait in another way.
async fn answered(caller: &Rc<Caller>, door: Door, mut told: Box<Told>) -> Result<Said, Refusal> {
    let mut asked = 0;
    // It stays while the application is asked again, so that nothing published meanwhile is lost.
    let mut seat = Seat::new(&door, Transport::LongPoll);
    loop {
        match told.instruct.hold {
            Some(Hold::Response) => match wait::wait(caller, &mut seat, told, &mut asked).await? {
                wait::Outcome::Said(said) => return Ok(said),
                wait::Outcome::Told(again) => told = again,
            },
            // It begins once, and would be a part of all that waits.
            _ if told.goes_on() => {
                let begun = Box::pin(stream::begin(caller, door, seat, told)).await;
                return begun.map(Said::Answer);
            }
            _ => return Ok(Said::Answer(told.answer(caller))),
        }
    }
}
