//! Connections from many addresses of this machine.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, recv, send,
        socket_with, sockopt,
    },
};

/// Connections from one address: where most ports are taken, a free one is slow to find.
const PORTS: u32 = 1000;

/// Begins to connect; whether it worked is known when the socket takes bytes.
///
/// The source is of `127.1.net.0/24`, another one every thousand numbers. To an IPv6 address it is
/// left to the kernel.
pub(super) fn dial(to: SocketAddr, net: u8, number: u32) -> io::Result<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = socket_with(family, SocketType::STREAM, flags, None)?;
    if to.is_ipv4() {
        let host = u8::try_from(number / PORTS % 250 + 1).unwrap_or(1);
        bind(&fd, &SocketAddr::from((Ipv4Addr::new(127, 1, net, host), 0)))?;
    }
    match connect(&fd, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(fd),
        Err(error) => Err(error.into()),
    }
}

/// Writes once; 0 when the socket takes nothing now, as before it is connected.
pub(super) fn write(fd: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    match send(fd, bytes, SendFlags::NOSIGNAL) {
        Ok(sent) => Ok(sent),
        Err(Errno::AGAIN | Errno::INTR | Errno::NOTCONN) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Reads once. `None`: there is nothing now.
pub(super) fn read(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match recv(fd, buffer, RecvFlags::empty()) {
        Ok((_, received)) => Ok(Some(received)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Closes by reset, which leaves no port behind that has to rest.
pub(super) fn reset(fd: OwnedFd) {
    // One that cannot be reset is closed all the same.
    let _ = sockopt::set_socket_linger(&fd, Some(Duration::ZERO));
    drop(fd);
}
