//! What an application's answer asks for: `Grip-*` headers, or a body of `application/grip-instruct`.

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode, header};
use serde_json::Value;

use super::{
    Filter, INSTRUCT_TYPE, KeepAlive, Malformed, Meta, PREFIX,
    item::reply,
    json::Object,
    params::{pair, split},
};
use crate::channel::Reply;

/// Channels that one request may wait for; more are left out.
const MAX_CHANNELS: usize = 20;
/// How long a request waits for its answer, where the application does not say it, ...
const TIMEOUT: Duration = Duration::from_secs(55);
/// ... and at least.
const LEAST_TIMEOUT: u64 = 5;
/// After which silence the next link is asked, where the application does not say it, ...
const LINK_TIMEOUT: Duration = Duration::from_mins(2);
/// ... and at least.
const LEAST_LINK_TIMEOUT: u64 = 1;
/// An application that says more means never.
const MOST: u64 = 86_400;

/// What is to become of a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Instruct {
    /// Whether it waits, and how.
    pub hold: Option<Hold>,
    /// For what it waits.
    pub channels: Vec<Channel>,
    /// How long, if it waits for its answer; `None`: the default.
    pub timeout: Option<Duration>,
    /// What is sent meanwhile.
    pub keep_alive: Option<KeepAlive>,
    /// The status of the answer, if it is another one than that of the instructions.
    pub status: Option<(StatusCode, Option<Box<str>>)>,
    /// The headers that the client may have, if not all.
    pub expose: Option<Vec<HeaderName>>,
    /// What filters know of the subscriber.
    pub meta: Meta,
    /// Where the application tells what follows.
    pub next: Option<Link>,
    /// Where the application is told that the client is gone.
    pub gone: Option<Box<str>>,
    /// The answer, where the instructions are the body.
    pub response: Option<Reply>,
}

/// How a request waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hold {
    /// For its answer.
    Response,
    /// Within its answer, which goes on.
    Stream,
}

/// A channel that a request waits for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Channel {
    /// Its name.
    pub name: Box<str>,
    /// The id of the last item that the client has.
    pub previous: Option<Box<str>>,
    /// What becomes of its messages.
    pub filters: Vec<Filter>,
}

/// Where the application tells more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// Relative to the request.
    pub uri: Box<str>,
    /// After which silence it is asked.
    pub timeout: Duration,
}

/// Whether an answer has instructions.
pub fn is_instructed(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with(PREFIX)) || is_body(headers)
}

/// Whether the body is instructions.
fn is_body(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    let essence = value.and_then(|value| value.split(|byte| *byte == b';').next());
    essence
        .is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(INSTRUCT_TYPE.as_bytes()))
}

