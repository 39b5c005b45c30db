//! `publish`: messages as fast as they are accepted, or at a rate.

use std::time::Duration;

use super::super::{
    Error,
    arguments::{Listening, PER_PROCESS, Publish},
    clock::{nanos, now},
    meter::Meter,
    report::{Report, Times},
    scene::Scene,
    stage::Stage,
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
    if let Some(listening) = &listening {
        stage.seat(&mut scene, listening, publishers.connections())?;
    }
    scene.publishers = Some(publishers);
    let meter = Meter::new(&common.pids, scene.workers.iter().map(|worker| worker.pid()));
    let processes = 1 + scene.workers.len();
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
    let mut times: Vec<Times> = Vec::new();
    times.extend(scene.publishers.iter().map(|all| Times::new("publisher's answer", &all.answers)));
    if listening.is_some() {
        times.push(Times::new("delivery", &report.latency));
    }
    Ok(Report {
        scenario: "publish",
        transport: listening.as_ref().map(|listening| listening.transport.name()),
        subscribers: listening.map_or(0, |listening| listening.subs),
        channels: common.channels,
        bytes: common.bytes,
        processes,
        phases: vec![meter.phase("publish", after.0 - before.0, [before.1, after.1], times)],
        memory: Vec::new(),
        complete,
        faults: report.faults,
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
    let mut submitted = 0_u64;
    if asked.pub_rate.is_none() {
        scene.publishers.iter_mut().for_each(|publishers| publishers.run_endless());
    }
    while !scene.hopeless() {
        let mut next = end;
        if let (Some(rate), Some(publishers)) = (asked.pub_rate, &mut scene.publishers) {
            let due =
                |number: u64| begin + nanos(Duration::from_secs(1)) * number / u64::from(rate);
            while due(submitted) <= now() && due(submitted) < end {
                let channel = submitted % u64::from(asked.common.channels);
                let channel = u32::try_from(channel).unwrap_or_default();
                publishers.submit(channel, Some(due(submitted)));
                submitted += 1;
            }
            next = due(submitted).min(end);
        }
        if now() >= end {
            return Ok(true);
        }
        scene.turn(Some(next))?;
        let accepted = scene.accepted();
        scene.progress.show(|| format!("{accepted} messages published"));
    }
    Ok(false)
}
