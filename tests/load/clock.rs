//! A clock that steps back an hour while messages flow, and forward again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, UNIX_EPOCH},
};

use tokio::task::JoinSet;

use crate::{
    client::{Listener, Way},
    harness::Gateway,
    ledger::Ledger,
    scene::{Dice, Publisher, ROOT, STORE, all, attend, locations, play, turn},
};

const HOUR: u64 = 3600;
const ROUNDS: usize = 300;

#[test]
fn a_clock_that_steps_back_changes_nothing() {
    let _turn = turn();
    // Every reading counts, so that the steps come in the middle of the stream.
    let readings = Arc::new(AtomicU64::new(0));
    let count = readings.clone();
    let clock = move || {
        let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
        match count.fetch_add(1, Relaxed) {
            0..300 => now,
            300..500 => now - HOUR,
            500..700 => now + HOUR,
            _ => now - 2 * HOUR,
        }
    };
    let gateway = Gateway::start_with(ROOT, &locations("hall", STORE), |settings| {
        settings.clock = Box::new(clock);
    });
    let address = gateway.address;
    let publisher = |name| Publisher {
        channels: vec!["c0".into(), "c1".into()],
        name,
        numbers: 0..ROUNDS,
        every: Duration::from_millis(4),
        size: 0,
    };
    play(&gateway, vec![publisher(0), publisher(1)], async {
        let mut audience = JoinSet::new();
        for number in 0..40 {
            let way = Way::ALL[number % Way::ALL.len()];
            let mut ledger = Ledger::new(format!("{way:?} {number}"));
            for channel in ["c0", "c1"] {
                ledger = ledger.all(channel, 0, ROUNDS).all(channel, 1, ROUNDS);
            }
            let dice = if way.resumes() { Dice::new(number, 1..200) } else { Dice::never() };
            audience.spawn(attend(Listener::new(address, way, "c0,c1"), ledger, dice));
        }
        all(audience).await;
    });
    assert!(readings.load(Relaxed) >= 4 * ROUNDS as u64);
}
