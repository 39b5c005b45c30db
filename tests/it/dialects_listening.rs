//! What a subscriber is answered in each dialect, byte for byte: `push_dialect`.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::{
    dialects::{DIALECTS, answer, explained, refusal, said, uncached},
    harness::{Client, Gateway},
    site::{DATE, MODES, NOW, start, wait},
    websocket::{CLOSE, HANDSHAKE, TEXT, message, open, open_with, read, text},
};

const EPOCH: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
const NO_STORE: &str = "Cache-Control: no-store";
const NO_CACHE: &str = "Cache-Control: no-cache";
const VARY: &str = "Vary: If-None-Match, If-Modified-Since";
const EVENTS: &str = "Accept: text/event-stream\r\n";
/// The template that the push stream module's documentation has for its client.
const TEMPLATE: &str = "push_message_template = '{\"id\":~id~,\"channel\":\"~channel~\",\
                        \"text\":\"~text~\",\"tag\":\"~tag~\",\"time\":\"~time~\",\
                        \"eventid\":\"~event-id~\"}'\n";

/// A subscriber location that speaks a dialect; the publisher's is the usual one.
fn speaking(dialect: &str, hold: &str, keys: &str) -> Gateway {
    start(hold, "", &format!("push_dialect = '{dialect}'\n{keys}"))
}

/// The message of that number and tag as [`TEMPLATE`] words it.
fn worded(number: i64, tag: u64, text: &str) -> String {
    format!(
        "{{\"id\":{number},\"channel\":\"1\",\"text\":\"{text}\",\"tag\":\"{tag}\",\
         \"time\":\"{DATE}\",\"eventid\":\"\"}}"
    )
}

/// A message that nobody published, in the same words; that of a deletion names the channel.
fn notice(id: i64, text: &str) -> String {
    let channel = if id == -2 { "1" } else { "" };
    format!(
        "{{\"id\":{id},\"channel\":\"{channel}\",\"text\":\"{text}\",\"tag\":\"0\",\
         \"time\":\"{EPOCH}\",\"eventid\":\"\"}}"
    )
}

/// Where a client left off, in the headers of a poll.
fn after(date: &str, tag: &str) -> String {
    format!("If-Modified-Since: {date}\r\nIf-None-Match: {tag}\r\n")
}

fn publish(gateway: &Gateway, texts: &[&str]) {
    for text in texts {
        gateway.publish("/pub?id=1", text);
    }
}

/// A stream that goes on; the head has been read.
fn stream(gateway: &Gateway, target: &str, headers: &str) -> Client {
    let mut client = gateway.connect();
    client.get(target, headers);
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    client
}

/// Everything that is left of a stream, which ends.
fn rest(client: &mut Client) -> String {
    let bytes: Vec<u8> = std::iter::from_fn(|| client.chunk()).flatten().collect();
    String::from_utf8(bytes).unwrap()
}

// ---- Polls -------------------------------------------------------------------------------------

#[test]
fn a_long_poll_that_nothing_came_for() {
    for hold in MODES {
        let place = ["Etag: W/0", VARY, &format!("Last-Modified: {DATE}")];
        let expected = [
            answer("304 Not Modified", &[NO_CACHE], ""),
            answer("408 Request Timeout", &[NO_CACHE], ""),
            uncached("304 Not Modified", &place, ""),
        ];
        for (dialect, expected) in DIALECTS.into_iter().zip(expected) {
            let gateway = speaking(dialect, hold, "push_subscriber_timeout = \"100ms\"");
            publish(&gateway, &["seen"]);
            let found = gateway.request("GET", "/sub?id=1", &after(DATE, "0"), "");
            // A 304 has no length (RFC 9110 section 8.6).
            let expected = match found.status {
                304 => expected.replace("Content-Length: 0\n", ""),
                _ => expected,
            };
            assert_eq!(said(&found), expected, "{dialect}");
        }
    }
}

#[test]
fn a_header_picks_the_poll_in_the_push_stream_modules_dialect_alone() {
    for hold in MODES {
        let offered = "push_subscriber = ['stream', 'event-source', 'long-poll', 'interval-poll']\n\
                       push_subscriber_timeout = '100ms'\n";
        let asked = |dialect: &str, keys: &str, mode: &str| {
            let gateway = speaking(dialect, hold, keys);
            let mut client = gateway.connect();
            client.get("/sub?id=1", &format!("X-Nginx-PushStream-Mode: {mode}\r\n"));
            let head = client.head();
            head.lines().next().unwrap()[9..12].to_owned()
        };
        // A stream begins at once, a poll waits or not, and has nothing.
        for (mode, status) in [
            ("polling", "304"),
            ("Long-Polling", "304"),
            ("streaming", "200"),
            ("pollings", "200"),
            ("", "200"),
        ] {
            assert_eq!(asked("push_stream", offered, mode), status, "{mode}");
        }
        for dialect in ["push_module", "nchan"] {
            assert_eq!(asked(dialect, offered, "polling"), "200", "{dialect}");
        }
        let polls = "push_subscriber = ['stream', 'long-poll']\npush_timeout_with_body = true\n\
                     push_subscriber_timeout = '100ms'\n";
        let gateway = speaking("push_stream", hold, polls);
        let mode = |mode: &str| format!("X-Nginx-PushStream-Mode: {mode}\r\n");
        // What the location does not offer it does not get.
        let mut goes_on = stream(&gateway, "/sub?id=1", &mode("polling"));
        wait(&gateway, 1);
        publish(&gateway, &["a"]);
        assert_eq!(goes_on.chunk().unwrap(), b"a");
        let ended = gateway.request("GET", "/sub?id=1", &mode("long-polling"), "");
        assert_eq!((ended.status, ended.text()), (200, "Timed out"));
    }
}

