//! The program itself: its arguments, its signals, its exit statuses.

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Read},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::Instant,
};

use crate::{
    harness::{Client, PATIENCE, Response},
    site::locations,
};

/// A running program; killed when it is dropped.
pub struct Daemon {
    pub child: Child,
    pub address: String,
    /// Kept open: what is printed later must go somewhere.
    _stdout: BufReader<ChildStdout>,
}

impl Daemon {
    pub fn start(config: &Path) -> Self {
        Self::run(command(config))
    }

    /// As [`Daemon::start`], with `RUST_LOG`.
    pub fn start_logging(config: &Path, level: &str) -> Self {
        let mut command = command(config);
        command.env("RUST_LOG", level);
        Self::run(command)
    }

    /// As [`Daemon::start`], by another program that becomes it.
    pub fn start_in(around: &[&str], config: &Path) -> Self {
        let inner = command(config);
        let mut outer = Command::new(around[0]);
        outer.args(&around[1..]).arg(inner.get_program()).args(inner.get_args());
        Self::run(outer)
    }

    fn run(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("pushgate: listening on http://").unwrap();
        Self { child, address: address.to_owned(), _stdout: stdout }
    }

    pub fn connect(&self) -> Client {
        Client::new(TcpStream::connect(&self.address).unwrap())
    }

    /// One request on a connection of its own.
    pub fn request(&self, method: &str, target: &str, headers: &str, body: &str) -> Response {
        let mut client = self.connect();
        client.request(method, target, headers, body);
        client.response()
    }

    /// Waits for so many subscribers, as `GET publisher` tells them.
    pub fn wait_for_subscribers(&self, publisher: &str, number: usize) {
        let wanted = format!("\"subscribers\": {number}");
        let start = Instant::now();
        loop {
            let info = self.request("GET", publisher, "Accept: application/json\r\n", "");
            if info.text().contains(&wanted) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "never {number}: {info:?}");
        }
    }

    /// Its memory, in bytes.
    pub fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(name).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushgate"));
    command
        .arg("-c")
        .arg(config)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    command
}

pub fn write(directory: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = directory.path().join("pushgate.toml");
    fs::write(&path, text).unwrap();
    path
}

fn serving(address: &str) -> String {
    format!("[[server]]\nlisten = [\"{address}\"]\n{}", locations("hall", "", ""))
}

fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn both_signals_stop_it_with_status_0_and_everyone_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let pid = directory.path().join("pid");
    let config = format!("pid_file = \"{}\"\n{}", pid.display(), serving("127.0.0.1:0"));
    let config = write(&directory, &config);
    for name in ["-TERM", "-INT"] {
        let mut daemon = Daemon::start(&config);
        assert_eq!(fs::read_to_string(&pid).unwrap(), format!("{}\n", daemon.child.id()));
        let mut events = daemon.connect();
        events.get("/sub?id=1", "Accept: text/event-stream\r\n");
        events.head();
        events.chunk();
        daemon.signal(name);
        assert_eq!(events.chunk().unwrap(), b"event: close\ndata: shutdown\n\n");
        assert_eq!(events.chunk(), None);
        assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
        assert!(!pid.exists());
    }
}

#[test]
fn sighup_sends_nobody_away_and_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(&write(&directory, &serving("127.0.0.1:0")));
    let mut events = daemon.connect();
    events.get("/sub?id=1", "Accept: text/event-stream\r\n");
    events.head();
    events.chunk();
    daemon.signal("-HUP");
    let mut log = BufReader::new(daemon.child.stderr.take().unwrap()).lines();
    let told = log.find(|line| line.as_ref().is_ok_and(|line| line.contains("SIGHUP"))).unwrap();
    assert!(told.unwrap().contains("the configuration is read at the start alone"));
    assert_eq!(daemon.request("POST", "/pub?id=1", "", "after").status, 201);
    assert!(events.chunk().unwrap().ends_with(b"data: after\n\n"));
}

