//! What was measured, for programs.

use serde::Serialize;

use super::{
    arguments::Common,
    faults::Faults,
    histogram::Histogram,
    proc::{Cpu, Memory},
    transport::Transport,
};

/// A run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) scenario: &'static str,
    pub(super) transport: Option<&'static str>,
    pub(super) subscribers: u32,
    pub(super) channels: u32,
    /// The length of a message.
    pub(super) bytes: u32,
    /// Processes that made the load.
    pub(super) processes: usize,
    pub(super) phases: Vec<Phase>,
    pub(super) memory: Vec<Held>,
    /// Whether the run came to its end.
    pub(super) complete: bool,
    pub(super) faults: Faults,
}

/// Operations of one kind, and what they cost.
#[derive(Debug, Serialize)]
pub(super) struct Phase {
    pub(super) name: &'static str,
    pub(super) operations: u64,
    pub(super) seconds: f64,
    pub(super) server: Option<Cost>,
    pub(super) generator: Cost,
    pub(super) times: Vec<Times>,
}

/// Processor time of one operation in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Cost {
    pub(super) us: f64,
    /// The part outside the kernel.
    pub(super) user_us: f64,
}

/// Latencies in microseconds.
#[derive(Debug, Serialize)]
pub(super) struct Times {
    pub(super) name: &'static str,
    pub(super) count: u64,
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// Memory of the server, and what it grew by for each subscriber, in bytes.
#[derive(Debug, Serialize)]
pub(super) struct Held {
    pub(super) when: &'static str,
    pub(super) pss: u64,
    pub(super) unfiled: u64,
    pub(super) pss_each: f64,
    pub(super) unfiled_each: f64,
}

impl Report {
    /// A run that has measured nothing yet.
    pub(super) fn new(scenario: &'static str, common: &Common, processes: usize) -> Self {
        Self {
            scenario,
            transport: None,
            subscribers: 0,
            channels: common.channels,
            bytes: common.bytes,
            processes,
            phases: Vec::new(),
            memory: Vec::new(),
            complete: false,
            faults: Faults::default(),
        }
    }

    /// The same with subscribers.
    pub(super) fn listening(self, transport: Transport, subscribers: u32) -> Self {
        Self { transport: Some(transport.name()), subscribers, ..self }
    }

    /// Whether everything was as it should be.
    pub(super) fn fine(&self) -> bool {
        self.complete && self.faults.none()
    }
}

#[allow(clippy::cast_precision_loss, reason = "figures are told to few digits")]
impl Phase {
    /// Operations of a second.
    pub(super) fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.operations as f64 / self.seconds } else { 0.0 }
    }
}

#[allow(clippy::cast_precision_loss, reason = "figures are told to few digits")]
impl Cost {
    pub(super) fn new(used: Cpu, operations: u64) -> Self {
        let each = |nanos: u64| nanos as f64 / 1000.0 / operations.max(1) as f64;
        Self { us: each(used.total), user_us: each(used.user) }
    }
}

#[allow(clippy::cast_precision_loss, reason = "figures are told to few digits")]
impl Times {
    pub(super) fn new(name: &'static str, histogram: &Histogram) -> Self {
        let us = |nanos: u64| nanos as f64 / 1000.0;
        Self {
            name,
            count: histogram.count(),
            mean: us(histogram.mean()),
            p50: us(histogram.quantile(500)),
            p90: us(histogram.quantile(900)),
            p99: us(histogram.quantile(990)),
            p999: us(histogram.quantile(999)),
            max: us(histogram.max()),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "figures are told to few digits")]
impl Held {
    pub(super) fn new(when: &'static str, before: Memory, now: Memory, subscribers: u32) -> Self {
        let each =
            |before: u64, now: u64| (now as f64 - before as f64) / f64::from(subscribers.max(1));
        Self {
            when,
            pss: now.pss,
            unfiled: now.unfiled,
            pss_each: each(before.pss, now.pss),
            unfiled_each: each(before.unfiled, now.unfiled),
        }
    }
}
