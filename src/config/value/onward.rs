//! Values that say where requests go on to.

use http::{HeaderName, header};
use toml::de::DeValue;

use super::{At, Read, Reader, Refused, Value, list, term::word};
use crate::config::{
    error::Reason,
    hooks::Ask,
    proxy::{Pass, is_name},
    upstream::Address,
};

/// Headers that say how a message is carried, or between whom: they are the gateway's own.
const OWN: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

pub(in crate::config) fn pass(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Pass> {
    let text = reader.string(value, "a string")?;
    Pass::parse(text)
        .map_or_else(|| reader.refuse(value, Reason::Invalid(text.to_owned(), Pass::FORM)), Ok)
}

/// A question for the application, the empty text standing for none.
pub(in crate::config) fn ask(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Option<Ask>> {
    let text = reader.string(value, "a string")?;
    if text.is_empty() {
        return Ok(None);
    }
    Ask::parse(text).map_or_else(
        || reader.refuse(value, Reason::Invalid(text.to_owned(), Ask::FORM)),
        |ask| Ok(Some(ask)),
    )
}

/// Whether WebSockets are spoken over HTTP.
pub(in crate::config) fn grip_websocket(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<bool> {
    word(reader, value, &[("pass", false), ("over_http", true)])
}

pub(in crate::config) fn upstream_name(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<String> {
    let text = reader.string(value, "a string")?;
    if is_name(text) {
        return Ok(text.to_owned());
    }
    let form = "a name of letters, digits, \"-\", \"_\" and \".\"";
    reader.refuse(value, Reason::Invalid(text.to_owned(), form))
}

pub(in crate::config) fn addresses(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<Vec<At<Address>>> {
    list(reader, value, |reader, value| {
        let text = reader.string(value, "a string")?;
        match Address::parse(text) {
            Some(address) => Ok(At { value: address, place: reader.place(value) }),
            None => reader.refuse(value, Reason::Invalid(text.to_owned(), Address::FORM)),
        }
    })
}

/// A table of headers, each with a text; every wrong entry is noted.
pub(in crate::config) fn set_headers(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
) -> Read<Vec<(HeaderName, At<String>)>> {
    let DeValue::Table(table) = value.get_ref() else {
        return reader.wrong(value, "a table like { Host = \"$host\" }");
    };
    let mut headers: Vec<(HeaderName, At<String>)> = Vec::new();
    for (key, value) in table {
        let text: &str = key.get_ref();
        let place = crate::config::error::Place { offset: key.span().start, ..reader.place(value) };
        let Ok(name) = HeaderName::try_from(text) else {
            let reason = Reason::Invalid(text.to_owned(), "the name of a header");
            reader.faults.add(place, reason);
            continue;
        };
        if OWN.contains(&name) {
            let reason = Reason::Invalid(text.to_owned(), "a header that can be set");
            reader.faults.add(place, reason);
        } else if headers.iter().any(|(known, _)| *known == name) {
            let elsewhere = "in this table".to_owned();
            reader.faults.add(place, Reason::Duplicate(text.to_owned(), elsewhere));
        } else if let Ok(text) = reader.string(value, "a string").map(str::to_owned) {
            headers.push((name, At { value: text, place: reader.place(value) }));
        }
    }
    if headers.len() == table.len() { Ok(headers) } else { Err(Refused) }
}
