//! What a publisher is answered in each dialect, byte for byte: `push_dialect`.

use std::time::{Duration, Instant};

use crate::{
    harness::{Gateway, PATIENCE, Response},
    site::{event, listen, stable, start, start_root},
};

pub const DIALECTS: [&str; 3] = ["push_module", "nchan", "push_stream"];
const ALLOW: &str = "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS";
const JSON: &str = "Accept: application/json\r\n";
const TEXT: &str = "Accept: text/plain\r\n";

fn speaking(dialect: &str) -> Gateway {
    let keys = format!("push_dialect = '{dialect}'\npush_max_channel_id_length = 8");
    start("hall", &keys, "")
}

/// Everything that was said, save when: the status line, the sorted headers, the body.
pub fn said(answer: &Response) -> String {
    format!("{}\n\n{}", stable(&answer.head).join("\n"), answer.text())
}

/// A whole answer, as [`said`] writes it.
pub fn answer(status: &str, headers: &[&str], body: &str) -> String {
    let length = format!("Content-Length: {}", body.len());
    let mut lines: Vec<_> = headers.iter().copied().chain([&*length]).collect();
    lines.sort_unstable();
    format!("HTTP/1.1 {status}\n{}\n\n{body}", lines.join("\n"))
}

/// An answer of which caches are to know nothing, as the push stream module gives it.
pub fn uncached(status: &str, headers: &[&str], body: &str) -> String {
    let against = [
        "Cache-Control: no-cache, no-store, must-revalidate",
        "Expires: Thu, 01 Jan 1970 00:00:01 GMT",
    ];
    answer(status, &[headers, &against].concat(), body)
}

/// A refusal of the first two dialects.
pub fn refusal(status: &str, sentence: &str) -> String {
    let cache = "Cache-Control: no-cache";
    let headers: &[&str] =
        if sentence.is_empty() { &[cache] } else { &[cache, "Content-Type: text/plain"] };
    answer(status, headers, sentence)
}

/// A refusal of the push stream module.
pub fn explained(status: &str, sentence: &str) -> String {
    uncached(status, &[&format!("X-Nginx-Pushstream-Explain: {sentence}")], "")
}

fn push_module(status: &str, messages: usize) -> String {
    let body = format!(
        "queued messages: {messages}\r\nlast requested: -1 sec. ago (-1=never)\r\n\
         active subscribers: 0"
    );
    answer(status, &["Content-Type: text/plain"], &body)
}

fn nchan(status: &str, messages: usize, last: &str) -> String {
    let body = format!(
        "queued messages: {messages}\r\nlast requested: -1 sec. ago\r\n\
         active subscribers: 0\r\nlast message id: {last}"
    );
    answer(status, &["Content-Type: text/plain"], &body)
}

fn push_stream(messages: usize) -> String {
    let body = format!(
        "{{\"channel\": \"1\", \"published_messages\": {messages}, \
         \"stored_messages\": {messages}, \"subscribers\": 0}}\r\n"
    );
    uncached("200 OK", &["Content-Type: application/json"], &body)
}

