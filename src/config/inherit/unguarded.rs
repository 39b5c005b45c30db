//! Locations that what outer levels ask of visitors does not guard.

use super::Build;
use crate::{
    access::Rule,
    config::{
        error::{Level, Place, Reason},
        status::Status,
        value::At,
    },
};

impl Build<'_> {
    /// Warns of guards of outer levels that a location does not have, which is for something else than
    /// messages, and open to whoever comes: neither `internal` nor with rules of its own. What is passed on is the
    /// application's affair, and most of its pages are for everybody.
    pub(super) fn note_unguarded(&mut self, status: Option<Status>) {
        let Some(role) = self.unguarded(status) else { return };
        let block = self.block;
        let own = |place: Place| place.level == Level::Location;
        let rules = block.access.as_ref();
        let internal = block.internal.as_ref().is_some_and(|at| at.value);
        let chosen = rules.is_some_and(|at| own(at.place) || at.value.iter().any(Rule::denies));
        // Without rules it admits this machine only.
        let local = rules.is_none_or(|at| at.value.is_empty());
        if internal || chosen || local {
            return;
        }
        let asks = |at: &At<Vec<_>>| !at.value.is_empty() && !own(at.place);
        let jwt = block.push_jwt.as_ref().is_some_and(asks);
        let link = block.push_secure_link.as_ref().filter(|at| !at.value.is_empty());
        let authorize = block.push_authorize_request.as_ref().filter(|at| at.value.is_some());
        let guards = [
            jwt.then_some("push_jwt"),
            link.filter(|at| !own(at.place)).map(|at| at.place.key),
            authorize.filter(|at| !own(at.place)).map(|at| at.place.key),
        ];
        let guards: Vec<_> = guards.into_iter().flatten().collect();
        if let (Some(path), false) = (&block.path, guards.is_empty()) {
            let (path, place) = (path.value.to_string(), path.place);
            let guards = guards.join(" and ");
            self.faults.warn(place, Reason::Unguarded { path, guards, role });
        }
    }

    /// The key of what a location is for, if it is none that has the guards.
    fn unguarded(&self, status: Option<Status>) -> Option<&'static str> {
        let block = self.block;
        if status.is_none() {
            return self.takes_anything().then_some("push_grip_publish");
        }
        let keys = [
            (block.push_status.as_ref(), "push_status"),
            (block.push_channels_status.as_ref(), "push_channels_status"),
            (block.push_dashboard.as_ref(), "push_dashboard"),
        ];
        let on = |at: Option<&At<bool>>| at.is_some_and(|at| at.value);
        keys.into_iter().find(|(at, _)| on(*at)).map(|(_, key)| key)
    }

    /// Whether items are taken from whoever has no key, no token and no link.
    fn takes_anything(&self) -> bool {
        let block = self.block;
        let token = block.push_jwt.as_ref().is_some_and(|at| !at.value.is_empty());
        let link = block.push_secure_link.as_ref().is_some_and(|at| !at.value.is_empty());
        let shown = token || link || block.push_grip_key.is_some();
        block.push_grip_publish.as_ref().is_some_and(|at| at.value) && !shown
    }
}
