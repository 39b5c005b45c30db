//! Every fault, on every transport.

use std::{collections::HashSet, thread};

use crate::{
    run::{Told, bench, report},
    server::{Fault, Kind, Server, Wrong},
};

/// Name of the transport, and path of the location.
const TRANSPORTS: [(&str, &str); 7] = [
    ("sse", "sub"),
    ("ws", "sub"),
    ("long-poll", "sub"),
    ("interval-poll", "interval"),
    ("raw", "lines"),
    ("chunked", "sub"),
    ("multipart", "sub"),
];
const SUBSCRIBERS: u64 = 4;
const CHANNELS: u64 = 2;
const ROUNDS: u64 = 7;

fn run(server: &Server, transport: &str, path: &str, more: &str) -> Told {
    // The publisher is ahead, so that a message can come before the one it follows.
    report(&format!(
        "fanout {} --transport {transport} --subs {SUBSCRIBERS} --channels {CHANNELS} \
         --warmup 1 --messages {} --inflight 4 --patience 5 {more}",
        server.urls(path),
        ROUNDS - 1
    ))
}

/// Runs all transports at once, because each of them waits most of the time.
fn on_every_transport(fault: Fault, more: &str, check: impl Fn(&str, &Told) + Sync) {
    thread::scope(|scope| {
        for (transport, path) in TRANSPORTS {
            let check = &check;
            scope.spawn(move || {
                let server = Server::start(fault, 1);
                check(transport, &run(&server, transport, path, more));
            });
        }
    });
}

fn assert_faults(fault: Fault, expected: &[(&str, u64)]) {
    on_every_transport(fault, "", |transport, told| {
        assert_eq!(told.faults(), expected, "{fault:?} by {transport}: {told:#?}");
        assert_eq!(told.status, 1, "{transport}");
        let words = &told.report["faults"]["told"];
        assert!(words[0].is_string(), "{transport}: {words}");
    });
}

#[test]
fn a_server_without_faults_is_said_to_have_none() {
    for fault in [Fault::None, Fault::Split, Fault::Brief] {
        on_every_transport(fault, "--bytes 300", |transport, told| {
            told.assert_clean(SUBSCRIBERS * ROUNDS);
            let delivered = told.count("/phases/1/times/0/count");
            assert_eq!(delivered, SUBSCRIBERS * (ROUNDS - 1), "{transport}");
        });
    }
}

#[test]
fn a_lost_message_is_told() {
    assert_faults(Fault::Drop, &[("lost", 1)]);
}

#[test]
fn a_message_that_comes_twice_is_told() {
    assert_faults(Fault::Double, &[("doubled", 1)]);
}

#[test]
fn a_last_message_that_comes_twice_is_told() {
    for transport in ["long-poll", "sse", "ws"] {
        let server = Server::start(Fault::Double, 1);
        let urls = server.urls("sub");
        let told = report(&format!("hold {urls} --transport {transport} --subs 2 --messages 3"));
        assert_eq!(told.faults(), [("doubled", 1)], "{transport}: {told:#?}");
    }
}

#[test]
fn two_exchanged_messages_are_told() {
    assert_faults(Fault::Swap, &[("inverted", 1)]);
}

#[test]
fn a_changed_byte_is_told_and_its_message_has_not_come() {
    assert_faults(Fault::Corrupt, &[("corrupt", 1), ("lost", 1)]);
}

#[test]
fn a_missing_byte_is_told_and_its_message_has_not_come() {
    assert_faults(Fault::Short, &[("corrupt", 1), ("lost", 1)]);
}

#[test]
fn a_message_of_another_channel_is_told_and_does_not_replace_what_it_hides() {
    assert_faults(Fault::Foreign, &[("foreign", 1), ("lost", 1)]);
}

#[test]
fn a_connection_that_the_server_ends_is_told_and_owed_nothing_more() {
    assert_faults(Fault::Close, &[("closed", 1)]);
}

#[test]
fn what_is_not_of_the_protocol_is_told() {
    assert_faults(Fault::Framing, &[("framing", 1)]);
}

#[test]
fn a_subscriber_that_is_refused_is_told() {
    assert_faults(Fault::Refuse, &[("refused", 1)]);
}