#[test]
fn a_publisher_is_answered_as_its_module_does() {
    let no_id = "No channel id provided.";
    let [ok, missing] = ["200 OK", "404 Not Found"];
    let asked = [
        ("GET /pub?id=1", [refusal(missing, ""), refusal(missing, ""), uncached(missing, &[], "")]),
        (
            "PUT /pub?id=1",
            [
                push_module(ok, 0),
                nchan("202 Accepted", 1, "1450755280:0"),
                explained("400 Bad Request", "Empty post requests are not allowed."),
            ],
        ),
        (
            "POST /pub?id=1",
            [
                push_module("202 Accepted", 1),
                nchan("202 Accepted", 2, "1450755280:1"),
                explained("400 Bad Request", "Empty post requests are not allowed."),
            ],
        ),
        (
            "POST /pub?id=1 text",
            [
                push_module("202 Accepted", 2),
                nchan("202 Accepted", 3, "1450755280:2"),
                push_stream(1),
            ],
        ),
        (
            "PUT /pub?id=1 text",
            [
                push_module("202 Accepted", 3),
                nchan("202 Accepted", 4, "1450755280:3"),
                push_stream(2),
            ],
        ),
        ("GET /pub?id=1", [push_module(ok, 3), nchan(ok, 4, "1450755280:3"), push_stream(2)]),
        (
            "DELETE /pub?id=1",
            [push_module(ok, 3), nchan(ok, 4, "1450755280:3"), explained(ok, "Channel deleted.")],
        ),
        (
            "DELETE /pub?id=1",
            [refusal(missing, ""), refusal(missing, ""), uncached(missing, &[], "")],
        ),
        (
            "GET /pub?id=",
            [refusal(missing, no_id), refusal(missing, no_id), explained("400 Bad Request", no_id)],
        ),
        (
            "GET /pub?id=123456789",
            [
                refusal("403 Forbidden", "The channel id is too long."),
                refusal("403 Forbidden", "The channel id is too long."),
                explained("400 Bad Request", "Channel id is too large."),
            ],
        ),
    ];
    let gateways = DIALECTS.map(speaking);
    for (request, answers) in asked {
        let mut words = request.split(' ');
        let [method, target] = [words.next(), words.next()].map(Option::unwrap);
        let body = words.next().unwrap_or_default();
        for ((gateway, expected), dialect) in gateways.iter().zip(answers).zip(DIALECTS) {
            let answer = gateway.request(method, target, "", body);
            assert_eq!(said(&answer), expected, "{dialect}: {request}");
        }
    }
}

#[test]
fn a_method_that_is_not_taken_is_refused_in_the_same_way() {
    let sentence = "The location takes GET, HEAD, POST, PUT, DELETE, OPTIONS.";
    let status = "405 Method Not Allowed";
    let own = [ALLOW, "Cache-Control: no-cache", "Content-Type: text/plain"];
    let explain = format!("X-Nginx-Pushstream-Explain: {sentence}");
    let expected = [
        answer(status, &own, sentence),
        answer(status, &own, sentence),
        uncached(status, &[ALLOW, &explain], ""),
    ];
    for (dialect, expected) in DIALECTS.into_iter().zip(expected) {
        let answer = speaking(dialect).request("PATCH", "/pub?id=1", "", "");
        assert_eq!(said(&answer), expected, "{dialect}");
    }
}

#[test]
fn somebody_who_waits_makes_it_201_but_not_in_push_stream() {
    let count = "[[server.location]]\npath = '= /count'\npush_publisher = true\n\
                 push_channel_id = '$arg_id'";
    for (dialect, status, count_is) in [
        ("push_module", 201, "\"subscribers\": 1, "),
        ("nchan", 201, "\"subscribers\": 1, "),
        ("push_stream", 200, "\"subscribers\": 1}"),
    ] {
        let gateway = start("hall", &format!("push_dialect = '{dialect}'"), count);
        let mut events = listen(&gateway, "");
        gateway.wait_for_subscribers("/count?id=1", 1);
        let answer = gateway.request("POST", "/pub?id=1", JSON, "x");
        assert!(answer.text().contains(count_is), "{dialect}: {answer:?}");
        assert_eq!(answer.status, status, "{dialect}");
        assert_eq!(events.chunk().unwrap(), event(0, "x"), "{dialect}");
    }
}

#[test]
fn a_status_of_ones_own_is_that_of_every_dialect() {
    for dialect in DIALECTS {
        let keys = format!("push_dialect = '{dialect}'\npush_publish_status = 203");
        let gateway = start("hall", &keys, "");
        assert_eq!(gateway.request("POST", "/pub?id=1", "", "x").status, 203, "{dialect}");
    }
}

#[test]
fn formats_are_called_as_the_module_calls_them() {
    for (accept, names) in [
        ("application/json", ["application/json", "text/json", "application/json"]),
        ("text/x-json", ["text/x-json", "text/json", "text/x-json"]),
        ("text/yaml", ["text/yaml", "text/yaml", "application/yaml"]),
        ("application/xml", ["application/xml", "text/xml", "application/xml"]),
        ("*/*", ["text/plain", "text/plain", "application/json"]),
    ] {
        for (dialect, name) in DIALECTS.into_iter().zip(names) {
            let accept = format!("Accept: {accept}\r\n");
            let answer = speaking(dialect).request("POST", "/pub?id=1", &accept, "x");
            assert_eq!(answer.header("content-type"), Some(name), "{dialect}: {accept}");
        }
    }
}

