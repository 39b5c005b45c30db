//! Which pages of other origins may use a location, and how their browsers are told (the Fetch
//! standard's CORS protocol): `push_allowed_origins`, `push_allow_credentials`.

use http::{HeaderMap, HeaderValue, header};

/// What a location tells browsers about other origins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cors {
    /// `push_allowed_origins`.
    origins: Origins,
    /// `push_allow_credentials`.
    credentials: bool,
    /// Request headers that a page's script may set.
    allowed: HeaderValue,
    /// Response headers that a page's script may read.
    exposed: HeaderValue,
}

/// The origins whose pages may use a location.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Origins {
    /// `["*"]`.
    Any,
    /// These, each `scheme://host[:port]`, compared without regard to ASCII case.
    List(Vec<String>),
    /// No other than the location's own.
    #[default]
    Same,
}

/// [`Cors::exposed`] of every location.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("Last-Modified, Etag, Content-Type, X-Push-Gap");
/// [`Cors::allowed`] of every location.
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "If-None-Match, If-Modified-Since, Etag, Last-Event-ID, Content-Type, Cache-Control, \
     X-EventSource-Event, Event-Type, Event-Id, Authorization",
);
/// Seconds that a browser may remember a preflight: a day.
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const ANY: HeaderValue = HeaderValue::from_static("*");

impl Default for Cors {
    fn default() -> Self {
        Self::new(Origins::Same, false)
    }
}

impl Cors {
    /// `push_allowed_origins`, and `push_allow_credentials`: cookies may come along. That has no effect
    /// with [`Origins::Any`]: browsers refuse the pair, because it would hand every user's channels to
    /// every page.
    pub fn new(origins: Origins, credentials: bool) -> Self {
        Self { origins, credentials, allowed: ALLOWED, exposed: EXPOSED }
    }

    /// The same with further request headers that a page's script may set.
    #[must_use]
    pub fn allowing<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Self {
        Self { allowed: listed(self.allowed, names), ..self }
    }

    /// The same with further response headers that a page's script may read.
    #[must_use]
    pub fn exposing<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Self {
        Self { exposed: listed(self.exposed, names), ..self }
    }

    /// The headers of an ordinary answer. They are to be appended to those it has: both may carry
    /// a `Vary`.
    pub fn headers(&self, origin: Option<&HeaderValue>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.grant(origin, &mut headers) {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed.clone());
        }
        headers
    }

    /// Appends [`Cors::headers`] to those of an answer.
    pub fn append_to(&self, headers: &mut HeaderMap, origin: Option<&HeaderValue>) {
        for (name, value) in &self.headers(origin) {
            headers.append(name, value.clone());
        }
    }

    /// The headers of an answer to OPTIONS; `requested_method` is the request's
    /// `Access-Control-Request-Method`, without which it is no preflight, and `allow` what the
    /// location takes, methods separated by comma and blank.
    pub fn preflight(
        &self,
        origin: Option<&HeaderValue>,
        requested_method: Option<&HeaderValue>,
        allow: &str,
    ) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.grant(origin, &mut headers) && requested_method.is_some() {
            if let Ok(methods) = HeaderValue::from_str(allow) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            }
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, self.allowed.clone());
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        headers
    }

    /// Whether a request may be served at all, for those that browsers send without asking first
    /// (WebSocket, a form's POST): it names no origin, an allowed one, or the location's own, which
    /// is the request's `Host`.
    pub fn permits(&self, origin: Option<&HeaderValue>, host: Option<&HeaderValue>) -> bool {
        let Some(origin) = origin else { return true };
        self.allows(origin) || host.is_some_and(|host| same(origin.as_bytes(), host.as_bytes()))
    }

    /// Adds what grants `origin` its access, and says whether it did.
    fn grant(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
        match &self.origins {
            Origins::Any => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
                true
            }
            Origins::List(_) => {
                // Also on a refusal: a cache must not hand it to the next origin.
                headers.insert(header::VARY, HeaderValue::from_static("Origin"));
                let Some(origin) = origin.filter(|origin| self.allows(origin)) else {
                    return false;
                };
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                if self.credentials {
                    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
                }
                true
            }
            Origins::Same => false,
        }
    }

    /// Whether the configuration names `origin`. The opaque origin `null` is anybody's.
    fn allows(&self, origin: &HeaderValue) -> bool {
        let origin = origin.as_bytes();
        match &self.origins {
            Origins::Any => true,
            Origins::List(list) => {
                !origin.eq_ignore_ascii_case(b"null")
                    && list.iter().any(|entry| origin.eq_ignore_ascii_case(entry.as_bytes()))
            }
            Origins::Same => false,
        }
    }
}

