//! The transports that Nchan has beside the usual ones: heads, frames, ends.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::{
    harness::{Client, Gateway},
    site::{DATE, MODES, NOW, start, wait},
};

/// A stream by one transport: what it has for these messages, and what ends it.
fn streamed(hold: &str, keys: &str, headers: &str, messages: &[(&str, &str)]) -> (String, Vec<u8>) {
    let gateway = start(hold, "", keys);
    let mut client = gateway.connect();
    client.get("/sub?id=1", headers);
    let head = client.head();
    wait(&gateway, 1);
    for (headers, body) in messages {
        gateway.request("POST", "/pub?id=1", headers, body);
    }
    gateway.request("DELETE", "/pub?id=1", "", "");
    (head, std::iter::from_fn(|| client.chunk()).flatten().collect())
}

#[test]
fn chunked_is_a_chunk_a_message_and_raw_has_a_separator() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let mut client = gateway.connect();
        client.get("/sub?id=1", "TE: chunked\r\n");
        let head = client.head();
        assert!(head.contains("\r\nContent-Type: text/plain\r\n"), "{head}");
        wait(&gateway, 1);
        for text in ["one", "", "two\n"] {
            gateway.publish("/pub?id=1", text);
        }
        assert_eq!([client.chunk(), client.chunk()], [Some(b"one".into()), Some(b"two\n".into())]);
        gateway.request("DELETE", "/pub?id=1", "", "");
        assert_eq!(client.chunk(), None);

        let raw = |keys: &str| {
            let keys = format!("push_subscriber = [\"raw\"]\n{keys}");
            String::from_utf8(streamed(hold, &keys, "", &[("", "a\n"), ("", ""), ("", "b")]).1)
        };
        assert_eq!(raw("").unwrap(), "a\n\n\nb\n");
        assert_eq!(raw("push_raw_separator = \"<;>\"").unwrap(), "a\n<;><;>b<;>");
        assert_eq!(raw("push_raw_separator = \"\"").unwrap(), "a\nb");
    }
}

#[test]
fn a_raw_stream_to_http_1_0_ends_with_the_connection() {
    let gateway = start("hall", "", "push_subscriber = [\"raw\"]");
    let mut client = gateway.connect();
    client.send("GET /sub?id=1 HTTP/1.0\r\n\r\n");
    assert!(!client.head().contains("Transfer-Encoding"));
    wait(&gateway, 1);
    gateway.publish("/pub?id=1", "x");
    gateway.request("DELETE", "/pub?id=1", "", "");
    assert_eq!(client.rest(), b"x\n");
}

