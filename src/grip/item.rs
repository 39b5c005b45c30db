//! What publishers send: `{"items": [{"channel": ..., "formats": {...}}]}`.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::{Filter, Malformed, json::Object};
use crate::channel::{Action, Item, Kind, Parcel, Part, Reply};

/// Items that one request may have; pubcontrol sends ten at most.
const MAX_ITEMS: usize = 256;
/// Headers that the answer of one item may have.
const MAX_HEADERS: usize = 64;
/// The usual end of a WebSocket.
const NORMAL: u64 = 1000;

/// One item of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Published {
    /// The name of its channel.
    pub channel: Box<str>,
    /// The message as every subscriber gets it.
    pub body: Bytes,
    /// Its type.
    pub content_type: Option<Bytes>,
    /// What GRIP says of it.
    pub item: Item,
}

/// Reads the body of a request: all of its items, or what is wrong with one of them.
pub fn items(body: &[u8]) -> Result<Vec<Published>, Malformed> {
    let json = |error: serde_json::Error| Malformed(format!("The body is no JSON: {error}."));
    let value: Value = serde_json::from_slice(body).map_err(json)?;
    let list = Object::new(&value, "")
        .and_then(|body| body.list("items"))
        .map_err(|_| Malformed("The body is no object with a list of items.".to_owned()))?;
    if list.len() > MAX_ITEMS {
        return Err(Malformed(format!("There are more than {MAX_ITEMS} items.")));
    }
    let named = |(at, value)| published(&Object::new(value, format!("items[{at}]"))?);
    list.iter().enumerate().map(named).collect()
}

fn published(object: &Object<'_>) -> Result<Published, Malformed> {
    let channel = object.text("channel")?.filter(|channel| !channel.is_empty());
    let channel = channel.ok_or_else(|| object.wrong("channel", "is missing"))?.into();
    let boxed = |(name, value): (&str, &str)| (name.into(), value.into());
    let named = object.object("formats")?;
    let formats = named.as_ref().unwrap_or(object);
    let item = Item {
        id: id(object, "id")?,
        previous: id(object, "prev-id")?,
        unordered: object.flag("no-seq")?,
        meta: object.pairs("meta")?.into_iter().map(boxed).collect(),
        response: formats.object("http-response")?.as_ref().map(reply).transpose()?,
        stream: formats.object("http-stream")?.as_ref().map(stream).transpose()?,
        socket: formats.object("ws-message")?.as_ref().map(parcel).transpose()?,
    };
    let (body, content_type) = match &item {
        Item { stream: Some(part), .. } => (part.content.clone(), None),
        Item { response: Some(reply), .. } => (reply.part.content.clone(), content_type(reply)),
        Item { socket: Some(parcel), .. } => {
            let binary = Bytes::from_static(b"application/octet-stream");
            let content_type = (parcel.kind == Kind::Binary).then_some(binary);
            (parcel.part.content.clone(), content_type)
        }
        _ => {
            let formats = "has none of http-response, http-stream and ws-message";
            return Err(object.wrong("formats", formats));
        }
    };
    Ok(Published { channel, body, content_type, item })
}

/// An id; publishers that count write numbers.
fn id(object: &Object<'_>, name: &str) -> Result<Option<Box<str>>, Malformed> {
    match object.get(name) {
        Some(Value::Number(number)) => Ok(Some(number.to_string().into())),
        _ => Ok(object.text(name)?.map(Into::into)),
    }
}

fn part(object: &Object<'_>, content: &str, actions: &[(&str, Action)]) -> Result<Part, Malformed> {
    let action = object.text("action")?.unwrap_or("send");
    let known = actions.iter().find(|(name, _)| *name == action);
    let action = known.ok_or_else(|| object.wrong("action", "is unknown"))?.1;
    let bytes = object.bytes(content)?;
    if bytes.is_none() && action == Action::Send && content == "content" {
        return Err(object.wrong(content, "is missing"));
    }
    let filters = object.texts("content-filters")?;
    if filters.iter().flatten().any(|name| Filter::parse(name).is_none()) {
        return Err(object.wrong("content-filters", "names a filter that there is not"));
    }
    let filters = filters.map(|names| names.into_iter().map(Into::into).collect());
    Ok(Part { action, content: bytes.unwrap_or_default(), filters })
}

fn stream(object: &Object<'_>) -> Result<Part, Malformed> {
    let actions = [("send", Action::Send), ("hint", Action::Hint), ("close", Action::Close)];
    part(object, "content", &actions)
}

/// An answer, of an item or of instructions.
pub(super) fn reply(object: &Object<'_>) -> Result<Reply, Malformed> {
    if object.get("body-patch").is_some() {
        return Err(object.wrong("body-patch", "is not understood here"));
    }
    let part = part(object, "body", &[("send", Action::Send), ("hint", Action::Hint)])?;
    let status = object.number("code")?.unwrap_or(200);
    let status = u16::try_from(status).ok().filter(|status| (200..=599).contains(status));
    let headers = object.pairs("headers")?;
    if headers.len() > MAX_HEADERS {
        return Err(object.wrong("headers", "are too many"));
    }
    let valid = |(name, value): &(&str, &str)| {
        HeaderName::try_from(*name).is_ok() && HeaderValue::from_str(value).is_ok()
    };
    if !headers.iter().all(valid) {
        return Err(object.wrong("headers", "have one that is none"));
    }
    let reason = object.text("reason")?;
    let printable = |reason: &str| reason.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !reason.is_none_or(printable) {
        return Err(object.wrong("reason", "has a character that may not be in it"));
    }
    Ok(Reply {
        part,
        status: status.ok_or_else(|| object.wrong("code", "is no status from 200 to 599"))?,
        reason: reason.map(Into::into),
        headers: headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
    })
}

