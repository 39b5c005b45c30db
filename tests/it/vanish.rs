//! A peer that vanishes without a word: its cable is cut, so to speak. That needs a network of the
//! gateway's own, which only root can have; elsewhere the test says on the terminal that it has shown
//! nothing.

use std::{
    io::Write,
    net::TcpStream,
    os::unix::net::UnixStream,
    process::{self, Command},
    time::Instant,
};

use crate::{
    frames::HANDSHAKE,
    harness::{Client, PATIENCE, Response},
    process::{Daemon, write},
};

fn ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    output.is_ok_and(|output| output.status.success())
}

/// A network namespace with one cable to the usual one; gone when it is dropped.
struct Net {
    name: String,
    cable: String,
    here: String,
    there: String,
}

impl Net {
    /// `None` where that is not permitted.
    fn new() -> Option<Self> {
        let number = process::id();
        let (high, low) = (number / 63 % 250, number % 63 * 4);
        let net = Self {
            name: format!("pushgate-{number}"),
            cable: format!("pg{number}a"),
            here: format!("10.213.{high}.{}", low + 1),
            there: format!("10.213.{high}.{}", low + 2),
        };
        if !ip(&format!("netns add {}", net.name)) {
            return None;
        }
        let Self { name, cable, here, there } = &net;
        let made = ip(&format!("link add {cable} type veth peer name {cable}b netns {name}"))
            && ip(&format!("addr add {here}/30 dev {cable}"))
            && ip(&format!("link set {cable} up"))
            && ip(&format!("-n {name} addr add {there}/30 dev {cable}b"))
            && ip(&format!("-n {name} link set {cable}b up"));
        made.then_some(net)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // The cable ends in it, and goes with it.
        ip(&format!("netns del {}", self.name));
    }
}

#[test]
fn a_web_socket_whose_peer_has_vanished_is_noticed_by_its_pings() {
    let Some(net) = Net::new() else {
        // Not by a macro, whose words a test that passes keeps to itself.
        let _ = std::io::stderr()
            .write_all(b"SKIPPED: a vanishing peer needs a network namespace (root, ip netns)\n");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let unix = directory.path().join("gate.sock");
    let config = format!(
        "push_channel_id = \"1\"\npush_ping_interval = \"1s\"\n[[server]]\n\
         listen = [\"{}:0\", \"unix:{}\"]\n[[server.location]]\npath = \"/sub\"\n\
         push_subscriber = true\n[[server.location]]\npath = \"/status\"\npush_status = true\n\
         push_status_format = \"json\"\n",
        net.there,
        unix.display()
    );
    let daemon = Daemon::start_in(&["ip", "netns", "exec", &net.name], &write(&directory, &config));
    let mut client = Client::new(TcpStream::connect(&daemon.address).unwrap());
    client.get("/sub", HANDSHAKE);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    // Asked on the other socket, to which the cable does not matter.
    let status = || {
        let mut asking = Client::new(UnixStream::connect(&unix).unwrap());
        asking.get("/status", "Connection: close\r\n");
        let Response { body, .. } = asking.response();
        let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let silent = status["ended"]["silent"].as_u64().unwrap();
        (status["subscribers"]["websocket"].as_u64().unwrap(), silent)
    };
    assert_eq!(status(), (1, 0));
    assert!(ip(&format!("link set {} down", net.cable)));
    let cut = Instant::now();
    while status() != (0, 1) {
        assert!(cut.elapsed() < PATIENCE, "{:?}", status());
    }
    drop(client);
}
