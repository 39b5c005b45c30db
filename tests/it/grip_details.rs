//! GRIP: what each instruction does, over the whole way.

use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::Value;

use crate::{
    app::ok,
    grip::{Script, answer, begun, get, hold, item, publish, stream},
    grip_socket::{event, events, open, over_http},
    websocket::{TEXT, closed, message, text},
};

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/credentials/jwt/keys");

#[test]
fn a_link_is_asked_when_nothing_has_come_for_its_timeout() {
    let link = "Grip-Link: </next>; rel=next; timeout=1\r\n";
    let script = Script::new(vec![hold("stream", link, "begin;"), hold("stream", link, "polled;")]);
    let gateway = script.gateway("");
    let mut client = begun(&gateway, "begin;");
    let begin = Instant::now();
    for _ in 0..2 {
        assert_eq!(client.exactly_chunked(7), b"polled;");
    }
    assert!(begin.elapsed() >= Duration::from_millis(1900), "{:?}", begin.elapsed());
    assert_eq!(script.asked().line(), "GET / HTTP/1.1");
    assert_eq!(script.asked().line(), "GET /next HTTP/1.1");
    // What is published is heard between two polls, too.
    item(&gateway, &stream("news;"));
    let mut heard = Vec::new();
    while !heard.ends_with(b"news;") {
        heard.extend(client.chunk().unwrap());
    }
}

#[test]
fn headers_are_exposed_by_name() {
    let own = "X-A: 1\r\nX-B: 2\r\nGrip-Expose-Headers: x-a, Content-Type\r\n\
               Content-Type: text/x\r\nGrip-Timeout: 5\r\n";
    for mode in ["stream", "response"] {
        let script = Script::new(vec![hold(mode, own, "begin;")]);
        let gateway = script.gateway("");
        let head = get(&gateway, "/").head();
        assert!(head.contains("X-A: 1\r\n") && head.contains("Content-Type: text/x\r\n"), "{head}");
        assert!(!head.contains("X-B") && !head.to_lowercase().contains("grip"), "{mode}: {head}");
    }
}

#[test]
fn an_interval_does_not_care_what_else_is_sent() {
    let beats = |mode: &str| {
        let keep_alive = format!("Grip-Keep-Alive: beat; timeout=1; mode={mode}\r\n");
        let script = Script::new(vec![hold("stream", &keep_alive, "begin;")]);
        let gateway = script.gateway("");
        let mut client = begun(&gateway, "begin;");
        let (begin, mut beats) = (Instant::now(), 0);
        while begin.elapsed() < Duration::from_secs(4) && beats < 2 {
            item(&gateway, &stream("news"));
            let mut chunk = client.exactly_chunked(4);
            while chunk == b"beat" {
                beats += 1;
                chunk = client.exactly_chunked(4);
            }
            assert_eq!(chunk, b"news");
        }
        beats
    };
    assert_eq!((beats("interval"), beats("idle")), (2, 0));
}

#[test]
fn an_item_without_an_order_waits_for_no_other() {
    let link = "Grip-Link: </next>; rel=next\r\nGrip-Hold: stream\r\n";
    let script =
        Script::new(vec![answer(&format!("{link}Grip-Channel: a; prev-id=1\r\n"), "begin;")]);
    let gateway = script.gateway("");
    let mut client = begun(&gateway, "begin;");
    script.asked();
    let content = stream("now;");
    item(&gateway, &format!("\"id\": \"9\", \"prev-id\": \"8\", \"no-seq\": true, {content}"));
    assert_eq!(client.exactly_chunked(4), b"now;");
    // And the order of the others is as it was.
    let content = stream("2;");
    item(&gateway, &format!("\"id\": \"2\", \"prev-id\": \"1\", {content}"));
    assert_eq!(client.exactly_chunked(2), b"2;");
    script.assert_not_asked();
}

#[test]
fn variables_are_those_of_each_client() {
    let instruct = |user: &str| {
        answer(
            &format!(
                "Grip-Hold: stream\r\nGrip-Channel: a; filter=var-subst\r\n\
                 Grip-Set-Meta: user=\"{user}\", room=\"5\"\r\n"
            ),
            "you are %(user)s;",
        )
    };
    let script = Script::new(vec![instruct("ann"), instruct("bob")]);
    let gateway = script.gateway("");
    let mut ann = begun(&gateway, "you are ann;");
    let mut bob = begun(&gateway, "you are bob;");
    let content =
        r#""content": "%(user)s in %(room)s, %(none)s;", "content-filters": ["var-subst"]"#;
    item(&gateway, &format!("\"http-stream\": {{{content}}}"));
    for (client, user) in [(&mut ann, "ann"), (&mut bob, "bob")] {
        let got = String::from_utf8(client.chunk().unwrap()).unwrap();
        assert!(got.starts_with(&format!("{user} in 5, ")), "{got}");
    }
}

#[test]
fn twenty_channels_are_waited_for_and_no_more() {
    let names: Vec<_> = (1..=21).map(|number| format!("c{number}")).collect();
    let channels = format!("Grip-Hold: stream\r\nGrip-Channel: {}\r\n", names.join(", "));
    let script = Script::new(vec![answer(&channels, "begin;")]);
    let gateway = script.gateway("");
    let mut client = begun(&gateway, "begin;");
    gateway.wait_for_subscribers("/pub/?id=c20", 1);
    for name in ["c21", "c20", "c1"] {
        let content = stream(&format!("{name};"));
        let answer = publish(&gateway, &format!("{{\"channel\": \"{name}\", {content}}}"));
        assert_eq!(answer.status, 200);
    }
    assert_eq!(client.exactly_chunked(7), b"c20;c1;");
}

