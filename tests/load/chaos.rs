//! Clients that come, do something and vanish, while messages flow.

use std::{
    fs,
    io::ErrorKind,
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use crate::{
    client::{Listener, Way},
    frames::{
        BINARY, CLOSE, DEFLATE, FIN, HANDSHAKE, PING, RSV1, TEXT, announced, fragments, frame,
    },
    harness::Gateway,
    ledger::Ledger,
    scene::{Dice, Publisher, ROOT, STORE, all, attend, locations, play, turn},
};

const CHANNELS: [&str; 2] = ["c0", "c1"];
const ROUNDS: usize = 400;
const CLIENTS: usize = 2000;
/// Longer than the server waits for a client that it has closed its side to.
const LINGER: Duration = Duration::from_secs(30);
/// At the same time.
const CROWD: usize = 50;

/// What clients send, whole or cut anywhere.
const REQUESTS: [&str; 9] = [
    "GET /poll?c=nobody HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /stream?c=c1 HTTP/1.0\r\n\r\n",
    "GET /events?c=nobody,c0 HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 99999999999:0\r\n\r\n",
    "GET /json?c=c0 HTTP/1.1\r\nHost: x\r\n\r\nGET /events?c=c1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST /pub?c=other HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\nonly a part",
    "POST /pub?c=other HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "DELETE /pub?c=other HTTP/1.1\r\nHost: x\r\n\r\nGET /poll?c=other HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "\0\x16\x03 no request at all\r\n\r\n",
];

/// The same, with a request of each transport, and with WebSockets that send something.
fn requests() -> Vec<Vec<u8>> {
    let get = |target: &str, headers: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").into_bytes()
    };
    let mut requests: Vec<Vec<u8>> =
        REQUESTS.iter().map(|request| request.as_bytes().to_vec()).collect();
    for way in Way::ALL.into_iter().chain(Way::FORMS) {
        let (target, headers) = way.request("c0,c1");
        requests.push(get(&target, &headers));
        // Twice, one behind the other.
        requests.push(get(&target, &headers).repeat(2));
    }
    let message = frame(FIN | TEXT, b"into the blue");
    for frames in [
        message.clone(),
        [fragments(TEXT, &[b'x'; 4000], 100), message.clone()].concat(),
        [frame(FIN | PING, &[b'x'; 125]).repeat(50), frame(FIN | CLOSE, b"\x03\xe8")].concat(),
        announced(FIN | BINARY, 10 << 20),
        announced(FIN | BINARY, 512 << 20),
        [frame(RSV1 | FIN | TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\0"), message].concat(),
        b"no frame at all".to_vec(),
    ] {
        for (target, headers) in [("/both?c=other", DEFLATE), ("/any?c=c0", "")] {
            let handshake = get(target, &format!("{HANDSHAKE}{headers}"));
            requests.push([handshake, frames.clone()].concat());
        }
    }
    requests
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// How many are open once every worker runs and nobody is connected.
pub fn at_rest(gateway: &Gateway) -> usize {
    // The kernel spreads connections: no worker is without any of so many.
    for _ in 0..64 {
        gateway.request("GET", "/pub?c=c0", "", "");
    }
    loop {
        let before = descriptors();
        thread::sleep(Duration::from_millis(50));
        if descriptors() == before {
            return before;
        }
    }
}

/// One client: sends something, reads something, goes in some way.
async fn stray(address: SocketAddr, requests: &[Vec<u8>], mut dice: Dice) {
    let Ok(mut stream) = TcpStream::connect(address).await else { return };
    if dice.roll().is_multiple_of(4) {
        let _ = SockRef::from(&stream).set_recv_buffer_size(2 << 10);
    }
    for _ in 0..=dice.roll() % 2 {
        let request = &requests[dice.roll() % requests.len()];
        let cut = match dice.roll() % 3 {
            0 => dice.roll() % request.len(),
            _ => request.len(),
        };
        let _ = stream.write_all(&request[..cut]).await;
    }
    if !dice.roll().is_multiple_of(3) {
        let mut buffer = vec![0; 1 + dice.roll() % 5000];
        let patience = Duration::from_millis(dice.roll() as u64 % 20);
        let _ = timeout(patience, stream.read(&mut buffer)).await;
    }
    match dice.roll() % 3 {
        // A reset.
        0 => SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
        // Half of it, and then the rest.
        1 => {
            let _ = stream.shutdown().await;
            let mut buffer = [0; 512];
            let _ = timeout(Duration::from_millis(3), stream.read(&mut buffer)).await;
        }
        _ => {}
    }
}

/// So many at once until all have been.
async fn strays(address: SocketAddr) {
    let (mut clients, requests) = (JoinSet::new(), Arc::new(requests()));
    for number in 0..CLIENTS {
        if clients.len() >= CROWD {
            clients.join_next().await.unwrap().unwrap();
        }
        let requests = requests.clone();
        clients.spawn(async move {
            stray(address, &requests, Dice::new(number, 0..1 << 30)).await;
        });
    }
    all(clients).await;
}

/// Waits until nothing is open but what was before.
pub fn all_closed(gateway: &Gateway, before: usize) {
    for channel in ["c0", "c1", "nobody", "other"] {
        if gateway.request("GET", &format!("/pub?c={channel}"), "", "").status == 200 {
            gateway.wait_for_subscribers(&format!("/pub?c={channel}"), 0);
        }
    }
    let start = Instant::now();
    while descriptors() > before {
        assert!(start.elapsed() < LINGER, "{} descriptors, {before} before", descriptors());
        thread::sleep(Duration::from_millis(20));
    }
}

fn stroll(hold: &str) {
    let _turn = turn();
    let gateway = Gateway::start_root(ROOT, &locations(hold, STORE));
    let address = gateway.address;
    let publisher = Publisher {
        channels: CHANNELS.map(String::from).into(),
        name: 0,
        numbers: 0..ROUNDS,
        every: Duration::from_millis(4),
        size: 0,
    };
    let before = at_rest(&gateway);
    let ledger =
        |who: String| Ledger::new(who).all(CHANNELS[0], 0, ROUNDS).all(CHANNELS[1], 0, ROUNDS);
    play(&gateway, vec![publisher], async {
        let mut audience = JoinSet::new();
        let ways = Way::ALL.into_iter().chain(Way::FORMS).chain(Way::resuming());
        for (number, way) in ways.enumerate() {
            let stays = number < Way::ALL.len() + Way::FORMS.len();
            let dice = if stays { Dice::never() } else { Dice::new(number, 1..100) };
            let listener = Listener::new(address, way, "c0,c1");
            audience.spawn(attend(listener, ledger(format!("{way:?} {number}")), dice));
        }
        strays(address).await;
        all(audience).await;
        // Someone who comes afterwards.
        for way in Way::ALL {
            attend(Listener::new(address, way, "c1,c0"), ledger(format!("{way:?}")), Dice::never())
                .await;
        }
    });
    all_closed(&gateway, before);
}

#[test]
fn strays_disturb_nobody_and_leave_nothing() {
    stroll("hall");
}

#[test]
fn strays_disturb_nobody_and_leave_nothing_as_bodies() {
    stroll("body");
}

/// Clients that wait and are reset in the middle of it.
fn vanish(hold: &str) {
    let _turn = turn();
    let gateway = Gateway::start_root(ROOT, &locations(hold, STORE));
    let (before, ways) = (at_rest(&gateway), [&Way::held()[..], &Way::FORMS].concat());
    let mut clients = Vec::new();
    for number in 0..300 {
        let mut client = gateway.connect();
        let (target, headers) = ways[number % ways.len()].request("c0,c1");
        client.get(&target, &headers);
        clients.push(client);
    }
    gateway.wait_for_subscribers("/pub?c=c0", 300);
    gateway.wait_for_subscribers("/pub?c=c1", 300);
    for (number, client) in clients.into_iter().enumerate() {
        if number % 2 == 0 {
            SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(client);
        if number % 50 == 0 {
            // Into their faces.
            let status = gateway.request("POST", "/pub?c=c0", "", "hello").status;
            assert!(matches!(status, 201 | 202));
        }
    }
    all_closed(&gateway, before);
    let mut client = gateway.connect();
    client.get("/events?c=c0", "");
    assert_eq!(client.head().lines().next(), Some("HTTP/1.1 200 OK"));
    assert_eq!(client.stream.take_error().unwrap().map(|error| error.kind()), None::<ErrorKind>);
}

#[test]
fn who_is_reset_is_no_subscriber_any_more() {
    vanish("hall");
}

#[test]
fn who_is_reset_is_no_subscriber_any_more_as_bodies() {
    vanish("body");
}
