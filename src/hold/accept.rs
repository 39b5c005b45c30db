//! Listening sockets, and what to do when accepting fails.

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{SocketFlags, acceptfrom_with},
};
use tracing::error;

use crate::access::Peer;

/// A bound and listening socket, TCP or Unix, which does not block.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    /// Accepting rests until then.
    rests_until: Option<Instant>,
}

/// How long accepting rests when there are no descriptors or no memory left.
const REST: Duration = Duration::from_millis(500);

/// What one call brought.
pub(super) enum Accepted {
    Connection(OwnedFd, Peer),
    /// Nothing now; it is said when there is something.
    Nothing,
    /// Nothing for a while.
    Rest,
}

impl Listener {
    /// Takes over a socket.
    pub fn new(fd: impl Into<OwnedFd>) -> Self {
        Self { fd: fd.into(), rests_until: None }
    }

    pub(super) fn accept(&mut self, now: Instant) -> Accepted {
        loop {
            match acceptfrom_with(&self.fd, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok((fd, address)) => {
                    let address = address.and_then(|address| SocketAddr::try_from(address).ok());
                    return Accepted::Connection(fd, address.map_or(Peer::Unix, peer));
                }
                Err(Errno::AGAIN) => return Accepted::Nothing,
                // It was gone before it was taken; there may be others.
                Err(Errno::CONNABORTED | Errno::INTR | Errno::PERM | Errno::PROTO) => {}
                Err(error) => {
                    error!(%error, "cannot accept connections, trying again soon");
                    self.rests_until = Some(now + REST);
                    return Accepted::Rest;
                }
            }
        }
    }

    /// When a rest ends; what has ended is forgotten.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    /// Whether a rest has just ended.
    pub(super) fn rested(&mut self, now: Instant) -> bool {
        self.rests_until.take_if(|until| *until <= now).is_some()
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// IPv4 addresses on an IPv6 socket are IPv4 addresses.
fn peer(address: SocketAddr) -> Peer {
    let ip: IpAddr = address.ip().to_canonical();
    Peer::Inet(ip, address.port())
}
