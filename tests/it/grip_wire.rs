//! What a client that is held for GRIP sees on its connection: heads, chunks, and what comes after.

use crate::{
    grip::{Script, begun, get, held, hold, item, stream},
    harness::Client,
};

const CLOSE: &str = r#""http-stream": {"action": "close"}"#;

fn reply(body: &str) -> String {
    format!(r#""http-response": {{"body": "{body}"}}"#)
}

#[test]
fn a_connection_goes_on_after_an_answer_with_what_was_sent_ahead() {
    let script = Script::new(vec![hold("response", "Grip-Timeout: 60\r\n", "none")]);
    let gateway = script.gateway("");
    let mut client = get(&gateway, "/first");
    for number in 0..3 {
        assert_eq!(
            script.asked().line(),
            if number == 0 { "GET /first HTTP/1.1" } else { "GET /next HTTP/1.1" }
        );
        held(&gateway, 1);
        client.send(
            "GET /pub/?id=b HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n",
        );
        item(&gateway, &reply(&number.to_string()));
        let response = client.response();
        assert_eq!((response.status, response.text()), (200, &*number.to_string()));
        assert_eq!(
            (response.header("content-length"), response.header("connection")),
            (Some("1"), None)
        );
        assert!(response.header("date").is_some(), "{}", response.head);
        assert_eq!(client.response().status, 404);
    }
}

#[test]
fn a_connection_goes_on_after_a_stream() {
    let script = Script::new(vec![hold("stream", "Content-Type: text/x\r\n", "begin;")]);
    let gateway = script.gateway("");
    let mut client = begun(&gateway, "begin;");
    client.send("GET /pub/?id=b HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    item(&gateway, CLOSE);
    assert_eq!(client.chunk(), None);
    assert_eq!(client.response().status, 404);
    assert!(
        client.head().contains("\r\nContent-Type: text/x\r\nTransfer-Encoding: chunked\r\nDate: ")
    );
    assert_eq!(client.chunk().unwrap(), b"begin;");
}

#[test]
fn what_is_there_at_once_comes_in_one_piece() {
    let script = Script::new(vec![hold("stream", "", "begin;")]);
    let gateway = script.gateway("");
    let mut client = get(&gateway, "/");
    assert!(client.fill());
    let seen = String::from_utf8(client.seen().to_vec()).unwrap();
    assert!(seen.ends_with("\r\n\r\n6\r\nbegin;\r\n"), "{seen}");
}

#[test]
fn a_client_of_http_1_0_gets_a_stream_without_chunks_up_to_its_end() {
    let script = Script::new(vec![hold("stream", "", "begin;")]);
    let gateway = script.gateway("");
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let head = client.head();
    assert!(
        !head.contains("Transfer-Encoding") && head.contains("Connection: close\r\n"),
        "{head}"
    );
    assert_eq!(client.exactly(6), b"begin;");
    item(&gateway, &stream("more"));
    assert_eq!(client.exactly(4), b"more");
    item(&gateway, CLOSE);
    client.assert_closed();
}

#[test]
fn a_connection_ends_where_its_client_or_the_server_says_so() {
    let script = Script::new(vec![hold("response", "Grip-Timeout: 60\r\n", "none")]);
    let mut gateway = script.gateway("");
    let mut client = gateway.connect();
    client.get("/", "Connection: close\r\n");
    held(&gateway, 1);
    item(&gateway, &reply("x"));
    let response = client.response();
    assert_eq!((response.text(), response.header("connection")), ("x", Some("close")));
    client.assert_closed();
    let mut client = get(&gateway, "/");
    held(&gateway, 1);
    gateway.stop();
    let response = client.response();
    assert_eq!((response.text(), response.header("connection")), ("none", Some("close")));
    client.assert_closed();
    gateway.join();
}

#[test]
fn what_has_no_body_is_a_head_and_nothing_waits_behind_it() {
    for status in ["204 No Content", "304 Not Modified"] {
        let headers = format!("Grip-Status: {status}\r\n");
        let script = Script::new(vec![hold("stream", &headers, "begin;")]);
        let gateway = script.gateway("");
        let mut client = get(&gateway, "/");
        let response = client.response();
        assert!(response.head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{}", response.head);
        assert_eq!(response.header("transfer-encoding"), None);
        held(&gateway, 0);
        client.get("/pub/?id=b", "");
        assert_eq!(client.response().status, 404);
    }
}

#[test]
fn ten_megabytes_are_an_answer_and_a_piece_to_clients_that_read_late() {
    let script = Script::new(vec![
        hold("response", "Grip-Timeout: 60\r\n", "none"),
        hold("stream", "", "begin;"),
    ]);
    let gateway = script.gateway(
        "[[server.location]]\npath = \"/large/\"\npush_publisher = true\n\
         push_channel_id = \"$arg_id\"\nclient_max_body_size = \"10M\"\n",
    );
    let mut waits = get(&gateway, "/");
    script.asked();
    let mut streams: Vec<Client> = (0..3).map(|_| begun(&gateway, "begin;")).collect();
    held(&gateway, 4);
    let large = large();
    gateway.publish("/large/?id=a", &large);
    gateway.publish("/pub/?id=a", "after");
    for client in &mut streams {
        assert_eq!(client.exactly_chunked(large.len()), large.as_bytes());
        assert_eq!(client.chunk().unwrap(), b"after");
    }
    let response = waits.response();
    assert_eq!(response.body.len(), large.len());
    assert!(response.body == large.as_bytes());
}

#[test]
fn an_answer_goes_on_to_a_client_that_has_said_all() {
    let script = Script::new(vec![hold("response", "Grip-Timeout: 60\r\n", "none")]);
    let gateway = script.gateway(
        "[[server.location]]\npath = \"/large/\"\npush_publisher = true\n\
         push_channel_id = \"$arg_id\"\nclient_max_body_size = \"10M\"\n",
    );
    let mut client = get(&gateway, "/");
    held(&gateway, 1);
    let large = large();
    gateway.publish("/large/?id=a", &large);
    // More than this is not read before the end is noticed.
    let head = client.head();
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", large.len())), "{head}");
    client.finish();
    for _ in 0..10 {
        assert_eq!(gateway.request("GET", "/pub/?id=b", "", "").status, 404);
    }
    assert!(client.exactly(large.len()) == large.as_bytes());
    client.assert_closed();
}

fn large() -> String {
    (0..10 << 20).map(|at: u32| char::from(b'0' + (at % 71) as u8)).collect()
}
