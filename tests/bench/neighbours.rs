//! Faults of the small channels and of the large one, each beside the others.

use std::thread;

use crate::{
    run::{Told, report},
    server::{Fault, Kind, Server, Wrong},
};

/// Each fault, and what it must be called.
const FAULTS: [(Fault, &[(&str, u64)]); 9] = [
    (Fault::Drop, &[("lost", 1)]),
    (Fault::Double, &[("doubled", 1)]),
    (Fault::Swap, &[("inverted", 1)]),
    (Fault::Foreign, &[("lost", 1), ("foreign", 1)]),
    (Fault::Stray, &[("lost", 1), ("foreign", 1)]),
    (Fault::Corrupt, &[("lost", 1), ("corrupt", 1)]),
    (Fault::Short, &[("lost", 1), ("corrupt", 1)]),
    (Fault::Framing, &[("framing", 1)]),
    (Fault::Close, &[("closed", 1)]),
];
const SUBSCRIBERS: u64 = 4;
const ROUNDS: u64 = 30;
/// Makes a run last a second, in which each small channel has twenty messages.
const SECOND: &str = "--pub-rate 60";

fn run(server: &Server, transport: &str, more: &str) -> Told {
    report(&format!(
        "neighbour {} --transport {transport} --subs {SUBSCRIBERS} --channels 2 --warmup 1 \
         --messages {} --neighbours 2 --beats 40 --patience 4 {more}",
        server.urls("sub"),
        ROUNDS - 1
    ))
}

/// Messages to neighbours that were timed.
fn beats(told: &Told) -> u64 {
    let times = told.report["phases"][1]["times"].as_array().unwrap();
    let beats = times.iter().find(|times| times["name"] == "neighbour").unwrap();
    beats["count"].as_u64().unwrap()
}

fn assert_faults(transport: &str, kind: Kind) {
    thread::scope(|scope| {
        for (fault, expected) in FAULTS {
            scope.spawn(move || {
                let server = Server::start_with(Wrong { fault, victims: 1, at: 2, kind });
                let told = run(&server, transport, SECOND);
                let mut faults = told.faults();
                let mut expected = expected.to_vec();
                faults.sort_unstable();
                expected.sort_unstable();
                let context = format!("{fault:?} of {kind:?} by {transport}: {told:#?}");
                assert_eq!(faults, expected, "{context}");
                assert_eq!(told.status, 1, "{context}");
                let words = told.report["faults"]["told"][0].as_str().unwrap();
                let whose = if kind == Kind::Small { "neighbours' " } else { "" };
                assert!(words.starts_with(&format!("{whose}subscriber ")), "{context}");
            });
        }
    });
}

#[test]
fn a_run_beside_neighbours_without_faults_is_said_to_have_none() {
    for transport in ["sse", "ws", "long-poll"] {
        let server = Server::start(Fault::None, 0);
        let told = run(&server, transport, SECOND);
        let beats = beats(&told);
        assert!(beats > 10, "{told:#?}");
        told.assert_clean(SUBSCRIBERS * ROUNDS + beats);
    }
}

#[test]
fn faults_of_a_small_channel_are_told() {
    for transport in ["sse", "ws", "long-poll"] {
        assert_faults(transport, Kind::Small);
    }
}

#[test]
fn faults_of_the_large_channel_are_told() {
    for transport in ["sse", "ws", "long-poll"] {
        assert_faults(transport, Kind::Large);
    }
}

#[test]
fn what_the_neighbours_have_does_not_keep_a_run_going_that_has_lost_a_message() {
    // The publisher waits for one that never comes, and what follows it waits for the publisher.
    let wrong = Wrong { fault: Fault::Drop, victims: 1, at: 2, kind: Kind::Large };
    for more in ["", "--inflight 4"] {
        let server = Server::start_with(wrong);
        let told = run(&server, "sse", more);
        let complete = told.report["complete"].as_bool().unwrap();
        assert_eq!(told.faults(), [("lost", 1)], "{more}: {told:#?}");
        assert_eq!((told.status, complete), (1, false), "{more}: {told:#?}");
    }
}
