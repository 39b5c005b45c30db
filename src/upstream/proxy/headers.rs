//! The request as the application gets it.
//!
//! What must hold: how the message is carried is decided anew, so nothing that a client says about
//! that reaches the application; and what proxies say about a client is passed on only from those that
//! `real_ip_from` names.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header, uri::Authority};
use http_body::Body;

use super::Passage;
use crate::{
    access::{Peer, X_FORWARDED_FOR},
    response::Refusal,
    upstream::Upload,
};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Headers that concern one connection (RFC 9110 section 7.6.1), whether `Connection` names them or
/// not; how a body is framed is one connection's affair, too.
const HOPS: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What a client says of the answer that it has already (RFC 9110 sections 13.1 and 14.2).
pub const CONDITIONS: [HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
];

/// Protocols that are not passed through: in them further requests would come past every rule of the
/// gateway.
const HTTP_AGAIN: [&str; 3] = ["h2", "http", "tls"];

/// What is sent in front of the body.
pub(super) struct Onward {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
}

/// What no client can have removed by naming it in `Connection`: others rely on it, or have said it.
fn stays(name: &HeaderName) -> bool {
    const STAY: [HeaderName; 5] = [
        header::HOST,
        header::COOKIE,
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::FORWARDED,
    ];
    STAY.contains(name) || name == "x-real-ip" || name.as_str().starts_with("x-forwarded-")
}

/// Removes what concerns one connection (RFC 9110 section 7.6.1).
pub fn strip_hops(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !stays(name))
        .collect();
    for name in HOPS.iter().chain(&named) {
        headers.remove(name);
    }
}

impl Passage<'_> {
    /// What is sent to the application.
    pub(super) fn onward(&self, body: &Upload) -> Result<Onward, Refusal> {
        let protocol = self.upgrade(body);
        let mut headers = self.head.headers.clone();
        strip_hops(&mut headers);
        for name in [header::CONTENT_LENGTH, header::EXPECT, HeaderName::from_static("proxy")] {
            headers.remove(name);
        }
        remove_ambiguous(&mut headers);
        self.name_host(&mut headers);
        self.tell_origin(&mut headers);
        for (name, template) in &self.proxy.set_headers {
            let value = template.expand(self.scope);
            if value.is_empty() {
                headers.remove(name);
                continue;
            }
            let value = HeaderValue::from_bytes(&value).map_err(|_| {
                Refusal::BadRequest("The request has a control character for a header.".into())
            })?;
            headers.insert(name, value);
        }
        let meant_for_body = matches!(self.head.method, Method::POST | Method::PUT | Method::PATCH);
        if body.is_end_stream() && meant_for_body {
            headers.insert(header::CONTENT_LENGTH, 0.into());
        }
        // hyper takes a GET without a length for one without a body.
        if !body.is_end_stream() && body.size_hint().exact().is_none() {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if let Some(protocol) = protocol {
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::UPGRADE, protocol);
        }
        Ok(Onward { uri: self.target()?, headers })
    }

    /// The protocol to change to, if the client asks for one that may be passed through.
    fn upgrade(&self, body: &Upload) -> Option<HeaderValue> {
        let headers = &self.head.headers;
        let asks = |value: &HeaderValue| {
            let tokens = value.as_bytes().split(|byte| *byte == b',');
            tokens.into_iter().any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        };
        let mut protocols = headers.get_all(header::UPGRADE).iter();
        let (Some(protocol), None) = (protocols.next(), protocols.next()) else { return None };
        let text = protocol.to_str().ok()?.to_ascii_lowercase();
        let again = |token: &str| HTTP_AGAIN.iter().any(|name| token.trim().starts_with(name));
        let fits = self.head.version == Version::HTTP_11
            && body.is_end_stream()
            && headers.get_all(header::CONNECTION).iter().any(asks)
            && !text.split(',').any(again);
        fits.then(|| protocol.clone())
    }

    /// The host that the client asked for: without it the application could not make links.
    fn name_host(&self, headers: &mut HeaderMap) {
        let named = self.scope.asked.authority().and_then(host_and_port);
        if let Some(host) = named {
            headers.insert(header::HOST, host);
        } else if !headers.contains_key(header::HOST) {
            let own = self.proxy.base.trim_start_matches("http://");
            let name = if own.starts_with("unix:") { "localhost" } else { own };
            if let Ok(host) = HeaderValue::from_str(name) {
                headers.insert(header::HOST, host);
            }
        }
    }

    /// Who asks, for which host and how, as proxies say it.
    fn tell_origin(&self, headers: &mut HeaderMap) {
        let trusted = self.location.real_ip.trusts(self.peer);
        if !trusted {
            forget_origin(headers);
        }
        let address = match self.peer {
            Peer::Inet(address, _) => address.to_string(),
            Peer::Unix => "unix:".to_owned(),
        };
        let earlier: Vec<_> = headers
            .get_all(&X_FORWARDED_FOR)
            .iter()
            .map(|value| value.as_bytes().to_vec())
            .collect();
        let chain = earlier.into_iter().chain([address.into_bytes()]).collect::<Vec<_>>();
        if let Ok(chain) = HeaderValue::from_bytes(&chain.join(&b", "[..])) {
            headers.insert(X_FORWARDED_FOR, chain);
        }
        if !headers.contains_key(&X_FORWARDED_PROTO)
            && let Ok(scheme) = HeaderValue::from_str(self.scope.scheme)
        {
            headers.insert(X_FORWARDED_PROTO, scheme);
        }
        if !headers.contains_key(&X_FORWARDED_HOST)
            && let Some(host) = headers.get(header::HOST).cloned()
        {
            headers.insert(X_FORWARDED_HOST, host);
        }
    }
}

/// Removes names with an underscore, as nginx does: applications that see headers as variables (CGI,
/// WSGI) cannot tell them from those with a hyphen, and somebody else may have set these.
fn remove_ambiguous(headers: &mut HeaderMap) {
    let ambiguous: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
    for name in ambiguous {
        headers.remove(name);
    }
}

/// Removes what only a proxy may say.
fn forget_origin(headers: &mut HeaderMap) {
    let said: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            name.as_str().starts_with("x-forwarded-")
                || **name == header::FORWARDED
                || **name == X_REAL_IP
        })
        .cloned()
        .collect();
    for name in said {
        headers.remove(name);
    }
}

/// An authority without what stands before its `@`.
fn host_and_port(authority: &Authority) -> Option<HeaderValue> {
    let text = authority.as_str();
    let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
    HeaderValue::from_str(host).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_concerns_one_connection_is_removed_named_or_not() {
        let mut headers = headers(&[
            ("connection", "close, X-Hop"),
            ("connection", "x-other"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "x"),
            ("accept", "*/*"),
        ]);
        strip_hops(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["accept"]);
    }

    #[test]
    fn what_a_client_says_about_itself_is_forgotten() {
        let mut headers = headers(&[
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-port", "1"),
            ("x-real-ip", "127.0.0.1"),
            ("forwarded", "for=127.0.0.1"),
            ("x_forwarded_for", "127.0.0.1"),
            ("x-other", "1"),
        ]);
        remove_ambiguous(&mut headers);
        forget_origin(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-other"]);
    }

    #[test]
    fn a_password_is_no_part_of_the_host() {
        let authority = Authority::from_static("user:secret@example.com:81");
        assert_eq!(host_and_port(&authority).unwrap(), "example.com:81");
    }
}
