//! What server and generator use between two moments.

use std::{io, time::Duration};

use super::{
    Error,
    clock::now,
    proc::{self, Cpu, Memory},
    report::{Cost, Phase, Times},
    scene::Scene,
};

/// Reads the processes of the server and those of the load.
#[derive(Debug)]
pub(super) struct Meter {
    servers: Vec<u32>,
    generators: Vec<u32>,
}

/// What was used up to a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    at: u64,
    server: Cpu,
    generator: Cpu,
}

/// A server that has used less in [`GLANCE`] has nothing to do.
const SETTLED: u64 = 3_000_000;
const GLANCE: Duration = Duration::from_millis(100);
/// A server that is not seen is left alone so long.
const BLIND: Duration = Duration::from_secs(1);
/// It is not waited for longer than this.
const SETTLING: u32 = 100;

impl Meter {
    /// The processes of a server are those that exist now.
    pub(super) fn new(servers: &[u32], workers: impl Iterator<Item = u32>) -> Result<Self, Error> {
        if let Some(missing) = servers.iter().find(|pid| !proc::exists(**pid)) {
            return Err(Error::NoProcess(*missing));
        }
        let generators = [std::process::id()].into_iter().chain(workers).collect();
        Ok(Self { servers: proc::family(servers), generators })
    }

    /// Processes of the load beside this one.
    pub(super) fn workers(&self) -> usize {
        self.generators.len() - 1
    }

    pub(super) fn mark(&self) -> Mark {
        let server = proc::cpu(&self.servers);
        Mark { at: now(), server, generator: proc::cpu(&self.generators) }
    }

    /// The memory of the server, if it is seen.
    pub(super) fn memory(&self) -> Option<Memory> {
        if self.servers.is_empty() { None } else { proc::memory(&self.servers) }
    }

    /// Waits until the server has nothing to do. Returns what was used by then, with the time of the
    /// call and with the time after.
    pub(super) fn settle(&self, scene: &mut Scene) -> io::Result<[Mark; 2]> {
        let called = now();
        if self.servers.is_empty() {
            scene.run_for(BLIND)?;
        }
        for _ in 0..SETTLING * u32::from(!self.servers.is_empty()) {
            let before = proc::cpu(&self.servers);
            scene.run_for(GLANCE)?;
            if (proc::cpu(&self.servers) - before).total < SETTLED {
                break;
            }
        }
        let after = self.mark();
        Ok([Mark { at: called, ..after }, after])
    }

    /// What so many operations between two moments have cost.
    pub(super) fn phase(
        &self,
        name: &'static str,
        operations: u64,
        [from, to]: [Mark; 2],
        times: Vec<Times>,
    ) -> Phase {
        let cost = |used: Cpu| Cost::new(used, operations);
        Phase {
            name,
            operations,
            seconds: Duration::from_nanos(to.at.saturating_sub(from.at)).as_secs_f64(),
            server: (!self.servers.is_empty()).then(|| cost(to.server - from.server)),
            generator: cost(to.generator - from.generator),
            times,
        }
    }
}
