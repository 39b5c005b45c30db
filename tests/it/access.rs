//! Who may use a location: SPEC section 4.

use crate::{
    client::Way,
    harness::{Gateway, Response},
    locations::locations,
    site::{MODES, start, start_root},
};

const PROXIES: [&str; 3] =
    ["X-Forwarded-For: 10.0.0.1\r\n", "Forwarded: for=10.0.0.1\r\n", "X-Real-IP: 10.0.0.1\r\n"];

fn post(gateway: &Gateway, headers: &str) -> Response {
    gateway.request("POST", "/pub?id=1", headers, "x")
}

fn assert_denied(answer: &Response) {
    assert_eq!((answer.status, answer.text()), (403, "Access denied."));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
}

#[test]
fn a_publisher_without_rules_admits_this_machine_but_not_what_a_proxy_brings() {
    let gateway = start("hall", "", "");
    assert_eq!(post(&gateway, "").status, 202);
    for header in PROXIES {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let mut client = gateway.connect();
            client.request(method, "/pub?id=1", header, "");
            assert!(client.head().starts_with("HTTP/1.1 403 "), "{method} {header}");
        }
        assert_denied(&post(&gateway, header));
        // Listening is for everyone.
        assert_eq!(gateway.request("GET", "/sub?id=1", header, "").text(), "x");
    }
}

#[test]
fn a_loopback_rule_does_not_admit_what_a_proxy_brings_either() {
    let gateway =
        start("hall", "access = [\"allow 127.0.0.1\", \"allow 10.0.0.0/8\", \"deny all\"]", "");
    assert_eq!(post(&gateway, "").status, 202);
    for header in PROXIES {
        assert_denied(&post(&gateway, header));
    }
    let gateway = start("hall", "access = [\"allow all\"]", "");
    for header in PROXIES {
        assert_eq!(post(&gateway, header).status, 202);
    }
}

#[test]
fn the_address_of_a_named_proxy_is_the_one_it_tells() {
    let rules = "access = [\"allow 10.0.0.0/8\", \"deny all\"]";
    let gateway = start_root("real_ip_from = [\"127.0.0.1\"]", "hall", rules, "");
    assert_eq!(post(&gateway, "X-Forwarded-For: 10.1.2.3\r\n").status, 202);
    assert_denied(&post(&gateway, "X-Forwarded-For: 11.1.2.3\r\n"));
    // The last address is the one that the proxy saw.
    assert_denied(&post(&gateway, "X-Forwarded-For: 10.1.2.3, 11.1.2.3\r\n"));
    assert_denied(&post(&gateway, ""));
}

#[test]
fn a_named_proxy_may_tell_of_a_header_of_its_own() {
    let rules = "access = [\"allow 10.0.0.0/8\", \"deny all\"]\nreal_ip_header = \"X-Real-IP\"";
    let gateway = start_root("real_ip_from = [\"127.0.0.0/8\"]", "hall", rules, "");
    assert_eq!(post(&gateway, "X-Real-IP: 10.1.2.3\r\n").status, 202);
    assert_denied(&post(&gateway, "X-Real-IP: 11.1.2.3\r\n"));
}

#[test]
fn the_first_rule_that_matches_decides() {
    let of = |rules: &str| post(&start("hall", &format!("access = [{rules}]"), ""), "").status;
    assert_eq!(of("\"allow 127.0.0.1\", \"deny all\""), 202);
    assert_eq!(of("\"deny 127.0.0.1\", \"allow all\""), 403);
    assert_eq!(of("\"deny 127.0.0.0/8\", \"allow 127.0.0.1\""), 403);
    assert_eq!(of("\"deny 10.0.0.0/8\", \"allow ::ffff:127.0.0.1\", \"deny all\""), 202);
    assert_eq!(of("\"deny 10.0.0.0/8\""), 202);
}

#[test]
fn subscribers_are_refused_by_rules_on_every_transport() {
    for hold in MODES {
        let gateway = Gateway::start(&locations(hold, "access = [\"deny all\"]"));
        for way in Way::ALL {
            let (target, headers) = way.request("1");
            assert_denied(&gateway.request("GET", &target, &headers, ""));
        }
    }
    // The publisher has rules of its own.
    let gateway = start("hall", "", "access = [\"deny all\"]");
    assert_denied(&gateway.request("GET", "/sub?id=1", "", ""));
    assert_eq!(gateway.request("GET", "/pub?id=1", "", "").status, 404);
}

#[test]
fn a_refusal_does_not_wait_for_the_body() {
    let gateway = start("hall", "access = [\"deny all\"]", "");
    let mut client = gateway.connect();
    client.send("POST /pub?id=1 HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\n");
    let answer = client.response();
    assert_denied(&answer);
    assert_eq!(answer.header("connection"), Some("close"));
    client.send(vec![b'x'; 1_000_000]);
    client.assert_closed();
}
