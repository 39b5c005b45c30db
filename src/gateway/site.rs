//! A server with what its locations send by, and which of several a request is for.

use std::io;

use http::{Uri, request};

use super::Gateway;
use crate::{
    config::{Location, Server, variable::requested_host},
    hold::Client,
    router::normalize,
    subscribe::Outlets,
};

/// A server, ready to serve.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) server: Server,
    /// Of each location that has subscribers.
    pub(super) outlets: Vec<Option<Outlets>>,
}

impl Site {
    /// The location of an URI.
    pub(super) fn location(&self, uri: &Uri) -> Option<&Location> {
        let path = normalize(uri.path()).ok()?;
        let found = self.server.router.find(&path)?;
        Some(&self.server.locations[found.location])
    }
}

/// Prepares servers; locations are numbered through all of them.
pub(super) fn build(servers: Vec<Server>) -> io::Result<Vec<Site>> {
    let mut number = 0;
    let mut sites = Vec::with_capacity(servers.len());
    for server in servers {
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
    Ok(sites)
}

impl Gateway {
    /// The server of a listening socket whose name the request says, or its first.
    pub(super) fn site(&self, client: Client, head: &request::Parts) -> &Site {
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
}
