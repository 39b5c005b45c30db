//! HTTP as the server of these tests speaks it: requests in, responses of every transport out.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
};

/// A request.
#[derive(Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// How a subscriber is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    Events,
    Frames,
    Poll,
    /// As [`Way::Poll`], and answered at once.
    Interval,
    Lines,
    Chunks,
    Parts,
}

/// What a client must have computed from the key of RFC 6455 section 1.3, which is its key.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

impl Request {
    /// The next request of a connection; none at its end.
    pub fn read(input: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split(' ');
        let [method, target] = [0; 2].map(|_| words.next().unwrap().to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            input.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self { method, target, headers, body: Vec::new() };
        let length = request.header("content-length").map_or(0, |text| text.parse().unwrap());
        request.body = vec![0; length];
        input.read_exact(&mut request.body)?;
        Ok(Some(request))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The channel, which ends the target.
    pub fn channel(&self) -> String {
        self.target.rsplit_once('=').unwrap().1.to_owned()
    }

    /// What it asks for.
    pub fn way(&self) -> Way {
        let accept = self.header("accept").unwrap_or_default();
        if self.header("upgrade") == Some("websocket") {
            assert_eq!(self.header("sec-websocket-version"), Some("13"));
            assert_eq!(self.header("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
            Way::Frames
        } else if self.header("te") == Some("chunked") {
            Way::Chunks
        } else if accept == "text/event-stream" {
            Way::Events
        } else if accept == "multipart/mixed" {
            Way::Parts
        } else if self.target.starts_with("/lines") {
            Way::Lines
        } else if self.target.starts_with("/interval") {
            Way::Interval
        } else {
            Way::Poll
        }
    }
}

impl Way {
    /// What is sent before there are messages.
    pub fn head(self) -> String {
        let rest = match self {
            Self::Events => "200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hi\n\n",
            Self::Chunks | Self::Lines => "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            Self::Parts => "200 OK\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B",
            Self::Frames => {
                return format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
                );
            }
            Self::Poll | Self::Interval => return String::new(),
        };
        format!("HTTP/1.1 {rest}")
    }

    /// A message as it is sent; `number` is what a poll is told to ask with.
    pub fn message(self, body: &[u8], number: usize) -> Vec<u8> {
        let length = body.len();
        let (before, after) = match self {
            Self::Events => (format!("id: {number}\ndata: ").into_bytes(), "\n\n"),
            Self::Chunks => (format!("{length:x}\r\n").into_bytes(), "\r\n"),
            // Where chunks end means nothing here.
            Self::Lines => (format!("1\r\nP\r\n{length:x}\r\n").into_bytes(), "\n\r\n"),
            Self::Parts => (b"\r\nContent-Type: text/plain\r\n\r\n".to_vec(), "\r\n--B"),
            Self::Frames => (frame_head(length), ""),
            Self::Poll | Self::Interval => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nEtag: {number}\r\n\
                     Last-Modified: Thu, 01 Jan 1970 00:00:05 GMT\r\n\r\n"
                );
                (head.into_bytes(), "")
            }
        };
        let body = if self == Self::Lines { &body[1..] } else { body };
        [&before, body, after.as_bytes()].concat()
    }

    /// A message that breaks the protocol.
    pub fn broken(self) -> &'static [u8] {
        match self {
            Self::Events => b"date: x\n\n",
            Self::Chunks | Self::Lines => b"x\r\n",
            Self::Parts => b"x",
            Self::Frames => b"\xc1\x00",
            Self::Poll | Self::Interval => b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        }
    }
}

fn frame_head(length: usize) -> Vec<u8> {
    match u8::try_from(length) {
        Ok(length @ ..126) => vec![0x81, length],
        _ => [&[0x81, 126], &u16::try_from(length).unwrap().to_be_bytes()[..]].concat(),
    }
}

/// Answers a request that waits for nothing.
pub fn answer(stream: &mut TcpStream, status: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}")
}
