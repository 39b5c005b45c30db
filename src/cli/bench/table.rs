//! What was measured, for people.

use std::fmt::{self, Display, Formatter};

use super::report::{Cost, Held, Phase, Report, Times};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let by = self.transport.map_or_else(String::new, |transport| format!(" by {transport}"));
        writeln!(
            f,
            "{}{by}: {} subscribers, {} channels, messages of {} bytes, load by {} processes",
            self.scenario, self.subscribers, self.channels, self.bytes, self.processes
        )?;
        writeln!(
            f,
            "\n{:<12}{:>12}{:>10}{:>12}{:>16}{:>12}{:>16}",
            "",
            "operations",
            "seconds",
            "per second",
            "server us each",
            "of it user",
            "generator us"
        )?;
        self.phases.iter().try_for_each(|phase| write_phase(f, phase))?;
        let times = self.phases.iter().flat_map(|phase| &phase.times);
        let times: Vec<&Times> = times.filter(|times| times.count > 0).collect();
        if !times.is_empty() {
            writeln!(
                f,
                "\n{:<22}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
                "times in ms", "number", "p50", "p90", "p99", "p99.9", "max"
            )?;
        }
        times.into_iter().try_for_each(|times| write_times(f, times))?;
        if !self.memory.is_empty() {
            writeln!(
                f,
                "\n{:<22}{:>14}{:>14}{:>14}{:>20}",
                "server memory", "PSS", "not of files", "PSS each", "not of files each"
            )?;
        }
        self.memory.iter().try_for_each(|held| write_memory(f, held))?;
        self.write_faults(f)
    }
}

impl Report {
    fn write_faults(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let checked = self.faults.checked;
        let kinds = self.faults.kinds().into_iter();
        let kinds: Vec<String> = kinds.map(|(kind, number)| format!("{number} {kind}")).collect();
        if self.faults.unsure > 0 {
            write!(f, "\n{} came twice, which were sent twice", self.faults.unsure)?;
        }
        if self.fine() {
            return writeln!(f, "\n{checked} messages checked byte by byte: no fault");
        }
        let unfinished = if self.complete { "" } else { "; the run did not come to its end" };
        let kinds = if kinds.is_empty() { "no fault".to_owned() } else { kinds.join(", ") };
        writeln!(f, "\n{checked} messages checked byte by byte: {kinds}{unfinished}")?;
        self.faults.told.iter().try_for_each(|told| writeln!(f, "  {told}"))
    }
}

fn write_phase(f: &mut Formatter<'_>, phase: &Phase) -> fmt::Result {
    let figure = |cost: Option<f64>| cost.map_or("-".to_owned(), |cost| format!("{cost:.2}"));
    let Cost { us, .. } = phase.generator;
    writeln!(
        f,
        "{:<12}{:>12}{:>10.2}{:>12.0}{:>16}{:>12}{us:>16.2}",
        phase.name,
        phase.operations,
        phase.seconds,
        phase.rate(),
        figure(phase.server.map(|cost| cost.us)),
        figure(phase.server.map(|cost| cost.user_us)),
    )
}

fn write_times(f: &mut Formatter<'_>, times: &Times) -> fmt::Result {
    let [p50, p90, p99, p999, max] =
        [times.p50, times.p90, times.p99, times.p999, times.max].map(|us| us / 1000.0);
    writeln!(
        f,
        "{:<22}{:>12}{p50:>12.3}{p90:>12.3}{p99:>12.3}{p999:>12.3}{max:>12.3}",
        times.name, times.count
    )
}

fn write_memory(f: &mut Formatter<'_>, held: &Held) -> fmt::Result {
    writeln!(
        f,
        "{:<22}{:>14}{:>14}{:>14.0}{:>20.0}",
        held.when, held.pss, held.unfiled, held.pss_each, held.unfiled_each
    )
}
