//! Where a location passes requests on to, and how: `proxy_pass` and its like.

use std::time::Duration;

use http::HeaderName;

use super::{upstream::Address, variable::Template};

/// What a location with `proxy_pass` does.
#[derive(Debug)]
pub struct Proxy {
    /// The number of its upstream in `Config::upstreams`.
    pub upstream: usize,
    /// The URL up to its path, as it is written: `http://app:8000`.
    pub base: Box<str>,
    /// The path of the URL, which takes the place of the location's; none: requests are passed on
    /// with the path they came with.
    pub uri: Option<Box<str>>,
    /// `proxy_set_header`; a header that expands to nothing is not sent.
    pub set_headers: Vec<(HeaderName, Template)>,
    /// How long the application may take.
    pub timeouts: Timeouts,
}

/// How long the application may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// `proxy_connect_timeout`.
    pub connect: Duration,
    /// `proxy_send_timeout`: between two writes.
    pub send: Duration,
    /// `proxy_read_timeout`: between two reads.
    pub read: Duration,
    /// `proxy_connect_retry`: how long a server that cannot be reached is tried again; zero: not at all.
    pub retry: Duration,
}

impl Default for Timeouts {
    /// Those of nginx, which tries nothing again.
    fn default() -> Self {
        let minute = Duration::from_mins(1);
        Self { connect: minute, send: minute, read: minute, retry: Duration::ZERO }
    }
}

/// A `proxy_pass` as it is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pass {
    /// What may be the name of an upstream.
    pub(super) name: Option<Box<str>>,
    /// What it is else.
    pub(super) address: Option<Address>,
    /// The URL up to its path.
    pub(super) base: Box<str>,
    /// Its path, with what follows.
    pub(super) uri: Option<Box<str>>,
}

impl Pass {
    /// What it looks like, for errors.
    pub(super) const FORM: &str = "an URL like \"http://127.0.0.1:8000\" or \
                                   \"http://unix:/run/app.sock:/uri\", or the name of an [[upstream]]";

    /// Reads one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let graphic = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}$#".contains(&byte);
        if !text.bytes().all(graphic) {
            return None;
        }
        let Some(rest) = text.strip_prefix("http://") else {
            let name = is_name(text).then(|| text.into());
            let base = format!("http://{text}").into();
            return name.map(|name| Self { name: Some(name), address: None, base, uri: None });
        };
        let (host, uri) = if let Some(path) = rest.strip_prefix("unix:") {
            let end = path.find(':').map_or(rest.len(), |colon| "unix:".len() + colon);
            (&rest[..end], rest[end..].strip_prefix(':'))
        } else {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            (&rest[..end], Some(&rest[end..]).filter(|uri| !uri.is_empty()))
        };
        if uri.is_some_and(|uri| !uri.starts_with('/')) {
            return None;
        }
        let address = Address::parse(host)?;
        let base = format!("http://{host}").into();
        let name = is_name(host).then(|| host.into());
        Some(Self { name, address: Some(address), base, uri: uri.map(Into::into) })
    }
}

/// Whether a text may be the name of an upstream.
pub(super) fn is_name(text: &str) -> bool {
    let name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && text.bytes().all(name_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(Option<String>, String, Option<String>)> {
        let pass = Pass::parse(text)?;
        let address = pass.address.map(|address| address.to_string());
        Some((address, pass.base.into(), pass.uri.map(Into::into)))
    }

    #[test]
    fn a_url_has_an_address_and_maybe_a_path() {
        for (text, address, base, uri) in [
            ("http://127.0.0.1:8000", "127.0.0.1:8000", "http://127.0.0.1:8000", None),
            ("http://app/", "app:80", "http://app", Some("/")),
            ("http://[::1]:81/a/b?c=d", "[::1]:81", "http://[::1]:81", Some("/a/b?c=d")),
            ("http://unix:/run/a.sock", "unix:/run/a.sock", "http://unix:/run/a.sock", None),
            ("http://unix:/a.sock:/x/", "unix:/a.sock", "http://unix:/a.sock", Some("/x/")),
        ] {
            let expected = (Some(address.to_owned()), base.to_owned(), uri.map(str::to_owned));
            assert_eq!(parts(text), Some(expected), "{text}");
        }
        assert_eq!(parts("app"), Some((None, "http://app".to_owned(), None)));
    }

    #[test]
    fn garbage_is_no_url() {
        for text in [
            "",
            "http://",
            "https://app",
            "http:///x",
            "http://a b",
            "http://app:0",
            "app/x",
            "http://app?x",
            "http://unix:x",
            "http://unix:/a.sock:x",
            "http://$host",
            "http://a/#b",
            "http://u@app/",
        ] {
            assert_eq!(Pass::parse(text), None, "{text}");
        }
    }
}
