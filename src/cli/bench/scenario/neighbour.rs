//! `neighbour`: how long channels with one subscriber wait for a large one.

use super::{
    super::{
        Error,
        arguments::{Neighbour, Publishing},
        beat::Beat,
        crowd::Crowd,
        report::Report,
        stage::Stage,
    },
    fanout,
};

/// Runs `neighbour`.
pub(in super::super) fn run(asked: &Neighbour) -> Result<Report, Error> {
    let fanout = &asked.fanout;
    let stage = Stage::new(&fanout.common, fanout.pace.warmup);
    let beside = stage.beside();
    let mut scene = stage.scene();
    let publishing = Publishing { pub_conns: Some(asked.neighbours), ..fanout.publishing.clone() };
    scene.beat = Some(Beat {
        publishers: beside.publishers(&publishing, asked.neighbours)?,
        crowd: Crowd::new(beside.plan(&fanout.listening, asked.neighbours, asked.neighbours))?,
        rate: asked.beats,
    });
    fanout::measure("neighbour", fanout, &stage, scene)
}
