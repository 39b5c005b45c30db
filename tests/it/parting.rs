//! Who is sent away gets first what was published before: its publisher was told who waited for it.

use crate::{
    harness::Client,
    site::{MODES, event, listen, start, wait},
    websocket,
};

/// Messages larger together than one write, which nobody has read when the channel goes.
fn published(gateway: &crate::harness::Gateway) -> Vec<String> {
    let texts: Vec<String> = (0..8).map(|n| n.to_string().repeat(60 << 10)).collect();
    let mut publisher = gateway.connect();
    for text in &texts {
        publisher.request("POST", "/pub?id=1", "", text);
    }
    publisher.request("DELETE", "/pub?id=1", "", "");
    for status in [201; 8].into_iter().chain([200]) {
        assert_eq!(publisher.response().status, status);
    }
    texts
}

#[test]
fn a_stream_gets_its_backlog_before_its_channel_is_gone() {
    for hold in MODES {
        let gateway = start(hold, "", "");
        let mut events: Client = listen(&gateway, "");
        wait(&gateway, 1);
        let mut expected = Vec::new();
        for (tag, text) in published(&gateway).iter().enumerate() {
            expected.extend(event(tag as u64, text));
        }
        expected.extend(b"event: close\ndata: deleted\n\n");
        let got: Vec<u8> = std::iter::from_fn(|| events.chunk()).flatten().collect();
        assert!(got == expected, "{hold}: {} of {} bytes", got.len(), expected.len());
    }
}

#[test]
fn a_web_socket_gets_its_backlog_before_its_channel_is_gone() {
    let gateway = start("hall", "", "");
    let mut client = websocket::open(&gateway, "/sub?id=1", "");
    wait(&gateway, 1);
    for text in published(&gateway) {
        assert!(websocket::text(&mut client) == text);
    }
    assert_eq!(websocket::closed(&mut client), (4410, "deleted".into()));
}
