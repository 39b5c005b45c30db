//! One line a request, when it is over: of one that waits, when its wait ends.
//!
//! As long as somebody has the [`Entry`] of a request it is not over, so whatever ends it, the line
//! is written, and once. No body is ever logged.

use std::{
    fmt::{Display, Write},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, HeaderName, StatusCode, header, request};

use super::{Format, civil::Civil, escape, lines::Lines};

/// Channels that a line names.
const CHANNELS: usize = 16;
/// The status that nginx logs where the client went before there was an answer.
const CLIENT_CLOSED: u16 = 499;
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

static LOG: OnceLock<Log> = OnceLock::new();

#[derive(Debug)]
struct Log {
    format: Format,
    lines: Lines,
}

pub(super) fn start(format: Format, lines: Lines) {
    // The first one counts: there is one log for the process.
    let _ = LOG.set(Log { format, lines });
}

/// A request that is not over.
#[derive(Clone, Debug)]
pub struct Entry(Arc<Mutex<Record>>);

/// What is known of a request.
#[derive(Debug)]
struct Record {
    log: &'static Log,
    begun: Instant,
    method: Box<str>,
    uri: Box<str>,
    protocol: &'static str,
    peer: Box<str>,
    client: Option<Box<str>>,
    forwarded_for: Option<Box<[u8]>>,
    referer: Option<Box<[u8]>>,
    agent: Option<Box<[u8]>>,
    transport: Option<&'static str>,
    channels: Vec<Box<[u8]>>,
    status: Option<u16>,
    /// How long applications were waited for.
    upstream: Option<Duration>,
    /// Bytes sent, and how many of them are not of the body.
    sent: u64,
    head: u64,
}

/// Begins the entry of a request, if there is an access log; it is among its extensions.
pub fn begin(head: &mut request::Parts, peer: impl Display) {
    let Some(log) = LOG.get() else { return };
    let copy = |name| Some(own(&head.headers, name)?.into());
    let mut record = Record::new(log, peer);
    record.method = head.method.as_str().into();
    record.uri = head.uri.to_string().into();
    record.protocol = protocol(head.version);
    record.forwarded_for = copy(FORWARDED);
    record.referer = copy(header::REFERER);
    record.agent = copy(header::USER_AGENT);
    head.extensions.insert(Entry(Arc::new(Mutex::new(record))));
}

/// Writes the line of a request that could not be understood.
pub fn malformed(peer: impl Display, status: StatusCode) {
    if let Some(log) = LOG.get() {
        Record::new(log, peer).status = Some(status.as_u16());
    }
}

fn own(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    headers.get(name).map(http::HeaderValue::as_bytes)
}

