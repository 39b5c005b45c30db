//! Every load, on a server without faults.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use crate::{
    run::{Told, bench, bench_with_descriptors, report, report_with_memory},
    server::{Fault, Kind, Server, Wrong},
};

#[test]
fn several_processes_hold_what_one_may_not() {
    let server = Server::start(Fault::None, 0);
    let told = report(&format!(
        "churn {} --subs 10 --per-process 4 --channels 3 --messages 5 --inflight 2",
        server.urls("sub")
    ));
    told.assert_clean(10 * 7);
    assert_eq!(told.count("/processes"), 3);
    assert_eq!(told.count("/phases/1/times/0/count"), 50);
}

#[test]
fn descriptors_of_other_processes_are_counted() {
    let server = Server::start(Fault::None, 0);
    let urls = server.urls("sub");
    let words = format!("hold {urls} --subs 41 --per-process 1 --messages 2 --json");
    let needed = |most: u64| {
        let output = bench_with_descriptors(most, &words);
        let told = String::from_utf8(output.stderr).unwrap();
        let rest = told.strip_prefix("pushgate: ").and_then(|rest| rest.split_once(' '));
        let (needed, rest) = rest.unwrap_or_else(|| panic!("with {most}: {told:?}"));
        let expected = format!("descriptors are needed, and a process may have {most}\n");
        assert_eq!((rest, output.status.code()), (&*expected, Some(1)));
        needed.parse::<u64>().unwrap()
    };
    // Each of forty other processes has two pipes.
    let enough = needed(66);
    assert!((80 + 5..200).contains(&enough), "{enough}");
    assert_eq!(needed(enough - 1), enough);
    let told = Told::of(bench_with_descriptors(enough, &words));
    told.assert_clean(41 * 2);
    assert_eq!(told.count("/processes"), 41);
}

#[test]
fn publish_measures_answers_and_checks_subscribers() {
    let server = Server::start(Fault::None, 0);
    let pub_url = format!("--pub http://{}/pub?c={{ch}}", server.address);
    let told = report(&format!("publish {pub_url} --channels 5 --pub-conns 2 --seconds 1"));
    told.assert_clean(0);
    assert!(told.count("/phases/0/operations") > 5, "{told:#?}");

    let urls = server.urls("sub");
    let words = format!("publish {urls} --subs 6 --channels 4 --seconds 1 --pub-rate 40");
    let told = report(&words);
    // A second and a half at that rate, on channels of which two have two subscribers.
    told.assert_clean(90);
    let answered = told.count("/phases/0/operations");
    assert!((20..=60).contains(&answered), "{told:#?}");
}

#[test]
fn headers_go_with_every_request_and_bodies_are_wrapped() {
    let server = Server::start(Fault::None, 0);
    let urls = server.urls("sub");
    let told =
        report(&format!("churn {urls} --subs 3 --warmup 0 --messages 2 --header X-Token:abc"));
    told.assert_clean(6);
    // Three requests, as many again after a message, perhaps after the last one too, and the messages.
    assert!((3 * 2 + 2..=3 * 3 + 2).contains(&server.tokens()));

    let server = Server::start(Fault::None, 0);
    let url = format!("http://{}/pub?c={{ch}}", server.address);
    let told = report(&format!(
        "publish --pub {url} --pub-body [{{ch}},{{msg}}] --pub-rate 20 --seconds 1"
    ));
    told.assert_clean(0);
    let published = server.published();
    assert!(!published.is_empty());
    for (channel, body) in published {
        let start = format!("[{channel},PL1:{channel}:");
        assert!(body.starts_with(&start) && body.ends_with("~]"), "{channel}: {body}");
        assert_eq!(body.len(), 64 + channel.len() + 3);
    }
}

#[test]
fn connect_goes_through_all_cycles() {
    let server = Server::start(Fault::None, 0);
    for transport in ["sse", "ws", "long-poll --rst"] {
        let urls = server.urls("sub");
        let told = report(&format!(
            "connect {urls} --transport {transport} --channels 3 --cycles 50 --conns 5"
        ));
        let checked = if transport.starts_with("long") { 50 } else { 0 };
        told.assert_clean(checked);
        assert_eq!(told.count("/phases/0/operations"), 50, "{transport}");
        assert_eq!(told.count("/phases/0/times/0/count"), 50, "{transport}");
    }
}

