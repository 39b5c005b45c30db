//! `push_presence`: who is on a channel, and sending somebody away from it.

use serde_json::{Value, json};

use crate::{
    credentials::{JWT, bearer, now},
    harness::{Client, Gateway},
    hooked::{Judge, YES, handshake, next},
    site::{MODES, NOW, locations, wait},
};

const EVENTS: &str = "Accept: text/event-stream\r\n";

/// A gateway of two workers that knows who is there.
fn start(hold: &str, keys: &str) -> Gateway {
    let keys = format!("push_presence = \"$arg_who\"\n{keys}");
    let listener = format!(
        "{keys}\n[[server.location]]\npath = \"= /events\"\npush_subscriber = true\n\
         push_channel_id = \"ev\"\npush_channel_group = \"meta\""
    );
    let locations = locations(hold, &keys, &listener);
    Gateway::start_with("workers = 2", &locations, |settings| settings.clock = Box::new(|| NOW))
}

fn listed(gateway: &Gateway) -> Value {
    let answer = gateway.request("GET", "/pub?id=1&presence", "", "");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    serde_json::from_slice(&answer.body).unwrap()
}

/// Waits until so many connections of somebody are counted.
fn wait_for(gateway: &Gateway, who: &str, connections: usize) {
    let begin = std::time::Instant::now();
    let wanted = json!({ "identity": who, "connections": connections, "since": NOW });
    while !listed(gateway).as_array().unwrap().contains(&wanted) {
        assert!(begin.elapsed() < crate::harness::PATIENCE, "{}", listed(gateway));
        std::thread::yield_now();
    }
}

fn listen(gateway: &Gateway, who: &str) -> Client {
    let mut client = gateway.connect();
    client.get(&format!("/sub?id=1&who={who}"), EVENTS);
    client.head();
    client
}

#[test]
fn a_publisher_sees_who_is_there_by_every_transport() {
    for hold in MODES {
        let gateway = start(hold, "");
        assert_eq!(listed(&gateway), json!([]));
        let first = listen(&gateway, "ann");
        let _second = listen(&gateway, "bob");
        let mut socket = gateway.connect();
        handshake(&mut socket, "/sub?id=1&who=ann", "");
        socket.head();
        let mut poll = gateway.connect();
        poll.get("/sub?id=1&who=cat", "");
        // Nobody is somebody without a name, and on other channels are others.
        let _nobody = listen(&gateway, "");
        let mut other = gateway.connect();
        other.get("/sub?id=2&who=dan", EVENTS);
        other.head();
        wait(&gateway, 5);
        let expected = json!([
            { "identity": "ann", "connections": 2, "since": NOW },
            { "identity": "bob", "connections": 1, "since": NOW },
            { "identity": "cat", "connections": 1, "since": NOW },
        ]);
        assert_eq!(listed(&gateway), expected);
        drop(first);
        wait_for(&gateway, "ann", 1);
        // Who polls is there between two polls.
        gateway.publish("/pub?id=1", "x");
        assert_eq!(poll.response().text(), "x");
        wait_for(&gateway, "cat", 0);
    }
}

#[test]
fn an_answer_at_once_shows_that_somebody_is_there_and_a_refusal_does_not() {
    let gateway = start("hall", "");
    gateway.publish("/pub?id=1", "x");
    assert_eq!(gateway.request("GET", "/sub?id=1&who=ann", "", "").text(), "x");
    let malformed = gateway.request(
        "GET",
        "/sub?id=1&who=bob",
        "If-None-Match: x y\r\nIf-Modified-Since: x\r\n",
        "",
    );
    assert_eq!(malformed.status, 400);
    let mut head = gateway.connect();
    head.request("HEAD", "/sub?id=1&who=cat", "", "");
    head.head();
    let long = "x".repeat(257);
    let answer = gateway.request("GET", &format!("/sub?id=1&who={long}"), "", "");
    assert_eq!((answer.status, answer.text()), (403, "The identity is too long."));
    assert_eq!(listed(&gateway), json!([{ "identity": "ann", "connections": 0, "since": NOW }]));
}

