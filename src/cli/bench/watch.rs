//! Sockets of one purpose, in one epoll instance.
//!
//! They are registered edge-triggered, for everything and once: who is told that a socket can be
//! read reads it until it has less than the buffer takes, or to its end.

use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
    io::Errno,
};

pub(super) struct Watch {
    epoll: OwnedFd,
    events: Vec<Event>,
}

/// What a socket is ready for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub(super) key: u32,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// Nothing comes after what can be read now; no other edge will tell.
    pub(super) ends: bool,
}

/// Sockets looked at before somebody else has a turn.
pub(super) const MOST: usize = 64;

impl Watch {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(MOST) })
    }

    pub(super) fn add(&self, fd: &OwnedFd, key: u32) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(u64::from(key)), flags)?)
    }

    /// What is ready, at most [`MOST`] of it, after so many nanoseconds at the latest.
    pub(super) fn wait(&mut self, nanos: u32) -> io::Result<Vec<Ready>> {
        self.events.clear();
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(nanos) };
        let buffer = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, buffer, Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => Ok(self.events.iter().map(ready).collect()),
            Err(error) => Err(error.into()),
        }
    }
}

fn ready(event: &Event) -> Ready {
    let Event { flags, data } = *event;
    let ends = flags.intersects(EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP);
    Ready {
        key: u32::try_from(data.u64()).unwrap_or(u32::MAX),
        readable: ends || flags.contains(EventFlags::IN),
        writable: flags.contains(EventFlags::OUT),
        ends,
    }
}

impl AsFd for Watch {
    /// Readable when something is ready.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}