#[test]
fn a_long_poll_that_nothing_came_for_may_have_a_message() {
    for hold in MODES {
        let keys = "push_subscriber_timeout = \"100ms\"\npush_timeout_with_body = true\n";
        // It says where the poll waited, and is what messages are that say nothing of themselves.
        let typed = format!("{keys}{TEMPLATE}default_type = \"application/json\"\n");
        let gateway = speaking("push_stream", hold, &typed);
        publish(&gateway, &["seen"]);
        let found = gateway.request("GET", "/sub?id=1", &after(DATE, "0"), "");
        let date = format!("Last-Modified: {DATE}");
        let headers = ["Content-Type: application/json", "Etag: W/0", VARY, &date];
        assert_eq!(said(&found), uncached("200 OK", &headers, &notice(-3, "Timed out")));
        let ask = |keys: &str, target: &str| {
            let gateway = speaking("push_stream", hold, keys);
            let found = gateway.request("GET", target, "", "");
            (found.status, found.text().to_owned())
        };
        assert_eq!(ask(keys, "/sub?id=1"), (200, "Timed out".into()));
        assert_eq!(ask(&format!("{keys}{TEMPLATE}"), "/sub?id=1"), (200, notice(-3, "Timed out")));
        let scripts = format!("{keys}push_jsonp_callback = \"$arg_callback\"");
        let (status, script) = ask(&scripts, "/sub?id=1&callback=on");
        assert_eq!((status, &*script), (200, "/**/on([\"Timed out\"]);"));
        // Parts have headers of their own, which nobody has given this one.
        let parts = format!("{keys}push_longpoll_batch = \"multipart\"");
        assert_eq!(ask(&parts, "/sub?id=1"), (304, String::new()));
    }
}

#[test]
fn a_long_poll_that_ended_goes_on_where_it_waited() {
    for hold in MODES {
        let keys = "push_subscriber_timeout = \"100ms\"";
        let gateway = speaking("push_stream", hold, keys);
        let mut client = gateway.connect();
        client.get("/sub?id=1", "");
        for (waited, text) in [(EPOCH, "first"), (DATE, "second")] {
            let ended = client.response();
            let place = [ended.header("last-modified"), ended.header("etag")];
            assert_eq!((ended.status, place), (304, [Some(waited), Some("W/0")]));
            // In the same second, before the client asks again.
            publish(&gateway, &[text]);
            client.get("/sub?id=1", &after(waited, "W/0"));
            let answer = client.response();
            assert_eq!((answer.status, answer.text()), (200, text));
            let cursor = after(DATE, answer.header("etag").unwrap());
            client.get("/sub?id=1", &cursor);
        }
    }
}

#[test]
fn a_long_poll_whose_channel_is_deleted() {
    for hold in MODES {
        let place = ["Etag: W/0", VARY, &format!("Last-Modified: {DATE}")];
        let expected = [
            answer("410 Gone", &[NO_STORE], ""),
            answer("410 Gone", &[NO_STORE], ""),
            uncached("200 OK", &place, &notice(-2, "Channel deleted")),
        ];
        for (dialect, expected) in DIALECTS.into_iter().zip(expected) {
            let gateway = speaking(dialect, hold, TEMPLATE);
            publish(&gateway, &["seen"]);
            let mut client = gateway.connect();
            client.get("/sub?id=1", &after(DATE, "0"));
            wait(&gateway, 1);
            gateway.request("DELETE", "/pub?id=1", "", "");
            assert_eq!(said(&client.response()), expected, "{dialect}");
        }
        // Without a template it is the text alone.
        let gateway = speaking("push_stream", hold, "");
        let mut client = gateway.connect();
        client.get("/sub?id=1", "");
        wait(&gateway, 1);
        gateway.request("DELETE", "/pub?id=1", "", "");
        assert_eq!(client.response().text(), "Channel deleted");
    }
}

#[test]
fn a_long_poll_that_another_took_the_place_of_or_the_gateway_stops() {
    let place = ["Etag: W/0", VARY, &format!("Last-Modified: {EPOCH}")];
    let [conflict, stopped] = ["409 Conflict", "503 Service Unavailable"];
    let retry = "Retry-After: 1";
    for hold in MODES {
        for (dialect, expected) in DIALECTS.into_iter().zip([
            [
                answer(conflict, &[NO_STORE], ""),
                answer(stopped, &["Connection: close", NO_STORE, retry], ""),
            ],
            [
                answer(conflict, &[NO_STORE], ""),
                answer(stopped, &["Connection: close", NO_STORE, retry], ""),
            ],
            [
                uncached(conflict, &place, ""),
                uncached(stopped, &[&["Connection: close", retry], &place[..]].concat(), ""),
            ],
        ]) {
            let mut gateway = speaking(dialect, hold, "push_subscriber_concurrency = \"last\"");
            let [mut one, mut two] = [gateway.connect(), gateway.connect()];
            one.get("/sub?id=1", "");
            wait(&gateway, 1);
            two.get("/sub?id=1", "");
            assert_eq!(said(&one.response()), expected[0], "{dialect}");
            wait(&gateway, 1);
            gateway.stop();
            assert_eq!(said(&two.response()), expected[1], "{dialect}");
        }
    }
}