#[test]
fn the_neighbour_is_served_while_the_large_channel_is() {
    let server = Server::start(Fault::None, 0);
    let urls = server.urls("sub");
    let told = report(&format!("neighbour {urls} --subs 20 --messages 200 --beats 1000"));
    let times = told.report["phases"][1]["times"].as_array().unwrap();
    let beats = times.iter().find(|times| times["name"] == "neighbour").unwrap()["count"].as_u64();
    let beats = beats.unwrap();
    assert!(beats > 1, "{told:#?}");
    told.assert_clean(20 * 202 + beats);
}

#[test]
fn a_visitor_that_is_refused_is_told() {
    let server = Server::start(Fault::Refuse, 1);
    let urls = server.urls("sub");
    let told = report(&format!("connect {urls} --channels 1 --cycles 5 --conns 1"));
    assert_eq!(told.faults(), [("refused", 1)], "{told:#?}");
}

#[test]
fn what_a_visitor_is_answered_is_told_as_what_it_is() {
    for (fault, kind) in [
        (Fault::Foreign, "foreign"),
        (Fault::Corrupt, "corrupt"),
        (Fault::Short, "corrupt"),
        (Fault::Framing, "framing"),
        (Fault::Close, "closed"),
    ] {
        // A visitor takes the first message of its channel.
        let server = Server::start_with(Wrong { fault, victims: 1, at: 0, kind: Kind::All });
        let urls = server.urls("sub");
        let told = report(&format!(
            "connect {urls} --transport long-poll --channels 2 --cycles 8 --conns 2"
        ));
        assert_eq!(told.faults(), [(kind, 1)], "{fault:?}: {told:#?}");
        assert_eq!(told.status, 1, "{told:#?}");
        let words = told.report["faults"]["told"][0].as_str().unwrap();
        assert!(words.starts_with("connection "), "{words}");
    }
}

#[test]
fn messages_that_wait_for_a_stalled_server_count_from_when_they_were_due() {
    let server = Server::start(Fault::Stall(Duration::from_millis(500)), 0);
    let urls = server.urls("sub");
    let told = report(&format!("fanout {urls} --subs 1 --warmup 0 --messages 40 --pub-rate 40"));
    told.assert_clean(40);
    // Twenty were due while it slept: most of them, and not one, had to wait for long.
    for times in ["/phases/1/times/0", "/phases/1/times/1"] {
        let (p90, max) =
            (told.number(&format!("{times}/p90")), told.number(&format!("{times}/max")));
        assert!(p90 > 300_000.0 && max > 450_000.0, "{told:#?}");
    }
}

#[test]
fn what_is_due_at_the_end_counts_too_however_late_it_is_published() {
    let server = Server::start(Fault::Stall(Duration::from_millis(1500)), 0);
    let urls = server.urls("sub");
    // Two are published before the measurement, and the next four behind the one that stalls.
    let told = report(&format!("publish {urls} --subs 1 --pub-conns 1 --pub-rate 4 --seconds 1"));
    assert_eq!((told.count("/phases/0/times/1/count"), told.faults()), (4, vec![]), "{told:#?}");
    let [median, max] =
        ["p50", "max"].map(|name| told.number(&format!("/phases/0/times/1/{name}")));
    assert!(median > 900_000.0 && max > 1_400_000.0, "{told:#?}");
}

#[test]
fn what_waits_for_a_server_takes_no_memory() {
    let server = Server::start_with(Wrong {
        fault: Fault::Stall(Duration::from_secs(30)),
        victims: 0,
        at: 1,
        kind: Kind::All,
    });
    let url = format!("http://{}/pub?c={{ch}}", server.address);
    // Some millions are due while the second has no answer.
    let words = format!("publish --pub {url} --pub-rate 1000000 --seconds 9 --patience 4 --json");
    let (told, memory) = report_with_memory(&words);
    assert_eq!((told.status, told.faults()), (1, vec![]), "{told:#?}");
    let [least, most] = memory;
    assert!(least > 0 && most - least < 8 << 20, "{memory:?}");
}

