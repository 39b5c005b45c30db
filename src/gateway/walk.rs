//! The way of a request: its location, who may, which channels, what the location does.

use std::sync::{Arc, atomic::Ordering};

use http::{Method, Response, Uri, header, request};

use super::{
    Desk, Refused, admit,
    methods::{check_coding, check_host, check_method, options, same_origin},
    site::Site,
};
use crate::{
    access::Peer,
    channel::ChannelId,
    config::{
        Items, Location, Status,
        variable::{Push, Scope, Veiled},
    },
    hold::{Answer, Client, RequestBody, Tally},
    log::Entry,
    publish::{items::Delivery, statistics::Statistics},
    response::{Body, Refusal},
    router::{Captures, normalize},
    subscribe::Outlets,
    upstream::{Passage, Passed, Redirect},
};

/// A request, wherever it is led.
pub(super) struct Way<'a> {
    pub(super) site: &'a Site,
    pub(super) client: Client,
    /// The number of the request.
    number: u64,
    /// What the client asked for, once `X-Accel-Redirect` has led away from there.
    asked: Option<Uri>,
}

/// Where the way of a request has led.
#[derive(Clone, Copy)]
pub(super) struct Stop<'a> {
    pub(super) location: &'a Arc<Location>,
    pub(super) outlets: Option<&'a Outlets>,
    pub(super) scope: &'a Scope<'a>,
    pub(super) tally: &'a Tally,
}

/// The scheme of every plain connection.
const SCHEME: &str = "http";
/// How often `X-Accel-Redirect` may lead a request on: as often as in nginx.
const MAX_REDIRECTS: usize = 10;