#[test]
fn a_message_has_the_etag_of_its_dialect_which_leads_to_the_next() {
    for hold in MODES {
        for (dialect, prefix) in DIALECTS.into_iter().zip(["", "", "W/"]) {
            let gateway = speaking(dialect, hold, "push_first_message = \"oldest\"");
            publish(&gateway, &["a", "b"]);
            let mut client = gateway.connect();
            client.get("/sub?id=1", "");
            let etag = |tag| format!("Etag: {prefix}{tag}");
            let modified = format!("Last-Modified: {DATE}");
            let expected = |tag, text| match dialect {
                "push_stream" => uncached("200 OK", &[&etag(tag), &modified, VARY], text),
                _ => answer("200 OK", &[NO_CACHE, &etag(tag), &modified, VARY], text),
            };
            let first = client.response();
            assert_eq!(said(&first), expected(0, "a"));
            client.get("/sub?id=1", &after(DATE, first.header("etag").unwrap()));
            assert_eq!(said(&client.response()), expected(1, "b"));
            client.get("/sub?id=1", &after(DATE, &format!("{prefix}1")));
            wait(&gateway, 1);
            publish(&gateway, &["c"]);
            assert_eq!(said(&client.response()), expected(2, "c"));
        }
    }
}

#[test]
fn an_interval_poll_without_news_is_304_in_every_dialect() {
    for hold in MODES {
        for (dialect, place) in DIALECTS.into_iter().zip([
            vec![NO_CACHE, "Etag: W/\"0\""],
            vec![NO_CACHE, "Etag: 0", VARY],
            vec!["Etag: W/0", VARY],
        ]) {
            let modified = format!("Last-Modified: {DATE}");
            let expected = match dialect {
                "push_module" => answer("304 Not Modified", &place, ""),
                "nchan" => answer("304 Not Modified", &[&place[..], &[&modified]].concat(), ""),
                _ => uncached("304 Not Modified", &[&place[..], &[&modified]].concat(), ""),
            };
            let gateway = speaking(dialect, hold, "push_subscriber = [\"interval-poll\"]");
            publish(&gateway, &["seen"]);
            let found = gateway.request("GET", "/sub?id=1", &after(DATE, "W/\"0\""), "");
            let expected = expected.replace("Content-Length: 0\n", "");
            assert_eq!(said(&found), expected, "{dialect}");
        }
    }
}

#[test]
fn who_names_no_id_begins_as_the_module_lets_it_begin() {
    for hold in MODES {
        for (dialect, first) in DIALECTS.into_iter().zip(["old", "old", "new"]) {
            let gateway = speaking(dialect, hold, "");
            publish(&gateway, &["old"]);
            let mut client = gateway.connect();
            client.get("/sub?id=1", "");
            if dialect == "push_stream" {
                wait(&gateway, 1);
                publish(&gateway, &["new"]);
            }
            assert_eq!(client.response().text(), first, "{dialect}");
        }
    }
}

// ---- Where the client left off -----------------------------------------------------------------

/// What a location with five messages, `0` to `4`, has for a request on each transport.
fn from_there(gateway: &Gateway, arguments: &str, headers: &str, expected: &[&str]) {
    let target = format!("/sub?id=1{arguments}");
    let poll = gateway.request("GET", &target, headers, "");
    assert_eq!((poll.status, poll.text()), (200, expected[0]), "{arguments} {headers:?}");
    let mut socket = open(gateway, &target, headers);
    let mut chunked = stream(gateway, &target, &format!("TE: chunked\r\n{headers}"));
    let mut events = stream(gateway, &target, &format!("{EVENTS}{headers}"));
    events.chunk();
    for expected in expected {
        assert_eq!(text(&mut socket), *expected, "{arguments} {headers:?}");
        assert_eq!(chunked.exactly_chunked(1), expected.as_bytes());
        let event = format!("id: {NOW}:{expected}\ndata: {expected}\n\n");
        assert_eq!(chunked_text(&mut events, event.len()), event);
    }
}

fn chunked_text(client: &mut Client, length: usize) -> String {
    String::from_utf8(client.exactly_chunked(length)).unwrap()
}

fn five(dialect: &str, hold: &str) -> Gateway {
    let gateway = speaking(dialect, hold, "");
    publish(&gateway, &["0", "1", "2", "3", "4"]);
    gateway
}

/// The date as it stands in an URL.
fn encoded(date: &str) -> String {
    date.replace(' ', "%20").replace(',', "%2C").replace(':', "%3A")
}

#[test]
fn the_arguments_time_and_tag_are_the_cursor_of_push_stream_on_every_transport() {
    for hold in MODES {
        let gateway = five("push_stream", hold);
        let date = encoded(DATE);
        from_there(&gateway, &format!("&time={date}&tag=2"), "", &["3", "4"]);
        from_there(&gateway, &format!("&eventid=&tag=W/3&time={date}"), "", &["4"]);
        from_there(&gateway, &format!("&tag=0&time={}", encoded(EPOCH)), "", &["0", "1", "2"]);
        // Headers come first, and without a time the tag says nothing.
        from_there(&gateway, &format!("&time={date}&tag=0"), &after(DATE, "W/2"), &["3", "4"]);
        // Those before have to be gone, so that who waits is this one.
        wait(&gateway, 0);
        let mut client = gateway.connect();
        client.get("/sub?id=1&time=&tag=0&eventid=", "");
        wait(&gateway, 1);
        publish(&gateway, &["5"]);
        assert_eq!(client.response().text(), "5");
        // A time alone has seen its second.
        client.get(&format!("/sub?id=1&time={date}"), "");
        wait(&gateway, 1);
    }
}

#[test]
fn the_arguments_time_and_tag_say_nothing_in_the_other_dialects() {
    for dialect in ["push_module", "nchan"] {
        let gateway = five(dialect, "hall");
        from_there(&gateway, &format!("&time={}&tag=2&eventid=x", encoded(DATE)), "", &["0", "1"]);
        from_there(&gateway, "&time=soon", "", &["0", "1"]);
    }
}

