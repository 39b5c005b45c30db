//! Connections to the servers of an upstream, of one worker: those in use, and those that wait to be.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use tokio::time::{Instant, timeout_at};

use super::{
    counts::Counted,
    error::UpstreamError,
    socket::{Meter, Socket, Stream},
    upload::Upload,
};

/// How long a connection waits for the next request: nginx's `keepalive_timeout` of an upstream.
const IDLE: Duration = Duration::from_mins(1);
/// The largest head of an answer in bytes, and what is read ahead of a body.
const BUFFER: usize = 64 << 10;

/// The idle connections of a worker to one upstream.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// The server's number and a connection to it; the longest idle first.
    idle: RefCell<Vec<(usize, Link)>>,
    limit: usize,
}

/// A connection.
pub(super) struct Link {
    pub(super) sender: SendRequest<Upload>,
    pub(super) meter: Arc<Meter>,
    idle_since: Rc<Cell<Option<Instant>>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("meter", &self.meter).finish_non_exhaustive()
    }
}

impl Link {
    /// Lets hyper speak over a connection, as a task of the worker.
    pub(super) async fn open(stream: Stream, counted: Counted) -> Result<Self, UpstreamError> {
        let (socket, meter) = Socket::new(stream, counted);
        let mut builder = Builder::new();
        builder.title_case_headers(true).max_buf_size(BUFFER);
        let handshake = builder.handshake(socket).await;
        let (sender, connection) = handshake.map_err(|_| UpstreamError::Closed)?;
        let idle_since = Rc::new(Cell::new(None));
        tokio::task::spawn_local(drive(connection, idle_since.clone()));
        Ok(Self { sender, meter, idle_since })
    }
}

/// Runs a connection to its end, or until nobody has used it for too long.
async fn drive(connection: Connection<Socket, Upload>, idle_since: Rc<Cell<Option<Instant>>>) {
    let mut connection = std::pin::pin!(connection.with_upgrades());
    let mut look = Instant::now() + IDLE;
    while timeout_at(look, connection.as_mut()).await.is_err() {
        let now = Instant::now();
        look = idle_since.get().unwrap_or(now) + IDLE;
        if look <= now {
            return;
        }
    }
}

impl Pool {
    pub(super) fn new(limit: usize) -> Self {
        Self { idle: RefCell::default(), limit }
    }

    /// A connection to a server, if there is one; that which was used last.
    pub(super) fn take(&self, peer: usize) -> Option<Link> {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|(_, link)| !link.sender.is_closed());
        let at = idle.iter().rposition(|(of, link)| *of == peer && link.sender.is_ready())?;
        let (_, link) = idle.remove(at);
        link.idle_since.set(None);
        Some(link)
    }

    /// Keeps a connection whose answer has been read to its end.
    fn put(&self, peer: usize, link: Link) {
        if self.limit == 0 || link.sender.is_closed() {
            return;
        }
        link.idle_since.set(Some(Instant::now()));
        let mut idle = self.idle.borrow_mut();
        idle.retain(|(_, link)| !link.sender.is_closed());
        if idle.len() >= self.limit {
            idle.remove(0);
        }
        idle.push((peer, link));
    }
}

/// A connection in use; closed when it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) link: Link,
    pub(super) pool: Rc<Pool>,
    pub(super) peer: usize,
}

impl Lease {
    /// It is free for the next request.
    pub(super) fn give_back(self) {
        self.pool.put(self.peer, self.link);
    }
}