#[test]
fn multipart_has_a_part_a_message_with_its_headers() {
    for hold in MODES {
        let messages =
            [("Content-Type: a/b\r\n", "one\r\n--x"), ("", ""), ("Content-Type: text/x\r\n", "3")];
        let (head, body) = streamed(hold, "", "Accept: multipart/mixed\r\n", &messages);
        let (_, after) = head.split_once("\r\nContent-Type: multipart/mixed; boundary=").unwrap();
        let b = after.lines().next().unwrap();
        let date = format!("Last-Modified: {DATE}");
        let expected = format!(
            "--{b}\r\n{date}\r\nEtag: 0\r\nContent-Type: a/b\r\n\r\none\r\n--x\r\n\
             --{b}\r\n{date}\r\nEtag: 1\r\n\r\n\r\n\
             --{b}\r\n{date}\r\nEtag: 2\r\nContent-Type: text/x\r\n\r\n3\r\n--{b}--\r\n"
        );
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}

/// What a poll with a batch is answered, when messages are there and when one comes.
fn batches(hold: &str, keys: &str) -> [crate::harness::Response; 2] {
    let gateway = start(hold, "", keys);
    for text in ["one", "two", "\"three\""] {
        gateway.publish("/pub?id=1", text);
    }
    let mut client = gateway.connect();
    client.get("/sub?id=1&cb=cb", "");
    let first = client.response();
    let headers = format!("If-Modified-Since: {DATE}\r\nIf-None-Match: 2\r\n");
    client.get("/sub?id=1&cb=cb", &headers);
    wait(&gateway, 1);
    gateway.publish("/pub?id=1", "four");
    let response = [first, client.response()];
    for (response, tag) in response.iter().zip(["2", "3"]) {
        assert_eq!(response.status, 200);
        assert_eq!(response.header("etag"), Some(tag), "{response:?}");
        assert_eq!(response.header("last-modified"), Some(DATE));
    }
    response
}

#[test]
fn a_batch_answers_everything_that_waits() {
    for hold in MODES {
        let [first, second] = batches(hold, "push_longpoll_batch = \"raw\"");
        assert_eq!((first.text(), second.text()), ("one\ntwo\n\"three\"\n", "four\n"));
        let [first, second] = batches(hold, "push_longpoll_batch = \"json\"");
        let ids = |text: &str| {
            let document: serde_json::Value = serde_json::from_str(text).unwrap();
            let entry = |entry: &serde_json::Value| {
                [entry["id"].to_string(), entry["text"].to_string()].join(" ")
            };
            document["messages"].as_array().unwrap().iter().map(entry).collect::<Vec<_>>()
        };
        let entry = |tag, text| format!("\"{NOW}:{tag}\" {text}");
        let newest_first =
            [entry(2, "\"\\\"three\\\"\""), entry(1, "\"two\""), entry(0, "\"one\"")];
        assert_eq!(ids(first.text()), newest_first);
        assert_eq!(ids(second.text()), [entry(3, "\"four\"")]);
        let [first, second] = batches(hold, "push_longpoll_batch = \"multipart\"");
        for (response, parts) in [(first, 3), (second, 1)] {
            let content_type = response.header("content-type").unwrap();
            let (_, b) = content_type.split_once("multipart/mixed; boundary=").unwrap();
            let text = response.text();
            assert!(
                text.starts_with(&format!("--{b}\r\n")) && text.ends_with(&format!("--{b}--\r\n"))
            );
            assert_eq!(text.matches(&format!("\r\n--{b}")).count(), parts);
        }
    }
}

/// How many messages each answer has until there are none left, and where the client goes on.
fn counted(gateway: &Gateway, arguments: &str) -> Vec<usize> {
    let (mut since, mut after, mut counts) = (String::new(), String::new(), Vec::new());
    while counts.iter().sum::<usize>() < 5 {
        let answer =
            gateway.request("GET", &format!("/sub?id=1&since={since}{arguments}"), &after, "");
        assert_eq!(answer.status, 200);
        let found = answer.text().matches('#').count();
        counts.push(found);
        let tag = counts.iter().sum::<usize>() - 1;
        if answer.header("etag").is_some() {
            assert_eq!(answer.header("etag"), Some(&*tag.to_string()));
            after = format!("If-Modified-Since: {DATE}\r\nIf-None-Match: {tag}\r\n");
        } else {
            since = format!("{NOW}:{tag}");
        }
    }
    counts
}

#[test]
fn what_is_more_than_a_mebibyte_comes_with_the_next_answer() {
    let text = format!("#{}", "x".repeat(400 << 10));
    for hold in MODES {
        for (keys, arguments) in [
            ("push_longpoll_batch = \"json\"", ""),
            ("push_longpoll_batch = \"multipart\"", ""),
            ("push_longpoll_batch = \"raw\"", ""),
            ("push_jsonp_callback = \"$arg_cb\"", "&cb=f"),
            ("push_longpoll_batch = \"json\"\npush_jsonp_callback = \"$arg_cb\"", "&cb=f"),
            ("push_subscriber = [\"interval-poll\"]\npush_poll_format = \"json\"", ""),
        ] {
            let keys = format!("{keys}\npush_last_message_id = [\"$arg_since\"]");
            let gateway = start(hold, "", &keys);
            for _ in 0..5 {
                gateway.publish("/pub?id=1", &text);
            }
            assert_eq!(counted(&gateway, arguments), [3, 2], "{hold} {keys}");
        }
    }
}

#[test]
fn a_script_is_called_with_what_there_is() {
    for hold in MODES {
        let [first, second] = batches(hold, "push_jsonp_callback = \"$arg_cb\"");
        assert_eq!(first.header("content-type"), Some("application/javascript"));
        assert_eq!(first.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(first.text(), "/**/cb([\"one\",\"two\",\"three\"]);");
        assert_eq!(second.text(), "/**/cb([\"four\"]);");
        let keys = "push_jsonp_callback = \"$arg_cb\"\npush_subscriber_timeout = \"100ms\"";
        let gateway = start(hold, "", keys);
        let response = gateway.request("GET", "/sub?id=1&cb=a.b%5B0%5D", "", "");
        assert_eq!((response.status, response.text()), (200, "/**/a.b[0]([]);"));
        let long = "x".repeat(65);
        for name in ["a(b", "%3Cscript%3E", "a%0Ab", "1a", "a%20b", "alert(1)//", &long] {
            let response = gateway.request("GET", &format!("/sub?id=1&cb={name}"), "", "");
            assert_eq!(
                (response.status, response.text()),
                (400, "The callback is no name of a function.")
            );
        }
    }
}

#[test]
fn a_script_polls_the_document_too() {
    let keys = "push_subscriber = [\"interval-poll\"]\npush_poll_format = \"json\"\n\
                push_jsonp_callback = \"$arg_cb\"";
    let gateway = start("hall", "", keys);
    let none = gateway.request("GET", "/sub?id=1&cb=cb", "", "");
    assert_eq!(none.text(), "/**/cb({\"messages\":[]});");
    gateway.publish("/pub?id=1", "</script>\u{2028}");
    let one = gateway.request("GET", "/sub?id=1&cb=cb", "", "");
    let text = "\\u003c/script\\u003e\\u2028";
    let entry =
        format!("{{\"id\":\"{NOW}:0\",\"time\":{NOW},\"content_type\":null,\"text\":\"{text}\"}}");
    assert_eq!(one.text(), format!("/**/cb({{\"messages\":[{entry}]}});"));
    let plain = gateway.request("GET", "/sub?id=1", "", "");
    assert_eq!(plain.header("content-type"), Some("application/json"));
}

#[test]
fn a_script_is_called_with_the_document_of_a_batch_and_resumes_by_its_ids() {
    let keys = "push_longpoll_batch = \"json\"\npush_jsonp_callback = \"$arg_cb\"\n\
                push_last_message_id = \"$arg_since\"\npush_subscriber_timeout = \"20s\"\n";
    for hold in MODES {
        let gateway = start(hold, "", keys);
        for text in ["one", "</script>", "{}"] {
            gateway.publish("/pub?id=1", text);
        }
        let mut client = gateway.connect();
        let mut document = |target: &str| {
            client.get(&format!("/sub?id=1{target}"), "");
            client.response()
        };
        let plain = document("");
        let script = document("&cb=cb");
        // The same document, but for what could leave a script.
        let escaped = plain.text().replace('<', "\\u003c").replace('>', "\\u003e");
        assert_eq!(script.text(), format!("/**/cb({escaped});"));
        assert_eq!(script.header("etag"), Some("2"));
        let after = |tag: u64| format!("&cb=cb&since={NOW}:{tag}");
        let entry = |tag: u64, text: &str| {
            format!(
                "{{\"id\":\"{NOW}:{tag}\",\"time\":{NOW},\"content_type\":null,\"text\":\"{text}\"}}"
            )
        };
        let call = |entry: &str| format!("/**/cb({{\"messages\":[{entry}]}});");
        assert_eq!(document(&after(1)).text(), call(&entry(2, "{}")));
        let mut waiting = gateway.connect();
        waiting.get(&format!("/sub?id=1{}", after(2)), "");
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "four");
        let answer = waiting.response();
        assert_eq!(answer.text(), call(&entry(3, "four")));
        assert_eq!(answer.header("content-type"), Some("application/javascript"));
        let brief = start(hold, "", &keys.replace("20s", "100ms"));
        assert_eq!(brief.request("GET", "/sub?id=1&cb=cb", "", "").text(), call(""));
    }
}

fn inflated(bytes: &[u8]) -> String {
    let mut plain = String::new();
    GzDecoder::new(bytes).read_to_string(&mut plain).unwrap();
    plain
}

/// An event stream as it comes, to its end.
fn events(gateway: &Gateway, headers: &str) -> (String, Client) {
    let mut client = gateway.connect();
    client.get("/sub?id=1", &format!("Accept: text/event-stream\r\n{headers}"));
    (client.head(), client)
}

#[test]
fn an_event_stream_is_compressed_for_those_who_take_it() {
    for hold in MODES {
        let gateway =
            start(hold, "", "gzip = true\npush_ping_interval = \"100ms\"\npush_retry = 0");
        let long = "x".repeat(5000);
        gateway.publish("/pub?id=1", &long);
        let (head, mut packed) = events(&gateway, "Accept-Encoding: br, gzip\r\n");
        assert!(head.contains("\r\nContent-Encoding: gzip\r\n"), "{head}");
        let (head, mut plain) = events(&gateway, "");
        assert!(!head.contains("Content-Encoding"), "{head}");
        wait(&gateway, 2);
        // The opening, the history, a ping.
        let mut stream: Vec<u8> = (0..3).flat_map(|_| packed.chunk().unwrap()).collect();
        gateway.publish("/pub?id=1", "live");
        gateway.request("DELETE", "/pub?id=1", "", "");
        stream.extend(std::iter::from_fn(|| packed.chunk()).flatten());
        assert!(stream.len() < 500, "{}", stream.len());
        let pings = |text: String| text.replacen(":\n\n", "", usize::MAX);
        let expected = format!(
            "id: {NOW}:0\ndata: {long}\n\nid: {NOW}:1\ndata: live\n\nevent: close\ndata: deleted\n\n"
        );
        assert_eq!(pings(inflated(&stream)), expected);
        let plain: Vec<u8> = std::iter::from_fn(|| plain.chunk()).flatten().collect();
        assert_eq!(pings(String::from_utf8(plain).unwrap()), expected);
    }
}

#[test]
fn the_answer_to_a_poll_is_compressed_from_a_length_on() {
    for hold in MODES {
        let gateway = start(hold, "", "gzip = true\ngzip_min_length = 100");
        let long = "x".repeat(5000);
        let get = "Accept-Encoding: gzip\r\n";
        let mut waiting = gateway.connect();
        waiting.get("/sub?id=1", get);
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", &long);
        for response in [waiting.response(), gateway.request("GET", "/sub?id=1", get, "")] {
            assert_eq!(response.header("content-encoding"), Some("gzip"));
            assert_eq!(inflated(&response.body), long);
            assert!(response.head.contains("\r\nVary: Accept-Encoding\r\n"), "{response:?}");
        }
        let plain = gateway.request("GET", "/sub?id=1", "", "");
        assert_eq!((plain.text(), plain.header("content-encoding")), (&*long, None));
        assert!(plain.head.contains("\r\nVary: Accept-Encoding\r\n"), "{plain:?}");
        gateway.request("DELETE", "/pub?id=1", "", "");
        gateway.publish("/pub?id=1", "short");
        let short = gateway.request("GET", "/sub?id=1", get, "");
        assert_eq!((short.text(), short.header("content-encoding")), ("short", None));
    }
}
