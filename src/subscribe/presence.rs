//! Who is on a channel: `push_presence`.
//!
//! Somebody is present from its first connection until its last has been gone for a grace, so that who
//! polls or reconnects stays. Only channels with such subscribers are known here, and a connection costs
//! a reference to whoever it belongs to.
//!
//! Locks are taken in this order: the map, a member; the list of the absent alone.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::Serialize;

use crate::{
    channel::{ChannelId, Hub, MessageId},
    config::variable::later::Later,
    response::Refusal,
};

/// The longest identity, in bytes.
const MAX_IDENTITY: usize = 256;
/// Members of all channels together.
const MAX_MEMBERS: usize = 1 << 18;

/// A message for a channel that is told what happens in others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// That channel.
    pub channel: ChannelId,
    /// The message.
    pub text: Later,
    /// The channel where it happened, whose subscribers are to be counted when this is told.
    pub about: Option<ChannelId>,
    /// That of a message, if the text has a place for it.
    pub id: Option<MessageId>,
}

impl Event {
    /// The event of a message, or of whoever has got it.
    #[must_use]
    pub fn with_id(self, id: Option<MessageId>) -> Self {
        Self { id, ..self }
    }

    /// The message, as it is told now.
    pub fn body(&self, hub: &Hub) -> Bytes {
        let infos = self.about.as_ref().map(|about| hub.info(std::slice::from_ref(about)));
        let count = infos.into_iter().flatten().map(|info| info.subscribers).sum();
        self.text.fill(count, self.id).into()
    }
}

/// Everybody who is present.
#[derive(Debug, Default)]
pub struct Presence {
    map: Mutex<Map>,
    /// Those without a connection, and some who have one again.
    absent: Arc<Absent>,
}

/// A list that members put themselves on.
type Absent = Mutex<Vec<Arc<Member>>>;

#[derive(Debug, Default)]
struct Map {
    channels: HashMap<ChannelId, HashMap<Box<[u8]>, Arc<Member>>>,
    members: usize,
}

/// Somebody on a channel.
#[derive(Debug)]
struct Member {
    channel: ChannelId,
    identity: Box<[u8]>,
    /// Unix second.
    since: u64,
    /// Said when it leaves.
    leave: Option<Event>,
    /// Whoever belongs to it has to go.
    revoked: AtomicBool,
    absent: Weak<Absent>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    connections: usize,
    /// When it is gone, unless it comes back.
    ends: Instant,
    grace: Duration,
    /// It is in the list of the absent.
    listed: bool,
}

/// A connection of somebody, to one channel; until it is dropped.
#[derive(Debug)]
pub struct Present(Arc<Member>);

/// Who comes.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Where.
    pub channel: &'a ChannelId,
    /// Who.
    pub identity: &'a [u8],
    /// `push_presence_grace`.
    pub grace: Duration,
    /// Unix second.
    pub now: u64,
}

/// Somebody who is present, as publishers are told it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Listed {
    /// Who; what is no UTF-8 is replaced.
    pub identity: String,
    /// Connections now.
    pub connections: usize,
    /// Unix second of the first.
    pub since: u64,
}

impl Presence {
    /// Somebody has a connection. `leave` makes what is said when it has left, and is called if it was not
    /// present before; then the second value is true.
    pub fn enter(
        &self,
        arrival: &Arrival<'_>,
        leave: impl FnOnce() -> Option<Event>,
    ) -> Result<(Present, bool), Refusal> {
        if arrival.identity.len() > MAX_IDENTITY {
            return Err(Refusal::Forbidden("The identity is too long.".into()));
        }
        let mut map = locked(&self.map);
        let known = map.channels.get(arrival.channel);
        let known = known.and_then(|members| members.get(arrival.identity)).cloned();
        let joins = known.is_none();
        if joins && map.members >= MAX_MEMBERS {
            return Err(Refusal::Unavailable("Too many are present.".into()));
        }
        let member = known.unwrap_or_else(|| {
            let member = Arc::new(Member::new(arrival, leave(), &self.absent));
            let members = map.channels.entry(arrival.channel.clone()).or_default();
            members.insert(arrival.identity.into(), member.clone());
            map.members += 1;
            member
        });
        let mut state = locked(&member.state);
        state.connections += 1;
        state.grace = arrival.grace;
        drop(state);
        Ok((Present(member), joins))
    }

    /// Who is on a channel, in the order of coming.
    pub fn list(&self, channel: &ChannelId) -> Vec<Listed> {
        let map = locked(&self.map);
        let members = map.channels.get(channel).into_iter().flat_map(HashMap::values);
        let mut listed: Vec<_> = members
            .map(|member| Listed {
                identity: String::from_utf8_lossy(&member.identity).into_owned(),
                connections: locked(&member.state).connections,
                since: member.since,
            })
            .collect();
        drop(map);
        listed.sort_by(|a, b| (a.since, &a.identity).cmp(&(b.since, &b.identity)));
        listed
    }

    /// Somebody has to leave a channel, and is not present any more. `None`: it was not.
    pub fn revoke(&self, channel: &ChannelId, identity: &[u8]) -> Option<Option<Event>> {
        let mut map = locked(&self.map);
        let member = map.channels.get(channel)?.get(identity)?.clone();
        member.revoked.store(true, Ordering::SeqCst);
        map.remove(&member);
        Some(member.leave.clone())
    }