fn protocol(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_09 => "HTTP/0.9",
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_2 => "HTTP/2.0",
        http::Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

impl Entry {
    /// That of a request, if there is one.
    pub fn of(head: &request::Parts) -> Option<&Self> {
        head.extensions.get()
    }

    /// Whose request it is, as far as somebody trusted says so: an address without a port.
    pub fn client(&self, client: impl Display) {
        self.record().client = Some(client.to_string().into());
    }

    /// Which channels it means, by group and id; the group of most has no name.
    pub fn channels<'a>(&self, channels: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
        let name = |(group, id): (&[u8], &[u8])| match group {
            [] => Box::from(id),
            group => [group, b"/", id].concat().into(),
        };
        self.record().channels = channels.take(CHANNELS).map(name).collect();
    }

    /// By what it listens.
    pub fn transport(&self, name: &'static str) {
        self.record().transport = Some(name);
    }

    /// What it is answered.
    pub fn status(&self, status: StatusCode) {
        self.record().status = Some(status.as_u16());
    }

    /// Waits for an application, and notes how long that takes in the line of a request, if it has one:
    /// also where nobody waits any more before there is an answer.
    pub async fn clocked<T>(entry: Option<Self>, answer: impl Future<Output = T>) -> T {
        let _clock = entry.map(|entry| Clock { entry, begun: Instant::now() });
        answer.await
    }

    /// Bytes of the answer have gone out.
    pub fn sent(&self, bytes: u64) {
        self.record().sent += bytes;
    }

    /// So many bytes of those that go out are not of the body.
    pub fn head(&self, bytes: u64) {
        self.record().head += bytes;
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time that an application takes; noted when it is dropped.
#[derive(Debug)]
struct Clock {
    entry: Entry,
    begun: Instant,
}

impl Drop for Clock {
    fn drop(&mut self) {
        *self.entry.record().upstream.get_or_insert_default() += self.begun.elapsed();
    }
}

impl Record {
    fn new(log: &'static Log, peer: impl Display) -> Self {
        Self {
            log,
            begun: Instant::now(),
            method: "".into(),
            uri: "".into(),
            protocol: "",
            peer: peer.to_string().into(),
            client: None,
            forwarded_for: None,
            referer: None,
            agent: None,
            transport: None,
            channels: Vec::new(),
            status: None,
            upstream: None,
            sent: 0,
            head: 0,
        }
    }

    /// Whose request it is; where nobody has said, that of the connection.
    fn client(&self) -> &str {
        let address = || self.peer.rsplit_once(':').map_or(&*self.peer, |(address, _)| address);
        let bare = |address: &'_ str| address.len() >= 2 && address.starts_with('[');
        self.client.as_deref().unwrap_or_else(|| match address() {
            "unix" => "unix:",
            six if bare(six) => &six[1..six.len() - 1],
            four => four,
        })
    }

    /// nginx's `combined`, `$http_x_forwarded_for`, and what is our own.
    fn text(&self) -> String {
        let time = Civil::of(SystemTime::now()).common();
        let mut line = format!("{} - - [{time}] ", self.client());
        let request = [&*self.method, &*self.uri, self.protocol].join(" ");
        quoted(&mut line, Some(request.trim().as_bytes()).filter(|text| !text.is_empty()));
        let status = self.status.unwrap_or(CLIENT_CLOSED);
        let body = self.sent.saturating_sub(self.head);
        // Writing to a text does not fail.
        let _ = write!(line, " {status} {body} ");
        for field in [&self.referer, &self.agent, &self.forwarded_for] {
            quoted(&mut line, field.as_deref());
            line.push(' ');
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let transport = self.transport.unwrap_or("-");
        let _ = write!(line, "{seconds:.3} {} {transport} ", self.peer);
        let channels = self.channels.join(&b","[..]);
        quoted(&mut line, Some(&channels[..]).filter(|names| !names.is_empty()));
        match self.upstream {
            Some(waited) => drop(writeln!(line, " {:.3}", waited.as_secs_f64())),
            None => line.push_str(" -\n"),
        }
        line
    }

    /// An object in one line.
    fn json(&self) -> String {
        let mut line = format!("{{\"time\":\"{}\"", Civil::of(SystemTime::now()));
        let mut field = |name: &str, value: Option<&[u8]>| {
            let _ = write!(line, ",\"{name}\":");
            match value {
                Some(value) => escape::json(&mut line, value),
                None => line.push_str("null"),
            }
        };
        field("client", Some(self.client().as_bytes()));
        field("peer", Some(self.peer.as_bytes()));
        let known = |text: &'_ str| !text.is_empty();
        field("method", Some(self.method.as_bytes()).filter(|_| known(&self.method)));
        field("uri", Some(self.uri.as_bytes()).filter(|_| known(&self.uri)));
        field("protocol", Some(self.protocol.as_bytes()).filter(|_| known(self.protocol)));
        field("referer", self.referer.as_deref());
        field("user_agent", self.agent.as_deref());
        field("forwarded_for", self.forwarded_for.as_deref());
        field("transport", self.transport.map(str::as_bytes));
        let status = self.status.unwrap_or(CLIENT_CLOSED);
        let body = self.sent.saturating_sub(self.head);
        let seconds = self.begun.elapsed().as_secs_f64();
        let _ = write!(line, ",\"status\":{status},\"bytes\":{body},\"seconds\":{seconds:.3}");
        let _ = match self.upstream {
            Some(waited) => write!(line, ",\"upstream_seconds\":{:.3}", waited.as_secs_f64()),
            None => write!(line, ",\"upstream_seconds\":null"),
        };
        line.push_str(",\"channels\":[");
        for (at, name) in self.channels.iter().enumerate() {
            if at > 0 {
                line.push(',');
            }
            escape::json(&mut line, name);
        }
        line + "]}\n"
    }
}

/// A field in double quotes; `"-"` is none.
fn quoted(line: &mut String, field: Option<&[u8]>) {
    line.push('"');
    match field {
        Some(bytes) => escape::text(line, bytes),
        None => line.push('-'),
    }
    line.push('"');
}

impl Drop for Record {
    fn drop(&mut self) {
        let line = match self.log.format {
            Format::Json => self.json(),
            Format::Text => self.text(),
        };
        self.log.lines.put(line.as_bytes());
    }
}
