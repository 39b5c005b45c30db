//! What a held connection and a delivery cost, over loopback.
//!
//! ```text
//! cargo build --release && cargo bench --bench hold -- [CONNECTIONS] [WAY]...
//! ```
//!
//! For each way of listening it starts `target/release/pushgate`, holds all connections, publishes,
//! and compares every byte that every subscriber gets with what it should get. Memory is that of the
//! server in user space (`Anonymous` of `smaps_rollup`); socket buffers are the kernel's. The client
//! is one thread of this process, and on few cores it competes with the server: trust CPU and memory
//! more than latencies, and compare figures of one run.

#![allow(clippy::unwrap_used, reason = "a measurement that fails ends")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::{
    env, fs,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::event::epoll;
use socket2::{Domain, SockAddr, Socket, Type};

/// A process here may have 20,000 descriptors.
const CONNECTIONS: usize = 19_000;
/// Messages that are sent one at a time: the next when all have the last.
const SINGLE: usize = 10;
/// Bursts, and messages in each.
const BURSTS: usize = 10;
const BURST: usize = 20;
/// Connections from one address.
const PORTS: usize = 1_000;
/// Nothing takes longer.
const PATIENCE: Duration = Duration::from_mins(1);
/// Time between two messages of the neighbour.
const BREATH: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    EventSource,
    LongPoll,
    Stream,
    /// Event sources with a channel each.
    Apart,
}

fn main() {
    let arguments: Vec<String> =
        env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let count = arguments.iter().find_map(|word| word.parse().ok()).unwrap_or(CONNECTIONS);
    let ways = [
        ("event-source", Way::EventSource),
        ("long-poll", Way::LongPoll),
        ("stream", Way::Stream),
        ("apart", Way::Apart),
    ];
    let all = !ways.iter().any(|(name, _)| arguments.iter().any(|word| word == name));
    for (number, (name, way)) in ways.into_iter().enumerate() {
        if all || arguments.iter().any(|word| word == name) {
            println!("{name}: {count} connections");
            run(way, count, u8::try_from(number + 1).unwrap());
        }
    }
}

fn run(way: Way, count: usize, net: u8) {
    let server = Server::start();
    let mut publisher = Publisher::connect(server.address);
    let mut neighbour = Neighbour::connect(&server);
    publisher.publish("warm", "up");
    neighbour.beat();
    let (before, start, cpu) = (server.memory(), Instant::now(), server.cpu());
    let mut crowd = Crowd::gather(way, &server, net, count);
    let gathered = start.elapsed();
    publisher.wait_for(if way == Way::Apart { "big0" } else { "big" }, crowd.first_count());
    let (cost, took) = (server.cpu().since(cpu), start.elapsed());
    println!(
        "  connect      {} in {:.1} s, {:.1} s of it by the client",
        cost.per(count),
        took.as_secs_f64(),
        gathered.as_secs_f64()
    );
    server.tell_memory("held", before, count);
    if way == Way::Apart {
        return;
    }
    let stop = AtomicBool::new(false);
    let beats = thread::scope(|scope| {
        let beating = scope.spawn(|| neighbour.run(&stop));
        deliveries(&server, &mut publisher, &mut crowd, "one by one", SINGLE, 1);
        server.tell_memory("after them", before, count);
        // A long poll takes one message of a burst at a time, all of them take long.
        let bursts = if way == Way::LongPoll { 1 } else { BURSTS };
        deliveries(&server, &mut publisher, &mut crowd, "in bursts", bursts, BURST);
        server.tell_memory("after them", before, count);
        stop.store(true, Ordering::Relaxed);
        beating.join().unwrap()
    });
    println!("  neighbour    {}", quantiles(beats));
    println!("  verified     {} messages at each of {count}, byte for byte", crowd.sent);
}

fn deliveries(
    server: &Server,
    publisher: &mut Publisher,
    crowd: &mut Crowd,
    name: &str,
    rounds: usize,
    ahead: usize,
) {
    let mut answers = Vec::new();
    let (start, cpu) = (Instant::now(), server.cpu());
    for _ in 0..rounds {
        for _ in 0..ahead {
            let text = format!("message {} of a hundred bytes, {:0>70}", crowd.sent, crowd.sent);
            let asked = Instant::now();
            let id = publisher.publish("big", &text);
            answers.push(asked.elapsed());
            crowd.expect(&id, &text);
        }
        crowd.receive();
    }
    let count = rounds * ahead * crowd.peers.len();
    let took = start.elapsed().as_secs_f64();
    println!(
        "  {name:<12} {} a delivery, {:.0} deliveries/s; publisher's answer {}",
        server.cpu().since(cpu).per(count),
        count as f64 / took,
        quantiles(answers)
    );
}

fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e3;
    format!("p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms ({})", at(50), at(99), at(100), times.len())
}

/// The server, in a process of its own.
struct Server {
    child: Child,
    address: SocketAddr,
    file: PathBuf,
}

#[derive(Clone, Copy)]
struct Cpu {
    user: f64,
    system: f64,
}

