//! Every channel of the process: publish, subscribe, describe, delete, reap.

use std::{sync::Arc, time::Instant};

use super::{
    Budget, Channel, ChannelId, ChannelInfo, Creation, Draft, Group, Interest, Message, MessageId,
    PublishError, Request, Retention, Settings, Start, Store, StoreError, Stored, SubscribeError,
    Subscription, TooManyChannels, error::OpenError, group::Totals, locked, oldest::Oldest,
    registry::Registry,
};

/// Every channel of the process.
#[derive(Debug)]
pub struct Hub {
    pub(super) registry: Registry,
    pub(super) budget: Arc<Budget>,
    oldest: Oldest,
    settings: Settings,
}

impl Hub {
    /// A hub without channels.
    pub fn new(settings: Settings) -> Self {
        let totals = Totals::new(settings.max_subscribers);
        Self {
            registry: Registry::new(totals),
            budget: Arc::new(Budget::new(settings.memory)),
            oldest: Oldest::default(),
            settings,
        }
    }

    /// Publishes one message to some channels of one group, creating them where needed. The
    /// answer is the state of each as it was for this publish: with the message, and with the
    /// subscribers who were waiting for it.
    pub async fn publish(
        &self,
        ids: &[ChannelId],
        draft: Draft,
        keep: &Retention,
        creation: Creation,
    ) -> Result<Vec<ChannelInfo>, PublishError> {
        if size_of::<Message>() + draft.body.len() > self.budget.limit() {
            return Err(PublishError::BudgetSpent);
        }
        let mut channels = Vec::with_capacity(ids.len());
        for id in ids {
            channels.push(self.open(id, creation).await?);
        }
        let Some(group) = channels.first().map(|channel| channel.group().clone()) else {
            return Ok(Vec::new());
        };
        let infos = match &self.settings.store {
            None => self.append(&group, &mut channels, &draft, keep, creation)?,
            Some(store) => {
                let store = store.clone();
                self.append_through(&*store, &group, channels, &draft, keep, creation).await?
            }
        };
        self.oldest.evict(&self.budget);
        Ok(infos)
    }

    /// Creates the channels that do not exist, and tells the state of each.
    pub async fn create(
        &self,
        ids: &[ChannelId],
        creation: Creation,
    ) -> Result<Vec<ChannelInfo>, PublishError> {
        let mut infos = Vec::with_capacity(ids.len());
        for id in ids {
            infos.push(self.open(id, creation).await?.info());
        }
        Ok(infos)
    }

    /// The state of each of those channels that exist.
    pub fn info(&self, ids: &[ChannelId]) -> Vec<ChannelInfo> {
        ids.iter().filter_map(|id| Some(self.registry.find(id)?.info())).collect()
    }

    /// How many channels there are.
    pub fn channels(&self) -> usize {
        self.registry.channels()
    }

    /// What time it is: Unix seconds.
    pub fn now(&self) -> u64 {
        (self.settings.clock)()
    }

