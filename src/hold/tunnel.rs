//! A connection that has changed its protocol: bytes go both ways until both sides have ended.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::{
    rt::{Read, ReadBuf, ReadBufCursor, Write},
    upgrade::{OnUpgrade, Upgraded},
};
use tokio::time::{Instant, sleep};

use super::{head, wire::Wire};
use crate::log::Entry;

/// What a request becomes that asked for another protocol and got it from the application.
#[derive(Debug)]
pub struct Tunnel {
    /// The line of the access log.
    pub entry: Option<Entry>,
    /// Of the answer.
    pub headers: HeaderMap,
    /// The connection to the application, once its answer has been read.
    pub upstream: OnUpgrade,
    /// How long it may be silent in both directions.
    pub patience: Duration,
}

/// Bytes under way in one direction.
const BUFFER: usize = 16 << 10;
/// Reads and writes of one direction before others have their turn.
const TURNS: usize = 32;

/// The client's side: to hyper's way of writing, an end that is one.
struct Near(Wire);

impl Read for Near {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for Near {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let end =
            |fd: &std::os::fd::OwnedFd| rustix::net::shutdown(fd, rustix::net::Shutdown::Write);
        Poll::Ready(self.0.with_fd(end).unwrap_or(Ok(())).map_err(Into::into))
    }
}

/// One direction.
struct Way {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// Nothing more is read.
    eof: bool,
    /// The other side has been told.
    done: bool,
    /// Bytes that have been written.
    sent: u64,
}

impl Way {
    /// A direction in which these bytes go first.
    fn new(first: &[u8]) -> Self {
        let mut bytes = vec![0; BUFFER.max(first.len())].into_boxed_slice();
        bytes[..first.len()].copy_from_slice(first);
        Self { bytes, start: 0, end: first.len(), eof: false, done: false, sent: 0 }
    }

    /// Copies what there is; ready when the direction has ended. Counts what has moved.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl Read + Unpin),
        to: &mut (impl Write + Unpin),
        moved: &mut u64,
    ) -> Poll<io::Result<()>> {
        for _ in 0..TURNS {
            if self.done {
                return Poll::Ready(Ok(()));
            }
            if self.start < self.end {
                let bytes = &self.bytes[self.start..self.end];
                let written = ready!(Pin::new(&mut *to).poll_write(cx, bytes))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.start += written;
                self.sent += written as u64;
                *moved += written as u64;
                continue;
            }
            if self.eof {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.done = true;
                continue;
            }
            let mut buffer = ReadBuf::new(&mut self.bytes);
            ready!(Pin::new(&mut *from).poll_read(cx, buffer.unfilled()))?;
            (self.start, self.end) = (0, buffer.filled().len());
            self.eof = self.end == 0;
            *moved += self.end as u64;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Answers the client, and copies until both sides have ended, one has failed, nothing has moved for
/// too long, or the server shuts down.
pub(super) async fn run(wire: Wire, tunnel: Tunnel, closing: impl Future<Output = ()>) {
    let Tunnel { entry, headers, upstream, patience } = tunnel;
    let Ok(far) = upstream.await else { return };
    let mut answer = Way::new(&answer(headers));
    let head = answer.end as u64;
    tokio::select! {
        () = copy(Near(wire), far, &mut answer, patience) => {}
        () = closing => {}
    }
    if let Some(entry) = entry {
        entry.sent(answer.sent.saturating_sub(head));
    }
}

fn answer(mut headers: HeaderMap) -> Vec<u8> {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    head::switching(StatusCode::SWITCHING_PROTOCOLS, &headers)
}

async fn copy(mut near: Near, mut far: Upgraded, back: &mut Way, patience: Duration) {
    let mut forth = Way::new(&[]);
    let mut moved = 0;
    let mut timer = std::pin::pin!(sleep(patience));
    std::future::poll_fn(|cx| {
        let before = moved;
        let forth = forth.poll(cx, &mut near, &mut far, &mut moved);
        let back = back.poll(cx, &mut far, &mut near, &mut moved);
        if moved != before {
            timer.as_mut().reset(Instant::now() + patience);
        }
        match (forth, back) {
            (Poll::Ready(Err(_)), _)
            | (_, Poll::Ready(Err(_)))
            | (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(()),
            _ => timer.as_mut().poll(cx),
        }
    })
    .await;
}
