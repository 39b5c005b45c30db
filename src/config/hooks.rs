//! What a location asks and tells the application, and whom it tells of its channels.

use std::time::Duration;

use super::{
    directive::Block,
    proxy::{Pass, Proxy},
    value::At,
    variable::Template,
};

/// What a location asks and tells the application, and whom it tells of its channels.
#[derive(Debug, Default)]
pub struct Hooks {
    /// `push_authorize_request`: whether a request is served.
    pub authorize: Option<Question>,
    /// `push_authorize_cache`: how long a verdict holds; `None`: for one request.
    pub authorize_cache: Option<Duration>,
    /// `push_publisher_upstream_request`: what becomes of a message.
    pub publish: Option<Question>,
    /// `push_subscribe_request`: whether a subscriber that is going to stay may.
    pub subscribe: Option<Question>,
    /// `push_unsubscribe_request`: is told when such a subscriber has left.
    pub unsubscribe: Option<Question>,
    /// `push_channel_events`.
    pub events: Option<Events>,
    /// `push_presence`.
    pub presence: Option<Presence>,
}

/// A question for the application.
#[derive(Debug)]
pub struct Question {
    /// Who is asked; `None`: the location of the server that the URI belongs to, which has a
    /// `proxy_pass`.
    pub to: Option<Proxy>,
    /// The path, with arguments.
    pub uri: Template,
}

/// The channel that is told what happens in others.
#[derive(Debug)]
pub struct Events {
    /// `push_channel_events`: its id.
    pub channel: Template,
    /// `push_channel_event_string`: a message of it.
    pub text: Template,
    /// The same where somebody joins or leaves.
    pub presence_text: Template,
}

/// Who is on a channel.
#[derive(Debug)]
pub struct Presence {
    /// `push_presence`: who a subscriber is; nobody, if it expands to nothing.
    pub identity: Template,
    /// `push_presence_grace`: how long somebody without a connection counts as present.
    pub grace: Duration,
}

/// A question as it is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Ask {
    /// Who is asked; none: a location.
    pub(super) to: Option<Pass>,
    /// The path, with arguments and variables.
    pub(super) uri: String,
}

impl Ask {
    /// What it looks like, for errors.
    pub(super) const FORM: &str = "a path of this server, an URL like \"http://127.0.0.1:8000/path\", or an upstream and a path \
         like \"app/path\"";

    /// Reads one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`|#".contains(&byte)) {
            return None;
        }
        let (base, uri) = split(text);
        if base.is_empty() {
            return text.starts_with('/').then(|| Self { to: None, uri: text.to_owned() });
        }
        let sound = uri.is_empty() || uri.starts_with('/');
        let to = Pass::parse(base).filter(|_| sound)?;
        let uri = if uri.is_empty() { "/" } else { uri };
        Some(Self { to: Some(to), uri: uri.to_owned() })
    }

    /// The path of a location that is asked, if it is always the same.
    pub(super) fn location(&self) -> Option<&str> {
        let path = self.uri.split('?').next().unwrap_or_default();
        (self.to.is_none() && !path.contains('$')).then_some(path)
    }
}

impl Block {
    /// What it asks, of everybody.
    pub(super) fn questions(&self) -> impl Iterator<Item = &At<Option<Ask>>> {
        let asked = [
            &self.push_authorize_request,
            &self.push_publisher_upstream_request,
            &self.push_subscribe_request,
            &self.push_unsubscribe_request,
        ];
        asked.into_iter().flatten()
    }
}

/// Who is asked, and for what.
fn split(text: &str) -> (&str, &str) {
    let scheme = if text.starts_with("http://") { "http://".len() } else { 0 };
    if let Some(path) = text.strip_prefix("http://unix:") {
        let end = path.find(':').map_or(text.len(), |colon| "http://unix:".len() + colon);
        let (base, uri) = text.split_at(end);
        return (base, uri.strip_prefix(':').unwrap_or(uri));
    }
    let end = text[scheme..].find(['/', '?']).map_or(text.len(), |at| scheme + at);
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(Option<String>, String)> {
        let ask = Ask::parse(text)?;
        Some((ask.to.map(|pass| pass.base.into()), ask.uri))
    }

    #[test]
    fn a_question_goes_to_a_location_an_address_or_an_upstream() {
        for (text, base, uri) in [
            ("/auth", None, "/auth"),
            ("/auth?channel=$push_channel_id", None, "/auth?channel=$push_channel_id"),
            ("http://127.0.0.1:8000/auth", Some("http://127.0.0.1:8000"), "/auth"),
            ("http://app", Some("http://app"), "/"),
            ("http://[::1]:81/a?b", Some("http://[::1]:81"), "/a?b"),
            ("http://unix:/run/a.sock:/x/$arg_y", Some("http://unix:/run/a.sock"), "/x/$arg_y"),
            ("http://unix:/run/a.sock", Some("http://unix:/run/a.sock"), "/"),
            ("app/auth", Some("http://app"), "/auth"),
            ("app", Some("http://app"), "/"),
        ] {
            assert_eq!(parts(text), Some((base.map(str::to_owned), uri.to_owned())), "{text}");
        }
    }

    #[test]
    fn garbage_is_no_question() {
        for text in [
            "",
            "?x",
            "https://app/",
            "http://$host/auth",
            "$upstream/auth",
            "app?x",
            "/a b",
            "/a#b",
            "/a\nb",
            "http://unix:/a.sock:x",
        ] {
            assert_eq!(Ask::parse(text), None, "{text}");
        }
    }
}
