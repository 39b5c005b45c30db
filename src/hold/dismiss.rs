//! Those who have to go before their wait is over, told in slices: a channel of thousands that is
//! deleted, or a shutdown, must not hold up everybody else.

use std::{collections::VecDeque, sync::Arc};

use super::{
    hall::Hall,
    held::{Phase, Place, earlier},
};
use crate::{
    channel::{Channel, Dismissal, Note},
    framing::Farewell,
};

/// Connections that are told in one turn.
const SLICE: usize = 256;

/// Who has to go and has not been told yet.
#[derive(Debug, Default)]
pub(super) struct Dismissals(VecDeque<(Cause, std::vec::IntoIter<u32>)>);

/// Why some have to go.
#[derive(Clone, Debug)]
enum Cause {
    /// The channel has dismissed those who took their seat in it before the ticket.
    Channel { local: u32, channel: Arc<Channel>, before: u32, why: Farewell },
    /// Each has a reason of its own.
    Revoked,
    /// The server shuts down.
    Shutdown,
}

impl Dismissals {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn next(&mut self) -> Option<(Cause, u32)> {
        loop {
            let (cause, keys) = self.0.front_mut()?;
            if let Some(key) = keys.next() {
                return Some((cause.clone(), key));
            }
            self.0.pop_front();
        }
    }
}

impl Hall {
    /// Those whom a channel has dismissed have to go.
    pub(super) fn dismiss(&mut self, local: u32) {
        let Some(entry) = self.locals.get(local) else { return };
        let Some((before, why)) = entry.channel.dismissed() else { return };
        let why = match why {
            Dismissal::Conflict => Farewell::Conflict,
            Dismissal::Deleted => Farewell::Deleted,
        };
        let (channel, mut keys) = (entry.channel.clone(), entry.subscribers.clone());
        keys.retain(|key| !self.dismiss_body(*key, local, before, why));
        let cause = Cause::Channel { local, channel, before, why };
        self.dismissals.0.push_back((cause, keys.into_iter()));
    }

    /// Those whose time here is over, each for a reason of its own, have to go. For them the channel is
    /// gone.
    pub(super) fn recall(&mut self, local: u32) {
        let Some(entry) = self.locals.get(local) else { return };
        let mut keys = entry.subscribers.clone();
        keys.retain(|key| !self.recall_body(*key));
        self.dismissals.0.push_back((Cause::Revoked, keys.into_iter()));
    }

    /// A subscriber may have been revoked before the channel knew that it is here.
    pub(super) fn look_again(&mut self, key: u32) {
        let local = match &self.held[key as usize].place {
            Place::One(local, _) => Some(*local),
            Place::Many(members) => members.first().map(|member| member.local),
            Place::Nowhere => None,
        };
        if let (true, Some(local)) = (self.held[key as usize].is_revoked(), local) {
            self.mailbox.put(Note::Recall { local });
        }
    }

    /// The server shuts down: everyone is told in the way of its transport.
    pub(super) fn say_goodbye(&mut self) {
        self.closing = true;
        self.dismiss_bodies(Farewell::Shutdown);
        let keys: Vec<u32> =
            self.held.keys().into_iter().filter_map(|key| u32::try_from(key).ok()).collect();
        self.dismissals.0.push_back((Cause::Shutdown, keys.into_iter()));
    }

    /// Tells some of those who have to go.
    pub(super) fn tell_dismissed(&mut self) {
        for _ in 0..SLICE {
            match self.dismissals.next() {
                Some((Cause::Shutdown, key)) => self.say_goodbye_to(key),
                Some((Cause::Revoked, key)) => {
                    let held = self.held.get(key as usize);
                    if held.is_some_and(|held| held.phase == Phase::Held && held.is_revoked()) {
                        self.send_away(key, Farewell::Deleted);
                    }
                }
                Some((Cause::Channel { local, channel, before, why }, key)) => {
                    // It may wait for something else by now.
                    if self.seat(key, local, &channel).is_some_and(|seat| earlier(seat, before)) {
                        self.send_away(key, why);
                    }
                }
                None => return,
            }
        }
    }

    /// The ticket of a connection that still waits for this channel.
    fn seat(&mut self, key: u32, local: u32, channel: &Arc<Channel>) -> Option<u32> {
        let entry = self.locals.get(local)?;
        if !Arc::ptr_eq(&entry.channel, channel) {
            return None;
        }
        let held = self.held.get(key as usize)?;
        match &held.place {
            Place::Many(members) => members.iter().find(|m| m.local == local).map(|m| m.ticket),
            Place::One(at, _) => (*at == local).then_some(held.ticket),
            Place::Nowhere => None,
        }
    }
}
