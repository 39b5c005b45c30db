//! How the applications behind the gateway are, and that a held client counts once.

use std::{collections::BTreeMap, net::TcpListener};

use serde_json::{Value, json};

use super::{JSON, METRICS, PROMETHEUS, STATUS, prometheus};
use crate::{
    app::{App, asked},
    grip::{Script, answer, held},
    harness::{Gateway, PATIENCE},
    hooked::silent,
    restart::waiting,
    site::{locations, start_root},
    websocket::HANDSHAKE,
};

fn shown(gateway: &Gateway) -> Value {
    serde_json::from_str(gateway.request("GET", "/status", JSON, "").text()).unwrap()
}

#[test]
fn upstreams_questions_and_notices_are_counted() {
    let app = App::answering(|_| b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let there = app.address;
    let root =
        format!("workers = 1\n[[upstream]]\nname = \"app\"\nservers = [\"{away}\", \"{there}\"]\n");
    let hooks = "push_subscribe_request = \"app/come\"\npush_unsubscribe_request = \"app/gone\"\n";
    let own = format!(
        "{hooks}{STATUS}{METRICS}[[server.location]]\npath = \"/app\"\nproxy_pass = \"app\"\n"
    );
    let gateway = start_root(&root, "hall", "", &own);
    for _ in 0..3 {
        assert_eq!(gateway.request("GET", "/app", "", "").status, 204);
    }
    let mut events = gateway.connect();
    events.get("/sub?id=1", "Accept: text/event-stream\r\n");
    assert!(events.head().starts_with("HTTP/1.1 200 "));
    drop(events);
    let told = |shown: &Value| shown["application"]["notices"]["told"] == 1;
    let mut last = shown(&gateway);
    while !told(&last) {
        last = shown(&gateway);
    }
    let expected = json!({
        "questions": 0,
        "questions_turned_away": 0,
        "waiting": 0,
        "notices": {"queued": 0, "told": 1, "failed": 0, "lost": 0},
        "upstreams": {"app": {
            "requests": 5, "failures": 1, "servers": 2, "unavailable": 1, "connections": 1,
        }},
    });
    assert_eq!(last["application"], expected);
    let page = gateway.request("GET", "/metrics", PROMETHEUS, "");
    let samples: BTreeMap<_, _> = prometheus::parse(page.text());
    for (name, value) in [
        ("pushgate_upstream_requests_total{upstream=\"app\"}", 5),
        ("pushgate_upstream_failures_total{upstream=\"app\"}", 1),
        ("pushgate_upstream_servers{upstream=\"app\"}", 2),
        ("pushgate_upstream_servers_unavailable{upstream=\"app\"}", 1),
        ("pushgate_upstream_connections{upstream=\"app\"}", 1),
        ("pushgate_notices_total{result=\"told\"}", 1),
        ("pushgate_notices_queued", 0),
        ("pushgate_questions", 0),
        ("pushgate_requests_waiting", 0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name}");
    }
    let text = gateway.request("GET", "/status", "", "");
    assert!(text.text().contains("total requests of upstream app: 5\n"), "{}", text.text());
    drop(gateway);
}

#[test]
fn who_waits_for_an_application_is_seen() {
    let (app, told) = silent();
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ask = format!("push_authorize_request = \"http://{}/may\"\n", app.address);
    let own = format!(
        "{ask}{STATUS}push_authorize_request = \"\"\n[[server.location]]\npath = \"/away\"\n\
         proxy_pass = \"http://{away}\"\nproxy_connect_retry = \"1h\"\n"
    );
    let root = "workers = 1\nshutdown_timeout = \"1s\"\npush_hook_requests = 1";
    let gateway = Gateway::start_root(root, &locations("hall", "", &own));
    let mut waits: Vec<_> = (0..20).map(|_| gateway.connect()).collect();
    for client in &mut waits {
        client.get("/sub?id=1", "");
    }
    let mut away = gateway.connect();
    away.get("/away", "");
    told.recv().unwrap();
    // One is asked about, 16 wait for their turn, and three are answered.
    let answered: Vec<u16> = waits.split_off(17).iter_mut().map(|c| c.response().status).collect();
    assert_eq!(answered, [503; 3]);
    // It waits once the first try has failed.
    waiting(&gateway, 1);
    let application = shown(&gateway)["application"].clone();
    let numbers = ["questions", "questions_turned_away", "waiting"].map(|name| &application[name]);
    assert_eq!(numbers, [&json!(17), &json!(3), &json!(1)]);
    drop((waits, away));
    let begin = std::time::Instant::now();
    while shown(&gateway)["application"]["questions"] != 0 {
        assert!(begin.elapsed() < PATIENCE);
    }
    drop(gateway);
}

#[test]
fn who_is_held_in_several_channels_counts_once() {
    let hold = "Grip-Hold: stream\r\nGrip-Channel: a\r\nGrip-Channel: b\r\nGrip-Channel: c\r\n";
    let script = Script::new(vec![answer(hold, "begin;")]);
    let gateway = script.gateway(STATUS);
    let mut client = gateway.connect();
    client.get("/", "");
    client.head();
    held(&gateway, 1);
    let now = shown(&gateway);
    assert_eq!(now["subscribers"]["chunked"], 1, "{now}");
    assert_eq!((&now["visits"]["chunked"], &now["connections"]["held"]), (&json!(1), &json!(1)));
    drop(client);
    held(&gateway, 0);
    assert_eq!(shown(&gateway)["subscribers"]["chunked"], 0);
}

#[test]
fn a_connection_that_has_changed_its_protocol_is_open_until_it_ends() {
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                    Upgrade: websocket\r\n\r\n";
    let app = App::start(move |client, _| {
        if asked(client).is_some() {
            client.send(switched);
            // Either side may end it.
            while client.fill() && !client.seen().ends_with(b"go") {}
        }
    });
    let gateway = app.gateway(STATUS);
    let name = app.address.to_string();
    let open = |number: usize| {
        let begin = std::time::Instant::now();
        while shown(&gateway)["application"]["upstreams"][&name]["connections"] != number {
            assert!(begin.elapsed() < PATIENCE, "there are never {number}");
        }
    };
    let mut clients = [gateway.connect(), gateway.connect(), gateway.connect()];
    for client in &mut clients {
        client.get("/socket", HANDSHAKE);
        assert!(client.head().starts_with("HTTP/1.1 101 "));
    }
    open(3);
    let [mut sent_away, leaves, stays] = clients;
    drop(leaves);
    open(2);
    sent_away.send("go");
    sent_away.assert_closed();
    drop(sent_away);
    open(1);
    drop(stays);
    open(0);
    drop(gateway);
}
