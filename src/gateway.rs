//! One request: route, access, channels, role.

mod refused;
mod veil;

use std::{
    io,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{HeaderValue, Method, Request, Response, Version, header, request};
pub use refused::Refused;
use veil::Veil;

use crate::{
    access::Peer,
    channel::{ChannelId, Hub, Settings},
    config::{
        Config, Location, Named, Server,
        variable::{Push, Scope, requested_host},
    },
    hold::{Answer, Browsers, Client, Handler, Inbound, RequestBody},
    log,
    publish::{self, Errand, host::Host},
    response::{Refusal, empty},
    router::{Captures, normalize},
    subscribe::{self, Outlets, Visit},
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
}

#[derive(Debug)]
struct Site {
    server: Server,
    /// Of each location that has subscribers.
    outlets: Vec<Option<Outlets>>,
}

/// Where the way of a request has led.
struct Stop<'a> {
    location: &'a Arc<Location>,
    outlets: Option<&'a Outlets>,
    scope: &'a Scope<'a>,
}

/// The scheme of every plain connection.
const SCHEME: &str = "http";

impl Gateway {
    /// Builds it; `by_listener` says which servers each listening socket serves.
    pub fn new(config: Config, by_listener: Vec<Vec<usize>>, hub: Hub) -> io::Result<Self> {
        let mut number = 0;
        let mut sites = Vec::with_capacity(config.servers.len());
        for server in config.servers {
            let mut outlets = Vec::with_capacity(server.locations.len());
            for location in &server.locations {
                let subscriber = location.subscriber.as_ref();
                let dialect = location.dialect;
                let built = subscriber.map(|own| Outlets::new(own, dialect, number));
                outlets.push(built.transpose().map_err(io::Error::other)?);
                number += 1;
            }
            sites.push(Site { server, outlets });
        }
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
        })
    }

    /// The channels.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    async fn respond(&self, request: Request<RequestBody>, client: Client) -> Answer {
        let (head, body) = request.into_parts();
        let site = self.site(client, &head);
        let answer = self.walk(site, &head, body, client).await;
        let answer =
            answer.unwrap_or_else(|refused| Answer::Respond(refused.into_response(&head.headers)));
        let status = match &answer {
            Answer::Respond(response) => response.status(),
            Answer::Hold(holding) => holding.status(),
        };
        log::access(&head, client.peer, status);
        answer
    }

    /// The server of a listening socket whose name the request says, or its first.
    fn site(&self, client: Client, head: &request::Parts) -> &Site {
        let numbers = &self.by_listener[usize::from(client.listener)];
        let first = numbers.first().copied().unwrap_or_default();
        if numbers.len() <= 1 {
            return &self.sites[first];
        }
        let host = requested_host(&head.uri, &head.headers);
        let servers: Vec<&Server> = numbers.iter().map(|at| &self.sites[*at].server).collect();
        let chosen = Server::choose(&servers, host);
        let same = |at: &&usize| {
            chosen.is_some_and(|server| std::ptr::eq(server, &raw const self.sites[**at].server))
        };
        &self.sites[numbers.iter().find(same).copied().unwrap_or(first)]
    }

    /// The way of a request, from its URI to its answer.
    async fn walk<'a>(
        &self,
        site: &'a Site,
        head: &request::Parts,
        body: RequestBody,
        client: Client,
    ) -> Result<Answer, Refused<'a>> {
        check_host(head)?;
        let path = normalize(head.uri.path())
            .map_err(|error| Refusal::BadRequest(error.to_string().into()))?;
        let matched = site.server.router.find(&path).ok_or(Refusal::NotFound)?;
        let location = &site.server.locations[matched.location];
        let refused = |refusal: Refusal| Refused { refusal, location: Some(location) };
        let (peer, forwarded) = location.real_ip.resolve(client.peer, &head.headers);
        if !location.access.permits(peer, forwarded || client.forwarded) {
            return Err(refused(Refusal::Forbidden("Access denied.".into())));
        }
        if head.method == Method::OPTIONS {
            return Ok(options(location, head));
        }
        check_method(location, &head.method).map_err(refused)?;
        let scope = self.scope(site, head, &path, &matched.captures, peer, client);
        let named = location.channels.named(&scope, location.dialect).map_err(refused)?;
        let outlets = site.outlets[matched.location].as_ref();
        let stop = Stop { location, outlets, scope: &scope };
        self.play(stop, &named, head, body).await.map_err(refused)
    }

    /// The location's role.
    async fn play(
        &self,
        stop: Stop<'_>,
        named: &Named,
        head: &request::Parts,
        body: RequestBody,
    ) -> Result<Answer, Refusal> {
        let Stop { location, outlets, scope } = stop;
        match (&location.publisher, &location.subscriber, outlets) {
            (publisher, Some(subscriber), Some(outlets))
                if publisher.is_none() || subscribes(&head.method) =>
            {
                let hub = &*self.hub;
                let browsers = &self.browsers;
                let visit =
                    Visit { hub, location, subscriber, outlets, head, scope, named, browsers };
                let inbound = publisher.as_ref().map(|_| self.inbox(location, &named.channels));
                visit.answer(inbound).await
            }
            (Some(publisher), ..) => {
                same_origin(location, head)?;
                let errand = Errand { hub: &self.hub, host: &self.host, location, publisher, head };
                let mut response = errand.answer(&named.channels, body).await?;
                let origin = head.headers.get(header::ORIGIN);
                location.cors.append_to(response.headers_mut(), origin);
                Ok(Answer::Respond(response))
            }
            _ => Err(Refusal::NotFound),
        }
    }

    /// What takes the messages of a WebSocket's client.
    fn inbox(&self, location: &Arc<Location>, channels: &[ChannelId]) -> Rc<dyn Inbound> {
        Rc::new(publish::Inbox::new(self.hub.clone(), location.clone(), channels.to_vec()))
    }

    fn scope<'a>(
        &self,
        site: &'a Site,
        head: &'a request::Parts,
        path: &'a [u8],
        captures: &'a Captures<'a>,
        peer: Peer,
        client: Client,
    ) -> Scope<'a> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        Scope {
            method: &head.method,
            uri: &head.uri,
            path,
            headers: &head.headers,
            captures,
            peer,
            connection: self.veil.number(client.connection),
            request_id: u128::from(self.seed) << 64 | u128::from(number),
            scheme: SCHEME,
            server_name: site.server.name(),
            push: Push::default(),
        }
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

