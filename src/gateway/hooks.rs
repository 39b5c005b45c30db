//! What the application is asked and told of a request.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, request};

use super::{
    Desk,
    walk::{Stop, Way},
};
use crate::{
    access::X_FORWARDED_FOR,
    channel::{ChannelId, MessageId},
    config::{
        Location, Question, Transport,
        variable::{
            Push, Scope,
            later::{Marks, Slot},
        },
    },
    dialect::Dialect,
    grip,
    response::Refusal,
    router::{Captures, normalize},
    subscribe::Visit,
    upstream::{CONDITIONS, Inquiry, Late, Passage, strip_hops},
};

/// The body of an answer that is passed on may have so many bytes.
pub(super) const MAX_ANSWER: usize = 64 << 10;

const X_CHANNEL_ID: HeaderName = HeaderName::from_static("x-channel-id");
const X_CHANNEL_GROUP: HeaderName = HeaderName::from_static("x-channel-group");
const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const X_PUBLISHER_TYPE: HeaderName = HeaderName::from_static("x-publisher-type");
const X_SUBSCRIBER_TYPE: HeaderName = HeaderName::from_static("x-subscriber-type");
pub(super) const X_MESSAGE_ID: HeaderName = HeaderName::from_static("x-message-id");

/// What the gateway itself says of a request: nobody else may.
const OWN: [HeaderName; 7] = [
    X_CHANNEL_ID,
    X_CHANNEL_GROUP,
    X_MESSAGE_ID,
    X_ORIGINAL_METHOD,
    X_ORIGINAL_URI,
    X_PUBLISHER_TYPE,
    X_SUBSCRIBER_TYPE,
];

/// Of a request that is long over, what still says whose it was.
const WHOSE: [HeaderName; 5] =
    [header::AUTHORIZATION, header::COOKIE, header::FORWARDED, header::HOST, X_FORWARDED_FOR];

/// What somebody comes for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// To listen.
    Subscriber(Transport),
    /// To publish, over HTTP.
    Publisher,
    /// To do both, over one WebSocket.
    Both,
}

/// A request that the application is asked about.
#[derive(Clone, Copy)]
pub(super) struct Matter<'a> {
    pub(super) desk: &'a Desk,
    pub(super) way: &'a Way<'a>,
    pub(super) stop: Stop<'a>,
    pub(super) head: &'a request::Parts,
    pub(super) channels: &'a [ChannelId],
    pub(super) role: Role,
    /// Who it is; empty where `push_presence` is off.
    pub(super) identity: &'a [u8],
    /// What a subscriber asks for.
    pub(super) visit: Option<&'a Visit<'a>>,
}

/// When the application gets to know of something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Moment {
    /// At once.
    Now,
    /// When a message comes.
    Publishing,
    /// When somebody has left.
    Leaving,
}

impl Moment {
    /// What nobody knows before it.
    fn open(self) -> &'static [Slot] {
        match self {
            Self::Now => &[],
            Self::Publishing => &[Slot::Count],
            Self::Leaving => &[Slot::Count, Slot::Id],
        }
    }

    /// Marks for what nobody knows before it.
    pub(super) fn marks(self) -> Marks {
        Marks::new(self.open())
    }
}

