//! An application that is asked and told things, and the gateway that does so.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use crate::{
    app::{App, Asked, asked},
    harness::{Client, Gateway, PATIENCE},
    site::{NOW, locations},
};

/// An application that answers each question with what `answer` makes of it.
pub struct Judge {
    pub app: App,
    asked: mpsc::Receiver<Asked>,
    number: Arc<AtomicUsize>,
}

impl Judge {
    pub fn new(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let (sender, asked) = mpsc::channel();
        let (sender, number) = (Mutex::new(sender), Arc::new(AtomicUsize::new(0)));
        let count = number.clone();
        let app = App::start(move |client, _| {
            while let Some(question) = crate::app::asked(client) {
                let answer = answer(&question);
                count.fetch_add(1, Ordering::SeqCst);
                let _ = sender.lock().unwrap().send(question);
                client.send(answer);
            }
        });
        Self { app, asked, number }
    }

    /// One that always says the same.
    pub fn saying(answer: &'static str) -> Self {
        Self::new(move |_| answer.into())
    }

    /// One that hears a question, and leaves over it.
    pub fn leaving() -> Self {
        let (sender, asked) = mpsc::channel();
        let (sender, number) = (Mutex::new(sender), Arc::new(AtomicUsize::new(0)));
        let count = number.clone();
        let app = App::start(move |client, _| {
            if let Some(question) = crate::app::asked(client) {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = sender.lock().unwrap().send(question);
            }
        });
        Self { app, asked, number }
    }

    /// The next question.
    pub fn next(&self) -> Asked {
        self.asked.recv_timeout(PATIENCE).unwrap()
    }

    /// Questions so far.
    pub fn questions(&self) -> usize {
        self.number.load(Ordering::SeqCst)
    }

    /// A gateway with the two locations of [`locations`], and one at `/auth` that the application answers.
    pub fn gateway(&self, hold: &str, publisher: &str, subscriber: &str) -> Gateway {
        start(self.app.address, hold, publisher, subscriber)
    }
}

/// The same in front of any address.
pub fn start(
    address: std::net::SocketAddr,
    hold: &str,
    publisher: &str,
    subscriber: &str,
) -> Gateway {
    let [publisher, subscriber] =
        [publisher, subscriber].map(|keys| keys.replace("APP", &address.to_string()));
    let locations = locations(hold, &publisher, &subscriber);
    let auth = format!(
        "[[server.location]]\npath = \"/auth\"\ninternal = true\nproxy_pass = \"http://{address}\"\n\
         proxy_read_timeout = \"300ms\"\n"
    );
    Gateway::start_with("workers = 1", &format!("{locations}\n{auth}"), |settings| {
        settings.clock = Box::new(|| NOW);
    })
}

/// A handshake at a target, with further header lines.
pub fn handshake(client: &mut Client, target: &str, headers: &str) {
    client.get(
        target,
        &format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}"
        ),
    );
}

/// One that never answers; it tells when it is asked, and when the question is taken back.
pub fn silent() -> (App, mpsc::Receiver<&'static str>) {
    let (sender, told) = mpsc::channel();
    let sender = Mutex::new(sender);
    let app = App::start(move |client, _| {
        if asked(client).is_some() {
            let _ = sender.lock().unwrap().send("asked");
            // Nothing more comes but the end.
            assert!(!client.has_more());
            let _ = sender.lock().unwrap().send("gone");
        }
    });
    (app, told)
}

pub const YES: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// The next message of a WebSocket.
pub fn next(client: &mut Client) -> String {
    let head = client.exactly(2);
    assert_eq!(head[0], 0x81);
    String::from_utf8(client.exactly(head[1].into())).unwrap()
}
