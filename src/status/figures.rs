//! All numbers of one moment.

use std::sync::Arc;

use serde::Serialize;

use super::{Monitor, application, application::Application};
use crate::{
    channel::{Gone, Traffic},
    config::Transport,
    framing::compressions,
    hold::{CLASSES, Counter, End, Tally},
    log,
};

/// The version of the program.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The classes of statuses.
pub(super) const CLASS_NAMES: [&str; CLASSES] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// All numbers of one moment.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Seconds since the start.
    pub(super) uptime: u64,
    /// Unix seconds of the start.
    pub(super) started: u64,
    pub(super) workers: usize,
    pub(super) channels: usize,
    pub(super) traffic: Traffic,
    pub(super) accepted: u64,
    /// Connections that are open.
    pub(super) active: u64,
    pub(super) requests: u64,
    pub(super) responses: [u64; CLASSES],
    pub(super) delivered: u64,
    pub(super) delivered_bytes: u64,
    pub(super) polls: u64,
    pub(super) gaps: u64,
    /// How often something was compressed for clients.
    pub(super) compressions: u64,
    pub(super) transports: Vec<Passage>,
    pub(super) ends: [u64; End::ALL.len()],
    pub(super) application: Application,
    pub(super) lost_log_lines: u64,
}

/// What one transport is used for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    pub(super) transport: &'static str,
    /// Subscribers that wait now.
    pub(super) waiting: u64,
    /// Requests that were let in.
    pub(super) visits: u64,
}

impl Figures {
    /// How things are.
    pub(super) fn of(monitor: &Monitor, application: Application) -> Self {
        let tallies = &monitor.tallies;
        // What ends is read before what begins, so that no more can have ended than begun.
        let closed = sum(tallies, |tally| &tally.closed);
        let uptime = monitor.started.elapsed().as_secs();
        Self {
            uptime,
            started: monitor.hub.now().saturating_sub(uptime),
            workers: tallies.len(),
            channels: monitor.hub.channels(),
            traffic: monitor.hub.traffic(),
            active: sum(tallies, |tally| &tally.accepted).saturating_sub(closed),
            accepted: sum(tallies, |tally| &tally.accepted),
            requests: sum(tallies, |tally| &tally.requests),
            responses: std::array::from_fn(|at| sum(tallies, |tally| &tally.responses[at])),
            delivered: sum(tallies, |tally| &tally.delivered),
            delivered_bytes: sum(tallies, |tally| &tally.delivered_bytes),
            polls: sum(tallies, |tally| &tally.polls),
            gaps: sum(tallies, |tally| &tally.gaps),
            compressions: compressions::runs(),
            transports: Transport::ALL.map(|transport| passage(tallies, transport)).to_vec(),
            ends: End::ALL.map(|end| sum(tallies, |tally| &tally.ends[end as usize])),
            application,
            lost_log_lines: log::lost(),
        }
    }

    /// Subscribers that wait.
    pub(super) fn subscribers(&self) -> u64 {
        self.transports.iter().map(|passage| passage.waiting).sum()
    }

    /// One document, in one line.
    pub(super) fn json(&self) -> String {
        let Traffic { published, published_bytes, stored, memory_used, memory_limit, gone } =
            self.traffic;
        let pairs = |numbers: Vec<(&'static str, u64)>| Pairs(numbers);
        let named = |name: fn(&Passage) -> u64| {
            pairs(self.transports.iter().map(|one| (one.transport, name(one))).collect())
        };
        let document = Document {
            version: VERSION,
            uptime: self.uptime,
            started: self.started,
            workers: self.workers,
            connections: Connections {
                active: self.active,
                held: self.subscribers(),
                accepted: self.accepted,
            },
            requests: self.requests,
            responses: pairs(CLASS_NAMES.into_iter().zip(self.responses).collect()),
            messages: Messages {
                published,
                published_bytes,
                delivered: self.delivered,
                delivered_bytes: self.delivered_bytes,
                stored,
                gone: pairs(Gone::ALL.map(Gone::name).into_iter().zip(gone).collect()),
            },
            memory: Memory { used: memory_used, limit: memory_limit },
            channels: self.channels,
            subscribers: named(|one| one.waiting),
            visits: named(|one| one.visits),
            ended: pairs(End::ALL.map(End::name).into_iter().zip(self.ends).collect()),
            polls_answered: self.polls,
            gaps: self.gaps,
            compressions: self.compressions,
            application: self.application.document(),
            lost_log_lines: self.lost_log_lines,
        };
        serde_json::to_string(&document).unwrap_or_default() + "\n"
    }
}

fn sum(tallies: &[Arc<Tally>], counter: impl Fn(&Tally) -> &Counter) -> u64 {
    tallies.iter().map(|tally| counter(tally).get()).fold(0, u64::wrapping_add)
}

fn passage(tallies: &[Arc<Tally>], transport: Transport) -> Passage {
    let at = transport as usize;
    Passage {
        transport: transport.name(),
        waiting: tallies.iter().map(|tally| tally.waiting(transport)).sum(),
        visits: sum(tallies, |tally| &tally.visits[at]),
    }
}

#[derive(Serialize)]
struct Document<'a> {
    version: &'static str,
    uptime: u64,
    started: u64,
    workers: usize,
    connections: Connections,
    requests: u64,
    responses: Pairs,
    messages: Messages,
    memory: Memory,
    channels: usize,
    subscribers: Pairs,
    visits: Pairs,
    ended: Pairs,
    polls_answered: u64,
    gaps: u64,
    compressions: u64,
    application: application::Document<'a>,
    lost_log_lines: u64,
}

#[derive(Serialize)]
struct Connections {
    active: u64,
    held: u64,
    accepted: u64,
}

#[derive(Serialize)]
struct Messages {
    published: u64,
    published_bytes: u64,
    delivered: u64,
    delivered_bytes: u64,
    stored: u64,
    gone: Pairs,
}

#[derive(Serialize)]
struct Memory {
    used: usize,
    limit: usize,
}

/// Names with a number each, in this order.
struct Pairs(Vec<(&'static str, u64)>);

impl Serialize for Pairs {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}