#[test]
fn machines_read_what_their_module_writes() {
    let gateways = DIALECTS.map(speaking);
    let expected = [
        "{\"messages\": 1, \"requested\": -1, \"subscribers\": 0, \
         \"last_message_id\": \"1450755280:0\"}",
        "{\"messages\": 1, \"requested\": -1, \"subscribers\": 0, \
         \"last_message_id\": \"1450755280:0\" }",
        "{\"channel\": \"1\", \"published_messages\": 1, \"stored_messages\": 1, \
         \"subscribers\": 0}\r\n",
    ];
    for (gateway, expected) in gateways.iter().zip(expected) {
        assert_eq!(gateway.request("POST", "/pub?id=1", JSON, "x").text(), expected);
    }
    let text = gateways[2].request("GET", "/pub?id=1", TEXT, "");
    let lines =
        "channel: 1\r\npublished_messages: 1\r\nstored_messages: 1\r\nactive_subscribers: 0\r\n";
    assert_eq!(text.text(), lines);
}

/// A body of which the name of the machine and the seconds that it runs are not known.
fn blurred(answer: &Response) -> String {
    let text = answer.text();
    let (before, host) = text.split_once("\"hostname\": \"").unwrap();
    let (_, after) = host.split_once('"').unwrap();
    let mut blurred = format!("{before}\"hostname\": \"HOST\"");
    let mut parts = after.split("\"uptime\": ");
    blurred += parts.next().unwrap();
    for part in parts {
        let (seconds, rest) = part.split_at(part.find([',', '}']).unwrap());
        assert!(seconds.parse::<u64>().unwrap() < 60);
        blurred += "\"uptime\": N";
        blurred += rest;
    }
    blurred
}

#[test]
fn channels_are_told_in_the_modules_statistics() {
    let gateway = start(
        "hall",
        "push_dialect = 'push_stream'",
        "[[server.location]]\npath = \"= /stats\"\npush_channels_status = true\n\
         push_dialect = 'push_stream'\npush_max_channel_id_length = 8",
    );
    for id in ["a", "b", "ab"] {
        gateway.publish(&format!("/pub?id={id}"), "x");
    }
    let _waiting = listen(&gateway, "");
    let ask = |arguments: &str| gateway.request("GET", &format!("/stats{arguments}"), "", "");
    let one = |name: &str| {
        format!(
            "{{\"channel\": \"{name}\", \"published_messages\": 1, \"stored_messages\": 1, \
             \"subscribers\": 0}}"
        )
    };
    let begin = Instant::now();
    while !ask("?id=1").text().contains("\"subscribers\": 1") {
        assert!(begin.elapsed() < PATIENCE);
    }
    let headers = ["Content-Type: application/json", "Vary: Accept"];
    let alone = uncached("200 OK", &headers, &(one("a") + "\r\n"));
    for id in ["a", "a.b3", "/a", "a/a", "zork/a"] {
        assert_eq!(said(&ask(&format!("?id={id}"))), alone, "{id}");
    }
    for id in ["zork", "zork/none", "/"] {
        let unknown = said(&ask(&format!("?id={id}")));
        assert_eq!(unknown, uncached("404 Not Found", &[], ""), "{id}");
    }
    let refused = explained("400 Bad Request", "Channel id is too large.");
    for id in ["123456789", "a/123456789"] {
        assert_eq!(said(&ask(&format!("?id={id}"))), refused, "{id}");
    }

    let head = "{\"hostname\": \"HOST\", \"time\": \"2015-12-22T03:34:40\", \"channels\": 4, \
                \"wildcard_channels\": 0, \"uptime\": N, \"infos\": [\r\n";
    let waiting =
        one("1").replace(" 1,", " 0,").replace("\"subscribers\": 0", "\"subscribers\": 1");
    let all = [waiting, one("a"), one("ab"), one("b")];
    for (id, expected) in [
        ("ALL", &all[..]),
        ("*", &all),
        ("a*", &all[1..3]),
        ("a*b", &all[1..3]),
        ("b/ALL", &all),
        ("b/a*/b*", &all[1..3]),
        ("b/a.b3//zork/a", &[one("b"), one("a")]),
        ("zork*", &[]),
    ] {
        let expected = format!("{head}{}\r\n]}}\r\n", expected.join(",\r\n"));
        assert_eq!(blurred(&ask(&format!("?id={id}"))), expected, "{id}");
    }

    let pid = std::process::id();
    let server = format!(
        "{{\"hostname\": \"HOST\", \"time\": \"2015-12-22T03:34:40\", \"channels\": 4, \
         \"wildcard_channels\": 0, \"published_messages\": 3, \"stored_messages\": 3, \
         \"messages_in_trash\": 0, \"channels_in_delete\": 0, \"channels_in_trash\": 0, \
         \"subscribers\": 1, \"uptime\": N, \"by_worker\": [\r\n\
         {{\"pid\": \"{pid}\", \"subscribers\": 1, \"uptime\": N}}\r\n]}}\r\n"
    );
    for target in ["/stats", "/stats?id="] {
        let told = gateway.request("GET", target, "", "");
        assert_eq!(told.header("content-type"), Some("application/json"));
        assert_eq!(blurred(&told), server);
    }
    for (accept, name, begin) in [
        ("text/plain", "text/plain", "hostname: "),
        (
            "text/xml",
            "application/xml",
            "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<infos>\r\n",
        ),
        ("text/yaml", "application/yaml", "  hostname: "),
    ] {
        let told = gateway.request("GET", "/stats", &format!("Accept: {accept}\r\n"), "");
        assert_eq!(told.header("content-type"), Some(name));
        assert!(told.text().starts_with(begin), "{told:?}");
    }
    let refused = gateway.request("POST", "/stats", "", "x");
    assert_eq!((refused.status, refused.text()), (405, ""));
}

