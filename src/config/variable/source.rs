//! Where the value of each variable comes from.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, Uri, header};
use percent_encoding::percent_decode;

use super::{Scope, TemplateError};
use crate::{
    access::Peer, channel::MessageId, config::nearest::nearest, credentials::Token, router::Pattern,
};

/// Where the value of a variable is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Source {
    Argument(Box<str>),
    Capture(usize),
    Claim(Box<str>),
    Cookie(Box<str>),
    Header(HeaderName),
    Known(Known),
}

/// The variables with a fixed name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Known {
    Args,
    ChannelEvent,
    ChannelId,
    Connection,
    Host,
    Identity,
    MessageId,
    PreviousMessageId,
    RemoteAddr,
    RemotePort,
    RequestId,
    RequestMethod,
    RequestUri,
    Scheme,
    ServerName,
    SubscriberCount,
    SubscriberType,
    Uri,
}

const KNOWN: [(&str, Known); 18] = [
    ("args", Known::Args),
    ("connection", Known::Connection),
    ("host", Known::Host),
    ("push_channel_event", Known::ChannelEvent),
    ("push_channel_id", Known::ChannelId),
    ("push_identity", Known::Identity),
    ("push_message_id", Known::MessageId),
    ("push_previous_message_id", Known::PreviousMessageId),
    ("push_subscriber_count", Known::SubscriberCount),
    ("push_subscriber_type", Known::SubscriberType),
    ("remote_addr", Known::RemoteAddr),
    ("remote_port", Known::RemotePort),
    ("request_id", Known::RequestId),
    ("request_method", Known::RequestMethod),
    ("request_uri", Known::RequestUri),
    ("scheme", Known::Scheme),
    ("server_name", Known::ServerName),
    ("uri", Known::Uri),
];

/// Keys of what is told when it has happened.
const TOLD: [&str; 2] = ["push_unsubscribe_request", "push_channel_event_string"];
/// Keys of what is told to other subscribers.
const EVENTS: [&str; 2] = ["push_channel_events", "push_channel_event_string"];

impl Source {
    /// The variable of a name, which may be a group of the location's pattern.
    pub(super) fn find(name: &str, pattern: &Pattern) -> Result<Self, TemplateError> {
        let groups = pattern.groups();
        if let Some(named) = groups.iter().position(|group| group.as_deref() == Some(name)) {
            return Ok(Self::Capture(named + 1));
        }
        if let Ok(number @ 1..) = name.parse::<usize>() {
            return if number <= groups.len() {
                Ok(Self::Capture(number))
            } else {
                Err(TemplateError::NoGroup {
                    number,
                    path: pattern.to_string(),
                    groups: groups.len(),
                })
            };
        }
        let lower = name.to_ascii_lowercase();
        let after = |prefix| lower.strip_prefix(prefix).filter(|rest| !rest.is_empty());
        if let Some((_, known)) = KNOWN.iter().find(|known| known.0 == lower) {
            Ok(Self::Known(*known))
        } else if let Some(argument) = after("arg_") {
            Ok(Self::Argument(argument.into()))
        } else if let Some(claim) = name.get(..4).filter(|_| after("jwt_").is_some()) {
            Ok(Self::Claim(name[claim.len()..].into()))
        } else if let Some(cookie) = after("cookie_") {
            Ok(Self::Cookie(cookie.into()))
        } else if let Some(header) =
            after("http_").and_then(|name| name.replace('_', "-").parse().ok())
        {
            Ok(Self::Header(header))
        } else {
            Err(unknown(name, &groups))
        }
    }

    /// Whether the client chooses the value; in an internal location the target is the application's.
    pub(super) fn is_chosen(&self, internal: bool) -> bool {
        match self {
            Self::Cookie(_) | Self::Header(_) => true,
            Self::Argument(_) | Self::Capture(_) => !internal,
            Self::Claim(_) => false,
            Self::Known(known) => match known {
                Known::Host | Known::RequestMethod | Known::RequestUri => true,
                Known::Args | Known::Uri => !internal,
                _ => false,
            },
        }
    }

    /// Whether it is always empty in the value of a key.
    pub(super) fn is_never_known(&self, key: &str) -> bool {
        let Self::Known(known) = self else { return false };
        let asks = ["push_authorize_request", "push_subscribe_request"];
        match known {
            Known::ChannelEvent => !EVENTS.contains(&key),
            Known::ChannelId => ["push_channel_id", "push_channel_group"].contains(&key),
            Known::PreviousMessageId => !asks.contains(&key),
            Known::MessageId => !asks.contains(&key) && !TOLD.contains(&key),
            Known::SubscriberCount => {
                key != "push_publisher_upstream_request"
                    && !asks.contains(&key)
                    && !TOLD.contains(&key)
            }
            _ => false,
        }
    }

    /// The claim that it is, if a token does not have it, or has it empty.
    pub(super) fn missing_claim(&self, token: &Token) -> Option<&str> {
        let Self::Claim(name) = self else { return None };
        token.text(name).is_none_or(|text| text.is_empty()).then_some(name)
    }

