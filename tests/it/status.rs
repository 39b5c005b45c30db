//! What status locations show: SPEC section 11.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    harness::{Client, Gateway, Response},
    site::{MODES, NOW, event, listen, start, start_root, wait},
};

mod application;
mod dashboard;
pub mod prometheus;

const STATUS: &str = "\n[[server.location]]\npath = \"= /status\"\npush_status = true\n";
const METRICS: &str = "\n[[server.location]]\npath = \"= /metrics\"\npush_status = true\n\
                       push_status_format = \"prometheus\"\n";
const CHANNELS: &str =
    "\n[[server.location]]\npath = \"= /channels\"\npush_channels_status = true\n";
const PROMETHEUS: &str = "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;\
                          q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;\
                          version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,\
                          */*;q=0.1\r\n";
const JSON: &str = "Accept: application/json\r\n";

fn one_worker(hold: &str, subscriber: &str) -> Gateway {
    let own = [subscriber, "\n", STATUS, METRICS, CHANNELS].concat();
    start_root("workers = 1", hold, "", &own)
}

/// Three connections: one publishes twice and polls once, one listens, one asks how it was.
fn scene(gateway: &Gateway) -> [Client; 3] {
    let mut busy = gateway.connect();
    busy.request("POST", "/pub?id=1", "", "one");
    assert_eq!(busy.response().status, 202);
    let mut events = listen(gateway, "");
    assert_eq!(events.chunk().unwrap(), event(0, "one"));
    busy.request("POST", "/pub?id=1", "", "two!");
    assert_eq!(busy.response().status, 201);
    assert_eq!(events.chunk().unwrap(), event(1, "two!"));
    busy.get("/sub?id=1", "");
    assert_eq!(busy.response().text(), "one");
    busy.get("/nowhere", "");
    assert_eq!(busy.response().status, 404);
    [busy, events, gateway.connect()]
}

fn ask(client: &mut Client, target: &str, headers: &str) -> Response {
    client.get(target, headers);
    let answer = client.response();
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-cache")));
    answer
}

/// The numbers that no test can know are blotted out.
fn blot(text: &str, names: &[&str], end: &str) -> String {
    let mut blotted = String::new();
    for line in text.split_inclusive(end) {
        let name = names.iter().find(|name| line.starts_with(**name));
        blotted += &name.map_or(line.to_owned(), |name| format!("{name}…{end}"));
    }
    blotted
}

#[test]
fn the_text_has_the_words_of_nchan_and_then_its_own() {
    for hold in MODES {
        let gateway = one_worker(hold, "");
        let [_busy, _events, mut client] = scene(&gateway);
        let answer = ask(&mut client, "/status", "");
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        assert_eq!(answer.header("vary"), Some("Accept"));
        let expected = format!(
            "total published messages: 2\nstored messages: 2\nshared memory used: …\n\
             shared memory limit: 32768K\nchannels: 1\nsubscribers: 1\nactive connections: 3\n\
             held connections: 1\naccepted connections: 3\ntotal requests: 6\n\
             total responses 1xx: 0\ntotal responses 2xx: 4\ntotal responses 3xx: 0\n\
             total responses 4xx: 1\ntotal responses 5xx: 0\ntotal published bytes: 7\n\
             total delivered messages: 3\ntotal delivered bytes: 10\ntotal deleted messages: 0\n\
             total displaced messages: 0\ntotal evicted messages: 0\ntotal expired messages: 0\n\
             total received messages: 0\nlong-poll subscribers: 0\ninterval-poll subscribers: 0\n\
             stream subscribers: 0\nevent-source subscribers: 1\nchunked subscribers: 0\n\
             multipart subscribers: 0\nraw subscribers: 0\nwebsocket subscribers: 0\n\
             total long-poll visits: 1\ntotal interval-poll visits: 0\ntotal stream visits: 0\n\
             total event-source visits: 1\ntotal chunked visits: 0\ntotal multipart visits: 0\n\
             total raw visits: 0\ntotal websocket visits: 0\ntotal waits ended by conflict: 0\n\
             total waits ended by deleted: 0\ntotal waits ended by slow: 0\n\
             total waits ended by shutdown: 0\ntotal waits ended by timeout: 0\n\
             total waits ended by silent: 0\ntotal polls answered: 1\ntotal gaps: 0\n\
             total compressions: …\n\
             waiting requests: 0\nquestions: 0\ntotal questions turned away: 0\nqueued notices: 0\n\
             total told notices: 0\ntotal failed notices: 0\ntotal lost notices: 0\n\
             total lost log lines: 0\nworkers: 1\nuptime: …\npushgate version: {}\n",
            env!("CARGO_PKG_VERSION")
        );
        let blotted = blot(
            answer.text(),
            &["shared memory used: ", "total compressions: ", "uptime: "],
            "\n",
        );
        assert_eq!(blotted, expected, "{hold}");
    }
}

