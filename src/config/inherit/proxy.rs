//! Locations that pass requests on.

use std::time::Duration;

use http::HeaderName;

use super::Build;
use crate::config::{
    error::{Level, Place, Reason},
    nearest::nearest,
    proxy::{Pass, Proxy, Timeouts},
    upstream::Upstreams,
    value::{At, or},
    variable::Template,
};

/// `proxy_connect_retry` where an application has its requests held: a client that waits anyway would take
/// an error for the end.
const RETRY_OF_HOLDS: Duration = Duration::from_secs(30);

impl Build<'_> {
    /// Whether it passes requests on: then it has no other role, and one of its own is noted.
    pub(super) fn passes(&mut self) -> bool {
        let block = self.block;
        if block.proxy_pass.is_none() {
            return false;
        }
        let roles = [
            block.push_publisher.as_ref().filter(|at| at.value).map(|at| at.place),
            block.push_subscriber.as_ref().filter(|at| !at.value.is_empty()).map(|at| at.place),
            block.push_pubsub.as_ref().filter(|at| at.value).map(|at| at.place),
        ];
        for place in roles.into_iter().flatten().filter(|place| place.level == Level::Location) {
            self.faults.add(place, Reason::Conflict("proxy_pass"));
        }
        true
    }

    /// Notes keys of the location's own that need a `proxy_pass`.
    pub(super) fn note_idle_proxy(&mut self) {
        let block = self.block;
        if block.proxy_pass.is_some() || block.is_suspect(&["proxy_pass"]) || self.asks_elsewhere()
        {
            return;
        }
        let place = |at: Option<Place>| at.filter(|place| place.level == Level::Location);
        let timeout = |at: Option<&At<Duration>>| place(at.map(|at| at.place));
        for place in [
            place(block.proxy_set_header.as_ref().map(|at| at.place)),
            timeout(block.proxy_connect_timeout.as_ref()),
            timeout(block.proxy_send_timeout.as_ref()),
            timeout(block.proxy_read_timeout.as_ref()),
            timeout(block.proxy_connect_retry.as_ref()),
        ]
        .into_iter()
        .flatten()
        {
            self.faults.add(place, Reason::NoEffect("the location has no proxy_pass"));
        }
    }

    /// Where it passes requests on to.
    pub(super) fn proxy(&mut self, upstreams: &mut Upstreams) -> Option<Proxy> {
        let block = self.block;
        let At { value: pass, place } = block.proxy_pass.as_ref()?;
        let upstream = self.upstream(pass, *place, upstreams);
        if pass.uri.is_some() && self.pattern.path().is_none() {
            let why = "an URL without a path, which a regular expression cannot replace";
            self.faults.add(*place, Reason::Invalid(format!("{}{}", pass.base, uri(pass)), why));
        }
        let set_headers = self.set_headers();
        Some(Proxy {
            upstream: upstream?,
            base: pass.base.clone(),
            uri: pass.uri.clone(),
            set_headers,
            timeouts: self.timeouts(),
        })
    }

    pub(super) fn set_headers(&mut self) -> Vec<(HeaderName, Template)> {
        let written = self.block.proxy_set_header.as_ref();
        let mut headers = Vec::new();
        for (name, text) in written.into_iter().flat_map(|at| &at.value) {
            headers.extend(self.template(text).map(|template| (name.clone(), template)));
        }
        headers
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        let (block, defaults) = (self.block, Timeouts::default());
        let holds = or(block.push_grip.as_ref(), false);
        let retry = if holds { RETRY_OF_HOLDS } else { defaults.retry };
        Timeouts {
            connect: or(block.proxy_connect_timeout.as_ref(), defaults.connect),
            send: or(block.proxy_send_timeout.as_ref(), defaults.send),
            read: or(block.proxy_read_timeout.as_ref(), defaults.read),
            retry: or(block.proxy_connect_retry.as_ref(), retry),
        }
    }

    /// The number of the upstream that is meant.
    pub(super) fn upstream(
        &mut self,
        pass: &Pass,
        place: Place,
        upstreams: &mut Upstreams,
    ) -> Option<usize> {
        let named = pass.name.as_deref().and_then(|name| upstreams.find(name));
        let found = named.or_else(|| Some(upstreams.alone(pass.address.as_ref()?)));
        if found.is_none() && !upstreams.suspect {
            let name = pass.name.as_deref().unwrap_or_default();
            let nearest = nearest(name, upstreams.names()).map(str::to_owned);
            self.faults.add(place, Reason::NoUpstream { name: name.to_owned(), nearest });
        }
        found
    }
}

fn uri(pass: &Pass) -> &str {
    pass.uri.as_deref().unwrap_or_default()
}
