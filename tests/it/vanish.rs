//! Peers that vanish without a word: their cable is cut, so to speak. That needs a network of the
//! gateway's own, which only root can have; elsewhere the tests say on the terminal that they have
//! shown nothing.

use std::{
    io::Write,
    net::TcpStream,
    os::unix::net::UnixStream,
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    client::Way,
    frames::HANDSHAKE,
    harness::{Client, PATIENCE, Response},
    locations::locations,
    process::{Daemon, write},
    site::MODES,
};

/// Networks that were made.
static NETS: AtomicU32 = AtomicU32::new(0);
/// The tests of this file, at most.
const MOST_NETS: u32 = 4;

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
    /// `None`, and a word on the terminal, where that is not permitted.
    fn new() -> Option<Self> {
        let made = Self::make();
        if made.is_none() {
            // Not by a macro, whose words a test that passes keeps to itself.
            let _ = std::io::stderr().write_all(
                b"SKIPPED: a vanishing peer needs a network namespace (root, ip netns)\n",
            );
        }
        made
    }

    fn make() -> Option<Self> {
        let number = process::id() * MOST_NETS + NETS.fetch_add(1, Ordering::Relaxed);
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

    fn cut(&self) {
        assert!(ip(&format!("link set {} down", self.cable)));
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // The cable ends in it, and goes with it.
        ip(&format!("netns del {}", self.name));
    }
}

/// A gateway at the other end of the cable.
struct Site {
    daemon: Daemon,
    /// Holds a Unix socket of the gateway, to which the cable does not matter.
    directory: TempDir,
}

impl Site {
    fn start(net: &Net, root: &str, locations: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = format!(
            "{root}\n[[server]]\nlisten = [\"{}:0\", \"unix:{}\"]\n{locations}\
             [[server.location]]\npath = \"/status\"\npush_status = true\n\
             push_status_format = \"json\"\n",
            net.there,
            directory.path().join("gate.sock").display()
        );
        let config = write(&directory, &config);
        let daemon = Daemon::start_in(&["ip", "netns", "exec", &net.name], &config);
        Self { daemon, directory }
    }

    fn connect(&self) -> Client {
        Client::new(TcpStream::connect(&self.daemon.address).unwrap())
    }

    /// A request that needs no cable.
    fn request(&self, method: &str, target: &str, body: &str) -> Response {
        let socket = self.directory.path().join("gate.sock");
        let mut client = Client::new(UnixStream::connect(socket).unwrap());
        client.request(method, target, "Connection: close\r\n", body);
        client.response()
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&self.request("GET", "/status", "").body).unwrap()
    }

    /// Waits until the status is like that.
    fn until(&self, what: &str, like_that: impl Fn(&Value) -> bool) {
        let begin = Instant::now();
        loop {
            let status = self.status();
            if like_that(&status) {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "never {what}: {status:#}");
        }
    }
}

fn waiting(status: &Value) -> u64 {
    status["subscribers"].as_object().unwrap().values().filter_map(Value::as_u64).sum()
}

#[test]
fn a_web_socket_whose_peer_has_vanished_is_noticed_by_its_pings() {
    let Some(net) = Net::new() else { return };
    let site = Site::start(
        &net,
        "push_channel_id = \"1\"\npush_ping_interval = \"1s\"",
        "[[server.location]]\npath = \"/sub\"\npush_subscriber = true\n",
    );
    let mut client = site.connect();
    client.get("/sub", HANDSHAKE);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    let counts = |status: &Value| {
        (status["subscribers"]["websocket"].as_u64(), status["ended"]["silent"].as_u64())
    };
    assert_eq!(counts(&site.status()), (Some(1), Some(0)));
    net.cut();
    site.until("silent", |status| counts(status) == (Some(0), Some(1)));
    drop(client);
}

/// What has signs of life.
const ALIVE: [Way; 7] =
    [Way::Events, Way::Gzip, Way::Cursorless, Way::Iframe, Way::Socket, Way::Deflate, Way::Bare];

/// Somebody listens by each of these, and a gateway that pings at this interval.
struct Listeners {
    site: Site,
    /// Kept open.
    _clients: Vec<Client>,
}

impl Listeners {
    fn start(net: &Net, hold: &str, interval: &str, ways: &[Way]) -> Self {
        let root = format!("tcp_user_timeout = \"2s\"\npush_ping_interval = \"{interval}\"");
        let site = Site::start(net, &root, &locations(hold, ""));
        let listen = |way: &Way| {
            let mut client = site.connect();
            let (target, headers) = way.request("c");
            client.get(&target, &headers);
            client
        };
        let clients = ways.iter().map(listen).collect();
        site.until("all there", |status| waiting(status) == ways.len() as u64);
        Self { site, _clients: clients }
    }
}

#[test]
fn whoever_has_vanished_is_noticed_by_what_is_not_acknowledged_on_every_transport() {
    let Some(net) = Net::new() else { return };
    let all = [&Way::held()[..], &Way::FORMS].concat();
    let told = MODES.map(|hold| Listeners::start(&net, hold, "0s", &all));
    let pinged = MODES.map(|hold| Listeners::start(&net, hold, "2s", &ALIVE));
    net.cut();
    for Listeners { site, .. } in &told {
        assert_eq!(site.request("POST", "/pub?c=c", "x").status, 201);
    }
    for Listeners { site, .. } in told.iter().chain(&pinged) {
        // The one that asks is there. Polls have been answered, and yet their connections would stay.
        let gone = |status: &Value| waiting(status) == 0 && status["connections"]["active"] == 1;
        site.until("gone", gone);
    }
    for Listeners { site, .. } in &told {
        // It was the kernel that noticed.
        assert_eq!(site.status()["ended"]["silent"], 0);
    }
}
