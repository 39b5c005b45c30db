//! Locations of other shapes: both roles in one, channels out of paths, headers and cookies.

use crate::{harness::Gateway, site::MODES};

#[test]
fn one_location_can_have_both_roles() {
    for hold in MODES {
        let gateway = Gateway::start(&format!(
            "[[server.location]]\npath = \"/chat\"\npush_pubsub = true\n\
             push_channel_id = \"$arg_id\"\npush_hold = \"{hold}\"\n\
             [[server.location]]\npath = \"/info\"\npush_publisher = true\n\
             push_channel_id = \"$arg_id\"\n"
        ));
        let mut poll = gateway.connect();
        poll.get("/chat?id=1", "");
        gateway.wait_for_subscribers("/info?id=1", 1);
        assert_eq!(gateway.request("POST", "/chat?id=1", "", "x").status, 201);
        assert_eq!(poll.response().text(), "x");
        poll.request("HEAD", "/chat?id=1", "", "");
        assert!(poll.head().contains("\r\nContent-Length: 1\r\n"));
        let answer = gateway.request("DELETE", "/chat?id=1", "", "");
        assert!(answer.text().starts_with("queued messages: 1\r\n"));
        assert_eq!(gateway.request("PUT", "/chat?id=1", "", "").status, 200);
        for method in ["OPTIONS", "PATCH"] {
            let answer = gateway.request(method, "/chat?id=1", "", "");
            assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, PUT, DELETE, OPTIONS"));
        }
        let evil = "Origin: http://evil.example\r\n";
        assert_eq!(gateway.request("POST", "/chat?id=1", evil, "x").status, 403);
    }
}

#[test]
fn a_channel_can_be_named_by_path_header_and_cookie() {
    let gateway = Gateway::start(
        r#"
[[server.location]]
path = '~ ^/pub/(?<name>\w+)/(\d+)$'
push_publisher = true
push_channel_id = "$name-$2"

[[server.location]]
path = "/sub"
push_subscriber = ["interval-poll"]
push_channel_id = ["$http_x_channel", "${cookie_channel}"]
push_channel_group = ""
"#,
    );
    gateway.publish("/pub/room/7", "by path");
    gateway.publish("/pub/room/%38", "decoded");
    assert_eq!(gateway.request("POST", "/pub/room/x", "", "x").status, 404);
    let text = |headers: &str| gateway.request("GET", "/sub", headers, "").text().to_owned();
    assert_eq!(text("X-Channel: room-7\r\n"), "by path");
    assert_eq!(text("Cookie: a=b; channel=room-8\r\n"), "decoded");
    assert_eq!(text("X-Channel: room-8\r\nCookie: channel=room-7\r\n"), "by path");
    assert_eq!(text(""), "No channel id provided.");
}

#[test]
fn a_connection_that_may_not_be_kept_is_closed_behind_each_answer() {
    for hold in MODES {
        let locations = crate::site::locations(hold, "", "");
        let gateway = Gateway::start_root("keepalive_timeout = \"0\"", &locations);
        let mut poll = gateway.connect();
        poll.get("/sub?id=1", "");
        while !gateway.request("GET", "/pub?id=1", "", "").text().ends_with("subscribers: 1") {}
        let mut client = gateway.connect();
        client.request("POST", "/pub?id=1", "", "x");
        for (mut client, status) in [(client, 201), (poll, 200)] {
            let answer = client.response();
            assert_eq!((answer.status, answer.header("connection")), (status, Some("close")));
            client.assert_closed();
        }
    }
}
