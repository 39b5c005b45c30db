//! Where a client left off, however it says so: SPEC section 7.

use crate::{
    client::Way,
    faults::{self, hear, run, waiting},
    harness::{Gateway, Response},
    site::{DATE, MODES, NOW, event, listen, start, wait},
};

const EVENTS: &str = "Accept: text/event-stream\r\n";
const SHORT: &str = "push_message_buffer_length = 3";

/// A gateway with the messages `m0` to `m9`, of which it keeps ten.
fn ten(hold: &str, subscriber: &str) -> Gateway {
    with_messages(start(hold, "", subscriber))
}

fn with_messages(gateway: Gateway) -> Gateway {
    for number in 0..10 {
        gateway.publish("/pub?id=1", &format!("m{number}"));
    }
    gateway
}

fn poll(gateway: &Gateway, target: &str, headers: &str) -> Response {
    gateway.request("GET", &format!("/sub?id=1{target}"), headers, "")
}

#[test]
fn both_validators_name_the_message_however_the_tag_is_written() {
    for hold in MODES {
        let gateway = ten(hold, "");
        for tag in ["3", "\"3\"", "W/\"3\"", "W/3", " 3 "] {
            let headers = format!("If-Modified-Since: {DATE}\r\nIf-None-Match: {tag}\r\n");
            let answer = poll(&gateway, "", &headers);
            assert_eq!((answer.text(), answer.header("etag")), ("m4", Some("4")), "{tag}");
            assert_eq!(answer.header("x-push-gap"), None);
        }
        let whole = format!("If-None-Match: \"{NOW}:6\"\r\n");
        assert_eq!(poll(&gateway, "", &whole).text(), "m7");
        // An Etag alone is the validator of somebody else.
        assert_eq!(poll(&gateway, "", "If-None-Match: 6\r\n").text(), "m0");
    }
}

#[test]
fn a_date_without_tag_has_seen_its_whole_second() {
    for hold in MODES {
        let gateway = ten(hold, "");
        let mut client = gateway.connect();
        client.get("/sub?id=1", &format!("If-Modified-Since: {DATE}\r\n"));
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "next");
        assert_eq!(client.response().text(), "next");
        let before = "If-Modified-Since: Tue, 22 Dec 2015 03:34:39 GMT\r\n";
        assert_eq!(poll(&gateway, "", before).text(), "m1");
    }
}

/// A subscriber of each of these transports says that it has had message 3, in each of these places:
/// arguments and headers. It gets the next one, and if its response goes on all others.
fn assert_resumes(hold: &str, keys: &str, ways: &[Way], places: &[(&str, &str)]) {
    let gateway = faults::start("workers = 2", hold, keys);
    for number in 0..10 {
        gateway.publish("/pub?c=1", &format!("m{number}"));
    }
    run(async {
        for way in ways {
            for (target, headers) in places {
                let at_first = ((*target).to_owned(), (*headers).to_owned());
                let mut listener = waiting(gateway.address, *way, "1", at_first).await;
                for number in 4..if way.polls() { 5 } else { 10 } {
                    let text = hear(&mut listener).await;
                    assert_eq!(text, format!("m{number}"), "{hold} {way:?} {target} {headers}");
                }
                assert_eq!(listener.gaps, 0, "{way:?}");
            }
        }
    });
}

#[test]
fn an_explicit_id_resumes_every_transport() {
    let header = format!("Last-Event-ID: {NOW}:3\r\n");
    let [argument, encoded] = [":", "%3A"].map(|colon| format!("&last_event_id={NOW}{colon}3"));
    for hold in MODES {
        assert_resumes(hold, "", &Way::ALL, &[("", &header), (&argument, ""), (&encoded, "")]);
    }
}

#[test]
fn an_id_in_a_place_of_ones_own_resumes_every_transport() {
    let (from, cookie) = (format!("&from={NOW}:3"), format!("Cookie: seen={NOW}:3\r\n"));
    let both = format!("&from={NOW}:3&last_event_id={NOW}:7");
    let keys = "push_last_message_id = [\"$arg_from\", \"$cookie_seen\"]";
    let others: Vec<Way> = Way::ALL.into_iter().filter(|way| *way != Way::Json).collect();
    for hold in MODES {
        let places = [(&*from, ""), ("", &*cookie), (&*both, "")];
        assert_resumes(hold, keys, &others, &places);
        // The location of the JSON poll has a place of its own.
        assert_resumes(hold, keys, &[Way::Json], &[(&format!("&since={NOW}:3"), "")]);
    }
}

