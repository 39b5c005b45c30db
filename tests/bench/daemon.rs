//! The daemon itself under load.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

use crate::run::report;

const LOCATIONS: &str = r#"
push_channel_id = "$arg_c"
push_message_buffer_length = 100

[[server]]
listen = ["127.0.0.1:0"]

[[server.location]]
path = "/pub"
push_publisher = true

[[server.location]]
path = "/sub"
push_subscriber = true

[[server.location]]
path = "/lines"
push_subscriber = ["stream"]
push_message_template = "~text~\n"

[[server.location]]
path = "/polled"
push_subscriber = ["interval-poll"]

[[server.location]]
path = "/raw"
push_subscriber = ["raw"]
"#;

/// Name of the transport, and path of the location.
const TRANSPORTS: [(&str, &str); 8] = [
    ("sse", "sub"),
    ("ws", "sub"),
    ("long-poll", "sub"),
    ("interval-poll", "polled"),
    ("chunked", "sub"),
    ("multipart", "sub"),
    ("stream", "lines"),
    ("raw", "raw"),
];

/// A running program; killed when it is dropped.
struct Daemon {
    child: Child,
    address: String,
    /// Kept open: what is printed later must go somewhere.
    _stdout: BufReader<ChildStdout>,
    _directory: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("pushgate.toml");
        fs::write(&config, LOCATIONS).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushgate"));
        command.arg("-c").arg(config).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("pushgate: listening on ").unwrap().to_owned();
        Self { child, address, _stdout: stdout, _directory: directory }
    }

    fn words(&self, path: &str) -> String {
        let Self { address, child, .. } = self;
        let pid = child.id();
        format!("--sub {address}/{path}?c={{ch}} --pub {address}/pub?c={{ch}} --pid {pid}")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_delivers_everything_by_every_transport() {
    let daemon = Daemon::start();
    for (transport, path) in TRANSPORTS {
        for pace in ["", "--inflight 20"] {
            let told = report(&format!(
                "fanout {} --transport {transport} --subs 200 --channels 3 {pace}",
                daemon.words(path)
            ));
            told.assert_clean(200 * 17);
            assert!(told.number("/phases/1/server/us") > 0.0, "{told:#?}");
        }
    }
}

#[test]
fn it_passes_every_load() {
    let daemon = Daemon::start();
    let words = daemon.words("sub");
    report(&format!("hold {words} --subs 300 --channels 300 --seconds 0")).assert_clean(300);
    report(&format!("churn {words} --subs 200 --messages 5")).assert_clean(1400);
    report(&format!("connect {words} --cycles 500")).assert_clean(0);
    for load in
        ["neighbour --subs 200 --messages 20", "publish --subs 10 --channels 20 --seconds 1"]
    {
        let told = report(&format!("{load} {words}"));
        told.assert_clean(told.report["faults"]["checked"].as_u64().unwrap());
    }
}

#[test]
fn hold_counts_memory_and_checks_a_message_at_each() {
    let daemon = Daemon::start();
    let words = daemon.words("sub");
    let load = "hold --subs 20 --channels 3 --messages 2 --seconds 0";
    let told = report(&format!("{load} {words}"));
    told.assert_clean(40);
    assert_eq!(told.report["memory"][1]["when"], "held");
    let (pss, each) = (told.number("/memory/1/pss"), told.number("/memory/1/pss_each"));
    let before = told.number("/memory/0/pss");
    assert!(before > 0.0 && ((pss - before) / 20.0 - each).abs() < 1.0, "{told:#?}");
    assert!(told.number("/phases/0/server/us") > 0.0, "{told:#?}");
}
