//! Locations that show the gateway itself.

use super::Build;
use crate::config::{
    error::{Place, Reason},
    status::Status,
};

impl Build<'_> {
    /// What the location shows, if that is what it is for: of all roles the nearest decides, and on
    /// the same level a status excludes every other.
    pub(super) fn status(&mut self) -> Option<Status> {
        self.note_idle_format();
        let roles = self.plain_roles();
        let wanted = self.wanted_status();
        let level = |place: &Place| place.level;
        let (place, status) = wanted
            .into_iter()
            .flatten()
            .reduce(|best, next| if level(&next.0) > level(&best.0) { next } else { best })?;
        let statuses = wanted.into_iter().flatten().map(|(place, _)| place);
        let others = statuses.chain(roles.into_iter().flatten()).filter(|other| *other != place);
        let mut excluded = None;
        for other in others {
            if level(&other) > level(&place) {
                return None;
            }
            if level(&other) == level(&place) {
                excluded = Some(other);
            }
        }
        if let Some(other) = excluded {
            self.faults.add(place, Reason::Conflict(other.key));
        }
        Some(status)
    }

    /// Where the keys of a status stand that are on.
    fn wanted_status(&self) -> [Option<(Place, Status)>; 4] {
        let block = self.block;
        let format = block.push_status_format.as_ref().and_then(|at| at.value);
        let on = |at: &&crate::config::value::At<bool>| at.value;
        let overview = block.push_status.as_ref().filter(on).map(|at| at.place);
        let channels = block.push_channels_status.as_ref().filter(on).map(|at| at.place);
        let dashboard = block.push_dashboard.as_ref().filter(on).map(|at| at.place);
        let health = block.push_health.as_ref().and_then(|at| Some((at.place, at.value?)));
        [
            overview.map(|place| (place, Status::Overview(format))),
            channels.map(|place| (place, Status::Channels)),
            dashboard.map(|place| (place, Status::Dashboard)),
            health.map(|(place, health)| (place, Status::Health(health))),
        ]
    }

    /// Where the keys of the other roles stand that are on.
    fn plain_roles(&self) -> [Option<Place>; 4] {
        let block = self.block;
        let publisher = block.push_publisher.as_ref().filter(|at| at.value);
        let subscriber = block.push_subscriber.as_ref().filter(|at| !at.value.is_empty());
        let pubsub = block.push_pubsub.as_ref().filter(|at| at.value);
        [
            publisher.map(|at| at.place),
            subscriber.map(|at| at.place),
            pubsub.map(|at| at.place),
            block.proxy_pass.as_ref().map(|at| at.place),
        ]
    }

    /// Notes a format in a location that has no use for it.
    fn note_idle_format(&mut self) {
        let shown = self.block.push_status.as_ref().is_some_and(|at| at.value);
        let format = self.block.push_status_format.as_ref().filter(|at| at.value.is_some());
        if let Some(at) = format
            && !shown
            && at.place.level == crate::config::error::Level::Location
            && !self.block.is_suspect(&["push_status"])
        {
            self.faults.add(at.place, Reason::NoEffect("push_status is not on"));
        }
    }
}
