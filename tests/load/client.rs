//! Clients of every transport, which resume from the last message they had.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

pub use crate::ledger::Id;

/// How a client listens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// `Last-Modified` and `Etag` go back as they came.
    LongPoll,
    /// `Last-Event-ID`.
    Events,
    /// Lines of `~id~ ~text~`, resumed by `last_event_id`.
    Stream,
    /// The JSON poll, with `since`.
    Json,
}

impl Way {
    pub const ALL: [Self; 4] = [Self::LongPoll, Self::Events, Self::Stream, Self::Json];
    /// Those that wait for messages.
    pub const HELD: [Self; 3] = [Self::LongPoll, Self::Events, Self::Stream];

    /// The location that serves it in [`crate::scene::locations`].
    pub fn path(self) -> &'static str {
        match self {
            Self::LongPoll => "/poll",
            Self::Events => "/events",
            Self::Stream => "/stream",
            Self::Json => "/json",
        }
    }
}

/// Time between two polls of a client that does not wait.
const INTERVAL: Duration = Duration::from_millis(40);

/// A connection that is read without waiting.
pub struct Conn {
    pub stream: TcpStream,
    input: Vec<u8>,
    at: usize,
}

/// Status line and headers.
#[derive(Debug)]
pub struct Head {
    pub status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        let same = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().find(same).map(|(_, value)| value.as_str())
    }
}

impl Conn {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(TcpStream::connect(address).await?))
    }

    pub fn new(stream: TcpStream) -> Self {
        Self { stream, input: Vec::new(), at: 0 }
    }

    pub async fn get(&mut self, target: &str, headers: &str) -> io::Result<()> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
        self.stream.write_all(request.as_bytes()).await
    }

    /// Reads more; the end of the stream is an error.
    pub async fn fill(&mut self) -> io::Result<()> {
        if self.at == self.input.len() {
            self.input.clear();
            self.at = 0;
        } else if self.at > 1 << 16 {
            self.input.drain(..self.at);
            self.at = 0;
        }
        self.input.reserve(4 << 10);
        let read = self.stream.read_buf(&mut self.input).await?;
        if read == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// What has come and was not taken.
    pub fn rest(&self) -> &[u8] {
        &self.input[self.at..]
    }

    /// Puts in what somebody else has read.
    pub fn push(&mut self, byte: u8) {
        self.input.push(byte);
    }

    pub async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.rest().len() < length {
            self.fill().await?;
        }
        let bytes = self.rest()[..length].to_vec();
        self.at += length;
        Ok(bytes)
    }

    pub async fn head(&mut self) -> io::Result<Head> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(self.rest()).unwrap();
            if let httparse::Status::Complete(length) = parsed {
                let status = response.code.unwrap();
                let owned = |header: &httparse::Header<'_>| {
                    (header.name.to_owned(), String::from_utf8(header.value.to_vec()).unwrap())
                };
                let headers = response.headers.iter().map(owned).collect();
                self.at += length;
                return Ok(Head { status, headers });
            }
            self.fill().await?;
        }
    }

    /// One chunk, `None` for the last; a task that is dropped meanwhile loses nothing.
    pub async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let httparse::Status::Complete((length, size)) =
                httparse::parse_chunk_size(self.rest()).expect("a chunk's size")
            {
                let size = usize::try_from(size).unwrap();
                if self.rest().len() >= length + size + 2 {
                    let chunk = self.rest()[length..length + size].to_vec();
                    assert_eq!(&self.rest()[length + size..][..2], b"\r\n");
                    self.at += length + size + 2;
                    return Ok((size > 0).then_some(chunk));
                }
            }
            self.fill().await?;
        }
    }

    pub async fn response(&mut self) -> io::Result<(Head, Vec<u8>)> {
        let head = self.head().await?;
        let mut body = Vec::new();
        if head.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk().await? {
                body.extend_from_slice(&chunk);
            }
        } else if let Some(length) = head.header("content-length") {
            body = self.exactly(length.parse().unwrap()).await?;
        }
        Ok((head, body))
    }
}

/// A subscriber that comes back.
pub struct Listener {
    way: Way,
    address: SocketAddr,
    target: String,
    /// The id of the last message it had.
    pub last: Option<Id>,
    pub conn: Option<Conn>,
    text: String,
    ready: VecDeque<(Id, String)>,
    /// Gaps that it was told.
    pub gaps: usize,
}

impl Listener {
    /// `channels` as `a,b`.
    pub fn new(address: SocketAddr, way: Way, channels: &str) -> Self {
        let target = format!("{}?c={channels}", way.path());
        let (text, ready) = (String::new(), VecDeque::new());
        Self { way, address, target, last: None, conn: None, text, ready, gaps: 0 }
    }

    /// The next message; reconnects if there is no connection.
    pub async fn next(&mut self) -> io::Result<(Id, String)> {
        while self.ready.is_empty() {
            match self.way {
                Way::LongPoll => self.long_poll().await?,
                Way::Events | Way::Stream => self.endless().await?,
                Way::Json => self.json().await?,
            }
        }
        let (id, text) = self.ready.pop_front().unwrap();
        self.last = Some(id);
        Ok((id, text))
    }

