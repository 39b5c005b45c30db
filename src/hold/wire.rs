//! A socket as hyper sees it: first the bytes in hand, then, once it is a task, the socket itself.
//!
//! In place there is nothing to wait for: reading ends with the bytes in hand, writing with what
//! the socket takes. `dirty` tells whether hyper still has bytes that it has not written: hyper
//! calls `poll_flush` only with an empty buffer, and gives its buffer to nobody.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    os::fd::{AsRawFd, OwnedFd},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags},
};
use tokio::{io::unix::AsyncFd, time::timeout};

use super::phase::SEND_TIMEOUT;

/// A handle on the socket; hyper has one, the exchange another.
#[derive(Clone, Debug)]
pub(super) struct Wire(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    socket: Socket,
    input: Vec<u8>,
    read: usize,
    dirty: bool,
    /// Bytes that the socket has taken.
    written: u64,
}

#[derive(Debug)]
enum Socket {
    InHand(OwnedFd),
    Task(AsyncFd<OwnedFd>),
    Gone,
}

/// Bytes that a client may send ahead while its request waits.
pub(super) const AHEAD: usize = 64 << 10;
/// One read of a task, in bytes.
const READ: usize = 16 << 10;

impl Wire {
    pub(super) fn new(fd: OwnedFd, input: Vec<u8>) -> Self {
        let socket = Socket::InHand(fd);
        Self(Rc::new(RefCell::new(Inner { socket, input, read: 0, dirty: false, written: 0 })))
    }

    /// Whether hyper may have bytes that it has not written.
    pub(super) fn dirty(&self) -> bool {
        self.0.borrow().dirty
    }

    /// Bytes that the socket has taken.
    pub(super) fn written(&self) -> u64 {
        self.0.borrow().written
    }

    /// From now on reads and writes wait for the socket.
    pub(super) fn become_task(&self) -> io::Result<()> {
        let mut inner = self.0.borrow_mut();
        if let Socket::InHand(fd) = std::mem::replace(&mut inner.socket, Socket::Gone) {
            inner.socket = Socket::Task(watch(fd)?);
        }
        Ok(())
    }

    /// Reads ahead, as the hall does, until the end of what the client sends: it is noticed also
    /// while hyper reads nothing.
    pub(super) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.0.borrow_mut();
        let Inner { socket: Socket::Task(fd), input, read, .. } = &mut *inner else {
            return Poll::Pending;
        };
        input.drain(..std::mem::take(read));
        while input.len() < AHEAD {
            let Ok(mut ready) = ready!(fd.poll_read_ready(cx)) else { return Poll::Ready(()) };
            let mut bytes = [0; READ];
            match ready.try_io(|fd| receive(fd.get_ref(), &mut bytes)) {
                Ok(Ok(length @ 1..)) => input.extend_from_slice(&bytes[..length]),
                Ok(_) => return Poll::Ready(()),
                Err(_) => {}
            }
        }
        Poll::Pending
    }

    /// Waits for the end of what the client sends.
    pub(super) async fn ended(&self) {
        poll_fn(|cx| self.poll_end(cx)).await;
    }

    /// Writes at least one byte of these; a client that takes none for too long is gone.
    pub(super) async fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let write = poll_fn(|cx| Pin::new(&mut *self).poll_write(cx, bytes));
        match timeout(SEND_TIMEOUT, write).await?? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            written => Ok(written),
        }
    }

    /// Writes all of it, likewise.
    pub(super) async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write_some(bytes).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Runs something with the socket while it is in hand.
    pub(super) fn with_fd<T>(&self, run: impl FnOnce(&OwnedFd) -> T) -> Option<T> {
        match &self.0.borrow().socket {
            Socket::InHand(fd) => Some(run(fd)),
            Socket::Task(fd) => Some(run(fd.get_ref())),
            Socket::Gone => None,
        }
    }

    /// Takes the socket back, and the bytes that nobody has read.
    pub(super) fn take(&self) -> (Option<OwnedFd>, Vec<u8>) {
        let mut inner = self.0.borrow_mut();
        let fd = match std::mem::replace(&mut inner.socket, Socket::Gone) {
            Socket::InHand(fd) => Some(fd),
            Socket::Task(fd) => Some(fd.into_inner()),
            Socket::Gone => None,
        };
        let read = std::mem::take(&mut inner.read);
        let mut input = std::mem::take(&mut inner.input);
        input.drain(..read);
        (fd, input)
    }
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        let inner = &mut *inner;
        let rest = &inner.input[inner.read..];
        if !rest.is_empty() {
            let length = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..length]);
            inner.read += length;
            if inner.read == inner.input.len() {
                // A request may wait for long, and need not keep what hyper has read.
                (inner.input, inner.read) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(()));
        }
        let Socket::Task(fd) = &inner.socket else { return Poll::Pending };
        let mut bytes = [0; READ];
        let length = bytes.len().min(buffer.remaining());
        loop {
            let mut ready = ready!(fd.poll_read_ready(cx))?;
            let received = ready.try_io(|fd| receive(fd.get_ref(), &mut bytes[..length]));
            if let Ok(received) = received {
                buffer.put_slice(&bytes[..received?]);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Write for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        inner.dirty = true;
        let sent = match &inner.socket {
            Socket::Gone => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Socket::InHand(fd) => match transmit(fd, bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                sent => Poll::Ready(sent),
            },
            Socket::Task(fd) => loop {
                let mut ready = ready!(fd.poll_write_ready(cx))?;
                if let Ok(sent) = ready.try_io(|fd| transmit(fd.get_ref(), bytes)) {
                    break Poll::Ready(sent);
                }
            },
        };
        if let Poll::Ready(Ok(length)) = sent {
            inner.written += length as u64;
        }
        sent
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().dirty = false;
        Poll::Ready(Ok(()))
    }

    /// Nothing: whoever has the socket afterwards closes it, see `Hall::linger`.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Lets tokio watch a descriptor.
pub(super) fn watch<T: Owner>(owner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: an `Owner` names one open descriptor for as long as it exists, and `AsyncFd` keeps it.
    #[allow(unsafe_code)]
    let watched = unsafe { AsyncFd::register(owner) };
    Ok(watched?)
}

/// What keeps one descriptor open, always the same.
pub(super) trait Owner: AsRawFd {}

impl Owner for OwnedFd {}
impl Owner for Rc<OwnedFd> {}

fn receive(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    let (_, received) = rustix::net::recv(fd, buffer, RecvFlags::DONTWAIT).map_err(retry)?;
    Ok(received)
}

fn transmit(fd: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(fd, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).map_err(retry)?)
}

/// An interrupted call is tried again when the socket is ready.
fn retry(error: Errno) -> Errno {
    if error == Errno::INTR { Errno::AGAIN } else { error }
}
