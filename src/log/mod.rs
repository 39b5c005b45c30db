//! The logs: what an operator has to know, and one line a request where that is wanted.

mod access;
mod civil;
mod escape;
mod lines;

use std::{env, io, path::PathBuf};

pub use access::{Entry, begin, malformed};
use lines::Lines;
pub use lines::lost;
use tracing::level_filters::LevelFilter;
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

/// What sets the levels of the error log.
const LEVELS: &str = "RUST_LOG";

/// `RUST_LOG` makes no sense.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{LEVELS}={value:?} cannot be understood: {why}")]
pub struct BadLevels {
    value: String,
    why: String,
}

/// Reads `RUST_LOG`: levels (`error`, `warn`, `info`, `debug`, `trace`, `off`), or `TARGET=LEVEL`, with
/// commas between them; `None`: it is not set, or empty.
pub fn levels() -> Result<Option<EnvFilter>, BadLevels> {
    let Some(value) = env::var_os(LEVELS).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let bad = |why| BadLevels { value: value.to_string_lossy().into_owned(), why };
    let text = value.to_str().ok_or_else(|| bad("it is not UTF-8".to_owned()))?;
    if let Some(word) = text.split(',').map(str::trim).find(|word| is_no_level(word)) {
        return Err(bad(format!("{word:?} is no level")));
    }
    EnvFilter::try_new(text).map(Some).map_err(|error| bad(error.to_string()))
}

/// Whether something that stands alone is neither a level nor the name of a module of ours: it would
/// silence all others.
fn is_no_level(word: &str) -> bool {
    let alone = !word.is_empty() && !word.contains(['=', '[']);
    let name = word.split("::").next().unwrap_or_default();
    alone && word.parse::<LevelFilter>().is_err() && name != env!("CARGO_PKG_NAME")
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
