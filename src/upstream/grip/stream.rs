//! A request that waits within its answer: `Grip-Hold: stream`, and pages that follow each other.

use std::{pin::pin, rc::Rc};

use bytes::Bytes;
use http::Response;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::{
    Caller, Told,
    flow::{Flow, Out},
    gone::Gone,
    seat::{Next, Piece, Seat},
};
use crate::{
    config::Transport,
    grip::{Hold, Instruct, Mode},
    hold::Door,
    response::{Body, Cut},
};

/// Pages without a byte that may follow each other.
const MAX_EMPTY: usize = 10;

/// Why the application is not waited for any more.
enum After {
    /// It is asked for what follows.
    Ask,
    /// The answer is at its end.
    End,
    /// There is nothing to wait for any more.
    Over,
}

/// The answer, which goes on.
pub(super) fn begin(caller: &Rc<Caller>, door: Door, told: Told) -> Response<Body> {
    let (instruct, body) = (told.instruct.clone(), told.body.clone());
    let doing = caller.clone();
    let flow = Flow::new(|out| run(doing, door, instruct, body, out));
    told.head(Body::Stream(Box::pin(flow)), None, caller)
}

/// Writes the answer.
async fn run(
    caller: Rc<Caller>,
    door: Door,
    mut instruct: Instruct,
    mut body: Bytes,
    out: Out,
) -> Result<(), Cut> {
    let gone = Gone::watch(&caller, instruct.gone.as_deref());
    let mut seat = Seat::new(&door, Transport::Chunked);
    let mut empty = 0;
    loop {
        seat.meta.clone_from(&instruct.meta);
        let lost = seat.follow(&caller, instruct.wanted()).await.map_err(|refusal| {
            warn!(%refusal, "a held request ends");
            Cut
        })?;
        empty = if body.is_empty() { empty + 1 } else { 0 };
        out.send(seat.render(&body)).await;
        let after = match instruct.hold {
            Some(Hold::Stream) if !lost => {
                empty = 0;
                go_on(&mut seat, &instruct, &out).await
            }
            _ => After::Ask,
        };
        let asks = matches!(after, After::Ask);
        let Some(link) = instruct.next.as_ref().filter(|_| asks) else {
            // That the gateway ends it the application does not know.
            if !matches!(after, After::Over) {
                gone.ended();
            }
            return Ok(());
        };
        if empty > MAX_EMPTY {
            warn!("the application links from one empty answer to the next");
            return Err(Cut);
        }
        // Asking takes the most room of all this, and is seldom done.
        let told = Box::pin(next(&caller, &door, &seat, &instruct, &out, &link.uri)).await?;
        (instruct, body) = (told.instruct, told.body);
    }
}

/// Asks for what follows, as long as there is a server; who waits gets signs of life meanwhile.
async fn next(
    caller: &Caller,
    door: &Door,
    seat: &Seat,
    instruct: &Instruct,
    out: &Out,
    uri: &str,
) -> Result<Told, Cut> {
    let last = seat.last();
    let mut asking = pin!(caller.next(uri, &last));
    let mut pace = Pace::new(instruct);
    loop {
        let told = tokio::select! {
            told = &mut asking => told,
            () = door.closing() => return Err(Cut),
            () = until(pace.beat_at()) => {
                pace.beat(out).await;
                continue;
            }
        };
        return told.map_err(|refusal| {
            warn!(%refusal, "what follows a held answer cannot be had");
            Cut
        });
    }
}

/// Sends what comes, until the application has to be asked or the answer is at its end.
async fn go_on(seat: &mut Seat, instruct: &Instruct, out: &Out) -> After {
    let asks = instruct.next.is_some();
    let mut pace = Pace::new(instruct);
    loop {
        let next = tokio::select! {
            biased;
            next = seat.next() => next,
            () = until(pace.beat_at()) => {
                pace.beat(out).await;
                continue;
            }
            () = until(pace.ask_at()) => return After::Ask,
        };
        let piece = match next {
            Next::Over => return After::Over,
            Next::Lost => Piece::Ask,
            Next::Message(message) => seat.piece(&message, |item| item.stream.as_ref()),
        };
        match piece {
            Piece::Content(content) => {
                out.send(content).await;
                pace.sent();
            }
            Piece::Ask if asks => return After::Ask,
            Piece::End => return After::End,
            Piece::Ask | Piece::Nothing => {}
        }
    }
}

/// When something has to be done though nothing comes.
struct Pace<'a> {
    instruct: &'a Instruct,
    /// When something was sent.
    active: Instant,
    /// From when the time to the next keep-alive counts.
    beat: Instant,
}

impl<'a> Pace<'a> {
    fn new(instruct: &'a Instruct) -> Self {
        let now = Instant::now();
        Self { instruct, active: now, beat: now }
    }

    /// Sends a sign of life.
    async fn beat(&mut self, out: &Out) {
        let own = self.instruct.keep_alive.as_ref();
        out.send(own.map(|own| own.content.clone()).unwrap_or_default()).await;
        self.beat = Instant::now();
    }

    fn beat_at(&self) -> Option<Instant> {
        self.instruct.keep_alive.as_ref().map(|own| self.beat + own.timeout)
    }

    fn ask_at(&self) -> Option<Instant> {
        self.instruct.next.as_ref().map(|link| self.active + link.timeout)
    }

    fn sent(&mut self) {
        self.active = Instant::now();
        if self.instruct.keep_alive.as_ref().is_some_and(|own| own.mode == Mode::Idle) {
            self.beat = self.active;
        }
    }
}

/// Waits for a time; for ever, if there is none.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