impl Instruct {
    /// Reads those of an answer with this body; of one that goes on it need not be there.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Malformed> {
        let read = if is_body(headers) { Self::body(body)? } else { Self::headers(headers)? };
        read.check()?;
        Ok(read)
    }

    /// Whether the whole answer has to be there before anything is done.
    pub fn needs_body(headers: &HeaderMap) -> bool {
        let names = ["grip-hold", "grip-link"];
        is_body(headers) || names.iter().any(|name| headers.contains_key(*name))
    }

    fn headers(headers: &HeaderMap) -> Result<Self, Malformed> {
        let mut read = Self::default();
        for (name, value) in headers {
            let Some(own) = name.as_str().strip_prefix(PREFIX) else { continue };
            let spelled = || spelled(own);
            let value = str::from_utf8(value.as_bytes());
            let value = value.map_err(|_| Malformed::at(&spelled(), "is no UTF-8"))?;
            read.header(own, value).map_err(|what| Malformed::at(&spelled(), what))?;
        }
        if let Some(value) = headers.get("grip-keep-alive").and_then(|value| value.to_str().ok()) {
            read.keep_alive = Some(KeepAlive::header(value)?);
        }
        Ok(read)
    }

    fn header(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        match name {
            "hold" => self.hold = Some(hold(value.trim())?),
            "channel" => {
                for element in split(value, ',') {
                    self.channels.push(channel(element)?);
                }
            }
            "timeout" => self.timeout = Some(seconds(value, LEAST_TIMEOUT)?),
            "status" => self.status = Some(status(value)?),
            "expose-headers" => {
                let names = split(value, ',').map(HeaderName::try_from);
                let names = names.collect::<Result<Vec<_>, _>>().map_err(|_| "names no header")?;
                self.expose.get_or_insert_default().extend(names);
            }
            "set-meta" => {
                for (name, value) in split(value, ',').map(pair) {
                    self.meta.set(name, &value)?;
                }
            }
            "link" => {
                for element in split(value, ',') {
                    self.link(element)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn link(&mut self, element: &str) -> Result<(), &'static str> {
        let mut parts = split(element, ';');
        let uri = parts.next().and_then(|part| part.strip_prefix('<')?.strip_suffix('>'));
        let uri = uri.ok_or("is no link")?;
        let (mut relation, mut timeout) = (None, LINK_TIMEOUT);
        for (name, value) in parts.map(pair) {
            match name {
                "rel" => relation = Some(value),
                "timeout" => timeout = seconds(&value, LEAST_LINK_TIMEOUT)?,
                _ => {}
            }
        }
        match relation.as_deref() {
            Some("next") => self.next = Some(Link { uri: uri.into(), timeout }),
            Some("gone") => self.gone = Some(uri.into()),
            _ => {}
        }
        Ok(())
    }

    fn body(body: &[u8]) -> Result<Self, Malformed> {
        let what = |error| Malformed(format!("The instructions are no JSON: {error}."));
        let value: Value = serde_json::from_slice(body).map_err(what)?;
        let object = Object::new(&value, "")
            .map_err(|_| Malformed("The instructions are no object.".to_owned()))?;
        let response = object.object("response")?.as_ref().map(reply).transpose()?;
        let mut read = Self { response, ..Self::default() };
        let Some(held) = object.object("hold")? else { return Ok(read) };
        let wrong = |name: &str, what| held.wrong(name, what);
        let mode = held.text("mode")?.unwrap_or("response");
        read.hold = Some(hold(mode).map_err(|what| wrong("mode", what))?);
        for (at, value) in held.list("channels")?.iter().enumerate() {
            let place = format!("{}[{at}]", held.place("channels"));
            read.channels.push(channel_object(&Object::new(value, place)?)?);
        }
        let bounded = |seconds: u64| Duration::from_secs(seconds.clamp(LEAST_TIMEOUT, MOST));
        read.timeout = held.number("timeout")?.map(bounded);
        let keep_alive = held.object("keep-alive")?;
        read.keep_alive = keep_alive.as_ref().map(KeepAlive::object).transpose()?;
        for (name, value) in held.pairs("meta")? {
            read.meta.set(name, value).map_err(|what| wrong("meta", what))?;
        }
        Ok(read)
    }

    /// What belongs together.
    fn check(&self) -> Result<(), Malformed> {
        let wrong = |what: &str| Err(Malformed(what.to_owned()));
        if self.hold.is_some() && self.channels.is_empty() {
            return wrong("There is a hold and no channel.");
        }
        let ordered = self.channels.iter().any(|channel| channel.previous.is_some());
        if self.hold == Some(Hold::Stream) && ordered && self.next.is_none() {
            return wrong("There is a prev-id in a stream, and no link to what follows.");
        }
        Ok(())
    }

    /// The channels that count, each once.
    pub fn wanted(&self) -> Vec<Channel> {
        let mut wanted: Vec<Channel> = Vec::new();
        for channel in &self.channels {
            if wanted.len() < MAX_CHANNELS && !wanted.iter().any(|one| one.name == channel.name) {
                wanted.push(channel.clone());
            }
        }
        wanted
    }

    /// How long a request waits for its answer.
    pub fn patience(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }
}

/// A header's name as it is usually written.
fn spelled(own: &str) -> String {
    let words = own.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    format!("Grip-{}", words.collect::<Vec<_>>().join("-"))
}

fn hold(mode: &str) -> Result<Hold, &'static str> {
    match mode {
        "response" => Ok(Hold::Response),
        "stream" => Ok(Hold::Stream),
        _ => Err("is neither response nor stream"),
    }
}

fn channel(element: &str) -> Result<Channel, &'static str> {
    let mut parts = split(element, ';');
    let mut channel =
        Channel { name: parts.next().unwrap_or_default().into(), ..Channel::default() };
    for (name, value) in parts.map(pair) {
        match name {
            "prev-id" => channel.previous = Some(value.into()),
            "filter" => {
                channel
                    .filters
                    .push(Filter::parse(&value).ok_or("names a filter that there is not")?);
            }
            _ => {}
        }
    }
    if channel.name.is_empty() {
        return Err("has an entry without a name");
    }
    Ok(channel)
}

fn channel_object(object: &Object<'_>) -> Result<Channel, Malformed> {
    let name = object.text("name")?.filter(|name| !name.is_empty());
    let unknown = || object.wrong("filters", "names a filter that there is not");
    let filters = object.texts("filters")?.unwrap_or_default();
    let filters = filters.into_iter().map(|name| Filter::parse(name).ok_or_else(unknown));
    Ok(Channel {
        name: name.ok_or_else(|| object.wrong("name", "is missing"))?.into(),
        previous: object.text("prev-id")?.map(Into::into),
        filters: filters.collect::<Result<_, _>>()?,
    })
}

fn seconds(value: &str, least: u64) -> Result<Duration, &'static str> {
    let seconds: u64 =
        value.trim().parse().map_err(|_| "has a time that is no number of seconds")?;
    Ok(Duration::from_secs(seconds.clamp(least, MOST)))
}

fn status(value: &str) -> Result<(StatusCode, Option<Box<str>>), &'static str> {
    let (code, reason) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    let code = StatusCode::from_bytes(code.as_bytes()).ok();
    let code = code.filter(|code| !code.is_informational()).ok_or("is no status")?;
    Ok((code, (!reason.is_empty()).then(|| reason.into())))
}

#[cfg(test)]
mod tests;
