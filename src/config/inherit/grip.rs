//! Locations whose application speaks GRIP, and those that take its items.

use super::{Build, CHANNEL_TIMEOUT, subscriber};
use crate::{
    channel::Retention,
    config::{
        error::{Level, Place, Reason},
        grip::{Grip, Items},
        value::{At, or},
    },
};

/// Who signs, if nothing else is said.
const ISSUER: &str = "pushgate";

impl Build<'_> {
    /// Whether items are published here; a location of its own that does something else is noted.
    pub(super) fn takes_items(&mut self) -> bool {
        let block = self.block;
        let Some(At { value: true, place }) = block.push_grip_publish else { return false };
        if block.proxy_pass.is_some() {
            if place.level == Level::Location {
                self.faults.add(place, Reason::Conflict("proxy_pass"));
            }
            return false;
        }
        let roles = [
            block.push_publisher.as_ref().filter(|at| at.value).map(|at| at.place),
            block.push_subscriber.as_ref().filter(|at| !at.value.is_empty()).map(|at| at.place),
            block.push_pubsub.as_ref().filter(|at| at.value).map(|at| at.place),
        ];
        // The nearer one decides; on the same level they exclude each other.
        let nearest = roles.into_iter().flatten().max_by_key(|role: &Place| role.level);
        match nearest {
            Some(role) if role.level == place.level => {
                self.faults.add(place, Reason::Conflict(role.key));
                false
            }
            Some(role) => role.level < place.level,
            None => true,
        }
    }

    /// What is published here.
    pub(super) fn items(&mut self, takes: bool, retention: Retention) -> Option<Items> {
        let key = self.block.push_grip_key.as_ref().filter(|_| takes);
        if let Some(At { value, place }) = key
            && !value.is_shared()
            && self.block.push_jwt.is_none()
        {
            let why = "push_grip_publish needs it, where push_grip_key is a private key";
            self.faults.add_key(*place, "push_jwt", Reason::Missing(why));
        }
        takes.then(|| Items { signer: key.map(|at| at.value.clone()), retention })
    }

    /// How requests are held for the application.
    pub(super) fn grip(&mut self, passes: bool) -> Option<Grip> {
        let block = self.block;
        let on = block.push_grip.as_ref().filter(|at| at.value)?;
        if !passes {
            if on.place.level == Level::Location && !block.is_suspect(&["proxy_pass"]) {
                self.faults.add(on.place, Reason::NoEffect("the location has no proxy_pass"));
            }
            return None;
        }
        let issuer = block.push_grip_issuer.as_ref().map_or(ISSUER, |at| &at.value);
        Some(Grip {
            signer: block.push_grip_key.as_ref().map(|at| at.value.clone()),
            issuer: issuer.into(),
            over_http: or(block.push_grip_websocket.as_ref(), false),
            channel_timeout: or(block.push_channel_timeout.as_ref(), CHANNEL_TIMEOUT),
            max_channel_subscribers: or(block.push_max_channel_subscribers.as_ref(), 0),
            max_message: or(
                block.push_websocket_max_message.as_ref(),
                subscriber::WEBSOCKET_MAX_MESSAGE,
            ),
        })
    }

    /// Notes keys of the location's own that nothing in it looks at.
    pub(super) fn note_idle_grip(&mut self, takes_items: bool) {
        let block = self.block;
        let held = block.proxy_pass.is_some() && or(block.push_grip.as_ref(), false);
        let own = |place: Option<Place>| place.filter(|place| place.level == Level::Location);
        let why = "the location has neither push_grip nor push_grip_publish";
        for place in [
            own(block.push_grip_key.as_ref().map(|at| at.place)).filter(|_| !held && !takes_items),
            own(block.push_grip_issuer.as_ref().map(|at| at.place)).filter(|_| !held),
            own(block.push_grip_websocket.as_ref().map(|at| at.place)).filter(|_| !held),
        ]
        .into_iter()
        .flatten()
        {
            self.faults.add(place, Reason::NoEffect(why));
        }
    }
}
