//! `push_channel_events`: a channel that is told what happens in others.
//!
//! Events are put into the worker's queue and published from there in their order, so that whoever
//! causes one does not wait, and who leaves can be told of from anywhere.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::sync::Notify;
use tracing::warn;

use super::hooks::Matter;
use crate::{
    channel::{ChannelId, Creation, Draft, Hub, MessageId, Retention},
    config::variable::{Push, Scope, later::Slot},
    subscribe::presence::Event,
};

/// Nchan's group of channels that are told of others, which are never told of themselves.
const GROUP: &[u8] = b"meta";
/// What Nchan keeps of such a channel.
const MESSAGES: usize = 100;
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
const CHANNEL_TIMEOUT: Duration = Duration::from_secs(30);
/// Events of a worker that are not published yet.
const QUEUE: usize = 1 << 16;

/// What can happen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Happening {
    Deleted,
    Dequeued,
    Enqueued,
    Joined,
    Left,
    Published,
}

impl Happening {
    fn name(self) -> &'static str {
        match self {
            Self::Deleted => "channel_delete",
            Self::Dequeued => "subscriber_dequeue",
            Self::Enqueued => "subscriber_enqueue",
            Self::Joined => "join",
            Self::Left => "leave",
            Self::Published => "channel_publish",
        }
    }
}

/// Publishes the events of a worker.
#[derive(Debug)]
pub(super) struct Herald {
    hub: Arc<Hub>,
    queue: RefCell<VecDeque<Event>>,
    running: Cell<bool>,
    changed: Notify,
    idle: Notify,
}

/// Events that happen at the end, whenever that is.
#[derive(Debug)]
pub(super) struct AtLast {
    pub(super) herald: Rc<Herald>,
    pub(super) events: Vec<Event>,
    /// The last message that whoever leaves has got.
    pub(super) seen: Option<MessageId>,
}

impl Drop for AtLast {
    fn drop(&mut self) {
        let seen = self.seen;
        self.herald.tell(self.events.drain(..).map(|event| event.with_id(seen)));
    }
}

/// Publishes an event.
pub(super) async fn publish(hub: &Hub, event: Event) {
    let keep = Retention {
        max_messages: MESSAGES,
        min_messages: 1,
        timeout: Some(MESSAGE_TIMEOUT),
        delete_oldest_received: false,
        channel_timeout: CHANNEL_TIMEOUT,
        grace: MESSAGE_TIMEOUT,
    };
    let creation = Creation { timeout: CHANNEL_TIMEOUT, group_max_channels: 0 };
    let draft = Draft { body: event.body(hub), ..Draft::default() };
    if let Err(error) = hub.publish(&[event.channel], draft, &keep, creation).await {
        warn!(%error, "an event cannot be published");
    }
}

impl Herald {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            queue: RefCell::default(),
            running: Cell::new(false),
            changed: Notify::new(),
            idle: Notify::new(),
        }
    }

    /// Begins to work, on the worker's own thread, unless it does already.
    pub(super) fn start(self: &Rc<Self>) {
        if !self.running.replace(true) {
            tokio::task::spawn_local(self.clone().run());
        }
    }

    /// Something has happened. When there is too much, the oldest is forgotten.
    pub(super) fn tell(&self, events: impl IntoIterator<Item = Event>) {
        let mut queue = self.queue.borrow_mut();
        for event in events {
            if queue.len() >= QUEUE {
                queue.pop_front();
            }
            queue.push_back(event);
            self.changed.notify_one();
        }
    }

    /// Waits until everything is published.
    pub(super) async fn settled(&self) {
        while self.running.get() && !self.queue.borrow().is_empty() {
            let idle = self.idle.notified();
            self.changed.notify_one();
            idle.await;
        }
    }

    async fn run(self: Rc<Self>) {
        loop {
            let next = self.queue.borrow().front().cloned();
            if let Some(event) = next {
                publish(&self.hub, event).await;
                self.queue.borrow_mut().pop_front();
            } else {
                self.idle.notify_waiters();
                self.changed.notified().await;
            }
        }
    }
}

impl Matter<'_> {
    /// What is told of something that happens in each of the channels.
    pub(super) fn events(&self, what: Happening) -> Vec<Event> {
        if self.location().hooks.events.is_none() {
            return Vec::new();
        }
        self.channels.iter().filter_map(|channel| self.event(channel, what)).collect()
    }

    /// What is told of something that happens in a channel.
    pub(super) fn event(&self, channel: &ChannelId, what: Happening) -> Option<Event> {
        let told = self.location().hooks.events.as_ref()?;
        if channel.group() == GROUP {
            return None;
        }
        let scope = self.scope(channel.as_bytes());
        let scope = Scope { push: Push { event: what.name(), ..scope.push }, ..scope };
        let id = told.channel.expand(&scope);
        let (message_id, open): (_, &[_]) = match what {
            Happening::Enqueued | Happening::Joined => (self.asked(), &[Slot::Count]),
            Happening::Dequeued | Happening::Published => (None, &[Slot::Count, Slot::Id]),
            Happening::Deleted | Happening::Left => (None, &[Slot::Count]),
        };
        let push = Push { message_id, ..scope.push };
        let presence = matches!(what, Happening::Joined | Happening::Left);
        let text = if presence { &told.presence_text } else { &told.text };
        let text = text.expand_later(&Scope { push, ..scope }, open);
        let about = text.counts().then(|| channel.clone());
        let channel = ChannelId::grouped(GROUP, &id);
        (!id.is_empty()).then_some(Event { channel, text, about, id: None })
    }

    /// Tells of something that happens in each of the channels.
    pub(super) fn tell(&self, what: Happening) {
        let events = self.events(what);
        if !events.is_empty() {
            self.desk.herald().tell(events);
        }
    }
}
