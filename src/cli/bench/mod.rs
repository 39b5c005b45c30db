//! `pushgate bench`: load with verification, for any server whose locations are URLs.
//!
//! Every message that is published says its channel, its number and its time, and no byte of it can
//! change unnoticed ([`payload`]). Every subscriber keeps a [`ledger`] of what it had, so that a run
//! tells what was lost, doubled, out of order, of another channel or not as it was published; then it
//! fails. One thread does all of it, over epoll; what exceeds the descriptors of one process is
//! held by others of the same program ([`fleet`]).
//!
//! A latency begins when its message is due. In a closed loop that is when it is sent, because nothing
//! is due before; at a rate it is the time that the rate says, however late the message is sent, so
//! that a server that stops is not measured by the few messages that it let through.

mod arguments;
mod beat;
mod clock;
mod crowd;
mod deliver;
mod dial;
mod faults;
mod fleet;
mod hearing;
mod histogram;
mod later;
mod ledger;
mod letter;
mod meter;
mod payload;
mod post;
mod proc;
mod progress;
mod publishers;
mod reader;
mod report;
mod rounds;
mod scenario;
mod scene;
mod seat;
mod seating;
mod series;
mod stage;
mod table;
mod target;
mod transport;
mod watch;

use std::io::{self, Write};

pub use arguments::{
    Bench, Common, Connect, Fanout, Hold, Listening, Neighbour, Pace, Publish, Publishing, Scenario,
};
use report::Report;
use scenario::{connect, fanout, hold, neighbour, publish};
pub use target::{BadTarget, Target};
pub use transport::Transport;

/// Why a load could not be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This process may not have the connections.
    #[error("{needed} descriptors are needed, and a process may have {allowed}")]
    Descriptors {
        /// What a process may have.
        allowed: u32,
        /// What this one needs.
        needed: u32,
    },
    /// There is nothing to be measured.
    #[error("there is no process {0}")]
    NoProcess(u32),
    /// The machine does not do as told.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs a load and prints what was measured; returns whether there was no fault.
pub fn run(bench: &Bench, out: &mut impl Write) -> Result<bool, Error> {
    let (report, common) = match &bench.scenario {
        Scenario::Hold(asked) => (hold::run(asked)?, &asked.common),
        Scenario::Fanout(asked) => (fanout::run(asked)?, &asked.common),
        Scenario::Churn(asked) => (fanout::churn(asked)?, &asked.common),
        Scenario::Publish(asked) => (publish::run(asked)?, &asked.common),
        Scenario::Connect(asked) => (connect::run(asked)?, &asked.common),
        Scenario::Neighbour(asked) => (neighbour::run(asked)?, &asked.fanout.common),
        Scenario::Worker => {
            fleet::work()?;
            return Ok(true);
        }
    };
    print(&report, common.json, out)?;
    Ok(report.fine())
}

fn print(report: &Report, json: bool, out: &mut impl Write) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, report)?;
        writeln!(out)
    } else {
        write!(out, "{report}")
    }
}