#[test]
fn a_second_without_tag_has_seen_nothing_of_it_where_an_id_is_asked_for() {
    let gateway = ten("hall", "");
    assert_eq!(poll(&gateway, &format!("&last_event_id={NOW}"), "").text(), "m0");
}

#[test]
fn an_id_from_the_future_waits_and_gets_the_next_message() {
    for hold in MODES {
        let gateway = ten(hold, "");
        for (number, id) in [format!("{}:0", NOW + 1000), format!("{NOW}:99")].iter().enumerate() {
            let headers = format!("Last-Event-ID: {id}\r\n");
            let mut client = gateway.connect();
            client.get("/sub?id=1", &headers);
            let mut events = listen(&gateway, &headers);
            wait(&gateway, 2);
            gateway.publish("/pub?id=1", "next");
            assert_eq!(client.response().text(), "next");
            assert_eq!(events.chunk().unwrap(), event(10 + number as u64, "next"));
            drop(events);
            wait(&gateway, 0);
        }
    }
}

#[test]
fn an_id_that_has_left_the_buffer_gets_the_oldest_and_is_told_of_the_gap() {
    for hold in MODES {
        let gateway = with_messages(start(hold, SHORT, "push_gap_events = true"));
        let answer = poll(&gateway, &format!("&last_event_id={NOW}:3"), "");
        assert_eq!(answer.text(), "m7");
        assert_eq!(answer.header("x-push-gap"), Some(&*format!("{NOW}:3")));
        // The one before the oldest has seen everything.
        let answer = poll(&gateway, &format!("&last_event_id={NOW}:6"), "");
        assert_eq!((answer.text(), answer.header("x-push-gap")), ("m7", None));
        // Who brings no id misses nothing that was promised.
        assert_eq!(poll(&gateway, "", "").header("x-push-gap"), None);

        let mut events = listen(&gateway, &format!("Last-Event-ID: {NOW}:3\r\n"));
        let gap = format!("event: gap\ndata: {{\"after\":\"{NOW}:3\"}}\n\n");
        let wanted: Vec<u8> =
            [gap.into_bytes(), event(7, "m7"), event(8, "m8"), event(9, "m9")].concat();
        assert_eq!(events.exactly_chunked(wanted.len()), wanted);
    }
}

/// Of so many messages, published to locations with these keys, some are gone for who had the first of
/// the two, and none for who had the second: the head of every response that goes on says so.
fn assert_heads_tell(keys: &str, messages: usize, [lost, whole]: [usize; 2]) {
    for hold in MODES {
        let gateway = faults::start("workers = 2", hold, keys);
        for number in 0..messages {
            gateway.publish("/pub?c=1", &format!("m{number}"));
        }
        for way in Way::endless() {
            for (id, gap) in [(lost, true), (whole, false)] {
                let (target, headers) = way.request("1");
                let mut client = gateway.connect();
                client.get(&format!("{target}&last_event_id={NOW}:{id}"), &headers);
                let told = format!("X-Push-Gap: {NOW}:{id}\r\n");
                assert_eq!(client.head().contains(&told), gap, "{hold} {way:?} {id}");
            }
        }
    }
}

#[test]
fn the_head_of_what_goes_on_tells_of_the_gap_before_it() {
    assert_heads_tell(SHORT, 10, [3, 8]);
}

#[test]
fn the_head_tells_of_a_gap_when_nothing_is_left_either() {
    assert_heads_tell("push_store_messages = false\npush_grace = 0", 4, [1, 3]);
}

#[test]
fn a_poll_that_waits_is_told_of_the_gap_behind_its_own_id() {
    for hold in MODES {
        let gateway = start(hold, "push_store_messages = false\npush_grace = 0", "");
        for text in ["one", "two"] {
            gateway.publish("/pub?id=1", text);
        }
        let mut client = gateway.connect();
        client.get("/sub?id=1", &format!("Last-Event-ID: {NOW}:0\r\n"));
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "three");
        let answer = client.response();
        assert_eq!(answer.text(), "three");
        assert_eq!(answer.header("x-push-gap"), Some(&*format!("{NOW}:0")), "{hold}");
    }
}

#[test]
fn gaps_are_no_events_unless_asked_for() {
    for hold in MODES {
        let gateway = with_messages(start(hold, SHORT, ""));
        let mut events = listen(&gateway, &format!("Last-Event-ID: {NOW}:3\r\n"));
        let mut found = events.chunk().unwrap();
        found.truncate(event(7, "m7").len());
        assert_eq!(found, event(7, "m7"));
    }
}