#[test]
fn a_path_names_channels_which_are_told_one_by_one() {
    let gateway = speaking("push_stream");
    gateway.publish("/pub?id=a", "x");
    let head = "{\"hostname\": \"HOST\", \"time\": \"2015-12-22T03:34:40\", \"channels\": 2, \
                \"wildcard_channels\": 0, \"uptime\": N, \"infos\": [\r\n";
    let infos = "{\"channel\": \"a\", \"published_messages\": 2, \"stored_messages\": 2, \
                 \"subscribers\": 0},\r\n\
                 {\"channel\": \"b\", \"published_messages\": 1, \"stored_messages\": 1, \
                 \"subscribers\": 0}\r\n]}\r\n";
    // Empty segments are none, a backtrack is no part of a name, a name counts once.
    let answer = gateway.request("POST", "/pub?id=/a//b.b3/a", "", "y");
    assert_eq!(blurred(&answer), format!("{head}{infos}"));
    let answer = gateway.request("GET", "/pub?id=a%2Fb", "", "");
    assert_eq!(blurred(&answer), format!("{head}{infos}"));
    // Those that are not there are left out; one that is left is told alone.
    let only = "{\"channel\": \"b\", \"published_messages\": 1, \"stored_messages\": 1, \
                \"subscribers\": 0}\r\n";
    assert_eq!(gateway.request("GET", "/pub?id=b/c", "", "").text(), only);
    assert_eq!(gateway.request("GET", "/pub?id=c/d", "", "").status, 404);
    let deleted = explained("200 OK", "Channel deleted.");
    assert_eq!(said(&gateway.request("DELETE", "/pub?id=a/c", "", "")), deleted);
    assert_eq!(gateway.request("GET", "/pub?id=a", "", "").status, 404);
    assert_eq!(gateway.request("GET", "/pub?id=b", "", "").status, 200);
}