/// A list of names with more of them, each once.
fn listed<'n>(list: HeaderValue, names: impl IntoIterator<Item = &'n str>) -> HeaderValue {
    let Ok(text) = list.to_str() else { return list };
    let mut text = text.to_owned();
    for name in names {
        if !text.split(", ").any(|known| known.eq_ignore_ascii_case(name)) {
            text = format!("{text}, {name}");
        }
    }
    HeaderValue::from_str(&text).unwrap_or(list)
}

/// Whether `origin` is on `host`; a port that either leaves out is the one of the origin's scheme.
fn same(origin: &[u8], host: &[u8]) -> bool {
    let Some(at) = origin.windows(3).position(|bytes| bytes == b"://") else { return false };
    let default_port: &[u8] = match origin[..at].to_ascii_lowercase().as_slice() {
        b"http" | b"ws" => b"80",
        b"https" | b"wss" => b"443",
        _ => return false,
    };
    let (origin_name, origin_port) = split_port(&origin[at + 3..]);
    let (name, port) = split_port(host);
    !name.is_empty()
        && origin_name.eq_ignore_ascii_case(name)
        && origin_port.unwrap_or(default_port) == port.unwrap_or(default_port)
}

/// `host[:port]` as its two parts; the colons of an IPv6 address are within its brackets.
fn split_port(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    let digits = authority.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, port) = authority.split_at(authority.len() - digits);
    match before.strip_suffix(b":") {
        Some(name) => (name, (!port.is_empty()).then_some(port)),
        None => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    fn list(credentials: bool) -> Cors {
        let origins = Origins::List(vec!["https://a.example".into(), "http://b.example:81".into()]);
        Cors::new(origins, credentials)
    }

    fn lines(headers: &HeaderMap) -> Vec<String> {
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn nothing_is_said_where_only_the_own_origin_is_served() {
        let cors = Cors::new(Origins::Same, true);
        assert!(cors.headers(Some(&value("https://a.example"))).is_empty());
        let method = value("POST");
        assert!(cors.preflight(Some(&value("https://a.example")), Some(&method), "GET").is_empty());
    }

    #[test]
    fn any_origin_gets_a_star_that_caches_may_share_and_never_credentials() {
        let cors = Cors::new(Origins::Any, true);
        let expected = [
            "access-control-allow-origin: *",
            "access-control-expose-headers: Last-Modified, Etag, Content-Type, X-Push-Gap",
        ];
        assert_eq!(lines(&cors.headers(None)), expected);
        assert_eq!(lines(&cors.headers(Some(&value("null")))), expected);
    }

    #[test]
    fn a_listed_origin_is_named_and_caches_are_told_that_it_matters() {
        let expected = [
            "vary: Origin",
            "access-control-allow-origin: HTTPS://A.example",
            "access-control-allow-credentials: true",
            "access-control-expose-headers: Last-Modified, Etag, Content-Type, X-Push-Gap",
        ];
        assert_eq!(lines(&list(true).headers(Some(&value("HTTPS://A.example")))), expected);
        let without = list(false).headers(Some(&value("https://a.example")));
        assert!(!without.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn a_refused_or_absent_origin_still_varies() {
        let others = ["https://evil.example", "null", "http://a.example", "https://a.example:444"];
        for origin in others {
            assert_eq!(lines(&list(true).headers(Some(&value(origin)))), ["vary: Origin"]);
        }
        assert_eq!(lines(&list(true).headers(None)), ["vary: Origin"]);
        let cors = Cors::new(Origins::List(vec!["null".into()]), false);
        assert_eq!(lines(&cors.headers(Some(&value("null")))), ["vary: Origin"]);
    }

    #[test]
    fn the_headers_join_a_vary_that_is_there() {
        let mut headers = HeaderMap::new();
        headers.insert(header::VARY, value("If-None-Match, If-Modified-Since"));
        list(false).append_to(&mut headers, None);
        assert_eq!(lines(&headers), ["vary: If-None-Match, If-Modified-Since", "vary: Origin"]);
    }

    #[test]
    fn a_preflight_is_told_methods_and_headers() {
        let origin = value("http://b.example:81");
        let headers =
            list(false).preflight(Some(&origin), Some(&value("POST")), "GET, POST, OPTIONS");
        let expected = [
            "vary: Origin",
            "access-control-allow-origin: http://b.example:81",
            "access-control-allow-methods: GET, POST, OPTIONS",
            "access-control-allow-headers: If-None-Match, If-Modified-Since, Etag, Last-Event-ID, \
             Content-Type, Cache-Control, X-EventSource-Event, Event-Type, Event-Id, Authorization",
            "access-control-max-age: 86400",
        ];
        assert_eq!(lines(&headers), expected);
        let plain = list(false).preflight(Some(&origin), None, "GET");
        assert_eq!(lines(&plain), expected[..2]);
        let refused = list(false).preflight(Some(&value("https://c")), Some(&value("POST")), "GET");
        assert_eq!(lines(&refused), ["vary: Origin"]);
    }

    #[test]
    fn what_a_location_reads_and_says_beside_is_named_once() {
        let cors = Cors::new(Origins::Any, false)
            .allowing(["x-token", "authorization", "X-Token", "x-a"])
            .exposing(["x-why"]);
        let headers = cors.preflight(None, Some(&value("GET")), "GET");
        let base = ALLOWED.to_str().unwrap().to_owned();
        assert_eq!(headers["access-control-allow-headers"], base + ", x-token, x-a");
        let exposed = &cors.headers(None)["access-control-expose-headers"];
        assert_eq!(exposed, "Last-Modified, Etag, Content-Type, X-Push-Gap, x-why");
    }

    #[test]
    fn a_request_of_the_own_origin_is_permitted_whatever_way_the_port_is_written() {
        let same = [
            ("http://gate.example", "gate.example"),
            ("http://gate.example", "GATE.example:80"),
            ("https://gate.example", "gate.example"),
            ("https://gate.example:443", "gate.example"),
            ("http://gate.example:8080", "gate.example:8080"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("http://[::1]", "[::1]:80"),
        ];
        for (origin, host) in same {
            assert!(Cors::default().permits(Some(&value(origin)), Some(&value(host))), "{origin}");
        }
    }

    #[test]
    fn another_origin_is_not_permitted_unless_it_is_listed() {
        let other = [
            ("http://gate.example:8080", "gate.example"),
            ("http://gate.example", "gate.example:443"),
            ("http://evil.example", "gate.example"),
            ("http://gate.example.evil", "gate.example"),
            ("http://[::1]", "[::2]"),
            ("null", "null"),
            ("file://", ""),
            ("http://", ""),
            ("chrome-extension://gate.example", "gate.example"),
        ];
        for (origin, host) in other {
            let (origin, host) = (value(origin), value(host));
            assert!(!Cors::default().permits(Some(&origin), Some(&host)), "{origin:?}");
            assert!(!list(true).permits(Some(&origin), Some(&host)), "{origin:?}");
            let any = Cors::new(Origins::Any, false);
            assert!(any.permits(Some(&origin), Some(&host)), "{origin:?}");
        }
        assert!(Cors::default().permits(None, None));
        assert!(!Cors::default().permits(Some(&value("http://gate.example")), None));
        assert!(list(false).permits(Some(&value("https://a.EXAMPLE")), Some(&value("gate"))));
    }
}
