//! `pushgate import`: what becomes of an nginx.conf serves as that one did.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::mpsc,
    time::Instant,
};

use crate::{
    app::{App, Asked, ok},
    harness::{Client, PATIENCE, Response},
    websocket::{HANDSHAKE, message, text},
};

pub fn pushgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushgate"));
    command.env_remove("RUST_LOG");
    command
}

pub fn conf(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(name);
    fs::read_to_string(path).unwrap()
}

/// nginx and Nchan as Debian has them.
pub const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
pub const NGINX: &str = "/usr/sbin/nginx";

/// A folder with an nginx.conf.
pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new(nginx: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("nginx.conf"), nginx).unwrap();
        Self(folder)
    }

    pub fn nginx(&self) -> PathBuf {
        self.0.path().join("nginx.conf")
    }

    /// What the program says to it.
    fn import(&self) -> Output {
        pushgate().arg("import").arg(self.nginx()).output().unwrap()
    }

    /// The result, as a file that the program has nothing against.
    fn fine(&self) -> PathBuf {
        let imported = self.import();
        assert_eq!(imported.status.code(), Some(3), "{}", said(&imported));
        let path = self.0.path().join("pushgate.toml");
        fs::write(&path, &imported.stdout).unwrap();
        let checked = pushgate().arg("-t").arg("-c").arg(&path).output().unwrap();
        assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
        path
    }
}

pub fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The program with the result of an import; killed when it is dropped.
pub struct Imported {
    child: Child,
    pub addresses: Vec<SocketAddr>,
    _stdout: BufReader<ChildStdout>,
    _folder: Folder,
}

impl Imported {
    /// Serves an nginx.conf with so many addresses, in which these texts are replaced.
    pub fn start(name: &str, addresses: usize, replace: &[(&str, &str)]) -> Self {
        let mut nginx = conf(name);
        for (from, to) in replace {
            assert!(nginx.contains(from), "{from}");
            nginx = nginx.replace(from, to);
        }
        let folder = Folder::new(nginx);
        let mut command = pushgate();
        command.arg("-c").arg(folder.fine()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut address = || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            line.trim_end().strip_prefix("pushgate: listening on http://").unwrap().parse().unwrap()
        };
        let addresses = (0..addresses).map(|_| address()).collect();
        Self { child, addresses, _stdout: stdout, _folder: folder }
    }

    fn connect(&self, server: usize) -> Client {
        Client::new(TcpStream::connect(self.addresses[server]).unwrap())
    }

    fn request(&self, server: usize, method: &str, target: &str, body: &str) -> Response {
        let mut client = self.connect(server);
        client.request(method, target, "Connection: close\r\n", body);
        client.response()
    }

    /// Returns when so many wait on a channel, as its publisher location tells.
    fn wait_for(&self, server: usize, publisher: &str, waiting: &str) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.request(server, "GET", publisher, "").text().contains(waiting) {
                return;
            }
            std::thread::yield_now();
        }
        panic!("there is never {waiting:?}");
    }
}

