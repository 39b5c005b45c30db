//! Interval polling: always answered at once.

use crate::{
    harness::Gateway,
    site::{DATE, MODES, NOW, stable, start},
};

const PLAIN: &str = "push_subscriber = [\"interval-poll\"]\n";
const JSON: &str = "push_subscriber = [\"interval-poll\"]\npush_poll_format = \"json\"\n\
                    push_last_message_id = \"$arg_since\"\n";

fn poll(gateway: &Gateway, target: &str, headers: &str) -> (u16, String) {
    let answer = gateway.request("GET", &format!("/sub?id=1{target}"), headers, "");
    (answer.status, answer.text().to_owned())
}

fn entry(tag: u64, text: &str) -> String {
    format!("{{\"id\":\"{NOW}:{tag}\",\"time\":{NOW},\"content_type\":null,\"text\":\"{text}\"}}")
}

#[test]
fn the_next_message_comes_as_published_and_nothing_is_304() {
    for hold in MODES {
        let gateway = start(hold, "", PLAIN);
        let mut client = gateway.connect();
        client.get("/sub?id=1", "");
        let answer = client.response();
        assert_eq!((answer.status, answer.header("etag")), (304, None));
        gateway.publish("/pub?id=1", "a");
        gateway.publish("/pub?id=1", "b");
        client.get("/sub?id=1", "");
        let answer = client.response();
        let expected = [
            "HTTP/1.1 200 OK",
            "Cache-Control: no-cache",
            "Content-Length: 1",
            "Etag: 0",
            &format!("Last-Modified: {DATE}"),
            "Vary: If-None-Match, If-Modified-Since",
        ];
        assert_eq!(
            (stable(&answer.head), answer.text()),
            (expected.map(str::to_owned).into(), "a")
        );
        let after = |tag: &str| format!("If-Modified-Since: {DATE}\r\nIf-None-Match: {tag}\r\n");
        client.get("/sub?id=1", &after("0"));
        assert_eq!(client.response().text(), "b");
        client.get("/sub?id=1", &after("\"1\""));
        let answer = client.response();
        assert_eq!((answer.status, answer.header("etag")), (304, Some("\"1\"")));
        assert_eq!(answer.header("content-length"), None);
    }
}

#[test]
fn a_json_poll_tells_everything_after_since_newest_first() {
    for hold in MODES {
        let gateway = start(hold, "", JSON);
        assert_eq!(poll(&gateway, "", ""), (200, "{\"messages\":[]}".into()));
        for text in ["a", "b", "c"] {
            gateway.publish("/pub?id=1", text);
        }
        let document = |entries: &[String]| format!("{{\"messages\":[{}]}}", entries.join(","));
        let (a, b, c) = (entry(0, "a"), entry(1, "b"), entry(2, "c"));
        let all = document(&[c.clone(), b, a]);
        for since in ["", "&since=", "&since=0", "&since=4"] {
            assert_eq!(poll(&gateway, since, ""), (200, all.clone()), "{since}");
        }
        assert_eq!(poll(&gateway, &format!("&since={NOW}:1"), "").1, document(&[c]));
        let last = poll(&gateway, &format!("&since={NOW}:2"), "");
        assert_eq!(last, (200, "{\"messages\":[]}".into()));
        assert_eq!(poll(&gateway, "&since=x", "").0, 400);
    }
}

#[test]
fn a_json_poll_has_the_headers_of_a_document() {
    let listed = "push_allowed_origins = [\"http://a.example\"]";
    let gateway = start("hall", "", &format!("{JSON}{listed}"));
    gateway.publish("/pub?id=1", "a");
    let mut client = gateway.connect();
    client.get("/sub?id=1", "Origin: http://a.example\r\n");
    let answer = client.response();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://a.example"));
    client.request("HEAD", "/sub?id=1", "Origin: http://a.example\r\n", "");
    assert_eq!(stable(&client.head()), stable(&answer.head));
}

#[test]
fn a_json_poll_keeps_types_events_and_bytes_that_are_no_text() {
    let gateway = start("hall", "", JSON);
    let headers = "Content-Type: a/b; c=\"d\"\r\nX-EventSource-Event: e\r\n";
    gateway.request("POST", "/pub?id=1", headers, "\"\n\u{7}");
    let mut client = gateway.connect();
    client.send("POST /pub?id=1 HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n");
    client.send(b"\xff\x00");
    client.response();
    let expected = format!(
        "{{\"messages\":[\
         {{\"id\":\"{NOW}:1\",\"time\":{NOW},\"content_type\":null,\"base64\":\"/wA=\"}},\
         {{\"id\":\"{NOW}:0\",\"time\":{NOW},\"content_type\":\"a/b; c=\\\"d\\\"\",\"event\":\"e\",\
         \"text\":\"\\\"\\n\\u0007\"}}]}}"
    );
    assert_eq!(poll(&gateway, "", "").1, expected);
}

#[test]
fn a_poll_that_comes_too_late_is_told_of_the_gap() {
    for format in [PLAIN, JSON] {
        let gateway = start("hall", "push_message_buffer_length = 2", format);
        for number in 0..5 {
            gateway.publish("/pub?id=1", &number.to_string());
        }
        let gap = |tag: u64| {
            let target = format!("/sub?id=1&last_event_id={NOW}:{tag}");
            let answer = gateway.request("GET", &target, "", "");
            answer.header("x-push-gap").map(str::to_owned)
        };
        assert_eq!(gap(1), Some(format!("{NOW}:1")));
        assert_eq!(gap(2), None);
        assert_eq!(gap(4), None);
    }
}

#[test]
fn a_poll_never_takes_a_seat() {
    let gateway = start("hall", "", &format!("{PLAIN}push_max_channel_subscribers = 1"));
    for _ in 0..3 {
        assert_eq!(poll(&gateway, "", "").0, 304);
    }
    assert!(gateway.request("GET", "/pub?id=1", "", "").text().ends_with("subscribers: 0"));
}
