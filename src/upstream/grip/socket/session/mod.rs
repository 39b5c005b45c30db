//! One conversation: frames of the client become events, answers of the application become frames.
//!
//! One request is under way at a time; what the client sends meanwhile goes with the next one. When
//! there is much of it, nothing more is read.

mod incoming;
mod part;
mod said;

use std::io;

use http::StatusCode;
use tokio::time::Instant;

use super::{
    ending::{Ending, sendable},
    exchange::{Exchange, Flight, Told, is_events},
};
use crate::{
    channel::{Kind, Message},
    config::Transport,
    grip::{Control, Event, KeepAlive, MAX_EVENTS, Mode, decode},
    hold::{Door, Talk},
    upstream::{
        backoff::Backoff,
        grip::{
            caller::{FIRST_PAUSE, MAX_PAUSE},
            faults::Fault,
            seat::{Next, Piece, Seat},
            stream::until,
        },
        notices::Owed,
    },
    websocket::{self, Decoder, Limits, Opcode, code},
};

/// Bytes of events that may wait for the application.
const MAX_QUEUED: usize = 200_000;
/// One read, in bytes.
const READ: usize = 16 << 10;

pub(super) struct Session {
    exchange: Exchange,
    control: Control,
    seat: Seat,
    talk: Talk,
    decoder: Decoder,
    /// What has not been sent to the application.
    queue: Vec<Event>,
    queued: usize,
    /// What is on its way.
    sent: Vec<Event>,
    flight: Option<Flight>,
    /// When an application that could not be reached is asked again.
    again: Option<Instant>,
    backoff: Backoff,
    /// When the application was asked the last time.
    asked: Instant,
    keep_alive: Option<(KeepAlive, Kind)>,
    beat: Instant,
    /// What the client sends is not for the application any more.
    detached: bool,
    ending: Ending,
    /// The application is to hear how it ends.
    owed: Owed,
}

/// What happens next.
enum Turn {
    Read(io::Result<usize>),
    Told(Told),
    News(Next),
    Beat,
    Poll,
    Again,
    Unheard,
    Late,
    Closing,
}

impl Session {
    pub(super) fn new(exchange: Exchange, control: Control, door: &Door, talk: Talk) -> Self {
        let own = exchange.caller.location.grip.as_ref();
        let max_message = own.map_or(0, |own| own.max_message);
        let (now, owed) = (Instant::now(), Owed::new(&exchange.caller.notices));
        Self {
            exchange,
            control,
            seat: Seat::new(door, Transport::WebSocket),
            talk,
            decoder: Decoder::new(Limits { max_message, deflate: false }),
            queue: Vec::new(),
            queued: 0,
            sent: Vec::new(),
            flight: None,
            again: None,
            backoff: Backoff::new(FIRST_PAUSE, MAX_PAUSE),
            asked: now,
            keep_alive: None,
            beat: now,
            detached: false,
            ending: Ending::default(),
            owed,
        }
    }

    /// Goes on until one side ends; `events` are what the application has said by now.
    pub(super) async fn run(mut self, door: Door, events: Vec<Event>) {
        let mut buffer = vec![0; READ];
        let mut begun = self.say(events).await;
        while begun.is_ok() && !self.ending.over {
            let turn = self.turn(&door, &mut buffer).await;
            begun = self.take(turn, &buffer).await;
        }
        self.part().await;
    }

    async fn turn(&mut self, door: &Door, buffer: &mut [u8]) -> Turn {
        if self.flight.is_none() && self.again.is_none() && !self.queue.is_empty() {
            self.ask();
        }
        let flies = self.flight.is_some();
        let waits = flies || self.again.is_some();
        let room = self.queued < MAX_QUEUED && self.ending.client.is_none();
        let beat_at = self.keep_alive.as_ref().map(|(own, _)| self.beat + own.timeout);
        let polls = self.exchange.interval.filter(|_| !waits && !self.detached);
        let poll_at = polls.map(|interval| self.asked + interval);
        let gives_up = self.ending.gives_up().filter(|_| self.is_unheard());
        tokio::select! {
            read = self.talk.read(buffer), if room => Turn::Read(read),
            told = told(&mut self.flight), if flies => Turn::Told(told),
            next = self.seat.next() => Turn::News(next),
            () = until(beat_at.filter(|_| self.ending.is_open())) => Turn::Beat,
            () = until(poll_at) => Turn::Poll,
            () = until(self.again) => Turn::Again,
            () = until(gives_up) => Turn::Unheard,
            () = until(self.ending.until) => Turn::Late,
            () = self.owed.due() => Turn::Late,
            () = door.closing(), if self.ending.is_open() => Turn::Closing,
        }
    }

