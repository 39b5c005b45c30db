//! `push_status` as Prometheus scrapes it: text format 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write;

use super::{
    application::{Application, Told, Upstream},
    figures::{CLASS_NAMES, Figures, VERSION},
};
use crate::{
    channel::{Gone, Traffic},
    hold::End,
};

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The kinds of metrics that there are here.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

/// What is being written.
struct Page(String);

impl Page {
    /// A metric that has one value for each value of a label.
    fn labelled(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        label: &str,
        samples: impl IntoIterator<Item = (impl AsRef<str>, u64)>,
    ) {
        self.head(name, kind, help);
        for (value, number) in samples {
            let value = value.as_ref().replace('\\', "\\\\").replace('"', "\\\"");
            // Writing to a text does not fail.
            let _ = writeln!(self.0, "pushgate_{name}{{{label}=\"{value}\"}} {number}");
        }
    }

    fn counter(&mut self, name: &str, help: &str, number: u64) {
        self.head(name, Kind::Counter, help);
        let _ = writeln!(self.0, "pushgate_{name} {number}");
    }

    fn gauge(&mut self, name: &str, help: &str, number: u64) {
        self.head(name, Kind::Gauge, help);
        let _ = writeln!(self.0, "pushgate_{name} {number}");
    }

    fn head(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let _ = writeln!(self.0, "# HELP pushgate_{name} {help}\n# TYPE pushgate_{name} {kind}");
    }
}

/// The whole page.
pub(super) fn render(figures: &Figures) -> String {
    let mut page = Page(String::new());
    process(&mut page, figures);
    connections(&mut page, figures);
    messages(&mut page, figures);
    subscribers(&mut page, figures);
    application(&mut page, &figures.application);
    upstreams(&mut page, &figures.application);
    page.0
}

fn process(page: &mut Page, figures: &Figures) {
    let build = [(VERSION, 1)];
    page.labelled("build_info", Kind::Gauge, "Which version it is.", "version", build);
    page.gauge("start_time_seconds", "When it was started, in Unix seconds.", figures.started);
    page.gauge("uptime_seconds", "How long it has been running.", figures.uptime);
    page.gauge("workers", "Threads that serve connections.", figures.workers as u64);
    let help = "Lines that a log could not take.";
    page.counter("lost_log_lines_total", help, figures.lost_log_lines);
}

fn connections(page: &mut Page, figures: &Figures) {
    page.counter("connections_accepted_total", "Connections accepted.", figures.accepted);
    page.gauge("connections_active", "Connections that are open.", figures.active);
    let help = "Connections of subscribers that wait.";
    page.gauge("connections_held", help, figures.subscribers());
    page.counter("requests_total", "Requests understood.", figures.requests);
    let help = "Responses begun, by the class of their status.";
    let responses = CLASS_NAMES.into_iter().zip(figures.responses);
    page.labelled("responses_total", Kind::Counter, help, "class", responses);
}

fn messages(page: &mut Page, figures: &Figures) {
    let Traffic { published, published_bytes, stored, memory_used, memory_limit, gone } =
        figures.traffic;
    let help = "Messages published, one in several channels once for each.";
    page.counter("published_messages_total", help, published);
    page.counter("published_bytes_total", "The bytes of their bodies.", published_bytes);
    let help = "Messages that subscribers have got, once for each of them.";
    page.counter("delivered_messages_total", help, figures.delivered);
    page.counter("delivered_bytes_total", "The bytes of their bodies.", figures.delivered_bytes);
    page.gauge("stored_messages", "Messages that are kept.", stored);
    let help = "Messages that are no longer kept, by the reason.";
    let gone = Gone::ALL.map(Gone::name).into_iter().zip(gone);
    page.labelled("gone_messages_total", Kind::Counter, help, "reason", gone);
    let help = "What messages and their frames take.";
    page.gauge("memory_used_bytes", help, memory_used as u64);
    page.gauge("memory_limit_bytes", "What they may take.", memory_limit as u64);
    page.gauge("channels", "Channels that there are.", figures.channels as u64);
}

fn subscribers(page: &mut Page, figures: &Figures) {
    let transports = || figures.transports.iter();
    let help = "Subscribers that wait, by transport.";
    let waiting = transports().map(|one| (one.transport, one.waiting));
    page.labelled("subscribers", Kind::Gauge, help, "transport", waiting);
    let help = "Requests of subscribers that were let in, by transport.";
    let visits = transports().map(|one| (one.transport, one.visits));
    page.labelled("visits_total", Kind::Counter, help, "transport", visits);
    let help = "Waits that the server ended without a message, by the reason.";
    let ends = End::ALL.map(End::name).into_iter().zip(figures.ends);
    page.labelled("waits_ended_total", Kind::Counter, help, "reason", ends);
    page.counter("polls_answered_total", "Polls answered.", figures.polls);
    let help = "Times that messages were gone before a subscriber could have them.";
    page.counter("gaps_total", help, figures.gaps);
    let help = "Messages that were compressed, once for all who get them.";
    page.counter("compressions_total", help, figures.compressions);
}

fn application(page: &mut Page, application: &Application) {
    let help = "Requests that wait for an application that cannot be reached.";
    page.gauge("requests_waiting", help, application.waiting);
    let help = "Questions to applications whose answer is awaited.";
    page.gauge("questions", help, application.questions);
    let help = "Questions that were not asked, because there were too many.";
    page.counter("questions_turned_away_total", help, application.turned_away);
    let Told { queued, told, failed, lost } = application.notices;
    page.gauge("notices_queued", "Notices that wait to be told to applications.", queued);
    let help = "Attempts to tell applications, and notices given up, by the result.";
    let results = [("told", told), ("failed", failed), ("lost", lost)];
    page.labelled("notices_total", Kind::Counter, help, "result", results);
}

fn upstreams(page: &mut Page, application: &Application) {
    type Pick = fn(&Upstream) -> u64;
    if application.upstreams.is_empty() {
        return;
    }
    let metrics: [(&str, Kind, &str, Pick); 5] = [
        ("upstream_requests_total", Kind::Counter, "Requests for an upstream.", |one| one.requests),
        ("upstream_failures_total", Kind::Counter, "Attempts that failed.", |one| one.failures),
        ("upstream_servers", Kind::Gauge, "The servers of an upstream.", |one| one.servers),
        ("upstream_servers_unavailable", Kind::Gauge, "Those that have failed lately.", |one| {
            one.unavailable
        }),
        ("upstream_connections", Kind::Gauge, "Connections that are open.", |one| one.connections),
    ];
    for (name, kind, help, pick) in metrics {
        let samples = application.upstreams.iter().map(|one| (&one.name, pick(one)));
        page.labelled(name, kind, help, "upstream", samples);
    }
}
