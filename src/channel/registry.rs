//! Which channels and groups there are.
//!
//! A channel leaves the map only while it is marked closed under its own lock, so whoever found it
//! a moment too early notices and looks again.

use std::{
    collections::{BinaryHeap, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError, RwLock, atomic::Ordering},
    time::{Duration, Instant},
};

use super::{Channel, ChannelId, Group, MessageId, State, group::Totals, locked};

/// How a channel comes to be when it is asked for and does not exist.
#[derive(Clone, Copy, Debug)]
pub struct Creation {
    /// `push_channel_timeout`: how long it lingers when it is empty.
    pub timeout: Duration,
    /// `push_group_max_channels`: 0 is any number.
    pub group_max_channels: usize,
}

#[derive(Debug)]
pub(super) struct Registry {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    nameless: Arc<Group>,
    groups: RwLock<Groups>,
    totals: Arc<Totals>,
}

type Shard = HashMap<ChannelId, Arc<Channel>>;

#[derive(Debug, Default)]
struct Groups {
    named: HashMap<Box<[u8]>, Arc<Group>>,
    /// No id of a group that is gone was higher: one that comes back goes on above.
    floor: MessageId,
}

/// Enough that workers seldom meet, few enough that an empty registry is small.
const SHARDS: usize = 64;
/// One sweep looks at this part of the shards, so that it never takes long.
const SWEEPS: usize = 5;

impl Registry {
    pub(super) fn new(totals: Totals) -> Self {
        let totals = Arc::new(totals);
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            nameless: Arc::new(Group::new(MessageId::ZERO, totals.clone())),
            groups: RwLock::default(),
            totals,
        }
    }

    /// The group of that name.
    pub(super) fn group(&self, name: &[u8]) -> Arc<Group> {
        if name.is_empty() {
            return self.nameless.clone();
        }
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.named.get(name) {
            return group.clone();
        }
        drop(groups);
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        let floor = groups.floor;
        let new = || Arc::new(Group::new(floor, self.totals.clone()));
        groups.named.entry(name.into()).or_insert_with(new).clone()
    }

    /// How many there are.
    pub(super) fn channels(&self) -> usize {
        self.totals.channels.load(Ordering::Relaxed)
    }

    /// The channel, if it exists: one that is idle for too long does not.
    pub(super) fn find(&self, id: &ChannelId) -> Option<Arc<Channel>> {
        let mut shard = self.shard(id);
        let channel = shard.get(id)?.clone();
        if close_idle(&channel, Instant::now()) {
            forget(&mut shard, id);
            return None;
        }
        Some(channel)
    }

    /// The channel, made if it does not exist and the limits allow it.
    pub(super) fn open(
        &self,
        id: &ChannelId,
        creation: Creation,
        most_in_all: usize,
        loaded: bool,
        clock: &dyn Fn() -> u64,
    ) -> Option<Arc<Channel>> {
        let now = Instant::now();
        let mut shard = self.shard(id);
        if let Some(channel) = shard.get(id) {
            if !close_idle(channel, now) {
                return Some(channel.clone());
            }
            forget(&mut shard, id);
        }
        let group = self.group(id.group());
        if !group.add_channel(creation.group_max_channels, most_in_all) {
            return None;
        }
        let state = Mutex::new(State::new(creation.timeout, now, clock(), loaded));
        let channel = Arc::new(Channel { id: id.clone(), group, state });
        shard.insert(id.clone(), channel.clone());
        Some(channel)
    }

    /// Takes the channel out; what is to happen to it happens under the lock of its shard.
    pub(super) fn remove<T>(&self, id: &ChannelId, last: impl Fn(&mut State) -> T) -> Option<T> {
        let mut shard = self.shard(id);
        let channel = shard.get(id)?.clone();
        let closed = close_idle(&channel, Instant::now());
        let done = (!closed).then(|| last(&mut channel.state()));
        forget(&mut shard, id);
        done
    }

    /// Drops what has expired, and idle channels, in a part of the shards: with each of `turn`'s
    /// values another one. Returns the names of the channels that went.
    pub(super) fn sweep(&self, turn: usize) -> Vec<ChannelId> {
        let now = Instant::now();
        let mut gone = Vec::new();
        for shard in self.shards.iter().skip(turn % SWEEPS).step_by(SWEEPS) {
            let mut shard = locked(shard);
            shard.retain(|id, channel| {
                channel.state().sweep(now);
                let idle = close_idle(channel, now);
                if idle {
                    channel.group.remove_channel();
                    gone.push(id.clone());
                }
                !idle
            });
            if shard.capacity() > 4 * shard.len() + 64 {
                shard.shrink_to_fit();
            }
        }
        self.sweep_groups();
        gone
    }

    /// How many parts the names are divided into.
    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Which part a name belongs to.
    pub(super) fn number(&self, id: &ChannelId) -> usize {
        let [number, ..] = self.hasher.hash_one(id).to_ne_bytes();
        usize::from(number) % SHARDS
    }

    /// The first names of a part that come after one, in order, at most so many; and how many there
    /// are in the part.
    pub(super) fn names(
        &self,
        shard: usize,
        after: Option<&ChannelId>,
        most: usize,
        wanted: impl Fn(&ChannelId) -> bool,
    ) -> (Vec<ChannelId>, usize) {
        let Some(shard) = self.shards.get(shard) else { return (Vec::new(), 0) };
        let shard = locked(shard);
        let mut first = BinaryHeap::with_capacity(most.min(shard.len()) + 1);
        for id in shard.keys() {
            let early = first.len() < most || first.peek().is_some_and(|last| id < *last);
            if early && after.is_none_or(|after| id > after) && wanted(id) {
                first.push(id);
                if first.len() > most {
                    first.pop();
                }
            }
        }
        (first.into_sorted_vec().into_iter().cloned().collect(), shard.len())
    }

    fn sweep_groups(&self) {
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        let Groups { named, floor } = &mut *groups;
        named.retain(|_, group| {
            let used = Arc::strong_count(group) > 1 || group.channels.load(Ordering::Relaxed) > 0;
            if !used {
                *floor = group.watermark().max(*floor);
            }
            used
        });
    }

    fn shard(&self, id: &ChannelId) -> std::sync::MutexGuard<'_, Shard> {
        locked(&self.shards[self.number(id)])
    }
}

fn forget(shard: &mut Shard, id: &ChannelId) {
    if let Some(channel) = shard.remove(id) {
        channel.group.remove_channel();
    }
}

/// Closes the channel if it is idle, or was closed before.
fn close_idle(channel: &Channel, now: Instant) -> bool {
    let mut state = channel.state();
    state.closed = state.closed || state.idle(now);
    state.closed
}
