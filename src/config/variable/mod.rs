//! Texts with variables, as in nginx: `"$arg_cid"`, `"room-${1}"`, `"$$"`.
//!
//! A template is read once; expanding it looks each variable up in the request. A variable that the
//! request does not have is empty. Values are bytes: a decoded argument need not be UTF-8.

pub mod later;
mod source;
mod uri;
mod veil;

use std::{borrow::Cow, fmt};

use http::{HeaderMap, HeaderName, Method, Uri};
use source::Source;
pub use source::requested_host;
pub use veil::{Veil, Veiled};

use crate::{
    access::Peer,
    channel::MessageId,
    credentials::Token,
    router::{Captures, Pattern},
};

/// A text with variables; its `Display` writes them as `${NAME}`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Literal(Box<str>),
    Variable { name: Box<str>, source: Source },
}

/// What the variables of a template are looked up in.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// `$request_method`.
    pub method: &'a Method,
    /// `$args`, `$arg_NAME`; after `X-Accel-Redirect` those of the new target.
    pub uri: &'a Uri,
    /// `$request_uri`, `$host`: the target as the client wrote it.
    pub asked: &'a Uri,
    /// `$uri`: the path as [`crate::router::normalize`] returned it.
    pub path: &'a [u8],
    /// `$http_NAME`, `$cookie_NAME`, `$host`.
    pub headers: &'a HeaderMap,
    /// `$1` to `$9` and named groups.
    pub captures: &'a Captures<'a>,
    /// `$remote_addr`, `$remote_port`.
    pub peer: Peer,
    /// `$connection`.
    pub connection: Veiled<'a>,
    /// `$request_id`, written as 32 hexadecimal digits.
    pub request_id: u128,
    /// `$scheme`.
    pub scheme: &'a str,
    /// `$server_name`.
    pub server_name: &'a str,
    /// `$jwt_NAME`: the token that the request has shown.
    pub token: Option<&'a Token>,
    /// `$push_*`.
    pub push: Push<'a>,
}

impl<'a> Scope<'a> {
    /// `$arg_NAME`.
    pub fn argument(&self, name: &str) -> Cow<'a, [u8]> {
        source::argument(self.uri.query().unwrap_or_default(), name)
    }
}

/// What is known of the channel by now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Push<'a> {
    /// `$push_channel_id`.
    pub channel_id: &'a [u8],
    /// `$push_channel_event`.
    pub event: &'a str,
    /// `$push_identity`.
    pub identity: &'a [u8],
    /// `$push_subscriber_type`.
    pub subscriber_type: &'a str,
    /// `$push_message_id`.
    pub message_id: Option<MessageId>,
    /// `$push_previous_message_id`.
    pub previous_message_id: Option<MessageId>,
    /// `$push_subscriber_count`.
    pub subscriber_count: Option<usize>,
}

/// Why a text is no template.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TemplateError {
    /// A `$` that no name follows.
    #[error("a `$` needs the name of a variable after it; a dollar sign is written `$$`")]
    Bare,
    /// A capture that the location's `path` does not have.
    #[error("`${number}`: the path {path:?} has {}", self::groups(*.groups))]
    NoGroup {
        /// The number of the capture.
        number: usize,
        /// The location's `path`.
        path: String,
        /// How many groups it has.
        groups: usize,
    },
    /// `${` without its `}`, or with something else than a name between them.
    #[error("`${{` needs the name of a variable and a `}}` after it")]
    Unclosed,
    /// No variable of this name.
    #[error("unknown variable `${name}`{}", did_you_mean(.nearest.as_deref()))]
    Unknown {
        /// The name as it is written.
        name: String,
        /// The known variable that is nearest to it.
        nearest: Option<String>,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean `${name}`?"))
}

fn groups(count: usize) -> String {
    match count {
        0 => "no groups".to_owned(),
        1 => "1 group".to_owned(),
        _ => format!("{count} groups"),
    }
}