    /// Deletes channels and what they keep; who waits there is told. The answer is the state of
    /// those that existed, from before.
    pub async fn delete(&self, ids: &[ChannelId]) -> Result<Vec<ChannelInfo>, StoreError> {
        let mut deleted = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(store) = &self.settings.store {
                store.delete(id).await?;
            }
            let info = self.registry.remove(id, |state| {
                let info = state.info(id, Instant::now());
                state.delete();
                info
            });
            deleted.extend(info);
        }
        Ok(deleted)
    }

    /// Lets every worker look whether one of its subscribers of these channels has to go. The answer is
    /// the state of those that exist.
    pub fn recall(&self, ids: &[ChannelId]) -> Vec<ChannelInfo> {
        let recall = |channel: Arc<Channel>| {
            channel.state().recall();
            channel.info()
        };
        ids.iter().filter_map(|id| self.registry.find(id).map(recall)).collect()
    }

    /// Finds the place of a reader, which has no seat yet.
    pub async fn subscribe(
        &self,
        ids: &[ChannelId],
        request: Request,
    ) -> Result<Subscription, SubscribeError> {
        let mut channels = Vec::with_capacity(ids.len());
        for id in ids {
            channels.push(match request.creation {
                Some(creation) => self.open(id, creation).await?,
                None => self.registry.find(id).ok_or(SubscribeError::NoSuchChannel)?,
            });
        }
        let watermark = channels.first().map_or(MessageId::ZERO, |first| first.group.watermark());
        let (now, mut oldest) = (Instant::now(), None);
        for channel in &channels {
            let mut state = channel.state();
            if state.taken(request.concurrency) {
                return Err(SubscribeError::Conflict);
            }
            state.ask(now);
            if let Start::First(first) = request.start {
                oldest = [oldest, state.ring.begin(first)].into_iter().flatten().min();
            }
        }
        // An id from the future, say of another clock, would wait for ever.
        let cursor = match request.start {
            Start::After(id) => id.min(watermark),
            Start::First(_) => oldest.unwrap_or(watermark),
        };
        let resumes = matches!(request.start, Start::After(_));
        Ok(Subscription::new(channels, cursor, resumes))
    }

    /// Drops what has expired and channels that are idle, a part at each call; `turn` counts the
    /// calls.
    pub fn reap(&self, turn: usize) {
        let gone = self.registry.sweep(turn);
        self.oldest.sweep();
        // What waiting subscribers had yet to get when it was published.
        self.oldest.evict(&self.budget);
        if let Some(store) = &self.settings.store {
            for id in &gone {
                store.interest(id, Interest::Ends);
            }
        }
    }

    /// Assigns ids and appends, under the group's sequencer.
    fn append(
        &self,
        group: &Group,
        channels: &mut [Arc<Channel>],
        draft: &Draft,
        keep: &Retention,
        creation: Creation,
    ) -> Result<Vec<ChannelInfo>, PublishError> {
        let now = self.now();
        let mut infos = Vec::with_capacity(channels.len());
        let mut last = locked(&group.sequencer);
        for channel in channels {
            let id = last.following(now);
            infos.push(self.place(channel, id, draft, keep, creation)?);
            *last = id;
        }
        Ok(infos)
    }

    /// Appends what a store has given ids; one publisher at a time, so that ids rise.
    async fn append_through(
        &self,
        store: &dyn Store,
        group: &Group,
        mut channels: Vec<Arc<Channel>>,
        draft: &Draft,
        keep: &Retention,
        creation: Creation,
    ) -> Result<Vec<ChannelInfo>, PublishError> {
        let _turn = group.turn.lock().await;
        let mut infos = Vec::with_capacity(channels.len());
        for channel in &mut channels {
            let id = store.append(channel.id(), draft, keep).await?;
            let mut last = locked(&group.sequencer);
            infos.push(self.place(channel, id, draft, keep, creation)?);
            *last = id.max(*last);
        }
        Ok(infos)
    }

    /// Puts a message into a channel; one that was closed meanwhile is made anew.
    fn place(
        &self,
        channel: &mut Arc<Channel>,
        id: MessageId,
        draft: &Draft,
        keep: &Retention,
        creation: Creation,
    ) -> Result<ChannelInfo, TooManyChannels> {
        let now = Instant::now();
        loop {
            let mut state = channel.state();
            if !state.closed {
                let draft = draft.clone();
                let name = channel.id().clone();
                let (previous, number) = (state.ring.last(), state.ring.pushed() + 1);
                let message = Message::new(name, id, previous, draft, self.budget.clone());
                self.budget.counts.published(message.body().len());
                state.append(Arc::new(message.numbered(number)), keep, now);
                if !state.in_heap
                    && let Some(oldest) = state.ring.oldest()
                {
                    state.in_heap = true;
                    self.oldest.push(oldest, channel);
                }
                return Ok(state.info(channel.id(), now));
            }
            drop(state);
            let most = self.settings.max_channels;
            *channel = self
                .registry
                .open(&channel.id().clone(), creation, most, true, &*self.settings.clock)
                .ok_or(TooManyChannels)?;
        }
    }

    /// The channel, made if need be, with what the store has of it.
    async fn open(&self, id: &ChannelId, creation: Creation) -> Result<Arc<Channel>, OpenError> {
        let store = self.settings.store.as_ref();
        let most = self.settings.max_channels;
        let channel = self
            .registry
            .open(id, creation, most, store.is_none(), &*self.settings.clock)
            .ok_or(OpenError::TooManyChannels)?;
        if let Some(store) = store
            && !channel.state().loaded
        {
            let _turn = channel.group.turn.lock().await;
            if !channel.state().loaded {
                self.load(&channel, &**store).await?;
            }
        }
        Ok(channel)
    }

    async fn load(&self, channel: &Arc<Channel>, store: &dyn Store) -> Result<(), StoreError> {
        store.interest(channel.id(), Interest::Begins);
        let stored = store.read_after(channel.id(), MessageId::ZERO).await?;
        let mut last = locked(&channel.group.sequencer);
        let mut state = channel.state();
        for Stored { id, draft, keep } in stored {
            let previous = state.ring.last();
            let budget = self.budget.clone();
            let message = Message::new(channel.id().clone(), id, previous, draft, budget);
            let message = message.numbered(state.ring.pushed() + 1);
            self.budget.counts.loaded();
            state.append(Arc::new(message), &keep, Instant::now());
            *last = id.max(*last);
        }
        state.loaded = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
