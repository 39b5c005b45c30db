//! GRIP: an application has its requests held, and tells later what they are answered.
//!
//! A [`Caller`] asks the application, at first and again; a [`seat::Seat`] is the place of one client in
//! the channels that the application names. [`wait`] holds a request for its answer, [`stream`] within
//! its answer, and [`socket`] speaks WebSocket for an application that speaks HTTP. Held requests are
//! tasks: filters make that each client reads bytes of its own.

mod caller;
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
use http::Response;
use seat::Seat;
use told::Told;

use crate::{
    config::Transport,
    grip::Hold,
    hold::{Answer, Door, Follow},
    response::Body,
};

/// Bytes that an answer with instructions may have, and one with the events of a WebSocket.
const MAX_ANSWER: usize = 1 << 20;

/// How often the application is asked for one request because it names items that are not known.
const MAX_ASKS: usize = 3;

/// A request is held as the application has told it.
fn hold(caller: Rc<Caller>, told: Told) -> Answer {
    let waits = told.instruct.hold == Some(Hold::Response);
    let transport = if waits { Transport::LongPoll } else { Transport::Chunked };
    let names = told.instruct.wanted();
    let channels = names.iter().map(|channel| caller.channel(&channel.name)).collect();
    let respond = move |door: Door| -> crate::hold::Doing<Response<Body>> {
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

/// The answer, once there is one; a request that waits may be told to wait in another way.
async fn held(caller: Rc<Caller>, door: Door, mut told: Told) -> Response<Body> {
    let mut asked = 0;
    // It stays while the application is asked again, so that nothing published meanwhile is lost.
    let mut seat = Seat::new(&door, Transport::LongPoll);
    loop {
        match told.instruct.hold {
            Some(Hold::Response) => {
                match wait::wait(&caller, &door, &mut seat, told, asked < MAX_ASKS).await {
                    Ok(wait::Outcome::Answer(response)) => return response,
                    Ok(wait::Outcome::Told(again)) => (told, asked) = (*again, asked + 1),
                    Err(refusal) => return refusal.into(),
                }
            }
            _ if told.goes_on() => return stream::begin(&caller, door, told),
            _ => return told.answer(&caller),
        }
    }
}
