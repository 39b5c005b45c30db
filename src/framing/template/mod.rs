//! The `stream` transport: a response made from templates, in the manner of nginx's push stream module,
//! with the escaping that it lacks.

mod message;

use bytes::Bytes;
use http::HeaderValue;
pub use message::MessageTemplate;

use super::{Farewell, Framing, chunk};
use crate::{
    channel::{ChannelId, Frame, Message},
    dialect::{Dialect, Notice},
};

/// The framing of `stream`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    header: Bytes,
    message: MessageTemplate,
    footer: Bytes,
    content_type: HeaderValue,
    ping: Bytes,
    /// What is said before the footer when the channel is deleted.
    deleted: Option<Notice>,
}

/// Why a template cannot be compiled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TemplateError {
    /// The filter after the colon is not known.
    #[error("unknown filter `{filter}` in `~{token}:{filter}~`, did you mean `{nearest}`?")]
    UnknownFilter {
        /// The token, as it was written.
        token: String,
        /// The filter, as it was written.
        filter: String,
        /// The known filter that is most like it.
        nearest: &'static str,
    },
    /// The word between two tildes is not known.
    #[error("unknown token `~{token}~`, did you mean `~{nearest}~`?")]
    UnknownToken {
        /// The token, as it was written.
        token: String,
        /// The known token that is most like it.
        nearest: &'static str,
    },
}

const PAGE_HEAD: &str = "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n";
const PAGE_END: &str = "</body></html>\n";
/// The bytes that some browsers collect before they look at a page.
const PAGE_HEAD_LENGTH: usize = 1024;

impl Template {
    /// `push_header_template`, `push_message_template`, `push_footer_template`; tokens are for the
    /// message alone, the other two are sent as they are. `content_type` is `default_type`, without
    /// which the response is `text/plain`.
    pub fn new(
        header: &str,
        message: MessageTemplate,
        footer: &str,
        content_type: Option<HeaderValue>,
        dialect: &Dialect,
    ) -> Self {
        let ping = |notice| message.render_notice(notice, b"").into();
        Self {
            header: header.to_owned().into(),
            footer: footer.to_owned().into(),
            content_type: content_type.unwrap_or(HeaderValue::from_static("text/plain")),
            ping: dialect.ping_notice.map(ping).unwrap_or_default(),
            deleted: dialect.deleted_notice,
            message,
        }
    }

    /// `push_stream_preset = "iframe"`: an endless page that calls `parent.handle(…)` for each
    /// message, with the text itself if it is JSON, else with a string of it. `header` and `footer`
    /// take the place of the preset's, if given. White space between two scripts keeps it alive.
    pub fn iframe(header: Option<String>, footer: Option<String>) -> Self {
        Self {
            header: header.unwrap_or_else(page_head).into(),
            message: MessageTemplate::call(),
            footer: footer.unwrap_or_else(|| PAGE_END.into()).into(),
            content_type: HeaderValue::from_static("text/html; charset=utf-8"),
            ping: Bytes::from_static(b"\n"),
            deleted: None,
        }
    }
}

impl Framing for Template {
    fn content_type(&self) -> Option<HeaderValue> {
        Some(self.content_type.clone())
    }

    fn opening(&self) -> Frame {
        chunk(&self.header)
    }

    /// One chunk; none where the template makes nothing of the message.
    fn encode(&self, message: &Message) -> Frame {
        chunk(&self.message.render(message))
    }

    /// Nothing is harmless in a template that nobody wrote for it.
    fn ping(&self) -> Frame {
        chunk(&self.ping)
    }

    fn deleted(&self, channel: &ChannelId) -> Frame {
        let text = |notice| self.message.render_notice(notice, channel.as_bytes());
        chunk(&self.deleted.map(text).unwrap_or_default())
    }

    fn closing(&self, _why: Farewell) -> Frame {
        chunk(&self.footer)
    }
}

