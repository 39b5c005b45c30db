//! `push_status` as lines that a human reads: first those of Nchan's `nchan_stub_status` in its
//! words, then what else there is.

use std::fmt::Write;

use super::figures::{CLASS_NAMES, Figures, VERSION};
use crate::{
    channel::{Gone, Traffic},
    hold::End,
};

/// The unit in which Nchan tells memory, in bytes.
const KILOBYTE: usize = 1024;

/// The lines, each with its LF.
pub(super) fn render(figures: &Figures) -> String {
    let Traffic { published, published_bytes, stored, memory_used, memory_limit, gone } =
        figures.traffic;
    let mut text = format!(
        "total published messages: {published}\nstored messages: {stored}\n\
         shared memory used: {}K\nshared memory limit: {}K\nchannels: {}\nsubscribers: {}\n",
        memory_used.div_ceil(KILOBYTE),
        memory_limit / KILOBYTE,
        figures.channels,
        figures.subscribers(),
    );
    let mut line = |name: &str, number: u64| {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{name}: {number}");
    };
    line("active connections", figures.active);
    line("held connections", figures.subscribers());
    line("accepted connections", figures.accepted);
    line("total requests", figures.requests);
    for (class, number) in CLASS_NAMES.iter().zip(figures.responses) {
        line(&format!("total responses {class}"), number);
    }
    line("total published bytes", published_bytes);
    line("total delivered messages", figures.delivered);
    line("total delivered bytes", figures.delivered_bytes);
    for (why, number) in Gone::ALL.iter().zip(gone) {
        line(&format!("total {} messages", why.name()), number);
    }
    waits(&mut line, figures);
    line("total polls answered", figures.polls);
    line("total gaps", figures.gaps);
    line("total compressions", figures.compressions);
    line("total lost log lines", figures.lost_log_lines);
    line("workers", figures.workers as u64);
    line("uptime", figures.uptime);
    text + &format!("pushgate version: {VERSION}\n")
}

fn waits(mut line: impl FnMut(&str, u64), figures: &Figures) {
    for one in &figures.transports {
        line(&format!("{} subscribers", one.transport), one.waiting);
    }
    for one in &figures.transports {
        line(&format!("total {} visits", one.transport), one.visits);
    }
    for (end, number) in End::ALL.iter().zip(figures.ends) {
        line(&format!("total waits ended by {}", end.name()), number);
    }
}