#[test]
fn subscribers_that_are_never_answered_are_the_reason_why_a_run_ends() {
    for more in ["", "--transport ws --per-process 2"] {
        let server = Server::start(Fault::Ignore, 2);
        let urls = server.urls("sub");
        let told = report(&format!("fanout {urls} --subs 5 --patience 2 {more}"));
        assert_eq!((told.faults(), told.status), (vec![], 1), "{told:#?}");
        let why = "2 of 5 subscribers have not been answered, and nothing has come for 2 s";
        assert_eq!(told.report["faults"]["told"], serde_json::json!([why]), "{told:#?}");
    }
    let server =
        Server::start_with(Wrong { fault: Fault::Ignore, victims: 1, at: 0, kind: Kind::Small });
    let urls = server.urls("sub");
    let words = format!("neighbour {urls} --subs 5 --neighbours 3 --patience 2 --quiet");
    let output = bench(&words);
    let table = String::from_utf8(output.stdout).unwrap();
    let end = "\n0 messages checked byte by byte: no fault; the run did not come to its end\n  \
               1 of 3 neighbours have not been answered, and nothing has come for 2 s\n";
    assert!(table.ends_with(end), "{table}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn polls_that_are_never_answered_are_told_from_losses() {
    let server = Server::start(Fault::Ignore, 1);
    let urls = server.urls("sub");
    let told = report(&format!("churn {urls} --subs 2 --warmup 0 --messages 2 --patience 2"));
    assert_eq!((told.faults(), told.status), (vec![("lost", 1)], 1), "{told:#?}");
    let words = told.report["faults"]["told"][0].as_str().unwrap();
    let rest = words.trim_start_matches(|at: char| at != ':');
    assert_eq!(rest, ": the request was never answered: 1 of 1 messages have not come");

    let server = Server::start(Fault::Drop, 1);
    let urls = server.urls("sub");
    let told = report(&format!("churn {urls} --subs 2 --messages 7 --patience 2"));
    let words = told.report["faults"]["told"][0].as_str().unwrap();
    assert!(!words.contains("never answered"), "{words}");
}

#[test]
fn a_message_that_is_not_accepted_is_told_and_not_expected() {
    assert_faults(Fault::Reject, &[("unpublished", 1)]);
}

#[test]
fn a_server_may_close_connections_that_it_owes_nothing() {
    for (fault, more) in [
        (Fault::Idle, "--inflight 1"),
        (Fault::Idle, "--pub-rate 50"),
        (Fault::Race, "--inflight 1"),
        (Fault::Race, "--pub-rate 50"),
    ] {
        let server = Server::start(fault, 0);
        let urls = server.urls("sub");
        let words = format!("--subs 4 --channels 2 --warmup 1 --messages 19 {more} --patience 5");
        let told = report(&format!("fanout {urls} {words}"));
        told.assert_clean(4 * 20);
        let published: Vec<String> = server.published().into_iter().map(|(_, body)| body).collect();
        let sequences: HashSet<&str> = published.iter().map(|body| named(body)).collect();
        assert_eq!((published.len(), sequences.len()), (40, 40), "{published:#?}");
        // All but the first of each connection were on their way when it was closed.
        let again = published.iter().filter(|body| body.starts_with("PL2:")).count();
        assert!(fault == Fault::Idle || again == 38, "{published:#?}");
    }
}

/// The channel and the sequence of a message.
fn named(body: &str) -> &str {
    let ends: Vec<usize> = body.match_indices(':').map(|(at, _)| at).collect();
    &body[ends[0]..ends[2]]
}

#[test]
fn a_message_that_was_taken_without_an_answer_may_come_twice() {
    let server = Server::start(Fault::Taken, 0);
    let words = "--subs 4 --warmup 1 --messages 6 --patience 5";
    let told = report(&format!("fanout {} {words}", server.urls("sub")));
    // Two of those that came were one message.
    assert_eq!((told.faults(), told.status), (vec![("unsure", 4)], 0), "{told:#?}");
    assert_eq!(told.count("/faults/checked"), 4 * 8, "{told:#?}");
    let server = Server::start(Fault::Taken, 0);
    let output = bench(&format!("fanout {} {words}", server.urls("sub")));
    let table = String::from_utf8(output.stdout).unwrap();
    let end = "\n4 came twice, which were sent twice\n32 messages checked byte by byte: no fault\n";
    assert!(table.ends_with(end), "{table}");
}

#[test]
fn a_connection_that_ends_twice_without_an_answer_is_told() {
    let server = Server::start(Fault::Mute, 0);
    let words = "--subs 1 --warmup 1 --messages 6 --patience 5";
    let told = report(&format!("fanout {} {words}", server.urls("sub")));
    assert_eq!((told.faults(), told.status), (vec![("closed", 1)], 1), "{told:#?}");
    let words = &told.report["faults"]["told"][0];
    assert_eq!(words, "publisher 0: closed without an answer");
}

#[test]
fn pings_are_answered_and_are_no_messages() {
    let server = Server::start(Fault::Ping, 2);
    run(&server, "ws", "sub", "").assert_clean(SUBSCRIBERS * ROUNDS);
    assert_eq!(server.pongs() as u64, 2 * ROUNDS);
}

#[test]
fn faults_in_other_processes_are_told_too() {
    let server = Server::start(Fault::Double, 8);
    let told = report(&format!(
        "fanout {} --subs 8 --per-process 3 --messages 6 --inflight 4 --patience 5",
        server.urls("sub")
    ));
    assert_eq!(told.faults(), [("doubled", 8)], "{told:#?}");
    assert_eq!((told.count("/processes"), told.status), (3, 1));
}
