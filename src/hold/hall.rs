//! The sockets of a worker: one slab, one epoll instance.
//!
//! Invariant: a connection is registered for exactly what its state can use (see [`interest`]), so
//! the instance is never readable without there being something to do.

use std::{
    cell::Cell,
    collections::VecDeque,
    os::fd::OwnedFd,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::{
    event::epoll::{self, CreateFlags, EventData, EventFlags},
    io::Errno,
    net::RecvFlags,
};

use super::{
    Client, Tally,
    answers::Answers,
    bodies::Bodies,
    dismiss::Dismissals,
    held::{Held, Phase, Place},
    local::Locals,
    send_batch::{SendBatch, send_one},
    shelf::Shelf,
    slice::Slice,
    survey::Count,
    wheel::Wheel,
};
use crate::{
    access::Network,
    channel::{Channel, ChannelId, Dismissal, Mailbox},
};

/// How long a connection may take; of the `[[server]]` it came to.
#[derive(Clone, Debug)]
pub struct Listening {
    /// `client_header_timeout`.
    pub header_timeout: Duration,
    /// `keepalive_timeout`.
    pub keepalive_timeout: Duration,
    /// `client_max_header_size` in bytes.
    pub max_header_size: usize,
    /// `proxy_protocol`: who may say whose a connection is; `None`: it begins with a request.
    pub proxies: Option<Box<[Network]>>,
}

#[derive(Debug)]
pub(super) struct Hall {
    pub(super) epoll: Rc<OwnedFd>,
    pub(super) held: Shelf<Held>,
    generation: u32,
    pub(super) bodies: Bodies,
    pub(super) locals: Locals,
    pub(super) dismissals: Dismissals,
    /// Of a turn; only its room is kept.
    pub(super) slice: Slice,
    pub(super) send_batch: SendBatch,
    pub(super) answers: Answers,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) wheel: Wheel,
    pub(super) tally: Arc<Tally>,
    /// Subscribers that are being counted.
    pub(super) counts: VecDeque<Count>,
    /// By the number of the listening socket.
    pub(super) listening: Arc<[Listening]>,
    /// The time of this turn.
    pub(super) now: Instant,
    /// Bytes of messages that WebSockets have not sent to their end.
    pub(super) unfinished: Rc<Cell<usize>>,
    /// Connections whose messages have to wait, in the order in which that ends.
    pub(super) pauses: VecDeque<(Instant, u64)>,
    /// Connections that are free again and have input waiting.
    pub(super) ready: Vec<u32>,
    /// The server shuts down: who is done is closed.
    pub(super) closing: bool,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sent {
    /// So many bytes; fewer than there were means that the socket takes no more now.
    Bytes(usize),
    /// The client is gone.
    Gone,
}

impl Hall {
    pub(super) fn new(listening: Arc<[Listening]>, tally: Arc<Tally>) -> std::io::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            epoll: Rc::new(epoll::create(CreateFlags::CLOEXEC)?),
            held: Shelf::default(),
            generation: 0,
            bodies: Bodies::default(),
            locals: Locals::default(),
            dismissals: Dismissals::default(),
            slice: Slice::default(),
            send_batch: SendBatch::default(),
            answers: Answers::default(),
            mailbox: Arc::default(),
            wheel: Wheel::new(now),
            tally,
            counts: VecDeque::new(),
            listening,
            now,
            unfinished: Rc::default(),
            pauses: VecDeque::new(),
            ready: Vec::new(),
            closing: false,
        })
    }

    /// Takes a connection in, without a deadline. One that cannot be registered is closed.
    pub(super) fn adopt(&mut self, fd: OwnedFd, client: Client) -> Option<u32> {
        self.generation = self.generation.wrapping_add(1);
        let key = self.held.insert(Held::new(fd, client, self.generation));
        let number = u32::try_from(key).ok()?;
        let data = self.data(number);
        let registered = self.held[key]
            .fd
            .as_ref()
            .is_some_and(|fd| epoll::add(&*self.epoll, fd, data, EventFlags::IN).is_ok());
        if !registered {
            self.held.remove(key);
            self.tally.closed.add(1);
            return None;
        }
        Some(number)
    }

    /// Gives a connection away, with what it has received.
    pub(super) fn part(&mut self, key: u32) {
        self.leave(key);
        if let Some(held) = self.held.remove(key as usize)
            && let Some(fd) = &held.fd
        {
            let _ = epoll::delete(&*self.epoll, fd);
        }
    }

    /// The connection that an event is about, if it still exists.
    pub(super) fn find(&self, data: EventData) -> Option<u32> {
        let key = u32::try_from(data.u64() & u64::from(u32::MAX)).ok()?;
        let generation = u32::try_from(data.u64() >> 32).ok()?;
        let held = self.held.get(key as usize)?;
        (held.generation == generation).then_some(key)
    }

    pub(super) fn data(&self, key: u32) -> EventData {
        let generation = self.held[key as usize].generation;
        EventData::new_u64(u64::from(generation) << 32 | u64::from(key))
    }

    /// Registers for what the connection's state can use.
    pub(super) fn arm(&mut self, key: u32) {
        let data = self.data(key);
        let held = &self.held[key as usize];
        if let Some(fd) = &held.fd {
            let _ = epoll::modify(&*self.epoll, fd, data, interest(held));
        }
    }

    /// Registers for nothing: what has ended cannot end again.
    pub(super) fn look_away(&mut self, key: u32) {
        if let Some(fd) = &self.held[key as usize].fd {
            let _ = epoll::delete(&*self.epoll, fd);
        }
    }

    pub(super) fn set_blocked(&mut self, key: u32, blocked: bool) {
        let held = &mut self.held[key as usize];
        if held.blocked != blocked {
            held.blocked = blocked;
            self.arm(key);
        }
    }

    /// Gives up the seats of a connection.
    pub(super) fn leave(&mut self, key: u32) {
        let place = self.unseat(key);
        self.give_up(&place);
    }

    /// A connection waits no more; returns the seats that it has had.
    pub(super) fn unseat(&mut self, key: u32) -> Place {
        let Some(held) = self.held.get_mut(key as usize) else { return Place::Nowhere };
        held.dismiss_guest();
        let place = std::mem::take(&mut held.place);
        if let Some(outlet) = held.outlet.as_ref().filter(|_| !matches!(place, Place::Nowhere)) {
            self.tally.parted(outlet.transport);
        }
        place
    }

    /// Gives up all seats of a place.
    pub(super) fn give_up(&mut self, place: &Place) {
        for (local, at) in members(place) {
            if let Some(entry) = self.locals.get(local) {
                entry.channel.leave(1);
            }
            self.stand(local, at);
            self.locals.release(local, &self.mailbox);
        }
    }

    /// Takes a subscriber out of a channel's list; whoever gets its index is told.
    pub(super) fn stand(&mut self, local: u32, at: u32) {
        let Some(moved) = self.locals.remove(local, at) else { return };
        if let Some(place) = self.place_of(moved) {
            match place {
                Place::One(_, index) => *index = at,
                Place::Many(members) => {
                    members.iter_mut().filter(|m| m.local == local).for_each(|m| m.at = at);
                }
                Place::Nowhere => {}
            }
        }
    }

    /// The channels of a place.
    pub(super) fn channels(&mut self, place: &Place) -> Vec<Arc<Channel>> {
        let channel = |(local, _)| Some(self.locals.get(local)?.channel.clone());
        members(place).into_iter().filter_map(channel).collect()
    }

    /// The first channel of a subscriber that was deleted.
    pub(super) fn deleted_channel(&mut self, key: u32) -> Option<ChannelId> {
        let place = std::mem::take(self.place_of(key)?);
        let channels = self.channels(&place);
        *self.place_of(key)? = place;
        let deleted =
            |channel: &&Arc<Channel>| matches!(channel.dismissed(), Some((_, Dismissal::Deleted)));
        channels.iter().find(deleted).map(|channel| channel.id().clone())
    }

    fn place_of(&mut self, key: u32) -> Option<&mut Place> {
        if let Some(body) = self.bodies.get(key) {
            return Some(&mut body.place);
        }
        self.held.get_mut(key as usize).map(|held| &mut held.place)
    }

    /// Reads once. `None`: there is nothing now.
    pub(super) fn receive(&mut self, key: u32, buffer: &mut [u8]) -> Option<Result<usize, Errno>> {
        let fd = self.held.get(key as usize)?.fd.as_ref()?;
        match rustix::net::recv(fd, buffer, RecvFlags::DONTWAIT) {
            Ok((_, received)) => Some(Ok(received)),
            Err(Errno::AGAIN | Errno::INTR) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Writes once.
    pub(super) fn send(&self, key: u32, bytes: &[u8]) -> Sent {
        let Some(held) = self.held.get(key as usize) else { return Sent::Gone };
        let sent = held.fd.as_ref().map_or(Sent::Gone, |fd| send_one(fd, bytes));
        held.note_sent(sent);
        sent
    }
}

/// Channels and indexes of a place.
fn members(place: &Place) -> Vec<(u32, u32)> {
    match place {
        Place::Nowhere => Vec::new(),
        Place::One(local, at) => vec![(*local, *at)],
        Place::Many(members) => members.iter().map(|member| (member.local, member.at)).collect(),
    }
}

/// What the state of a connection can use.
fn interest(held: &Held) -> EventFlags {
    let reads = match (held.deaf || held.eof, held.phase) {
        (false, _) => EventFlags::IN,
        // A client that leaves is still noticed.
        (true, Phase::Held) => EventFlags::RDHUP,
        (true, _) => EventFlags::empty(),
    };
    if held.blocked { reads | EventFlags::OUT } else { reads }
}
