//! `hold`: connections that wait, and what they cost a server.

use super::super::{
    Error,
    arguments::Hold,
    deliver::{When, deliver},
    fleet::Worker,
    meter::Meter,
    report::{Held, Report, Times},
    stage::Stage,
};

/// Runs `hold`.
pub(in super::super) fn run(asked: &Hold) -> Result<Report, Error> {
    let Hold { listening, publishing, common, messages, seconds } = asked;
    let stage = Stage::new(common, 0);
    let mut scene = stage.scene();
    let publishers = stage.publishers(publishing, common.channels)?;
    stage.seat(&mut scene, listening, publishers.connections())?;
    scene.publishers = Some(publishers);
    let meter = Meter::new(&common.pids, scene.workers.iter().map(Worker::pid))?;
    let empty = meter.memory();

    let start = meter.mark();
    let mut complete = scene.gather()?;
    let [gathered, settled] = meter.settle(&mut scene)?;
    let full = meter.memory();
    if complete {
        scene.wait_for(*seconds)?;
    }
    let waited = meter.mark();
    complete = complete && deliver(&mut scene, When::Ahead(1), *messages)?;
    let after = meter.mark();
    let moments = [("before", empty), ("held", full), ("after messages", meter.memory())];

    let (heard, report) = (scene.state().heard, scene.finish()?);
    let (times, subscribers) = (scene.times(&report), u64::from(listening.subs));
    let opening = vec![Times::new("connect to head", &report.opening)];
    let mut result = Report::new("hold", common, 1 + meter.workers());
    result.complete = complete;
    result.faults = report.faults;
    result.phases = vec![
        meter.phase("connect", subscribers, [start, gathered], opening),
        // An operation is a second of silence.
        meter.phase("idle", u64::from(*seconds), [settled, waited], Vec::new()),
        meter.phase("deliver", heard, [waited, after], times),
    ];
    let held = moments
        .into_iter()
        .filter_map(|(when, memory)| Some(Held::new(when, empty?, memory?, listening.subs)));
    result.memory = held.collect();
    Ok(result.listening(listening.transport, listening.subs))
}