#[test]
fn publishers_name_the_events_of_push_stream() {
    for hold in MODES {
        let gateway = speaking("push_stream", hold, "");
        for (text, id) in [("0", "a"), ("1", "b c"), ("2", "5"), ("3", ""), ("4", "a")] {
            let header = if id.is_empty() { String::new() } else { format!("Event-Id: {id}\r\n") };
            gateway.request("POST", "/pub?id=1", &header, text);
        }
        // The first of that name counts, a time is more than a name.
        from_there(&gateway, "&eventid=a", "", &["1", "2", "3"]);
        from_there(&gateway, "&tag=0&time=&eventid=b%20c", "", &["2", "3", "4"]);
        from_there(&gateway, "&eventid=5", "", &["3", "4"]);
        let time = format!("&time={}&tag=3&eventid=a", encoded(DATE));
        from_there(&gateway, &time, "", &["4"]);
        // An event that nobody knows, any more: there is all that is left.
        from_there(&gateway, "&eventid=zork", "", &["0", "1", "2", "3", "4"]);
        for (name, left) in [
            ("a", &["1", "2", "3", "4"][..]),
            ("b c", &["2", "3", "4"]),
            ("5", &["3", "4"]),
            (&format!("{NOW}:3"), &["4"]),
            ("zork", &["0", "1", "2", "3", "4"]),
            // As a time it would be to come.
            ("4000000000", &["0", "1", "2", "3", "4"]),
        ] {
            from_there(&gateway, "", &format!("Last-Event-ID: {name}\r\n"), left);
        }
        // A poll goes on after the answer before, whatever header it keeps.
        for name in ["a", "zork"] {
            let both = format!("{}Last-Event-ID: {name}\r\n", after(DATE, "3"));
            from_there(&gateway, "", &both, &["4"]);
        }
    }
}

#[test]
fn what_a_script_has_not_got_is_the_word_null() {
    for hold in MODES {
        let gateway = five("push_stream", hold);
        for tag in ["0", "null"] {
            let mut client = gateway.connect();
            client.get("/sub?id=1", &after("null", tag));
            wait(&gateway, 1);
            publish(&gateway, &["new"]);
            assert_eq!(client.response().text(), "new");
        }
    }
}

#[test]
fn the_cursors_of_nchans_clients_are_understood_on_every_transport() {
    for hold in MODES {
        let gateway = five("nchan", hold);
        from_there(&gateway, "", &after(DATE, "2"), &["3", "4"]);
        from_there(&gateway, "", &after(DATE, "\"2\""), &["3", "4"]);
        for tag in [format!("{NOW}:2"), format!("\"{NOW}:2\""), format!("W/\"{NOW}:2\"")] {
            from_there(&gateway, "", &format!("If-None-Match: {tag}\r\n"), &["3", "4"]);
        }
        from_there(&gateway, "", &format!("Last-Event-ID: {NOW}:2\r\n"), &["3", "4"]);
        from_there(&gateway, &format!("&last_event_id={NOW}%3A2"), "", &["3", "4"]);
        // The validator of somebody else is no cursor.
        from_there(&gateway, "", "If-None-Match: \"abc\"\r\n", &["0", "1"]);
    }
}

#[test]
fn a_path_asks_for_its_last_messages_and_a_cursor_for_more() {
    for hold in MODES {
        let gateway = speaking("push_stream", hold, "");
        publish(&gateway, &["0", "1", "2", "3", "4"]);
        let target = |path: &str| path.replace('1', "/sub?id=1");
        let first = |path: &str, headers| {
            let mut events = stream(&gateway, &target(path), &format!("{EVENTS}{headers}"));
            events.chunk();
            let event = chunked_text(&mut events, format!("id: {NOW}:0\ndata: 0\n\n").len());
            event[event.len() - 3..].trim_end().to_owned()
        };
        assert_eq!(first("1.b2", ""), "3");
        assert_eq!(first("/1.b4/", ""), "1");
        assert_eq!(first("1.b99", ""), "0");
        assert_eq!(first("1.b2", &after(DATE, "W/0")), "1");
        let poll = gateway.request("GET", "/sub?id=1.b3", "", "");
        assert_eq!((poll.text(), poll.header("etag")), ("2", Some("W/2")));
        let mut socket = open(&gateway, "/sub?id=1.b3", "");
        assert_eq!([(); 3].map(|()| text(&mut socket)), ["2", "3", "4"]);
        // None, also by `.b0`, is what comes from now on.
        let mut none = [open(&gateway, "/sub?id=1", ""), open(&gateway, "/sub?id=1.b0", "")];
        wait(&gateway, 3);
        publish(&gateway, &["5"]);
        assert_eq!(none.each_mut().map(text), ["5", "5"]);
        // The other dialects know channels of that name alone.
        let gateway = five("nchan", hold);
        let mut other = open(&gateway, "/sub?id=1.b2", "");
        gateway.wait_for_subscribers("/pub?id=1.b2", 1);
        gateway.publish("/pub?id=1.b2", "own");
        assert_eq!(text(&mut other), "own");
    }
}

#[test]
fn several_channels_of_a_path_have_one_cursor() {
    for hold in MODES {
        let keys = "push_message_template = '~id~~channel~'";
        let gateway = speaking("push_stream", hold, keys);
        for channel in ["b", "b", "a", "b", "a", "a"] {
            gateway.publish(&format!("/pub?id={channel}"), "x");
        }
        // Two of b begin at the second message of all, and what came since comes of a too.
        let mut socket = open(&gateway, "/sub?id=a/b.b2", "");
        assert_eq!([(); 5].map(|()| text(&mut socket)), ["2b", "1a", "3b", "2a", "3a"]);
        let mut socket = open(&gateway, "/sub?id=/a.b1//b/a", "");
        assert_eq!([(); 3].map(|()| text(&mut socket)), ["3b", "2a", "3a"]);
        let mut socket = open(&gateway, "/sub?id=a%2Fb", "");
        gateway.wait_for_subscribers("/pub?id=a", 3);
        gateway.publish("/pub?id=b", "x");
        gateway.publish("/pub?id=a", "x");
        assert_eq!([text(&mut socket), text(&mut socket)], ["4b", "4a"]);
        // A poll is one message, and its id goes for both.
        let place = after(DATE, "W/3");
        let poll = gateway.request("GET", "/sub?id=a.b9/b.b9", &place, "");
        assert_eq!((poll.text(), poll.header("etag")), ("2a", Some("W/4")));
    }
}

