//! The way of a request: its location, who may, which channels, what the location does.

use std::{
    rc::Rc,
    sync::{Arc, atomic::Ordering},
};

use http::{Method, header, request};

use super::{
    Gateway, Refused, admit,
    methods::{check_host, check_method, options, same_origin, subscribes},
    site::Site,
};
use crate::{
    access::Peer,
    channel::ChannelId,
    config::{
        Location, Named,
        variable::{Push, Scope},
    },
    hold::{Answer, Client, Inbound, RequestBody},
    publish::{self, Errand},
    response::Refusal,
    router::{Captures, normalize},
    subscribe::{Outlets, Visit},
};

/// Where the way of a request has led.
struct Stop<'a> {
    location: &'a Arc<Location>,
    outlets: Option<&'a Outlets>,
    scope: &'a Scope<'a>,
}

/// The scheme of every plain connection.
const SCHEME: &str = "http";

impl Gateway {
    /// The way of a request, from its URI to its answer.
    pub(super) async fn walk<'a>(
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
        let token = admit::token(location, &scope).map_err(refused)?;
        let scope = Scope { token: token.as_ref(), ..scope };
        let named = location.channels.named(&scope, location.dialect).map_err(refused)?;
        admit::channels(location, &scope, &named.channels).map_err(refused)?;
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
            token: None,
            push: Push::default(),
        }
    }
}