    async fn take(&mut self, turn: Turn, buffer: &[u8]) -> io::Result<()> {
        match turn {
            Turn::Read(Ok(0)) | Turn::Late => self.ending.over = true,
            Turn::Read(read) => return self.read(&buffer[..read?]).await,
            Turn::Told(told) => {
                self.flight = None;
                return self.told(told).await;
            }
            Turn::News(Next::Message(message)) => return self.deliver(&message).await,
            Turn::News(Next::Over) => {
                self.seat.clear();
                return self.close(code::GOING_AWAY, "").await;
            }
            Turn::Beat => {
                if let Some((own, kind)) = self.keep_alive.clone() {
                    self.send(kind, &own.content).await?;
                    self.beat = Instant::now();
                }
            }
            Turn::Poll | Turn::Again => self.ask(),
            // It will be told all the same.
            Turn::Unheard if self.is_unheard() => return self.close(code::INTERNAL, "").await,
            Turn::Unheard | Turn::News(Next::Lost) => {}
            Turn::Closing => return self.close(code::GOING_AWAY, "").await,
        }
        Ok(())
    }

    /// Whether what is on its way is still waiting for its turn.
    fn is_unheard(&self) -> bool {
        self.flight.as_ref().is_some_and(Flight::waits)
    }

    /// Sends the application what waits for it, or asks whether there is something.
    fn ask(&mut self) {
        let rest = self.queue.split_off(self.queue.len().min(MAX_EVENTS));
        self.sent = std::mem::replace(&mut self.queue, rest);
        self.queued = self.queue.iter().map(Event::size).sum();
        self.ending.sends(&self.sent);
        self.flight = Some(self.exchange.request(&self.sent));
        (self.asked, self.again) = (Instant::now(), None);
    }

    /// Waits with what could not be sent: the application may be about to start.
    fn wait(&mut self) {
        self.ending.takes_back(&mut self.sent, &mut self.queue);
        self.queued = self.queue.iter().map(Event::size).sum();
        self.again = Some(Instant::now() + self.backoff.pause());
    }

    /// An answer of the application.
    async fn told(&mut self, told: Told) -> io::Result<()> {
        let events = match told {
            Err(error) if error.is_unsent() => {
                self.wait();
                // Who has closed does not wait for it.
                let closed = self.ending.client.is_some();
                return if closed { self.close(code::INTERNAL, "").await } else { Ok(()) };
            }
            Ok(told) if told.status() == StatusCode::OK && is_events(told.headers()) => {
                self.backoff.reset();
                self.exchange.note(told.headers());
                decode(told.body()).map_err(|error| error.to_string())
            }
            Ok(told) => Err(format!("The application answers {}.", told.status().as_u16())),
            Err(error) => Err(error.to_string()),
        };
        match events {
            Ok(events) => self.say(events).await?,
            Err(why) => {
                self.exchange.caller.warns(Fault::Socket, why);
                self.ending.told = true;
                self.close(code::INTERNAL, "").await?;
            }
        }
        // It has been told that the client has closed.
        if self.ending.told && self.ending.client.is_some() && self.queue.is_empty() {
            self.echo().await?;
        }
        Ok(())
    }

    /// A message of a channel.
    async fn deliver(&mut self, message: &Message) -> io::Result<()> {
        let piece = self.seat.piece(message, |item| item.socket.as_ref().map(|own| &own.part));
        let own = message.item().and_then(|item| item.socket.as_ref());
        match piece {
            Piece::Content(content) => {
                let text =
                    || if str::from_utf8(&content).is_ok() { Kind::Text } else { Kind::Binary };
                self.send(own.map_or_else(text, |own| own.kind), &content).await
            }
            Piece::End => {
                let (code, reason) = own.map(|own| own.close.clone()).unwrap_or_default();
                self.close(code, &reason).await
            }
            Piece::Ask => {
                if self.flight.is_none() && self.again.is_none() {
                    self.ask();
                }
                Ok(())
            }
            Piece::Nothing => Ok(()),
        }
    }

    async fn send(&mut self, kind: Kind, content: &[u8]) -> io::Result<()> {
        let opcode = match kind {
            Kind::Text => Opcode::Text,
            Kind::Binary => Opcode::Binary,
            Kind::Ping => Opcode::Ping,
            Kind::Pong => Opcode::Pong,
        };
        if self.ending.is_open() {
            self.talk.write(&websocket::encode(opcode, false, content)).await?;
        }
        if self.keep_alive.as_ref().is_some_and(|(own, _)| own.mode == Mode::Idle) {
            self.beat = Instant::now();
        }
        Ok(())
    }

    async fn close(&mut self, code: u16, reason: &str) -> io::Result<()> {
        if self.ending.is_open() {
            self.talk.write(&websocket::close(sendable(code), reason)).await?;
            self.ending.closed();
        }
        Ok(())
    }

    /// Closes as the client has.
    async fn echo(&mut self) -> io::Result<()> {
        let (code, reason) = self.ending.client.clone().unwrap_or_default();
        self.close(code, &reason).await
    }
}

/// The answer of the request that is under way.
async fn told(flight: &mut Option<Flight>) -> Told {
    match flight {
        Some(flight) => flight.told.as_mut().await,
        None => std::future::pending().await,
    }
}