/// The preset's page head, with a comment that makes it long enough to be looked at.
fn page_head() -> String {
    let padding = PAGE_HEAD_LENGTH.saturating_sub(PAGE_HEAD.len() + "<!---->\n".len());
    format!("{PAGE_HEAD}<!--{}-->\n", " ".repeat(padding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Ids, PUSH_MODULE, PUSH_STREAM};
    use crate::framing::tests::{drafted, message};

    fn rendered(template: &str, message: &Message) -> Bytes {
        parsed(template).render(message).into()
    }

    fn parsed(template: &str) -> MessageTemplate {
        MessageTemplate::parse(template, Ids::TimeTag).unwrap()
    }

    fn call(body: &[u8]) -> Bytes {
        Template::iframe(None, None).encode(&message(5, 0, body)).payload()
    }

    #[test]
    fn every_token_has_its_value() {
        let message = drafted((784_111_777, 2), "h\u{e9}".as_bytes(), None, Some("chat"));
        let template = "~id~|~text~|~channel~|~time~|~tag~|~size~|~event-id~|~event-type~";
        let expected = "784111777:2|h\u{e9}|5|Sun, 06 Nov 1994 08:49:37 GMT|2|3|784111777:2|chat";
        assert_eq!(rendered(template, &message), expected);
        assert_eq!(rendered(&template.to_uppercase(), &message), expected);
    }

    #[test]
    fn a_message_is_one_chunk_with_the_templates_around_all() {
        let json = "{\"id\":\"~id~\",\"text\":~text:json~}\r\n";
        let content_type = Some(HeaderValue::from_static("application/json"));
        let framing = Template::new("HEAD", parsed(json), "FOOT", content_type, &PUSH_MODULE);
        let frame = framing.encode(&message(5, 0, b"say \"hi\""));
        assert_eq!(frame.bytes, "22\r\n{\"id\":\"5:0\",\"text\":\"say \\\"hi\\\"\"}\r\n\r\n");
        assert_eq!(
            (framing.opening().payload(), framing.ping()),
            ("HEAD".into(), Frame::default())
        );
        assert_eq!(framing.closing(Farewell::Timeout).payload(), "FOOT");
        assert_eq!(framing.content_type().unwrap(), "application/json");
    }

    #[test]
    fn the_push_stream_module_counts_and_says_what_happened_by_the_template() {
        let template =
            "{\"id\":~id~,\"channel\":\"~channel~\",\"text\":\"~text~\",\"tag\":\"~tag~\"}";
        let template = MessageTemplate::parse(template, Ids::Number).unwrap();
        let published = template.render(&message(5, 3, b"hi"));
        let expected = "{\"id\":1,\"channel\":\"5\",\"text\":\"hi\",\"tag\":\"3\"}";
        assert_eq!(String::from_utf8(published).unwrap(), expected);
        let framing = Template::new("", template, "FOOT", None, &PUSH_STREAM);
        let notice = |id, channel, text| {
            format!("{{\"id\":{id},\"channel\":\"{channel}\",\"text\":\"{text}\",\"tag\":\"0\"}}")
        };
        assert_eq!(framing.ping().payload(), notice(-1, "", " "));
        let deleted = framing.deleted(&ChannelId::new(b"c"));
        assert_eq!(deleted.payload(), notice(-2, "c", "Channel deleted"));
        assert_eq!(framing.closing(Farewell::Deleted).payload(), "FOOT");
        assert_eq!(framing.closing(Farewell::Timeout).payload(), "FOOT");
    }

    #[test]
    fn a_token_without_value_is_empty_and_one_may_come_twice() {
        assert_eq!(rendered("[~event-type~]~tag~~tag~", &message(5, 1, b"")), "[]11");
    }

    #[test]
    fn what_a_message_says_is_not_expanded() {
        assert_eq!(rendered("~text~ ~id~", &message(5, 0, b"~id~ ~text~")), "~id~ ~text~ 5:0");
    }

    #[test]
    fn a_tilde_that_opens_no_word_is_a_tilde() {
        let message = message(5, 0, b"x");
        for plain in ["~", "~~", "a ~ b ~ c", "~text", "text~", "~ text ~", "~1~", "~-~"] {
            assert_eq!(rendered(plain, &message), plain);
        }
        assert_eq!(rendered("~~text~~", &message), "~x~");
        assert_eq!(rendered("~a b~text~", &message), "~a bx");
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_nearest_known_one() {
        let parse = |template| MessageTemplate::parse(template, Ids::TimeTag);
        let refused = |template| parse(template).unwrap_err().to_string();
        assert_eq!(refused("~txt~"), "unknown token `~txt~`, did you mean `~text~`?");
        assert_eq!(
            refused("~EventType~"),
            "unknown token `~EventType~`, did you mean `~event-type~`?"
        );
        assert_eq!(
            refused("~text~ ~text:jsonn~"),
            "unknown filter `jsonn` in `~text:jsonn~`, did you mean `json`?"
        );
        assert_eq!(refused("~tga:json~"), "unknown token `~tga~`, did you mean `~tag~`?");
        assert!(parse("~text:JSON~").is_ok());
    }

    #[test]
    fn filters_apply_to_any_token() {
        let message = drafted((5, 0), b"<'&\">", None, Some("a</b"));
        assert_eq!(rendered("~text:html~", &message), "&lt;&#39;&amp;&quot;&gt;");
        assert_eq!(rendered("~text:json~", &message), "\"<'&\\\">\"");
        assert_eq!(rendered("~text:js~", &message), "\"\\u003c'\\u0026\\\"\\u003e\"");
        assert_eq!(rendered("~text:base64~", &message), "PCcmIj4=");
        assert_eq!(rendered("~event-type:js~ ~id:json~", &message), "\"a\\u003c/b\" \"5:0\"");
    }

    #[test]
    fn the_iframe_calls_its_page_with_json_as_it_is_and_with_other_text_as_a_string() {
        assert_eq!(call(b"{\"a\": 1}"), "<script>parent.handle({\"a\": 1})</script>\n");
        assert_eq!(call(b"hi there"), "<script>parent.handle(\"hi there\")</script>\n");
        assert_eq!(call(b""), "<script>parent.handle(\"\")</script>\n");
        assert_eq!(
            call(b"[\"</script><script>alert(1)\"]"),
            "<script>parent.handle([\"\\u003c/script\\u003e\\u003cscript\\u003ealert(1)\"])</script>\n"
        );
    }

    #[test]
    fn the_iframes_page_begins_with_enough_to_be_shown_and_ends_well() {
        let framing = Template::iframe(None, None);
        let head = String::from_utf8(framing.opening().payload().to_vec()).unwrap();
        assert!(head.starts_with(
            "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n<!--  "
        ));
        assert!(head.ends_with("  -->\n"));
        assert_eq!(head.len(), PAGE_HEAD_LENGTH);
        assert_eq!(framing.closing(Farewell::Timeout).payload(), "</body></html>\n");
        assert_eq!(framing.ping().payload(), "\n");
        assert_eq!(framing.content_type().unwrap(), "text/html; charset=utf-8");
        let own = Template::iframe(Some("<p>".into()), Some("</p>".into()));
        let (opening, closing) = (own.opening(), own.closing(Farewell::Deleted));
        assert_eq!((opening.payload(), closing.payload()), ("<p>".into(), "</p>".into()));
    }
}
