//! A gateway on a port of its own, and clients that see every byte.

use std::{
    fmt::Write as _,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::fd::OwnedFd,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use pushgate::{
    channel::Settings,
    config::Config,
    gateway,
    server::{Bound, run_with},
};
use tokio::sync::oneshot;

/// No answer takes longer; a test that waits for it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running gateway; stopped when it is dropped.
pub struct Gateway {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Gateway {
    /// Serves the locations of a configuration, given as TOML below `[[server]]`.
    pub fn start(locations: &str) -> Self {
        Self::start_root("", locations)
    }

    /// As [`Gateway::start`], with keys of the root.
    pub fn start_root(root: &str, locations: &str) -> Self {
        Self::start_with(root, locations, |_| {})
    }

    /// As [`Gateway::start_root`], with changed settings of the hub.
    pub fn start_with(root: &str, locations: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let server = format!("listen = [\"127.0.0.1:0\"]\n{locations}");
        Self::start_toml(&format!("{root}\n[[server]]\n{server}"), change)
    }

    /// Serves locations on addresses, given as TOML.
    pub fn start_listening(listen: &str, locations: &str) -> Self {
        Self::start_toml(&format!("[[server]]\nlisten = [{listen}]\n{locations}"), |_| {})
    }

    fn start_toml(toml: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let config = Config::parse("test", toml, &[]).unwrap_or_else(|errors| panic!("{errors}"));
        let mut settings = gateway::settings(&config);
        change(&mut settings);
        let bound = Bound::bind(&config).unwrap();
        let address = bound.urls()[0].strip_prefix("http://").unwrap().parse().unwrap();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run_with(config, bound, settings, async {
                let _ = stopped.await;
            }))
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// A connection of one's own.
    pub fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        Client::new(stream)
    }

    /// One request on a connection of its own.
    pub fn request(&self, method: &str, target: &str, headers: &str, body: &str) -> Response {
        let mut client = self.connect();
        client.request(method, target, headers, body);
        client.response()
    }

    /// Publishes; the answer is a success.
    pub fn publish(&self, target: &str, body: &str) -> Response {
        let response = self.request("POST", target, "", body);
        assert!((200..300).contains(&response.status), "{response:?}");
        response
    }

    /// A request that is going to wait: returns when it is counted among the subscribers that
    /// `GET publisher` tells.
    pub fn wait_for_subscribers(&self, publisher: &str, number: usize) {
        let mut client = self.connect();
        let wanted = format!("\"subscribers\": {number},");
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            client.request("GET", publisher, "Accept: application/json\r\n", "");
            if client.response().text().contains(&wanted) {
                return;
            }
            thread::yield_now();
        }
        panic!("there are never {number} subscribers");
    }

    /// Tells it to stop, without waiting.
    pub fn stop(&mut self) {
        self.stop.take();
    }

    /// Waits until it has stopped.
    pub fn join(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

/// A connection, with what it has received and nobody has looked at.
pub struct Client {
    pub stream: TcpStream,
    input: Vec<u8>,
}

/// A whole response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Status line and header lines, each with its CRLF.
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl Client {
    /// Any socket will do.
    pub fn new(stream: impl Into<OwnedFd>) -> Self {
        let stream = TcpStream::from(stream.into());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, input: Vec::new() }
    }

    /// Sends bytes one by one, each in a segment of its own.
    pub fn drip(&mut self, bytes: impl AsRef<[u8]>) {
        for byte in bytes.as_ref() {
            self.send([*byte]);
        }
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a request; `headers` are whole lines.
    pub fn request(&mut self, method: &str, target: &str, headers: &str, body: &str) {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{headers}");
        if !body.is_empty() {
            write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
        } else if matches!(method, "POST" | "PUT") && !headers.contains("ransfer-") {
            head.push_str("Content-Length: 0\r\n");
        }
        self.send(format!("{head}\r\n{body}"));
    }

    /// Sends a GET.
    pub fn get(&mut self, target: &str, headers: &str) {
        self.request("GET", target, headers, "");
    }

    /// Reads more; false at the end of the stream.
    pub fn fill(&mut self) -> bool {
        let mut buffer = vec![0; 64 << 10];
        let begin = Instant::now();
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.input.extend_from_slice(&buffer[..length]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!(
                "{error} after {:?}; so far {:?}",
                begin.elapsed(),
                String::from_utf8_lossy(&self.input)
            ),
        }
    }

    /// What has been received and not been looked at.
    pub fn seen(&self) -> &[u8] {
        &self.input
    }

    /// Forgets what has been received and not been looked at; returns how many bytes that was.
    pub fn buffered(&mut self) -> usize {
        std::mem::take(&mut self.input).len()
    }

    /// Whether anything comes before the end of the stream.
    pub fn has_more(&mut self) -> bool {
        !self.input.is_empty() || self.fill()
    }

    /// Everything up to and with `pattern`.
    pub fn until(&mut self, pattern: &[u8]) -> Vec<u8> {
        loop {
            let found = self.input.windows(pattern.len()).position(|window| window == pattern);
            if let Some(at) = found {
                return self.input.drain(..at + pattern.len()).collect();
            }
            assert!(self.fill(), "the end comes first: {:?}", String::from_utf8_lossy(&self.input));
        }
    }

    /// So many bytes.
    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.input.len() < length {
            assert!(self.fill(), "the end comes first: {:?}", String::from_utf8_lossy(&self.input));
        }
        self.input.drain(..length).collect()
    }

    /// Everything up to the end of the stream.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.input)
    }

    /// A response head, without its empty line.
    pub fn head(&mut self) -> String {
        let mut head = String::from_utf8(self.until(b"\r\n\r\n")).unwrap();
        head.truncate(head.len() - 2);
        head
    }

    /// One chunk; none is the last.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = String::from_utf8(self.until(b"\r\n")).unwrap();
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let chunk = self.exactly(size);
        assert_eq!(self.exactly(2), b"\r\n");
        (size > 0).then_some(chunk)
    }

    /// Chunks that make up so many bytes.
    pub fn exactly_chunked(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            bytes.extend(self.chunk().expect("the last chunk comes first"));
        }
        assert_eq!(bytes.len(), length);
        bytes
    }

    /// A response to anything but HEAD.
    pub fn response(&mut self) -> Response {
        let head = self.head();
        let status: u16 = head[9..12].parse().unwrap();
        let body = if matches!(status, 100..=199 | 204 | 304) {
            Vec::new()
        } else if header(&head, "transfer-encoding").is_some_and(|value| value == "chunked") {
            std::iter::from_fn(|| self.chunk()).flatten().collect()
        } else if let Some(length) = header(&head, "content-length") {
            self.exactly(length.parse().unwrap())
        } else {
            self.rest()
        };
        Response { status, head, body }
    }

    /// Ends the sending side.
    pub fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The other side has closed, and nothing was left to read.
    pub fn assert_closed(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }
}