#[test]
fn join_and_leave_are_told_once_with_a_grace() {
    for hold in MODES {
        let gateway = start(hold, "push_channel_events = \"ev\"\npush_presence_grace = \"1500ms\"");
        let mut events = gateway.connect();
        handshake(&mut events, "/events", "");
        events.head();
        let mut seen = Vec::new();
        // Polls follow each other, and nobody leaves in between.
        gateway.publish("/pub?id=1", "x");
        for _ in 0..5 {
            assert_eq!(gateway.request("GET", "/sub?id=1&who=ann", "", "").text(), "x");
        }
        let stays = listen(&gateway, "bob");
        while seen.last().is_none_or(|event: &String| !event.starts_with("leave")) {
            seen.push(next(&mut events));
        }
        seen.retain(|event| event.starts_with("join") || event.starts_with("leave"));
        assert_eq!(seen, ["join 1 ann", "join 1 bob", "leave 1 ann"]);
        drop(stays);
        while seen.last().is_none_or(|event| event != "leave 1 bob") {
            seen.push(next(&mut events));
        }
        assert_eq!(listed(&gateway), json!([]));
    }
}

#[test]
fn somebody_is_sent_away_from_a_channel_on_every_worker_and_may_come_again() {
    for hold in MODES {
        let gateway = start(hold, "push_channel_events = \"ev\"");
        let mut anns: Vec<_> = (0..10).map(|_| listen(&gateway, "ann")).collect();
        let mut bob = listen(&gateway, "bob");
        let mut socket = gateway.connect();
        handshake(&mut socket, "/sub?id=1&who=ann", "");
        socket.head();
        let mut poll = gateway.connect();
        poll.get("/sub?id=1&who=ann", "");
        let mut elsewhere = gateway.connect();
        elsewhere.get("/sub?id=2&who=ann", EVENTS);
        elsewhere.head();
        wait(&gateway, 13);
        let answer =
            gateway.request("DELETE", "/pub?id=1&identity=ann", "Accept: application/json\r\n", "");
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains("\"messages\": 0"), "{}", answer.text());
        for ann in &mut anns {
            let rest: Vec<u8> = std::iter::from_fn(|| ann.chunk()).flatten().collect();
            assert!(rest.ends_with(b"event: close\ndata: deleted\n\n"), "{rest:?}");
        }
        assert_eq!(socket.exactly(1), [0x88]);
        assert_eq!(poll.response().status, 410);
        wait(&gateway, 1);
        let expected = json!([{ "identity": "bob", "connections": 1, "since": NOW }]);
        assert_eq!(listed(&gateway), expected);
        // The others and the channel stay, and the name is not banned.
        let mut again = listen(&gateway, "ann");
        gateway.publish("/pub?id=1", "x");
        for client in [&mut bob, &mut again] {
            client.until(b"data: x\n\n");
        }
        gateway.publish("/pub?id=2", "y");
        elsewhere.until(b"data: y\n\n");
    }
}

#[test]
fn sending_away_somebody_who_is_not_there_does_nothing() {
    let gateway = start("hall", "");
    assert_eq!(gateway.request("DELETE", "/pub?id=1&identity=ann", "", "").status, 404);
    gateway.publish("/pub?id=1", "x");
    assert_eq!(gateway.request("DELETE", "/pub?id=1&identity=ann", "", "").status, 200);
    assert_eq!(gateway.request("GET", "/sub?id=1", "", "").text(), "x");
    // Neither does it delete the channel by mistake.
    let answer = gateway.request("DELETE", "/pub?id=1&identity=", "", "");
    assert_eq!((answer.status, answer.text()), (400, "The identity is empty."));
    let gateway = crate::site::plain();
    gateway.publish("/pub?id=1", "x");
    for (method, target) in [("DELETE", "/pub?id=1&identity=ann"), ("GET", "/pub?id=1&presence")] {
        let answer = gateway.request(method, target, "", "");
        assert_eq!(answer.status, 400, "{method}");
        assert!(answer.text().ends_with("push_presence is off."), "{}", answer.text());
    }
    assert_eq!(gateway.request("GET", "/sub?id=1", "", "").text(), "x");
}

