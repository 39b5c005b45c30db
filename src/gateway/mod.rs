//! One request: route, access, channels, role.

mod admit;
mod application;
mod authorize;
mod edit;
mod herald;
mod hooks;
mod methods;
mod present;
mod refused;
mod role;
mod site;
mod visitor;
mod walk;

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    sync::{Arc, atomic::AtomicU64},
};

use herald::Herald;
use http::{Method, Request, StatusCode, request};
use http_body::Body as _;
pub use refused::Refused;
use site::Site;

use crate::{
    channel::{Hub, Settings},
    config::{Config, Transport, variable::Veil},
    hold::{Answer, Browsers, Client, Handler, RequestBody, Tally},
    log::{self, Entry},
    publish::host::Host,
    response::Body,
    status::Monitor,
    subscribe::presence::Presence,
    upstream::{self, Counts, Epochs, Group, NoticeCounts, Notices, Verdicts},
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
    monitor: Monitor,
    /// When verdicts hold.
    epochs: Epochs,
    presence: Presence,
    /// `push_hook_queue`.
    hook_queue: usize,
    /// `push_hook_requests`.
    hook_requests: usize,
    notices: Arc<NoticeCounts>,
    counts: Arc<Counts>,
}

/// What answers the requests of one worker.
#[derive(Clone, Debug)]
pub struct Desk {
    gateway: Arc<Gateway>,
    /// The worker's connections to applications.
    upstreams: upstream::Client,
    /// What its applications have said of earlier requests.
    verdicts: Rc<RefCell<Verdicts>>,
    notices: Rc<Notices>,
    herald: Rc<Herald>,
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
        let groups = config.upstreams.iter().map(Group::new).collect();
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
            groups,
            monitor,
            epochs: Epochs::default(),
            presence: Presence::default(),
            hook_queue: config.process.hook_queue,
            hook_requests: config.process.hook_requests,
            notices: Arc::default(),
            counts: Arc::default(),
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
}

impl Desk {
    /// That of one worker; it stays on its thread.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        let (groups, counts) = (gateway.groups.clone(), gateway.counts.clone());
        let upstreams = upstream::Client::new(groups, gateway.hook_requests, counts);
        let (most, counts) = (gateway.hook_queue, gateway.notices.clone());
        let notices = Rc::new(Notices::new(upstreams.clone(), most, counts));
        let herald = Rc::new(Herald::new(gateway.hub.clone()));
        Self { gateway, upstreams, verdicts: Rc::default(), notices, herald }
    }

    /// What takes notices for the application, at work.
    fn notices(&self) -> Rc<Notices> {
        self.notices.start();
        self.notices.clone()
    }

    /// What publishes events, at work.
    fn herald(&self) -> Rc<Herald> {
        self.herald.start();
        self.herald.clone()
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
            log::begin(&mut head, client.peer);
            let site = desk.gateway.site(client, &head);
            let answer = desk.walk(site, &mut head, body, client).await;
            let mut answer = answer.unwrap_or_else(|refused| refused.answer(&head.headers));
            if let Some(entry) = Entry::of(&head) {
                note(entry, &head, &mut answer);
            }
            answer
        }
    }

    fn closing(&self) {
        self.upstreams.close();
    }

    async fn settled(&self) {
        self.herald.settled().await;
        self.notices.settled().await;
    }
}

/// Tells the access log what is answered, and whoever sends the answer keeps the entry until it has;
/// of a request that waits, its wait does both.
fn note(entry: &Entry, head: &request::Parts, answer: &mut Answer) {
    match answer {
        Answer::Respond(response) => {
            entry.status(response.status());
            let bodiless = head.method == Method::HEAD || response.status() == NOT_MODIFIED;
            if let (Body::Full(body), false) = (response.body(), bodiless) {
                entry.sent(body.size_hint().lower());
            }
            response.extensions_mut().insert(entry.clone());
        }
        Answer::Hold(holding) => holding.entry = Some(entry.clone()),
        Answer::Follow(follow) => {
            let channels = follow.channels.iter().map(|id| (id.group(), id.as_bytes()));
            entry.transport(follow.transport.name());
            entry.channels(channels);
            follow.entry = Some(entry.clone());
        }
        Answer::Tunnel(tunnel) => {
            entry.status(StatusCode::SWITCHING_PROTOCOLS);
            tunnel.entry = Some(entry.clone());
        }
        Answer::Converse(converse) => {
            entry.status(StatusCode::SWITCHING_PROTOCOLS);
            entry.transport(Transport::WebSocket.name());
            converse.entry = Some(entry.clone());
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
