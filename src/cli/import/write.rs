//! What is written: blocks with keys, in the order in which the reference has them.

use std::fmt::{self, Write as _};

use super::{level::Origin, read::Place, sense::Roles, value::Value};
use crate::{cli::visible, config::KEYS};

/// A key, and the level that its value comes from.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: &'static str,
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// The roles whose locations look at it.
    pub(super) roles: Roles,
}

/// The keys of a block.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries(pub(super) Vec<Entry>);

impl Entries {
    /// Sets a key, in place of what it had.
    pub(super) fn set(&mut self, key: &'static str, value: Value, origin: Origin, roles: Roles) {
        self.0.retain(|entry| entry.key != key);
        self.0.push(Entry { key, value, origin, roles });
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.0.retain(|entry| entry.key != key);
    }

    fn sorted(&self) -> Vec<&Entry> {
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by_key(|entry| KEYS.iter().position(|key| *key == entry.key));
        entries
    }
}

impl fmt::Display for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sorted().iter().try_for_each(|entry| writeln!(f, "{} = {}", entry.key, entry.value))
    }
}

/// A `[[server.location]]`.
#[derive(Debug)]
pub(super) struct Location {
    pub(super) place: Place,
    pub(super) path: String,
    pub(super) roles: Roles,
    pub(super) entries: Entries,
    /// What somebody has to know who reads the block.
    pub(super) notes: Vec<String>,
}

/// A `[[server]]`.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) place: Place,
    pub(super) entries: Entries,
    pub(super) locations: Vec<Location>,
}

/// An `[[upstream]]`.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) place: Place,
    pub(super) entries: Entries,
}

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) entries: Entries,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) servers: Vec<Server>,
}

impl File {
    /// As TOML; `whence` tells of a place where it is.
    pub(super) fn to_toml(&self, name: &str, whence: impl Fn(Place) -> String) -> String {
        let shown = |text: &str| visible::line(text.as_bytes());
        let whence = |place: Place| shown(&whence(place));
        let mut text = format!("# Made of {} by `pushgate import`. ", shown(name));
        text += "Every key stands in conf/reference.toml, with its default.\n";
        let root = self.entries.to_string();
        if !root.is_empty() {
            let _ = write!(text, "\n{root}");
        }
        for Upstream { place, entries } in &self.upstreams {
            let _ = write!(text, "\n# {}\n[[upstream]]\n{entries}", whence(*place));
        }
        for server in &self.servers {
            let Server { place, entries, locations } = server;
            let _ = write!(text, "\n# {}\n[[server]]\n{entries}", whence(*place));
            for location in locations {
                let _ = write!(text, "\n# {}\n", whence(location.place));
                for note in &location.notes {
                    let _ = writeln!(text, "# {}", shown(note));
                }
                let path = Value::text(&location.path);
                let _ = write!(text, "[[server.location]]\npath = {path}\n{}", location.entries);
            }
        }
        text
    }
}
