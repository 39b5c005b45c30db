//! `proxy_pass`: what the application gets, and what the client gets of its answer.

use crate::{
    app::{App, Asked, asked, header, ok},
    harness::{Client, Gateway},
};

/// A gateway in front of a mirror, which answers each request with what it got.
fn mirror(keys: &str) -> (App, Gateway) {
    let app = App::mirror();
    let gateway = app.gateway(keys);
    (app, gateway)
}

/// The lines of a head in order, but for the first.
fn lines(head: &str) -> Vec<&str> {
    let mut lines: Vec<_> = head.lines().skip(1).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_request_is_passed_on_with_what_the_application_has_to_know() {
    let (_app, gateway) = mirror("");
    let cookies = "Cookie: a=b\r\nAccept: text/html\r\n";
    let answer = gateway.request("GET", "/a//b/c%2Fd?x=%20y", cookies, "");
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert_eq!(text.lines().next(), Some("GET /a//b/c%2Fd?x=%20y HTTP/1.1"));
    let expected = [
        "Accept: text/html",
        "Cookie: a=b",
        "Host: test",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: test",
        "X-Forwarded-Proto: http",
    ];
    assert_eq!(lines(text), expected);
}

#[test]
fn bodies_arrive_whole_sized_and_chunked() {
    let (_app, gateway) = mirror("");
    let answer = gateway.request("POST", "/", "", "hello");
    assert_eq!(header(answer.text(), "content-length"), Some("5"));
    assert!(answer.text().ends_with("\r\nhello"), "{}", answer.text());
    for method in ["POST", "GET", "DELETE"] {
        let mut client = gateway.connect();
        client.request(method, "/", "Transfer-Encoding: chunked\r\n", "");
        client.send("5\r\nhello\r\n3\r\n, x\r\n0\r\nTrailer: dropped\r\n\r\n");
        let answer = client.response();
        assert_eq!(header(answer.text(), "transfer-encoding"), Some("chunked"), "{method}");
        assert!(answer.text().ends_with("hello, x"), "{}", answer.text());
        // And the connection goes on.
        client.get("/", "");
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn a_request_without_a_body_has_none() {
    let (_app, gateway) = mirror("");
    let answer = gateway.request("POST", "/", "", "");
    assert_eq!(header(answer.text(), "content-length"), Some("0"));
    for method in ["GET", "OPTIONS", "PROPFIND"] {
        let answer = gateway.request(method, "/", "", "");
        assert!(answer.text().starts_with(method));
        assert_eq!(header(answer.text(), "content-length"), None, "{method}");
        assert_eq!(header(answer.text(), "transfer-encoding"), None, "{method}");
    }
}

#[test]
fn methods_that_concern_the_gateway_are_not_passed_on() {
    let (app, gateway) = mirror("");
    let answer = gateway.request("TRACE", "/", "", "");
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    assert_eq!(app.connections(), 0);
}

#[test]
fn what_concerns_one_connection_stays_there() {
    let app = App::answering(|asked| {
        let hops = "Connection: X-Back\r\nX-Back: 1\r\nKeep-Alive: timeout=5\r\nTrailer: X\r\n\
                    X-Accel-Charset: utf-8\r\nX-Accel-Buffering: no\r\nX-Kept: 1\r\n";
        let body = &asked.head;
        format!("HTTP/1.1 200 OK\r\n{hops}Content-Length: {}\r\n\r\n{body}", body.len()).into()
    });
    let gateway = app.gateway("");
    let hops = "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
                Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nProxy: http://evil.example/\r\n";
    let mut client = gateway.connect();
    client.get("/", hops);
    let answer = client.response();
    let expected = [
        "Host: test",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: test",
        "X-Forwarded-Proto: http",
    ];
    assert_eq!(lines(answer.text()), expected);
    let lines: Vec<_> =
        lines(&answer.head).into_iter().filter(|line| !line.starts_with("Date: ")).collect();
    let length = format!("Content-Length: {}", answer.body.len());
    assert_eq!(lines, [&length, "X-Accel-Buffering: no", "X-Kept: 1"]);
}

#[test]
fn only_trusted_proxies_say_where_a_request_comes_from() {
    let claims = "X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\nX-Forwarded-Proto: https\r\n\
                  X-Forwarded-Host: example.com\r\nX-Forwarded-Port: 443\r\nX-Real-IP: 192.0.2.1\r\n\
                  Forwarded: for=192.0.2.1\r\nX_Forwarded_For: 192.0.2.9\r\n";
    let (_app, gateway) = mirror("");
    let answer = gateway.request("GET", "/", claims, "");
    let expected = [
        "Host: test",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: test",
        "X-Forwarded-Proto: http",
    ];
    assert_eq!(lines(answer.text()), expected);
    let (_app, gateway) = mirror("real_ip_from = [\"127.0.0.1\"]");
    let answer = gateway.request("GET", "/", claims, "");
    let expected = [
        "Forwarded: for=192.0.2.1",
        "Host: test",
        "X-Forwarded-For: 192.0.2.1, 192.0.2.2, 127.0.0.1",
        "X-Forwarded-Host: example.com",
        "X-Forwarded-Port: 443",
        "X-Forwarded-Proto: https",
        "X-Real-Ip: 192.0.2.1",
    ];
    assert_eq!(lines(answer.text()), expected);
}

#[test]
fn headers_are_set_from_variables_and_removed_by_nothing() {
    let keys = "proxy_set_header = { Host = \"app.internal\", X-Id = \"$arg_id\", Cookie = \"\", \
                X-Real-IP = \"$remote_addr\", X-Forwarded-For = \"\" }";
    let (app, gateway) = mirror(keys);
    let answer = gateway.request("GET", "/?id=7", "Cookie: a=b\r\nX-Id: forged\r\n", "");
    let expected = [
        "Host: app.internal",
        "X-Forwarded-Host: test",
        "X-Forwarded-Proto: http",
        "X-Id: 7",
        "X-Real-Ip: 127.0.0.1",
    ];
    assert_eq!(lines(answer.text()), expected);
    assert_eq!(app.connections(), 1);
    for id in ["a%0d%0aX-Admin:%201", "a%0a", "a%00"] {
        let answer = gateway.request("GET", &format!("/?id={id}"), "", "");
        assert_eq!(answer.status, 400, "{id}");
        assert_eq!(answer.text(), "The request has a control character for a header.");
    }
    assert_eq!(app.connections(), 1);
}

#[test]
fn the_host_of_the_target_counts_and_its_password_does_not() {
    let (_app, gateway) = mirror("");
    let mut client = gateway.connect();
    client.send("GET http://user:secret@real.example:81/x HTTP/1.1\r\nHost: other.example\r\n\r\n");
    let answer = client.response();
    assert!(answer.text().starts_with("GET /x HTTP/1.1\r\n"), "{}", answer.text());
    assert_eq!(header(answer.text(), "host"), Some("real.example:81"));
    assert_eq!(header(answer.text(), "x-forwarded-host"), Some("real.example:81"));
    assert!(!answer.text().contains("secret"));
}

#[test]
fn a_path_in_proxy_pass_replaces_that_of_the_location() {
    let app = App::mirror();
    let location = |path: &str, uri: &str| {
        format!(
            "[[server.location]]\npath = '{path}'\nproxy_pass = \"http://{}{uri}\"\n",
            app.address
        )
    };
    let gateway = Gateway::start(
        &[
            location("/one/", "/two/"),
            location("/root/", "/"),
            location("= /exact", "/there?own=1"),
            location("~ ^/regex", ""),
            location("/plain/", ""),
        ]
        .concat(),
    );
    for (target, expected) in [
        ("/one/a%20b?x=%2e", "/two/a%20b?x=%2e"),
        ("/one/", "/two/"),
        ("/one/./a/../b", "/two/b"),
        ("/one/a%252fb%3f%0d%0a", "/two/a%252fb%3F%0D%0A"),
        ("/root/a", "/a"),
        ("/exact?x=1", "/there?own=1&x=1"),
        ("/regex/%41", "/regex/%41"),
        ("/plain/%41?", "/plain/%41?"),
    ] {
        let answer = gateway.request("GET", target, "", "");
        let line = format!("GET {expected} HTTP/1.1");
        assert_eq!(answer.text().lines().next(), Some(&*line), "{target}");
    }
    // Nothing climbs out of where the location leads.
    for target in ["/one/../../etc/passwd", "/one/%2e%2e/%2e%2e/x", "/one/%00", "/one/%zz"] {
        assert_eq!(gateway.request("GET", target, "", "").status, 400, "{target}");
    }
    assert_eq!(gateway.request("GET", "/one/../secret", "", "").status, 404);
    // Nor does it for an application that takes a backslash for a slash.
    for target in ["/one/..%5c..%5cx", "/one/%2e%2e%5Cx", "/one/a%5c..%2fx%5c.."] {
        let answer = gateway.request("GET", target, "", "");
        assert_eq!(
            (answer.status, answer.text()),
            (400, "The path cannot be passed on."),
            "{target}"
        );
    }
}

#[test]
fn answers_come_back_as_they_are() {
    for (answer, status, expected, body) in [
        (
            "201 Made\r\nContent-Length: 2\r\nX: 1\r\n\r\nhi",
            "201 Made",
            &["Content-Length: 2", "X: 1"][..],
            "hi",
        ),
        ("204 No Content\r\nX: 1\r\n\r\n", "204 No Content", &["X: 1"], ""),
        (
            "304 Not Modified\r\nEtag: \"a\"\r\nContent-Length: 7\r\n\r\n",
            "304 Not Modified",
            &["Etag: \"a\""],
            "",
        ),
        (
            "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\nX: 1\r\n\r\n",
            "200 OK",
            &["Transfer-Encoding: chunked"],
            "hi!",
        ),
        (
            "404 Not Found\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n",
            "404 Not Found",
            &["Content-Length: 0", "Set-Cookie: a=1", "Set-Cookie: b=2"],
            "",
        ),
        // Several interim answers first.
        (
            "103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            "200 OK",
            &["Content-Length: 1"],
            "x",
        ),
    ] {
        let answer = format!("HTTP/1.1 {answer}");
        let app = App::answering(move |_| answer.clone().into());
        let gateway = app.gateway("");
        let mut client = gateway.connect();
        for _ in 0..2 {
            client.get("/", "");
            let answer = client.response();
            assert_eq!(answer.head.lines().next(), Some(&*format!("HTTP/1.1 {status}")));
            let lines: Vec<_> = lines(&answer.head)
                .into_iter()
                .filter(|line| !line.starts_with("Date: "))
                .collect();
            assert_eq!((lines, answer.text()), (expected.to_vec(), body));
        }
        assert_eq!(app.connections(), 1);
    }
}

#[test]
fn an_answer_to_head_says_how_long_the_body_were() {
    let app = App::answering(|asked| {
        assert!(asked.line().starts_with("HEAD "));
        b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nX: 1\r\n\r\n".to_vec()
    });
    let gateway = app.gateway("");
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.request("HEAD", "/", "", "");
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(header(&head, "content-length"), Some("12345"));
        assert_eq!(header(&head, "transfer-encoding"), None);
    }
    assert_eq!(app.connections(), 1);
}

#[test]
fn an_answer_that_ends_with_its_connection_is_whole() {
    let app = App::start(|client, _| {
        asked(client).unwrap();
        client.send("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it");
    });
    let gateway = app.gateway("");
    let mut client = gateway.connect();
    for number in 1..=2 {
        client.get("/", "");
        let answer = client.response();
        assert_eq!((answer.status, answer.text()), (200, "all of it"));
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
        assert!(answer.head.starts_with("HTTP/1.1 "));
        assert_eq!(app.connections(), number);
    }
    client.send("GET / HTTP/1.0\r\nHost: test\r\n\r\n");
    let head = client.head();
    assert_eq!(header(&head, "transfer-encoding"), None);
    assert_eq!(client.rest(), b"all of it");
}

#[test]
fn connections_are_used_again() {
    let (app, gateway) = mirror("");
    for _ in 0..3 {
        let mut client = gateway.connect();
        for _ in 0..3 {
            client.request("POST", "/", "", "hello");
            assert!(client.response().text().ends_with("hello"));
        }
    }
    assert_eq!(app.connections(), 1);
}

#[test]
fn the_applications_own_urls_lead_back_through_the_gateway() {
    let app = App::start(|client, _| {
        while let Some(asked) = asked(client) {
            let own = client.stream.local_addr().unwrap();
            let place = match asked.line() {
                line if line.contains("/refresh") => format!("Refresh: 3; url=http://{own}/two/x"),
                line if line.contains("/away") => "Location: http://other.example/two/x".to_owned(),
                _ => format!("Location: http://{own}/two/x?y"),
            };
            client.send(format!("HTTP/1.1 302 Found\r\n{place}\r\nContent-Length: 0\r\n\r\n"));
        }
    });
    let address = app.address;
    let gateway = Gateway::start(&format!(
        "[[server.location]]\npath = '/one/'\nproxy_pass = \"http://{address}/two/\"\n"
    ));
    let get = |target| gateway.request("GET", target, "", "");
    assert_eq!(get("/one/").header("location"), Some("/one/x?y"));
    assert_eq!(get("/one/refresh").header("refresh"), Some("3; url=/one/x"));
    assert_eq!(get("/one/away").header("location"), Some("http://other.example/two/x"));
}

#[test]
fn who_waits_for_100_gets_it_when_the_body_is_wanted() {
    let (app, gateway) = mirror("client_max_body_size = 5");
    let mut client = gateway.connect();
    let expect = "Expect: 100-continue\r\nContent-Length: 5\r\n";
    client.send(format!("POST / HTTP/1.1\r\nHost: test\r\n{expect}\r\n"));
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n");
    client.send("hello");
    let answer = client.response();
    assert!(answer.text().ends_with("\r\nhello"), "{}", answer.text());
    assert_eq!(header(answer.text(), "expect"), None);
    // What would be refused is refused before it is sent.
    let expect = "Expect: 100-continue\r\nContent-Length: 6\r\n";
    client.send(format!("POST / HTTP/1.1\r\nHost: test\r\n{expect}\r\n"));
    assert_eq!(client.response().status, 413);
    client.assert_closed();
    assert_eq!(app.connections(), 1);
}

#[test]
fn a_body_has_a_limit_counted_as_it_comes_and_0_is_none() {
    let large = "x".repeat(3 << 20);
    let (app, gateway) = mirror("");
    let mut client = gateway.connect();
    let length = large.len();
    client.send(format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n"));
    assert_eq!(client.response().status, 413);
    assert_eq!(app.connections(), 0);
    let mut client = gateway.connect();
    client.request("POST", "/", "Transfer-Encoding: chunked\r\n", "");
    client.send(format!("100000\r\n{}\r\n", &large[..1 << 20]));
    client.send("1\r\nx\r\n");
    let answer = client.response();
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    client.finish();
    client.assert_closed();
    let (_app, gateway) = mirror("client_max_body_size = 0");
    let answer = gateway.request("POST", "/", "", &large);
    assert!(answer.text().ends_with(&large));
}

#[test]
fn a_unix_socket_is_an_address_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let _app = App::start_unix(&path, |client: &mut Client, _| {
        while let Some(Asked { head, .. }) = asked(client) {
            client.send(ok(head.as_bytes()));
        }
    });
    let path = path.display();
    let gateway = Gateway::start(&format!(
        "[[server.location]]\npath = '/one/'\nproxy_pass = \"http://unix:{path}:/two/\"\n"
    ));
    let answer = gateway.request("GET", "/one/x", "", "");
    assert!(answer.text().starts_with("GET /two/x HTTP/1.1\r\n"), "{}", answer.text());
    let mut client = gateway.connect();
    client.send("GET /one/ HTTP/1.0\r\n\r\n");
    assert_eq!(header(client.response().text(), "host"), Some("localhost"));
}