#[test]
fn json_is_one_document_in_one_line() {
    for hold in MODES {
        let gateway = one_worker(hold, "");
        let [_busy, _events, mut client] = scene(&gateway);
        let answer = ask(&mut client, "/status", JSON);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let expected = format!(
            "{{\"version\":\"{}\",\"uptime\":…,\"started\":…,\"workers\":1,\"connections\":\
             {{\"active\":3,\"held\":1,\"accepted\":3}},\"requests\":6,\"responses\":{{\"1xx\":0,\
             \"2xx\":4,\"3xx\":0,\"4xx\":1,\"5xx\":0}},\"messages\":{{\"published\":2,\
             \"published_bytes\":7,\"delivered\":3,\"delivered_bytes\":10,\"stored\":2,\"gone\":\
             {{\"deleted\":0,\"displaced\":0,\"evicted\":0,\"expired\":0,\"received\":0}}}},\
             \"memory\":{{\"used\":…,\"limit\":33554432}},\"channels\":1,\"subscribers\":\
             {{\"long-poll\":0,\"interval-poll\":0,\"stream\":0,\"event-source\":1,\"chunked\":0,\
             \"multipart\":0,\"raw\":0,\"websocket\":0}},\"visits\":{{\"long-poll\":1,\
             \"interval-poll\":0,\"stream\":0,\"event-source\":1,\"chunked\":0,\"multipart\":0,\
             \"raw\":0,\"websocket\":0}},\"ended\":{{\"conflict\":0,\"deleted\":0,\"slow\":0,\
             \"shutdown\":0,\"timeout\":0,\"silent\":0}},\"polls_answered\":1,\"gaps\":0,\
             \"compressions\":…,\
             \"application\":{{\"questions\":0,\"questions_turned_away\":0,\"waiting\":0,\"notices\":\
             {{\"queued\":0,\"told\":0,\"failed\":0,\"lost\":0}},\"upstreams\":{{}}}},\
             \"lost_log_lines\":0}}\n",
            env!("CARGO_PKG_VERSION")
        );
        let names = ["\"uptime\":", "\"started\":", "\"memory\":{\"used\":", "\"compressions\":"];
        assert_eq!(blot(answer.text(), &names, ","), expected, "{hold}");
    }
}

#[test]
fn prometheus_reads_its_own_format() {
    for hold in MODES {
        let gateway = one_worker(hold, "");
        let [_busy, _events, mut client] = scene(&gateway);
        let answer = ask(&mut client, "/status", PROMETHEUS);
        let content_type = "text/plain; version=0.0.4; charset=utf-8";
        assert_eq!(answer.header("content-type"), Some(content_type));
        let known =
            ["start_time_seconds ", "uptime_seconds ", "memory_used_bytes ", "compressions_total "]
                .map(|name| format!("pushgate_{name}"));
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let expected =
            include_str!("status/scene.prom").replace("VERSION", env!("CARGO_PKG_VERSION"));
        assert_eq!(blot(answer.text(), &known, "\n"), expected, "{hold}");
        // A fixed format needs no asking, and does not vary.
        for headers in ["", JSON, PROMETHEUS] {
            let fixed = ask(&mut client, "/metrics", headers);
            assert_eq!(fixed.header("content-type"), Some(content_type));
            assert_eq!(fixed.header("vary"), None);
            prometheus::parse(fixed.text());
        }
    }
}

