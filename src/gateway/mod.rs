//! One request: route, access, channels, role.

mod methods;
mod refused;
mod site;
mod veil;
mod walk;

use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
};

use http::{Method, Request, StatusCode, request};
use http_body::Body;
pub use refused::Refused;
use site::Site;
use veil::Veil;

use crate::{
    channel::{Hub, Settings},
    config::Config,
    hold::{Answer, Browsers, Client, Handler, RequestBody, Tally},
    log::{self, Entry},
    publish::host::Host,
    status::Monitor,
};

/// Everything that requests need, built once from the configuration.
#[derive(Debug)]
pub struct Gateway {
    sites: Vec<Site>,
    /// The servers of each listening socket, the default one first.
    by_listener: Vec<Vec<usize>>,
    hub: Arc<Hub>,
    host: Host,
    /// Makes request ids differ between processes.
    seed: u64,
    requests: AtomicU64,
    veil: Veil,
    browsers: Browsers,
    monitor: Monitor,
}

const NOT_MODIFIED: StatusCode = StatusCode::NOT_MODIFIED;

impl Gateway {
    /// Builds it; `by_listener` says which servers each listening socket serves, and `tallies` has the
    /// counters of each worker.
    pub fn new(
        config: Config,
        by_listener: Vec<Vec<usize>>,
        hub: Hub,
        tallies: Vec<Arc<Tally>>,
    ) -> io::Result<Self> {
        let sites = site::build(config.servers)?;
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
        let hub = Arc::new(hub);
        let monitor = Monitor::new(hub.clone(), tallies);
        Ok(Self {
            sites,
            by_listener,
            hub,
            host: Host::new(),
            seed,
            requests: AtomicU64::new(0),
            veil: Veil::default(),
            browsers: Browsers::default(),
            monitor,
        })
    }

    /// What status locations show.
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// The channels.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    async fn respond(&self, request: Request<RequestBody>, client: Client) -> Answer {
        let (mut head, body) = request.into_parts();
        log::begin(&mut head, client.peer);
        let site = self.site(client, &head);
        let answer = self.walk(site, &head, body, client).await;
        let mut answer =
            answer.unwrap_or_else(|refused| Answer::Respond(refused.into_response(&head.headers)));
        if let Some(entry) = Entry::of(&head) {
            note(entry, &head, &mut answer);
        }
        answer
    }
}

impl Handler for Arc<Gateway> {
    fn respond(
        &self,
        request: Request<RequestBody>,
        client: Client,
    ) -> impl Future<Output = Answer> + 'static {
        let gateway = self.clone();
        async move { Gateway::respond(&gateway, request, client).await }
    }
}

/// Tells the access log what is answered, and whoever sends the answer keeps the entry until it has;
/// of a request that waits, its wait does both.
fn note(entry: &Entry, head: &request::Parts, answer: &mut Answer) {
    match answer {
        Answer::Respond(response) => {
            entry.status(response.status());
            let bodiless = head.method == Method::HEAD || response.status() == NOT_MODIFIED;
            let length = response.body().size_hint().exact();
            entry.sent(length.filter(|_| !bodiless).unwrap_or_default());
            response.extensions_mut().insert(entry.clone());
        }
        Answer::Hold(holding) => holding.entry = Some(entry.clone()),
    }
}

/// What the configuration says of the hub.
pub fn settings(config: &Config) -> Settings {
    Settings {
        memory: config.process.max_reserved_memory,
        max_channels: config.process.max_channels,
        max_subscribers: config.process.max_subscribers,
        ..Settings::default()
    }
}
