//! Listening sockets: bound before anything else starts, one for each worker.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::{
        fs::FileTypeExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use crate::{
    config::{Config, Listen, Server},
    hold::{Listener, Listening},
};

/// Sockets that listen, and what they serve.
#[derive(Debug)]
pub struct Bound {
    /// Each worker's own, in the same order.
    pub(super) workers: Vec<Vec<Listener>>,
    /// The `[[server]]`s of each.
    pub(super) by_listener: Vec<Vec<usize>>,
    urls: Vec<String>,
    /// Removed with this.
    pub(super) files: SocketFiles,
}

/// The files of Unix sockets.
#[derive(Debug, Default)]
pub(super) struct SocketFiles(Vec<PathBuf>);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}")]
pub struct BindError {
    address: String,
    reason: io::Error,
}

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 65_535;
/// Silence after which the kernel asks whether the client still exists, and how often it asks.
const KEEPALIVE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

impl Bound {
    /// Binds every address of the configuration.
    pub fn bind(config: &Config) -> Result<Self, BindError> {
        let workers = config.process.workers.max(1);
        let mut bound = Self {
            workers: (0..workers).map(|_| Vec::new()).collect(),
            by_listener: Vec::new(),
            urls: Vec::new(),
            files: SocketFiles::default(),
        };
        for (listen, servers) in config.listeners() {
            // As the other times of a connection: it has no host yet, and so the first server's.
            let first = servers.first().and_then(|n| config.servers.get(*n));
            bound.add(&listen, first.and_then(|server| server.user_timeout))?;
            bound.by_listener.push(servers);
        }
        Ok(bound)
    }

    /// Where it listens, as URLs.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    pub(super) fn listening(&self, config: &Config) -> Vec<Listening> {
        let first = |numbers: &Vec<usize>| numbers.first().and_then(|n| config.servers.get(*n));
        let listening = |server: &Server| Listening {
            header_timeout: server.header_timeout,
            keepalive_timeout: server.keepalive_timeout,
            max_header_size: server.max_header_size,
            proxies: server.proxy_protocol.then(|| server.real_ip.from.clone().into()),
        };
        self.by_listener.iter().filter_map(first).map(listening).collect()
    }

    fn add(&mut self, listen: &Listen, user_timeout: Option<Duration>) -> Result<(), BindError> {
        let failed = |reason| BindError { address: name(listen), reason };
        match listen {
            Listen::Tcp(address) => {
                let address = self.add_tcp(*address, user_timeout).map_err(failed)?;
                self.urls.push(format!("http://{address}"));
            }
            Listen::Unix(path) => {
                self.add_unix(path).map_err(failed)?;
                self.urls.push(format!("http+unix://{}", path.display()));
                self.files.0.push(path.clone());
            }
        }
        Ok(())
    }

    /// One socket for each worker: the kernel spreads connections over them.
    fn add_tcp(
        &mut self,
        mut address: SocketAddr,
        user_timeout: Option<Duration>,
    ) -> io::Result<SocketAddr> {
        if address.port() != 0 {
            // With SO_REUSEPORT alone a second daemon would silently take half of the connections.
            tcp(address, false, user_timeout)?;
        }
        for listeners in &mut self.workers {
            let socket = tcp(address, true, user_timeout)?;
            socket.listen(BACKLOG)?;
            address = socket.local_addr()?.as_socket().unwrap_or(address);
            listeners.push(Listener::new(socket));
        }
        Ok(address)
    }

    fn add_unix(&mut self, path: &Path) -> io::Result<()> {
        if left_behind(path) {
            fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        for listeners in &mut self.workers {
            listeners.push(Listener::new(listener.try_clone()?));
        }
        Ok(())
    }
}

impl Drop for SocketFiles {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// A bound socket; what is set here, the connections inherit.
fn tcp(address: SocketAddr, shared: bool, user_timeout: Option<Duration>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(user_timeout)?;
    if address.is_ipv6() {
        // As nginx: `[::]` is IPv6 alone, so that `0.0.0.0` can stand beside it.
        socket.set_only_v6(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}

/// Whether a daemon that is gone has left its socket: nobody listens on it.
fn left_behind(path: &Path) -> bool {
    let socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    socket && UnixStream::connect(path).is_err_and(refused)
}

fn name(listen: &Listen) -> String {
    match listen {
        Listen::Tcp(address) => address.to_string(),
        Listen::Unix(path) => format!("unix:{}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn connections_inherit_what_is_set_on_the_listening_socket() {
        for user_timeout in [Some(Duration::from_mins(2)), None] {
            let listener = tcp(([127, 0, 0, 1], 0).into(), true, user_timeout).unwrap();
            listener.set_nonblocking(false).unwrap();
            listener.listen(1).unwrap();
            let address = listener.local_addr().unwrap().as_socket().unwrap();
            let _client = TcpStream::connect(address).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            assert!(accepted.tcp_nodelay().unwrap() && accepted.keepalive().unwrap());
            assert_eq!(accepted.tcp_user_timeout().unwrap(), user_timeout);
            let (time, interval) =
                (accepted.tcp_keepalive_time(), accepted.tcp_keepalive_interval());
            assert_eq!((time.unwrap(), interval.unwrap()), (KEEPALIVE, KEEPALIVE_INTERVAL));
        }
    }
}
