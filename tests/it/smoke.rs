//! The main job, on the shipped configuration's two locations.

use crate::harness::Gateway;

const SHIPPED: &str = r#"
[[server.location]]
path = "/publish/"
access = ["allow 127.0.0.1", "deny all"]
push_publisher = true
push_channel_id = "$arg_cid"
push_store_messages = false
push_publish_status = 200

[[server.location]]
path = "/listen/"
push_subscriber = true
push_subscriber_concurrency = "broadcast"
push_channel_id = "$arg_cid"
default_type = "application/json"
"#;

#[test]
fn a_message_reaches_everyone_who_waits() {
    let gateway = Gateway::start(SHIPPED);
    let mut poll = gateway.connect();
    poll.get("/listen/?cid=5", "");
    let mut events = gateway.connect();
    events.get("/listen/?cid=5", "Accept: text/event-stream\r\n");
    assert_eq!(events.head().lines().next(), Some("HTTP/1.1 200 OK"));
    assert_eq!(events.chunk().unwrap(), b"retry: 2000\n\n");
    gateway.wait_for_subscribers("/publish/?cid=5", 2);

    let body = r#"{"messages":["hi"]}"#;
    assert_eq!(gateway.publish("/publish/?cid=5", body).status, 200);

    let answer = poll.response();
    assert_eq!((answer.status, answer.text()), (200, body));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let event = String::from_utf8(events.chunk().unwrap()).unwrap();
    assert!(event.ends_with(&format!("\ndata: {body}\n\n")), "{event:?}");
}
