//! Messages of no bytes and of ten million, to every transport, byte for byte.

use tokio::{task::JoinSet, time::timeout};

use crate::{
    client::{Listener, Way},
    harness::Gateway,
    scene::{PATIENCE, all, locations, turn, watch},
};

const SUBSCRIBERS: usize = 10;
const LARGE: usize = 10 << 20;

/// Text of which no two parts are alike.
fn large() -> String {
    let mut state = 1_u32;
    let letters = (0..LARGE).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"0123456789abcdef"[(state >> 28) as usize]
    });
    String::from_utf8(letters.collect()).unwrap()
}

fn carry(way: Way, hold: &str) {
    let _turn = turn();
    let root = "workers = 2\npush_max_reserved_memory = \"256M\"\nclient_max_body_size = \"16M\"";
    let gateway = Gateway::start_root(root, &locations(hold, ""));
    let texts: &'static [String] =
        Box::leak(Box::new([String::new(), large(), String::new(), "end".into()]));
    let address = gateway.address;
    let read = |listener: Listener, count| async move {
        let mut listener = listener;
        for (number, wanted) in texts.iter().take(count).enumerate() {
            let (_, text) = timeout(PATIENCE, listener.next()).await.unwrap().unwrap();
            // Without the text.
            assert!(text == *wanted, "{way:?}: {number} is different, {} bytes", text.len());
        }
        listener
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if way != Way::Json {
                gateway.wait_for_subscribers("/pub?c=c", SUBSCRIBERS);
            }
            for text in texts {
                gateway.publish("/pub?c=c", text);
            }
        });
        watch(async {
            let mut audience = JoinSet::new();
            for _ in 0..SUBSCRIBERS {
                audience.spawn(read(Listener::new(address, way, "c"), texts.len()));
            }
            all(audience).await;
            // As backlog.
            read(Listener::new(address, way, "c"), texts.len()).await;
        });
    });
}

#[test]
fn long_polls_carry_nothing_and_ten_megabytes() {
    carry(Way::LongPoll, "hall");
}

#[test]
fn long_polls_carry_nothing_and_ten_megabytes_as_bodies() {
    carry(Way::LongPoll, "body");
}

#[test]
fn event_sources_carry_nothing_and_ten_megabytes() {
    carry(Way::Events, "hall");
}

#[test]
fn event_sources_carry_nothing_and_ten_megabytes_as_bodies() {
    carry(Way::Events, "body");
}

#[test]
fn streams_carry_nothing_and_ten_megabytes() {
    carry(Way::Stream, "hall");
}

#[test]
fn streams_carry_nothing_and_ten_megabytes_as_bodies() {
    carry(Way::Stream, "body");
}

#[test]
fn interval_polls_carry_nothing_and_ten_megabytes() {
    carry(Way::Json, "hall");
}
