//! Clients of every transport, which resume from the last message they had.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Write as _},
    net::SocketAddr,
    time::{Duration, UNIX_EPOCH},
};

use flate2::write::GzDecoder;
use tokio::time::sleep;

pub use crate::ledger::Id;
use crate::{
    conn::{Conn, Head},
    formats::{self, Event, Message},
    frames,
};

/// How a client listens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// `Last-Modified` and `Etag` go back as they came.
    LongPoll,
    /// The same, with everything that waits in a document, ...
    BatchJson,
    /// ... in parts, ...
    BatchMultipart,
    /// ... in lines, ...
    BatchRaw,
    /// ... or in a call of a function.
    Jsonp,
    /// A long poll that sends back the `Etag` of the answer before, as browsers do unasked.
    Cursorless,
    /// `Last-Event-ID`.
    Events,
    /// The same, compressed.
    Gzip,
    /// Lines of `~id~ ~text~`, resumed by `last_event_id`.
    Stream,
    /// Parts, resumed by `Last-Modified` and `Etag` of the last.
    Multipart,
    /// A chunk is a message, and that is all.
    Chunked,
    /// A line is a message, and that is all.
    Raw,
    /// `ws+meta.nchan`, resumed by `last_event_id`.
    Socket,
    /// The same, compressed.
    Deflate,
    /// A WebSocket whose frames are the messages, and that is all.
    Bare,
    /// The JSON poll, with `since`.
    Json,
    /// A message a poll, or 304; `Last-Modified` and `Etag` go back as they came.
    Interval,
    /// As [`Way::LongPoll`], compressed.
    Packed,
    /// A page that calls a function with each message, and that is all.
    Iframe,
}

impl Way {
    /// One of each kind.
    pub const ALL: [Self; 17] = [
        Self::LongPoll,
        Self::Events,
        Self::Socket,
        Self::Stream,
        Self::Json,
        Self::Multipart,
        Self::Cursorless,
        Self::Gzip,
        Self::BatchJson,
        Self::Deflate,
        Self::BatchMultipart,
        Self::Chunked,
        Self::Bare,
        Self::Raw,
        Self::Jsonp,
        Self::BatchRaw,
        Self::Interval,
    ];

    /// Further forms of what is in [`Way::ALL`].
    pub const FORMS: [Self; 2] = [Self::Packed, Self::Iframe];

    /// Those that wait for messages.
    pub fn held() -> Vec<Self> {
        Self::ALL.into_iter().filter(|way| way.waits()).collect()
    }

    /// Those whose answer goes on.
    pub fn endless() -> Vec<Self> {
        Self::ALL.into_iter().filter(|way| !way.polls()).collect()
    }

    /// Those that can say after any message where they were.
    pub fn resuming() -> Vec<Self> {
        Self::ALL.into_iter().filter(|way| way.resumes()).collect()
    }

    /// The location that serves it in [`crate::scene::locations`].
    fn path(self) -> &'static str {
        match self {
            Self::LongPoll => "/poll",
            Self::BatchJson => "/batch-json",
            Self::BatchMultipart => "/batch-multipart",
            Self::BatchRaw => "/batch-raw",
            Self::Jsonp => "/jsonp",
            Self::Cursorless => "/cursorless",
            Self::Events => "/events",
            Self::Gzip => "/gzip",
            Self::Stream => "/stream",
            Self::Raw => "/raw",
            Self::Json => "/json",
            Self::Interval => "/interval",
            Self::Packed => "/packed",
            Self::Iframe => "/iframe",
            // By what they ask for.
            Self::Multipart | Self::Chunked | Self::Socket | Self::Deflate | Self::Bare => "/any",
        }
    }

    /// The headers by which it asks for its transport.
    fn headers(self) -> String {
        match self {
            Self::Gzip | Self::Packed => "Accept-Encoding: gzip\r\n".into(),
            Self::Multipart => "Accept: multipart/mixed\r\n".into(),
            Self::Chunked => "TE: chunked\r\n".into(),
            Self::Bare => frames::HANDSHAKE.into(),
            Self::Socket => format!("{}{}", frames::HANDSHAKE, frames::META),
            Self::Deflate => {
                format!("{}{}{}", frames::HANDSHAKE, frames::META, frames::DEFLATE)
            }
            _ => String::new(),
        }
    }

    /// What a client without a place asks for, and the headers of it; `channels` as `a,b`.
    pub fn request(self, channels: &str) -> (String, String) {
        let callback =
            if self == Self::Jsonp { format!("&callback={CALLBACK}") } else { String::new() };
        (format!("{}?c={channels}{callback}", self.path()), self.headers())
    }

    /// Whether it waits for messages.
    pub fn waits(self) -> bool {
        !matches!(self, Self::Json | Self::Interval)
    }

    /// Whether each answer ends.
    pub fn polls(self) -> bool {
        match self {
            Self::LongPoll
            | Self::BatchJson
            | Self::BatchMultipart
            | Self::BatchRaw
            | Self::Jsonp
            | Self::Cursorless
            | Self::Json
            | Self::Interval
            | Self::Packed => true,
            Self::Events
            | Self::Gzip
            | Self::Stream
            | Self::Multipart
            | Self::Chunked
            | Self::Raw
            | Self::Iframe
            | Self::Socket
            | Self::Deflate
            | Self::Bare => false,
        }
    }

    /// Whether it can say after any message where it was.
    pub fn resumes(self) -> bool {
        !matches!(
            self,
            Self::BatchRaw | Self::Jsonp | Self::Chunked | Self::Raw | Self::Iframe | Self::Bare
        )
    }

    /// Whether it is told that messages are gone.
    pub fn hears_of_gaps(self) -> bool {
        self.polls() || matches!(self, Self::Events | Self::Gzip)
    }

    pub fn is_socket(self) -> bool {
        matches!(self, Self::Socket | Self::Deflate | Self::Bare)
    }
}

