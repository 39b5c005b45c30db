//! URLs of a gateway, as the command line takes them.

use std::str::FromStr;

use http::Uri;

/// `http://host:port/path?query`, or `ws://` in place of `http://`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Url {
    /// Whether the scheme is `ws`.
    pub(super) websocket: bool,
    /// A name or an address, without the brackets of IPv6.
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as they were written.
    pub(super) authority: String,
    /// Path and query as they were written; `/` for none.
    pub(super) target: String,
}

/// Why a text is no [`Url`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadUrl {
    /// No URL, or not of a scheme that is spoken.
    #[error("must be an URL with http:// or ws://")]
    NoUrl,
    /// `https` or `wss`.
    #[error(
        "TLS is not spoken here: name the gateway's own http:// address, or connect through a program \
         that speaks it (socat, stunnel)"
    )]
    Tls,
    /// `user:password@`.
    #[error("credentials do not belong in the URL, but in a header: -H 'Authorization: ...'")]
    Credentials,
}

/// The port of `http` and `ws`.
const PORT: u16 = 80;

impl FromStr for Url {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let uri: Uri = text.parse().map_err(|_| BadUrl::NoUrl)?;
        let websocket = match uri.scheme_str() {
            Some("http") => false,
            Some("ws") => true,
            Some("https" | "wss") => return Err(BadUrl::Tls),
            _ => return Err(BadUrl::NoUrl),
        };
        let authority = uri.authority().ok_or(BadUrl::NoUrl)?;
        if authority.as_str().contains('@') {
            return Err(BadUrl::Credentials);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        // The library's own reading of a port takes one that is too large for none.
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| BadUrl::NoUrl)?,
            None => PORT,
        };
        if host.is_empty() || port == 0 {
            return Err(BadUrl::NoUrl);
        }
        let after = text.split_once("://").map_or("", |(_, after)| after);
        let target = after.find(['/', '?']).map_or("", |at| &after[at..]);
        let target = target.split('#').next().unwrap_or_default();
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self {
            websocket,
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            target: format!("{slash}{target}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_url_says_where_to_connect_and_what_to_ask_for() {
        let url: Url = "http://localhost:8080/listen/?cid=5#top".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.websocket), ("localhost", 8080, false));
        assert_eq!((&*url.authority, &*url.target), ("localhost:8080", "/listen/?cid=5"));
        let url: Url = "ws://[::1]?cid=5".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.websocket), ("::1", 80, true));
        assert_eq!((&*url.authority, &*url.target), ("[::1]", "/?cid=5"));
        assert_eq!("http://h".parse::<Url>().unwrap().target, "/");
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_reason() {
        for (text, why) in [
            ("", BadUrl::NoUrl),
            ("localhost:8080/", BadUrl::NoUrl),
            ("/listen/", BadUrl::NoUrl),
            ("ftp://h/", BadUrl::NoUrl),
            ("http://", BadUrl::NoUrl),
            ("http://h/a b", BadUrl::NoUrl),
            ("http://h:99999/", BadUrl::NoUrl),
            ("http://h:0/", BadUrl::NoUrl),
            ("http://h:/", BadUrl::NoUrl),
            ("http://h/\r\nX: y", BadUrl::NoUrl),
            ("https://h/", BadUrl::Tls),
            ("wss://h/", BadUrl::Tls),
            ("http://ann:secret@h/", BadUrl::Credentials),
        ] {
            assert_eq!(text.parse::<Url>(), Err(why), "{text}");
        }
    }
}
