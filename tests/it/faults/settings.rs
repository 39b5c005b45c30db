//! Settings belong to the request that they came with, however late its body comes.

use crate::{
    frames::{FIN, HANDSHAKE, PING, PONG, TEXT, frame},
    harness::{Client, Gateway},
    websocket::read,
};

/// Two publishers that differ in what a channel keeps, for how long.
const LOCATIONS: &str = r#"
push_channel_id = "$arg_c"

[[server.location]]
path = "/pub"
push_publisher = true

[[server.location]]
path = "/few"
push_pubsub = true
push_message_buffer_length = 3

[[server.location]]
path = "/many"
push_pubsub = true
push_message_buffer_length = 50

[[server.location]]
path = "/brief"
push_pubsub = true
push_message_timeout = "20ms"
push_message_buffer_length = 50
"#;

/// Messages to each channel.
const COUNT: usize = 10;

/// How a message is sent in two parts, of which the server has seen the first when `begin` returns.
#[derive(Clone, Copy, Debug)]
enum Late {
    Length,
    Chunks,
    Frame,
}

impl Late {
    fn begin(self, gateway: &Gateway, location: &str, channel: &str) -> Client {
        let mut client = gateway.connect();
        let target = format!("{location}?c={channel}");
        let headers = match self {
            Self::Length => "Content-Length: 4\r\n",
            Self::Chunks => "Transfer-Encoding: chunked\r\n",
            Self::Frame => {
                client.get(&target, HANDSHAKE);
                assert!(client.head().starts_with("HTTP/1.1 101 "));
                client.send([frame(TEXT, b"la"), frame(FIN | PING, b"?")].concat());
                while read(&mut client) != (FIN | PONG, b"?".to_vec()) {}
                return client;
            }
        };
        client.send(format!(
            "POST {target} HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n{headers}\r\n"
        ));
        assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n");
        client
    }

    /// Returns when the message has been published.
    fn end(self, client: &mut Client) {
        match self {
            Self::Length => client.send("late"),
            Self::Chunks => client.send("4\r\nlate\r\n0\r\n\r\n"),
            Self::Frame => {
                client.send(frame(FIN, b"te"));
                // It listens, too, to this and to others.
                while read(client) != (FIN | TEXT, b"late".to_vec()) {}
                return;
            }
        }
        let answer = client.response();
        assert!(matches!(answer.status, 201 | 202), "{answer:?}");
    }
}

fn kept(gateway: &Gateway, channel: &str) -> usize {
    let info = gateway.request("GET", &format!("/pub?c={channel}"), "", "");
    let first = info.text().lines().next().unwrap();
    first.strip_prefix("queued messages: ").unwrap().parse().unwrap()
}

#[test]
fn the_settings_of_a_publisher_are_its_own_however_late_its_body_comes() {
    for late in [Late::Length, Late::Chunks, Late::Frame] {
        let gateway = Gateway::start(LOCATIONS);
        for _ in 0..COUNT {
            let mut few = late.begin(&gateway, "/few", "few");
            let mut many = late.begin(&gateway, "/many", "many");
            gateway.publish("/many?c=many", "at once");
            gateway.publish("/few?c=few", "at once");
            late.end(&mut few);
            late.end(&mut many);
        }
        assert_eq!(kept(&gateway, "few"), 3, "{late:?}");
        assert_eq!(kept(&gateway, "many"), 2 * COUNT, "{late:?}");
    }
}

#[test]
fn messages_go_when_their_own_publisher_says_so() {
    for late in [Late::Length, Late::Chunks, Late::Frame] {
        let gateway = Gateway::start(LOCATIONS);
        let mut brief = late.begin(&gateway, "/brief", "brief");
        let mut many = late.begin(&gateway, "/many", "many");
        gateway.publish("/many?c=many", "at once");
        gateway.publish("/brief?c=brief", "at once");
        late.end(&mut brief);
        late.end(&mut many);
        while kept(&gateway, "brief") > 0 {
            std::thread::yield_now();
        }
        assert_eq!(kept(&gateway, "many"), 2, "{late:?}");
    }
}
