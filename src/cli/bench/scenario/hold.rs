//! `hold`: connections that wait, and what they cost a server.

use std::time::Duration;

use super::super::{
    Error,
    arguments::Hold,
    deliver::{When, deliver},
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
    let meter = Meter::new(&common.pids, scene.workers.iter().map(|worker| worker.pid()));
    let processes = 1 + scene.workers.len();
    let before = meter.memory();
    let mut memory = Vec::new();
    let mut held = |when| {
        let (Some(before), Some(now)) = (before, meter.memory()) else { return };
        memory.push(Held::new(when, before, now, listening.subs));
    };

    held("before");
    let start = meter.mark();
    let mut complete = scene.gather()?;
    let [gathered, settled] = meter.settle(&mut scene)?;
    held("held");
    if complete {
        scene.run_for(Duration::from_secs(u64::from(*seconds)))?;
    }
    let idle = meter.mark();
    complete = complete && deliver(&mut scene, When::Ahead(1), *messages)?;
    let after = meter.mark();
    if *messages > 0 {
        held("after messages");
    }

    let heard = scene.state().heard;
    let report = scene.finish()?;
    let mut times = vec![Times::new("delivery", &report.latency)];
    times.extend(scene.publishers.iter().map(|all| Times::new("publisher's answer", &all.answers)));
    let (subscribers, opening) =
        (u64::from(listening.subs), Times::new("connect to head", &report.opening));
    Ok(Report {
        scenario: "hold",
        transport: Some(listening.transport.name()),
        subscribers: listening.subs,
        channels: common.channels,
        bytes: common.bytes,
        processes,
        phases: vec![
            meter.phase("connect", subscribers, [start, gathered], vec![opening]),
            // An operation is a second of silence.
            meter.phase("idle", u64::from(*seconds), [settled, idle], Vec::new()),
            meter.phase("deliver", heard, [idle, after], times),
        ],
        memory,
        complete,
        faults: report.faults,
    })
}