impl Template {
    /// Reads a text; the pattern is the location's and says which groups there are.
    pub fn parse(text: &str, pattern: &Pattern) -> Result<Self, TemplateError> {
        let mut template = Self::default();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('$') {
            template.push_literal(literal);
            if let Some(after) = after.strip_prefix('$') {
                template.push_literal("$");
                rest = after;
                continue;
            }
            let (name, after) = name(after)?;
            let source = Source::find(name, pattern)?;
            template.parts.push(Part::Variable { name: name.into(), source });
            rest = after;
        }
        template.push_literal(rest);
        Ok(template)
    }

    fn push_literal(&mut self, text: &str) {
        if let Some(Part::Literal(last)) = self.parts.last_mut() {
            *last = format!("{last}{text}").into();
        } else if !text.is_empty() {
            self.parts.push(Part::Literal(text.into()));
        }
    }

    /// A variable of the text that is always empty in the value of this key: what is not known by then.
    pub fn never_known(&self, key: &str) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            Part::Variable { name, source } => source.is_never_known(key).then_some(&**name),
            Part::Literal(_) => None,
        })
    }

    /// Whether it is the empty text.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// A variable whose value the client chooses, and the other text does not have; where the location
    /// is internal the application has chosen most.
    pub fn chosen_beside(&self, other: Option<&Self>, internal: bool) -> Option<&str> {
        let others = other.map_or(&[][..], |other| &other.parts);
        let shows = |part: &Part, own: &Source| match part {
            Part::Variable { source, .. } => source == own,
            Part::Literal(_) => false,
        };
        self.parts.iter().find_map(|part| match part {
            Part::Variable { name, source } if source.is_chosen(internal) => {
                (!others.iter().any(|other| shows(other, source))).then_some(&**name)
            }
            _ => None,
        })
    }

    /// The request headers that the text reads by name: `$http_NAME`.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable { source: Source::Header(name), .. } => Some(name),
            _ => None,
        })
    }

    /// A claim in the text that a token does not have, or has empty.
    pub fn missing_claim(&self, token: &Token) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            Part::Variable { source, .. } => source.missing_claim(token),
            Part::Literal(_) => None,
        })
    }

    /// The text for a request. One literal or one variable alone is not copied.
    pub fn expand<'a>(&'a self, scope: &Scope<'a>) -> Cow<'a, [u8]> {
        match &self.parts[..] {
            [] => Cow::Borrowed(b""),
            [part] => part.expand(scope),
            parts => {
                let mut text = Vec::new();
                for part in parts {
                    text.extend_from_slice(&part.expand(scope));
                }
                Cow::Owned(text)
            }
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Literal(text) => f.write_str(&text.replace('$', "$$")),
            Part::Variable { name, .. } => write!(f, "${{{name}}}"),
        })
    }
}

/// The name at the beginning of a text that follows a `$`, and what comes after it. Without braces
/// a digit is a name of its own, as in nginx.
fn name(text: &str) -> Result<(&str, &str), TemplateError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(braced) = text.strip_prefix('{') {
        let (name, after) = braced.split_once('}').ok_or(TemplateError::Unclosed)?;
        let sound = !name.is_empty() && name.chars().all(is_name);
        return if sound { Ok((name, after)) } else { Err(TemplateError::Unclosed) };
    }
    let end = match text.as_bytes().first() {
        Some(first) if first.is_ascii_digit() => 1,
        _ => text.find(|c| !is_name(c)).unwrap_or(text.len()),
    };
    if end == 0 { Err(TemplateError::Bare) } else { Ok(text.split_at(end)) }
}

impl Part {
    fn expand<'a>(&'a self, scope: &Scope<'a>) -> Cow<'a, [u8]> {
        match self {
            Self::Literal(text) => Cow::Borrowed(text.as_bytes()),
            Self::Variable { source, .. } => source.look_up(scope),
        }
    }
}

#[cfg(test)]
mod tests;
