//! The heart: channels, messages and their order. No sockets, no HTTP, no configuration.
//!
//! Locks are taken in this order and never held over an await: a group's sequencer, a shard of the
//! hub, a channel, then the leaves (a mailbox, the heap of oldest messages).

mod asked;
mod error;
mod group;
mod hub;
mod id;
mod item;
mod mailbox;
mod message;
mod message_id;
mod oldest;
mod registry;
mod ring;
mod settings;
mod state;
mod store;
mod subscription;
mod survey;
mod traffic;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub use error::{PublishError, SubscribeError, TooManyChannels};
pub use group::Group;
pub use hub::Hub;
pub use id::ChannelId;
pub use item::{Action, Item, Kind, Parcel, Part, Reply};
pub use mailbox::{Dismissal, Mailbox, Note};
pub use message::{Budget, Checksum, Draft, Frame, FrameSlot, Message};
pub use message_id::{MessageId, ParseMessageIdError};
pub use registry::Creation;
pub use ring::Retention;
pub use settings::{Clock, Request, Settings};
use state::State;
pub use store::{Interest, Store, StoreError, StoreFuture, Stored};
pub use subscription::{Concurrency, First, SeatError, Seats, Start, Subscription, gap, read};
pub use survey::{Sketch, Survey, Turnout};
pub use traffic::{Gone, Traffic};

/// The state of a channel, as publishers are told it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChannelInfo {
    /// Which channel; of several as one, the first.
    pub channel: ChannelId,
    /// Messages ever published, since there is the channel.
    pub published: u64,
    /// Messages stored.
    pub messages: usize,
    /// Seconds since a subscriber last asked; `None`: nobody ever did.
    pub requested: Option<u64>,
    /// Subscribers waiting now.
    pub subscribers: usize,
    /// The id of the latest message; zero before the first.
    pub last_message_id: MessageId,
}

impl ChannelInfo {
    /// The state of several channels as one, if there are any.
    pub fn total(infos: &[Self]) -> Option<Self> {
        let (first, others) = infos.split_first()?;
        Some(others.iter().fold(first.clone(), Self::and))
    }

    fn and(self, other: &Self) -> Self {
        let requested = match (self.requested, other.requested) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self {
            channel: self.channel,
            published: self.published + other.published,
            messages: self.messages + other.messages,
            requested,
            subscribers: self.subscribers + other.subscribers,
            last_message_id: self.last_message_id.max(other.last_message_id),
        }
    }
}

/// A named queue of messages and those who wait for more.
#[derive(Debug)]
pub struct Channel {
    id: ChannelId,
    group: Arc<Group>,
    state: Mutex<State>,
}

impl Channel {
    /// Its name.
    pub fn id(&self) -> &ChannelId {
        &self.id
    }

    /// The channels it shares its order with.
    pub fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// A worker begins to wait here for subscribers of its own. They are to read what there is up
    /// to the id that is returned; from there on new messages put notes into the mailbox.
    pub fn attach(&self, mailbox: &Arc<Mailbox>, local: u32) -> MessageId {
        self.state().attach(mailbox, local)
    }

    /// Those who took their seat before a ticket have to go.
    pub fn dismissed(&self) -> Option<(u32, Dismissal)> {
        self.state().dismissed
    }

    /// A worker has no subscribers left here.
    pub fn detach(&self, mailbox: &Arc<Mailbox>) {
        self.state().detach(mailbox);
    }

    /// Adds all messages after a cursor, oldest first.
    pub fn read(&self, cursor: MessageId, messages: &mut Vec<Arc<Message>>) {
        messages.extend(self.state().ring.after(cursor).cloned());
    }

    /// As [`Channel::read`]; from now on a new message puts a new note into the worker's mailbox.
    pub fn collect(
        &self,
        mailbox: &Arc<Mailbox>,
        cursor: MessageId,
        messages: &mut Vec<Arc<Message>>,
    ) {
        let mut state = self.state();
        state.noted(mailbox);
        messages.extend(state.ring.after(cursor).cloned());
    }

    /// A worker has handed everything up to `served` to its subscribers that can take it, and
    /// `left` of them are done with that.
    pub fn served(&self, mailbox: &Arc<Mailbox>, served: MessageId, left: u32) {
        self.state().serve(mailbox, served);
        self.leave(left);
    }

    /// A reader without a cursor asks for what follows a position: until it can have asked again, for
    /// `push_grace`, that is kept, if the memory allows it.
    pub fn asked_after(&self, position: MessageId, grace: Duration) {
        self.state().ring.asked_after(position, Instant::now(), grace);
    }

    /// `push_delete_oldest_received_message`: somebody received a message.
    pub fn received(&self, id: MessageId) {
        self.state().received(id);
    }

    /// So many subscribers give up their seats.
    pub fn leave(&self, seats: u32) {
        if seats > 0 {
            self.state().leave(seats, Instant::now());
            self.group.leave(seats);
        }
    }

    /// A subscriber that took a seat has read what there was; what comes now its worker hands to it.
    pub fn settle(&self) {
        self.state().settle(Instant::now());
    }

    /// How many messages after a cursor there are to read.
    pub fn behind(&self, cursor: MessageId) -> usize {
        self.state().ring.after(cursor).count()
    }

    /// The state of the channel.
    pub fn info(&self) -> ChannelInfo {
        self.state().info(&self.id, Instant::now())
    }

    fn sit(&self, seats: Seats, cursor: MessageId) -> Result<u32, SeatError> {
        self.group.sit(seats.group)?;
        let mut state = self.state();
        let ticket = if state.closed {
            Err(SeatError::Gone)
        } else {
            state.sit(seats.concurrency, seats.channel, cursor)
        };
        if ticket.is_err() {
            self.group.leave(1);
        }
        ticket
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

/// A lock whose holder panicked is taken over: no state here is left torn by any line under it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