#[test]
fn a_terminal_that_is_closed_ends_it_with_a_goodbye() {
    let directory = tempfile::tempdir().unwrap();
    let config = write(&directory, &serving("127.0.0.1:0"));
    // `script` gives it a terminal, whose end it gets with the end of its own input. Whoever runs the
    // tests may ignore SIGHUP (`nohup`).
    let mut terminal = Command::new("env")
        .args(["--default-signal=HUP", "script", "-q", "-e", "-c"])
        .arg(format!("exec {} -c {}", env!("CARGO_BIN_EXE_pushgate"), config.display()))
        .arg("/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(terminal.stdout.take().unwrap());
    let mut line = String::new();
    printed.read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("pushgate: listening on http://").unwrap();
    let mut events = Client::new(TcpStream::connect(address).unwrap());
    events.get("/sub?id=1", "Accept: text/event-stream\r\n");
    events.head();
    events.chunk();
    terminal.kill().unwrap();
    assert_eq!(events.chunk().unwrap(), b"event: close\ndata: shutdown\n\n");
    terminal.wait().unwrap();
}

#[test]
fn keys_on_the_command_line_count_like_those_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let config = write(&directory, &serving("127.0.0.1:0"));
    let mut short = command(&config);
    short.args(["-g", "client_max_header_size = \"1k\""]);
    let daemon = Daemon::run(short);
    let head = format!("A: {}\r\n", "x".repeat(2000));
    assert_eq!(daemon.request("GET", "/pub?id=1", &head, "").status, 431);
    let output = command(&config).args(["-g", "wokers = 1"]).output().unwrap();
    let (status, text) = said(&output);
    assert_eq!(status, Some(64));
    assert!(text.contains("wokers: unknown key, did you mean `workers`?"), "{text}");
}

#[test]
fn who_starts_it_as_root_can_have_it_give_up_its_rights() {
    if !rustix::process::geteuid().is_root() {
        // Only root can; tests run as somebody else show that this is told.
        let directory = tempfile::tempdir().unwrap();
        let config = write(&directory, &format!("user = \"root\"\n{}", serving("127.0.0.1:0")));
        assert_ne!(command(&config).output().unwrap().status.code(), Some(0));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let config = write(&directory, &format!("user = \"nobody\"\n{}", serving("127.0.0.1:0")));
    let daemon = Daemon::start(&config);
    // It is bound, and then somebody else.
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.child.id())).unwrap();
    let ids = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    for name in ["Uid:", "Gid:"] {
        assert_eq!(ids(name), ["65534"; 4], "{status}");
    }
    assert_eq!(ids("Groups:"), ["65534"], "{status}");
    assert_eq!(daemon.request("GET", "/pub?id=1", "", "").status, 404);
}

#[test]
fn a_second_one_on_the_same_address_ends_with_status_1_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let first = Daemon::start(&write(&directory, &serving("127.0.0.1:0")));
    let second = write(&directory, &serving(&first.address));
    let (status, text) = said(&command(&second).output().unwrap());
    assert_eq!(status, Some(1));
    let expected = format!("pushgate: cannot listen on {}: ", first.address);
    assert!(text.starts_with(&expected) && text.lines().count() == 1, "{text:?}");
    let mut client = first.connect();
    client.get("/pub?id=1", "");
    assert_eq!(client.response().status, 404);
}

