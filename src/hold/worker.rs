//! One thread's turn after turn: events, exchanges, deliveries, timers.
//!
//! The hall's epoll instance is one readable descriptor to tokio. A turn does a bounded amount of
//! everything; as long as there is more to do, tokio's own tasks run between turns.

use std::{
    cell::{Cell, RefCell},
    fmt, io,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use hyper::server::conn::http1::Builder;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use tokio::sync::{Notify, watch};

use super::{
    Client, Handler, Listener, Tally,
    accept::Accepted,
    direct::Asked,
    hall::{Hall, Listening},
};
use crate::channel::Note;

/// The hall, shared between the worker's turns and its tasks; never borrowed while hyper runs.
pub(super) type HallCell = Rc<RefCell<Hall>>;

/// What a worker and its tasks have in common.
pub(super) struct Shared<H> {
    pub(super) hall: HallCell,
    pub(super) handler: H,
    pub(super) tally: Arc<Tally>,
    /// By the number of the listening socket.
    pub(super) builders: Box<[Builder]>,
    /// Connections that are tasks now.
    pub(super) tasks: Cell<usize>,
    /// A task has changed the hall.
    pub(super) changed: Notify,
    pub(super) closing: watch::Sender<bool>,
}

impl<H> Shared<H> {
    /// Waits for the server to shut down.
    pub(super) async fn closing(&self) {
        let mut closing = self.closing.subscribe();
        // The sender lives as long as `self`.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Whether a client's answer is the last on its connection, whatever it asked for.
    pub(super) fn is_last_for(&self, client: Client) -> bool {
        let hall = self.hall.borrow();
        let listening = &hall.listening[usize::from(client.listener)];
        hall.closing || listening.keepalive_timeout.is_zero()
    }
}

/// A worker: a hall, its listening sockets, and what answers requests.
pub struct Worker<H> {
    pub(super) shared: Rc<Shared<H>>,
    pub(super) listeners: Vec<Listener>,
    pub(super) buffer: Vec<u8>,
    events: Vec<Event>,
    notes: Vec<Note>,
    /// Room for those who have just come.
    come: Vec<u32>,
    connections: u64,
    pub(super) asked: Asked,
}

/// Events looked at in one turn: what everybody else waits for is about a millisecond.
const EVENTS: usize = 128;
/// Connections accepted in one turn.
const ACCEPTS: usize = 64;
/// One read, in bytes.
const READ: usize = 64 << 10;
/// What hyper keeps of a request or an answer on its way, in bytes.
const BUFFER: usize = 64 << 10;
/// What may be read in one go with the largest head, in bytes.
const HEADROOM: usize = 8 << 10;
/// A connection's number: above these bits is the number of its worker.
pub(super) const CONNECTION_BITS: u32 = 48;

impl<H: Handler> Worker<H> {
    /// The worker of that number, which takes connections from `listeners`; `listening` has one
    /// entry for each. What it does is counted in `tally`.
    pub fn new(
        number: u64,
        handler: H,
        listeners: Vec<Listener>,
        listening: Arc<[Listening]>,
        tally: Arc<Tally>,
    ) -> io::Result<Self> {
        let builders = listening.iter().map(builder).collect();
        let hall = Hall::new(listening, tally.clone())?;
        for (number, listener) in listeners.iter().enumerate() {
            epoll::add(&*hall.epoll, listener, listener_event(number), EventFlags::IN)?;
        }
        let shared = Shared {
            hall: Rc::new(RefCell::new(hall)),
            handler,
            tally,
            builders,
            tasks: Cell::new(0),
            changed: Notify::new(),
            closing: watch::Sender::new(false),
        };
        Ok(Self {
            shared: Rc::new(shared),
            listeners,
            buffer: vec![0; READ],
            events: Vec::with_capacity(EVENTS),
            notes: Vec::new(),
            come: Vec::with_capacity(ACCEPTS),
            connections: number << CONNECTION_BITS,
            asked: Asked::default(),
        })
    }

    /// One turn; returns whether there may be more to do at once.
    pub(super) fn turn(&mut self) -> io::Result<bool> {
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        {
            let mut hall = self.shared.hall.borrow_mut();
            hall.now = Instant::now();
            let none = rustix::event::Timespec::default();
            let buffer = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&*hall.epoll, buffer, Some(&none)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for event in &events {
            self.event(*event);
        }
        let seen = events.len();
        self.events = events;
        self.answer_asked();
        self.shared.hall.borrow_mut().write_answers();
        self.wake_listeners();
        self.run_ready();
        self.answer_asked();
        let mut hall = self.shared.hall.borrow_mut();
        hall.write_answers();
        hall.notice(&mut self.notes);
        hall.end_pauses();
        hall.deliver();
        hall.notice(&mut self.notes);
        hall.tell_dismissed();
        hall.count_some();
        hall.expire();
        let idle = hall.locals.idle() && hall.dismissals.is_empty() && hall.ready.is_empty();
        Ok(seen > 0 || !idle || !hall.counts.is_empty())
    }

    fn event(&mut self, event: Event) {
        if let Some(number) = listener_number(event.data) {
            return self.accept(number);
        }
        let mut hall = self.shared.hall.borrow_mut();
        let Some(key) = hall.find(event.data) else { return };
        let flags = event.flags;
        if flags.contains(EventFlags::ERR) {
            let works = hall.held[key as usize].has_work();
            drop(hall);
            return if works { self.ended(key) } else { self.shared.hall.borrow_mut().close(key) };
        }
        if flags.contains(EventFlags::OUT) {
            hall.writable(key);
            if hall.find(event.data).is_none() {
                return;
            }
        }
        drop(hall);
        if flags.contains(EventFlags::RDHUP) {
            // Asked for only where nothing is read any more.
            self.ended(key);
        } else if flags.intersects(EventFlags::IN | EventFlags::HUP) {
            self.readable(key);
        }
    }

    /// Takes connections in, and reads what they have sent: most have sent their request by now, and
    /// need no event of their own for it.
    fn accept(&mut self, number: usize) {
        let mut come = std::mem::take(&mut self.come);
        self.take_in(number, &mut come);
        for key in come.drain(..) {
            self.readable(key);
        }
        self.come = come;
    }

    fn take_in(&mut self, number: usize, come: &mut Vec<u32>) {
        let Some(listener) = self.listeners.get_mut(number) else { return };
        let mut hall = self.shared.hall.borrow_mut();
        for _ in 0..ACCEPTS {
            match listener.accept(hall.now) {
                Accepted::Connection(fd, peer) => {
                    self.connections += 1;
                    self.shared.tally.accepted.add(1);
                    let listener = u16::try_from(number).unwrap_or(u16::MAX);
                    let connection = self.connections;
                    let client = Client { peer, connection, listener, forwarded: false };
                    if let Some(key) = hall.adopt(fd, client) {
                        hall.welcome(key);
                        come.push(key);
                    }
                }
                Accepted::Nothing => return,
                Accepted::Rest => {
                    let _ = epoll::delete(&*hall.epoll, &*listener);
                    return;
                }
            }
        }
    }

    /// Listeners whose rest is over accept again.
    fn wake_listeners(&mut self) {
        let hall = self.shared.hall.borrow();
        for (number, listener) in self.listeners.iter_mut().enumerate() {
            if listener.rested(hall.now) {
                let _ =
                    epoll::add(&*hall.epoll, &*listener, listener_event(number), EventFlags::IN);
            }
        }
    }

    pub(super) fn say_goodbye(&mut self) {
        self.listeners.clear();
        self.shared.hall.borrow_mut().say_goodbye();
    }

    pub(super) fn done(&self) -> bool {
        self.shared.tasks.get() == 0 && self.shared.hall.borrow().held.is_empty()
    }
}

/// Hyper for the connections of one listening socket.
fn builder(listening: &Listening) -> Builder {
    let mut builder = Builder::new();
    builder.title_case_headers(true).max_header_size(listening.max_header_size);
    // A client that does not read an answer from elsewhere costs as much in bytes.
    builder.max_buf_size(BUFFER.max(listening.max_header_size + HEADROOM));
    // Whether a waiting client has gone is found out by the exchange.
    builder.half_close(true).keep_alive(!listening.keepalive_timeout.is_zero());
    builder
}

/// Listening sockets have the highest numbers, which no connection reaches.
fn listener_event(number: usize) -> EventData {
    EventData::new_u64(u64::MAX - number as u64)
}

fn listener_number(data: EventData) -> Option<usize> {
    let number = usize::try_from(u64::MAX - data.u64()).ok()?;
    u16::try_from(number).is_ok().then_some(number)
}

impl<H> fmt::Debug for Worker<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}
