//! The response of a request that waits in a way of its own, without hyper: two of its buffers would be
//! most of what such a request costs as long as it waits.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::response::Parts;
use http_body::Body as _;

use super::{
    Client, Follow,
    exchange::Step,
    head::{self, Persistence},
    wire::Wire,
    worker::Shared,
};
use crate::{
    framing::{LAST_CHUNK, chunk_line},
    log::Entry,
    response::{Body, in_hand},
};

/// Bytes that are put together before they go out; more are sent from where they are.
const TOGETHER: usize = 16 << 10;

/// Waits for the response and sends it. Returns what the connection does next: it ends where its client
/// goes before the response is there, or while more of it is to come.
pub(super) async fn reply<H>(
    shared: &Shared<H>,
    wire: &Wire,
    client: Client,
    follow: Follow,
    mut persistence: Persistence,
) -> Step {
    let mut response = tokio::select! {
        biased;
        response = follow.response(shared.door()) => response,
        () = wire.ended() => return Step::Closed,
    };
    shared.tally.answered(response.status());
    persistence.close |= shared.is_last_for(client);
    // Its line is written when nobody has it any more.
    let entry: Option<Entry> = response.extensions_mut().remove();
    let (parts, body) = response.into_parts();
    let sent = match in_hand(body) {
        // What is there goes out, also to a client that has nothing more to say.
        Ok(body) => whole(wire.clone(), &parts, persistence, &body).await,
        Err(body) => tokio::select! {
            biased;
            sent = pieces(wire.clone(), &parts, persistence, body, entry.as_ref()) => sent,
            () = wire.ended() => return Step::Closed,
        },
    };
    if sent.is_ok() && !persistence.close { Step::Idle } else { Step::Closed }
}

/// Sends a response whose body is there.
async fn whole(wire: Wire, parts: &Parts, persistence: Persistence, body: &[u8]) -> io::Result<()> {
    let body = if head::is_bodiless(parts.status) { &[][..] } else { body };
    let mut out =
        Out { wire, raw: true, bytes: head::answer(parts, persistence.close, body.len()) };
    out.put(body).await?;
    out.flush().await
}

/// Sends a response whose body comes piece by piece; what is there at once goes out together.
async fn pieces(
    wire: Wire,
    parts: &Parts,
    persistence: Persistence,
    mut body: Body,
    entry: Option<&Entry>,
) -> io::Result<()> {
    let mut out = Out { wire, raw: persistence.raw, bytes: head::pieces(parts, persistence) };
    if head::is_bodiless(parts.status) {
        return out.flush().await;
    }
    loop {
        let waiting = out.is_empty();
        let next = poll_fn(|cx| match poll_piece(&mut body, cx) {
            Poll::Pending if !waiting => Poll::Ready(None),
            piece => piece.map(Some),
        });
        match next.await {
            Some(Some(piece)) => {
                let piece = piece?;
                out.put(&piece).await?;
                if let Some(entry) = entry {
                    entry.sent(piece.len() as u64);
                }
            }
            Some(None) => return out.end().await,
            None => out.flush().await?,
        }
    }
}

/// The next piece; `None` at the end. One that is cut off is an error.
fn poll_piece(body: &mut Body, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
    Pin::new(body).poll_frame(cx).map(|frame| {
        let data = |frame: http_body::Frame<Bytes>| frame.into_data().unwrap_or_default();
        frame.map(|frame| frame.map(data).map_err(io::Error::other))
    })
}

/// What is on its way to the client.
struct Out {
    wire: Wire,
    /// The body is not in chunks.
    raw: bool,
    bytes: Vec<u8>,
}

impl Out {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds a piece of the body; an empty one is none.
    async fn put(&mut self, piece: &[u8]) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        if !self.raw {
            chunk_line(&mut self.bytes, piece.len());
        }
        if self.bytes.len() + piece.len() <= TOGETHER {
            self.bytes.extend_from_slice(piece);
        } else {
            self.flush().await?;
            self.wire.write_all(piece).await?;
        }
        if !self.raw {
            self.bytes.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        // It may wait for long for what comes next, and needs no room then.
        let bytes = std::mem::take(&mut self.bytes);
        self.wire.write_all(&bytes).await
    }

    /// The body is at its end.
    async fn end(&mut self) -> io::Result<()> {
        if !self.raw {
            self.bytes.extend_from_slice(LAST_CHUNK);
        }
        self.flush().await
    }
}