impl Desk {
    /// The way of a request, from its URI to its answer. The head is as it was, afterwards.
    pub(super) async fn walk<'a>(
        &self,
        site: &'a Site,
        head: &mut request::Parts,
        body: RequestBody,
        client: Client,
    ) -> Result<Answer, Refused<'a>> {
        check_host(head)?;
        check_coding(head)?;
        let number = self.gateway.requests.fetch_add(1, Ordering::Relaxed);
        let way = Way { site, client, number, asked: None };
        match self.stop(&way, head, Some(body)).await? {
            Passed::Answer(answer) => Ok(answer),
            Passed::Redirect(redirect) => Ok(Box::pin(self.follow(way, head, *redirect)).await),
        }
    }

    /// The rest of a way that the application has changed.
    async fn follow(
        &self,
        mut way: Way<'_>,
        head: &mut request::Parts,
        mut redirect: Redirect,
    ) -> Answer {
        let asked = (head.method.clone(), head.uri.clone());
        way.asked = Some(asked.1.clone());
        let mut end = Err(Refusal::Cycle.into());
        let mut pushes = true;
        for _ in 0..MAX_REDIRECTS {
            head.uri = redirect.uri.clone();
            let target = way.site.location(&head.uri);
            // Only who publishes wants anything but GET; nginx makes a GET of everything but HEAD.
            let publishes = target.is_some_and(|target| target.publisher.is_some());
            if !publishes && head.method != Method::HEAD {
                head.method = Method::GET;
            }
            pushes = target.is_none_or(|target| target.proxy.is_none());
            let body = redirect.body.take().filter(|_| publishes);
            match self.stop(&way, head, body).await {
                Ok(Passed::Redirect(next)) => redirect = next.after(&redirect),
                Ok(Passed::Answer(answer)) => {
                    end = Ok(answer);
                    break;
                }
                Err(refused) => {
                    end = Err(refused);
                    break;
                }
            }
        }
        (head.method, head.uri) = asked;
        pushes |= end.is_err();
        let mut answer = end.unwrap_or_else(|refused| refused.answer(&head.headers));
        redirect.adorn(&mut answer, pushes);
        answer
    }

    /// One location of the way.
    async fn stop<'a>(
        &self,
        way: &Way<'a>,
        head: &request::Parts,
        body: Option<RequestBody>,
    ) -> Result<Passed, Refused<'a>> {
        let Way { site, client, .. } = *way;
        let path = normalize(head.uri.path())
            .map_err(|error| Refusal::BadRequest(error.to_string().into()))?;
        let matched = site.server.router.find(&path).ok_or(Refusal::NotFound)?;
        let location = &site.server.locations[matched.location];
        if location.internal && way.asked.is_none() {
            return Err(Refusal::NotFound.into());
        }
        let refused = |refusal: Refusal| Refused { refusal, location: Some(location) };
        let (peer, forwarded) = location.real_ip.resolve(client.peer, &head.headers);
        if let Some(entry) = Entry::of(head) {
            entry.client(peer.address());
        }
        let trusted = location.real_ip.trusts(client.peer) || client.forwarded;
        let forwarded = forwarded || client.forwarded;
        if let Some(why) = location.access.refusal(peer, forwarded, trusted) {
            return Err(refused(Refusal::Forbidden(why.into())));
        }
        if head.method == Method::OPTIONS && location.proxy.is_none() {
            return Ok(Passed::Answer(options(location, head)));
        }
        check_method(location, &head.method).map_err(refused)?;
        let scope = self.scope(way, head, &path, &matched.captures, peer);
        let outlets = site.outlets[matched.location].as_ref();
        let tally = self.gateway.monitor.tally(client);
        let stop = Stop { location, outlets, scope: &scope, tally };
        self.enter(way, stop, head, body).await.map_err(refused)
    }

    /// What the location is for: to show the gateway, to pass requests on, or to push.
    async fn enter(
        &self,
        way: &Way<'_>,
        stop: Stop<'_>,
        head: &request::Parts,
        body: Option<RequestBody>,
    ) -> Result<Passed, Refusal> {
        let Stop { location, scope, .. } = stop;
        if location.status == Some(Status::Channels) && location.dialect.statistics {
            let (hub, host) = (&*self.gateway.hub, &self.gateway.host);
            let statistics = Statistics { hub, host, tallies: self.gateway.monitor.tallies() };
            let response = statistics.answer(scope, &head.headers, location).await?;
            return Ok(Passed::Answer(shared(location, head, response)));
        }
        if let Some(status) = location.status {
            let application = || self.gateway.application();
            let response = self.gateway.monitor.answer(status, head, scope, application).await?;
            return Ok(Passed::Answer(shared(location, head, response)));
        }
        if let Some(proxy) = &location.proxy {
            let (client, notices, peer) = (&self.upstreams, &self.notices, way.client.peer);
            let redirected = way.asked.is_some();
            let passage =
                Passage { client, notices, location, proxy, head, scope, peer, redirected };
            return Box::pin(passage.pass(body, (&self.gateway.hub, location))).await;
        }
        let token = admit::token(location, scope)?;
        let scope = Scope { token: token.as_ref(), ..*scope };
        if let Some(items) = &location.items {
            return self.take_items(location, items, &scope, head, body).await;
        }
        let named = location.channels.named(&scope, location.dialect)?;
        admit::channels(location, &scope, &named.channels)?;
        if let Some(entry) = Entry::of(head) {
            entry.channels(named.channels.iter().map(|id| (id.group(), id.as_bytes())));
        }
        let stop = Stop { scope: &scope, ..stop };
        self.play(way, stop, &named, head, body).await.map(Passed::Answer)
    }

    /// A location that takes GRIP items, which name their channels themselves.
    async fn take_items(
        &self,
        location: &Location,
        items: &Items,
        scope: &Scope<'_>,
        head: &request::Parts,
        body: Option<RequestBody>,
    ) -> Result<Passed, Refusal> {
        same_origin(location, head)?;
        let permits = |channels: &[ChannelId]| admit::channels(location, scope, channels);
        let (hub, permits) = (&*self.gateway.hub, &permits);
        let delivery = Delivery { hub, location, items, head, permits };
        let group = location.channels.group.expand(scope);
        let answer = delivery.answer(&group, body.ok_or(Refusal::TooLarge)?);
        let response = Box::pin(answer).await?;
        Ok(Passed::Answer(shared(location, head, response)))
    }

    fn scope<'a>(
        &'a self,
        way: &'a Way<'_>,
        head: &'a request::Parts,
        path: &'a [u8],
        captures: &'a Captures<'a>,
        peer: Peer,
    ) -> Scope<'a> {
        let gateway = &self.gateway;
        Scope {
            method: &head.method,
            uri: &head.uri,
            asked: way.asked.as_ref().unwrap_or(&head.uri),
            path,
            headers: &head.headers,
            captures,
            peer,
            connection: Veiled { veil: &gateway.veil, number: way.client.connection },
            request_id: u128::from(gateway.seed) << 64 | u128::from(way.number),
            scheme: SCHEME,
            server_name: way.site.server.name(),
            token: None,
            push: Push::default(),
        }
    }
}

/// An answer that other origins may read, where they may.
pub(super) fn shared(
    location: &Location,
    head: &request::Parts,
    mut response: Response<Body>,
) -> Answer {
    location.cors.append_to(response.headers_mut(), head.headers.get(header::ORIGIN));
    Answer::Respond(response)
}
