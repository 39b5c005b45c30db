//! Connections that have come and gone leave nothing behind.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{Client, PATIENCE},
    process::{Daemon, write},
    site::locations,
};

/// Connections of a wave, and waves.
const MANY: usize = 4000;
const WAVES: usize = 3;
/// What they may leave, in bytes.
const LITTLE: usize = 1 << 20;
/// What nobody tells: how often it is looked at.
const PACE: Duration = Duration::from_millis(100);

/// They come, each to a channel of its own, and all go.
fn wave(daemon: &Daemon, name: &str, many: usize) {
    let mut clients: Vec<Client> = (0..many).map(|_| daemon.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.get(&format!("/sub?id={name}-{number}"), "Accept: text/event-stream\r\n");
    }
    for client in &mut clients {
        assert!(client.head().starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[test]
fn memory_comes_back_when_those_who_waited_on_a_channel_each_are_gone() {
    let directory = tempfile::tempdir().unwrap();
    let server = "workers = 1\npush_channel_timeout = \"1s\"\n\
                  [[server]]\nlisten = [\"127.0.0.1:0\"]\n";
    let config = write(&directory, &format!("{server}{}", locations("hall", "", "")));
    let daemon = Daemon::start(&config);
    // What runs for the first time is read from the file.
    wave(&daemon, "first", 100);
    let before = daemon.memory();
    for number in 0..WAVES {
        wave(&daemon, &number.to_string(), MANY);
    }
    let (most, begin) = (daemon.memory(), Instant::now());
    assert!(most > before + 2 * LITTLE, "{before} bytes, then {most}");
    let mut after = most;
    while after > before + LITTLE {
        assert!(begin.elapsed() < 2 * PATIENCE, "{before} bytes, then {most}, at last {after}");
        thread::sleep(PACE);
        after = daemon.memory();
    }
    println!("{before} bytes, then {most}, then {after} in {:?}", begin.elapsed());
}