fn content_type(reply: &Reply) -> Option<Bytes> {
    let named = reply.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    named.map(|(_, value)| Bytes::copy_from_slice(value.as_bytes()))
}

fn parcel(object: &Object<'_>) -> Result<Parcel, Malformed> {
    let actions = [("send", Action::Send), ("refresh", Action::Hint), ("close", Action::Close)];
    let part = part(object, "content", &actions)?;
    let kind = match object.text("type")? {
        None if object.get("content-bin").is_some() => Kind::Binary,
        None | Some("text") => Kind::Text,
        Some("binary") => Kind::Binary,
        Some("ping") => Kind::Ping,
        Some("pong") => Kind::Pong,
        Some(_) => return Err(object.wrong("type", "is unknown")),
    };
    if kind == Kind::Text && str::from_utf8(&part.content).is_err() {
        return Err(object.wrong("content-bin", "is no UTF-8, which a text has to be"));
    }
    let code = object.number("code")?.unwrap_or(NORMAL);
    // Those that a closing frame may carry (RFC 6455 section 7.4).
    let sendable = |code: &u16| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    let code = u16::try_from(code).ok().filter(sendable);
    let code = code.ok_or_else(|| object.wrong("code", "is no closing code"))?;
    let reason = object.text("reason")?.unwrap_or_default().into();
    Ok(Parcel { part, kind, close: (code, reason) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(fields: &str) -> Result<Published, String> {
        let body = format!(r#"{{"items": [{{"channel": "a", {fields}}}]}}"#);
        items(body.as_bytes()).map(|mut items| items.remove(0)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_body_is_that_of_the_first_format() {
        let stream = r#""http-stream": {"content": "s"}"#;
        let response = r#""http-response": {"body": "r", "headers": {"Content-Type": "x/y"}}"#;
        let socket = r#""ws-message": {"content-bin": "d3M="}"#;
        for (fields, body, content_type) in [
            (format!("{stream}, {response}"), "s", None),
            (format!("{socket}, {response}"), "r", Some("x/y")),
            (format!(r#""formats": {{{socket}}}"#), "ws", Some("application/octet-stream")),
        ] {
            let published = one(&fields).unwrap();
            assert_eq!(published.body, body, "{fields}");
            assert_eq!(published.content_type, content_type.map(Bytes::from), "{fields}");
        }
    }

    #[test]
    fn ids_meta_and_filters_are_kept() {
        let fields = r#""id": 7, "prev-id": "6", "no-seq": true, "meta": {"user": "x"},
                        "http-stream": {"action": "close", "content-filters": ["build-id"]}"#;
        let item = one(fields).unwrap().item;
        assert_eq!((item.id.as_deref(), item.previous.as_deref()), (Some("7"), Some("6")));
        assert_eq!(item.meta, [("user".into(), "x".into())]);
        assert!(item.unordered);
        let part = item.stream.unwrap();
        assert_eq!((part.action, part.filters), (Action::Close, Some(vec!["build-id".into()])));
    }

    #[test]
    fn what_is_wrong_is_told_by_item_and_field() {
        for (fields, expected) in [
            (
                r#""x": 1"#,
                "items[0].formats has none of http-response, http-stream and ws-message.",
            ),
            (r#""http-stream": {}"#, "items[0].http-stream.content is missing."),
            (r#""http-stream": 1"#, "items[0].http-stream is no object."),
            (r#""http-stream": {"action": "x"}"#, "items[0].http-stream.action is unknown."),
            (
                r#""formats": {"http-response": {"code": "text"}}"#,
                "items[0].formats.http-response.code is no number from 0 on.",
            ),
            (
                r#""http-response": {"code": 99}"#,
                "items[0].http-response.code is no status from 200 to 599.",
            ),
            (
                r#""http-response": {"headers": {"a b": "c"}}"#,
                "items[0].http-response.headers have one that is none.",
            ),
            (
                r#""http-response": {"headers": {"a": "c\r\nd"}}"#,
                "items[0].http-response.headers have one that is none.",
            ),
            (
                r#""http-response": {"reason": "a\r\nb"}"#,
                "items[0].http-response.reason has a character that may not be in it.",
            ),
            (
                r#""http-response": {"body-patch": []}"#,
                "items[0].http-response.body-patch is not understood here.",
            ),
            (
                r#""http-response": {"body-bin": "?"}"#,
                "items[0].http-response.body-bin is no base64.",
            ),
            (
                r#""http-stream": {"content": "", "content-filters": ["x"]}"#,
                "items[0].http-stream.content-filters names a filter that there is not.",
            ),
            (
                r#""ws-message": {"content": "", "type": "x"}"#,
                "items[0].ws-message.type is unknown.",
            ),
            (
                r#""ws-message": {"action": "close", "code": 1005}"#,
                "items[0].ws-message.code is no closing code.",
            ),
            (r#""id": [], "http-stream": {"content": ""}"#, "items[0].id is no text."),
        ] {
            assert_eq!(one(fields), Err(expected.to_owned()), "{fields}");
        }
        for (body, expected) in [
            ("[]", "The body is no object with a list of items."),
            (r#"{"items": 1}"#, "The body is no object with a list of items."),
            (r#"{"items": [1]}"#, "items[0] is no object."),
            (r#"{"items": [{}]}"#, "items[0].channel is missing."),
        ] {
            assert_eq!(items(body.as_bytes()).unwrap_err().to_string(), expected);
        }
        assert!(items(b"{").unwrap_err().to_string().starts_with("The body is no JSON: "));
    }
}
