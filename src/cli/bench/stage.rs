//! Sets a scene for what was asked for.

use std::{io, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{
    Error,
    arguments::{Common, Listening, Publishing},
    clock::now,
    crowd::{Crowd, Plan},
    fleet::Worker,
    letter::Manner,
    payload::Mint,
    proc,
    publishers::Publishers,
    scene::Scene,
    seating::{RESERVE, Seating, Seats},
};

/// Names of this run, and what is the same in all its parts.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub(super) common: &'a Common,
    run: String,
    /// The first message of a channel whose time counts.
    measured_from: u32,
    /// Addresses of this run, see [`super::dial`].
    net: u8,
}

/// Publishers, where nobody says how many: as many as channels, at most these.
pub(super) const PUBLISHERS: u32 = 16;
/// Nets that runs and processes take in turn.
const NETS: u32 = 250;

impl<'a> Stage<'a> {
    pub(super) fn new(common: &'a Common, measured_from: u32) -> Self {
        let id = std::process::id();
        let run = run(id, now());
        Self { common, run, measured_from, net: u8::try_from(id % NETS).unwrap_or_default() }
    }

    pub(super) fn mint(&self) -> Mint {
        Mint::new(&self.run, self.common.bytes as usize)
    }

    /// The same with other channels and another net.
    pub(super) fn beside(&self) -> Self {
        let net = u8::try_from((u32::from(self.net) + NETS - 1) % NETS).unwrap_or_default();
        let run = format!("n{}", self.run);
        Self { common: self.common, run, measured_from: 0, net }
    }

    pub(super) fn net(&self) -> u8 {
        self.net
    }

    /// An empty scene.
    pub(super) fn scene(&self) -> Scene {
        let patience = Duration::from_secs(u64::from(self.common.patience));
        Scene::new(self.common.quiet, patience)
    }

    /// Publishers to so many channels.
    pub(super) fn publishers(
        &self,
        publishing: &Publishing,
        channels: u32,
    ) -> io::Result<Publishers> {
        let connections = publishing.pub_conns.unwrap_or(channels.min(PUBLISHERS));
        let manner = Manner {
            target: &publishing.target,
            headers: self.common.header_lines(),
            body: &publishing.pub_body,
            connections,
            channels,
            measured_from: self.measured_from,
            net: self.net,
        };
        Publishers::new(&manner, self.mint())
    }

    /// Subscribers from number `first` on.
    pub(super) fn plan(&self, listening: &Listening, channels: u32, count: u32) -> Plan {
        Plan {
            target: listening.sub.clone(),
            transport: listening.transport,
            headers: self.common.header_lines(),
            run: self.run.clone(),
            bytes: self.common.bytes as usize,
            channels,
            first: 0,
            count,
            net: self.net,
            rate: listening.connect_rate,
            measured_from: self.measured_from,
        }
    }

    /// Puts all subscribers on the scene: here as many as one process may have, and the others in
    /// processes of their own. `others` are descriptors of this process for something else, beside
    /// those of neighbours.
    pub(super) fn seat(
        &self,
        scene: &mut Scene,
        listening: &Listening,
        others: u32,
    ) -> Result<(), Error> {
        let seating = Seating {
            subscribers: listening.subs,
            per_process: listening.per_process,
            open: open(),
            others: others + scene.neighbours(),
        };
        let Seats { here, each, workers } = seating.seats(descriptors())?;
        let whole = self.plan(listening, self.common.channels, listening.subs);
        let rate = listening.connect_rate.div_ceil(1 + workers);
        let mut first = 0;
        let mut net = u32::from(self.net);
        while first < listening.subs {
            let most = if first == 0 { here } else { each };
            let count = most.min(listening.subs - first);
            let part = u8::try_from(net % NETS).unwrap_or_default();
            let plan = Plan { first, count, rate, net: part, ..whole.clone() };
            if first == 0 {
                scene.crowd = Some(Crowd::new(plan)?);
            } else {
                scene.workers.push(Worker::start(plan)?);
            }
            first += count;
            net += 1;
        }
        Ok(())
    }
}

/// What the names of the channels of a run begin with: of processes that are alive at the same time each
/// has its own, and of those that follow each other with the same number, as in containers, in all
/// likelihood. The length of the second part is fixed, so that no two pairs are written alike.
fn run(process: u32, now: u64) -> String {
    format!("b{process:x}{:04x}-", now >> 20 & 0xffff)
}

/// Whether this process may have so many connections.
pub(super) fn room(connections: u32) -> Result<(), Error> {
    let (allowed, needed) = (descriptors(), RESERVE + open() + connections);
    if allowed < needed { Err(Error::Descriptors { allowed, needed }) } else { Ok(()) }
}

/// Descriptors that this process has; as many as it may need for itself where `/proc` is not seen.
fn open() -> u32 {
    proc::descriptors().unwrap_or(RESERVE)
}

/// Descriptors that this process may have, after asking for all it may ask for.
fn descriptors() -> u32 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current =
        if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    current.map_or(u32::MAX, |limit| u32::try_from(limit).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{
        super::payload::{CHANNELS, SEQUENCES, SHORTEST, Told},
        *,
    };

    #[test]
    fn no_two_processes_have_the_same_run_whenever_they_begin() {
        let mut runs = HashSet::new();
        let processes = [1..40_u32, 0xfff0..0x1_0010, 0xf_fff0..0x10_0010].into_iter().flatten();
        for (process, moment) in processes.flat_map(|process| (0..40).map(move |at| (process, at)))
        {
            let run = run(process, moment << 20);
            assert!(run.ends_with('-') && run.matches('-').count() == 1, "{run}");
            assert!(runs.insert(run), "{process} {moment}");
        }
    }

    #[test]
    fn the_longest_run_leaves_room_in_the_shortest_message() {
        let run = format!("n{}", run(u32::MAX, u64::MAX));
        let mint = Mint::new(&run, usize::try_from(SHORTEST).unwrap());
        let channel = u32::try_from(CHANNELS).unwrap() - 1;
        let told = Told { sequence: SEQUENCES - 1, due: u64::MAX, again: true };
        let mut bytes = Vec::new();
        mint.write(&mut bytes, channel, told);
        assert_eq!((bytes.len() as u64, mint.check(&bytes, channel)), (SHORTEST, Ok(told)));
    }
}
