//! The logs: what an operator has to know, and one line a request where that is wanted.

mod access;
mod civil;
mod escape;
mod levels;
mod lines;

use std::{io, path::PathBuf};

pub use access::{Entry, begin, malformed};
pub use levels::{BadLevels, levels};
use lines::Lines;
pub use lines::lost;
use tracing_subscriber::{
    EnvFilter, Layer, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

/// Where a log goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// Nowhere.
    Off,
    /// `"stderr"`.
    Stderr,
    /// `"stdout"`.
    Stdout,
    /// A file, which is appended to.
    File(PathBuf),
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// `log_format = "json"`.
    Json,
    /// `log_format = "text"`.
    #[default]
    Text,
}

/// Both logs. Dropping it waits for what has been said, for a moment.
#[derive(Debug)]
pub struct Logs(Vec<Lines>);

impl Logs {
    /// Opens files anew, so that they can be moved away and go on elsewhere.
    pub fn reopen(&self) {
        self.0.iter().for_each(Lines::reopen);
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.0.iter().for_each(Lines::flush);
    }
}

/// Starts both logs; `levels` are those of the error log.
pub fn start(
    format: Format,
    errors: &Target,
    accesses: &Target,
    levels: EnvFilter,
) -> io::Result<Logs> {
    let (errors, accesses) = (Lines::open(errors)?, Lines::open(accesses)?);
    let diagnostics = errors.clone().map(|lines| layer(format, lines).with_filter(levels));
    registry().with(diagnostics).try_init().map_err(io::Error::other)?;
    if let Some(lines) = accesses.clone() {
        access::start(format, lines);
    }
    Ok(Logs([errors, accesses].into_iter().flatten().collect()))
}

type Boxed<S> = Box<dyn Layer<S> + Send + Sync>;

fn layer<S>(format: Format, lines: Lines) -> Boxed<S>
where
    S: tracing::Subscriber + for<'a> registry::LookupSpan<'a>,
{
    let layer = fmt::layer().with_writer(move || lines.clone()).with_ansi(false);
    match format {
        Format::Json => layer.json().boxed(),
        Format::Text => layer.boxed(),
    }
}
