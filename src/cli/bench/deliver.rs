//! Publishing in rounds, a message to each channel, until all subscribers have them.

use std::io;

use super::{arguments::Pace, clock::now, publishers::Publishers, scene::Scene};

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
    let Some(publishers) = &mut scene.publishers else { return Ok(false) };
    let channels = publishers.channels();
    let end = u64::from(rounds) * channels;
    if let When::Rate(rate) = when {
        publishers.pace(rate, end);
    }
    scene.expect();
    while scene.state().done < rounds || !scene.publishers.as_ref().is_some_and(Publishers::idle) {
        let done = u64::from(scene.state().done);
        let next = scene.publishers.as_mut().and_then(|publishers| match when {
            When::Ahead(ahead) => {
                publishers.allow(end.min((done + u64::from(ahead)) * channels));
                None
            }
            When::Rate(_) => publishers.publish_due(now()),
        });
        scene.turn(next)?;
        if scene.hopeless() {
            return Ok(false);
        }
        let heard = scene.state().heard;
        scene.progress.show(|| format!("{done} of {rounds} rounds, {heard} deliveries"));
    }
    Ok(true)
}