impl Drop for Imported {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The pieces of a response that goes on, up to one that contains a text.
fn chunks_until(client: &mut Client, wanted: &str) -> String {
    let mut all = String::new();
    while !all.contains(wanted) {
        all += std::str::from_utf8(&client.chunk().expect("the stream ends")).unwrap();
    }
    all
}

#[test]
fn a_chat_of_the_push_module_goes_on() {
    let app = App::answering(|asked| ok(asked.head.as_bytes()));
    let imported = Imported::start(
        "push_module.conf",
        2,
        &[
            ("user  www-data;", ""),
            ("listen  80;", "listen  127.0.0.2:0;"),
            ("listen  127.0.0.1:9080;", "listen  127.0.0.1:0;"),
            ("127.0.0.1:3000", &app.address.to_string()),
        ],
    );
    let mut first = imported.connect(0);
    first.get("/activity?id=5", "");
    imported.wait_for(1, "/publish?id=5", "active subscribers: 1");
    let published = imported.request(1, "POST", "/publish?id=5", "hello");
    assert_eq!(published.status, 201, "{published:?}");
    let got = first.response();
    assert_eq!((got.status, got.text()), (200, "hello"));
    assert_eq!(got.header("content-type"), None, "default_type is for no message");
    assert_eq!(imported.request(1, "POST", "/publish?id=5", "again").status, 202);
    let (since, tag) = (got.header("last-modified").unwrap(), got.header("etag").unwrap());
    let place = format!("If-Modified-Since: {since}\r\nIf-None-Match: {tag}\r\n");
    first.get("/activity?id=5", &place);
    assert_eq!(first.response().text(), "again");

    assert_eq!(imported.request(0, "GET", "/poll/5", "").text(), "hello");
    assert_eq!(imported.request(0, "GET", "/poll/6", "").status, 304);
    // The publisher's server is another one, and not for this address.
    assert_eq!(imported.request(1, "GET", "/activity?id=5", "").status, 404);
    let large = "x".repeat(33 << 10);
    assert_eq!(imported.request(1, "POST", "/publish?id=5", &large).status, 413);

    let passed = imported.request(0, "GET", "/rooms/", "");
    assert!(passed.text().starts_with("GET /rooms/ HTTP/1.1\r\n"), "{}", passed.text());
    assert!(passed.text().to_ascii_lowercase().contains("\r\nhost: test\r\n"), "{}", passed.text());
    assert!(passed.text().to_ascii_lowercase().contains("\r\nx-real-ip: 127.0.0.1\r\n"));
    drop(imported);
}

#[test]
fn pages_of_the_push_stream_module_go_on() {
    let listen = ("listen  127.0.0.1:9080", "listen  127.0.0.1:0");
    let imported = Imported::start("push_stream.conf", 1, &[listen]);
    let mut page = imported.connect(0);
    page.get("/sub/a/b", "");
    assert!(page.head().contains("Content-Type: text/html; charset=utf-8\r\n"));
    assert!(chunks_until(&mut page, "<body>").starts_with("<html><head>"));
    let mut events = imported.connect(0);
    events.get("/ev/a", "Accept: text/event-stream\r\nOrigin: http://example.org\r\n");
    let head = events.head().to_ascii_lowercase();
    assert!(head.contains("access-control-allow-origin: *\r\n"), "{head}");
    let mut socket = imported.connect(0);
    socket.get("/ws/a", &format!("{HANDSHAKE}Origin: http://example.org\r\n"));
    assert!(socket.head().starts_with("HTTP/1.1 101 "));
    let mut poll = imported.connect(0);
    poll.get("/lp/a?callback=on", "");
    imported.wait_for(0, "/pub?id=a", "\"subscribers\": 4");

    let published = imported.request(0, "POST", "/pub?id=a", "hi");
    assert_eq!(published.status, 200);
    let info = "{\"channel\": \"a\", \"published_messages\": 1, \"stored_messages\": 1, \"subscribers\": 4}\r\n";
    assert_eq!(published.text(), info);
    assert!(chunks_until(&mut page, "</script>").contains("<script>p(1,'a','hi');</script>"));
    let told = "{\"id\":1,\"channel\":\"a\",\"text\":\"hi\"";
    assert!(chunks_until(&mut events, "data: ").contains(told));
    assert!(text(&mut socket).starts_with(told));
    let polled = poll.response();
    assert!(polled.text().contains(&format!("on([{told}")), "{}", polled.text());

    // Who may publish over WebSocket does, and it is stored.
    socket.send(message(1, b"from a page"));
    assert!(chunks_until(&mut page, "from a page").contains("p(2,'a','from a page')"));
    let late = imported.request(0, "GET", "/lp/a.b2", "");
    // A poll has one message, the next poll the one after it.
    assert!(late.text().starts_with(told), "{}", late.text());
    assert_eq!(late.header("content-type"), Some("application/json"));

    let channels = imported.request(0, "GET", "/channels-stats?id=a", "");
    assert_eq!(channels.status, 200, "{channels:?}");
    assert!(channels.text().starts_with("{\"channel\": \"a\", \"published_messages\": "));
    let all = imported.request(0, "GET", "/channels-stats?id=ALL", "");
    assert!(all.text().starts_with("{\"hostname\": "), "{all:?}");
    let deleted = imported.request(0, "DELETE", "/pub?id=a", "");
    assert_eq!(deleted.header("x-nginx-pushstream-explain"), Some("Channel deleted."));
}

/// What the application of the third file says: nobody called "mallory" may listen.
fn may(asked: &Asked, gone: &mpsc::Sender<String>) -> Vec<u8> {
    if asked.line().starts_with("GET /push/gone/") {
        gone.send(asked.line().to_owned()).unwrap();
        return ok(b"");
    }
    assert_eq!(asked.line(), "GET /push/may/ HTTP/1.1");
    assert_eq!(asked.header("x-original-uri"), Some("/private"));
    match asked.header("x-channel-id") {
        Some("user-mallory") => b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_vec(),
        _ => ok(b""),
    }
}

#[test]
fn a_site_with_nchan_goes_on() {
    let (gone, left) = mpsc::channel();
    let app = App::answering(move |asked| may(asked, &gone));
    let imported = Imported::start(
        "nchan.conf",
        1,
        &[
            ("listen 127.0.0.1:9080", "listen 127.0.0.1:0"),
            ("server 127.0.0.1:8000", &format!("server {}", app.address)),
        ],
    );
    let mut refused = imported.connect(0);
    refused.get("/private", "Cookie: user=mallory\r\n");
    let refused = refused.response();
    assert_eq!((refused.status, refused.text()), (403, "no"));
    let mut private = imported.connect(0);
    private.get("/private", "Cookie: user=ann\r\nAccept: text/event-stream\r\n");
    assert!(private.head().starts_with("HTTP/1.1 200 "));
    chunks_until(&mut private, ": hi\n\n");
    drop(private);
    let told = left.recv_timeout(PATIENCE).unwrap();
    assert_eq!(told, "GET /push/gone/?channel=user-ann HTTP/1.1");

    // Several channels by one subscription, and several messages by one poll.
    assert_eq!(imported.request(0, "POST", "/pub?id=abc", "one").status, 202);
    assert_eq!(imported.request(0, "POST", "/pub?id=all", "two").status, 202);
    let polled = imported.request(0, "GET", "/sub/abc", "");
    let kind = polled.header("content-type").unwrap();
    assert!(kind.starts_with("multipart/mixed; boundary="), "{kind}");
    assert!(polled.text().contains("\r\none\r\n") && polled.text().contains("\r\ntwo\r\n"));
    let info = imported.request(0, "GET", "/pub?id=abc", "");
    assert!(info.text().contains("last message id: "), "{}", info.text());

    // Pages of named hosts write to each other.
    let mut socket = imported.connect(0);
    socket.get("/chat?room=1", &format!("{HANDSHAKE}Origin: https://example.org\r\n"));
    assert!(socket.head().starts_with("HTTP/1.1 101 "));
    let mut stranger = imported.connect(0);
    stranger.get("/chat?room=1", &format!("{HANDSHAKE}Origin: https://example.com\r\n"));
    assert_eq!(stranger.response().status, 403);
    socket.send(message(1, b"hello"));
    assert_eq!(text(&mut socket), "hello");

    let status = imported.request(0, "GET", "/nchan_stub_status", "");
    assert!(status.text().starts_with("total published messages: 3\n"), "{}", status.text());
    // An internal location is none for clients.
    assert_eq!(imported.request(0, "GET", "/auth", "").status, 404);
    drop(imported);
}

#[test]
fn the_report_and_the_status_say_what_was_lost() {
    let whole = "worker_processes 2;\nevents {}\nhttp { server { listen 81;\n\
                 location /s { push_subscriber; set $push_channel_id $arg_id; } } }";
    let output = Folder::new(whole).import();
    let expected = "nginx.conf:2: events: not needed: it tunes nginx\n\
                    pushgate: 1 server with 1 location carried over\n";
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), expected));
    let toml = "# Made of nginx.conf by `pushgate import`. Every key stands in conf/reference.toml, with its default.\n\n\
                workers = 2\n\n\
                # nginx.conf:3\n[[server]]\nlisten = [\"81\"]\n\n\
                # nginx.conf:4\n[[server.location]]\npath = \"/s\"\npush_subscriber = [\"long-poll\"]\npush_channel_id = \"$arg_id\"\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), toml);

    let output = Folder::new(whole.replace("listen 81", "root /x")).import();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        said(&output).starts_with("nginx.conf:3: root: not carried over: "),
        "{}",
        said(&output)
    );
}

