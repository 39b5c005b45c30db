//! What a channel keeps under its lock.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    ChannelId, ChannelInfo, Concurrency, Dismissal, Mailbox, Message, MessageId, Note, Retention,
    SeatError, Sketch, Survey, ring::Ring,
};

#[derive(Debug)]
pub(super) struct State {
    pub(super) ring: Ring,
    workers: Vec<Waiting>,
    subscribers: u32,
    tickets: u32,
    /// Subscribers that have a seat and have not read yet, and what they have seen at least.
    arriving: u32,
    arriving_from: MessageId,
    /// Who took a seat before this ticket has to go.
    pub(super) dismissed: Option<(u32, Dismissal)>,
    /// Unix seconds.
    created: u64,
    requested: Option<Instant>,
    idle_since: Instant,
    timeout: Duration,
    /// What the store has of it is in the ring.
    pub(super) loaded: bool,
    /// Deleted or reaped: whoever still has it must look again.
    pub(super) closed: bool,
    /// It is in the hub's heap of oldest messages.
    pub(super) in_heap: bool,
}

/// A worker that holds subscribers of the channel.
#[derive(Debug)]
struct Waiting {
    mailbox: Arc<Mailbox>,
    local: u32,
    served: MessageId,
    noted: bool,
}

impl State {
    pub(super) fn new(timeout: Duration, now: Instant, created: u64, loaded: bool) -> Self {
        Self {
            ring: Ring::default(),
            workers: Vec::new(),
            subscribers: 0,
            tickets: 0,
            arriving: 0,
            arriving_from: MessageId::LAST,
            dismissed: None,
            created,
            requested: None,
            idle_since: now,
            timeout,
            loaded,
            closed: false,
            in_heap: false,
        }
    }

    pub(super) fn append(&mut self, message: Arc<Message>, keep: &Retention, now: Instant) {
        self.timeout = keep.channel_timeout;
        self.idle_since = now;
        self.ring.push(message, keep, now);
        self.ring.trim(self.served(), now);
        for worker in &mut self.workers {
            if !worker.noted {
                worker.noted = true;
                worker.mailbox.put(Note::Messages { local: worker.local });
            }
        }
    }

    pub(super) fn attach(&mut self, mailbox: &Arc<Mailbox>, local: u32) -> MessageId {
        let served = self.ring.last();
        // Most channels have one.
        self.workers.reserve_exact(1);
        self.workers.push(Waiting { mailbox: mailbox.clone(), local, served, noted: false });
        served
    }

    pub(super) fn detach(&mut self, mailbox: &Arc<Mailbox>) {
        self.workers.retain(|worker| !Arc::ptr_eq(&worker.mailbox, mailbox));
        if self.workers.is_empty() {
            self.workers = Vec::new();
        }
        self.ring.trim(self.served(), Instant::now());
    }

    pub(super) fn noted(&mut self, mailbox: &Arc<Mailbox>) {
        if let Some(worker) = self.worker(mailbox) {
            worker.noted = false;
        }
    }

    pub(super) fn serve(&mut self, mailbox: &Arc<Mailbox>, served: MessageId) {
        let Some(worker) = self.worker(mailbox) else { return };
        let before = worker.served;
        worker.served = before.max(served);
        let least = self.served();
        self.ring.received_between(before, served, least);
        self.ring.trim(least, Instant::now());
    }

    pub(super) fn received(&mut self, id: MessageId) {
        let served = self.served();
        self.ring.received(id, served);
    }

    /// A subscriber asks: the moment is noted, what has expired goes.
    pub(super) fn ask(&mut self, now: Instant) {
        self.requested = Some(now);
        self.idle_since = now;
        self.sweep(now);
    }

    pub(super) fn sweep(&mut self, now: Instant) {
        let served = self.served();
        self.ring.sweep(served, now);
    }

    /// `push_subscriber_concurrency = "first"`: a waiting subscriber excludes others.
    pub(super) fn taken(&self, concurrency: Concurrency) -> bool {
        concurrency == Concurrency::First && self.subscribers > 0
    }

