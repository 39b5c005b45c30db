//! The page that plots the figures.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::JSON;
use crate::harness::Gateway;

const PAGE: &str = "[[server.location]]\npath = \"= /dashboard\"\npush_dashboard = true\n";
const BROWSER: &str =
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n";

/// What stands between two tags that are there once.
fn between<'a>(page: &'a str, begin: &str, end: &str) -> &'a str {
    assert_eq!((page.matches(begin).count(), page.matches(end).count()), (1, 1), "{begin}");
    page.split(begin).nth(1).unwrap().split(end).next().unwrap()
}

#[test]
fn the_page_is_one_document_whose_policy_allows_nothing_else() {
    let gateway = Gateway::start(PAGE);
    for accept in ["", BROWSER] {
        let page = gateway.request("GET", "/dashboard", accept, "");
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8"))
        );
        assert_eq!(page.header("vary"), Some("Accept"));
        assert_eq!(page.header("cache-control"), Some("no-cache"));
        let text = page.text();
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        for (name, begin, end) in
            [("script", "<script>", "</script>"), ("style", "<style>", "</style>")]
        {
            let own = digest(&SHA256, between(text, begin, end).as_bytes());
            let source = format!("{name}-src 'sha256-{}';", STANDARD.encode(own));
            assert!(policy.contains(&source), "{source} in {policy}");
        }
        // The one address in it is the name of a vocabulary.
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for foreign in ["http:", "https:", "//cdn", "src=", "<link", "@import", "onload=", "style="]
        {
            assert!(!text.contains(foreign), "{foreign}");
        }
    }
}

#[test]
fn its_figures_are_those_of_the_status() {
    let status = "[[server.location]]\npath = \"= /status\"\npush_status = true\n";
    let gateway = Gateway::start_root("workers = 1", &format!("{PAGE}{status}"));
    let ask = |target: &str| {
        let answer = gateway.request("GET", target, JSON, "");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        serde_json::from_str::<Value>(answer.text()).unwrap()
    };
    let (own, other) = (ask("/dashboard"), ask("/status"));
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&own), names(&other));
    assert_eq!((&own["requests"], &other["requests"]), (&1.into(), &2.into()));
}

#[test]
fn the_page_is_for_this_machine_and_for_reading() {
    let gateway = Gateway::start(PAGE);
    let forwarded = "X-Forwarded-For: 192.0.2.1\r\n";
    assert_eq!(gateway.request("GET", "/dashboard", forwarded, "").status, 403);
    let post = gateway.request("POST", "/dashboard", "", "x");
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    let mut client = gateway.connect();
    client.request("HEAD", "/dashboard", "", "");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
}
