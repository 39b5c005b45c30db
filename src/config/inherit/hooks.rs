//! What a location asks and tells the application.

use std::time::Duration;

use super::Build;
use crate::config::{
    Transport,
    error::{Level, Place, Reason},
    hooks::{Ask, Events, Hooks, Presence, Question},
    proxy::Proxy,
    upstream::Upstreams,
    value::{At, or},
};

/// Nchan's `nchan_channel_event_string`.
const EVENT: &str = "$push_channel_event $push_channel_id";
/// The same, with who it is.
const PRESENCE_EVENT: &str = "$push_channel_event $push_channel_id $push_identity";
/// Longer than polls and reconnects take.
const GRACE: Duration = Duration::from_secs(15);

impl Build<'_> {
    /// What a location with these roles asks and tells.
    pub(super) fn hooks(
        &mut self,
        publishes: bool,
        transports: &[Transport],
        upstreams: &mut Upstreams,
    ) -> Hooks {
        self.note_idle_hooks(publishes, transports);
        let block = self.block;
        let mut ask = |asked: Option<&At<Option<Ask>>>| self.question(asked, upstreams);
        let authorize = ask(block.push_authorize_request.as_ref());
        let publish = ask(block.push_publisher_upstream_request.as_ref());
        let subscribe = ask(block.push_subscribe_request.as_ref());
        let unsubscribe = ask(block.push_unsubscribe_request.as_ref());
        if !publishes && transports.is_empty() {
            return Hooks::default();
        }
        Hooks {
            authorize,
            authorize_cache: or(block.push_authorize_cache.as_ref(), None),
            publish,
            subscribe,
            unsubscribe,
            events: self.events(),
            presence: self.presence(),
        }
    }

    fn question(
        &mut self,
        asked: Option<&At<Option<Ask>>>,
        upstreams: &mut Upstreams,
    ) -> Option<Question> {
        let At { value, place } = asked?;
        let ask = value.as_ref()?;
        let uri = self.template(&At { value: ask.uri.clone(), place: *place });
        let to = match &ask.to {
            None => None,
            Some(pass) => Some(Proxy {
                upstream: self.upstream(pass, *place, upstreams)?,
                base: pass.base.clone(),
                uri: None,
                set_headers: self.set_headers(),
                timeouts: self.timeouts(),
            }),
        };
        Some(Question { to, uri: uri? })
    }

    fn events(&mut self) -> Option<Events> {
        let block = self.block;
        let channel = block.push_channel_events.as_ref().filter(|at| !at.value.is_empty())?;
        let own = block.push_channel_event_string.as_ref().filter(|at| !at.value.is_empty());
        let mut text = |default: &str| {
            let default = At { value: default.to_owned(), place: channel.place };
            self.template(own.unwrap_or(&default))
        };
        let (text, presence_text) = (text(EVENT)?, text(PRESENCE_EVENT)?);
        Some(Events { channel: self.template(channel)?, text, presence_text })
    }

    fn presence(&mut self) -> Option<Presence> {
        let block = self.block;
        let identity = block.push_presence.as_ref().filter(|at| !at.value.is_empty())?;
        let grace = or(block.push_presence_grace.as_ref(), GRACE);
        Some(Presence { identity: self.template(identity)?, grace })
    }

    /// Whether something of it is asked at an address or an upstream.
    pub(super) fn asks_elsewhere(&self) -> bool {
        let elsewhere =
            |at: &At<Option<Ask>>| at.value.as_ref().is_some_and(|ask| ask.to.is_some());
        self.block.questions().any(elsewhere)
    }

    /// Notes keys of the location's own that nothing in it looks at.
    fn note_idle_hooks(&mut self, publishes: bool, transports: &[Transport]) {
        if self.block.is_suspect(&super::ROLES) {
            return;
        }
        for (place, used, why) in self.hook_uses(publishes, transports) {
            if let Some(place) = place.filter(|place| place.level == Level::Location && !used) {
                self.faults.add(place, Reason::NoEffect(why));
            }
        }
    }

    /// Where each key is, whether something looks at it, and why not.
    fn hook_uses(
        &self,
        publishes: bool,
        transports: &[Transport],
    ) -> [(Option<Place>, bool, &'static str); 9] {
        const NO_ROLE: &str = "the location neither publishes nor subscribes";
        const NO_PUBLISHER: &str = "the location does not publish";
        const NO_SUBSCRIBER: &str = "the location does not subscribe";
        const NOBODY_STAYS: &str = "polls do not stay, so the application is not asked";
        const NOT_ASKED: &str = "there is no push_authorize_request";
        const NO_EVENTS: &str = "there are no push_channel_events";
        let block = self.block;
        let role = publishes || !transports.is_empty();
        let stay = !transports.iter().all(|transport| transport.is_poll());
        let nobody = if transports.is_empty() { NO_SUBSCRIBER } else { NOBODY_STAYS };
        let ask = |at: &Option<At<Option<Ask>>>| {
            at.as_ref().filter(|at| at.value.is_some()).map(|at| at.place)
        };
        let text = |at: &Option<At<String>>| {
            at.as_ref().filter(|at| !at.value.is_empty()).map(|at| at.place)
        };
        let (events, presence) = (text(&block.push_channel_events), text(&block.push_presence));
        let cache = block.push_authorize_cache.as_ref().filter(|at| at.value.is_some());
        let grace = block.push_presence_grace.as_ref();
        let asked = ask(&block.push_authorize_request);
        [
            (asked, role, NO_ROLE),
            (cache.map(|at| at.place), asked.is_some(), NOT_ASKED),
            (ask(&block.push_publisher_upstream_request), publishes, NO_PUBLISHER),
            (ask(&block.push_subscribe_request), stay, nobody),
            (ask(&block.push_unsubscribe_request), stay, nobody),
            (events, role, NO_ROLE),
            (text(&block.push_channel_event_string), events.is_some(), NO_EVENTS),
            (presence, role, NO_ROLE),
            (grace.map(|at| at.place), presence.is_some(), "there is no push_presence"),
        ]
    }
}
