//! Connections whose proxy says first whose they are: `proxy_protocol`.
//!
//! What must hold: whoever is not known to be a proxy changes nothing but its own standing. From the
//! moment that it claims to speak for somebody else it does not count as local.

use std::net::SocketAddr;

use tracing::debug;

use super::{Client, hall::Hall, held::Phase};
use crate::{
    access::{Network, Peer},
    proxy_protocol::{Header, Source, parse},
};

impl Hall {
    /// A connection that has just been taken: what it sends first is awaited.
    pub(super) fn welcome(&mut self, key: u32) {
        let held = &mut self.held[key as usize];
        let listening = &self.listening[usize::from(held.client.listener)];
        if listening.proxies.is_some() {
            held.phase = Phase::Proxied;
        }
        let patience = listening.header_timeout;
        self.set_deadline(key, Some(patience));
    }

    /// Bytes of a PROXY header; returns what follows it, once all of it is there.
    pub(super) fn introduced(&mut self, key: u32, bytes: &[u8]) -> Option<Vec<u8>> {
        let held = self.held.get_mut(key as usize)?;
        let rare = held.rare();
        rare.input.extend_from_slice(bytes);
        match parse(&rare.input) {
            Ok(None) => None,
            Ok(Some((header, length))) => {
                let rest = std::mem::take(&mut rare.input).split_off(length);
                held.tidy();
                held.phase = Phase::Idle;
                let proxies = self.listening[usize::from(held.client.listener)].proxies.as_deref();
                introduce(&mut held.client, header, proxies.unwrap_or_default());
                Some(rest).filter(|rest| !rest.is_empty())
            }
            Err(why) => {
                debug!(peer = %held.client.peer, %why, "refused a connection");
                self.close(key);
                None
            }
        }
    }
}

/// What becomes of a client through a header that its peer sent.
fn introduce(client: &mut Client, header: Header, proxies: &[Network]) {
    let trusted = proxies.iter().any(|network| network.contains(client.peer));
    match header.source {
        Source::Proxy if trusted => {}
        Source::Client(address) if trusted => client.peer = peer(address),
        // A forwarder that adds no header of its own would pass on what its client wrote.
        Source::Proxy | Source::Client(_) | Source::Unknown => client.forwarded = true,
    }
}

fn peer(address: SocketAddr) -> Peer {
    Peer::Inet(address.ip().to_canonical(), address.port())
}
