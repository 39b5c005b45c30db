//! A gateway with a location for each transport, publishers and an audience.

use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime, task::JoinSet, time::timeout};

pub use crate::locations::locations;
use crate::{
    client::Listener,
    formats::id,
    harness::Gateway,
    ledger::{self, Ledger},
};

/// An audience that has not seen everything by then never will, on however busy a machine.
pub const PATIENCE: Duration = Duration::from_mins(3);
/// A subscriber who lacks messages and gets none for so long never will.
pub const SILENCE: Duration = Duration::from_mins(1);

/// One scene at a time: each is many connections, and the machine has few cores.
pub fn turn() -> MutexGuard<'static, ()> {
    static STAGE: Mutex<()> = Mutex::new(());
    STAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two workers and room for all messages.
pub const ROOT: &str = "workers = 2\npush_max_reserved_memory = \"256M\"";

/// Keys of a server that stores everything.
pub const STORE: &str = "push_message_buffer_length = 100000";

/// Someone who sends messages by one connection.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// Each gets every number in turn.
    pub channels: Vec<String>,
    /// Tells it from others on the same channel.
    pub name: usize,
    /// Numbers of the messages.
    pub numbers: std::ops::Range<usize>,
    /// Time between two numbers.
    pub every: Duration,
    /// Bytes of a message, about; 0: few, and each its own number.
    pub size: usize,
}

impl Publisher {
    /// Sends everything; every id it is told is above the one before.
    pub fn run(self, gateway: &Gateway) {
        let mut client = gateway.connect();
        let start = Instant::now();
        let mut last = (0, 0);
        for (step, number) in (0_u32..).zip(self.numbers) {
            thread::sleep((self.every * step).saturating_sub(start.elapsed()));
            for channel in &self.channels {
                let text = ledger::text(channel, self.name, number, self.size);
                let accept = "Accept: application/json\r\n";
                client.request("POST", &format!("/pub?c={channel}"), accept, &text);
                let response = client.response();
                assert!(matches!(response.status, 201 | 202), "{response:?}");
                let info: serde_json::Value = serde_json::from_str(response.text()).unwrap();
                let told = id(info["last_message_id"].as_str().unwrap());
                assert!(told > last, "{told:?} after {last:?}");
                last = told;
            }
        }
    }
}

/// Runs publishers beside an audience.
pub fn play(gateway: &Gateway, publishers: Vec<Publisher>, audience: impl Future<Output = ()>) {
    thread::scope(|scope| {
        for publisher in publishers {
            scope.spawn(|| publisher.run(gateway));
        }
        watch(audience);
    });
}

/// Runs an audience.
pub fn watch<T>(audience: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(PATIENCE, audience).await.expect("all is seen in time") })
}

/// Waits for all of them; the first that panics is the failure.
pub async fn all<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut results = Vec::new();
    while let Some(result) = tasks.join_next().await {
        match result {
            Ok(result) => results.push(result),
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
    results
}

/// Listens until everything is seen. After so many messages it hangs up and comes back: 0 is never.
pub async fn attend(mut listener: Listener, mut ledger: Ledger, mut hang_ups: Dice) -> Listener {
    let mut left = hang_ups.roll();
    while !ledger.done() {
        let next = timeout(SILENCE, listener.next()).await;
        let next = next.unwrap_or_else(|_| panic!("nothing more comes to {ledger:?}"));
        let (id, text) = next.unwrap_or_else(|end| panic!("{end:?} for {ledger:?}"));
        ledger.take(id, &text);
        left = left.saturating_sub(1);
        if left == 0 {
            listener.hang_up();
            left = hang_ups.roll();
        }
    }
    assert_eq!(listener.gaps, 0, "{ledger:?}");
    listener
}

/// Numbers in a range, the same in every run.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
    range: std::ops::Range<usize>,
}

impl Dice {
    pub fn new(seed: usize, range: std::ops::Range<usize>) -> Self {
        Self { state: (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15), range }
    }

    /// No number ever comes.
    pub fn never() -> Self {
        Self::new(0, usize::MAX - 1..usize::MAX)
    }

    /// xorshift64*
    pub fn roll(&mut self) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let number = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        self.range.start + usize::try_from(number).unwrap() % self.range.len()
    }
}
