//! Messages of a WebSocket that its application addresses to the gateway: TEXT that begins with `c:`.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use serde_json::Value;

use super::{Channel, Event, Filter, KeepAlive, Malformed, json::Object};
use crate::channel::Kind;

/// What marks a message for the gateway.
const CONTROL: &[u8] = b"c:";
/// What marks one for the client, where the application does not say it.
const DATA: &str = "m:";

/// What the application asks of the gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// The client gets the messages of a channel, too.
    Subscribe(Channel),
    /// It gets those of a channel no more.
    Unsubscribe(Box<str>),
    /// What the client sends is not for the application any more.
    Detach,
    /// A fact for filters; `None` forgets it.
    SetMeta(Box<str>, Option<Box<str>>),
    /// What is sent where nothing else is; `None`: nothing.
    KeepAlive(Option<(KeepAlive, Kind)>),
}

/// Which messages are whose, as the application agreed to it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Control {
    /// The prefix of messages for clients; `None`: all are for clients.
    prefix: Option<Box<str>>,
}

impl Control {
    /// As the `Sec-WebSocket-Extensions` of the first answer say it.
    pub fn agreed(extensions: &str) -> Self {
        let grip = super::params::split(extensions, ',').find_map(|extension| {
            let mut parts = super::params::split(extension, ';');
            (parts.next() == Some("grip")).then_some(parts)
        });
        let prefix = grip.map(|parts| {
            let named = parts.map(super::params::pair).find(|(name, _)| *name == "message-prefix");
            named.map_or_else(|| DATA.into(), |(_, value)| value.into())
        });
        Self { prefix }
    }

    /// Sorts the messages of an answer: what is the gateway's, and what goes on to the client. One that
    /// is marked for nobody goes nowhere.
    pub fn sort(&self, events: Vec<Event>) -> Result<VecDeque<Result<Event, Order>>, Malformed> {
        let Some(prefix) = &self.prefix else { return Ok(events.into_iter().map(Ok).collect()) };
        let mut sorted = VecDeque::with_capacity(events.len());
        let bare = |content: Bytes| {
            content.starts_with(prefix.as_bytes()).then(|| content.slice(prefix.len()..))
        };
        for event in events {
            match event {
                Event::Text(content) if content.starts_with(CONTROL) => {
                    sorted.extend(Order::read(&content[CONTROL.len()..])?.map(Err));
                }
                Event::Text(content) => sorted.extend(bare(content).map(Event::Text).map(Ok)),
                Event::Binary(content) => sorted.extend(bare(content).map(Event::Binary).map(Ok)),
                event => sorted.push_back(Ok(event)),
            }
        }
        Ok(sorted)
    }
}

impl Order {
    /// Reads one; types that there are not say nothing.
    fn read(body: &[u8]) -> Result<Option<Self>, Malformed> {
        let what = |error| Malformed(format!("A control message is no JSON: {error}."));
        let value: Value = serde_json::from_slice(body).map_err(what)?;
        let object = Object::new(&value, "")
            .map_err(|_| Malformed("A control message is no object.".to_owned()))?;
        let need = |name: &str| {
            let text = object.text(name)?.filter(|text| !text.is_empty());
            text.ok_or_else(|| object.wrong(name, "is missing"))
        };
        Ok(Some(match need("type")? {
            "subscribe" => {
                let unknown = || object.wrong("filters", "names a filter that there is not");
                let filters = object.texts("filters")?.unwrap_or_default().into_iter();
                let filters = filters.map(|name| Filter::parse(name).ok_or_else(unknown));
                let filters = filters.collect::<Result<_, _>>()?;
                Self::Subscribe(Channel { name: need("channel")?.into(), previous: None, filters })
            }
            "unsubscribe" => Self::Unsubscribe(need("channel")?.into()),
            "detach" => Self::Detach,
            "set-meta" => {
                Self::SetMeta(need("name")?.into(), object.text("value")?.map(Into::into))
            }
            "keep-alive" => Self::KeepAlive(keep_alive(&object)?),
            // Whoever passed over it would lose the message.
            "send-delayed" => return Err(object.wrong("type", "is not understood here")),
            _ => return Ok(None),
        }))
    }
}

fn keep_alive(object: &Object<'_>) -> Result<Option<(KeepAlive, Kind)>, Malformed> {
    if object.bytes("content")?.is_none() && object.number("timeout")?.is_none() {
        return Ok(None);
    }
    let kind = match object.text("message-type")? {
        None | Some("text") => Kind::Text,
        Some("binary") => Kind::Binary,
        Some("ping") => Kind::Ping,
        Some("pong") => Kind::Pong,
        Some(_) => return Err(object.wrong("message-type", "is unknown")),
    };
    let mut read = KeepAlive::object(object)?;
    read.timeout = read.timeout.max(Duration::from_secs(1));
    Ok(Some((read, kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(extensions: &str, text: &'static str) -> Result<Vec<Result<Event, Order>>, String> {
        let sorted = Control::agreed(extensions).sort(vec![Event::Text(text.into())]);
        sorted.map(Vec::from).map_err(|error| error.to_string())
    }

    #[test]
    fn messages_are_told_apart_as_agreed() {
        let text = |text: &'static str| vec![Ok(Event::Text(text.into()))];
        assert_eq!(sort("grip", "m:hi").unwrap(), text("hi"));
        assert_eq!(sort("x, grip; message-prefix=\"\"", "hi").unwrap(), text("hi"));
        assert_eq!(sort("grip; message-prefix=\"d:\"", "d:hi").unwrap(), text("hi"));
        assert_eq!(sort("grip", "hi").unwrap(), []);
        assert_eq!(sort("", "c:hi").unwrap(), text("c:hi"));
    }

    #[test]
    fn orders_are_read() {
        let order = |text| sort("grip", text).unwrap().remove(0).unwrap_err();
        let channel = Channel { name: "a".into(), filters: vec![Filter::SkipSelf], previous: None };
        assert_eq!(
            order(r#"c:{"type": "subscribe", "channel": "a", "filters": ["skip-self"]}"#),
            Order::Subscribe(channel)
        );
        let unsubscribe = r#"c:{"type": "unsubscribe", "channel": "a"}"#;
        assert_eq!(order(unsubscribe), Order::Unsubscribe("a".into()));
        assert_eq!(order(r#"c:{"type": "detach"}"#), Order::Detach);
        let meta = r#"c:{"type": "set-meta", "name": "user", "value": "x"}"#;
        assert_eq!(order(meta), Order::SetMeta("user".into(), Some("x".into())));
        let Order::KeepAlive(Some((keep_alive, kind))) = order(
            r#"c:{"type": "keep-alive", "content": "k", "message-type": "ping", "timeout": 9}"#,
        ) else {
            panic!()
        };
        assert_eq!(
            (&*keep_alive.content, keep_alive.timeout.as_secs(), kind),
            (&b"k"[..], 9, Kind::Ping)
        );
        assert_eq!(order(r#"c:{"type": "keep-alive"}"#), Order::KeepAlive(None));
        assert_eq!(sort("grip", r#"c:{"type": "session"}"#).unwrap(), []);
    }

    #[test]
    fn orders_that_are_none_are_said() {
        for (text, expected) in [
            ("c:[]", "A control message is no object."),
            ("c:{}", "type is missing."),
            (r#"c:{"type": "subscribe"}"#, "channel is missing."),
            (
                r#"c:{"type": "subscribe", "channel": "a", "filters": ["x"]}"#,
                "filters names a filter that there is not.",
            ),
        ] {
            assert_eq!(sort("grip", text), Err(expected.to_owned()), "{text}");
        }
    }
}