impl Cpu {
    fn since(self, before: Self) -> Self {
        Self { user: self.user - before.user, system: self.system - before.system }
    }

    fn per(self, count: usize) -> String {
        let micros = |seconds: f64| seconds * 1e6 / count as f64;
        let (user, system) = (micros(self.user), micros(self.system));
        format!("{:.2} us ({user:.2} user + {system:.2} system)", user + system)
    }
}

impl Server {
    fn start() -> Self {
        let binary = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/release/pushgate");
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let file = env::temp_dir().join(format!("pushgate-bench-{}.toml", address.port()));
        let toml = format!(
            "push_channel_id = \"$arg_c\"\npush_retry = 0\npush_ping_interval = \"10m\"\n\
             push_message_buffer_length = 100\n\
             [[server]]\nlisten = [\"{address}\"]\n\
             [[server.location]]\npath = \"/pub\"\npush_publisher = true\n\
             [[server.location]]\npath = \"/stream\"\npush_subscriber = [\"stream\"]\n\
             push_message_template = \"~text~\\n\"\n\
             [[server.location]]\npath = \"/sub\"\n\
             push_subscriber = [\"long-poll\", \"event-source\"]\n"
        );
        fs::write(&file, toml).unwrap();
        let child = Command::new(binary).arg("-q").arg("-c").arg(&file).spawn().unwrap();
        let server = Self { child, address, file };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < PATIENCE, "the server does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        server
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }

