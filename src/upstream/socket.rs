//! A connection to a server, as hyper sees it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use tokio::net::{TcpStream, UnixStream};

use super::counts::Counted;

/// One read, in bytes.
const READ: usize = 16 << 10;

/// A socket that says what goes over it.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    meter: Arc<Meter>,
    /// The server takes nothing more.
    broken: bool,
    /// It is open, whoever has it: hyper, or what has changed its protocol.
    _counted: Counted,
}

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What has gone over a socket.
#[derive(Debug)]
pub(super) struct Meter {
    begun: Instant,
    /// Milliseconds from `begun` to the last write.
    sent: AtomicU64,
    /// Bytes that the kernel has taken.
    written: AtomicU64,
    received: AtomicU64,
    /// The connection has been idle: what is written next begins a request.
    rested: AtomicBool,
}

impl Meter {
    fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        let passed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.sent.store(passed, Ordering::Relaxed);
    }

    /// When the server took something last.
    pub(super) fn sent(&self) -> Instant {
        self.begun + Duration::from_millis(self.sent.load(Ordering::Relaxed))
    }

    /// Bytes that have been written to the socket.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// The connection is to be used again: before anything is written it is looked at, and nothing is
    /// if the server has ended it meanwhile or has said what nobody asked for.
    pub(super) fn rested(&self) {
        self.rested.store(true, Ordering::Relaxed);
    }

    /// Bytes that the server has sent.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Socket {
    pub(super) fn new(stream: Stream, counted: Counted) -> (Self, Arc<Meter>) {
        let begun = Instant::now();
        let (sent, written, received) = <(AtomicU64, AtomicU64, AtomicU64)>::default();
        let meter = Meter { begun, sent, written, received, rested: AtomicBool::new(false) };
        let meter = Arc::new(meter);
        (Self { stream, meter: meter.clone(), broken: false, _counted: counted }, meter)
    }
}

impl Stream {
    fn poll_read(&self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let read = match self {
                Self::Tcp(stream) => {
                    ready!(stream.poll_read_ready(cx))?;
                    stream.try_read(bytes)
                }
                Self::Unix(stream) => {
                    ready!(stream.poll_read_ready(cx))?;
                    stream.try_read(bytes)
                }
            };
            if !would_block(&read) {
                return Poll::Ready(read);
            }
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            let written = match self {
                Self::Tcp(stream) => {
                    ready!(stream.poll_write_ready(cx))?;
                    stream.try_write_vectored(parts)
                }
                Self::Unix(stream) => {
                    ready!(stream.poll_write_ready(cx))?;
                    stream.try_write_vectored(parts)
                }
            };
            if !would_block(&written) {
                return Poll::Ready(written);
            }
        }
    }

    /// Whether the other side has said nothing and has not ended the connection, as the kernel knows
    /// it now: the runtime may not have been told yet.
    fn is_silent(&self) -> bool {
        let (mut byte, flags) = ([0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        let peeked = match self {
            Self::Tcp(stream) => recv(stream, &mut byte, flags),
            Self::Unix(stream) => recv(stream, &mut byte, flags),
        };
        matches!(peeked, Err(Errno::AGAIN | Errno::INTR))
    }

    fn finish(&self) -> io::Result<()> {
        let end = rustix::net::Shutdown::Write;
        match self {
            Self::Tcp(stream) => rustix::net::shutdown(stream, end)?,
            Self::Unix(stream) => rustix::net::shutdown(stream, end)?,
        }
        Ok(())
    }
}

fn would_block(done: &io::Result<usize>) -> bool {
    done.as_ref().is_err_and(|error| {
        matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
    })
}

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; READ];
        let length = READ.min(buffer.remaining());
        let read = ready!(self.stream.poll_read(cx, &mut bytes[..length]))?;
        buffer.put_slice(&bytes[..read]);
        self.meter.received.fetch_add(read as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl Write for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    /// So hyper keeps no copy of a body to write it together with its head.
    fn is_write_vectored(&self) -> bool {
        true
    }

    /// A server may answer and close before it has read the whole request. What it does not take any
    /// more is thrown away, so that its answer, which is there to be read, is not lost; where there is
    /// none, reading says so.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = parts.iter().map(|part| part.len()).sum();
        if self.broken {
            return Poll::Ready(Ok(length));
        }
        if self.meter.rested.swap(false, Ordering::Relaxed) && !self.stream.is_silent() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if let Ok(written) = ready!(self.stream.poll_write(cx, parts)) {
            self.meter.wrote(written);
            return Poll::Ready(Ok(written));
        }
        self.broken = true;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.finish())
    }
}