#[test]
fn one_without_descriptors_goes_on_when_there_are_some_again() {
    let directory = tempfile::tempdir().unwrap();
    let config = write(&directory, &format!("workers = 1\n{}", serving("127.0.0.1:0")));
    let mut daemon = Daemon::start_in(&["sh", "-c", "ulimit -n 64; exec \"$0\" \"$@\""], &config);
    let listen = || {
        let mut client = daemon.connect();
        client.get("/sub?id=1", "Accept: text/event-stream\r\n");
        client
    };
    let mut first = listen();
    first.head();
    // More than it can have; the last are not taken before the others go.
    let mut crowd: Vec<Client> = (0..100).map(|_| listen()).collect();
    let mut last = crowd.pop().unwrap();
    last.stream.set_nonblocking(true).unwrap();
    crowd[0].head();
    assert_eq!(last.stream.peek(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    last.stream.set_nonblocking(false).unwrap();
    drop(crowd);
    assert!(last.head().starts_with("HTTP/1.1 200 OK\r\n"));
    daemon.wait_for_subscribers("/pub?id=1", 2);
    assert_eq!(daemon.request("POST", "/pub?id=1", "", "hello").status, 201);
    for client in [&mut first, &mut last] {
        client.until(b"data: hello\n\n");
    }
    assert!(daemon.child.try_wait().unwrap().is_none());
}

#[test]
fn a_bad_configuration_is_status_64_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let config = write(&directory, "wokers = 1\n[[server]]\n");
    let expected =
        format!("{}:1:1: wokers: unknown key, did you mean `workers`?\n", config.display());
    for check in [&["-t"][..], &[]] {
        let output = command(&config).args(check).output().unwrap();
        assert_eq!(said(&output), (Some(64), expected.clone()));
    }
    let (status, text) = said(&command(Path::new("/nowhere.toml")).output().unwrap());
    assert_eq!(status, Some(64));
    assert!(text.starts_with("/nowhere.toml: cannot be read: "), "{text}");
}

#[test]
fn a_good_configuration_is_checked_without_being_served() {
    let directory = tempfile::tempdir().unwrap();
    let config = write(&directory, &serving("192.0.2.1:1"));
    let output = command(&config).arg("-t").output().unwrap();
    let expected = format!("pushgate: the configuration file {} is fine\n", config.display());
    assert_eq!(said(&output), (Some(0), expected));
    let output = command(&config).args(["-t", "-q"]).output().unwrap();
    assert_eq!((said(&output), output.stdout.len()), ((Some(0), String::new()), 0));
}

#[test]
fn wrong_arguments_are_status_2_and_the_shipped_configuration_is_fine() {
    let output = command(Path::new("x")).arg("--nonsense").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/pushgate.toml");
    assert_eq!(command(&shipped).args(["-t", "-q"]).output().unwrap().status.code(), Some(0));
}

#[test]
fn quiet_means_that_nothing_but_the_log_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("gate.sock");
    let config = write(&directory, &serving(&format!("unix:{}", socket.display())));
    let mut child = command(&config).arg("-q").stdout(Stdio::piped()).spawn().unwrap();
    let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "");
}

#[test]
fn levels_that_cannot_be_understood_are_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let config = write(&directory, &serving("127.0.0.1:0"));
    for (levels, why) in [
        ("warn, pushgate=lodu", "\"lodu\" in \"pushgate=lodu\" is no level"),
        ("Pushgate=debug", "\"Pushgate\" in \"Pushgate=debug\" is no module"),
        ("inof", "\"inof\" is no level"),
        ("info,hyper", "\"hyper\" is no level"),
        ("=,=", ""),
    ] {
        for check in [&[][..], &["-t"]] {
            let output = command(&config).args(check).env("RUST_LOG", levels).output().unwrap();
            let (status, text) = said(&output);
            assert_eq!(status, Some(64), "{levels}: {text}");
            let begin = format!("pushgate: RUST_LOG={levels:?} cannot be understood: {why}");
            assert!(text.starts_with(&begin), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
    for levels in ["", " ", "info\n", "warn, pushgate=debug", "off,pushgate::upstream=info"] {
        let output = command(&config).args(["-t"]).env("RUST_LOG", levels).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{levels}: {output:?}");
    }
}

#[test]
fn what_may_not_be_meant_is_told_at_a_check_and_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let errors = directory.path().join("errors");
    let keys = format!(
        "error_log = \"{}\"\naccess = \"allow all\"\npush_secure_link = \"$arg_s,$arg_e\"\n\
         push_secure_link_secret = \"text:0123456789abcdef0123456789abcdef\"\n",
        errors.display()
    );
    let open = "[[server.location]]\npath = \"/app\"\npush_status = true\n";
    let config = write(&directory, &format!("{keys}{}{open}", serving("127.0.0.1:0")));
    let told = "path: \"/app\" is not guarded by push_secure_link of an outer level, because of its \
                push_status; access may say who comes here";
    let output = command(&config).arg("-t").output().unwrap();
    let (status, text) = said(&output);
    assert_eq!(status, Some(0), "{text}");
    let (warning, fine) = text.split_once('\n').unwrap();
    assert!(warning.starts_with("pushgate: warning: ") && warning.ends_with(told), "{text}");
    assert!(fine.ends_with(" is fine\n"), "{text}");
    let mut daemon = Daemon::start(&config);
    daemon.signal("-TERM");
    assert!(daemon.child.wait().unwrap().success());
    let log = fs::read_to_string(&errors).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains(" WARN ")).count(), 1, "{log}");
}
