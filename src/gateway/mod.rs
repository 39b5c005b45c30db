//! One request: route, access, channels, role.

mod admit;
mod methods;
mod refused;
mod site;
mod veil;
mod walk;

use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
};

use http::{Request, StatusCode};
pub use refused::Refused;
use site::Site;
use veil::Veil;

use crate::{
    channel::{Hub, Settings},
    config::Config,
    hold::{Answer, Browsers, Client, Handler, RequestBody},
    log,
    publish::host::Host,
    upstream::{self, Group},
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
    groups: Arc<[Group]>,
}

/// What answers the requests of one worker.
#[derive(Clone, Debug)]
pub struct Desk {
    gateway: Arc<Gateway>,
    /// The worker's connections to applications.
    upstreams: upstream::Client,
}

impl Gateway {
    /// Builds it; `by_listener` says which servers each listening socket serves.
    pub fn new(config: Config, by_listener: Vec<Vec<usize>>, hub: Hub) -> io::Result<Self> {
        let groups = config.upstreams.iter().map(Group::new).collect();
        let sites = site::build(config.servers)?;
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
        let hub = Arc::new(hub);
        Ok(Self {
            sites,
            by_listener,
            hub,
            host: Host::new(),
            seed,
            requests: AtomicU64::new(0),
            veil: Veil::default(),
            browsers: Browsers::default(),
            groups,
        })
    }

    /// The channels.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }
}

impl Desk {
    /// That of one worker; it stays on its thread.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        let upstreams = upstream::Client::new(gateway.groups.clone());
        Self { gateway, upstreams }
    }
}

impl Handler for Desk {
    fn respond(
        &self,
        request: Request<RequestBody>,
        client: Client,
    ) -> impl Future<Output = Answer> + 'static {
        let desk = self.clone();
        async move {
            let (mut head, body) = request.into_parts();
            let site = desk.gateway.site(client, &head);
            let answer = desk.walk(site, &mut head, body, client).await;
            let answer = answer.unwrap_or_else(|refused| refused.answer(&head.headers));
            let status = match &answer {
                Answer::Respond(response) => response.status(),
                Answer::Hold(holding) => holding.status(),
                Answer::Follow(follow) => follow.status,
                Answer::Tunnel(_) | Answer::Converse(_) => StatusCode::SWITCHING_PROTOCOLS,
            };
            log::access(&head, client.peer, status);
            answer
        }
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
