//! `X-Accel-Redirect`: the application decides, and another location answers.

use std::{
    io::Write,
    sync::{Mutex, mpsc},
};

use tokio::time::timeout;

use crate::{
    app::{App, ok},
    client::{Listener, Way},
    grip,
    harness::{Gateway, PATIENCE},
    locations::locations,
    site::{DATE, MODES, NOW, stable},
    websocket::{self, HANDSHAKE},
};

/// An application that hands everything over to where `?to=` says, as it is written there, with
/// further header lines.
fn handing(lines: &'static str) -> App {
    App::answering(move |asked| {
        let target = asked.line().split(' ').nth(1).unwrap();
        match target.split_once("to=") {
            Some((_, to)) => hand_over(&to.replace("%3F", "?").replace("%26", "&"), lines),
            None => ok(&[asked.head.as_bytes(), &asked.body].concat()),
        }
    })
}

/// An answer that hands a request over. Nothing but the headers of it may be seen.
fn hand_over(to: &str, lines: &str) -> Vec<u8> {
    let head = format!("HTTP/1.1 403 Secret\r\nX-Accel-Redirect: {to}\r\nX-Secret: 1\r\n{lines}");
    format!("{head}Content-Type: text/secret\r\nContent-Length: 6\r\n\r\nsecret").into()
}

/// The application at `/app/`, with an open publisher, and behind it a publisher and subscribers that
/// nobody else reaches.
fn start(app: &App, hold: &str, keys: &str) -> Gateway {
    let address = app.address;
    let locations = format!(
        r#"
[[server.location]]
path = "/app/"
proxy_pass = "http://{address}"

[[server.location]]
path = "/mapped/"
internal = true
proxy_pass = "http://{address}/there/"

[[server.location]]
path = "= /pub"
push_publisher = true
push_channel_id = "$arg_id"

[[server.location]]
path = "= /inside/pub"
internal = true
push_publisher = true
push_channel_id = "$arg_id"

[[server.location]]
path = "/inside/sub"
internal = true
push_subscriber = true
push_channel_id = "$arg_id"
push_hold = "{hold}"
{keys}
"#
    );
    Gateway::start_with("workers = 1", &locations, |settings| settings.clock = Box::new(|| NOW))
}

const SUB: &str = "/app/?to=/inside/sub%3Fid=1";
const PUB: &str = "/app/?to=/inside/pub%3Fid=1";

fn assert_no_secret(text: &str) {
    assert!(!text.to_ascii_lowercase().contains("secret"), "{text}");
}

#[test]
fn of_two_cookies_with_a_name_that_of_the_last_answer_comes_last() {
    let app = App::answering(|asked| match asked.line() {
        "GET /app/ HTTP/1.1" => hand_over("/app/2", "Set-Cookie: a=1\r\nSet-Cookie: b=1\r\n"),
        "GET /app/2 HTTP/1.1" => hand_over("/mapped/3", "Set-Cookie: a=2\r\n"),
        _ => b"HTTP/1.1 200 OK\r\nSet-Cookie: a=3\r\nContent-Length: 0\r\n\r\n".to_vec(),
    });
    let answer = start(&app, "hall", "").request("GET", "/app/", "", "");
    let cookies: Vec<_> =
        answer.head.lines().filter_map(|line| line.strip_prefix("Set-Cookie: ")).collect();
    assert_eq!(cookies, ["a=1", "b=1", "a=2", "a=3"]);
}

