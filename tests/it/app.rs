//! An application that does what a test says, byte by byte.

use std::{
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use crate::harness::{Client, Gateway};

/// A server with one thread for each connection.
pub struct App {
    /// Where it listens; of a Unix socket nothing that can be reached.
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

/// A request as the application gets it.
#[derive(Debug)]
pub struct Asked {
    /// Request line and header lines, each with its CRLF.
    pub head: String,
    pub body: Vec<u8>,
}

impl Asked {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The request line.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }
}

pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl App {
    /// Runs `serve` for each connection, with its number from 0 on.
    pub fn start(serve: impl Fn(&mut Client, usize) + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), serve)
    }

    /// The same on an address.
    pub fn start_at(
        address: SocketAddr,
        serve: impl Fn(&mut Client, usize) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        Self::run(address, serve, move || listener.accept().unwrap().0.into())
    }

    /// The same on a Unix socket.
    pub fn start_unix(
        path: &Path,
        serve: impl Fn(&mut Client, usize) + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let nowhere = "127.0.0.1:0".parse().unwrap();
        Self::run(nowhere, serve, move || listener.accept().unwrap().0.into())
    }

    fn run(
        address: SocketAddr,
        serve: impl Fn(&mut Client, usize) + Send + Sync + 'static,
        accept: impl Fn() -> OwnedFd + Send + 'static,
    ) -> Self {
        let connections = Arc::new(AtomicUsize::new(0));
        let stopped = Arc::new(AtomicBool::new(false));
        let (counted, told) = (connections.clone(), stopped.clone());
        let serve = Arc::new(serve);
        thread::spawn(move || {
            loop {
                let stream = accept();
                if told.load(Ordering::SeqCst) {
                    return;
                }
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let serve = serve.clone();
                thread::spawn(move || serve(&mut Client::new(stream), number));
            }
        });
        Self { address, connections, stopped }
    }

    /// Answers every request of every connection with what `answer` makes of it.
    pub fn answering(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(move |client, _| {
            while let Some(asked) = asked(client) {
                client.send(answer(&asked));
            }
        })
    }

    /// Answers every request with itself: its head, and then its body.
    pub fn mirror() -> Self {
        Self::answering(|asked| ok(&[asked.head.as_bytes(), &asked.body].concat()))
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// A location that passes everything on to it.
    pub fn location(&self, keys: &str) -> String {
        let address = self.address;
        format!("[[server.location]]\npath = \"/\"\nproxy_pass = \"http://{address}\"\n{keys}\n")
    }

    /// A gateway in front of it.
    pub fn gateway(&self, keys: &str) -> Gateway {
        Gateway::start_root("workers = 1", &self.location(keys))
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = std::net::TcpStream::connect(self.address);
    }
}

/// A whole answer of text.
pub fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// The next request of a connection; none at its end.
pub fn asked(client: &mut Client) -> Option<Asked> {
    if !client.has_more() {
        return None;
    }
    let head = client.head();
    let body = if header(&head, "transfer-encoding").is_some() {
        std::iter::from_fn(|| client.chunk()).flatten().collect()
    } else {
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        client.exactly(length)
    };
    Some(Asked { head, body })
}
