//! The place of one client in the channels that its application names.
//!
//! A channel has a feed of its own, so that others can come and go beside it. What feeds bring is put
//! into the order of publishing, and then, by the ids of the items, into that of their publisher.

mod reading;

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use tokio::time::{Sleep, sleep_until};

pub(super) use super::piece::{Next, Piece};
use super::{Caller, join::sit};
use crate::{
    channel::{Item, Message, MessageId, Part},
    config::Transport,
    grip::{Channel, Filter, Meta, Sequence},
    hold::{Door, Feed, News, Stay},
    response::Refusal,
};
pub(super) use reading::is_hint;

/// Messages that are taken from the feeds before some go on.
const BATCH: usize = 256;

/// The place.
#[derive(Debug)]
pub(super) struct Seat {
    door: Door,
    transport: Transport,
    followed: Vec<Followed>,
    /// It counts as one of those who wait, in however many channels.
    stay: Option<Stay>,
    pub(super) meta: Meta,
    ready: VecDeque<Arc<Message>>,
    /// When what is missing counts as lost.
    timer: Option<Pin<Box<Sleep>>>,
}

/// One of its channels.
#[derive(Debug)]
struct Followed {
    name: Box<str>,
    filters: Vec<Filter>,
    feed: Feed,
    sequence: Sequence,
    /// The last item that the client got.
    last: Option<Box<str>>,
}

impl Seat {
    /// A place that is followed by this transport, for whoever counts them.
    pub(super) fn new(door: &Door, transport: Transport) -> Self {
        Self {
            door: door.clone(),
            transport,
            followed: Vec::new(),
            stay: None,
            meta: Meta::default(),
            ready: VecDeque::new(),
            timer: None,
        }
    }

    /// Goes on by another transport, with all that waits for the client.
    pub(super) fn goes_by(&mut self, transport: Transport) {
        self.transport = transport;
        self.followed.iter_mut().for_each(|one| one.feed.goes_by(transport));
        self.stay = None;
        self.count();
    }

    /// Follows nothing any more.
    pub(super) fn clear(&mut self) {
        self.followed.clear();
        self.count();
    }

    /// Counts as one who waits, if there is a channel.
    fn count(&mut self) {
        let (door, transport) = (&self.door, self.transport);
        match (&self.stay, self.followed.is_empty()) {
            (None, false) => self.stay = Some(door.stay(transport)),
            (_, true) => self.stay = None,
            _ => {}
        }
    }

    /// Follows these channels and no others. Returns whether one of the new ones may have lost an item.
    pub(super) async fn follow(
        &mut self,
        caller: &Caller,
        channels: Vec<Channel>,
    ) -> Result<bool, Refusal> {
        let now = Instant::now();
        let mut lost = false;
        let mut followed = Vec::with_capacity(channels.len());
        for channel in channels {
            let known = self.followed.iter().position(|one| one.name == channel.name);
            let mut one = if let Some(at) = known {
                let mut one = self.followed.swap_remove(at);
                let mut out = Vec::new();
                self.pass(channel.previous.as_deref(), &one.name);
                one.sequence.told(channel.previous.as_deref(), now, &mut out);
                self.ready.extend(out);
                one
            } else {
                let (one, gap) = self.join(caller, &channel, now).await?;
                lost |= gap;
                one
            };
            (one.filters, one.last) = (channel.filters, channel.previous);
            followed.push(one);
        }
        self.followed = followed;
        self.count();
        Ok(lost)
    }

    /// The application has told everything of a channel up to an item: what is ready of it is not sent
    /// again.
    fn pass(&mut self, last: Option<&str>, name: &str) {
        let of_it = |message: &Message| {
            let ordered = message.item().is_some_and(|item| !item.unordered && item.id.is_some());
            ordered && message.channel().as_bytes() == name.as_bytes()
        };
        let is_last = |message: &Arc<Message>| {
            let id = message.item().and_then(|item| item.id.as_deref());
            of_it(message) && id == last
        };
        let Some(end) = self.ready.iter().rposition(is_last) else { return };
        let mut at = 0..;
        self.ready.retain(|message| at.next() > Some(end) || !of_it(message));
    }

    /// Follows one more, or this one in another way.
    pub(super) async fn add(&mut self, caller: &Caller, channel: Channel) -> Result<(), Refusal> {
        if let Some(one) = self.followed.iter_mut().find(|one| one.name == channel.name) {
            one.filters = channel.filters;
            return Ok(());
        }
        let (mut one, _) = self.join(caller, &channel, Instant::now()).await?;
        one.filters = channel.filters;
        self.followed.push(one);
        self.count();
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.followed.retain(|one| *one.name != *name);
        self.count();
    }

    /// How many channels it follows.
    pub(super) fn channels(&self) -> usize {
        self.followed.len()
    }