// ---- What a message looks like -----------------------------------------------------------------

#[test]
fn the_template_of_push_stream_is_for_every_transport() {
    for hold in MODES {
        let one = |keys: &str, headers: &str| {
            let keys = format!("{TEMPLATE}push_first_message = \"oldest\"\n{keys}");
            let gateway = speaking("push_stream", hold, &keys);
            publish(&gateway, &["hi", "~id~"]);
            let mut client = stream(&gateway, "/sub?id=1&cb=f", headers);
            // A stream takes history into one write; how many chunks that is is its own affair.
            gateway.request("DELETE", "/pub?id=1", "", "");
            rest(&mut client)
        };
        let both = [worded(1, 0, "hi"), worded(2, 1, "~id~")];
        let [first, second] = &both;
        let deleted = notice(-2, "Channel deleted");
        let streamed = one("push_subscriber = [\"stream\"]", "");
        assert_eq!(streamed, format!("{first}{second}{deleted}"));
        let events = one("push_retry = 0", EVENTS);
        let expected = format!(
            ": \nid: {NOW}:0\ndata: {first}\n\nid: {NOW}:1\ndata: {second}\n\ndata: {deleted}\n\n"
        );
        assert_eq!(events, expected);
        assert_eq!(one("", "TE: chunked\r\n"), both.concat());
        let raw = one("push_subscriber = [\"raw\"]\npush_raw_separator = \"|\"", "");
        assert_eq!(raw, format!("{first}|{second}|"));
        let parts = one("", "Accept: multipart/mixed\r\n");
        assert!(parts.contains(&format!("Etag: 0\r\n\r\n{first}\r\n--")), "{parts}");
        assert!(parts.contains(&format!("Etag: 1\r\n\r\n{second}\r\n--")), "{parts}");
        let early = "push_cursorless = true\ndefault_type = \"application/json\"";
        for (keys, expected) in [
            ("", first.clone()),
            ("push_longpoll_batch = \"raw\"", format!("{first}\n{second}\n")),
            ("push_jsonp_callback = \"$arg_cb\"", format!("/**/f([{first},{second}]);")),
            (early, first.clone()),
        ] {
            let keys = format!("{TEMPLATE}push_first_message = \"oldest\"\n{keys}");
            let gateway = speaking("push_stream", hold, &keys);
            publish(&gateway, &["hi", "~id~"]);
            let poll = gateway.request("GET", "/sub?id=1&cb=f", "", "");
            assert_eq!(poll.text(), expected, "{keys}");
        }
        let batch = format!("{TEMPLATE}push_longpoll_batch = \"multipart\"");
        let gateway = speaking("push_stream", hold, &batch);
        publish(&gateway, &["hi", "~id~"]);
        let poll = gateway.request("GET", "/sub?id=1.b2", "", "");
        assert!(poll.text().contains(&format!("Etag: 1\r\n\r\n{second}\r\n--")), "{poll:?}");
    }
}

#[test]
fn the_template_of_push_stream_words_what_comes_later_too() {
    for hold in MODES {
        let keys = format!("{TEMPLATE}push_jsonp_callback = \"$arg_cb\"\n");
        let gateway = speaking("push_stream", hold, &keys);
        let [mut poll, mut script] = [gateway.connect(), gateway.connect()];
        poll.get("/sub?id=1", "");
        script.get("/sub?id=1&cb=f", "");
        let meta = "Sec-WebSocket-Protocol: ws+meta.nchan\r\n";
        let [mut plain, mut meta] = [open(&gateway, "/sub?id=1", ""), {
            let (client, _) = open_with(&gateway, "/sub?id=1", meta);
            client
        }];
        let deflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        let mut deflated = open(&gateway, "/sub?id=1", deflate);
        wait(&gateway, 5);
        publish(&gateway, &["hi"]);
        let expected = worded(1, 0, "hi");
        assert_eq!(poll.response().text(), expected);
        assert_eq!(script.response().text(), format!("/**/f([{expected}]);"));
        assert_eq!(text(&mut plain), expected);
        assert_eq!(text(&mut meta), format!("id: {NOW}:0\n\n{expected}"));
        // Compressed, because it is long enough now.
        assert_eq!(read(&mut deflated).0, 0xc0 | TEXT);
        // A script whose channel is deleted is called with the notice.
        script.get("/sub?id=1&cb=f", &after(DATE, "W/0"));
        wait(&gateway, 4);
        gateway.request("DELETE", "/pub?id=1", "", "");
        let deleted = notice(-2, "Channel deleted");
        assert_eq!(script.response().text(), format!("/**/f([{deleted}]);"));
        assert_eq!(text(&mut plain), deleted);
    }
}

#[test]
fn the_template_is_for_streams_alone_in_the_other_dialects() {
    for hold in MODES {
        for dialect in ["push_module", "nchan"] {
            let keys = "push_message_template = '<~id~ ~event-id~ ~text~>'\n";
            let gateway = speaking(dialect, hold, keys);
            gateway.request("POST", "/pub?id=1", "Event-Id: e\r\n", "hi");
            publish(&gateway, &["2"]);
            assert_eq!(gateway.request("GET", "/sub?id=1", "", "").text(), "hi");
            assert_eq!(text(&mut open(&gateway, "/sub?id=1", "")), "hi");
            let mut chunked = stream(&gateway, "/sub?id=1", "TE: chunked\r\n");
            assert_eq!(chunked.exactly_chunked(3), b"hi2");
            let templates = format!("{keys}push_subscriber = [\"stream\"]");
            let gateway = speaking(dialect, hold, &templates);
            gateway.request("POST", "/pub?id=1", "Event-Id: e\r\n", "hi");
            publish(&gateway, &["2"]);
            let expected = format!("<{NOW}:0 e hi><{NOW}:1 {NOW}:1 2>");
            let mut streamed = stream(&gateway, "/sub?id=1", "");
            assert_eq!(chunked_text(&mut streamed, expected.len()), expected);
        }
    }
}