#[test]
fn a_status_location_reads_only_and_says_so() {
    let gateway = one_worker("hall", "");
    for target in ["/status", "/metrics", "/channels"] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let answer = gateway.request(method, target, "", "");
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
        }
        assert_eq!(gateway.request("OPTIONS", target, "", "").status, 200);
        let get = gateway.request("GET", target, JSON, "");
        let mut client = gateway.connect();
        client.request("HEAD", target, JSON, "");
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let content_type = format!("Content-Type: {}\r\n", get.header("content-type").unwrap());
        assert!(head.contains(&content_type), "{head}");
        client.finish();
        client.assert_closed();
    }
}

#[test]
fn what_names_channels_is_for_this_machine_unless_rules_say_otherwise() {
    let own = [STATUS, METRICS, CHANNELS, "access = [\"allow all\"]\n"].concat();
    let health = "\n[[server.location]]\npath = \"= /health\"\npush_health = true\n";
    let gateway = start("hall", "", &(own + health));
    let forwarded = "X-Forwarded-For: 10.0.0.1\r\n";
    for (target, status) in
        [("/status", 403), ("/metrics", 403), ("/channels", 200), ("/health", 200)]
    {
        assert_eq!(gateway.request("GET", target, "", "").status, 200, "{target}");
        assert_eq!(gateway.request("GET", target, forwarded, "").status, status, "{target}");
    }
}

/// The value of a metric.
fn metric(gateway: &Gateway, series: &str) -> u64 {
    let page = gateway.request("GET", "/metrics", "", "");
    *prometheus::parse(page.text()).get(&format!("pushgate_{series}")).unwrap()
}

/// Waits until a metric has a value.
fn wait_for(gateway: &Gateway, series: &str, value: u64) {
    let begin = std::time::Instant::now();
    while metric(gateway, series) != value {
        assert!(begin.elapsed() < crate::harness::PATIENCE, "{series} {}", metric(gateway, series));
        std::thread::yield_now();
    }
}

#[test]
fn what_ends_waits_is_counted_by_its_reason() {
    for hold in MODES {
        let own = "push_subscriber_concurrency = \"last\"\n".to_owned() + METRICS;
        let gateway = start(hold, "push_store_messages = false", &own);
        let mut first = gateway.connect();
        first.get("/sub?id=1", "");
        wait(&gateway, 1);
        let mut second = listen(&gateway, "");
        assert_eq!(first.response().status, 409);
        assert_eq!(gateway.request("DELETE", "/pub?id=1", "", "").status, 200);
        assert_eq!(second.chunk().unwrap(), b"event: close\ndata: deleted\n\n");
        for (series, value) in [
            ("waits_ended_total{reason=\"conflict\"}", 1),
            ("waits_ended_total{reason=\"deleted\"}", 1),
            ("polls_answered_total", 1),
            ("subscribers{transport=\"event-source\"}", 0),
            ("subscribers{transport=\"long-poll\"}", 0),
            ("visits_total{transport=\"long-poll\"}", 1),
        ] {
            wait_for(&gateway, series, value);
        }
    }
}

#[test]
fn timeouts_and_connections_that_come_and_go_are_counted() {
    for hold in MODES {
        let own = "push_subscriber_timeout = \"50ms\"\n".to_owned() + METRICS;
        let gateway = start(hold, "", &own);
        let mut poll = gateway.connect();
        poll.get("/sub?id=1", "");
        let mut events = listen(&gateway, "");
        assert_eq!(poll.response().status, 304);
        while events.chunk().is_some() {}
        drop((poll, events));
        wait_for(&gateway, "waits_ended_total{reason=\"timeout\"}", 2);
        wait_for(&gateway, "responses_total{class=\"3xx\"}", 1);
        wait_for(&gateway, "connections_held", 0);
        // The one that asks.
        wait_for(&gateway, "connections_active", 1);
    }
}

