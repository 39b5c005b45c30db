//! Neighbours: what a large channel must not disturb.

use super::{
    crowd::Crowd, faults::Faults, fleet::CrowdReport, publishers::Publishers, report::Times,
};

/// Channels with one subscriber each that are published to in turn, at fixed times.
///
/// There are many, each with a connection that publishes, so that a message waits for the server and not
/// for the one before it.
#[derive(Debug)]
pub(super) struct Beat {
    pub(super) publishers: Publishers,
    pub(super) crowd: Crowd,
    /// Messages in a second.
    pub(super) rate: u32,
}

impl Beat {
    pub(super) fn failed(&self) -> bool {
        self.crowd.heard.gone > 0 || !self.publishers.faults.none()
    }

    /// What has come while they are sent nothing new: where something always comes it is nothing to
    /// wait for.
    pub(super) fn come(&self) -> u64 {
        let heard = &self.crowd.heard;
        let come = heard.rounds.heard() + u64::from(heard.opened) + self.publishers.accepted;
        if self.publishers.paced() { 0 } else { come }
    }

    /// Whether nothing is under way.
    pub(super) fn at_rest(&self) -> bool {
        let heard = self.crowd.heard.rounds.heard();
        let sent: u32 = self.publishers.counts.iter().sum();
        self.publishers.idle() && heard >= u64::from(sent)
    }

    /// From now on they get messages.
    pub(super) fn start(&mut self) {
        self.publishers.pace(self.rate, u64::MAX);
    }

    /// What they have seen.
    pub(super) fn report(mut self, faults: &mut Faults) -> Vec<Times> {
        let report = CrowdReport::of(&mut self.crowd, &self.publishers.counts);
        for theirs in [report.faults, self.publishers.faults] {
            faults.merge(theirs.of("neighbours'"));
        }
        vec![
            Times::new("neighbour", &report.latency),
            Times::new("neighbour's answer", &self.publishers.answers),
        ]
    }
}