// ---- Streams -----------------------------------------------------------------------------------

#[test]
fn the_heads_of_push_streams_streams_forbid_caching() {
    for hold in MODES {
        let gateway = speaking("push_stream", hold, "");
        for headers in [EVENTS, "TE: chunked\r\n", "Accept: multipart/mixed\r\n", HANDSHAKE] {
            let mut client = gateway.connect();
            client.get("/sub?id=1", headers);
            let head = client.head();
            for line in [
                "\r\nCache-Control: no-cache, no-store, must-revalidate\r\n",
                "\r\nExpires: Thu, 01 Jan 1970 00:00:01 GMT\r\n",
            ] {
                assert_eq!(head.matches(line).count(), 1, "{head}");
            }
        }
    }
}

/// What an event stream is sent until it ends for a reason.
fn events(dialect: &str, hold: &str, reason: &str) -> String {
    let keys = match reason {
        "timeout" => "push_subscriber_timeout = \"100ms\"",
        "conflict" => "push_subscriber_concurrency = \"last\"",
        _ => "",
    };
    let mut gateway = speaking(dialect, hold, keys);
    let mut client = stream(&gateway, "/sub?id=1", EVENTS);
    let mut second = gateway.connect();
    match reason {
        "conflict" => second.get("/sub?id=1", EVENTS),
        "deleted" => drop(gateway.request("DELETE", "/pub?id=1", "", "")),
        "shutdown" => gateway.stop(),
        _ => {}
    }
    let all = rest(&mut client);
    drop((client, second));
    all
}

#[test]
fn an_event_stream_begins_and_ends_as_its_module_does() {
    for hold in MODES {
        for (dialect, opening, endings) in [
            (
                "push_module",
                "retry: 2000\n\n",
                [
                    ("timeout", "event: close\ndata: timeout\n\n"),
                    ("deleted", "event: close\ndata: deleted\n\n"),
                    ("conflict", "event: close\ndata: conflict\n\n"),
                    ("shutdown", "event: close\ndata: shutdown\n\n"),
                ],
            ),
            (
                "nchan",
                ": hi\n\nretry: 2000\n\n",
                [
                    ("timeout", ":408: 408 Request Timeout\n\n"),
                    ("deleted", ":410: 410 Gone\n\n"),
                    ("conflict", ":409: 409 Conflict\n\n"),
                    ("shutdown", ":503: 503 Service Unavailable\n\n"),
                ],
            ),
            (
                "push_stream",
                ": \nretry: 2000\n\n",
                [
                    ("timeout", ""),
                    ("deleted", "data: Channel deleted\n\n"),
                    ("conflict", ""),
                    ("shutdown", ""),
                ],
            ),
        ] {
            for (reason, ending) in endings {
                let found = events(dialect, hold, reason);
                assert_eq!(found, format!("{opening}{ending}"), "{dialect} {reason}");
            }
        }
    }
}

#[test]
fn the_notice_of_a_deletion_names_the_channel_that_was_deleted() {
    for hold in MODES {
        let keys = "push_message_template = '~id~ ~channel~|'\ngzip = true";
        let gateway = speaking("push_stream", hold, keys);
        let [mut poll, mut events] = [gateway.connect(), gateway.connect()];
        poll.get("/sub?id=a/b/c", "");
        events.get("/sub?id=a/b/c", &format!("{EVENTS}Accept-Encoding: gzip\r\n"));
        let mut plain = stream(&gateway, "/sub?id=a/b/c", EVENTS);
        let mut socket = open(&gateway, "/sub?id=a/b/c", "");
        gateway.wait_for_subscribers("/pub?id=b", 4);
        gateway.request("DELETE", "/pub?id=b", "", "");
        assert_eq!(poll.response().text(), "-2 b|");
        assert!(rest(&mut plain).ends_with("\n\ndata: -2 b|\n\n"));
        assert_eq!(text(&mut socket), "-2 b|");
        events.head();
        let packed: Vec<u8> = std::iter::from_fn(|| events.chunk()).flatten().collect();
        let mut unpacked = String::new();
        GzDecoder::new(&packed[..]).read_to_string(&mut unpacked).unwrap();
        assert!(unpacked.ends_with("\n\ndata: -2 b|\n\n"), "{unpacked}");
    }
}

#[test]
fn without_push_retry_an_event_stream_begins_in_the_modules_words_alone() {
    for hold in MODES {
        for (dialect, opening) in DIALECTS.into_iter().zip([":\n\n", ": hi\n\n", ": \n"]) {
            let gateway = speaking(dialect, hold, "push_retry = 0");
            let mut client = stream(&gateway, "/sub?id=1", EVENTS);
            assert_eq!(client.chunk().unwrap(), opening.as_bytes(), "{dialect}");
        }
    }
}

#[test]
fn an_event_stream_is_kept_alive_by_a_comment() {
    for hold in MODES {
        for (dialect, ping) in DIALECTS.into_iter().zip([":\n\n", ":\n\n", ": -1\n"]) {
            let keys = format!("{TEMPLATE}push_ping_interval = \"50ms\"");
            let gateway = speaking(dialect, hold, &keys);
            let mut client = stream(&gateway, "/sub?id=1", EVENTS);
            client.chunk();
            for _ in 0..3 {
                assert_eq!(client.chunk().unwrap(), ping.as_bytes(), "{dialect}");
            }
        }
    }
}

