//! A channel's state as its publisher reads it: text, JSON, XML or YAML, by `Accept`.
//!
//! In the dialect of nginx's push module the bytes are that module's, with the id of the latest
//! message added to the three formats that a machine reads; the text is its three lines, without an
//! end to the last. Nchan has the id in the text too. The push stream module has its own words:
//! [`super::push_stream`].

use bytes::Bytes;
use http::HeaderValue;

use super::{
    accept::{Format, choose},
    host::Census,
    push_stream,
};
use crate::{channel::ChannelInfo, dialect::Info};

/// The state of channels in the format that `accept` prefers, and its `Content-Type`. Where
/// there are several channels there is a `census`.
pub fn render(
    infos: &[ChannelInfo],
    census: Option<&Census<'_>>,
    style: Info,
    accept: Option<&HeaderValue>,
) -> (HeaderValue, Bytes) {
    let (name, format) = choose(accept, style);
    let text = match (style, census) {
        (Info::PushStream, Some(census)) => push_stream::group(infos, census, format),
        (Info::PushStream, None) => {
            infos.iter().map(|info| push_stream::one(info, format)).collect()
        }
        _ => ChannelInfo::total(infos).map_or_else(String::new, |info| sum(&info, style, format)),
    };
    (HeaderValue::from_static(name), text.into())
}

/// Room for the text of most channels, in bytes.
const TEXT: usize = 96;

/// The push module's form, and Nchan's.
fn sum(info: &ChannelInfo, style: Info, format: Format) -> String {
    let ChannelInfo { messages, subscribers, last_message_id, .. } = info;
    let requested = info.requested.map_or(-1, |seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
    match format {
        Format::Json => {
            let blank = if style == Info::Nchan { " " } else { "" };
            format!(
                "{{\"messages\": {messages}, \"requested\": {requested}, \
                 \"subscribers\": {subscribers}, \"last_message_id\": \"{last_message_id}\"{blank}}}"
            )
        }
        Format::Text => text(info, style),
        Format::Xml => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n\
             <channel>\r\n\
             \x20 <messages>{messages}</messages>\r\n\
             \x20 <requested>{requested}</requested>\r\n\
             \x20 <subscribers>{subscribers}</subscribers>\r\n\
             \x20 <last_message_id>{last_message_id}</last_message_id>\r\n\
             </channel>"
        ),
        Format::Yaml => format!(
            "---\r\n\
             messages: {messages}\r\n\
             requested: {requested}\r\n\
             subscribers: {subscribers}\r\n\
             last_message_id: \"{last_message_id}\"\r\n\r\n"
        ),
    }
}

