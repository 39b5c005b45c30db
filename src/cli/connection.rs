//! A connection to a gateway, by TCP or a Unix socket, and waiting for what comes.
//!
//! One thread waits for one connection, and while it does so it notices when nobody reads its output any
//! more, as `tail -f` does.

use std::{
    io,
    net::{TcpStream, ToSocketAddrs},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send},
};
use socket2::{SockRef, TcpKeepalive};

use super::endpoint::Endpoint;

/// How long it may take to connect to one address.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the other side may take nothing of what is sent.
const SEND: Duration = Duration::from_mins(1);
/// A quiet peer is asked for a sign of life after this time, ...
const QUIET: Duration = Duration::from_secs(30);
/// ... again after each of these, ...
const AGAIN: Duration = Duration::from_secs(10);
/// ... and so often before it is gone.
const ASKED: u32 = 3;

#[derive(Debug)]
pub(super) enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What waiting has come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Waited {
    Ready,
    /// Time is over.
    Late,
    /// Nobody reads the standard output any more.
    Unread,
}

impl Connection {
    pub(super) fn open(endpoint: &Endpoint) -> io::Result<Self> {
        if let Some(path) = &endpoint.unix_socket {
            return UnixStream::connect(path).map(Self::Unix);
        }
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (endpoint.url.host.as_str(), endpoint.url.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    let alive = TcpKeepalive::new().with_time(QUIET).with_interval(AGAIN);
                    SockRef::from(&stream).set_tcp_keepalive(&alive.with_retries(ASKED))?;
                    return Ok(Self::Tcp(stream));
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Sends bytes; returns whether all are gone. With `heed` it stops as soon as something can be read:
    /// who answers a request before its end may not want the rest.
    pub(super) fn send(&self, mut bytes: &[u8], heed: bool) -> io::Result<bool> {
        while !bytes.is_empty() {
            let mut ready = [PollFd::new(self, PollFlags::IN | PollFlags::OUT)];
            if !heed {
                ready = [PollFd::new(self, PollFlags::OUT)];
            }
            if !poll_until(&mut ready, Some(Instant::now() + SEND))? {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if heed && ready[0].revents().contains(PollFlags::IN) {
                return Ok(false);
            }
            match send(self, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::AGAIN | Errno::INTR) => {}
                // What it has answered before it closed is there to be read.
                Err(Errno::PIPE | Errno::CONNRESET) if heed => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Reads once; 0 at the end of the stream, `None` if there is nothing now.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match recv(self, buffer, RecvFlags::DONTWAIT) {
            Ok((_, received)) => Ok(Some(received)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether something has come, or the end.
    pub(super) fn is_readable(&self) -> io::Result<bool> {
        poll_until(&mut [PollFd::new(self, PollFlags::IN)], Some(Instant::now()))
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// Waits until a connection can be read, or only for time to pass.
pub(super) fn wait(connection: Option<&Connection>, until: Option<Instant>) -> io::Result<Waited> {
    let output = io::stdout();
    // Errors alone, which are always told.
    let watched = PollFd::new(&output, PollFlags::empty());
    let stream = connection.map(|connection| PollFd::new(connection, PollFlags::IN));
    let mut ready: Vec<PollFd<'_>> = [watched].into_iter().chain(stream).collect();
    if !poll_until(&mut ready, until)? {
        return Ok(Waited::Late);
    }
    let gone = ready[0].revents().intersects(PollFlags::ERR | PollFlags::HUP);
    Ok(if gone { Waited::Unread } else { Waited::Ready })
}

/// Whether anything is ready before the time is over.
fn poll_until(ready: &mut [PollFd<'_>], until: Option<Instant>) -> io::Result<bool> {
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        match poll(ready, left.as_ref()) {
            Ok(number) => return Ok(number > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
