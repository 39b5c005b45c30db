//! The configuration: TOML, blocks within blocks, directives inherited from the outer to the inner.
//!
//! Two stages: the file as it is written, where every key is optional and unknown ones are refused,
//! and checked plain values. Everything that is wrong is reported in one go.

mod directive;
mod error;
mod file;
mod grip;
mod hooks;
mod inherit;
mod location;
mod named;
mod nearest;
mod origin;
mod process;
mod proxy;
mod server;
mod status;
mod transport;
mod unit;
mod upstream;
mod value;
pub mod variable;

use std::{fs, path::Path};

pub use directive::KEYS;
pub use error::{Error, Errors, Reason};
use error::{Faults, Level, Place, Source};
pub use grip::{Grip, Items};
pub use hooks::{Events, Hooks, Presence, Question};
pub use location::{
    Batch, Channels, Hold, Jwt, Location, PollFormat, Preset, Publisher, SecureLink,
    SlowSubscriber, StreamFormat, Subscriber, WebSocket,
};
pub use named::{Named, Segment};
pub use process::Process;
pub use proxy::{Proxy, Timeouts};
pub use server::{Listen, Server, ServerName};
pub use status::{Health, Status, StatusFormat};
pub use transport::Transport;
pub use unit::UnitError;
pub use upstream::{Address, Upstream};
pub use variable::{Push, Scope, Template, TemplateError};

use upstream::Upstreams;

/// The name of what is given on the command line, for errors.
const OVERRIDE: &str = "-g";

/// A configuration without errors.
#[derive(Debug)]
pub struct Config {
    /// The root of the file.
    pub process: Process,
    /// `[[server]]`, at least one, in the order of the file.
    pub servers: Vec<Server>,
    /// `[[upstream]]`, and one for each address that a `proxy_pass` names itself.
    pub upstreams: Vec<Upstream>,
    /// What is worth a look in the file.
    pub warnings: Vec<Error>,
}

impl Config {
    /// Reads a file; the overrides are `key = value` lines that replace what its root says.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, Errors> {
        let name = path.display().to_string();
        let wrong = |position, reason: String| Error {
            file: name.clone(),
            position,
            key: String::new(),
            reason: Reason::Unreadable(reason),
        };
        let bytes = fs::read(path).map_err(|error| wrong(None, error.to_string()))?;
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(&name, &text, overrides),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(&error.as_bytes()[..valid]);
                let position = error::position(&text, valid);
                Err(wrong(Some(position), "not UTF-8".to_owned()).into())
            }
        }
    }

    /// Reads a text; the name is that of its file, for errors.
    pub fn parse(name: &str, text: &str, overrides: &[String]) -> Result<Self, Errors> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut sources = vec![Source { name, text }];
        sources.extend(overrides.iter().map(|text| Source { name: OVERRIDE, text }));
        let mut faults = Faults::default();
        let config = file::read(&sources, &mut faults).map(|written| {
            let root = &written.root;
            let mut upstreams = Upstreams::build(&written.upstreams, &mut faults);
            let build = |table| server::build(table, root, &mut upstreams, &mut faults);
            let servers: Vec<_> = written.servers.iter().map(build).collect();
            server::note_conflicts(&written.servers, &servers, &mut faults);
            if servers.is_empty() && faults.count() == 0 {
                let root = Place { key: "server", level: Level::Root, source: 0, offset: 0 };
                faults.add(root, Reason::Missing("a file needs at least one [[server]]"));
            }
            Self {
                process: Process::build(root),
                servers,
                upstreams: upstreams.all,
                warnings: Vec::new(),
            }
        });
        let (errors, warnings) = faults.told(&sources);
        match (errors, config) {
            (None, Some(config)) => Ok(Self { warnings, ..config }),
            (Some(errors), _) => Err(errors),
            // No TOML and yet no error: there is none such, but nothing here may panic.
            (None, None) => Err(Error {
                file: name.to_owned(),
                position: None,
                key: String::new(),
                reason: Reason::Syntax("not TOML".to_owned()),
            }
            .into()),
        }
    }

    /// Each address to listen on once, with the servers that share it in the order of the file:
    /// indices into `servers`.
    pub fn listeners(&self) -> Vec<(Listen, Vec<usize>)> {
        let mut listeners: Vec<(Listen, Vec<usize>)> = Vec::new();
        for (index, server) in self.servers.iter().enumerate() {
            for listen in &server.listen {
                match listeners.iter_mut().find(|(known, _)| known == listen) {
                    Some((_, servers)) => servers.push(index),
                    None => listeners.push((listen.clone(), vec![index])),
                }
            }
        }
        listeners
    }
}

#[cfg(test)]
mod tests;