#[test]
fn a_server_that_is_not_there_is_a_fault() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let urls = format!("--sub http://{address}/{{ch}} --pub http://{address}/{{ch}}");
    for scenario in ["hold --subs 3", "connect", "publish --subs 3"] {
        let told = report(&format!("{scenario} {urls} --patience 1"));
        assert_eq!(told.faults()[0].0, "refused", "{scenario}: {told:#?}");
        assert_eq!(told.status, 1);
    }
}

#[test]
fn a_silent_server_is_not_waited_for_longer_than_patience() {
    // It accepts, by its queue, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let urls = format!("--sub http://{address}/{{ch}} --pub http://{address}/{{ch}}");
    let start = Instant::now();
    let told = report(&format!("fanout {urls} --subs 3 --patience 1"));
    assert_eq!((told.status, &told.report["complete"]), (1, &serde_json::Value::Bool(false)));
    assert!(start.elapsed() < Duration::from_secs(20), "{told:#?}");
    let to_publish = format!("publish --pub http://{address}/{{ch}} --pub-conns 4 --channels 8");
    for (words, whom) in [
        (format!("fanout --subs 3 {urls}"), "3 of 3 subscribers"),
        (format!("connect --conns 2 --cycles 9 {urls}"), "2 of 2 connections"),
        (format!("connect --transport long-poll {urls}"), "1 of 1 publishers"),
        (to_publish, "4 of 4 publishers"),
    ] {
        let told = report(&format!("{words} --patience 1"));
        let why = format!("{whom} have not been answered, and nothing has come for 1 s");
        assert_eq!(told.report["faults"]["told"], serde_json::json!([why]), "{told:#?}");
        assert_eq!((told.faults(), told.status), (vec![], 1), "{told:#?}");
    }
}

#[test]
fn people_get_a_table_and_see_how_far_it_is() {
    let server = Server::start(Fault::None, 0);
    let words = format!("fanout {} --subs 5 --messages 90 --pub-rate 30", server.urls("sub"));
    let output = bench(&words);
    let table = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[0],
        "fanout by sse: 5 subscribers, 1 channels, messages of 64 bytes, load by 1 processes"
    );
    assert_eq!(*lines.last().unwrap(), "460 messages checked byte by byte: no fault");
    assert!(lines.iter().any(|line| line.starts_with("deliver ")), "{table}");
    let progress = String::from_utf8(output.stderr).unwrap();
    assert!(progress.contains(" of 92 rounds, "), "{progress:?}");
    assert!(output.status.success());

    let server = Server::start(Fault::Drop, 1);
    let words = format!("fanout {} --subs 5 --quiet --patience 5", server.urls("sub"));
    let output = bench(&words);
    let table = String::from_utf8(output.stdout).unwrap();
    let told = "14 messages checked byte by byte: 1 lost; the run did not come to its end\n  ";
    assert!(table.contains(told), "{table}");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(1), 0));
}

#[test]
fn a_process_that_is_not_there_is_not_measured() {
    let mut gone = std::process::Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let urls = "--sub http://127.0.0.1/{ch} --pub http://127.0.0.1/{ch}";
    let output = bench(&format!("fanout {urls} --pid {}", gone.id()));
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(words, format!("pushgate: there is no process {}\n", gone.id()));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn patience_begins_when_something_is_expected() {
    let server = Server::start(Fault::None, 0);
    let urls = server.urls("sub");
    // The silence of the hold is longer.
    report(&format!("hold {urls} --subs 2 --seconds 4 --patience 3")).assert_clean(2);
    report(&format!("fanout {urls} --subs 2 --pub-rate 1 --messages 3 --warmup 0 --patience 1"))
        .assert_clean(6);
}

#[test]
fn how_long_is_held_is_shown() {
    let server = Server::start(Fault::None, 0);
    let output = bench(&format!("hold {} --subs 2 --seconds 5", server.urls("sub")));
    let progress = String::from_utf8(output.stderr).unwrap();
    let held = |line: &str| line.ends_with(" of 5 seconds, 2 subscribers are on");
    assert!(progress.lines().filter(|line| held(line)).count() > 1, "{progress:?}");
    assert!(output.status.success());
}

#[test]
fn wrong_arguments_end_with_status_2() {
    for words in ["", "fanout", "hold --sub http://192.0.2.1/{ch} --pub http://127.0.0.1/{ch}"] {
        assert_eq!(bench(words).status.code(), Some(2), "{words:?}");
    }
}