    /// Bytes in user space.
    fn memory(&self) -> usize {
        let rollup = self.proc("smaps_rollup");
        let line = rollup.lines().find(|line| line.starts_with("Anonymous:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    fn tell_memory(&self, when: &str, before: usize, count: usize) {
        let grown = self.memory().saturating_sub(before);
        println!("  memory       {} B a connection, {when} ({grown} B)", grown / count);
    }

    fn cpu(&self) -> Cpu {
        let stat = self.proc("stat");
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<f64>().unwrap() / 100.0;
        Cpu { user: ticks(11), system: ticks(12) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.file);
    }
}

/// One keep-alive connection that publishes and asks.
struct Publisher(BufReader<TcpStream>);

impl Publisher {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Returns the channel's state.
    fn request(&mut self, method: &str, channel: &str, text: &str) -> String {
        let request = format!(
            "{method} /pub?c={channel} HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\
             Content-Length: {}\r\n\r\n{text}",
            text.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }

    /// Returns the message's id.
    fn publish(&mut self, channel: &str, text: &str) -> String {
        let info = self.request("POST", channel, text);
        info.rsplit('"').nth(1).unwrap().to_owned()
    }

    fn wait_for(&mut self, channel: &str, subscribers: usize) {
        let start = Instant::now();
        let wanted = format!("\"subscribers\": {subscribers},");
        while !self.request("GET", channel, "").contains(&wanted) {
            assert!(start.elapsed() < PATIENCE, "{subscribers} subscribers do not come");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A channel with one subscriber, beside the big one.
struct Neighbour {
    publisher: Publisher,
    events: TcpStream,
    beats: usize,
}

impl Neighbour {
    fn connect(server: &Server) -> Self {
        let mut publisher = Publisher::connect(server.address);
        let mut events = TcpStream::connect(server.address).unwrap();
        events.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = "GET /sub?c=small HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
        events.write_all(request.as_bytes()).unwrap();
        publisher.wait_for("small", 1);
        Self { publisher, events, beats: 0 }
    }

    /// From publishing to receiving.
    fn beat(&mut self) -> Duration {
        let text = format!("beat{}.", self.beats);
        self.beats += 1;
        let start = Instant::now();
        self.publisher.publish("small", &text);
        let mut got = Vec::new();
        while !got.windows(text.len()).any(|window| window == text.as_bytes()) {
            let mut buffer = [0; 4096];
            let length = self.events.read(&mut buffer).unwrap();
            assert!(length > 0, "the neighbour is sent away");
            got.extend_from_slice(&buffer[..length]);
        }
        start.elapsed()
    }

    fn run(&mut self, stop: &AtomicBool) -> Vec<Duration> {
        let mut times = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            times.push(self.beat());
            thread::sleep(BREATH);
        }
        times
    }
}

/// Subscribers.
struct Crowd {
    way: Way,
    peers: Vec<Peer>,
    epoll: rustix::fd::OwnedFd,
    /// All that an endless response has after its head.
    stream: Vec<u8>,
    /// Id and text of each message.
    messages: Vec<(String, String)>,
    sent: usize,
}

struct Peer {
    stream: TcpStream,
    /// Bytes of `Crowd::stream`, or answers, that have come.
    at: usize,
    input: Vec<u8>,
}

impl Crowd {
    fn gather(way: Way, server: &Server, net: u8, count: usize) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let opening: &[u8] = match way {
            Way::EventSource | Way::Apart => b"3\r\n:\n\n\r\n",
            Way::LongPoll | Way::Stream => b"",
        };
        let stream = opening.to_vec();
        let mut crowd = Self {
            way,
            peers: Vec::with_capacity(count),
            epoll,
            stream,
            messages: Vec::new(),
            sent: 0,
        };
        while crowd.peers.len() < count {
            let first = crowd.peers.len();
            for number in first..count.min(first + 500) {
                crowd.add(server.address, net, number);
            }
            if way != Way::LongPoll {
                crowd.peers[first..].iter_mut().for_each(Peer::head);
            }
        }
        crowd.receive();
        crowd
    }

    fn add(&mut self, address: SocketAddr, net: u8, number: usize) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // Many addresses, because a free port is slow to find where most are taken.
        let host = u8::try_from(number / PORTS + 1).unwrap();
        let from = SocketAddr::from((Ipv4Addr::new(127, 0, net, host), 0));
        socket.bind(&SockAddr::from(from)).unwrap();
        socket.connect(&SockAddr::from(address)).unwrap();
        // A reset leaves no port behind.
        socket.set_linger(Some(Duration::ZERO)).unwrap();
        let stream = TcpStream::from(socket);
        let mut peer = Peer { stream, at: 0, input: Vec::new() };
        peer.stream.write_all(self.request(number, None).as_bytes()).unwrap();
        epoll::add(
            &self.epoll,
            &peer.stream,
            epoll::EventData::new_u64(number as u64),
            epoll::EventFlags::IN,
        )
        .unwrap();
        self.peers.push(peer);
    }

    fn request(&self, number: usize, last: Option<&str>) -> String {
        let target = match self.way {
            Way::Stream => "/stream?c=big".to_owned(),
            Way::Apart => format!("/sub?c=big{number}"),
            Way::EventSource | Way::LongPoll => "/sub?c=big".to_owned(),
        };
        let accept = match self.way {
            Way::EventSource | Way::Apart => "Accept: text/event-stream\r\n",
            Way::LongPoll | Way::Stream => "",
        };
        let last = last.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
        format!("GET {target} HTTP/1.1\r\nHost: x\r\n{accept}{last}\r\n")
    }

    /// Subscribers of the first channel.
    fn first_count(&self) -> usize {
        if self.way == Way::Apart { 1 } else { self.peers.len() }
    }

    fn expect(&mut self, id: &str, text: &str) {
        self.sent += 1;
        self.messages.push((id.to_owned(), text.to_owned()));
        let payload = match self.way {
            Way::EventSource | Way::Apart => format!("id: {id}\ndata: {text}\n\n"),
            Way::Stream => format!("{text}\n"),
            Way::LongPoll => return,
        };
        let chunk = format!("{:x}\r\n{payload}\r\n", payload.len());
        self.stream.extend_from_slice(chunk.as_bytes());
    }

    /// Reads until every subscriber has all there is.
    fn receive(&mut self) {
        let end = if self.way == Way::LongPoll { self.messages.len() } else { self.stream.len() };
        let mut behind = self.peers.iter().filter(|peer| peer.at < end).count();
        let mut buffer = vec![0; 64 << 10];
        let mut events = Vec::with_capacity(1024);
        let start = Instant::now();
        while behind > 0 {
            events.clear();
            let wait = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
            let spare = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&self.epoll, spare, Some(&wait)).unwrap();
            assert!(start.elapsed() < PATIENCE, "{behind} subscribers lack messages");
            for event in &events {
                let number = usize::try_from(event.data.u64()).unwrap();
                self.read(number, &mut buffer);
                behind -= usize::from(self.peers[number].at == end);
            }
        }
    }

    fn read(&mut self, number: usize, buffer: &mut [u8]) {
        let peer = &mut self.peers[number];
        let length = peer.stream.read(buffer).unwrap();
        assert!(length > 0, "subscriber {number} is sent away");
        let bytes = &buffer[..length];
        if self.way != Way::LongPoll {
            let expected = self.stream.get(peer.at..peer.at + length);
            assert_eq!(expected, Some(bytes), "subscriber {number} gets something else");
            peer.at += length;
            return;
        }
        peer.input.extend_from_slice(bytes);
        let Some(head) = peer.input.windows(4).position(|window| window == b"\r\n\r\n") else {
            return;
        };
        let (id, text) = &self.messages[peer.at];
        if peer.input.len() < head + 4 + text.len() {
            return;
        }
        assert_eq!(&peer.input[head + 4..], text.as_bytes(), "subscriber {number}");
        peer.at += 1;
        peer.input = Vec::new();
        let request = self.request(number, Some(id));
        self.peers[number].stream.write_all(request.as_bytes()).unwrap();
    }
}

impl Peer {
    /// Reads the head of a response byte by byte, so that nothing else is taken.
    fn head(&mut self) {
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut seen = [0; 1024];
            let length = match self.stream.peek(&mut seen) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                length => length.unwrap(),
            };
            assert!(length > 0, "a subscriber is sent away");
            let end = seen[..length].windows(4).position(|window| window == b"\r\n\r\n");
            let mut part = vec![0; end.map_or(length, |at| at + 4)];
            self.stream.read_exact(&mut part).unwrap();
            head.extend_from_slice(&part);
        }
        assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&head));
    }
}