impl<'a> Matter<'a> {
    pub(super) fn location(&self) -> &'a Location {
        self.stop.location
    }

    /// The variables, with those of the channels.
    pub(super) fn scope<'s>(&'s self, channel_id: &'s [u8]) -> Scope<'s> {
        let subscriber_type = match self.role {
            Role::Subscriber(transport) => transport.name(),
            Role::Both => Transport::WebSocket.name(),
            Role::Publisher => "",
        };
        let scope = self.stop.scope;
        Scope {
            push: Push { channel_id, subscriber_type, identity: self.identity, ..scope.push },
            ..*scope
        }
    }

    pub(super) fn identity(&self) -> &'a [u8] {
        self.identity
    }

    /// A question of this method that is asked now, with all headers of the request.
    pub(super) fn inquiry(&self, question: &Question, method: Method) -> Result<Inquiry, Refusal> {
        self.inquiry_at(question, method, true, (Moment::Now, &Moment::Now.marks()))
    }

    /// A question, with marks for what is known only when it is asked; `whole` says whether it has all
    /// headers of the request.
    pub(super) fn inquiry_at(
        &self,
        question: &Question,
        method: Method,
        whole: bool,
        (moment, marks): (Moment, &Marks),
    ) -> Result<Inquiry, Refusal> {
        let channel_id = self.location().joined(self.channels).ok_or_else(unspeakable)?;
        let scope = self.scope(&channel_id);
        let unfit = || Refusal::BadRequest("The application cannot be asked about this.".into());
        let uri = self.uri(question, &scope, moment, marks).ok_or_else(unfit)?;
        let headers = self.headers(&channel_id, whole)?;
        let (mut head, ()) = http::Request::new(()).into_parts();
        (head.method, head.uri, head.headers) = (method, uri, headers);
        head.version = self.head.version;
        let none = Captures::default();
        let (peer, client, notices) =
            (self.way.client.peer, &self.desk.upstreams, &self.desk.notices);
        let passage = |location, proxy, scope| {
            let redirected = question.to.is_none();
            Passage { client, notices, location, proxy, head: &head, scope, peer, redirected }
                .inquiry()
        };
        let asking =
            Scope { method: &head.method, uri: &head.uri, headers: &head.headers, ..scope };
        if let Some(proxy) = &question.to {
            return passage(self.location(), proxy, &asking);
        }
        let path = normalize(head.uri.path()).map_err(|_| unfit())?;
        let server = &self.way.site.server;
        let found = server.router.find(&path);
        let location = found.as_ref().map(|found| &*server.locations[found.location]);
        let Some((location, proxy)) = location.and_then(|at| Some((at, at.proxy.as_ref()?))) else {
            return Err(Refusal::BadGateway("There is no location to ask.".into()));
        };
        let captures = found.as_ref().map_or(&none, |found| &found.captures);
        passage(location, proxy, &Scope { path: &path, captures, ..asking })
    }

    /// The URI of a question; what is known later has marks.
    fn uri(
        &self,
        question: &Question,
        scope: &Scope<'_>,
        moment: Moment,
        marks: &Marks,
    ) -> Option<Uri> {
        let now = moment == Moment::Now;
        let asked = if now { self.asked() } else { None };
        let late = self.late(question).filter(|_| now);
        let push = Push {
            message_id: asked,
            previous_message_id: asked,
            subscriber_count: late.map(|late| late.count()),
            ..scope.push
        };
        question.uri.expand_uri_with(&Scope { push, ..*scope }, Some(marks))
    }

    /// After which message a subscriber goes on. What is no id is refused when it comes to listening.
    pub(super) fn asked(&self) -> Option<MessageId> {
        self.visit?.asked().ok().flatten()
    }

    /// Whose subscribers are counted when a question is asked, if it says how many there are.
    pub(super) fn late(&self, question: &Question) -> Option<Late> {
        let late = || Late { hub: self.desk.gateway.hub.clone(), channels: self.channels.into() };
        question.uri.counts().then(late)
    }

    /// What the application is told of the request.
    fn headers(&self, channel_id: &[u8], whole: bool) -> Result<HeaderMap, Refusal> {
        let mut headers = self.said();
        if !whole {
            headers = headers
                .iter()
                .filter(|(name, _)| {
                    WHOSE.contains(name) || name.as_str().starts_with("x-forwarded-")
                })
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
        }
        let group = self.channels.first().map(ChannelId::group).unwrap_or_default();
        let [id, group] = [channel_id, group].map(HeaderValue::from_bytes);
        let (Ok(id), Ok(group)) = (id, group) else { return Err(unspeakable()) };
        headers.insert(X_CHANNEL_ID, id);
        if !group.is_empty() {
            headers.insert(X_CHANNEL_GROUP, group);
        }
        let asked = self.stop.scope.asked.path_and_query().map_or("/", |target| target.as_str());
        if let Ok(asked) = HeaderValue::from_str(asked) {
            headers.insert(X_ORIGINAL_URI, asked);
        }
        if let Ok(method) = HeaderValue::from_str(self.head.method.as_str()) {
            headers.insert(X_ORIGINAL_METHOD, method);
        }
        let (subscriber, publisher) = self.kinds();
        for (name, kind) in [(X_SUBSCRIBER_TYPE, subscriber), (X_PUBLISHER_TYPE, publisher)] {
            if let Some(kind) = kind {
                headers.insert(name, HeaderValue::from_static(kind));
            }
        }
        Ok(headers)
    }

    /// What the client says, but for what is none of the application's business.
    fn said(&self) -> HeaderMap {
        let mut headers = self.head.headers.clone();
        // Now, because what the gateway says itself is not the client's to remove.
        strip_hops(&mut headers);
        grip::strip(&mut headers);
        // It means messages, and not pages of the application: "not modified" would be no verdict.
        for name in CONDITIONS.iter().chain(&OWN) {
            headers.remove(name);
        }
        headers
    }

    /// How somebody listens and publishes, in the words of the dialect.
    fn kinds(&self) -> (Option<&'static str>, Option<&'static str>) {
        let name = |transport| named(transport, self.location().dialect);
        match self.role {
            Role::Subscriber(transport) => (Some(name(transport)), None),
            Role::Publisher => (None, Some("http")),
            Role::Both => (Some(name(Transport::WebSocket)), Some("websocket")),
        }
    }
}

fn unspeakable() -> Refusal {
    Refusal::BadRequest("The channel's name cannot be told to the application.".into())
}

/// The name of a transport in a dialect.
fn named(transport: Transport, dialect: &Dialect) -> &'static str {
    let Some(names) = &dialect.subscriber_types else { return transport.name() };
    match transport {
        Transport::Chunked => names.chunked,
        Transport::EventSource => names.event_source,
        Transport::IntervalPoll => names.interval_poll,
        Transport::LongPoll => names.long_poll,
        Transport::Multipart => names.multipart,
        Transport::Raw => names.raw,
        Transport::Stream => names.stream,
        Transport::WebSocket => names.websocket,
    }
}