#[test]
fn what_becomes_of_messages_adds_up() {
    for hold in MODES {
        let keep = "push_message_buffer_length = 3\npush_message_timeout = \"$t\"\n";
        let keep = keep.replace("$t", "1h");
        let gateway = start(hold, &keep, METRICS);
        for number in 0..5 {
            gateway.publish("/pub?id=1", &number.to_string());
        }
        gateway.publish("/pub?id=2", "x");
        gateway.request("DELETE", "/pub?id=1", "", "");
        for (series, value) in [
            ("published_messages_total", 6),
            ("published_bytes_total", 6),
            ("gone_messages_total{reason=\"displaced\"}", 2),
            ("gone_messages_total{reason=\"deleted\"}", 3),
            ("stored_messages", 1),
            ("channels", 1),
        ] {
            wait_for(&gateway, series, value);
        }
        let gateway = start(hold, "push_message_timeout = \"1ms\"", METRICS);
        gateway.publish("/pub?id=1", "x");
        wait_for(&gateway, "gone_messages_total{reason=\"expired\"}", 1);
        let received = "push_delete_oldest_received_message = true\n\
                        push_min_message_buffer_length = 0";
        let gateway = start(hold, received, METRICS);
        gateway.publish("/pub?id=1", "x");
        assert_eq!(gateway.request("GET", "/sub?id=1", "", "").text(), "x");
        wait_for(&gateway, "gone_messages_total{reason=\"received\"}", 1);
        let root = "push_max_reserved_memory = \"64k\"";
        let gateway = start_root(root, hold, "", METRICS);
        for _ in 0..2 {
            gateway.publish("/pub?id=1", &"y".repeat(40_000));
        }
        wait_for(&gateway, "gone_messages_total{reason=\"evicted\"}", 1);
    }
}

#[test]
fn who_is_too_slow_is_counted_and_so_are_gaps() {
    for hold in MODES {
        let slow = "push_slow_subscriber = \"close\"\n".to_owned() + METRICS;
        let keep = "push_message_buffer_length = 2\nclient_max_body_size = \"8M\"";
        let gateway = start_root("push_max_reserved_memory = \"256M\"", hold, keep, &slow);
        let mut late = listen(&gateway, "");
        wait(&gateway, 1);
        for _ in 0..16 {
            gateway.publish("/pub?id=1", &"x".repeat(4 << 20));
        }
        while late.chunk().is_some() {}
        wait_for(&gateway, "waits_ended_total{reason=\"slow\"}", 1);
        let answer =
            gateway.request("GET", "/sub?id=1", &format!("Last-Event-ID: {NOW}:0\r\n"), "");
        assert!(answer.header("x-push-gap").is_some());
        wait_for(&gateway, "gaps_total", 1);
    }
}

fn json(gateway: &Gateway, target: &str) -> Value {
    let answer = gateway.request("GET", target, "", "");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.text().lines().count(), 1);
    serde_json::from_str(answer.text()).unwrap()
}

/// All ids of a list, page by page.
fn pages(gateway: &Gateway, arguments: &str, mut between: impl FnMut(usize)) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), String::new());
    for page in 0.. {
        let document = json(gateway, &format!("/channels?{arguments}&after={after}"));
        let listed = document["channels"].as_array().unwrap();
        ids.extend(listed.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()));
        match document["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
        between(page);
    }
    ids
}

#[test]
fn ten_thousand_channels_are_listed_once_each_while_others_come_and_go() {
    let gateway = start("hall", "push_channel_timeout = \"1h\"", CHANNELS);
    let mut client = gateway.connect();
    let mut publish = |method: &str, id: &str| {
        client.request(method, &format!("/pub?id={id}"), "", "");
        assert_eq!(client.response().status, 200);
    };
    for number in 0..10_000 {
        publish("PUT", &format!("stays-{number}"));
    }
    for number in 0..50 {
        publish("PUT", &format!("goes-{number}"));
    }
    let listed = pages(&gateway, "limit=200", |page| {
        publish("PUT", &format!("comes-{page}"));
        if page < 50 {
            publish("DELETE", &format!("goes-{page}"));
        }
    });
    let stayed: Vec<_> = listed.iter().filter(|id| id.starts_with("stays-")).collect();
    assert_eq!(stayed.len(), 10_000);
    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len());
    let some = pages(&gateway, "limit=7&prefix=stays-99", |_| {});
    assert_eq!(some.len(), 111);
    assert_eq!(some.iter().collect::<BTreeSet<_>>().len(), 111);
}