#[test]
fn what_the_first_answer_says_of_its_page_holds_for_one_that_is_held_and_for_no_message() {
    const FIRST: &str = "Set-Cookie: a=1\r\nSet-Cookie: b=1\r\nCache-Control: private\r\n\
                         Cache-Control: max-age=1\r\nContent-Disposition: inline\r\nExpires: 0\r\n";
    let app = App::answering(|asked| {
        let mode = match asked.line().split(' ').nth(1).unwrap() {
            "/stream" => "stream",
            "/late" => "response\r\nGrip-Timeout: 1",
            "/wait" => "response\r\nGrip-Timeout: 60",
            handed => return hand_over(handed.strip_prefix("/app").unwrap(), FIRST),
        };
        let headers = format!("Grip-Hold: {mode}\r\nGrip-Channel: a\r\nSet-Cookie: a=2\r\n");
        grip::answer(&format!("{headers}Expires: 1\r\n"), "begin;")
    });
    let keys = "push_grip = true\ninternal = true\npush_max_channel_subscribers = 1\n\
                push_channel_timeout = \"1m\"";
    let address = app.address;
    let locations = format!(
        "{}[[server.location]]\npath = \"/app/\"\nproxy_pass = \"http://{address}\"\n\
         [[server.location]]\npath = \"= /items\"\npush_grip_publish = true\n\
         [[server.location]]\npath = \"= /pub\"\npush_publisher = true\npush_channel_id = \"$arg_id\"\n",
        app.location(keys)
    );
    let gateway = Gateway::start_root("workers = 1", &locations);
    let answer = |target: &str| {
        let mut client = gateway.connect();
        client.get(target, "");
        client
    };
    let cookies = ["Set-Cookie: a=1", "Set-Cookie: b=1"];
    let page = [
        "Cache-Control: private",
        "Cache-Control: max-age=1",
        "Content-Disposition: inline",
        "Content-Type: text/secret",
        "Expires: 1",
        "Set-Cookie: a=2",
    ];
    let seen = |head: &str| {
        let names = ["Set-", "Cache-", "Content-Type", "Content-Disposition", "Expires"];
        let lines = head.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
        let mut lines: Vec<_> = lines.map(str::to_owned).collect();
        // The order of cookies is looked at elsewhere.
        lines.sort();
        lines
    };
    let both = |one: &[&str], other: &[&str]| {
        let mut both: Vec<_> = [one, other].concat().into_iter().map(str::to_owned).collect();
        both.sort();
        both
    };
    for target in ["/app/stream", "/app/late"] {
        let head = answer(target).head();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(seen(&head), both(&cookies, &page), "{target}");
        gateway.wait_for_subscribers("/pub?id=a", 0);
    }
    let mut waits = answer("/app/wait");
    gateway.wait_for_subscribers("/pub?id=a", 1);
    let refused = answer("/app/stream").response();
    assert_eq!(refused.status, 403, "{refused:?}");
    let sentence = ["Cache-Control: no-cache", "Content-Type: text/plain"];
    assert_eq!(seen(&refused.head), both(&cookies, &sentence));
    let reply = "{\"items\": [{\"channel\": \"a\", \"http-response\": {\"body\": \"hi\"}}]}";
    assert_eq!(gateway.request("POST", "/items", "", reply).status, 200);
    let response = waits.response();
    assert_eq!((response.status, response.text()), (200, "hi"));
    assert_eq!(seen(&response.head), both(&cookies, &[]));
}

#[test]
fn a_target_that_is_no_path_is_404() {
    let app = handing("");
    let gateway = start(&app, "hall", "");
    for target in ["/inside/%zz", "/inside/..\\sub", "inside/sub", "//"] {
        let answer = gateway.request("GET", &format!("/app/?to={target}"), "", "");
        assert_eq!(answer.status, 404, "{target}");
        assert_no_secret(answer.text());
    }
}

/// The next message of channel 1.
fn published(gateway: &Gateway) -> String {
    let mut client = gateway.connect();
    client.get(SUB, "");
    client.response().text().to_owned()
}

/// A gateway all of whose requests but those to `/pub` go to the application, which sends each to the
/// location of its transport.
fn everywhere(hold: &str) -> (App, Gateway) {
    let app = App::answering(|asked| {
        let target = asked.line().split(' ').nth(1).unwrap();
        hand_over(&format!("/in{target}"), "Set-Cookie: seen=1\r\n")
    });
    let inside = locations(hold, "")
        .replace("path = \"/", "internal = true\npath = \"/in/")
        .replace("internal = true\npath = \"/in/pub\"", "path = \"/pub\"");
    let gateway = Gateway::start_root("workers = 1", &format!("{inside}\n{}", app.location("")));
    (app, gateway)
}

#[test]
fn every_transport_is_handed_over_and_resumes() {
    for hold in MODES {
        let (app, gateway) = everywhere(hold);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (number, way) in Way::ALL.into_iter().enumerate() {
            let channel = format!("c{number}");
            let publisher = format!("/pub?c={channel}");
            gateway.publish(&publisher, "m0");
            let mut listener = Listener::new(gateway.address, way, &channel);
            runtime.block_on(async {
                let begun = timeout(PATIENCE, listener.begin()).await;
                begun.unwrap_or_else(|_| panic!("{way:?} is not answered")).unwrap();
                for n in 0..4 {
                    let text = format!("m{n}");
                    if n > 0 {
                        gateway.publish(&publisher, &text);
                    }
                    let heard = timeout(PATIENCE, listener.next()).await;
                    let heard = heard.unwrap_or_else(|_| panic!("{way:?} hears nothing")).unwrap();
                    assert_eq!(heard.1, text, "{way:?}");
                }
            });
        }
        // All over one connection: what the application answers is short.
        assert_eq!(app.connections(), 1);
    }
}

