//! Values with a meaning of their own: words, statuses, patterns, rules, addresses.

use http::{HeaderName, HeaderValue, StatusCode};
use toml::de::DeValue;

use super::{At, Read, Reader, Refused, Value, count, list, number, text, texts};
use crate::{
    access::{Network, Rule},
    channel::{Concurrency, First},
    config::{
        error::Reason,
        location::{Batch, Hold, PollFormat, Preset, SlowSubscriber},
        origin,
        server::{Listen, ServerName},
        status::{Health, StatusFormat},
        transport::Transport,
    },
    cors::Origins,
    dialect::{self, Dialect},
    log::{Format, Target},
    router::Pattern,
};

/// One of some words.
pub(super) fn word<T: Copy>(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
    words: &[(&str, T)],
) -> Read<T> {
    let text = reader.string(value, "a string")?;
    let found = words.iter().find(|word| word.0 == text);
    found.map(|word| word.1).map_or_else(|| reader.refuse(value, unknown_word(text, words)), Ok)
}

fn unknown_word<T>(found: &str, words: &[(&str, T)]) -> Reason {
    let known: Vec<_> = words.iter().map(|word| format!("{:?}", word.0)).collect();
    Reason::Word { found: found.to_owned(), known: known.join(", ") }
}

pub(in crate::config) fn log_format(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Format> {
    word(reader, value, &[("text", Format::Text), ("json", Format::Json)])
}

pub(in crate::config) fn log_target(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Target> {
    match text(reader, value)?.as_str() {
        "off" => Ok(Target::Off),
        "stderr" => Ok(Target::Stderr),
        "stdout" => Ok(Target::Stdout),
        "" => reader.refuse(value, Reason::Range("\"stderr\", \"stdout\", \"off\" or a file")),
        path => Ok(Target::File(path.into())),
    }
}

pub(in crate::config) fn concurrency(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<Concurrency> {
    use Concurrency::{Broadcast, First, Last};
    word(reader, value, &[("broadcast", Broadcast), ("first", First), ("last", Last)])
}

pub(in crate::config) fn poll_format(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<PollFormat> {
    word(reader, value, &[("message", PollFormat::Message), ("json", PollFormat::Json)])
}

pub(in crate::config) fn batch(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Option<Batch>> {
    use Batch::{Json, Multipart, Raw};
    let words = [("json", Some(Json)), ("multipart", Some(Multipart)), ("raw", Some(Raw))];
    word(reader, value, &[&words[..], &[("", None)]].concat())
}

pub(in crate::config) fn slow_subscriber(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<SlowSubscriber> {
    word(reader, value, &[("skip", SlowSubscriber::Skip), ("close", SlowSubscriber::Close)])
}

pub(in crate::config) fn dialect(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<&'static Dialect> {
    word(reader, value, &dialect::ALL.map(|dialect| (dialect.name, dialect)))
}

pub(in crate::config) fn hold(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Hold> {
    word(reader, value, &[("hall", Hold::Hall), ("body", Hold::Body)])
}

pub(in crate::config) fn preset(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<Option<Preset>> {
    word(reader, value, &[("iframe", Some(Preset::Iframe)), ("", None)])
}

pub(in crate::config) fn status_format(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<Option<StatusFormat>> {
    use StatusFormat::{Json, Prometheus, Text};
    let words = [("text", Some(Text)), ("json", Some(Json)), ("prometheus", Some(Prometheus))];
    word(reader, value, &[&words[..], &[("", None)]].concat())
}

/// `true` is `"live"`, `false` nothing.
pub(in crate::config) fn health(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<Option<Health>> {
    match value.get_ref() {
        DeValue::Boolean(on) => Ok(on.then_some(Health::Live)),
        DeValue::String(_) => {
            word(reader, value, &[("live", Some(Health::Live)), ("ready", Some(Health::Ready))])
        }
        _ => reader.wrong(value, "true, false, \"live\" or \"ready\""),
    }
}

/// `true` is every transport, `false` none.
pub(in crate::config) fn transports(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<Vec<Transport>> {
    let transports = match value.get_ref() {
        DeValue::Boolean(true) => return Ok(Transport::ALL.to_vec()),
        DeValue::Boolean(false) => return Ok(Vec::new()),
        DeValue::Array(_) | DeValue::String(_) => {
            let words = Transport::ALL.map(|transport| (transport.name(), transport));
            list(reader, value, |reader, value| word(reader, value, &words))?
        }
        _ => return reader.wrong(value, "true, false or a list of transports"),
    };
    let mut earlier = transports.iter().enumerate();
    if transports.is_empty() {
        reader.refuse(value, Reason::Range("true, false or a list that is not empty"))
    } else if earlier.any(|(index, transport)| transports[..index].contains(transport)) {
        reader.refuse(value, Reason::Range("a list that has each transport once"))
    } else {
        Ok(transports)
    }
}

/// Names of subprotocols, each once (RFC 6455 section 4.1).
pub(in crate::config) fn protocols(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<Vec<Box<str>>> {
    let texts = texts(reader, value)?;
    let mut protocols: Vec<Box<str>> = Vec::with_capacity(texts.len());
    for At { value, place } in &texts {
        let name = value.as_str().into();
        if !is_token(value) {
            reader.faults.add(*place, Reason::Invalid(value.clone(), "a token like \"chat.v1\""));
        } else if protocols.contains(&name) {
            let elsewhere = "in this list".to_owned();
            reader.faults.add(*place, Reason::Duplicate(value.clone(), elsewhere));
        } else {
            protocols.push(name);
        }
    }
    if protocols.len() == texts.len() { Ok(protocols) } else { Err(Refused) }
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    let token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(token_byte)
}

pub(in crate::config) fn first_message(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<First> {
    let number = match value.get_ref() {
        DeValue::String(text) => match &**text {
            "oldest" => return Ok(First::Oldest),
            "newest" => return Ok(First::Newest),
            text => text.parse().ok(),
        },
        DeValue::Integer(integer) => number(integer),
        _ => return reader.wrong(value, "\"oldest\", \"newest\" or a number below 0"),
    };
    match number.map(|number| (number, usize::try_from(number.unsigned_abs()))) {
        Some((..0, Ok(last))) => Ok(First::Last(last)),
        _ => reader.refuse(value, Reason::Range("\"oldest\", \"newest\" or a number below 0")),
    }
}

pub(in crate::config) fn publish_status(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<StatusCode> {
    let status = u16::try_from(count(reader, value)?).ok().filter(|code| (200..300).contains(code));
    let status = status.and_then(|code| StatusCode::from_u16(code).ok());
    status.map_or_else(|| reader.refuse(value, Reason::Range("a number from 200 to 299")), Ok)
}

pub(in crate::config) fn pattern(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Pattern> {
    let text = reader.string(value, "a string")?;
    reader.check(value, Pattern::parse(text))
}

pub(in crate::config) fn rules(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Vec<Rule>> {
    list(reader, value, |reader, value| {
        let text = reader.string(value, "a string")?;
        reader.check(value, text.parse())
    })
}

pub(in crate::config) fn networks(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<Vec<Network>> {
    list(reader, value, |reader, value| {
        let text = reader.string(value, "a string")?;
        reader.check(value, text.parse())
    })
}

/// The name of a header that lists addresses; `Forwarded` is written in another way.
pub(in crate::config) fn address_header(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<HeaderName> {
    let text = reader.string(value, "a string")?;
    match HeaderName::try_from(text) {
        Ok(name) if name != http::header::FORWARDED => Ok(name),
        _ => reader.refuse(
            value,
            Reason::Invalid(text.to_owned(), "the name of a header that lists addresses"),
        ),
    }
}

/// A media type, the empty text standing for none.
pub(in crate::config) fn media_type(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<Option<HeaderValue>> {
    let text = reader.string(value, "a string")?;
    match HeaderValue::from_str(text) {
        Ok(_) if text.is_empty() => Ok(None),
        Ok(media_type) if text.contains('/') => Ok(Some(media_type)),
        _ => reader.refuse(value, Reason::Invalid(text.to_owned(), "a type like \"text/html\"")),
    }
}

pub(in crate::config) fn listen(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<Vec<At<Listen>>> {
    list(reader, value, |reader, value| {
        let text = reader.string(value, "a string")?;
        match Listen::parse(text) {
            Some(listen) => Ok(At { value: listen, place: reader.place(value) }),
            None => reader.refuse(value, Reason::Invalid(text.to_owned(), Listen::FORM)),
        }
    })
}

pub(in crate::config) fn server_names(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<Vec<At<ServerName>>> {
    list(reader, value, |reader, value| {
        let text = reader.string(value, "a string")?;
        match ServerName::parse(text) {
            Some(name) => Ok(At { value: name, place: reader.place(value) }),
            None => reader.refuse(value, Reason::Invalid(text.to_owned(), ServerName::FORM)),
        }
    })
}

pub(in crate::config) fn origins(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Origins> {
    let texts = texts(reader, value)?;
    match &texts[..] {
        [] => return Ok(Origins::Same),
        [one] if one.value == "*" => return Ok(Origins::Any),
        _ => {}
    }
    let mut origins = Vec::new();
    for text in &texts {
        match origin::parse(&text.value) {
            Some(origin) => origins.push(origin),
            None => {
                reader.faults.add(text.place, Reason::Invalid(text.value.clone(), origin::FORM));
            }
        }
    }
    if origins.len() == texts.len() { Ok(Origins::List(origins)) } else { Err(Refused) }
}
