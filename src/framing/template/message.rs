//! What a message looks like: text with tokens.
//!
//! A template is compiled once. `~text~` and its like are tokens, `~text:json~` a token with a filter,
//! both without regard to case; a token may come any number of times. What a message brings along is
//! never expanded again. A tilde that opens no word is a tilde.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::TemplateError;
use crate::{
    channel::Message,
    dialect::{Ids, Notice},
    framing::{escape, http1::http_date},
};

/// `push_message_template`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MessageTemplate {
    parts: Vec<Part>,
    ids: Ids,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Literal(String),
    Value(Token, Filter),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token {
    Channel,
    EventId,
    EventType,
    Id,
    Size,
    Tag,
    Text,
    Time,
}

const TOKENS: [(&str, Token); 8] = [
    ("channel", Token::Channel),
    ("event-id", Token::EventId),
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

impl MessageTemplate {
    /// Compiles a template whose `~id~` is what `ids` says.
    pub fn parse(template: &str, ids: Ids) -> Result<Self, TemplateError> {
        Ok(Self { parts: parse(template)?, ids })
    }

    /// The iframe preset's.
    pub(super) fn call() -> Self {
        let parts = vec![
            Part::Literal("<script>parent.handle(".into()),
            Part::Value(Token::Text, Filter::Script),
            Part::Literal(")</script>\n".into()),
        ];
        Self { parts, ids: Ids::TimeTag }
    }

    /// A message in its words.
    pub fn render(&self, message: &Message) -> Vec<u8> {
        self.fill(message.body().len(), |token, filter, out| {
            token.with_value(message, self.ids, |value| filter.append(out, value));
        })
    }

    /// A message that nobody published, of a channel if it is about one.
    pub fn render_notice(&self, notice: Notice, channel: &[u8]) -> Vec<u8> {
        self.fill(notice.text.len(), |token, filter, out| {
            let value = match token {
                Token::Channel => return filter.append(out, channel),
                Token::EventId | Token::EventType => String::new(),
                Token::Id => notice.id.to_string(),
                Token::Size => notice.text.len().to_string(),
                Token::Tag => "0".into(),
                Token::Text => notice.text.into(),
                Token::Time => http_date(0).to_string(),
            };
            filter.append(out, value.as_bytes());
        })
    }

    fn fill(&self, length: usize, append: impl Fn(Token, Filter, &mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::with_capacity(length + 64);
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Value(token, filter) => append(*token, *filter, &mut out),
            }
        }
        out
    }
}

impl Token {
    fn with_value(self, message: &Message, ids: Ids, read: impl FnOnce(&[u8])) {
        let id = message.id();
        match self {
            Self::Channel => read(message.channel().as_bytes()),
            Self::EventType => read(message.event().map_or(b"", |name| name)),
            // Where publishers name none, the message's own id serves the same end.
            Self::EventId => match (message.event_id(), ids) {
                (Some(name), _) => read(name),
                (None, Ids::TimeTag) => read(id.to_string().as_bytes()),
                (None, Ids::Number) => read(b""),
            },
            Self::Id if ids == Ids::Number => read(message.number().to_string().as_bytes()),
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