#[test]
fn nothing_of_the_applications_answer_is_seen_but_what_nginx_keeps() {
    let lines = "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nCache-Control: private\r\nExpires: 0\r\n\
                 Content-Disposition: inline\r\nAccept-Ranges: bytes\r\nEtag: \"secret\"\r\n\
                 Last-Modified: secret\r\nLocation: secret\r\nVary: secret\r\n";
    for hold in MODES {
        let app = handing(lines);
        let gateway = start(&app, hold, "");
        let date = format!("Last-Modified: {DATE}");
        // Held, and then answered; answered at once.
        for at_once in [false, true] {
            let mut client = gateway.connect();
            client.get(SUB, "");
            if !at_once {
                gateway.wait_for_subscribers("/pub?id=1", 1);
                gateway.publish("/pub?id=1", "hello");
            }
            let answer = client.response();
            assert_eq!((answer.status, answer.text()), (200, "hello"));
            let expected = [
                "HTTP/1.1 200 OK",
                "Cache-Control: no-cache",
                "Content-Length: 5",
                "Etag: 0",
                &date,
                "Set-Cookie: a=1",
                "Set-Cookie: b=2",
                "Vary: If-None-Match, If-Modified-Since",
            ];
            assert_eq!(stable(&answer.head), expected, "{hold} {at_once}");
        }
        let mut client = gateway.connect();
        client.get(SUB, "Accept: text/event-stream\r\n");
        let head = client.head();
        assert!(head.contains("\r\nSet-Cookie: a=1\r\n") && head.contains("text/event-stream"));
        assert_no_secret(&head);
        let (_, head) = websocket::open_with(&gateway, SUB, "");
        assert!(head.contains("\r\nSet-Cookie: b=2\r\n"));
        assert_no_secret(&head);
    }
    // A location that passes on may leave all of them to the first answer.
    let app = handing(lines);
    let gateway = start(&app, "hall", "");
    let answer = gateway.request("GET", "/app/?to=/mapped/x%3Fy", "", "");
    assert!(answer.text().starts_with("GET /there/x?y HTTP/1.1\r\n"), "{}", answer.text());
    let length = format!("Content-Length: {}", answer.body.len());
    let expected = [
        "HTTP/1.1 200 OK",
        "Accept-Ranges: bytes",
        "Cache-Control: private",
        "Content-Disposition: inline",
        &length,
        "Content-Type: text/secret",
        "Expires: 0",
        "Set-Cookie: a=1",
        "Set-Cookie: b=2",
    ];
    assert_eq!(stable(&answer.head), expected);
}

#[test]
fn what_is_internal_is_not_there_for_others() {
    let app = handing("");
    let gateway = start(&app, "hall", "");
    for target in
        ["/inside/sub?id=1", "/inside/pub?id=1", "/mapped/", "//inside/./sub", "/%69nside/sub"]
    {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            let headers = "X-Accel-Redirect: /inside/sub?id=1\r\n";
            let answer = gateway.request(method, target, headers, "");
            assert_eq!((answer.status, answer.text()), (404, "No such location."), "{target}");
        }
        let mut client = gateway.connect();
        client.get(target, HANDSHAKE);
        assert_eq!(client.response().status, 404);
    }
    assert_eq!(app.connections(), 0);
}

#[test]
fn a_client_cannot_hand_itself_over() {
    let app = App::answering(|_| ok(b"from the application"));
    let gateway = start(&app, "hall", "");
    let headers = "X-Accel-Redirect: /inside/sub?id=1\r\n";
    let answer = gateway.request("GET", "/app/", headers, "");
    assert_eq!(answer.text(), "from the application");
    let answer = gateway.request("POST", "/pub?id=1", headers, "x");
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("x-accel-redirect"), None);
}

