//! `publish`: messages as fast as they are accepted, or at a rate.

use std::time::Duration;

use super::super::{
    Error,
    arguments::{Listening, PER_PROCESS, Publish},
    clock::{nanos, now},
    fleet::Worker,
    meter::Meter,
    publishers::Publishers,
    report::Report,
    scene::Scene,
    stage::{Stage, room},
};

/// Before the measurement: channels come into being, connections are made.
const WARMUP: Duration = Duration::from_millis(500);

/// Runs `publish`.
pub(in super::super) fn run(asked: &Publish) -> Result<Report, Error> {
    let Publish { publishing, common, .. } = asked;
    let stage = Stage::new(common, 0);
    let mut scene = stage.scene();
    let publishers = stage.publishers(publishing, common.channels)?;
    let listening = listening(asked);
    match &listening {
        Some(listening) => stage.seat(&mut scene, listening, publishers.connections())?,
        None => room(publishers.connections())?,
    }
    scene.publishers = Some(publishers);
    let meter = Meter::new(&common.pids, scene.workers.iter().map(Worker::pid))?;
    let mut complete = scene.gather()?;
    meter.settle(&mut scene)?;
    complete = complete && publish(&mut scene, asked, WARMUP)?;
    scene.forget_times();
    let before = (scene.accepted(), meter.mark());
    let time = Duration::from_secs(u64::from(asked.seconds));
    complete = complete && publish(&mut scene, asked, time)?;
    let after = (scene.accepted(), meter.mark());
    complete = complete && scene.rest()?;

    let report = scene.finish()?;
    let times = scene.times(&report);
    let mut result = Report::new("publish", common, 1 + meter.workers());
    result.complete = complete;
    result.faults = report.faults;
    result.phases = vec![meter.phase("publish", after.0 - before.0, [before.1, after.1], times)];
    Ok(match listening {
        Some(listening) => result.listening(listening.transport, listening.subs),
        None => result,
    })
}

fn listening(asked: &Publish) -> Option<Listening> {
    Some(Listening {
        sub: asked.sub.clone()?,
        transport: asked.transport,
        subs: asked.subs?,
        connect_rate: 10_000,
        per_process: PER_PROCESS,
    })
}

/// Publishes for a while; returns whether all went well.
fn publish(scene: &mut Scene, asked: &Publish, time: Duration) -> Result<bool, Error> {
    let begin = now();
    let end = begin + nanos(time);
    scene.expect();
    if let Some(publishers) = &mut scene.publishers {
        match asked.pub_rate {
            Some(rate) => publishers.pace_for(begin, rate, time),
            None => publishers.run_endless(),
        }
    }
    while !scene.hopeless() {
        let now = now();
        let next = scene.publishers.as_mut().and_then(|all| all.publish_due(now));
        if now >= end {
            return if asked.pub_rate.is_some() { catch_up(scene) } else { Ok(true) };
        }
        let next = next.map_or(end, |due| due.min(end));
        scene.turn(Some(next))?;
        let accepted = scene.accepted();
        scene.progress.show(|| format!("{accepted} messages published"));
    }
    Ok(false)
}

/// Waits until all that was due is published, however late that is; returns whether it was.
fn catch_up(scene: &mut Scene) -> Result<bool, Error> {
    while !scene.hopeless() {
        if scene.publishers.as_ref().is_none_or(Publishers::idle) {
            return Ok(true);
        }
        scene.turn(None)?;
    }
    Ok(false)
}