    /// Goes away, and forgets what it has received and not looked at.
    pub fn hang_up(&mut self) {
        self.conn = None;
        self.text.clear();
        self.ready.clear();
    }

    /// The connection, made if need be.
    pub async fn conn(&mut self) -> io::Result<&mut Conn> {
        if self.conn.is_none() {
            self.conn = Some(Conn::open(self.address).await?);
        }
        Ok(self.conn.as_mut().unwrap())
    }

    /// Connects, and for an endless response asks and waits for the head of it.
    pub async fn start(&mut self) -> io::Result<()> {
        let place = self.last.map(|(time, tag)| format!("{time}:{tag}"));
        let (target, headers) = match (self.way, place) {
            (_, None) => (self.target.clone(), String::new()),
            (Way::Events, Some(id)) => (self.target.clone(), format!("Last-Event-ID: {id}\r\n")),
            (_, Some(id)) => (format!("{}&last_event_id={id}", self.target), String::new()),
        };
        let conn = self.conn().await?;
        conn.get(&target, &headers).await?;
        let head = conn.head().await?;
        assert_eq!(head.status, 200, "{head:?}");
        Ok(())
    }

    /// Sends the request of a poll.
    pub async fn ask(&mut self) -> io::Result<()> {
        let headers = self.last.map_or_else(String::new, |(time, tag)| {
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(time));
            format!("If-Modified-Since: {date}\r\nIf-None-Match: {tag}\r\n")
        });
        let target = self.target.clone();
        self.conn().await?.get(&target, &headers).await
    }

    /// Takes the answer to [`Listener::ask`].
    pub async fn answer(&mut self) -> io::Result<()> {
        let (head, body) = self.conn().await?.response().await?;
        assert_eq!(head.status, 200, "{head:?}");
        self.gaps += usize::from(head.header("x-push-gap").is_some());
        let time: SystemTime =
            httpdate::parse_http_date(head.header("last-modified").unwrap()).unwrap();
        let time = time.duration_since(UNIX_EPOCH).unwrap().as_secs();
        let tag = head.header("etag").unwrap().parse().unwrap();
        self.ready.push_back(((time, tag), String::from_utf8(body).unwrap()));
        Ok(())
    }

    async fn long_poll(&mut self) -> io::Result<()> {
        self.ask().await?;
        self.answer().await
    }

    async fn json(&mut self) -> io::Result<()> {
        let since =
            self.last.map_or_else(String::new, |(time, tag)| format!("&since={time}:{tag}"));
        let target = format!("{}{since}", self.target);
        let conn = self.conn().await?;
        conn.get(&target, "").await?;
        let (head, body) = conn.response().await?;
        assert_eq!(head.status, 200, "{head:?}");
        self.gaps += usize::from(head.header("x-push-gap").is_some());
        let document: Value = serde_json::from_slice(&body).unwrap();
        for message in document["messages"].as_array().unwrap().iter().rev() {
            let text = message["text"].as_str().unwrap().to_owned();
            self.ready.push_back((id(message["id"].as_str().unwrap()), text));
        }
        if self.ready.is_empty() {
            sleep(INTERVAL).await;
        }
        Ok(())
    }

    async fn endless(&mut self) -> io::Result<()> {
        if self.conn.is_none() {
            self.start().await?;
        }
        let Some(chunk) = self.conn().await?.chunk().await? else {
            return Err(ErrorKind::UnexpectedEof.into());
        };
        self.text.push_str(&String::from_utf8(chunk).unwrap());
        let end = if self.way == Way::Stream { "\n" } else { "\n\n" };
        while let Some(at) = self.text.find(end) {
            let rest = self.text.split_off(at + end.len());
            let mut block = std::mem::replace(&mut self.text, rest);
            block.truncate(at);
            if self.way == Way::Stream {
                let (name, text) = block.split_once(' ').unwrap();
                self.ready.push_back((id(name), text.to_owned()));
            } else {
                self.event(&block);
            }
        }
        Ok(())
    }

    fn event(&mut self, block: &str) {
        let (mut name, mut lines, mut kind) = (None, Vec::new(), "message");
        for line in block.split('\n') {
            match line.split_once(": ") {
                Some(("id", value)) => name = Some(id(value)),
                Some(("data", value)) => lines.push(value),
                Some(("event", value)) => kind = value,
                _ => {}
            }
        }
        match kind {
            "gap" => self.gaps += 1,
            "message" if lines.is_empty() => {}
            "message" => self.ready.push_back((name.unwrap(), lines.join("\n"))),
            other => panic!("an event {other:?}: {block:?}"),
        }
    }
}

/// `time:tag`.
pub fn id(text: &str) -> Id {
    let (time, tag) = text.split_once(':').unwrap();
    (time.parse().unwrap(), tag.parse().unwrap())
}
