//! The `stream` transport: templates, the iframe preset, and which transport a request gets.

use crate::{
    harness::Client,
    site::{MODES, NOW, event, stable, start, wait},
};

const STREAM: &str = "push_subscriber = [\"stream\"]\n";
const IFRAME: &str = "push_subscriber = [\"stream\"]\npush_stream_preset = \"iframe\"\n";

fn head(client: &mut Client, headers: &str) -> Vec<String> {
    client.get("/sub?id=1", headers);
    stable(&client.head())
}

fn text(bytes: Option<Vec<u8>>) -> String {
    String::from_utf8(bytes.unwrap()).unwrap()
}

#[test]
fn the_iframe_preset_calls_the_parent_for_each_message() {
    for hold in MODES {
        let gateway = start(hold, "", IFRAME);
        let mut frame = gateway.connect();
        let expected = [
            "HTTP/1.1 200 OK",
            "Cache-Control: no-cache",
            "Content-Type: text/html; charset=utf-8",
            "Transfer-Encoding: chunked",
            "X-Accel-Buffering: no",
        ];
        assert_eq!(head(&mut frame, ""), expected);
        let page = frame.chunk().unwrap();
        assert!(page.starts_with(b"<!DOCTYPE html>\n<html>") && page.len() >= 1024);
        wait(&gateway, 1);
        let calls = [
            (r#"{"a":1}"#, r#"{"a":1}"#),
            ("plain \"text\"", r#""plain \"text\"""#),
            ("</script><!--", r#""\u003c/script\u003e\u003c!--""#),
            ("{\"a\":\"</script>\u{2028}\"}", r#"{"a":"\u003c/script\u003e\u2028"}"#),
            ("", "\"\""),
        ];
        for (message, argument) in calls {
            gateway.publish("/pub?id=1", message);
            let expected = format!("<script>parent.handle({argument})</script>\n");
            assert_eq!(text(frame.chunk()), expected);
        }
        gateway.request("DELETE", "/pub?id=1", "", "");
        assert_eq!(text(frame.chunk()), "</body></html>\n");
        assert_eq!(frame.chunk(), None);
    }
}

#[test]
fn the_page_around_the_calls_can_be_replaced_and_is_kept_alive_by_white_space() {
    for hold in MODES {
        let own = "push_header_template = \"<html>\"\npush_footer_template = \"</html>\"\n\
                   push_ping_interval = \"50ms\"\npush_subscriber_timeout = \"250ms\"";
        let gateway = start(hold, "", &format!("{IFRAME}{own}"));
        let mut frame = gateway.connect();
        head(&mut frame, "");
        let all = std::iter::from_fn(|| frame.chunk()).collect::<Vec<_>>().concat();
        let all = text(Some(all));
        let inner = all.strip_prefix("<html>").unwrap().strip_suffix("</html>").unwrap();
        assert!(!inner.is_empty() && inner.bytes().all(|byte| byte == b'\n'), "{all:?}");
    }
}

#[test]
fn templates_name_what_a_message_is_made_of() {
    for hold in MODES {
        let templates = r#"
push_header_template = "~text~ begins|"
push_message_template = "~id~ ~time~ ~tag~ ~channel~ ~size~ ~event-type~ ~text~ ~text:json~ ~text:html~ ~text:js~ ~text:base64~|"
push_footer_template = "ends"
default_type = "text/x-own"
"#;
        let gateway = start(hold, "", &format!("{STREAM}{templates}"));
        let mut stream = gateway.connect();
        let head = head(&mut stream, "");
        assert!(head.contains(&"Content-Type: text/x-own".to_owned()), "{head:?}");
        assert_eq!(text(stream.chunk()), "~text~ begins|");
        wait(&gateway, 1);
        gateway.request("POST", "/pub?id=1", "Event-Type: e\r\n", "<~id~'\">");
        let expected = format!(
            "{NOW}:0 Tue, 22 Dec 2015 03:34:40 GMT 0 1 8 e <~id~'\"> \"<~id~'\\\">\" \
             &lt;~id~&#39;&quot;&gt; "
        );
        let found = text(stream.chunk());
        assert!(found.starts_with(&expected), "{found}");
        assert!(found.ends_with(" PH5pZH4nIj4=|"), "{found}");
        gateway.request("DELETE", "/pub?id=1", "", "");
        assert_eq!(text(stream.chunk()), "ends");
        assert_eq!(stream.chunk(), None);
    }
}

#[test]
fn without_templates_a_stream_is_the_messages_and_nothing_else() {
    for hold in MODES {
        let gateway = start(hold, "", &format!("{STREAM}push_ping_interval = \"50ms\""));
        let mut stream = gateway.connect();
        let head = head(&mut stream, "");
        assert!(head.contains(&"Content-Type: text/plain".to_owned()), "{head:?}");
        wait(&gateway, 1);
        for message in ["a", "", "c\n"] {
            gateway.publish("/pub?id=1", message);
        }
        assert_eq!(stream.exactly_chunked(3), b"ac\n");
        gateway.request("DELETE", "/pub?id=1", "", "");
        assert_eq!(stream.chunk(), None);
    }
}

#[test]
fn an_old_client_reads_the_stream_to_the_end_of_the_connection() {
    for hold in MODES {
        let gateway = start(hold, "", &format!("{STREAM}push_footer_template = \"bye\""));
        let mut stream = gateway.connect();
        stream.send("GET /sub?id=1 HTTP/1.0\r\n\r\n");
        assert!(!stream.head().contains("Transfer-Encoding"));
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "hello ");
        gateway.publish("/pub?id=1", "you ");
        gateway.request("DELETE", "/pub?id=1", "", "");
        assert_eq!(stream.rest(), b"hello you bye");
    }
}

#[test]
fn a_client_that_asks_for_the_end_of_the_connection_gets_it_behind_the_stream() {
    for hold in MODES {
        let gateway = start(hold, "", &format!("{STREAM}push_footer_template = \"bye\""));
        let mut stream = gateway.connect();
        let head = head(&mut stream, "Connection: close\r\n");
        assert!(head.contains(&"Connection: close".to_owned()), "{head:?}");
        wait(&gateway, 1);
        gateway.request("DELETE", "/pub?id=1", "", "");
        assert_eq!(text(stream.chunk()), "bye");
        assert_eq!(stream.chunk(), None);
        stream.assert_closed();
    }
}

#[test]
fn who_accepts_events_gets_them_and_everyone_else_the_first_other_transport() {
    for hold in MODES {
        let of = |transports: &str, accept: &str| {
            let gateway = start(hold, "", &format!("push_subscriber = {transports}"));
            gateway.publish("/pub?id=1", "x");
            let mut client = gateway.connect();
            client.get("/sub?id=1", &format!("Accept: {accept}\r\n"));
            let head = client.head();
            match client_type(&head) {
                None => "long-poll",
                Some("text/plain") => "stream",
                Some(_) => {
                    client.chunk();
                    assert_eq!(client.chunk().unwrap(), event(0, "x"));
                    "event-source"
                }
            }
        };
        let all = "true";
        for accept in [
            "text/event-stream",
            "text/html, Text/Event-Stream;q=0.9",
            "*/*,text/event-stream , a/b",
        ] {
            assert_eq!(of(all, accept), "event-source", "{accept}");
            assert_eq!(of("[\"stream\"]", accept), "stream");
        }
        assert_eq!(of(all, "*/*"), "long-poll");
        assert_eq!(of(all, "text/event-streams"), "long-poll");
        assert_eq!(of("[\"stream\", \"long-poll\", \"event-source\"]", "*/*"), "stream");
        assert_eq!(of("[\"event-source\", \"long-poll\"]", "*/*"), "long-poll");
        assert_eq!(of("[\"event-source\"]", "*/*"), "event-source");
    }
}

fn client_type(head: &str) -> Option<&str> {
    head.lines().find_map(|line| line.strip_prefix("Content-Type: "))
}