#[test]
fn a_publisher_gets_the_method_and_the_body() {
    let app = handing("");
    let gateway = start(&app, "hall", "");
    let answer = gateway.request("POST", PUB, "Content-Type: a/b\r\n", "hello");
    assert_eq!(answer.status, 202);
    let mut client = gateway.connect();
    client.get(SUB, "");
    let message = client.response();
    assert_eq!((message.header("content-type"), message.text()), (Some("a/b"), "hello"));
    let answer = gateway.request("GET", PUB, "Accept: application/json\r\n", "");
    assert!(answer.text().contains("\"messages\": 1,"), "{}", answer.text());
    assert_eq!(gateway.request("DELETE", PUB, "", "").status, 200);
    assert_eq!(gateway.request("GET", PUB, "", "").status, 404);
    let mut client = gateway.connect();
    client.request("PUT", PUB, "Transfer-Encoding: chunked\r\n", "");
    client.send("5\r\nchunk\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 202);
    assert_eq!(published(&gateway), "chunk");
    // And that connection goes on.
    client.get("/pub?id=1", "");
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_body_that_the_application_has_not_read_is_published_all_the_same() {
    // It answers as soon as it has the head, and closes.
    let app = App::start(|client, _| {
        let role = if client.head().starts_with("POST ") { "pub" } else { "sub" };
        client.send(hand_over(&format!("/inside/{role}?id=1"), "Connection: close\r\n"));
        client.finish();
        client.rest();
    });
    let gateway = start(&app, "hall", "");
    let message = "x".repeat(1_000_000);
    let mut client = gateway.connect();
    client.request("POST", "/app/", "Transfer-Encoding: chunked\r\n", "");
    // Some of it before the answer of the application, some after.
    client.send(format!("3e8\r\n{}\r\n", &message[..1000]));
    let rest = &message[1000..];
    client.send(format!("{:x}\r\n{rest}\r\n0\r\n\r\n", rest.len()));
    assert_eq!(client.response().status, 202);
    let published = published(&gateway);
    assert!(published == message, "{} bytes", published.len());
}

#[test]
fn a_body_that_is_too_large_to_be_kept_is_not_published_in_part() {
    let app = handing("");
    let gateway = Gateway::start(&format!(
        "client_max_body_size = \"4M\"\n{}\n[[server.location]]\npath = \"/inside/pub\"\n\
         internal = true\npush_publisher = true\npush_channel_id = \"$arg_id\"\n",
        app.location("")
    ));
    let answer = gateway.request("POST", PUB, "", &"x".repeat(2 << 20));
    assert_eq!(answer.status, 413);
    assert_eq!(gateway.request("GET", PUB, "", "").status, 404);
}

#[test]
fn a_post_becomes_a_get_where_nothing_is_published() {
    let app = handing("");
    let gateway = start(&app, "hall", "");
    gateway.publish("/pub?id=1", "waiting");
    let mut client = gateway.connect();
    client.request("POST", SUB, "", "a body");
    assert_eq!(client.response().text(), "waiting");
    client.request("POST", "/app/?to=/mapped/x", "", "a body");
    let answer = client.response();
    assert!(answer.text().starts_with("GET /there/x HTTP/1.1\r\n"), "{}", answer.text());
    assert!(!answer.text().contains("a body"));
    client.request("HEAD", SUB, "", "");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    client.get(SUB, "");
    assert_eq!(client.response().text(), "waiting");
}

#[test]
fn variables_are_those_of_the_new_target_and_request_uri_is_the_old_one() {
    let app = handing("");
    let gateway = Gateway::start(&format!(
        "{}\n[[server.location]]\npath = '~ ^/in/(\\w+)$'\ninternal = true\n\
         push_pubsub = true\naccess = [\"allow all\"]\n\
         push_channel_id = \"$1-$arg_a-$args-$uri-$request_uri-$cookie_c\"\n\
         [[server.location]]\npath = \"/pub\"\npush_publisher = true\npush_channel_id = \"$arg_id\"\n",
        app.location("")
    ));
    let target = "/app/?to=/in/%72oom%3Fa=b%26a=c";
    assert_eq!(gateway.request("POST", target, "Cookie: c=5\r\n", "x").status, 202);
    let id = format!("room-b-a=b&a=c-/in/room-{target}-5");
    let id = id.replace('%', "%25").replace('&', "%26");
    assert_eq!(gateway.request("GET", &format!("/pub?id={id}"), "", "").status, 200, "{id}");
}

#[test]
fn a_target_that_is_no_path_of_this_server_is_404() {
    let app = handing("");
    let gateway = start(&app, "hall", "");
    for to in [
        "http://evil.example/",
        "//evil.example/",
        "@named",
        "inside/sub",
        "/nowhere/../inside/sub",
        "/inside/%2e%2e/inside/sub",
        "/inside/sub/%2e%2e%2fsub",
        "/nowhere",
        "/inside/sub%00",
    ] {
        let answer = gateway.request("GET", &format!("/app/?to={to}"), "", "");
        assert_eq!(answer.status, 404, "{to}");
        assert_eq!(answer.header("location"), None);
        assert_no_secret(&answer.head);
    }
}

#[test]
fn the_rules_of_the_new_location_hold() {
    let app = handing("Set-Cookie: a=b\r\nCache-Control: public\r\n");
    let gateway = Gateway::start(&format!(
        "{}\n[[server.location]]\npath = \"/inside/\"\ninternal = true\npush_subscriber = true\n\
         push_channel_id = \"$arg_id\"\naccess = [\"deny all\"]\n",
        app.location("")
    ));
    let answer = gateway.request("GET", SUB, "", "");
    assert_eq!((answer.status, answer.text()), (403, "Access denied."));
    // The application's cookies are set all the same.
    assert_eq!(answer.header("set-cookie"), Some("a=b"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
}

#[test]
fn ten_steps_are_a_way_and_eleven_a_circle() {
    let app = App::answering(|asked| {
        let target = asked.line().split(' ').nth(1).unwrap();
        match target.trim_start_matches("/app/").parse::<usize>() {
            Ok(0) => ok(b"arrived"),
            Ok(left) => hand_over(&format!("/app/{}", left - 1), "Set-Cookie: a=b\r\n"),
            Err(_) => hand_over("/app/round", ""),
        }
    });
    let gateway = start(&app, "hall", "");
    let answer = gateway.request("GET", "/app/10", "", "");
    assert_eq!((answer.status, answer.text()), (200, "arrived"));
    assert_eq!(answer.head.matches("Set-Cookie: a=b").count(), 10);
    for target in ["/app/11", "/app/round"] {
        let answer = gateway.request("GET", target, "", "");
        let sentence = "The request is sent from one location to the next without end.";
        assert_eq!((answer.status, answer.text()), (500, sentence));
    }
}

#[test]
fn a_large_body_of_the_application_is_not_fetched() {
    let (told, tell) = mpsc::channel();
    let told = Mutex::new(told);
    let app = App::start(move |client, _| {
        crate::app::asked(client);
        let head = "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /inside/sub?id=1\r\n";
        client.send(format!("{head}Content-Length: 1000000000\r\n\r\n"));
        let mut written = 0;
        let block = vec![0; 65536];
        while let Ok(length) = client.stream.write(&block) {
            written += length;
        }
        told.lock().unwrap().send(written).unwrap();
    });
    let gateway = start(&app, "hall", "");
    gateway.publish("/pub?id=1", "instead");
    assert_eq!(gateway.request("GET", "/app/", "", "").text(), "instead");
    let written = tell.recv_timeout(PATIENCE).unwrap();
    assert!(written < 40 << 20, "{written}");
}

#[test]
fn a_client_that_waits_here_does_not_keep_the_application_waiting() {
    let (told, tell) = mpsc::channel();
    let told = Mutex::new(told);
    let app = App::start(move |client, _| {
        crate::app::asked(client);
        client.send(hand_over("/inside/sub?id=1", "Connection: close\r\n"));
        client.rest();
        told.lock().unwrap().send(()).unwrap();
    });
    let gateway = start(&app, "hall", "");
    let mut client = gateway.connect();
    client.get("/app/", "");
    gateway.wait_for_subscribers("/pub?id=1", 1);
    // It is held, and the application has been let go.
    tell.recv_timeout(PATIENCE).unwrap();
    drop(app);
    gateway.publish("/pub?id=1", "later");
    assert_eq!(client.response().text(), "later");
}

#[test]
fn a_websocket_is_handed_over_with_what_it_sends_ahead() {
    let app = handing("");
    let gateway = Gateway::start(&format!(
        "{}\n[[server.location]]\npath = \"/inside/\"\ninternal = true\npush_pubsub = true\n\
         push_channel_id = \"$arg_id\"\naccess = [\"allow all\"]\n",
        app.location("")
    ));
    let mut client = gateway.connect();
    let head = format!("GET {SUB} HTTP/1.1\r\nHost: test\r\n{HANDSHAKE}\r\n");
    let early = websocket::message(websocket::TEXT, b"early");
    client.send([head.as_bytes(), &early].concat());
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(websocket::text(&mut client), "early");
    client.send(websocket::message(websocket::TEXT, b"later"));
    assert_eq!(websocket::text(&mut client), "later");
}
