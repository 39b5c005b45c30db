//! `fanout` and `churn`: one message at a time, or some ahead, or at a rate, to all subscribers.

use super::super::{
    Error,
    arguments::{Fanout, Listening},
    deliver::{When, deliver},
    fleet::Worker,
    meter::Meter,
    report::{Report, Times},
    scene::Scene,
    stage::Stage,
    transport::Transport,
};

/// Runs `fanout`.
pub(in super::super) fn run(asked: &Fanout) -> Result<Report, Error> {
    let stage = Stage::new(&asked.common, asked.pace.warmup);
    measure("fanout", asked, &stage, stage.scene())
}

/// Runs `churn`: every delivery ends a request, and everyone asks again.
pub(in super::super) fn churn(asked: &Fanout) -> Result<Report, Error> {
    let listening = Listening { transport: Transport::LongPoll, ..asked.listening.clone() };
    let asked = Fanout { listening, ..asked.clone() };
    let stage = Stage::new(&asked.common, asked.pace.warmup);
    measure("churn", &asked, &stage, stage.scene())
}

/// The same beside whatever is on the scene already.
pub(super) fn measure(
    scenario: &'static str,
    asked: &Fanout,
    stage: &Stage<'_>,
    mut scene: Scene,
) -> Result<Report, Error> {
    let Fanout { listening, publishing, common, pace, messages } = asked;
    let publishers = stage.publishers(publishing, common.channels)?;
    stage.seat(&mut scene, listening, publishers.connections())?;
    scene.publishers = Some(publishers);
    let meter = Meter::new(&common.pids, scene.workers.iter().map(Worker::pid))?;

    let start = meter.mark();
    let mut complete = scene.gather()?;
    let [gathered, _] = meter.settle(&mut scene)?;
    scene.start_beat();
    complete = complete && deliver(&mut scene, When::Ahead(1), pace.warmup)?;
    let before = (scene.state().heard, meter.mark());
    complete = complete && deliver(&mut scene, (*pace).into(), pace.warmup + messages)?;
    let after = (scene.state().heard, meter.mark());

    let report = scene.finish()?;
    let mut result = Report::new(scenario, common, 1 + meter.workers());
    result.complete = complete;
    let mut times = scene.times(&report);
    result.faults = report.faults;
    times.extend(scene.beat_report(&mut result.faults));
    let opening = vec![Times::new("connect to head", &report.opening)];
    result.phases = vec![
        meter.phase("connect", u64::from(listening.subs), [start, gathered], opening),
        meter.phase("deliver", after.0 - before.0, [before.1, after.1], times),
    ];
    Ok(result.listening(listening.transport, listening.subs))
}