#[test]
fn a_path_is_one_id_in_the_other_dialects() {
    for dialect in ["push_module", "nchan"] {
        let gateway = speaking(dialect);
        gateway.publish("/pub?id=a/b.b3", "x");
        assert_eq!(gateway.request("GET", "/pub?id=a/b.b3", "", "").status, 200);
        assert_eq!(gateway.request("GET", "/pub?id=a", "", "").status, 404);
        assert_eq!(gateway.request("GET", "/pub?id=b", "", "").status, 404);
        gateway.publish("/pub?id=ALL", "x");
        gateway.publish("/pub?id=a*", "x");
    }
}

/// The longest time that anybody else waits for an answer while all channels are told, and the time
/// that this takes.
fn telling_all(gateway: &Gateway, channels: usize) -> (Duration, Duration) {
    let (mut asking, mut other) = (gateway.connect(), gateway.connect());
    let begin = Instant::now();
    let told = std::thread::spawn(move || {
        asking.get("/stats?id=ALL", "");
        (asking.response(), begin.elapsed())
    });
    let mut longest = Duration::ZERO;
    while !told.is_finished() {
        let begin = Instant::now();
        other.get("/pub?id=1", "");
        assert_eq!(other.response().status, 200);
        longest = longest.max(begin.elapsed());
    }
    let (answer, all) = told.join().unwrap();
    assert_eq!(answer.text().matches("\"channel\": ").count(), channels);
    (longest, all)
}

#[test]
fn everyone_is_served_while_all_channels_are_told() {
    const CHANNELS: usize = 20_000;
    let stats = "[[server.location]]\npath = \"= /stats\"\npush_channels_status = true\n\
                 push_dialect = 'push_stream'";
    let gateway = start_root("workers = 1", "hall", "", stats);
    let mut client = gateway.connect();
    for some in (0..CHANNELS).collect::<Vec<_>>().chunks(100) {
        let post =
            |id| format!("POST /pub?id={id} HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx");
        client.send(some.iter().map(post).collect::<String>());
        assert!(some.iter().all(|_| client.response().status == 202));
    }
    // A busy machine may let anybody wait, but not each time.
    let tries: Vec<_> = (0..5).map(|_| telling_all(&gateway, CHANNELS)).collect();
    assert!(tries.iter().any(|(longest, all)| *longest < *all / 8), "{tries:?}");
}

#[test]
fn ids_that_stand_for_many_channels_are_refused_in_push_stream() {
    let gateway = speaking("push_stream");
    let refused = explained("403 Forbidden", "Channel id not authorized for this method.");
    for id in ["ALL", "a*", "*", "x/ALL", "x/a*b", "ALL.b3"] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = gateway.request(method, &format!("/pub?id={id}"), "", "");
            assert_eq!(said(&answer), refused, "{method} {id}");
        }
    }
    assert_eq!(gateway.request("GET", "/pub?id=x", "", "").status, 404);
    gateway.publish("/pub?id=ALLES", "x");
}

#[test]
fn a_path_of_nothing_names_no_channel() {
    let gateway = speaking("push_stream");
    let refused = explained("400 Bad Request", "No channel id provided.");
    for id in ["/", "//", ".b3", "/.b3/"] {
        let answer = gateway.request("GET", &format!("/pub?id={id}"), "", "");
        assert_eq!(said(&answer), refused, "{id}");
    }
}

#[test]
fn limits_are_refused_in_the_words_of_the_dialect() {
    let own = refusal("403 Forbidden", "There are as many channels as there may be.");
    let push_stream = explained("403 Forbidden", "Number of channels were exceeded.");
    for (dialect, expected) in DIALECTS.into_iter().zip([own.clone(), own, push_stream]) {
        let keys = format!("push_dialect = '{dialect}'\npush_group_max_channels = 1");
        let gateway = start("hall", &keys, "");
        gateway.publish("/pub?id=1", "x");
        let answer = gateway.request("POST", "/pub?id=2", "", "x");
        assert_eq!(said(&answer), expected, "{dialect}");
    }
}

#[test]
fn what_no_module_has_is_told_in_the_manner_of_the_dialect() {
    let gateway = start("hall", "push_dialect = 'push_stream'\naccess = ['deny all']", "");
    let answer = gateway.request("GET", "/pub?id=1", "", "");
    assert_eq!(said(&answer), explained("403 Forbidden", "Access denied."));
}
