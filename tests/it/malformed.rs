//! Requests that are none, too large, or too slow.

use crate::site::{GET, assert_answer, plain, start_root};

#[test]
fn contradicting_lengths_are_never_taken_for_two_requests() {
    let gateway = plain();
    let post = |headers: &str, body: &str| {
        let mut client = gateway.connect();
        client.send(format!("POST /pub?id=1 HTTP/1.1\r\nHost: t\r\n{headers}\r\n{body}"));
        let answer = client.response();
        client.finish();
        (answer.status, answer.text().to_owned(), client.rest().len())
    };
    for (headers, body) in [
        ("Content-Length: 1\r\nContent-Length: 2\r\n", "ab"),
        ("Content-Length: 1, 2\r\n", "ab"),
        ("Content-Length: +1\r\n", "a"),
        ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: gzip\r\n", "0\r\n\r\n"),
    ] {
        let sentence = "The length of the body is malformed.".to_owned();
        assert_eq!(post(headers, body), (400, sentence, 0), "{headers:?}");
    }
    let smuggled = format!("0\r\n\r\n{GET}");
    let length = smuggled.len();
    for headers in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
    ] {
        // The chunks count, and the connection ends (RFC 9112 section 6.3).
        let (status, _, more) = post(&headers, &smuggled);
        assert_eq!((status, more), (202, 0), "{headers:?}");
    }
}

#[test]
fn a_body_in_another_coding_than_chunks_is_refused_and_nothing_is_published() {
    let gateway = plain();
    let sentence = "The body may be chunked and nothing else.";
    let once = "The body may be chunked once.";
    for (coding, expected) in [
        ("gzip, chunked", (501, sentence)),
        ("identity, chunked", (501, sentence)),
        (", chunked", (501, sentence)),
        ("chunked, gzip, chunked", (501, sentence)),
        ("gzip\r\nTransfer-Encoding: chunked", (501, sentence)),
        ("chunked, chunked", (400, once)),
        ("chunked\r\nTransfer-Encoding: Chunked", (400, once)),
    ] {
        // Also behind a request that was sent ahead.
        for ahead in ["", GET] {
            let mut client = gateway.connect();
            client.send(format!(
                "{ahead}POST /pub?id=1 HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: {coding}\r\n\r\n\
                 1\r\na\r\n0\r\n\r\n{GET}"
            ));
            if !ahead.is_empty() {
                assert_answer(&mut client, 404, "");
            }
            let answer = client.response();
            assert_eq!((answer.status, answer.text()), expected, "{coding}");
            assert_eq!(answer.header("connection"), Some("close"));
            client.finish();
            client.assert_closed();
        }
    }
    // There is no channel to this day.
    assert_eq!(gateway.request("GET", "/pub?id=1", "", "").status, 404);
}

#[test]
fn malformed_requests_are_400_and_end_the_connection() {
    let gateway = plain();
    let malformed = [
        "garbage\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}",
        "GET /pub?id=1 HTTP/1.1\r\nHost : t\r\n\r\n",
        "GET /pub?id=1 HTTP/1.1\r\nBad\u{0}: t\r\n\r\n",
        "GET /pub?id=1 HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /pub?id=1 HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        "GET /pub?id=1 HTTP/3.1\r\n\r\n",
        "GET  HTTP/1.1\r\n\r\n",
        "GET /pub?id=1\u{1} HTTP/1.1\r\n\r\n",
        "GET pub?id=1 HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /../pub?id=1 HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /pub%zz?id=1 HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /pub%00?id=1 HTTP/1.1\r\nHost: t\r\n\r\n",
    ];
    for request in malformed {
        let mut client = gateway.connect();
        client.send(request);
        let answer = client.response();
        let sentence = answer.text().starts_with("The ") && answer.text().ends_with('.');
        assert!(answer.status == 400 && sentence, "{request:?}: {answer:?}");
        // What is no request at all leaves nothing to go on with.
        let closes = answer.header("connection") == Some("close");
        assert_eq!(closes, answer.text() == "The request is malformed.", "{request:?}");
        client.finish();
        client.assert_closed();
    }
}

#[test]
fn a_host_that_is_none_is_400() {
    let gateway = plain();
    for (host, status) in [
        ("a/b", 400),
        ("a b", 400),
        ("a@b", 400),
        ("a?b", 400),
        ("a\\b", 400),
        ("<a>", 400),
        ("\u{e4}", 400),
        ("a.example:8080", 404),
        ("[::1]:80", 404),
        ("a_b", 404),
    ] {
        let mut client = gateway.connect();
        client.send(format!("GET /pub?id=1 HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().status, status, "{host}");
    }
}

#[test]
fn a_head_that_is_too_large_is_431() {
    let gateway = start_root("client_max_header_size = \"1k\"", "hall", "", "");
    let long = format!("GET /pub?id=1 HTTP/1.1\r\nHost: t\r\nA: {}\r\n\r\n", "x".repeat(2000));
    for cut in [long.len(), 1500, 10] {
        let mut client = gateway.connect();
        client.send(&long[..cut]);
        client.send(&long[cut..]);
        let answer = client.response();
        let sentence = "The request's head is too large.";
        assert_eq!((answer.status, answer.text()), (431, sentence), "{answer:?}");
        client.assert_closed();
    }
    let mut client = gateway.connect();
    client.send(format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(2000)));
    assert!(matches!(client.response().status, 414 | 431));
    let gateway = plain();
    let mut client = gateway.connect();
    client.send(format!("GET /pub?id=1 HTTP/1.1\r\nHost: t\r\n{}\r\n", "A: b\r\n".repeat(200)));
    assert_eq!(client.response().status, 431);
    client.assert_closed();
}

#[test]
fn a_slow_head_is_408_and_a_silent_connection_is_closed() {
    let times = "client_header_timeout = \"100ms\"\nkeepalive_timeout = \"200ms\"";
    let gateway = start_root(times, "hall", "", "");
    let mut slow = gateway.connect();
    slow.send("GET /pub?id=1 HTT");
    let idle = gateway.connect();
    let mut used = gateway.connect();
    used.send(GET);
    assert_answer(&mut used, 404, "");
    let mut ahead = gateway.connect();
    ahead.send(format!("{GET}GET"));
    assert_answer(&mut ahead, 404, "");
    for client in [&mut slow, &mut ahead] {
        let answer = client.response();
        assert_eq!((answer.status, answer.text()), (408, "The request took too long."));
        assert_eq!(answer.header("connection"), Some("close"));
    }
    for mut client in [slow, idle, used, ahead] {
        client.assert_closed();
    }
}