    async fn join(
        &mut self,
        caller: &Caller,
        channel: &Channel,
        now: Instant,
    ) -> Result<(Followed, bool), Refusal> {
        let subscription = sit(caller, channel).await?;
        let cursor = subscription.cursor();
        let mut kept = Vec::new();
        if channel.previous.is_some() {
            subscription.channels()[0].read(MessageId::ZERO, &mut kept);
            kept.retain(|message| message.id() <= cursor);
        }
        let mut sequence = Sequence::new(channel.previous.as_deref());
        let mut out = Vec::new();
        let lost = sequence.begin(&kept, now, &mut out);
        self.ready.extend(out);
        let feed = self.door.follow(subscription, self.transport);
        let name = channel.name.clone();
        Ok((Followed { name, filters: Vec::new(), feed, sequence, last: None }, lost))
    }

    /// Goes on without what is lost, where nobody can be asked for it.
    pub(super) fn give_up(&mut self) {
        let mut out = Vec::new();
        self.followed.iter_mut().for_each(|one| one.sequence.give_up(&mut out));
        self.ready.extend(out);
    }

    /// The last items of those channels that have an order: channel and id.
    pub(super) fn last(&self) -> Vec<(String, String)> {
        let last = |one: &Followed| Some((one.name.to_string(), one.last.as_deref()?.to_owned()));
        self.followed.iter().filter_map(last).collect()
    }

    /// Waits for what there is next.
    pub(super) async fn next(&mut self) -> Next {
        self.next_of(false).await
    }

    /// The same; who asks the application, or is about to, is not told that something is lost.
    pub(super) async fn next_of(&mut self, asks: bool) -> Next {
        poll_fn(|cx| self.poll_next(cx, asks)).await
    }

    /// Puts back what was looked at, before all others.
    pub(super) fn put_back(&mut self, messages: VecDeque<Arc<Message>>) {
        let later = std::mem::replace(&mut self.ready, messages);
        self.ready.extend(later);
    }

    /// The application is about to be asked: that answers the hints that are there by now.
    pub(super) async fn forget_hints(&mut self, pick: impl Fn(&Item) -> Option<&Part>) {
        loop {
            let before = self.ready.len();
            // That a feed is over it says again.
            poll_fn(|cx| Poll::Ready(self.gather(cx))).await;
            let brought = self.ready.len() > before;
            self.ready.retain(|message| !is_hint(message, &pick));
            if !brought || self.ready.len() >= BATCH {
                return;
            }
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, asks: bool) -> Poll<Next> {
        if let Some(message) = self.ready.pop_front() {
            self.note(&message);
            return Poll::Ready(Next::Message(message));
        }
        let over = self.gather(cx);
        if let Some(message) = self.ready.pop_front() {
            self.note(&message);
            return Poll::Ready(Next::Message(message));
        }
        if over {
            return Poll::Ready(Next::Over);
        }
        let lost = self.followed.iter().filter_map(|one| one.sequence.lost_at()).min();
        let lost = lost.filter(|_| !asks);
        self.timer = lost.map(|at| Box::pin(sleep_until(at.into())));
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx).map(|()| Next::Lost),
            None => Poll::Pending,
        }
    }

    /// Takes what the feeds bring. Returns whether one of them is over.
    fn gather(&mut self, cx: &mut Context<'_>) -> bool {
        let now = Instant::now();
        let (mut over, mut brought) = (false, Vec::new());
        loop {
            let before = self.ready.len();
            for (at, one) in self.followed.iter_mut().enumerate() {
                while brought.len() < BATCH {
                    match one.feed.poll_next(cx) {
                        Poll::Ready(News::Message(message)) => brought.push((at, message)),
                        Poll::Ready(News::Over(_)) => {
                            over = true;
                            break;
                        }
                        Poll::Pending => break,
                    }
                }
            }
            let more = brought.len() >= BATCH;
            brought.sort_by_key(|(_, message)| message.id());
            let mut out = Vec::new();
            for (at, message) in brought.drain(..) {
                self.followed[at].sequence.offer(&message, now, &mut out);
            }
            self.ready.extend(out);
            // All of it may have been early.
            if !more || self.ready.len() > before {
                return over;
            }
        }
    }

    /// A message goes on to the client.
    fn note(&mut self, message: &Message) {
        let Some(item) = message.item().filter(|item| !item.unordered) else { return };
        if let Some(one) = self.followed.iter_mut().find(|one| is_of(one, message))
            && one.sequence.last().is_some()
            && item.id.is_some()
        {
            one.last.clone_from(&item.id);
        }
    }
}

fn is_of(one: &Followed, message: &Message) -> bool {
    one.name.as_bytes() == message.channel().as_bytes()
}