/// Why nothing more comes.
#[derive(Debug)]
pub enum End {
    /// The request is answered so.
    Status(u16),
    /// The server ended the response as its transport does, for this reason if it says one.
    Over(String),
    /// The connection ended.
    Broken(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Time between two polls of a client that does not wait.
const INTERVAL: Duration = Duration::from_millis(40);
/// The function that the calls of [`Way::Jsonp`] call.
const CALLBACK: &str = "parent.handle";

/// A subscriber that comes back.
pub struct Listener {
    pub way: Way,
    address: SocketAddr,
    channels: String,
    /// What it asks for beside that until it has had a message: arguments as `&a=b`, and lines of
    /// headers.
    pub at_first: (String, String),
    /// The id of the last message it had.
    pub last: Option<Id>,
    /// The tag of the last answer it had, if that is what it sends back.
    tag: Option<String>,
    pub conn: Option<Conn>,
    /// The answer to a poll is on its way.
    asked: bool,
    /// What ends a message of its response.
    end: String,
    gunzip: Option<GzDecoder<Vec<u8>>>,
    text: String,
    ready: VecDeque<Message>,
    /// Gaps that it was told.
    pub gaps: usize,
}

impl Listener {
    /// `channels` as `a,b`.
    pub fn new(address: SocketAddr, way: Way, channels: &str) -> Self {
        Self {
            way,
            address,
            channels: channels.into(),
            at_first: Default::default(),
            last: None,
            tag: None,
            conn: None,
            asked: false,
            end: String::new(),
            gunzip: None,
            text: String::new(),
            ready: VecDeque::new(),
            gaps: 0,
        }
    }

    /// The next message; reconnects if there is no connection.
    pub async fn next(&mut self) -> Result<Message, End> {
        while self.ready.is_empty() {
            if self.way.polls() {
                if !self.asked {
                    self.ask().await?;
                }
                self.answer().await?;
            } else {
                if !self.asked {
                    self.start().await?;
                }
                self.endless().await?;
            }
        }
        let (id, text) = self.ready.pop_front().unwrap();
        self.last = id.or(self.last);
        Ok((id, text))
    }

    /// Goes away, and forgets what it has received and not looked at.
    pub fn hang_up(&mut self) {
        assert!(self.way.resumes(), "{:?} cannot come back", self.way);
        (self.conn, self.asked) = (None, false);
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

    /// As [`Way::request`], with the place where it left off.
    fn request(&self) -> (String, String) {
        let (target, headers) = self.way.request(&self.channels);
        let (arguments, lines) = match (self.last, &self.tag) {
            (None, None) => self.at_first.clone(),
            (None, Some(tag)) => (String::new(), format!("If-None-Match: {tag}\r\n")),
            (Some(last), _) => self.place(last),
        };
        (target + &arguments, headers + &lines)
    }

    /// How it says that it has had a message.
    fn place(&self, (time, tag): Id) -> (String, String) {
        match self.way {
            Way::Events | Way::Gzip => (String::new(), format!("Last-Event-ID: {time}:{tag}\r\n")),
            Way::Json => (format!("&since={time}:{tag}"), String::new()),
            way if way.polls() || way == Way::Multipart => {
                let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(time));
                let lines = format!("If-Modified-Since: {date}\r\nIf-None-Match: {tag}\r\n");
                (String::new(), lines)
            }
            _ => (format!("&last_event_id={time}:{tag}"), String::new()),
        }
    }

    /// Asks, so that it waits before the first [`Listener::next`]; where the head goes ahead of the
    /// messages, it has come.
    pub async fn begin(&mut self) -> Result<(), End> {
        if self.way.polls() { Ok(self.ask().await?) } else { self.start().await }
    }

    async fn ask(&mut self) -> io::Result<()> {
        let (target, headers) = self.request();
        self.asked = true;
        self.conn().await?.get(&target, &headers).await
    }

    /// Asks, and waits for the head of a response that goes on.
    async fn start(&mut self) -> Result<(), End> {
        self.ask().await?;
        let head = self.conn().await?.head().await?;
        let wanted = if self.way.is_socket() { 101 } else { 200 };
        if head.status != wanted {
            return Err(End::Status(head.status));
        }
        self.end = match self.way {
            Way::Multipart => format!("\r\n{}", formats::boundary(&head)),
            Way::Events | Way::Gzip => "\n\n".into(),
            _ => "\n".into(),
        };
        let coding = head.header("content-encoding");
        assert_eq!(coding, (self.way == Way::Gzip).then_some("gzip"));
        self.gunzip = coding.map(|_| GzDecoder::new(Vec::new()));
        if self.way == Way::Multipart {
            // The first delimiter, as if a part had ended.
            let opening = self.conn().await?.chunk().await?.unwrap();
            assert_eq!(opening, self.end.as_bytes()[2..]);
        }
        Ok(())
    }

    /// Takes the answer to a poll.
    async fn answer(&mut self) -> Result<(), End> {
        self.asked = false;
        let (head, body) = self.conn().await?.response().await?;
        if (self.way, head.status) == (Way::Interval, 304) {
            sleep(INTERVAL).await;
            return Ok(());
        }
        if head.status != 200 {
            return Err(End::Status(head.status));
        }
        self.gaps += usize::from(head.header("x-push-gap").is_some());
        if self.way == Way::Json {
            self.ready.extend(formats::document(&body));
            if self.ready.is_empty() {
                sleep(INTERVAL).await;
            }
            return Ok(());
        }
        self.ready.extend(self.messages(&head, body));
        assert!(!self.ready.is_empty(), "{head:?}");
        if self.way == Way::Cursorless {
            self.tag = head.header("etag").map(Into::into);
            return Ok(());
        }
        // The head tells the last of them.
        let last = Some(formats::cursor_of(&head));
        let told = &mut self.ready.back_mut().unwrap().0;
        assert!(told.is_none() || *told == last, "{told:?} {head:?}");
        *told = last;
        Ok(())
    }

    fn messages(&self, head: &Head, body: Vec<u8>) -> Vec<Message> {
        if self.way == Way::BatchJson {
            return formats::document(&body);
        }
        let body = if self.way == Way::Packed { formats::unpacked(head, body) } else { body };
        let body = String::from_utf8(body).unwrap();
        match self.way {
            Way::BatchMultipart => formats::parts(&body, &formats::boundary(head)),
            Way::BatchRaw => formats::lines(&body),
            Way::Jsonp => formats::script(&body, CALLBACK),
            // Blanks keep it alive.
            Way::Cursorless => vec![(None, body.trim_start_matches(' ').into())],
            _ => vec![(None, body)],
        }
    }

    async fn endless(&mut self) -> Result<(), End> {
        if self.way.is_socket() {
            return self.frame().await;
        }
        let Some(chunk) = self.conn().await?.chunk().await? else {
            if let Some(gunzip) = &mut self.gunzip {
                // Its checksum is right.
                gunzip.try_finish()?;
            }
            return Err(End::Over(String::new()));
        };
        let chunk = match &mut self.gunzip {
            Some(gunzip) => {
                gunzip.write_all(&chunk)?;
                gunzip.flush()?;
                std::mem::take(gunzip.get_mut())
            }
            None => chunk,
        };
        let chunk = String::from_utf8(chunk).unwrap();
        if self.way == Way::Chunked {
            self.ready.push_back((None, chunk));
            return Ok(());
        }
        self.text.push_str(&chunk);
        while let Some(at) = self.text.find(&self.end) {
            let rest = self.text.split_off(at + self.end.len());
            let mut block = std::mem::replace(&mut self.text, rest);
            block.truncate(at);
            self.block(&block)?;
        }
        Ok(())
    }

    /// A message of an endless response, without its end.
    fn block(&mut self, block: &str) -> Result<(), End> {
        let message = match self.way {
            Way::Raw => (None, block.to_owned()),
            Way::Iframe => match formats::call(block) {
                Some(text) => (None, text),
                None => return Ok(()),
            },
            Way::Stream => {
                let (name, text) = block.split_once(' ').unwrap();
                // In the push stream module's dialect it is a number, which is no id.
                (name.contains(':').then(|| formats::id(name)), text.to_owned())
            }
            Way::Multipart => formats::part(block),
            _ => match formats::event(block) {
                Event::Message(message) => message,
                Event::Close(why) => return Err(End::Over(why)),
                Event::Gap => {
                    self.gaps += 1;
                    return Ok(());
                }
                Event::None => return Ok(()),
            },
        };
        self.ready.push_back(message);
        Ok(())
    }

    async fn frame(&mut self) -> Result<(), End> {
        let text = match frames::text(self.conn().await?).await? {
            Ok(text) => text,
            Err((code, reason)) => return Err(End::Over(format!("{code} {reason}"))),
        };
        let message = if self.way == Way::Bare {
            (None, text)
        } else {
            let (meta, text) = text.split_once("\n\n").unwrap();
            let name = meta.lines().next().and_then(|line| line.strip_prefix("id: "));
            (Some(formats::id(name.unwrap())), text.to_owned())
        };
        self.ready.push_back(message);
        Ok(())
    }
}

impl End {
    /// The end of the stream, where there should have been more.
    pub fn is_cut(&self) -> bool {
        let kinds = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
        matches!(self, Self::Broken(error) if kinds.contains(&error.kind()))
    }
}
