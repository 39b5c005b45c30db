//! A new connection to a server.

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::{TcpStream, UnixStream, lookup_host};

use super::{error::UpstreamError, group::Peer, socket::Stream};
use crate::config::Address;

/// Connects to a server, within a time.
pub(super) async fn dial(peer: &Peer, patience: Duration) -> Result<Stream, UpstreamError> {
    match tokio::time::timeout(patience, connect(peer)).await {
        Ok(connected) => connected.map_err(UpstreamError::Connect),
        Err(_) => Err(UpstreamError::ConnectTimeout),
    }
}

async fn connect(peer: &Peer) -> io::Result<Stream> {
    let (host, port) = match &peer.address {
        Address::Unix(path) => return UnixStream::connect(path).await.map(Stream::Unix),
        Address::Tcp(host, port) => (&**host, *port),
    };
    let known = peer.resolved();
    let failed = match first_of(&known).await {
        Ok(stream) => return Ok(stream),
        Err(error) => error,
    };
    if !peer.may_look_up() {
        return Err(failed);
    }
    // The name may have got another address since it was looked up.
    let found: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    if found == known {
        return Err(failed);
    }
    let stream = first_of(&found).await;
    peer.resolve(found);
    stream
}

/// A connection to the first address that takes one.
async fn first_of(addresses: &[SocketAddr]) -> io::Result<Stream> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(Stream::Tcp(stream));
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
