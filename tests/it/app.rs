//! An application that does what a test says, byte by byte.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::harness::{Client, Gateway};

/// A server with one thread for each connection.
pub struct App {
    /// Where it listens; of a Unix socket nothing that can be reached.
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
    wake: Box<dyn Fn()>,
    accepting: Option<JoinHandle<Vec<JoinHandle<()>>>>,
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
        let wake = move || drop(TcpStream::connect(address));
        Self::run(address, serve, move || listener.accept().unwrap().0.into(), wake)
    }

    /// The same on a Unix socket.
    pub fn start_unix(
        path: &Path,
        serve: impl Fn(&mut Client, usize) + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let nowhere = "127.0.0.1:0".parse().unwrap();
        let path = path.to_owned();
        let wake = move || drop(UnixStream::connect(&path));
        Self::run(nowhere, serve, move || listener.accept().unwrap().0.into(), wake)
    }

    fn run(
        address: SocketAddr,
        serve: impl Fn(&mut Client, usize) + Send + Sync + 'static,
        accept: impl Fn() -> OwnedFd + Send + 'static,
        wake: impl Fn() + 'static,
    ) -> Self {
        let connections = Arc::new(AtomicUsize::new(0));
        let stopped = Arc::new(AtomicBool::new(false));
        let (counted, told) = (connections.clone(), stopped.clone());
        let serve = Arc::new(serve);
        let accepting = thread::spawn(move || {
            let mut serving = Vec::new();
            loop {
                let stream = accept();
                if told.load(Ordering::SeqCst) {
                    return serving;
                }
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let serve = serve.clone();
                serving.push(thread::spawn(move || serve(&mut Client::new(stream), number)));
            }
        });
        let accepting = Some(accepting);
        Self { address, connections, stopped, wake: Box::new(wake), accepting }
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

/// A gateway that is dropped before has ended all connections. What went wrong on one of them fails
/// the test.
impl Drop for App {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        (self.wake)();
        if thread::panicking() {
            return;
        }
        for serving in self.accepting.take().unwrap().join().unwrap() {
            serving.join().unwrap();
        }
    }
}

/// A whole answer of text.
pub fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// The next request of a connection; none if the connection ends before the request does.
pub fn asked(client: &mut Client) -> Option<Asked> {
    loop {
        if let Some((asked, length)) = parse(client.seen()) {
            client.exactly(length);
            return Some(asked);
        }
        if !client.fill() {
            return None;
        }
    }
}

/// A request at the beginning of bytes, and how many of them it has; none if there are too few.
fn parse(bytes: &[u8]) -> Option<(Asked, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(bytes[..end - 2].to_vec()).unwrap();
    let (mut at, mut body) = (end, Vec::new());
    if header(&head, "transfer-encoding").is_some() {
        loop {
            let line = bytes[at..].windows(2).position(|window| window == b"\r\n")?;
            let size = std::str::from_utf8(&bytes[at..at + line]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            at += line + 2;
            body.extend(bytes.get(at..at + size)?);
            at += size;
            assert_eq!(bytes.get(at..at + 2)?, b"\r\n");
            at += 2;
            if size == 0 {
                break;
            }
        }
    } else {
        let length: usize =
            header(&head, "content-length").map_or(0, |value| value.parse().unwrap());
        body.extend(bytes.get(at..at + length)?);
        at += length;
    }
    Some((Asked { head, body }, at))
}
