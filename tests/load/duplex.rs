//! Messages that are published over WebSockets.

use std::net::{SocketAddr, TcpStream as Blocking};

use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet, time::timeout};

use crate::{
    client::{Listener, Way},
    conn::Conn,
    frames::{self, BINARY, DEFLATE, FIN, HANDSHAKE, META, PING, RSV1, TEXT, fragments, frame},
    harness::Gateway,
    ledger::{self, Ledger},
    scene::{PATIENCE, ROOT, SILENCE, STORE, all, locations, turn, watch},
};

/// Clients that publish at the same time.
const PUBLISHERS: usize = 3;
const MESSAGES: usize = 700;

/// A WebSocket that publishes and listens, one half for each.
async fn open(address: SocketAddr, headers: &str) -> (TcpStream, Conn) {
    let stream = Blocking::connect(address).unwrap();
    stream.set_nonblocking(true).unwrap();
    let writer = TcpStream::from_std(stream.try_clone().unwrap()).unwrap();
    let mut reader = Conn::new(TcpStream::from_std(stream).unwrap());
    reader.get("/both?c=c", &format!("{HANDSHAKE}{META}{headers}")).await.unwrap();
    assert_eq!(reader.head().await.unwrap().status, 101);
    (writer, reader)
}

/// A message as a client may send it.
fn sent(text: &str, number: usize, deflate: bool) -> Vec<u8> {
    match number % 4 {
        _ if deflate => frame(FIN | RSV1 | TEXT, &frames::deflate(text.as_bytes())),
        0 => frame(FIN | TEXT, text.as_bytes()),
        1 => fragments(TEXT, text.as_bytes(), 7),
        2 => [frame(FIN | PING, b"?"), frame(FIN | TEXT, text.as_bytes())].concat(),
        _ => [fragments(TEXT, text.as_bytes(), 90), frame(FIN | PING, b"")].concat(),
    }
}

/// Sends all messages, several at a time.
async fn publish(mut writer: TcpStream, name: usize, deflate: bool) -> TcpStream {
    for start in (0..MESSAGES).step_by(20) {
        let texts = (start..start + 20).map(|n| sent(&ledger::text("c", name, n, 0), n, deflate));
        let burst = texts.collect::<Vec<_>>().concat();
        // Cut anywhere.
        for piece in burst.chunks(501) {
            writer.write_all(piece).await.unwrap();
        }
    }
    writer
}

fn ledger(who: String) -> Ledger {
    (0..PUBLISHERS).fold(Ledger::new(who), |ledger, name| ledger.all("c", name, MESSAGES))
}

/// Everything that a publisher hears, its own messages among it.
async fn echo(mut reader: Conn, name: usize) -> Vec<String> {
    let (mut ledger, mut heard) = (ledger(format!("publisher {name}")), Vec::new());
    while !ledger.done() {
        let text = timeout(SILENCE, frames::text(&mut reader)).await;
        let text = text.unwrap_or_else(|_| panic!("nothing comes to {ledger:?}"));
        let text = text.unwrap().unwrap();
        let (meta, text) = text.split_once("\n\n").unwrap();
        let id = crate::formats::id(meta.strip_prefix("id: ").unwrap());
        ledger.take(Some(id), text);
        heard.push(text.to_owned());
    }
    heard
}

/// Everything that somebody else hears.
async fn listen(mut listener: Listener) -> Vec<String> {
    let (mut ledger, mut heard) = (ledger(format!("{:?}", listener.way)), Vec::new());
    while !ledger.done() {
        let next = timeout(SILENCE, listener.next()).await;
        let next = next.unwrap_or_else(|_| panic!("nothing comes to {ledger:?}"));
        let (id, text) = next.unwrap_or_else(|end| panic!("{end:?} for {ledger:?}"));
        ledger.take(id, &text);
        heard.push(text);
    }
    heard
}

fn speak(hold: &str) {
    let _turn = turn();
    let gateway = Gateway::start_root(ROOT, &locations(hold, STORE));
    let address = gateway.address;
    let orders = watch(async {
        let mut audience = JoinSet::new();
        for way in Way::ALL {
            audience.spawn(listen(Listener::new(address, way, "c")));
        }
        for name in 0..PUBLISHERS {
            let deflate = name == 2;
            let (writer, reader) = open(address, if deflate { DEFLATE } else { "" }).await;
            if name == 0 {
                // Listens only when it has said everything.
                audience.spawn(async move {
                    let _writer = publish(writer, name, deflate).await;
                    echo(reader, name).await
                });
                continue;
            }
            audience.spawn(echo(reader, name));
            // It stays open while its other half listens.
            tokio::spawn(async move {
                let _writer = publish(writer, name, deflate).await;
                std::future::pending::<()>().await;
            });
        }
        all(audience).await
    });
    // Everyone has seen the same order.
    assert_eq!(orders.len(), Way::ALL.len() + PUBLISHERS);
    for order in &orders {
        let at = order.iter().zip(&orders[0]).position(|(one, other)| one != other);
        assert_eq!(at, None, "orders are different");
    }
}

#[test]
fn all_see_what_web_sockets_publish_in_one_order() {
    speak("hall");
}

#[test]
fn all_see_what_web_sockets_publish_in_one_order_as_bodies() {
    speak("body");
}

#[test]
fn ten_megabytes_go_both_ways_over_a_web_socket() {
    let _turn = turn();
    let gateway = Gateway::start_root(ROOT, &locations("hall", STORE));
    let address = gateway.address;
    let large: &'static str = crate::bodies::large().leak();
    watch(async {
        let mut audience = JoinSet::new();
        let others = [Way::Deflate, Way::Socket, Way::Events, Way::LongPoll, Way::Cursorless];
        for way in others {
            audience.spawn(async move {
                let mut listener = Listener::new(address, way, "c");
                for number in 0..3 {
                    let (_, text) = timeout(PATIENCE, listener.next()).await.unwrap().unwrap();
                    assert!(text == large, "{way:?}: {number} is different");
                }
            });
        }
        let (mut writer, mut reader) = open(address, DEFLATE).await;
        let packed = frames::deflate(large.as_bytes());
        let messages = [
            frame(FIN | TEXT, large.as_bytes()),
            fragments(TEXT, large.as_bytes(), 100_000),
            frame(FIN | RSV1 | TEXT, &packed),
        ];
        for message in messages {
            writer.write_all(&message).await.unwrap();
            let text = frames::text(&mut reader).await.unwrap().unwrap();
            assert!(text.split_once("\n\n").unwrap().1 == large);
        }
        all(audience).await;
        // One byte more than there may be, however it is packed.
        for message in [
            frames::announced(FIN | BINARY, (16 << 20) + 1),
            frame(FIN | RSV1 | BINARY, &frames::deflate(&vec![b'x'; (16 << 20) + 1])),
        ] {
            let (mut writer, mut reader) = open(address, DEFLATE).await;
            writer.write_all(&message).await.unwrap();
            loop {
                match timeout(PATIENCE, frames::text(&mut reader)).await.unwrap().unwrap() {
                    Ok(text) => assert!(text.ends_with(large)),
                    Err((code, _)) => break assert_eq!(code, 1009),
                }
            }
        }
    });
}