#[test]
fn pings_and_ends_of_push_streams_streams_are_messages() {
    for hold in MODES {
        let keys = format!(
            "{TEMPLATE}push_subscriber = [\"stream\"]\npush_ping_interval = \"50ms\"\n\
             push_header_template = \"HEAD\"\npush_footer_template = \"FOOT\""
        );
        let gateway = speaking("push_stream", hold, &keys);
        let mut client = stream(&gateway, "/sub?id=1", "");
        assert_eq!(client.chunk().unwrap(), b"HEAD");
        assert_eq!(client.chunk().unwrap(), notice(-1, " ").as_bytes());
        publish(&gateway, &["hi"]);
        gateway.request("DELETE", "/pub?id=1", "", "");
        let all = rest(&mut client).replace(&notice(-1, " "), "");
        let deleted = notice(-2, "Channel deleted");
        assert_eq!(all, format!("{}{deleted}FOOT", worded(1, 0, "hi")));
        // In the other dialects there is nothing to say to a client that nobody knows.
        let keys = format!("{keys}\npush_subscriber_timeout = \"200ms\"");
        for dialect in DIALECTS {
            let gateway = speaking(dialect, hold, &keys);
            let all = rest(&mut stream(&gateway, "/sub?id=1", ""));
            let own = all.strip_prefix("HEAD").unwrap().strip_suffix("FOOT").unwrap();
            let pings = own.replace(&notice(-1, " "), "");
            assert_eq!((pings.as_str(), own.is_empty()), ("", dialect != "push_stream"));
        }
    }
}

// ---- WebSockets --------------------------------------------------------------------------------

/// All frames that a WebSocket gets until it ends for a reason.
fn frames(dialect: &str, reason: &str) -> Vec<(u8, Vec<u8>)> {
    let keys = match reason {
        "timeout" => "push_subscriber_timeout = \"100ms\"",
        "conflict" => "push_subscriber_concurrency = \"last\"",
        _ => "",
    };
    let mut gateway = speaking(dialect, "hall", &format!("{TEMPLATE}{keys}"));
    let mut client = open(&gateway, "/sub?id=1", "");
    wait(&gateway, 1);
    let _second = (reason == "conflict").then(|| open(&gateway, "/sub?id=1", ""));
    match reason {
        "deleted" => drop(gateway.request("DELETE", "/pub?id=1", "", "")),
        "shutdown" => gateway.stop(),
        _ => {}
    }
    let mut frames = Vec::new();
    loop {
        let (first, payload) = read(&mut client);
        frames.push((first, payload));
        if first == 0x80 | CLOSE {
            return frames;
        }
    }
}

#[test]
fn a_web_socket_is_closed_as_its_module_closes_it() {
    for (dialect, endings) in [
        (
            "push_module",
            [
                ("timeout", 1000, "timeout"),
                ("deleted", 4410, "deleted"),
                ("conflict", 4409, "conflict"),
                ("shutdown", 1012, "shutdown"),
            ],
        ),
        (
            "nchan",
            [
                ("timeout", 1000, "408 408 Request Timeout"),
                ("deleted", 1001, "410 Gone"),
                ("conflict", 1000, "409 409 Conflict"),
                ("shutdown", 1001, "410 Gone"),
            ],
        ),
    ] {
        for (reason, code, said) in endings {
            let payload = [&u16::to_be_bytes(code), said.as_bytes()].concat();
            assert_eq!(frames(dialect, reason), [(0x80 | CLOSE, payload)], "{dialect} {reason}");
        }
    }
    let silent = (0x80 | CLOSE, Vec::new());
    assert_eq!(frames("push_stream", "timeout"), std::slice::from_ref(&silent));
    assert_eq!(frames("push_stream", "shutdown"), std::slice::from_ref(&silent));
    let deleted = (0x80 | TEXT, notice(-2, "Channel deleted").into_bytes());
    assert_eq!(frames("push_stream", "deleted"), [deleted, silent]);
    let mut refused = 1008_u16.to_be_bytes().to_vec();
    refused.extend(b"{\"http_status\": 409, \"explain\":\"Another subscriber has the channel.\"}");
    assert_eq!(frames("push_stream", "conflict"), [(0x80 | CLOSE, refused)]);
}

#[test]
fn what_a_client_says_that_may_only_listen_ends_it_but_not_in_push_stream() {
    for dialect in DIALECTS {
        let gateway = speaking(dialect, "hall", "");
        let mut client = open(&gateway, "/sub?id=1", "");
        wait(&gateway, 1);
        client.send([message(TEXT, b"one"), message(TEXT, b"two")].concat());
        if dialect == "push_stream" {
            publish(&gateway, &["hi"]);
            assert_eq!(client.exactly(4), b"\x81\x02hi");
            // Nobody published what it said.
            let info = gateway.request("GET", "/pub?id=1", "", "");
            assert!(info.text().starts_with("queued messages: 1\r\n"), "{info:?}");
            continue;
        }
        let mut payload = 1008_u16.to_be_bytes().to_vec();
        payload.extend(b"Messages are not taken here.");
        assert_eq!(read(&mut client), (0x80 | CLOSE, payload), "{dialect}");
        client.assert_closed();
    }
}

