//! One line that says how far it is, while it runs.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

/// Where progress is shown: standard error, rewritten in place on a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    every: Option<Duration>,
    in_place: bool,
    last: Instant,
}

/// Between two lines on a terminal, and elsewhere.
const ON_TERMINAL: Duration = Duration::from_millis(250);
const IN_FILE: Duration = Duration::from_secs(2);

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let in_place = std::io::stderr().is_terminal();
        let every = if in_place { ON_TERMINAL } else { IN_FILE };
        Self { every: (!quiet).then_some(every), in_place, last: Instant::now() }
    }

    /// Shows how far it is, if the last time was long enough ago.
    pub(super) fn show(&mut self, words: impl FnOnce() -> String) {
        let Some(every) = self.every else { return };
        if self.last.elapsed() < every {
            return;
        }
        self.last = Instant::now();
        let words = words();
        // Progress that cannot be shown is no reason to stop.
        let _ = if self.in_place {
            write!(std::io::stderr(), "\r\x1b[K{words}")
        } else {
            writeln!(std::io::stderr(), "{words}")
        };
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.every.is_some() && self.in_place {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
