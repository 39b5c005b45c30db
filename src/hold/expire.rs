//! What happens to a connection when its time has come.

use std::time::Duration;

use super::{End, hall::Hall, held::Phase, wheel::Tick};
use crate::{framing::Farewell, response::Refusal};

impl Hall {
    /// The phase of a connection ends after this time; `None`: never.
    pub(super) fn set_deadline(&mut self, key: u32, after: Option<Duration>) {
        let tick = after.map_or(Tick::NEVER, |after| self.wheel.after(self.now, after));
        self.held[key as usize].deadline = tick;
        self.schedule(key);
    }

    /// Makes the wheel look at a connection no later than it has to.
    pub(super) fn schedule(&mut self, key: u32) {
        let held = &mut self.held[key as usize];
        let next = held.deadline.min(held.ping);
        if next < held.queued {
            held.queued = self.wheel.insert(key, next);
        }
    }

    /// Looks at the connections whose time has come.
    pub(super) fn expire(&mut self) {
        while let Some((tick, keys)) = self.wheel.due(self.now) {
            for key in keys {
                let Some(held) = self.held.get_mut(key as usize) else { continue };
                if held.queued == tick {
                    held.queued = Tick::NEVER;
                    self.look_at(key, tick);
                }
            }
        }
    }

    fn look_at(&mut self, key: u32, tick: Tick) {
        let held = &self.held[key as usize];
        if held.deadline <= tick {
            self.overdue(key);
        } else if held.ping <= tick {
            self.ping(key);
        }
        if self
            .held
            .get(key as usize)
            .is_some_and(|held| held.deadline.min(held.ping) < Tick::NEVER)
        {
            self.schedule(key);
        }
    }

    fn overdue(&mut self, key: u32) {
        let held = &mut self.held[key as usize];
        held.deadline = Tick::NEVER;
        let half = held.rare.as_ref().is_some_and(|rare| !rare.input.is_empty());
        match held.phase {
            Phase::Idle if half => self.refuse(key, &Refusal::Timeout),
            Phase::Held if held.parting().is_none() => self.send_away(key, Farewell::Timeout),
            // It has not taken for too long what was to come before its end.
            Phase::Held => {
                self.tally.ended(End::Silent);
                self.close(key);
            }
            _ => self.close(key),
        }
    }

    /// Says goodbye to one connection, if it still exists.
    pub(super) fn say_goodbye_to(&mut self, key: u32) {
        let Some(held) = self.held.get(key as usize) else { return };
        match held.phase {
            Phase::Proxied | Phase::Idle => self.close(key),
            Phase::Held => self.send_away(key, Farewell::Shutdown),
            Phase::Lingering => self.linger(key),
            Phase::Ending => {}
        }
    }
}