#[test]
fn messages_of_nchans_subprotocol_say_their_id_and_type() {
    let gateway = speaking("nchan", "hall", "");
    gateway.request("POST", "/pub?id=1", "Content-Type: text/x\r\n", "one");
    publish(&gateway, &["two", "id: 1:1\n\nthree"]);
    let offer = "Sec-WebSocket-Protocol: ws+meta.nchan\r\n";
    let (mut meta, head) = open_with(&gateway, "/sub?id=1", offer);
    assert!(head.contains("\r\nSec-WebSocket-Protocol: ws+meta.nchan\r\n"), "{head}");
    assert_eq!(text(&mut meta), format!("id: {NOW}:0\ncontent-type: text/x\n\none"));
    let second = text(&mut meta);
    assert_eq!(second, format!("id: {NOW}:1\n\ntwo"));
    // What its client sends back of it.
    let id = second.lines().next().unwrap()[4..].replace(':', "%3A");
    let (mut meta, _) = open_with(&gateway, &format!("/sub?id=1&last_event_id={id}"), offer);
    assert_eq!(text(&mut meta), format!("id: {NOW}:2\n\nid: 1:1\n\nthree"));
}

// ---- Refusals ----------------------------------------------------------------------------------

#[test]
fn a_subscriber_is_refused_in_the_words_of_its_dialect() {
    let limits = "push_max_channel_id_length = 8\npush_max_channel_subscribers = 1\n\
                  push_authorized_channels_only = true";
    for hold in MODES {
        let gateways = DIALECTS.map(|dialect| speaking(dialect, hold, limits));
        let _waiting = gateways.each_ref().map(|gateway| {
            publish(gateway, &["x"]);
            let client = stream(gateway, "/sub?id=1", EVENTS);
            wait(gateway, 1);
            client
        });
        for (id, headers, own, other) in [
            ("", "", ("404 Not Found", "No channel id provided."), ("400 Bad Request", "=")),
            (
                "123456789",
                "",
                ("403 Forbidden", "The channel id is too long."),
                ("400 Bad Request", "Channel id is too large."),
            ),
            (
                "2",
                "",
                ("403 Forbidden", "The channel does not exist, and subscribers may not create it."),
                ("403 Forbidden", "Subscriber could not create channels."),
            ),
            (
                "1",
                "TE: chunked\r\n",
                ("403 Forbidden", "The channel has as many subscribers as it may have."),
                ("403 Forbidden", "Subscribers limit per channel has been exceeded."),
            ),
            (
                "1",
                "If-Modified-Since: soon\r\n",
                ("400 Bad Request", "If-Modified-Since is no HTTP date."),
                ("400 Bad Request", "="),
            ),
            (
                "1&last_event_id=zork",
                "",
                ("400 Bad Request", "A message id is `time:tag` or a time in seconds."),
                ("400 Bad Request", "="),
            ),
        ] {
            let sentence = if other.1 == "=" { own.1 } else { other.1 };
            let expected =
                [refusal(own.0, own.1), refusal(own.0, own.1), explained(other.0, sentence)];
            for ((gateway, dialect), expected) in gateways.iter().zip(DIALECTS).zip(expected) {
                let found = gateway.request("GET", &format!("/sub?id={id}"), headers, "");
                assert_eq!(said(&found), expected, "{dialect}: {id} {headers:?}");
            }
        }
    }
}

#[test]
fn what_only_one_may_have_is_refused_to_others_in_the_manner_of_the_dialect() {
    let sentence = "Another subscriber has the channel.";
    for hold in MODES {
        for (dialect, expected) in DIALECTS.into_iter().zip([
            refusal("409 Conflict", sentence),
            refusal("409 Conflict", sentence),
            explained("409 Conflict", sentence),
        ]) {
            let gateway = speaking(dialect, hold, "push_subscriber_concurrency = \"first\"");
            let _first = stream(&gateway, "/sub?id=1", EVENTS);
            wait(&gateway, 1);
            for headers in ["", EVENTS, HANDSHAKE] {
                let found = gateway.request("GET", "/sub?id=1", headers, "");
                assert_eq!(said(&found), expected, "{dialect} {headers:?}");
            }
        }
    }
}

#[test]
fn names_of_many_channels_are_refused_to_subscribers_of_push_stream() {
    let gateway = speaking("push_stream", "hall", "");
    let refused = explained("403 Forbidden", "Channel id not authorized for this method.");
    for id in ["ALL", "a*", "x/ALL.b3", "*"] {
        for headers in ["", EVENTS, HANDSHAKE] {
            let found = gateway.request("GET", &format!("/sub?id={id}"), headers, "");
            assert_eq!(said(&found), refused, "{id}");
        }
    }
}

#[test]
fn a_handshake_that_is_none_is_explained_in_push_stream() {
    let gateway = speaking("push_stream", "hall", "");
    let short = HANDSHAKE.replace("dGhlIHNhbXBsZSBub25jZQ==", "short");
    let found = gateway.request("GET", "/sub?id=1", &short, "");
    let explain = found.header("x-nginx-pushstream-explain").unwrap().to_owned();
    assert_eq!(said(&found), explained("400 Bad Request", &explain));
    let old = gateway.request("GET", "/sub?id=1", &HANDSHAKE.replace("13", "8"), "");
    assert_eq!((old.status, old.header("sec-websocket-version")), (426, Some("13")));
    assert!(old.header("x-nginx-pushstream-explain").is_some() && old.body.is_empty());
}

#[test]
fn a_method_that_a_subscriber_location_does_not_take() {
    let allow = "Allow: GET, HEAD, OPTIONS";
    let sentence = "The location takes GET, HEAD, OPTIONS.";
    let explain = format!("X-Nginx-Pushstream-Explain: {sentence}");
    let own =
        answer("405 Method Not Allowed", &[allow, NO_CACHE, "Content-Type: text/plain"], sentence);
    let module = uncached("405 Method Not Allowed", &[allow, &explain], "");
    for (dialect, expected) in DIALECTS.into_iter().zip([own.clone(), own, module]) {
        let gateway = speaking(dialect, "hall", "");
        let found = gateway.request("POST", "/sub?id=1", "", "x");
        assert_eq!(said(&found), expected, "{dialect}");
    }
}