/// The text, which is what is asked for unless something else is: most publishes are answered by it.
fn text(info: &ChannelInfo, style: Info) -> String {
    let (mut messages, mut requested, mut subscribers) =
        (itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new());
    let never = if style == Info::Nchan { "" } else { " (-1=never)" };
    let mut text = String::with_capacity(TEXT);
    for part in [
        "queued messages: ",
        messages.format(info.messages),
        "\r\nlast requested: ",
        info.requested.map_or("-1", |seconds| requested.format(seconds)),
        " sec. ago",
        never,
        "\r\nactive subscribers: ",
        subscribers.format(info.subscribers),
    ] {
        text.push_str(part);
    }
    if style == Info::Nchan {
        text.push_str("\r\nlast message id: ");
        text.push_str(&info.last_message_id.to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{ChannelId, MessageId};

    fn info() -> ChannelInfo {
        ChannelInfo {
            channel: ChannelId::new(b"5"),
            published: 4,
            messages: 3,
            requested: Some(1),
            subscribers: 0,
            last_message_id: MessageId::new(1_450_755_280, 0).unwrap(),
        }
    }

    fn rendered_in(style: Info, accept: &str) -> (String, String) {
        let accept = HeaderValue::from_str(accept).unwrap();
        let (content_type, body) = render(&[info()], None, style, Some(&accept));
        let body = String::from_utf8(body.to_vec()).unwrap();
        (content_type.to_str().unwrap().into(), body)
    }

    fn rendered(accept: &str) -> (String, String) {
        rendered_in(Info::PushModule, accept)
    }

    #[test]
    fn text_is_three_lines_of_which_the_last_has_no_end() {
        let expected = "queued messages: 3\r\n\
            last requested: 1 sec. ago (-1=never)\r\n\
            active subscribers: 0";
        assert_eq!(rendered(""), ("text/plain".into(), expected.into()));
    }

    #[test]
    fn a_channel_that_nobody_asked_for_says_never() {
        let fresh = ChannelInfo {
            messages: 0,
            requested: None,
            last_message_id: MessageId::ZERO,
            ..info()
        };
        let (_, body) = render(&[fresh], None, Info::PushModule, None);
        let expected = "queued messages: 0\r\n\
            last requested: -1 sec. ago (-1=never)\r\n\
            active subscribers: 0";
        assert_eq!(body, expected);
    }

    #[test]
    fn several_channels_are_summed() {
        let other = ChannelInfo { messages: 4, requested: None, subscribers: 2, ..info() };
        let (_, body) = render(&[info(), other], None, Info::PushModule, None);
        let expected = "queued messages: 7\r\n\
            last requested: 1 sec. ago (-1=never)\r\n\
            active subscribers: 2";
        assert_eq!(body, expected);
    }

    #[test]
    fn nchan_has_the_last_message_id_in_every_format() {
        for (accept, content_type, expected) in [
            (
                "text/plain",
                "text/plain",
                "queued messages: 3\r\nlast requested: 1 sec. ago\r\nactive subscribers: 0\r\n\
                 last message id: 1450755280:0",
            ),
            (
                "application/json",
                "text/json",
                "{\"messages\": 3, \"requested\": 1, \"subscribers\": 0, \
                 \"last_message_id\": \"1450755280:0\" }",
            ),
            (
                "text/yaml",
                "text/yaml",
                "---\r\nmessages: 3\r\nrequested: 1\r\nsubscribers: 0\r\n\
                 last_message_id: \"1450755280:0\"\r\n\r\n",
            ),
            (
                "application/xml",
                "text/xml",
                "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<channel>\r\n  \
                 <messages>3</messages>\r\n  <requested>1</requested>\r\n  \
                 <subscribers>0</subscribers>\r\n  \
                 <last_message_id>1450755280:0</last_message_id>\r\n</channel>",
            ),
        ] {
            let expected = (content_type.to_owned(), expected.to_owned());
            assert_eq!(rendered_in(Info::Nchan, accept), expected);
        }
    }

    #[test]
    fn json_has_the_last_message_id() {
        let expected = "{\"messages\": 3, \"requested\": 1, \"subscribers\": 0, \
            \"last_message_id\": \"1450755280:0\"}";
        assert_eq!(rendered("application/json"), ("application/json".into(), expected.into()));
        assert_eq!(rendered("text/json"), ("text/json".into(), expected.into()));
    }

    #[test]
    fn xml_has_no_newline_at_its_end() {
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<channel>\r\n  \
            <messages>3</messages>\r\n  <requested>1</requested>\r\n  \
            <subscribers>0</subscribers>\r\n  \
            <last_message_id>1450755280:0</last_message_id>\r\n</channel>";
        assert_eq!(rendered("text/xml"), ("text/xml".into(), expected.into()));
    }

    #[test]
    fn yaml_quotes_the_id() {
        let expected = "---\r\nmessages: 3\r\nrequested: 1\r\nsubscribers: 0\r\n\
            last_message_id: \"1450755280:0\"\r\n\r\n";
        assert_eq!(rendered("application/x-yaml"), ("application/x-yaml".into(), expected.into()));
    }
}
