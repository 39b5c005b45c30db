//! Methods that a location does not take, and pages of other origins.

use super::{HOUSES, request, spoken, start};
use crate::{
    client::Way,
    harness::{Client, Gateway},
    site::stable,
};

const EVIL: &str = "Origin: http://evil.example\r\n";
const GOOD: &str = "Origin: http://good.example\r\n";
const LISTED: &str = "push_allowed_origins = [\"http://good.example\"]\n\
                      push_allow_credentials = true";

/// The connection is good for another request.
fn assert_usable(client: &mut Client, after: &str) {
    client.get("/pub?c=1", "");
    let answer = client.response();
    assert_eq!(answer.status, 200, "{after}");
    assert!(answer.text().starts_with("queued messages: "), "{after}");
}

#[test]
fn head_is_answered_without_a_body_by_all_transports() {
    for (hold, dialect) in HOUSES {
        let gateway = start("", hold, &spoken(dialect));
        for (channel, status) in [("1", "200 OK"), ("none", "")] {
            gateway.publish("/pub?c=1", "hello");
            for way in Way::ALL {
                let mut client = gateway.connect();
                client.send(request(way, "HEAD", channel, ""));
                let head = client.head();
                let answered = format!("HTTP/1.1 {status}");
                let nothing = status.is_empty() && head.starts_with("HTTP/1.1 304 ");
                assert!(head.starts_with(&answered) || nothing, "{way:?} {head}");
                assert_usable(&mut client, &format!("{way:?} {head}"));
            }
        }
    }
}

#[test]
fn a_head_says_what_the_get_says() {
    for (hold, dialect) in HOUSES {
        assert_head_is_get(&start("", hold, &spoken(dialect)));
    }
}

fn assert_head_is_get(gateway: &Gateway) {
    gateway.publish("/pub?c=1", "hello");
    for way in Way::ALL.into_iter().filter(|way| !way.is_socket()) {
        let [mut head, get] = ["HEAD", "GET"].map(|method| {
            let mut client = gateway.connect();
            client.send(request(way, method, "1", ""));
            stable(&client.head())
        });
        // How the body of a GET is sent is nothing that a HEAD need say (RFC 9110 section 9.3.2); the
        // tag of a poll without cursor is that of one answer, and so is a boundary.
        let own = |line: &String| {
            let begins = |name: &str| line.starts_with(name);
            let tag = way == Way::Cursorless && begins("Etag: ");
            let boundary = way == Way::BatchMultipart && begins("Content-Type: ");
            !(begins("Transfer-Encoding: ") || tag || boundary)
        };
        head.retain(own);
        let get: Vec<_> = get.into_iter().filter(own).collect();
        assert_eq!(head, get, "{way:?}");
    }
}

#[test]
fn patch_is_405_and_names_what_is_taken_on_all_transports() {
    for (hold, dialect) in HOUSES {
        let gateway = start("", hold, &spoken(dialect));
        gateway.publish("/pub?c=1", "hello");
        for way in Way::ALL {
            for method in ["PATCH", "POST", "DELETE", "PROPFIND"] {
                let mut client = gateway.connect();
                let body = "Content-Length: 5\r\n";
                client.send(format!("{}hello", request(way, method, "1", body)));
                let answer = client.response();
                let told = (answer.status, answer.header("allow"));
                assert_eq!(told, (405, Some("GET, HEAD, OPTIONS")), "{way:?} {method}");
                if answer.header("connection") != Some("close") {
                    assert_usable(&mut client, &format!("{way:?} {method}"));
                }
            }
        }
        let answer = gateway.request("PATCH", "/pub?c=1", "", "hello");
        let allow = Some("GET, HEAD, POST, PUT, DELETE, OPTIONS");
        assert_eq!((answer.status, answer.header("allow")), (405, allow));
        let mut client = gateway.connect();
        client.request("HEAD", "/pub?c=1", "", "");
        assert!(client.head().starts_with("HTTP/1.1 200 OK\r\n"));
        client.get("/pub?c=1", "");
        // None of them has published anything.
        assert_eq!(client.response().text().lines().next(), Some("queued messages: 1"));
    }
}

/// The head of the answer to a page of that origin.
fn head(gateway: &Gateway, way: Way, method: &str, headers: &str) -> String {
    let mut client = gateway.connect();
    client.send(request(way, method, "1", headers));
    client.head()
}

fn assert_silent(head: &str, what: &str) {
    let lower = head.to_ascii_lowercase();
    assert!(!lower.contains("access-control"), "{what}: {head}");
    assert!(!lower.contains("evil"), "{what}: {head}");
}

#[test]
fn a_foreign_origin_is_allowed_nothing_by_any_transport() {
    for (hold, dialect) in HOUSES {
        for keys in ["", LISTED] {
            let gateway = start("", hold, &(spoken(dialect) + keys));
            gateway.publish("/pub?c=1", "hello");
            for way in Way::ALL {
                let what = format!("{hold} {keys:?} {way:?}");
                let answer = head(&gateway, way, "GET", EVIL);
                let status = if way.is_socket() { "HTTP/1.1 403 " } else { "HTTP/1.1 200 " };
                assert!(answer.starts_with(status), "{what}: {answer}");
                assert_silent(&answer, &what);
                let varies = answer.contains("\r\nVary: Origin\r\n");
                assert!(keys.is_empty() || way.is_socket() || varies, "{what}: {answer}");
                let refused = format!("{EVIL}If-Modified-Since: x\r\n");
                let answer = head(&gateway, way, "GET", &refused);
                assert!(answer.starts_with("HTTP/1.1 40"), "{what}: {answer}");
                assert_silent(&answer, &what);
                let preflight = format!("{EVIL}Access-Control-Request-Method: GET\r\n");
                assert_silent(&head(&gateway, way, "OPTIONS", &preflight), &what);
                assert_silent(&head(&gateway, way, "PATCH", EVIL), &what);
            }
        }
    }
}

#[test]
fn a_foreign_origin_that_waits_is_allowed_nothing_when_it_is_sent_away() {
    for (hold, dialect) in HOUSES {
        let gateway = start("", hold, &(spoken(dialect) + LISTED));
        for way in Way::held().into_iter().filter(|way| !way.is_socket()) {
            let mut clients = [EVIL, GOOD].map(|origin| {
                let mut client = gateway.connect();
                client.send(request(way, "GET", "1", origin));
                client
            });
            gateway.wait_for_subscribers("/pub?c=1", 2);
            gateway.request("DELETE", "/pub?c=1", "", "");
            let [evil, good] = clients.each_mut().map(Client::head);
            assert_silent(&evil, &format!("{hold} {way:?}"));
            let allowed = "\r\nAccess-Control-Allow-Origin: http://good.example\r\n";
            assert!(good.contains(allowed), "{hold} {way:?}: {good}");
            assert!(good.contains("\r\nAccess-Control-Allow-Credentials: true\r\n"), "{good}");
        }
    }
}

#[test]
fn a_page_of_a_listed_origin_opens_a_web_socket() {
    let gateway = start("", "hall", LISTED);
    for way in Way::ALL.into_iter().filter(|way| way.is_socket()) {
        assert!(head(&gateway, way, "GET", GOOD).starts_with("HTTP/1.1 101 "), "{way:?}");
    }
}