#[test]
fn a_malformed_id_is_400_with_the_reason() {
    for hold in MODES {
        let gateway = ten(hold, "push_last_message_id = \"$arg_from\"");
        let everywhere =
            faults::start("workers = 2", hold, "push_last_message_id = \"$arg_since\"");
        let sentence = "A message id is `time:tag` or a time in seconds.";
        let malformed = [
            ("&last_event_id=zork", String::new(), sentence),
            ("&last_event_id=1:x", String::new(), sentence),
            ("&last_event_id=-1", String::new(), sentence),
            ("&from=1:2:3", String::new(), sentence),
            ("", "Last-Event-ID: a b\r\n".into(), sentence),
            ("&from=99999999999999999999999:0", String::new(), "The message id is too large."),
            ("", "If-Modified-Since: yesterday\r\n".into(), "If-Modified-Since is no HTTP date."),
            (
                "",
                format!("If-Modified-Since: {DATE}\r\nIf-None-Match: abc\r\n"),
                "If-None-Match is not the Etag of a message.",
            ),
        ];
        for (target, headers, sentence) in malformed {
            let answer = poll(&gateway, target, &headers);
            assert_eq!((answer.status, answer.text()), (400, sentence), "{target}, {headers}");
            let answer = poll(&gateway, target, &format!("{EVENTS}{headers}"));
            assert_eq!((answer.status, answer.text()), (400, sentence));
            for way in Way::ALL {
                let (path, own) = way.request("1");
                let target = path + &target.replace("from", "since");
                let answer = everywhere.request("GET", &target, &(own + &headers), "");
                assert_eq!((answer.status, answer.text()), (400, sentence), "{way:?} {target}");
            }
        }
        let long = format!("&last_event_id={}", "1".repeat(65));
        assert_eq!(poll(&gateway, &long, "").text(), "The message id is too long.");
        // Empty is the same as absent.
        assert_eq!(poll(&gateway, "&last_event_id=&from=", "").text(), "m0");
    }
}

#[test]
fn who_brings_no_id_begins_where_the_location_says() {
    for hold in MODES {
        for (first, text) in [("\"oldest\"", "m0"), ("-1", "m9"), ("-4", "m6"), ("-99", "m0")] {
            let gateway = ten(hold, &format!("push_first_message = {first}"));
            assert_eq!(poll(&gateway, "", "").text(), text, "{first}");
        }
        let gateway = ten(hold, "push_first_message = \"newest\"");
        let mut events = listen(&gateway, "");
        let mut client = gateway.connect();
        client.get("/sub?id=1", "");
        wait(&gateway, 2);
        gateway.publish("/pub?id=1", "m10");
        assert_eq!(client.response().text(), "m10");
        assert_eq!(events.chunk().unwrap(), event(10, "m10"));
        assert_eq!(poll(&gateway, &format!("&last_event_id={NOW}:2"), "").text(), "m3");
    }
}

#[test]
fn several_channels_are_merged_in_the_order_of_publishing_and_resumed_by_one_id() {
    for hold in MODES {
        let split = "push_channel_id_split_delimiter = \",\"";
        let gateway = start(hold, "", split);
        for number in 0..6 {
            gateway.publish(
                &format!("/pub?id={}", ["a", "b", "c"][number % 3]),
                &format!("m{number}"),
            );
        }
        for (from, first) in [(String::new(), 0), (format!("Last-Event-ID: {NOW}:2\r\n"), 3)] {
            let mut events = gateway.connect();
            events.get("/sub?id=b,c,a,b", &format!("{EVENTS}{from}"));
            events.head();
            events.chunk();
            let wanted: Vec<u8> =
                (first..6).flat_map(|tag| event(tag, &format!("m{tag}"))).collect();
            assert_eq!(events.exactly_chunked(wanted.len()), wanted);
        }
        let mut events = gateway.connect();
        events.get("/sub?id=b,c,a,b", &format!("{EVENTS}Last-Event-ID: {NOW}:5\r\n"));
        events.head();
        events.chunk();
        gateway.wait_for_subscribers("/pub?id=c", 1);
        for number in 6..12 {
            let id = ["c", "a", "b"][number % 3];
            gateway.publish(&format!("/pub?id={id}"), &format!("m{number}"));
        }
        let wanted: Vec<u8> = (6..12).flat_map(|tag| event(tag, &format!("m{tag}"))).collect();
        assert_eq!(events.exactly_chunked(wanted.len()), wanted);
    }
}
