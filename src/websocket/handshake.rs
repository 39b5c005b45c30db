//! The opening handshake (RFC 6455 section 4.2). Whose page asks, and for which host, is not
//! decided here.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header,
    header::{
        SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION,
    },
    request::Parts,
};
use sha1::{Digest as _, Sha1};

use super::{Window, extension};

/// What the key is joined with (RFC 6455 section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The bytes in a key.
const KEY_LENGTH: usize = 16;
/// The one version of the protocol.
const VERSION: HeaderValue = HeaderValue::from_static("13");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE: HeaderValue = HeaderValue::from_static("Upgrade");

/// What a location has to offer to a client.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The subprotocols that it speaks, each a token.
    pub protocols: &'a [Box<str>],
    /// Whether messages may be compressed.
    pub deflate: bool,
}

/// A handshake that can be answered with 101 and no body.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The headers of the 101, all that it needs.
    pub headers: HeaderMap,
    /// Which of [`Terms::protocols`] is spoken; `None`: the client named none that is known.
    pub protocol: Option<usize>,
    /// Messages may be compressed, those of the server with this window.
    pub deflate: Option<Window>,
}

/// A handshake that is refused; its `Display` is the sentence that goes into the body.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HandshakeError {
    /// 400: HTTP/1.0 cannot upgrade.
    #[error("A WebSocket needs HTTP/1.1.")]
    HttpVersion,
    /// 400: a header that has to be there is not.
    #[error("The request has no {0}.")]
    Missing(&'static str),
    /// 400: a header that may be there once is there again.
    #[error("The request has more than one {0}.")]
    Repeated(&'static str),
    /// 400: the key is not 16 bytes in base64.
    #[error("The Sec-WebSocket-Key is not 16 bytes in base64.")]
    InvalidKey,
    /// 426: the client speaks another version of the protocol (RFC 6455 section 4.4).
    #[error("Only version 13 of the WebSocket protocol is spoken here.")]
    UnsupportedVersion,
}

impl HandshakeError {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::UnsupportedVersion => StatusCode::UPGRADE_REQUIRED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// What the answer says in its headers besides: which version would do.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if *self == Self::UnsupportedVersion {
            headers.insert(header::UPGRADE, WEBSOCKET);
            headers.insert(header::CONNECTION, UPGRADE);
            headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
        }
        headers
    }
}

/// Whether the client asks for a WebSocket, be it rightly or not: `GET` with `Upgrade: websocket`
/// and `Connection: Upgrade`, both lists, in any case.
pub fn is_requested(head: &Parts) -> bool {
    let lists = |name: HeaderName, token: &[u8]| {
        let mut lines = head.headers.get_all(name).into_iter();
        lines.any(|line| elements(line).any(|element| element.eq_ignore_ascii_case(token)))
    };
    head.method == Method::GET
        && lists(header::UPGRADE, b"websocket")
        && lists(header::CONNECTION, b"upgrade")
}

/// Answers the handshake of a request that [asks for a WebSocket](is_requested).
///
/// The protocol is the first that the client names and the location knows: the order is the
/// client's preference.
pub fn accept(head: &Parts, offer: &Terms<'_>) -> Result<Accepted, HandshakeError> {
    if head.version < Version::HTTP_11 {
        return Err(HandshakeError::HttpVersion);
    }
    let said = Said::read(&head.headers, offer.protocols);
    if said.version.once("Sec-WebSocket-Version")? != VERSION {
        return Err(HandshakeError::UnsupportedVersion);
    }
    let key = said.key.once("Sec-WebSocket-Key")?;
    let mut headers = HeaderMap::new();
    headers.insert(header::UPGRADE, WEBSOCKET);
    headers.insert(header::CONNECTION, UPGRADE);
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept_key(key).ok_or(HandshakeError::InvalidKey)?);
    let name = said.protocol.and_then(|at| HeaderValue::from_str(&offer.protocols[at]).ok());
    if let Some(name) = name {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, name);
    }
    let extends = offer.deflate && said.extends;
    let agreed = extends.then(|| extension::negotiate(&head.headers)).flatten();
    let deflate = agreed.map(|agreed| {
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, agreed.answer);
        agreed.window
    });
    Ok(Accepted { headers, protocol: said.protocol, deflate })
}

/// What a handshake says.
#[derive(Debug, Default)]
struct Said<'a> {
    version: Lines<'a>,
    key: Lines<'a>,
    /// The first protocol that is known: where it stands among those.
    protocol: Option<usize>,
    /// There are offers of extensions.
    extends: bool,
}

