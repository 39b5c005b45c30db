//! Messages of no bytes and of ten million, to every transport, byte for byte.

use std::net::SocketAddr;

use tokio::{task::JoinSet, time::timeout};

use crate::{
    client::{Listener, Way},
    harness::Gateway,
    scene::{PATIENCE, all, locations, turn, watch},
};

const LARGE: usize = 10 << 20;

/// Text of which no two parts are alike.
pub fn large() -> String {
    let mut state = 1_u32;
    let letters = (0..LARGE).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"0123456789abcdef"[(state >> 28) as usize]
    });
    String::from_utf8(letters.collect()).unwrap()
}

/// A client of each way at a time, and one that comes afterwards.
fn carry(ways: &[Way], hold: &str) {
    let _turn = turn();
    let root = "workers = 2\npush_max_reserved_memory = \"256M\"\nclient_max_body_size = \"16M\"";
    let gateway = Gateway::start_root(root, &locations(hold, ""));
    let texts: &'static [String] =
        Box::leak(Box::new([String::new(), large(), String::new(), "end".into()]));
    let address = gateway.address;
    let waiting = ways.iter().filter(|way| way.waits()).count();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            gateway.wait_for_subscribers("/pub?c=c", waiting);
            for text in texts {
                gateway.publish("/pub?c=c", text);
            }
        });
        watch(async {
            let mut audience = JoinSet::new();
            for way in ways {
                audience.spawn(read(address, *way, texts));
            }
            all(audience).await;
            // As backlog.
            for way in ways {
                read(address, *way, texts).await;
            }
        });
    });
}

/// Gets all of the texts.
async fn read(address: SocketAddr, way: Way, texts: &[String]) {
    let mut listener = Listener::new(address, way, "c");
    // A chunk of nothing would end the response.
    let wanted = texts.iter().filter(|text| way != Way::Chunked || !text.is_empty());
    for (number, wanted) in wanted.enumerate() {
        let (_, text) = timeout(PATIENCE, listener.next()).await.unwrap().unwrap();
        // Without the text.
        assert!(text == *wanted, "{way:?}: {number} is different, {} bytes", text.len());
    }
}

#[test]
fn all_transports_carry_nothing_and_ten_megabytes() {
    carry(&Way::ALL, "hall");
}

#[test]
fn all_transports_carry_nothing_and_ten_megabytes_as_bodies() {
    carry(&Way::ALL, "body");
}
