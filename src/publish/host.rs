//! What the channels are served by, as a publisher of the push stream module is told it.

use std::time::Instant;

use crate::channel::Hub;

/// The machine and the process.
#[derive(Debug)]
pub struct Host {
    name: Box<str>,
    started: Instant,
}

/// The process at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Census<'a> {
    /// The name of the machine.
    pub hostname: &'a str,
    /// Unix seconds.
    pub time: u64,
    /// Channels that there are in all.
    pub channels: usize,
    /// Seconds since the process has started.
    pub uptime: u64,
}

impl Host {
    /// This machine, and a process that starts now.
    pub fn new() -> Self {
        let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
        Self { name: name.into(), started: Instant::now() }
    }

    /// How things are.
    pub fn census(&self, hub: &Hub) -> Census<'_> {
        Census {
            hostname: &self.name,
            time: hub.now(),
            channels: hub.channels(),
            uptime: self.started.elapsed().as_secs(),
        }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}
