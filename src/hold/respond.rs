//! The response of a request that a task holds: the one answer of a poll, or the head of a stream.

use std::{cell::Cell, future::poll_fn, rc::Rc};

use http::{Response, StatusCode, header};
use http_body::Body;
use http_body_util::{Either, Full};

use super::{
    Holding, Style,
    batch::enough,
    stream::{Event, Outgoing, Stream, Wait},
    worker::HallCell,
};
use crate::framing::{Farewell, http1::tell_gap, long_poll::LongPoll};

/// Waits, or gives the body that does.
pub(super) async fn respond(
    hall: HallCell,
    streaming: &Rc<Cell<bool>>,
    holding: Holding,
) -> Response<Outgoing> {
    let outlet = holding.outlet.clone();
    let headers = outlet.headers_with(&holding.headers);
    let entry = holding.entry.clone();
    let mut wait = Wait::new(hall, holding);
    let mut response = Response::new(Either::Left(Full::default()));
    *response.headers_mut() = headers;
    match &outlet.style {
        Style::Stream(_) => {
            if let Some(entry) = &entry {
                entry.status(StatusCode::OK);
            }
            streaming.set(true);
            let stream = Stream::new(wait, outlet.opening.clone(), entry, streaming.clone());
            *response.body_mut() = Either::Right(Either::Right(stream));
        }
        Style::Poll(framing) => {
            once(&mut response, &mut wait, framing).await;
            if let Some(entry) = &entry {
                entry.status(response.status());
                entry.sent(response.body().size_hint().exact().unwrap_or_default());
            }
        }
    }
    response
}

/// The one answer of a poll.
async fn once(response: &mut Response<Outgoing>, wait: &mut Wait, framing: &LongPoll) {
    let (status, more, body) = match poll_fn(|cx| wait.poll(cx)).await {
        Event::Message(letter) => {
            let gap = letter.gap;
            let messages = wait.waiting(letter.message);
            let messages = wait.outlet.fitting(&messages);
            let messages = enough(messages).map_or(messages, |some| some.0);
            wait.hall.borrow().tally.handed(messages, gap);
            wait.note_end(None);
            let (mut more, body) = framing.answer(messages);
            if gap {
                tell_gap(&mut more, wait.cursor);
            }
            (StatusCode::OK, more, body)
        }
        Event::Farewell(why) => {
            wait.note_end(Some(why));
            framing.farewell(why, wait.cursor, wait.deleted_channel(why).as_ref())
        }
        Event::Ping => framing.farewell(Farewell::Timeout, wait.cursor, None),
    };
    *response.body_mut() = Either::Left(Full::new(body));
    *response.status_mut() = status;
    for (name, value) in &more {
        if name == header::VARY {
            response.headers_mut().append(name, value.clone());
        } else {
            response.headers_mut().insert(name, value.clone());
        }
    }
}
