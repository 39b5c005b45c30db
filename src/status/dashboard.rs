//! `push_dashboard`: a page that plots the figures, which it asks for at its own URL.
//!
//! It is one document that fetches nothing else. Its policy names its one script and its one style by
//! their digests, so that nothing that finds its way into it would run.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Response, header};

use super::response;
use crate::response::Body;

const PAGE: &str = include_str!("dashboard.html");

/// Its `Content-Security-Policy` (<https://www.w3.org/TR/CSP3/>).
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let script = source("<script>\n", "</script>")?;
    let style = source("<style>\n", "</style>")?;
    let policy = format!(
        "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).ok()
});

/// The page.
pub(super) fn page() -> Response<Body> {
    let mut page = response("text/html; charset=utf-8", PAGE.to_owned());
    let headers = page.headers_mut();
    if let Some(policy) = &*POLICY {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    page
}

/// What stands between two tags, by its digest; a line feed behind the first is a part of it.
fn source(begin: &str, end: &str) -> Option<String> {
    let from = PAGE.find(begin)? + begin.len() - 1;
    let to = from + PAGE[from..].find(end)?;
    Some(format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, &PAGE.as_bytes()[from..to]))))
}