#[test]
fn a_list_says_of_each_channel_how_it_is() {
    let group = "push_channel_group = \"$arg_g\"\n";
    let gateway = start("hall", group, &(group.to_owned() + CHANNELS));
    gateway.publish("/pub?id=a&g=x", "abc");
    gateway.request("PUT", "/pub?id=a", "", "");
    gateway.request("PUT", "/pub?id=%ff%22%0a", "", "");
    assert_eq!(gateway.request("GET", "/sub?id=a&g=x", "", "").text(), "abc");
    let document = json(&gateway, "/channels");
    assert_eq!((&document["total"], &document["next"]), (&3.into(), &Value::Null));
    let of = |group: &str| json(&gateway, &format!("/channels?group={group}"))["channels"].clone();
    let expected = format!(
        "[{{\"id\":\"a\",\"group\":\"x\",\"messages\":1,\"bytes\":3,\"published\":1,\
         \"subscribers\":0,\"created\":{NOW},\"last_published\":{NOW},\"last_requested\":{NOW},\
         \"last_message_id\":\"{NOW}:0\"}}]"
    );
    assert_eq!(of("x"), serde_json::from_str::<Value>(&expected).unwrap());
    assert_eq!(of("y"), Value::Array(Vec::new()));
    let odd = &json(&gateway, "/channels?prefix=%ff")["channels"][0];
    assert_eq!((&odd["id"], &odd["id_base64"]), (&"\u{fffd}\"\n".into(), &"_yIK".into()));
    assert_eq!((&odd["last_published"], &odd["last_message_id"]), (&Value::Null, &"0:0".into()));
}

#[test]
fn a_page_that_cannot_be_is_refused() {
    let gateway = start("hall", "", CHANNELS);
    for limit in ["0", "1001", "-1", "x", "1.5", "99999999999999999999"] {
        let answer = gateway.request("GET", &format!("/channels?limit={limit}"), "", "");
        let sentence = "The argument limit is to be a number from 1 to 1000.";
        assert_eq!((answer.status, answer.text()), (400, sentence), "{limit}");
    }
    for after in ["x", "%00", "AA", "__8", "AAB%3d"] {
        let answer = gateway.request("GET", &format!("/channels?after={after}"), "", "");
        assert_eq!(answer.status, 400, "{after}");
    }
    assert_eq!(gateway.request("GET", "/channels?id=nowhere", "", "").status, 404);
}

#[test]
fn a_channel_says_how_its_subscribers_keep_up() {
    for hold in MODES {
        let keep = "push_message_buffer_length = 1000\nclient_max_body_size = \"8M\"";
        let gateway = start_root("push_max_reserved_memory = \"256M\"", hold, keep, CHANNELS);
        let _prompt = listen(&gateway, "");
        let _late = listen(&gateway, "");
        let mut poll = gateway.connect();
        poll.get("/sub?id=1", "");
        wait(&gateway, 3);
        let document = json(&gateway, "/channels?id=1");
        assert_eq!((&document["subscribers"], &document["complete"]), (&3.into(), &true.into()));
        let expected = serde_json::json!([
            {"transport": "event-source", "subscribers": 2, "slow": 0, "behind": 0, "most_behind": 0},
            {"transport": "long-poll", "subscribers": 1, "slow": 0, "behind": 0, "most_behind": 0},
        ]);
        assert_eq!(document["transports"], expected);
        // Neither reads, and the sockets take only so much.
        for _ in 0..16 {
            gateway.publish("/pub?id=1", &"x".repeat(4 << 20));
        }
        assert_eq!(poll.response().status, 200);
        let begin = std::time::Instant::now();
        loop {
            let row = json(&gateway, "/channels?id=1")["transports"][0].clone();
            let most = row["most_behind"].as_u64().unwrap();
            if row["slow"] == 2 && row["behind"] == 2 && (1..16).contains(&most) {
                break;
            }
            assert!(begin.elapsed() < crate::harness::PATIENCE, "{row}");
        }
    }
}

#[test]
fn many_subscribers_are_counted_by_all_workers() {
    let gateway = start_root("workers = 3", "hall", "", CHANNELS);
    let clients: Vec<Client> = (0..600).map(|_| listen(&gateway, "")).collect();
    let document = json(&gateway, "/channels?id=1");
    assert_eq!(document["transports"][0]["subscribers"], clients.len());
    assert_eq!(document["complete"], true);
}

