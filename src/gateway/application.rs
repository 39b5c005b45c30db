//! What a status location shows of the applications.

use std::sync::atomic::Ordering::Relaxed;

use super::Gateway;
use crate::status::{Application, Told, Upstream};

impl Gateway {
    /// How things stand between the gateway and the applications.
    pub(super) fn application(&self) -> Application {
        let (counts, notices) = (&self.counts, &self.notices);
        let upstreams = self.groups.iter().map(|group| {
            let figures = group.figures();
            Upstream {
                name: group.name().into(),
                requests: figures.requests,
                failures: figures.failures,
                servers: figures.servers as u64,
                unavailable: figures.unavailable as u64,
                connections: figures.connections as u64,
            }
        });
        Application {
            questions: counts.questions.load(Relaxed) as u64,
            turned_away: counts.turned_away.load(Relaxed),
            waiting: counts.waiting.load(Relaxed) as u64,
            notices: Told {
                queued: notices.queued.load(Relaxed) as u64,
                told: notices.told.load(Relaxed),
                failed: notices.failed.load(Relaxed),
                lost: notices.lost.load(Relaxed),
            },
            upstreams: upstreams.collect(),
        }
    }
}
