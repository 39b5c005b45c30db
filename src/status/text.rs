//! `push_status` as lines that a human reads: first those of Nchan's `nchan_stub_status` in its
//! words, then what else there is.

use std::fmt::Write;

use super::{
    application::{Application, Told},
    figures::{CLASS_NAMES, Figures, VERSION},
};
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
    application(&mut line, &figures.application);
    line("total lost log lines", figures.lost_log_lines);
    line("workers", figures.workers as u64);
    line("uptime", figures.uptime);
    text + &format!("pushgate version: {VERSION}\n")
}

fn application(mut line: impl FnMut(&str, u64), application: &Application) {
    line("waiting requests", application.waiting);
    line("questions", application.questions);
    line("total questions turned away", application.turned_away);
    let Told { queued, told, failed, lost } = application.notices;
    line("queued notices", queued);
    for (name, number) in [("told", told), ("failed", failed), ("lost", lost)] {
        line(&format!("total {name} notices"), number);
    }
    for one in &application.upstreams {
        let name = &one.name;
        line(&format!("total requests of upstream {name}"), one.requests);
        line(&format!("total failures of upstream {name}"), one.failures);
        line(&format!("servers of upstream {name}"), one.servers);
        line(&format!("unavailable servers of upstream {name}"), one.unavailable);
        line(&format!("connections of upstream {name}"), one.connections);
    }
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
