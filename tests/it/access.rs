//! Who may use a location: SPEC section 4.

use std::os::unix::net::UnixStream;

use crate::{
    client::Way,
    harness::{Client, Gateway, Response},
    locations::locations,
    site::{self, MODES, start, start_root},
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

/// Denied because of a header that a proxy sets, which nobody has named.
fn assert_forwarded(answer: &Response) {
    let why = "Access denied: the request came through a proxy that real_ip_from does not name, as its \
               X-Forwarded-For, Forwarded or X-Real-IP says.";
    assert_eq!((answer.status, answer.text()), (403, why));
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
        assert_forwarded(&post(&gateway, header));
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
        assert_forwarded(&post(&gateway, header));
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

/// What a client over a Unix socket is answered by a publisher with these rules.
fn over_unix(rules: &str) -> u16 {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gate.sock");
    let listen = format!("\"127.0.0.1:0\", \"unix:{}\"", path.display());
    let publisher = format!("access = [{rules}]");
    let _gateway = Gateway::start_listening(&listen, &site::locations("hall", &publisher, ""));
    let mut client = Client::new(UnixStream::connect(&path).unwrap());
    client.request("POST", "/pub?id=1", "", "x");
    client.response().status
}

#[test]
fn a_unix_socket_is_met_by_its_own_rule_and_that_for_all() {
    for (rules, status) in [
        ("", 202),
        ("'allow unix:', 'deny all'", 202),
        ("'deny unix:', 'allow all'", 403),
        ("'allow all'", 202),
        ("'deny all'", 403),
        // It has no address, so no rule of addresses matches, not even that of all of a family.
        ("'allow 127.0.0.1', 'allow ::1', 'deny all'", 403),
        ("'allow 0.0.0.0/0', 'allow ::/0', 'deny all'", 403),
        ("'deny 0.0.0.0/0', 'deny ::/0'", 202),
        ("'deny 127.0.0.0/8', 'allow unix:', 'deny all'", 202),
    ] {
        assert_eq!(over_unix(rules), status, "{rules}");
    }
    // And TCP is no Unix socket.
    let gateway = start("hall", "access = ['allow unix:', 'deny all']", "");
    assert_denied(&post(&gateway, ""));
}

#[test]
fn rules_meet_ipv6_and_ipv4_in_either_spelling() {
    let six = |rules: &str| {
        let publisher = format!("access = [{rules}]");
        let locations = site::locations("hall", &publisher, "");
        let gateway = Gateway::start_listening("\"[::1]:0\"", &locations);
        post(&gateway, "").status
    };
    for (rules, status) in [
        ("'allow ::1', 'deny all'", 202),
        ("'allow ::1/128', 'deny all'", 202),
        ("'allow ::/0', 'deny all'", 202),
        ("'allow 0:0:0:0:0:0:0:1', 'deny all'", 202),
        ("'deny ::1', 'allow all'", 403),
        ("'allow 127.0.0.1', 'allow 0.0.0.0/0', 'deny all'", 403),
        ("'allow ::ffff:127.0.0.1', 'deny all'", 403),
        ("'allow fe80::/10', 'deny all'", 403),
    ] {
        assert_eq!(six(rules), status, "{rules}");
    }
    let four = |rules: &str| post(&start("hall", &format!("access = [{rules}]"), ""), "").status;
    for (rules, status) in [
        ("'allow ::ffff:127.0.0.1', 'deny all'", 202),
        ("'allow ::ffff:7f00:0/104', 'deny all'", 202),
        ("'deny ::ffff:127.0.0.0/104', 'allow all'", 403),
        ("'allow ::1', 'deny all'", 403),
        ("'allow ::/0', 'deny all'", 403),
    ] {
        assert_eq!(four(rules), status, "{rules}");
    }
    // An IPv4 address that a proxy writes as one of IPv6.
    let rules = "access = ['allow 10.0.0.0/8', 'allow 2001:db8::/32', 'deny all']";
    let gateway = start_root("real_ip_from = ['::ffff:127.0.0.1']", "hall", rules, "");
    for (address, status) in [
        ("::ffff:10.1.2.3", 202),
        ("[::ffff:10.1.2.3]:80", 202),
        ("::ffff:11.1.2.3", 403),
        ("::10.1.2.3", 403),
        ("2001:db8::1", 202),
        ("[2001:DB8:0::1]", 202),
        ("2001:db9::1", 403),
    ] {
        let header = format!("X-Forwarded-For: {address}\r\n");
        assert_eq!(post(&gateway, &header).status, status, "{address}");
    }
}
