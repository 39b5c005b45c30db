//! The application's answer as the client gets it.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::headers::strip_hops;
use crate::{
    config::{Location, Proxy},
    response::Body,
};

/// Instructions to nginx which are none to clients. `X-Accel-Buffering` is passed on: the gateway keeps
/// to it anyway, and an nginx in front of it has to know.
pub(super) const INSTRUCTIONS: [HeaderName; 4] = [
    HeaderName::from_static("x-accel-charset"),
    HeaderName::from_static("x-accel-expires"),
    HeaderName::from_static("x-accel-limit-rate"),
    HeaderName::from_static("x-accel-redirect"),
];

/// Makes the headers of an answer to a request of this method fit for the client; `length` is that of
/// its body, if it is known.
pub(in crate::upstream) fn clean(
    answer: &mut Response<Body>,
    method: &Method,
    length: Option<u64>,
    location: &Location,
) {
    let status = answer.status();
    let headers = answer.headers_mut();
    strip_hops(headers);
    for name in &INSTRUCTIONS {
        headers.remove(name);
    }
    // What a body could have had is told of one that is not there; else the body itself counts.
    let told = method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
    if !told {
        headers.remove(header::CONTENT_LENGTH);
        if let Some(length) = length.filter(|_| status != StatusCode::NO_CONTENT) {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
    }
    if let Some(proxy) = &location.proxy {
        lead_back(headers, proxy, location.pattern.path());
    }
}

/// Rewrites where the answer sends the client, as nginx's `proxy_redirect default` does.
fn lead_back(headers: &mut HeaderMap, proxy: &Proxy, prefix: Option<&str>) {
    for name in [header::LOCATION, header::REFRESH] {
        let Some(value) = headers.get(&name).and_then(|value| value.to_str().ok()) else {
            continue;
        };
        let (before, url) = if name == header::LOCATION { ("", value) } else { refresh(value) };
        if let Some(own) = led_back(proxy, prefix, url)
            && let Ok(value) = HeaderValue::from_str(&format!("{before}{own}"))
        {
            headers.insert(name, value);
        }
    }
}

/// `5; url=http://a/` up to the URL, and the URL.
fn refresh(value: &str) -> (&str, &str) {
    let at = value.to_ascii_lowercase().find("url=").map_or(value.len(), |at| at + "url=".len());
    value.split_at(at)
}

/// What an URL of the application is to clients; `None` if it is not one of those that are passed on.
fn led_back(proxy: &Proxy, prefix: Option<&str>, url: &str) -> Option<String> {
    let rest = url.strip_prefix(&*proxy.base)?;
    let rest = if proxy.base.starts_with("http://unix:") { rest.strip_prefix(':')? } else { rest };
    let back = match &proxy.uri {
        Some(uri) => Some(format!("{}{}", prefix?, rest.strip_prefix(&**uri)?)),
        None if rest.is_empty() => Some("/".to_owned()),
        None if rest.starts_with('/') => Some(rest.to_owned()),
        None => None,
    };
    // What begins with two slashes names another host, and browsers leave out tabs.
    let other = |rest: &str| rest.starts_with(['/', '\\']);
    back.filter(|url| !url.contains('\t') && !url.get(1..).is_some_and(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Timeouts;

    fn proxy(base: &str, uri: Option<&str>) -> Proxy {
        Proxy {
            upstream: 0,
            base: base.into(),
            uri: uri.map(Into::into),
            set_headers: Vec::new(),
            timeouts: Timeouts::default(),
        }
    }

    #[test]
    fn the_applications_own_urls_lead_back_through_the_gateway_and_no_others() {
        let (plain, mapped) = (proxy("http://app:1", None), proxy("http://app:1", Some("/two/")));
        let unix = proxy("http://unix:/a.sock", Some("/"));
        for (proxy, url, expected) in [
            (&plain, "http://app:1/x?y", Some("/x?y")),
            (&plain, "http://app:1", Some("/")),
            (&plain, "http://app:1.evil.example/", None),
            (&plain, "http://app:12/", None),
            (&plain, "http://app:1//evil.example/", None),
            (&plain, "http://app:1/\\evil.example/", None),
            (&plain, "http://app:1/\t/evil.example/", None),
            (&plain, "/x", None),
            (&mapped, "http://app:1/two/x", Some("/one/x")),
            (&mapped, "http://app:1/three/", None),
            (&mapped, "https://app:1/two/", None),
            (&unix, "http://unix:/a.sock:/x", Some("/one/x")),
        ] {
            assert_eq!(led_back(proxy, Some("/one/"), url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_refresh_has_its_url_behind_the_time() {
        assert_eq!(refresh("5; URL=http://a/"), ("5; URL=", "http://a/"));
        assert_eq!(refresh("5"), ("5", ""));
    }
}