impl<'a> Said<'a> {
    fn read(headers: &'a HeaderMap, protocols: &[Box<str>]) -> Self {
        let known = |name: &[u8]| protocols.iter().position(|known| known.as_bytes() == name);
        let mut said = Self::default();
        for (name, value) in headers {
            match name {
                name if *name == SEC_WEBSOCKET_VERSION => said.version.add(value),
                name if *name == SEC_WEBSOCKET_KEY => said.key.add(value),
                name if *name == SEC_WEBSOCKET_PROTOCOL => {
                    said.protocol = said.protocol.or_else(|| elements(value).find_map(known));
                }
                name => said.extends |= *name == SEC_WEBSOCKET_EXTENSIONS,
            }
        }
        said
    }
}

/// The lines of a header that has to be there once.
#[derive(Clone, Copy, Debug, Default)]
enum Lines<'a> {
    #[default]
    None,
    One(&'a HeaderValue),
    More,
}

impl<'a> Lines<'a> {
    fn add(&mut self, value: &'a HeaderValue) {
        *self = if matches!(self, Self::None) { Self::One(value) } else { Self::More };
    }

    /// The value; `spelled` is the name of the header as it is usually written.
    fn once(self, spelled: &'static str) -> Result<&'a HeaderValue, HandshakeError> {
        match self {
            Self::One(value) => Ok(value),
            Self::None => Err(HandshakeError::Missing(spelled)),
            Self::More => Err(HandshakeError::Repeated(spelled)),
        }
    }
}

/// The elements of a line that is a list of tokens. Empty ones do not count (RFC 9110 section
/// 5.6.1.2).
fn elements(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let elements = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    elements.filter(|element| !element.is_empty())
}

/// The `Sec-WebSocket-Accept` for a key (RFC 6455 section 4.2.2); `None`: it is none.
pub fn accept_key(key: &HeaderValue) -> Option<HeaderValue> {
    let bytes = STANDARD.decode(key).ok()?;
    if bytes.len() != KEY_LENGTH {
        return None;
    }
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    HeaderValue::from_str(&STANDARD.encode(digest)).ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    /// The handshake of RFC 6455 section 1.3, with `more` headers, without those named in `without`.
    fn head(more: &[(&str, &str)], without: &[&str]) -> Parts {
        let mut request = Request::get("/chat");
        let lines = [
            ("Host", "server.example.com"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", KEY),
            ("Origin", "http://example.com"),
            ("Sec-WebSocket-Version", "13"),
        ];
        let lines = lines.into_iter().filter(|(name, _)| !without.contains(name));
        for (name, value) in lines.chain(more.iter().copied()) {
            request = request.header(name, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn accepted(
        head: &Parts,
        protocols: &[&str],
        deflate: bool,
    ) -> Result<Accepted, HandshakeError> {
        let protocols: Vec<Box<str>> = protocols.iter().map(|&name| name.into()).collect();
        accept(head, &Terms { protocols: &protocols, deflate })
    }

    #[track_caller]
    fn assert_refused(head: &Parts, error: &HandshakeError) {
        assert_eq!(&accepted(head, &[], false).unwrap_err(), error);
    }

    fn lines(headers: &HeaderMap) -> Vec<String> {
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    fn changed(name: &'static str, value: &str) -> Parts {
        head(&[(name, value)], &[name])
    }

    #[test]
    fn the_example_of_rfc_6455_is_answered() {
        let head = head(&[("Sec-WebSocket-Protocol", "chat, superchat")], &[]);
        assert!(is_requested(&head));
        let accepted = accepted(&head, &["superchat", "chat"], true).unwrap();
        let expected = [
            "upgrade: websocket",
            "connection: Upgrade",
            "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "sec-websocket-protocol: chat",
        ];
        assert_eq!(lines(&accepted.headers), expected);
        assert_eq!(accepted.protocol, Some(1));
        assert_eq!(accepted.deflate, None);
    }

    #[test]
    fn an_upgrade_may_stand_in_lists_and_in_any_case() {
        let both = ["Upgrade", "Connection"];
        let lists = [("Upgrade", "h2c, WebSocket"), ("Connection", "keep-alive, UPGRADE")];
        assert!(is_requested(&head(&lists, &both)));
        let lines = [
            ("Upgrade", "h2c"),
            ("Upgrade", "websocket"),
            ("Connection", "keep-alive"),
            ("Connection", ",upgrade\t,"),
        ];
        assert!(accepted(&head(&lines, &both), &[], false).is_ok());
    }

    #[test]
    fn what_asks_for_something_else_asks_for_no_websocket() {
        let others = [
            head(&[], &["Upgrade"]),
            head(&[], &["Connection"]),
            changed("Upgrade", "websockets"),
            changed("Upgrade", "web, socket"),
            changed("Connection", "keep-alive"),
            changed("Connection", ""),
        ];
        for head in &others {
            assert!(!is_requested(head));
        }
        let mut post = head(&[], &[]);
        post.method = Method::POST;
        assert!(!is_requested(&post));
    }

    #[test]
    fn http_1_0_cannot_upgrade() {
        let mut old = head(&[], &[]);
        old.version = Version::HTTP_10;
        assert!(is_requested(&old));
        assert_refused(&old, &HandshakeError::HttpVersion);
    }

    #[test]
    fn another_version_is_told_the_one_that_is_spoken() {
        for version in ["8", "14", "013", "13, 8", ""] {
            assert_refused(
                &changed("Sec-WebSocket-Version", version),
                &HandshakeError::UnsupportedVersion,
            );
        }
        let error = HandshakeError::UnsupportedVersion;
        assert_eq!(error.status(), 426);
        assert_eq!(
            lines(&error.headers()),
            ["upgrade: websocket", "connection: Upgrade", "sec-websocket-version: 13"]
        );
    }

    #[test]
    fn the_key_has_to_be_there_once() {
        let name = "Sec-WebSocket-Key";
        assert_refused(&head(&[], &[name]), &HandshakeError::Missing(name));
        assert_refused(&head(&[(name, KEY)], &[]), &HandshakeError::Repeated(name));
        let version = "Sec-WebSocket-Version";
        assert_refused(&head(&[], &[version]), &HandshakeError::Missing(version));
        assert_refused(&head(&[(version, "13")], &[]), &HandshakeError::Repeated(version));
        let error = HandshakeError::Missing(name);
        assert_eq!(error.to_string(), "The request has no Sec-WebSocket-Key.");
        assert_eq!(error.status(), 400);
        assert!(error.headers().is_empty());
    }

    #[test]
    fn a_key_that_is_not_16_bytes_is_refused() {
        let bad = [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub25jZ===",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZSE=",
            "dGhlIHNhbXBsZSBub25jZQ==AAAA",
            "not base64 not base64 ==",
        ];
        for key in bad {
            assert_refused(&changed("Sec-WebSocket-Key", key), &HandshakeError::InvalidKey);
        }
    }

    #[test]
    fn the_protocol_is_the_first_of_the_client_that_is_known() {
        let protocol = |lines: &[&str], known: &[&str]| {
            let lines: Vec<_> =
                lines.iter().map(|line| ("Sec-WebSocket-Protocol", *line)).collect();
            let accepted = accepted(&head(&lines, &[]), known, false).unwrap();
            let header = accepted.headers.get(SEC_WEBSOCKET_PROTOCOL).cloned();
            accepted.protocol.map(|at| (at, header.unwrap().to_str().unwrap().to_owned()))
        };
        let known = ["chat", "ws+meta.nchan"];
        assert_eq!(protocol(&["chat, superchat"], &known), Some((0, "chat".into())));
        assert_eq!(
            protocol(&["mqtt,x,ws+meta.nchan", "chat"], &known),
            Some((1, "ws+meta.nchan".into()))
        );
        assert_eq!(protocol(&["superchat", " ,\tchat "], &known), Some((0, "chat".into())));
        assert_eq!(protocol(&["chat"], &[]), None);
        assert_eq!(protocol(&["Chat, chatter"], &known), None);
        assert_eq!(protocol(&["", ","], &known), None);
        assert_eq!(protocol(&[], &known), None);
    }

    #[test]
    fn no_common_protocol_is_no_header_at_all() {
        let head = head(&[("Sec-WebSocket-Protocol", "superchat")], &[]);
        let accepted = accepted(&head, &["chat"], false).unwrap();
        assert!(!accepted.headers.contains_key(SEC_WEBSOCKET_PROTOCOL));
        assert_eq!(accepted.headers.len(), 3);
    }

    #[test]
    fn deflate_is_agreed_on_where_the_location_has_it() {
        let offer = "permessage-deflate; client_max_window_bits";
        let head = head(&[("Sec-WebSocket-Extensions", offer)], &[]);
        let without = accepted(&head, &[], false).unwrap();
        assert_eq!((without.deflate, without.headers.len()), (None, 3));
        let with = accepted(&head, &[], true).unwrap();
        assert_eq!(with.deflate, Some(Window::Fifteen));
        assert_eq!(
            with.headers[SEC_WEBSOCKET_EXTENSIONS],
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        );
    }

    #[test]
    fn an_offer_that_is_nonsense_costs_the_compression_and_not_the_connection() {
        let head = head(&[("Sec-WebSocket-Extensions", "permessage-deflate; \"")], &[]);
        let accepted = accepted(&head, &[], true).unwrap();
        assert_eq!((accepted.deflate, accepted.headers.len()), (None, 3));
    }
}
