//! A request that waits within its answer: `Grip-Hold: stream`, and pages that follow each other.

use std::{fmt::Display, pin::pin, rc::Rc, time::Duration};

use bytes::Bytes;
use http::Response;
use tokio::time::{Instant, sleep_until};

use super::{
    Caller, Fault, Told,
    chain::Chain,
    flow::{Flow, Out},
    gone::Gone,
    seat::{Next, Piece, Seat},
};
use crate::{
    config::Transport,
    grip::{Hold, Instruct, Mode},
    hold::Door,
    response::{Body, Cut, Refusal},
};

/// Why the application is not waited for any more.
enum After {
    /// It is asked for what follows.
    Ask,
    /// The answer is at its end.
    End,
    /// There is nothing to wait for any more.
    Over,
}

/// What an answer tells that follows another.
type Page = (Instruct, Bytes);

/// Who waits.
struct Client {
    caller: Rc<Caller>,
    door: Door,
    seat: Seat,
    gone: Gone,
    /// An item may be lost.
    lost: bool,
}

/// The answer, which goes on. `seat` may have been at some of the channels before.
pub(super) async fn begin(
    caller: &Rc<Caller>,
    door: Door,
    mut seat: Seat,
    told: Box<Told>,
) -> Result<Response<Body>, Refusal> {
    let (instruct, body) = (told.instruct.clone(), told.body.clone());
    let gone = Gone::watch(caller, instruct.gone.as_deref());
    seat.goes_by(Transport::Chunked);
    let mut client = Client { caller: caller.clone(), door, seat, gone, lost: false };
    client.follow(&instruct).await?;
    let flow = Flow::new(|out| run(client, instruct, body, out));
    Ok(told.head(Body::Stream(Box::pin(flow)), None, caller))
}

impl Client {
    async fn follow(&mut self, instruct: &Instruct) -> Result<(), Refusal> {
        self.seat.meta.clone_from(&instruct.meta);
        self.lost = self.seat.follow(&self.caller, instruct.wanted()).await?;
        Ok(())
    }

    /// The next page, after a pause.
    async fn page(&mut self, uri: &str, pause: Duration) -> Result<Page, Refusal> {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        self.seat.forget_hints(|item| item.stream.as_ref()).await;
        let told = self.caller.next(uri, &self.seat.last()).await?;
        Ok((told.instruct, told.body))
    }

    fn cut(&self, fault: Fault, why: impl Display) -> Cut {
        self.caller.warns(fault, why);
        Cut
    }
}

/// Writes the answer.
async fn run(
    mut client: Client,
    mut instruct: Instruct,
    mut body: Bytes,
    out: Out,
) -> Result<(), Cut> {
    let mut chain = Chain::new();
    loop {
        chain.page(&instruct, &body);
        out.send(client.seat.render(&std::mem::take(&mut body))).await;
        let after = match instruct.hold {
            Some(Hold::Stream) if !client.lost => {
                chain = Chain::new();
                go_on(&mut client.seat, &instruct, &out).await
            }
            _ => After::Ask,
        };
        let asks = matches!(after, After::Ask);
        let Some(link) = instruct.next.as_ref().filter(|_| asks) else {
            // That the gateway ends it the application does not know.
            if !matches!(after, After::Over) {
                client.gone.ended();
            }
            return Ok(());
        };
        if chain.is_endless() {
            return Err(client.cut(Fault::Endless, "None of them holds either."));
        }
        // Asking takes the most room of all this, and is seldom done.
        let door = client.door.clone();
        let asking = client.page(&link.uri, chain.pause());
        let page = Box::pin(next(asking, &door, &instruct, &out)).await?;
        (instruct, body) = page.map_err(|refusal| client.cut(Fault::Next, refusal))?;
        client.gone.moves(&client.caller, instruct.gone.as_deref());
        let followed = Box::pin(client.follow(&instruct)).await;
        followed.map_err(|refusal| client.cut(Fault::Channels, refusal))?;
    }
}

/// Asks for what follows, as long as there is a server; who waits gets signs of life meanwhile.
async fn next(
    asking: impl Future<Output = Result<Page, Refusal>>,
    door: &Door,
    instruct: &Instruct,
    out: &Out,
) -> Result<Result<Page, Refusal>, Cut> {
    let mut asking = pin!(asking);
    let mut pace = Pace::new(instruct);
    loop {
        tokio::select! {
            told = &mut asking => return Ok(told),
            () = door.closing() => return Err(Cut),
            () = until(pace.beat_at()) => pace.beat(out).await,
        }
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
