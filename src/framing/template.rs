//! The `stream` transport: an endless response made from templates, in the manner of nginx's push
//! stream module, with the escaping that it lacks.
//!
//! A message template is compiled once. `~text~` and its like are tokens, `~text:json~` a token
//! with a filter, both without regard to case; a token may come any number of times. What a message
//! brings along is never expanded again. A tilde that opens no word is a tilde.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::HeaderValue;

use super::{Farewell, Framing, chunk, escape, http1::http_date};
use crate::channel::{Frame, Message};

/// The framing of `stream`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    header: Bytes,
    message: Vec<Part>,
    footer: Bytes,
    content_type: HeaderValue,
    ping: &'static [u8],
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

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Literal(String),
    Value(Token, Filter),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token {
    Channel,
    EventType,
    Id,
    Size,
    Tag,
    Text,
    Time,
}

/// `~event-id~` is the message's id until publishers can name one of their own.
const TOKENS: [(&str, Token); 8] = [
    ("channel", Token::Channel),
    ("event-id", Token::Id),
    ("event-type", Token::EventType),
    ("id", Token::Id),
    ("size", Token::Size),
    ("tag", Token::Tag),
    ("text", Token::Text),
    ("time", Token::Time),
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Filter {
    Base64,
    Html,
    Js,
    Json,
    None,
    /// The argument of the iframe preset's call; templates cannot name it.
    Script,
}

const FILTERS: [(&str, Filter); 4] = [
    ("base64", Filter::Base64),
    ("html", Filter::Html),
    ("js", Filter::Js),
    ("json", Filter::Json),
];

const PAGE_HEAD: &str = "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n";
const PAGE_END: &str = "</body></html>\n";
/// The bytes that some browsers collect before they look at a page.
const PAGE_HEAD_LENGTH: usize = 1024;

impl Template {
    /// `push_header_template`, `push_message_template`, `push_footer_template`; tokens are for the
    /// message alone, the other two are sent as they are. `content_type` is `default_type`, without
    /// which the response is `text/plain`.
    pub fn compile(
        header: &str,
        message: &str,
        footer: &str,
        content_type: Option<HeaderValue>,
    ) -> Result<Self, TemplateError> {
        Ok(Self {
            header: header.to_owned().into(),
            message: parse(message)?,
            footer: footer.to_owned().into(),
            content_type: content_type.unwrap_or(HeaderValue::from_static("text/plain")),
            ping: b"",
        })
    }

    /// `push_stream_preset = "iframe"`: an endless page that calls `parent.handle(…)` for each
    /// message, with the text itself if it is JSON, else with a string of it. `header` and `footer`
    /// take the place of the preset's, if given.
    pub fn iframe(header: Option<String>, footer: Option<String>) -> Self {
        let call = vec![
            Part::Literal("<script>parent.handle(".into()),
            Part::Value(Token::Text, Filter::Script),
            Part::Literal(")</script>\n".into()),
        ];
        Self {
            header: header.unwrap_or_else(page_head).into(),
            message: call,
            footer: footer.unwrap_or_else(|| PAGE_END.into()).into(),
            content_type: HeaderValue::from_static("text/html; charset=utf-8"),
            ping: b"\n",
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
        let mut payload = Vec::with_capacity(message.body().len() + 64);
        for part in &self.message {
            match part {
                Part::Literal(text) => payload.extend_from_slice(text.as_bytes()),
                Part::Value(token, filter) => {
                    token.with_value(message, |value| filter.append(&mut payload, value));
                }
            }
        }
        chunk(&payload)
    }

    /// White space between two scripts of the iframe preset; nothing is harmless elsewhere.
    fn ping(&self) -> Frame {
        chunk(self.ping)
    }

    fn closing(&self, _why: Farewell) -> Frame {
        chunk(&self.footer)
    }
}

impl Token {
    fn with_value(self, message: &Message, read: impl FnOnce(&[u8])) {
        let id = message.id();
        match self {
            Self::Channel => read(message.channel().as_bytes()),
            Self::EventType => read(message.event().map_or(b"", |name| name)),
            Self::Id => read(id.to_string().as_bytes()),
            Self::Size => read(message.body().len().to_string().as_bytes()),
            Self::Tag => read(id.tag().to_string().as_bytes()),
            Self::Text => read(message.body()),
            Self::Time => read(http_date(id.time()).to_string().as_bytes()),
        }
    }
}

impl Filter {
    fn append(self, payload: &mut Vec<u8>, value: &[u8]) {
        match self {
            Self::Base64 => payload.extend_from_slice(STANDARD.encode(value).as_bytes()),
            Self::Html => escape::html(payload, value),
            Self::Js => payload.extend_from_slice(escape::js_string(value).as_bytes()),
            Self::Json => payload.extend_from_slice(escape::json_string(value).as_bytes()),
            Self::None => payload.extend_from_slice(value),
            Self::Script => payload.extend_from_slice(escape::js_value(value).as_bytes()),
        }
    }
}

/// The preset's page head, with a comment that makes it long enough to be looked at.
fn page_head() -> String {
    let padding = PAGE_HEAD_LENGTH.saturating_sub(PAGE_HEAD.len() + "<!---->\n".len());
    format!("{PAGE_HEAD}<!--{}-->\n", " ".repeat(padding))
}

/// A message template in parts.
fn parse(template: &str) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('~') {
        literal.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(word) = word(after) {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(value(word)?);
            rest = &after[word.len() + 1..];
        } else {
            literal.push('~');
            rest = after;
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

/// What stands before the next tilde, if it is a word.
fn word(text: &str) -> Option<&str> {
    let (word, _) = text.split_once('~')?;
    let mut bytes = word.bytes();
    let starts = bytes.next()?.is_ascii_alphabetic();
    let goes_on = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte));
    (starts && goes_on).then_some(word)
}

/// The token and the filter that a word names.
fn value(word: &str) -> Result<Part, TemplateError> {
    let (token, filter) = match word.split_once(':') {
        Some((token, filter)) => (token, Some(filter)),
        None => (word, None),
    };
    let Some(known) = named(&TOKENS, token) else {
        let nearest = nearest(&TOKENS, token);
        return Err(TemplateError::UnknownToken { token: token.into(), nearest });
    };
    let Some(filter) = filter else { return Ok(Part::Value(known, Filter::None)) };
    match named(&FILTERS, filter) {
        Some(filter) => Ok(Part::Value(known, filter)),
        None => Err(TemplateError::UnknownFilter {
            token: token.into(),
            filter: filter.into(),
            nearest: nearest(&FILTERS, filter),
        }),
    }
}

fn named<T: Copy>(known: &[(&str, T)], name: &str) -> Option<T> {
    known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

fn nearest<T>(known: &[(&'static str, T)], name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let distance = |known: &&str| strsim::damerau_levenshtein(known, &name);
    known.iter().map(|(known, _)| *known).min_by_key(distance).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::tests::{drafted, message};

    fn rendered(template: &str, message: &Message) -> Bytes {
        Template::compile("", template, "", None).unwrap().encode(message).payload()
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
        let framing = Template::compile("HEAD", json, "FOOT", content_type).unwrap();
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
        let refused = |template| Template::compile("", template, "", None).unwrap_err().to_string();
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
        assert!(Template::compile("~foo~", "~text:JSON~", "~bar~", None).is_ok());
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
