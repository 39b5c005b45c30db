//! Publishing in rounds, a message to each channel, until all subscribers have them.

use std::io;

use super::{
    arguments::Pace,
    clock::{SECOND, now},
    publishers::Publishers,
    scene::Scene,
};

/// When the next message is published.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    /// As long as the publisher is not so many rounds ahead of the last subscriber.
    Ahead(u32),
    /// So many messages in a second.
    Rate(u32),
}

impl From<Pace> for When {
    fn from(pace: Pace) -> Self {
        pace.pub_rate.map_or(Self::Ahead(pace.inflight), Self::Rate)
    }
}

/// Publishes rounds up to that number; returns whether everyone had them all.
pub(super) fn deliver(scene: &mut Scene, when: When, rounds: u32) -> io::Result<bool> {
    let Some(publishers) = &scene.publishers else { return Ok(false) };
    let channels = u64::try_from(publishers.counts.len()).unwrap_or(u64::MAX);
    let mut submitted = publishers.accepted;
    let end = u64::from(rounds) * channels;
    let (begin, first) = (now(), submitted);
    let due = |number: u64, rate: u32| begin + SECOND * (number - first) / u64::from(rate);
    scene.expect();
    while scene.state().done < rounds || !scene.publishers.as_ref().is_some_and(Publishers::idle) {
        let done = u64::from(scene.state().done);
        let mut next = None;
        if let Some(publishers) = &mut scene.publishers {
            while submitted < end {
                let due = match when {
                    When::Ahead(ahead) if submitted / channels < done + u64::from(ahead) => None,
                    When::Ahead(_) => break,
                    When::Rate(rate) => Some(due(submitted, rate)),
                };
                if due.is_some_and(|due| due > now()) {
                    next = due;
                    break;
                }
                let channel = u32::try_from(submitted % channels).unwrap_or_default();
                publishers.submit(channel, due);
                submitted += 1;
            }
        }
        scene.turn(next)?;
        if scene.hopeless() {
            return Ok(false);
        }
        let heard = scene.state().heard;
        scene.progress.show(|| format!("{done} of {rounds} rounds, {heard} deliveries"));
    }
    Ok(true)
}