/// A request names its host once, unless it is of HTTP/1.0 (RFC 9112 section 3.2).
fn check_host(head: &request::Parts) -> Result<(), Refusal> {
    let hosts = head.headers.get_all(header::HOST).iter().count();
    if hosts == 1 || (hosts == 0 && head.version < Version::HTTP_11) {
        return Ok(());
    }
    Err(Refusal::BadRequest("The request has to name its host once.".into()))
}

/// What a location does not take is refused before anything else is asked of the request.
fn check_method(location: &Location, method: &Method) -> Result<(), Refusal> {
    let publishes = matches!(*method, Method::POST | Method::PUT | Method::DELETE);
    if subscribes(method) || (publishes && location.publisher.is_some()) {
        return Ok(());
    }
    Err(Refusal::MethodNotAllowed { allow: allow(location) })
}

/// The methods that a location takes.
fn allow(location: &Location) -> &'static str {
    if location.publisher.is_some() { publish::ALLOW } else { subscribe::ALLOW }
}

/// The methods by which a location with both roles is listened to.
fn subscribes(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// A page of another site must not publish with its visitor's rights.
fn same_origin(location: &Location, head: &request::Parts) -> Result<(), Refusal> {
    let (origin, host) = (head.headers.get(header::ORIGIN), head.headers.get(header::HOST));
    if subscribes(&head.method) || location.cors.permits(origin, host) {
        return Ok(());
    }
    Err(Refusal::Forbidden("Pages of this origin may not publish here.".into()))
}

/// OPTIONS, and the question of a browser before it asks across origins.
fn options(location: &Location, head: &request::Parts) -> Answer {
    let allow = allow(location);
    let mut response = Response::new(empty());
    let wanted = head.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD);
    let origin = head.headers.get(header::ORIGIN);
    *response.headers_mut() = location.cors.preflight(origin, wanted, allow);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    Answer::Respond(response)
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