/// What a browser asks for a WebSocket with.
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn everyone_who_waits_is_counted_by_transport_until_it_leaves() {
    for hold in MODES {
        let stream = "\n[[server.location]]\npath = \"= /one\"\npush_subscriber = [\"$\"]\n\
                      push_channel_id = \"1\"\n";
        let others = ["stream", "raw"]
            .map(|name| stream.replace('$', name).replace("/one", &format!("/{name}")));
        let gateway = start(hold, "", &(METRICS.to_owned() + &others.concat()));
        let waits = [
            ("long-poll", "/sub?id=1", ""),
            ("event-source", "/sub?id=1", "Accept: text/event-stream\r\n"),
            ("multipart", "/sub?id=1", "Accept: multipart/mixed\r\n"),
            ("chunked", "/sub?id=1", "TE: chunked\r\n"),
            ("websocket", "/sub?id=1", UPGRADE),
            ("stream", "/stream", ""),
            ("raw", "/raw", ""),
        ];
        let mut clients = Vec::new();
        for (_, target, headers) in waits {
            let mut client = gateway.connect();
            client.get(target, headers);
            clients.push(client);
        }
        wait_for(&gateway, "connections_held", 7);
        for (transport, ..) in waits {
            for name in ["subscribers", "visits_total"] {
                let series = format!("{name}{{transport=\"{transport}\"}}");
                assert_eq!(metric(&gateway, &series), 1, "{hold} {transport}");
            }
        }
        gateway.publish("/pub?id=1", "four");
        wait_for(&gateway, "delivered_messages_total", 7);
        assert_eq!(metric(&gateway, "delivered_bytes_total"), 28);
        // The poll has what it waited for.
        wait_for(&gateway, "connections_held", 6);
        drop(clients);
        wait_for(&gateway, "connections_held", 0);
        wait_for(&gateway, "connections_active", 1);
    }
}

#[test]
fn health_says_ready_until_the_shutdown_and_live_until_the_end() {
    let health = "\n[[server.location]]\npath = \"= /live\"\npush_health = \"live\"\n\
                  [[server.location]]\npath = \"= /ready\"\npush_health = \"ready\"\n";
    let mut gateway = start_root("shutdown_delay = \"3s\"", "hall", "", health);
    let asked = |gateway: &Gateway, target: &str| {
        let answer = gateway.request("GET", target, "", "");
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        (answer.status, answer.text().to_owned())
    };
    for target in ["/live", "/ready"] {
        assert_eq!(asked(&gateway, target), (200, "ok".into()));
    }
    let mut events = listen(&gateway, "");
    gateway.stop();
    let begin = std::time::Instant::now();
    while asked(&gateway, "/ready").0 == 200 {
        assert!(begin.elapsed() < crate::harness::PATIENCE);
    }
    // It serves on for those who do not know yet.
    assert_eq!(asked(&gateway, "/ready"), (503, "The server shuts down.".into()));
    assert_eq!(gateway.request("GET", "/ready", "", "").header("retry-after"), Some("1"));
    assert_eq!(asked(&gateway, "/live"), (200, "ok".into()));
    gateway.publish("/pub?id=1", "x");
    assert_eq!(events.chunk().unwrap(), event(0, "x"));
    assert_eq!(events.chunk().unwrap(), b"event: close\ndata: shutdown\n\n");
    gateway.join();
}

#[test]
fn a_status_is_answered_over_pipelined_connections_and_while_a_list_is_long() {
    let gateway = start_root("workers = 1", "hall", "", CHANNELS);
    let mut client = gateway.connect();
    for number in 0..200 {
        client.request("PUT", &format!("/pub?id={number}"), "", "");
        assert_eq!(client.response().status, 200);
    }
    for _ in 0..20 {
        client.get("/channels?limit=1000", "");
        client.get("/channels?id=1", "");
    }
    for _ in 0..20 {
        let list: Value = serde_json::from_str(client.response().text()).unwrap();
        assert_eq!(list["channels"].as_array().unwrap().len(), 200);
        let one: Value = serde_json::from_str(client.response().text()).unwrap();
        assert_eq!((&one["id"], &one["complete"]), (&"1".into(), &true.into()));
    }
}