    /// Takes a seat; the ticket tells earlier subscribers from later ones. What comes after the
    /// cursor is kept until the subscriber has settled.
    pub(super) fn sit(
        &mut self,
        concurrency: Concurrency,
        most: usize,
        cursor: MessageId,
    ) -> Result<u32, SeatError> {
        if self.taken(concurrency) {
            return Err(SeatError::Conflict);
        }
        let replaces = concurrency == Concurrency::Last;
        if most > 0 && self.subscribers as usize >= most && !replaces {
            return Err(SeatError::ChannelFull);
        }
        if self.subscribers == 0 {
            // Tickets wrap: the old one must not be met again.
            self.dismissed = None;
        }
        self.subscribers += 1;
        self.arriving += 1;
        self.arriving_from = self.arriving_from.min(cursor);
        self.tickets = self.tickets.wrapping_add(1);
        if replaces && self.subscribers > 1 {
            self.dismiss(self.tickets, Dismissal::Conflict);
        }
        Ok(self.tickets)
    }

    pub(super) fn leave(&mut self, seats: u32, now: Instant) {
        self.subscribers = self.subscribers.saturating_sub(seats);
        self.idle_since = now;
    }

    /// Nobody may come here any more, and who waits has to go.
    pub(super) fn delete(&mut self) {
        self.closed = true;
        self.tickets = self.tickets.wrapping_add(1);
        self.dismiss(self.tickets, Dismissal::Deleted);
    }

    /// Every worker is to look whether one of its subscribers has to go.
    pub(super) fn recall(&self) {
        for worker in &self.workers {
            worker.mailbox.put(Note::Recall { local: worker.local });
        }
    }

    fn dismiss(&mut self, before: u32, why: Dismissal) {
        self.dismissed = Some((before, why));
        for worker in &self.workers {
            worker.mailbox.put(Note::Dismiss { local: worker.local });
        }
    }

    /// Nothing is kept, nobody waits, and `push_channel_timeout` has passed.
    pub(super) fn idle(&mut self, now: Instant) -> bool {
        let waits = now.saturating_duration_since(self.idle_since) < self.timeout;
        if waits || self.subscribers > 0 {
            return false;
        }
        self.sweep(now);
        self.ring.oldest().is_none()
    }

    pub(super) fn info(&mut self, channel: &ChannelId, now: Instant) -> ChannelInfo {
        self.sweep(now);
        ChannelInfo {
            channel: channel.clone(),
            published: self.ring.pushed(),
            messages: self.ring.stored(),
            requested: self.requested.map(|at| now.saturating_duration_since(at).as_secs()),
            subscribers: self.subscribers as usize,
            last_message_id: self.ring.last(),
        }
    }

    /// The same with what only an operator wants to know.
    pub(super) fn sketch(&mut self, channel: &ChannelId, now: Instant) -> Sketch {
        let info = self.info(channel, now);
        Sketch { info, bytes: self.ring.bytes(), created: self.created }
    }

    /// Asks every worker that has subscribers here how they keep up.
    pub(super) fn survey(&self, survey: &Survey) {
        for Waiting { mailbox, local, .. } in &self.workers {
            mailbox.put(Note::Survey { local: *local, survey: survey.clone() });
        }
    }

    /// A subscriber with a seat has read what there was.
    pub(super) fn settle(&mut self, now: Instant) {
        self.arriving = self.arriving.saturating_sub(1);
        if self.arriving == 0 {
            self.arriving_from = MessageId::LAST;
            self.ring.trim(self.served(), now);
        }
    }

    /// What every worker has handed to its subscribers, and nobody is about to read.
    pub(super) fn served(&self) -> MessageId {
        let served = self.workers.iter().map(|worker| worker.served).min();
        served.unwrap_or(MessageId::LAST).min(self.arriving_from)
    }

    fn worker(&mut self, mailbox: &Arc<Mailbox>) -> Option<&mut Waiting> {
        self.workers.iter_mut().find(|worker| Arc::ptr_eq(&worker.mailbox, mailbox))
    }
}