    /// Forgets those whose grace is over; returns what is to be said about it.
    pub fn sweep(&self, now: Instant) -> Vec<Event> {
        let absent = std::mem::take(&mut *locked(&self.absent));
        let (mut events, mut waiting) = (Vec::new(), Vec::new());
        for member in absent {
            let mut map = locked(&self.map);
            let mut state = locked(&member.state);
            if state.connections == 0 && state.ends > now {
                drop(state);
                waiting.push(member);
                continue;
            }
            state.listed = false;
            let gone = state.connections == 0;
            drop(state);
            if gone && map.remove(&member) {
                events.extend(member.leave.clone());
            }
        }
        locked(&self.absent).extend(waiting);
        events
    }
}

impl Map {
    /// Takes a member out, if it is there.
    fn remove(&mut self, member: &Arc<Member>) -> bool {
        let Some(members) = self.channels.get_mut(&member.channel) else { return false };
        if !members.get(&member.identity).is_some_and(|known| Arc::ptr_eq(known, member)) {
            return false;
        }
        members.remove(&member.identity);
        self.members -= 1;
        if members.is_empty() {
            self.channels.remove(&member.channel);
        }
        true
    }
}

impl Member {
    fn new(arrival: &Arrival<'_>, leave: Option<Event>, absent: &Arc<Absent>) -> Self {
        let (ends, grace) = (Instant::now(), arrival.grace);
        Self {
            channel: arrival.channel.clone(),
            identity: arrival.identity.into(),
            since: arrival.now,
            leave,
            revoked: AtomicBool::new(false),
            absent: Arc::downgrade(absent),
            state: Mutex::new(State { connections: 0, ends, grace, listed: false }),
        }
    }
}

impl Present {
    /// Whether it has to go.
    pub fn is_revoked(&self) -> bool {
        self.0.revoked.load(Ordering::SeqCst)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut state = locked(&self.0.state);
        state.connections -= 1;
        if state.connections > 0 {
            return;
        }
        state.ends = Instant::now() + state.grace;
        let listed = std::mem::replace(&mut state.listed, true);
        drop(state);
        if let (false, Some(absent)) = (listed, self.0.absent.upgrade()) {
            locked(&absent).push(self.0.clone());
        }
    }
}

/// A lock whose holder panicked is taken over: nothing here is left torn.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(15);

    fn channel() -> ChannelId {
        ChannelId::new(b"1")
    }

    fn event() -> Event {
        Event { channel: ChannelId::new(b"ev"), text: Later::default(), about: None, id: None }
    }

    fn enter(presence: &Presence, identity: &[u8]) -> Result<(Present, bool), Refusal> {
        let arrival = Arrival { channel: &channel(), identity, grace: GRACE, now: 5 };
        presence.enter(&arrival, || Some(event()))
    }

    fn names(presence: &Presence) -> Vec<(String, usize)> {
        let listed = presence.list(&channel());
        listed.into_iter().map(|listed| (listed.identity, listed.connections)).collect()
    }

    #[test]
    fn somebody_stays_for_a_grace_after_the_last_connection() {
        let (presence, now) = (Presence::default(), Instant::now());
        let (first, joined) = enter(&presence, b"ann").unwrap();
        assert!(joined);
        let (second, joined) = enter(&presence, b"ann").unwrap();
        assert!(!joined);
        assert_eq!(names(&presence), [("ann".to_owned(), 2)]);
        drop(first);
        assert_eq!(presence.sweep(now + 2 * GRACE), []);
        drop(second);
        assert_eq!(presence.sweep(now + GRACE / 2), []);
        assert_eq!(names(&presence), [("ann".to_owned(), 0)]);
        assert_eq!(presence.sweep(now + 2 * GRACE), [event()]);
        assert_eq!(presence.sweep(now + 2 * GRACE), []);
        assert!(names(&presence).is_empty() && locked(&presence.map).channels.is_empty());
    }

    #[test]
    fn who_comes_back_in_time_has_not_left() {
        let (presence, now) = (Presence::default(), Instant::now());
        for _ in 0..3 {
            drop(enter(&presence, b"ann").unwrap());
        }
        assert_eq!(locked(&presence.absent).len(), 1);
        let (_again, joined) = enter(&presence, b"ann").unwrap();
        assert!(!joined);
        assert_eq!(presence.sweep(now + 2 * GRACE), []);
        assert!(locked(&presence.absent).is_empty());
        assert_eq!(names(&presence), [("ann".to_owned(), 1)]);
    }

    #[test]
    fn who_is_revoked_has_left_and_may_come_anew() {
        let (presence, now) = (Presence::default(), Instant::now());
        assert_eq!(presence.revoke(&channel(), b"ann"), None);
        let (old, _) = enter(&presence, b"ann").unwrap();
        let (other, _) = enter(&presence, b"bob").unwrap();
        assert_eq!(presence.revoke(&channel(), b"ann"), Some(Some(event())));
        assert!(old.is_revoked() && !other.is_revoked());
        let (new, joined) = enter(&presence, b"ann").unwrap();
        assert!(joined && !new.is_revoked());
        drop(old);
        assert_eq!(presence.sweep(now + 2 * GRACE), []);
        assert_eq!(names(&presence), [("ann".to_owned(), 1), ("bob".to_owned(), 1)]);
    }

    #[test]
    fn an_identity_has_a_length() {
        let presence = Presence::default();
        assert!(enter(&presence, &[b'x'; MAX_IDENTITY]).is_ok());
        assert!(enter(&presence, &[b'x'; MAX_IDENTITY + 1]).is_err());
    }
}
