//! Who may use a location: ordered rules, the first match wins, as in nginx's access module.

use std::net::IpAddr;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// An address and a port.
    Inet(IpAddr, u16),
    /// A process on this machine, over a Unix socket.
    Unix,
}