#[test]
fn a_signature_may_be_made_with_a_private_key() {
    for (name, file, algorithm) in
        [("RS256", "rsa", Algorithm::RS256), ("ES256", "ec", Algorithm::ES256)]
    {
        let script = Script::new(vec![ok(b"")]);
        let gateway = script.gateway("");
        drop(gateway);
        let held = format!(
            "push_grip = true\npush_grip_key = \"{name} file:{KEYS}/{file}.pem\"\n\
             push_grip_issuer = \"me\""
        );
        let gateway = script.app.gateway(&held);
        gateway.request("GET", "/", "", "");
        let public = std::fs::read(format!("{KEYS}/{file}.pub.pem")).unwrap();
        let key = match algorithm {
            Algorithm::RS256 => DecodingKey::from_rsa_pem(&public),
            _ => DecodingKey::from_ec_pem(&public),
        };
        let asked = script.asked();
        let sig = asked.header("grip-sig").unwrap();
        let token = decode::<Value>(sig, &key.unwrap(), &Validation::new(algorithm)).unwrap();
        assert_eq!(token.claims["iss"], "me");
        drop(gateway);
    }
}

#[test]
fn an_application_that_asks_for_it_is_asked_whether_there_is_something() {
    // Twenty seconds are the least.
    let opens = "Sec-WebSocket-Extensions: grip\r\nKeep-Alive-Interval: 1\r\n";
    let script = Script::new(vec![
        events(opens, "OPEN\r\n"),
        events("Keep-Alive-Interval: 0\r\n", &event("TEXT", "m:there is")),
    ]);
    let gateway = over_http(&script, "");
    let begin = Instant::now();
    let mut client = open(&gateway);
    assert_eq!(text(&mut client), "there is");
    assert!(begin.elapsed() >= Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(script.asked().body, b"OPEN\r\n");
    assert_eq!(script.asked().body, b"");
}

#[test]
fn messages_for_the_client_are_marked_as_was_agreed() {
    let agrees = "Sec-WebSocket-Extensions: grip; message-prefix=\"to:\"\r\n";
    let said = event("TEXT", "m:for nobody") + &event("TEXT", "to:for the client");
    let script = Script::new(vec![events(agrees, &format!("OPEN\r\n{said}"))]);
    let gateway = over_http(&script, "");
    assert_eq!(text(&mut open(&gateway)), "for the client");
}

#[test]
fn what_an_application_keeps_at_a_connection_is_bounded() {
    let metas: Vec<_> = (0..70).map(|number| format!("Set-Meta-N{number}: x\r\n")).collect();
    let metas = metas.concat();
    let large = format!("Set-Meta-Large: {}\r\n", "x".repeat(16 << 10));
    let script = Script::new(vec![
        events(&format!("Sec-WebSocket-Extensions: grip\r\n{metas}{large}"), "OPEN\r\n"),
        events("Set-Meta-N0: \r\nSet-Meta-More: y\r\n", ""),
        events("", &event("TEXT", "m:done")),
    ]);
    let gateway = over_http(&script, "");
    let mut client = open(&gateway);
    script.asked();
    let kept = |asked: &crate::app::Asked| {
        let names = asked.head.lines().filter(|line| line.to_lowercase().starts_with("meta-"));
        names.map(str::to_lowercase).collect::<Vec<_>>()
    };
    client.send(message(TEXT, b"one"));
    let asked = script.asked();
    assert_eq!(kept(&asked).len(), 64);
    assert_eq!(asked.header("meta-large"), None);
    client.send(message(TEXT, b"two"));
    assert_eq!(text(&mut client), "done");
    let asked = script.asked();
    assert_eq!((kept(&asked).len(), asked.header("meta-more")), (64, Some("y")));
}

#[test]
fn what_is_not_understood_is_no_secret() {
    let delayed = event("TEXT", r#"c:{"type": "send-delayed", "content": "x", "timeout": 1}"#);
    let script = Script::new(vec![
        events("Sec-WebSocket-Extensions: grip\r\n", &format!("OPEN\r\n{delayed}")),
        events("", ""),
    ]);
    let gateway = over_http(&script, "");
    assert_eq!(closed(&mut open(&gateway)).0, 1011);
    let patch = r#"{"channel": "a", "http-response": {"body-patch": []}}"#;
    let refused = publish(&gateway, patch);
    let why = "items[0].http-response.body-patch is not understood here.";
    assert_eq!((refused.status, refused.text()), (400, why));
    // Others pass it over, as they do types that there are not.
    for kind in ["flush-delayed", "session"] {
        let order = event("TEXT", &format!("c:{{\"type\": \"{kind}\"}}"));
        let opens = format!("OPEN\r\n{order}{}", event("TEXT", "m:on"));
        let script = Script::new(vec![events("Sec-WebSocket-Extensions: grip\r\n", &opens)]);
        let gateway = over_http(&script, "");
        assert_eq!(text(&mut open(&gateway)), "on", "{kind}");
    }
}

#[test]
fn pages_that_never_hold_are_not_asked_for_as_fast_as_they_come() {
    let link = "Grip-Link: </next>; rel=next\r\nGrip-Keep-Alive: .; timeout=5\r\n";
    let script = Script::new(vec![answer(link, "page;")]);
    let gateway = script.gateway("");
    let mut client = get(&gateway, "/");
    client.head();
    let begin = Instant::now();
    // The first, which may be another one, five at once, and after pauses of 50, 100, 200, 400 and
    // 800 ms, or a half of each.
    for _ in 0..12 {
        assert_eq!(client.exactly_chunked(5), b"page;");
    }
    assert!(begin.elapsed() >= Duration::from_millis(700), "{:?}", begin.elapsed());
    drop((client, gateway));
}