#[test]
fn who_was_sent_away_is_asked_about_again() {
    let judge = Judge::saying(YES);
    let keys = "push_presence = \"$arg_who\"\npush_authorize_request = \"/auth\"\n\
                push_authorize_cache = \"1h\"";
    let gateway = judge.gateway("hall", "push_presence = \"x\"", keys);
    gateway.publish("/pub?id=1", "x");
    for _ in 0..2 {
        assert_eq!(gateway.request("GET", "/sub?id=1&who=ann", "", "").status, 200);
    }
    assert_eq!(judge.questions(), 1);
    assert_eq!(gateway.request("DELETE", "/pub?id=1&identity=ann", "", "").status, 200);
    assert_eq!(gateway.request("GET", "/sub?id=1&who=ann", "", "").status, 200);
    assert_eq!(judge.questions(), 2);
}

#[test]
fn a_claim_says_who_it_is_and_so_does_the_application_that_hands_over() {
    let judge = Judge::new(|asked| {
        let to = asked.line().split(' ').nth(1).unwrap().replace("/app", "/inside");
        format!("HTTP/1.1 200 OK\r\nX-Accel-Redirect: {to}&who=bob\r\nContent-Length: 0\r\n\r\n")
            .into()
    });
    let address = judge.app.address;
    for hold in MODES {
        let inside = format!(
            "{JWT}\npush_jwt_claim = \"\"\npush_presence = \"$jwt_sub\"\n\
             [[server.location]]\npath = \"/app\"\nproxy_pass = \"http://{address}\"\n\
             [[server.location]]\npath = \"/inside\"\ninternal = true\npush_subscriber = true\n\
             push_channel_id = \"$arg_id\"\npush_presence = \"$arg_who\"\npush_hold = \"{hold}\"\n\
             push_unsubscribe_request = \"http://{address}/left?$args\""
        );
        let gateway = judge.gateway(hold, "push_presence = \"x\"", &inside);
        let token = bearer(&json!({ "exp": now() + 60, "sub": "ann" }));
        let mut ann = gateway.connect();
        ann.get("/sub?id=1", &format!("{EVENTS}{token}"));
        ann.head();
        // What a client says of itself is not what counts.
        let mut bob = gateway.connect();
        bob.get("/app?id=1", &format!("{EVENTS}Cookie: a=b\r\n"));
        bob.head();
        wait(&gateway, 2);
        assert_eq!(judge.next().header("cookie"), Some("a=b"));
        let names: Vec<_> = listed(&gateway)
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["identity"].clone())
            .collect();
        assert_eq!(names, ["ann", "bob"]);
        drop(bob);
        let left = judge.next();
        assert_eq!(left.line(), "GET /left?id=1&who=bob HTTP/1.1");
        assert_eq!(left.header("x-original-uri"), Some("/app?id=1"));
    }
}

#[test]
fn a_location_with_both_roles_tells_who_is_there_and_is_listened_to() {
    let both = "[[server.location]]\npath = \"/both\"\npush_pubsub = true\naccess = [\"allow all\"]\n\
                push_channel_id = \"$arg_id\"\n";
    let gateway = Gateway::start_with(
        "workers = 2",
        &format!("{both}push_presence = \"$arg_who\"\n{}", both.replace("/both", "/unknown")),
        |settings| settings.clock = Box::new(|| NOW),
    );
    let mut client = gateway.connect();
    client.get("/both?id=1&who=ann", EVENTS);
    client.head();
    let mut socket = gateway.connect();
    // Whoever wants a WebSocket gets one.
    handshake(&mut socket, "/both?id=1&who=bob&presence", "");
    socket.head();
    let answer = gateway.request("GET", "/both?id=1&presence", "", "");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let there: Value = serde_json::from_slice(&answer.body).unwrap();
    let expected = json!([
        { "identity": "ann", "connections": 1, "since": NOW },
        { "identity": "bob", "connections": 1, "since": NOW },
    ]);
    assert_eq!(there, expected);
    // Without push_presence the argument is the client's own.
    gateway.publish("/unknown?id=2", "x");
    assert_eq!(gateway.request("GET", "/unknown?id=2&presence", "", "").text(), "x");
}
