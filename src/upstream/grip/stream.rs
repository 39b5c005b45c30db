//! A request that waits within its answer: `Grip-Hold: stream`, and pages that follow each other.

use std::{pin::pin, rc::Rc, time::Duration};

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
    response::{Body, Cut, Refusal},
    upstream::backoff::Backoff,
};

/// Pages without a byte that may follow each other.
const MAX_EMPTY: usize = 10;
/// Pages that follow each other at once, ...
const AT_ONCE: usize = 5;
/// ... before those that do, and never hold, are asked for after a pause, ...
const FIRST_PAGE_PAUSE: Duration = Duration::from_millis(50);
/// ... of this at most. An application that takes as long itself paces them well enough.
const MAX_PAGE_PAUSE: Duration = Duration::from_secs(1);

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
    let (mut empty, mut chain) = (0, Chain::new());
    loop {
        seat.meta.clone_from(&instruct.meta);
        let lost = seat.follow(&caller, instruct.wanted()).await.map_err(ends)?;
        empty = if body.is_empty() { empty + 1 } else { 0 };
        out.send(seat.render(&body)).await;
        let after = match instruct.hold {
            Some(Hold::Stream) if !lost => {
                (empty, chain) = (0, Chain::new());
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
            return Err(endless());
        }
        // Asking takes the most room of all this, and is seldom done.
        let asking = page(&caller, &seat, &link.uri, chain.pause());
        let told = Box::pin(next(asking, &door, &instruct, &out)).await?;
        (instruct, body) = (told.instruct, told.body);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as an error is mapped")]
fn ends(refusal: Refusal) -> Cut {
    warn!(%refusal, "a held request ends");
    Cut
}

/// The next page, after a pause.
async fn page(caller: &Caller, seat: &Seat, uri: &str, pause: Duration) -> Result<Told, Refusal> {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    caller.next(uri, &seat.last()).await
}

fn endless() -> Cut {
    warn!("the application links from one empty answer to the next");
    Cut
}

/// Asks for what follows, as long as there is a server; who waits gets signs of life meanwhile.
async fn next(
    asking: impl Future<Output = Result<Told, Refusal>>,
    door: &Door,
    instruct: &Instruct,
    out: &Out,
) -> Result<Told, Cut> {
    let mut asking = pin!(asking);
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

/// Pages that follow each other and do not hold.
struct Chain {
    pages: usize,
    /// When the last one was asked for.
    asked: Instant,
    backoff: Backoff,
}

impl Chain {
    fn new() -> Self {
        let backoff = Backoff::new(FIRST_PAGE_PAUSE, MAX_PAGE_PAUSE);
        Self { pages: 0, asked: Instant::now(), backoff }
    }

    /// How long the next page has to wait, which is asked for then.
    fn pause(&mut self) -> Duration {
        if self.asked.elapsed() >= MAX_PAGE_PAUSE {
            *self = Self::new();
        }
        self.pages += 1;
        let pause = if self.pages > AT_ONCE { self.backoff.pause() } else { Duration::ZERO };
        self.asked = Instant::now() + pause;
        pause
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pages_follow_at_once_for_a_while_and_then_slower_and_slower() {
        let mut chain = Chain::new();
        for _ in 0..AT_ONCE {
            assert_eq!(chain.pause(), Duration::ZERO);
        }
        for whole in [50, 100, 200, 400, 800, 1000, 1000] {
            let (pause, whole) = (chain.pause(), Duration::from_millis(whole));
            assert!((whole / 2..=whole).contains(&pause), "{pause:?} of {whole:?}");
            tokio::time::sleep(pause).await;
        }
        // It took its time by itself.
        tokio::time::sleep(MAX_PAGE_PAUSE).await;
        assert_eq!(chain.pause(), Duration::ZERO);
    }
}
