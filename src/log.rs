//! The log: what an operator has to know, and one line a request where that is wanted.

use std::{fmt::Display, fs::OpenOptions, io, path::PathBuf, sync::Mutex};

use http::{StatusCode, request};
use tracing::{Level, info};
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, fmt, layer::SubscriberExt, registry,
    util::SubscriberInitExt,
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

/// The target of the access lines.
const ACCESS: &str = "access";

/// Starts both logs; `RUST_LOG` sets the levels of the error log, `level` is it where that is not
/// set.
pub fn start(format: Format, errors: &Target, accesses: &Target, level: Level) -> io::Result<()> {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level.as_str()));
    let diagnostics = layer(format, errors)?
        .map(|layer| layer.with_filter(filter).with_filter(filter_fn(|m| m.target() != ACCESS)));
    let requests = layer(format, accesses)?
        .map(|layer| layer.with_filter(filter_fn(|m| m.target() == ACCESS)));
    registry().with(diagnostics).with(requests).try_init().map_err(io::Error::other)
}

type Boxed<S> = Box<dyn Layer<S> + Send + Sync>;

fn layer<S>(format: Format, target: &Target) -> io::Result<Option<Boxed<S>>>
where
    S: tracing::Subscriber + for<'a> registry::LookupSpan<'a>,
{
    let writer = match target {
        Target::Off => return Ok(None),
        Target::Stderr => fmt::writer::BoxMakeWriter::new(io::stderr),
        Target::Stdout => fmt::writer::BoxMakeWriter::new(io::stdout),
        Target::File(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let named = |error| io::Error::other(format!("{}: {error}", path.display()));
            fmt::writer::BoxMakeWriter::new(Mutex::new(file.map_err(named)?))
        }
    };
    let layer = fmt::layer().with_writer(writer).with_ansi(false);
    Ok(Some(match format {
        Format::Json => layer.json().boxed(),
        Format::Text => layer.boxed(),
    }))
}

/// Lines that could not be written.
pub fn lost() -> u64 {
    0
}

/// One line for a request, when its response begins.
pub fn access(head: &request::Parts, client: impl Display, status: StatusCode) {
    if !tracing::enabled!(target: ACCESS, Level::INFO) {
        return;
    }
    info!(
        target: ACCESS,
        %client,
        method = %head.method,
        uri = %head.uri,
        status = status.as_u16(),
        "request"
    );
}
