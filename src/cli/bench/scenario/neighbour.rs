//! `neighbour`: how long a channel with one subscriber waits for a large one.

use std::time::Duration;

use super::{
    super::{Error, arguments::Neighbour, crowd::Crowd, report::Report, scene::Beat, stage::Stage},
    fanout,
};

/// Runs `neighbour`.
pub(in super::super) fn run(asked: &Neighbour) -> Result<Report, Error> {
    let fanout = &asked.fanout;
    let stage = Stage::new(&fanout.common, fanout.pace.warmup);
    let beside = stage.beside();
    let mut scene = stage.scene();
    scene.beat = Some(Beat {
        publishers: beside.publishers(&fanout.publishing, 1)?,
        crowd: Crowd::new(beside.plan(&fanout.listening, 1, 1))?,
        every: Duration::from_secs(1) / asked.beats,
        due: None,
    });
    fanout::measure("neighbour", fanout, &stage, scene)
}