#[test]
fn a_file_that_cannot_be_carried_over_is_status_1_and_writes_nothing() {
    let folder = Folder::new("http {\n  server {\n    listen 80\n  }\n}\n");
    let output = folder.import();
    let expected =
        format!("pushgate: {}:3:5: `listen` has no \";\" after it\n", folder.nginx().display());
    assert_eq!((output.status.code(), said(&output)), (Some(1), expected));
    assert!(output.stdout.is_empty());

    for text in
        [&b""[..], b"http { server { listen 80; } }", b"\xff;", b"http {", b"include nginx.conf;"]
    {
        let output = Folder::new(text).import();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{text:?}");
        assert!(said(&output).lines().last().unwrap().starts_with("pushgate: "), "{text:?}");
    }
    let output = pushgate().args(["import", "/nowhere/nginx.conf"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).starts_with("pushgate: /nowhere/nginx.conf: cannot be read: "));
    let output = pushgate().arg("import").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn nginx_itself_takes_the_file_with_nchan() {
    if !Path::new(MODULE).exists() || !Path::new(NGINX).exists() {
        eprintln!("SKIPPED: nginx with Nchan is not installed, see tests/run");
        return;
    }
    let text = conf("nchan.conf").replace("modules/ngx_nchan_module.so", MODULE);
    let folder = Folder::new(text);
    let root = folder.0.path();
    fs::create_dir(root.join("logs")).unwrap();
    let globals = format!("pid {0}/pid; lock_file {0}/lock;", root.display());
    let checked = Command::new(NGINX)
        .args(["-t", "-q", "-e", "stderr", "-g", &globals, "-p"])
        .arg(root)
        .arg("-c")
        .arg(folder.nginx())
        .output();
    let checked = checked.unwrap();
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
}