    /// The value in a request, empty if the request has none.
    pub(super) fn look_up<'a>(&'a self, scope: &Scope<'a>) -> Cow<'a, [u8]> {
        match self {
            Self::Argument(name) => argument(scope.uri.query().unwrap_or_default(), name),
            Self::Capture(group) => scope.captures.get(*group).unwrap_or_default().into(),
            Self::Claim(name) => shown(scope.token.and_then(|token| token.text(name))),
            Self::Cookie(name) => cookie(scope.headers, name).unwrap_or_default().into(),
            Self::Header(name) => header_value(scope.headers, name),
            Self::Known(known) => known.look_up(scope),
        }
    }
}

/// The prefixes of variables with any name behind them.
const FAMILIES: [&str; 4] = ["arg_", "cookie_", "http_", "jwt_"];

fn unknown(name: &str, groups: &[Option<String>]) -> TemplateError {
    let rest = name.split_once('_').map(|(_, rest)| rest);
    let rest = rest.filter(|rest| !rest.is_empty()).unwrap_or("NAME");
    let families = FAMILIES.map(|family| format!("{family}{rest}"));
    let captures = groups.iter().flatten().chain(&families).map(String::as_str);
    let names = KNOWN.iter().map(|known| known.0).chain(captures);
    let nearest = nearest(name, names).map(str::to_owned);
    TemplateError::Unknown { name: name.to_owned(), nearest }
}

impl Known {
    fn look_up<'a>(self, scope: &Scope<'a>) -> Cow<'a, [u8]> {
        let id = |id: Option<MessageId>| shown(id.map(|id| id.to_string()));
        match self {
            Self::Args => bytes(scope.uri.query().unwrap_or_default()),
            Self::ChannelEvent => bytes(scope.push.event),
            Self::Identity => Cow::Borrowed(scope.push.identity),
            Self::ChannelId => Cow::Borrowed(scope.push.channel_id),
            Self::Connection => shown(Some(scope.connection.shown().to_string())),
            Self::Host => host(scope),
            Self::MessageId => id(scope.push.message_id),
            Self::PreviousMessageId => id(scope.push.previous_message_id),
            Self::RemoteAddr => match scope.peer {
                Peer::Inet(address, _) => shown(Some(address.to_string())),
                Peer::Unix => bytes("unix:"),
            },
            Self::RemotePort => match scope.peer {
                Peer::Inet(_, port) => shown(Some(port.to_string())),
                Peer::Unix => bytes(""),
            },
            Self::RequestId => shown(Some(format!("{:032x}", scope.request_id))),
            Self::RequestMethod => bytes(scope.method.as_str()),
            Self::RequestUri => {
                bytes(scope.asked.path_and_query().map_or("", http::uri::PathAndQuery::as_str))
            }
            Self::Scheme => bytes(scope.scheme),
            Self::ServerName => bytes(scope.server_name),
            Self::SubscriberCount => {
                shown(scope.push.subscriber_count.map(|count| count.to_string()))
            }
            Self::SubscriberType => bytes(scope.push.subscriber_type),
            Self::Uri => Cow::Borrowed(scope.path),
        }
    }
}

fn bytes(text: &str) -> Cow<'_, [u8]> {
    Cow::Borrowed(text.as_bytes())
}

fn shown<'a>(text: Option<String>) -> Cow<'a, [u8]> {
    text.map_or(Cow::Borrowed(b""), |text| Cow::Owned(text.into_bytes()))
}

/// The first argument of the name that has a `=`, percent-decoded once; a `+` stays a `+`.
pub(super) fn argument<'a>(query: &'a str, name: &str) -> Cow<'a, [u8]> {
    let arguments = query.as_bytes().split(|byte| *byte == b'&');
    let mut pairs = arguments.filter_map(|argument| {
        let equals = argument.iter().position(|byte| *byte == b'=')?;
        Some((&argument[..equals], &argument[equals + 1..]))
    });
    let found = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
    found.map_or(Cow::Borrowed(b""), |(_, value)| percent_decode(value).into())
}

/// The first cookie of the name (RFC 6265 section 4.2.1).
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.into_iter().find_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        key.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
    })
}

/// The value of a header; several are joined, as they mean the same (RFC 9110 section 5.3).
fn header_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Cow<'a, [u8]> {
    let mut values = headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
    let first = Cow::Borrowed(values.next().unwrap_or_default());
    values.fold(first, |joined, value| Cow::Owned([&joined, &b", "[..], value].concat()))
}

/// The host that was asked for, without port and in lower case, else the server's name.
fn host<'a>(scope: &Scope<'a>) -> Cow<'a, [u8]> {
    let host = requested_host(scope.asked, scope.headers).trim_end_matches('.');
    match host {
        "" => bytes(scope.server_name),
        _ if host.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            Cow::Owned(host.to_ascii_lowercase().into_bytes())
        }
        _ => bytes(host),
    }
}

/// The host that a request asks for, without port: that of its target, else of its `Host`, else
/// empty (RFC 9112 section 3.2.2).
pub fn requested_host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    uri.host().or(named).map_or("", host_of)
}

/// `host[:port]` without the port.
fn host_of(authority: &str) -> &str {
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let port = authority[end..].find(':').map_or(authority.len(), |colon| end + colon);
    &authority[..port]
}
