//! The file as it is written: blocks within blocks, every key optional, unknown ones refused.

use toml::de::{DeTable, DeValue, Error};

use super::{
    directive::{self, Block, Found, KEYS},
    error::{Faults, Level, Place, Reason, Source},
    nearest::nearest,
    value::{Reader, Value, kind},
};

/// The tables of servers and of upstreams, and within a server that of locations.
const SERVER: &str = "server";
const UPSTREAM: &str = "upstream";
const LOCATION: &str = "location";

/// The file as it is written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) root: Block,
    pub(super) servers: Vec<Table>,
    pub(super) upstreams: Vec<Table>,
}

/// A `[[server]]`, `[[server.location]]` or `[[upstream]]`.
#[derive(Debug)]
pub(super) struct Table {
    /// Its heading.
    pub(super) place: Place,
    pub(super) block: Block,
    /// The locations of a server; of the root its servers and upstreams.
    pub(super) tables: Vec<Table>,
}

/// Reads the sources, of which the first is the file and the others replace what its root says.
///
/// None if the file is no TOML: then what is missing in it means nothing.
pub(super) fn read(sources: &[Source<'_>], faults: &mut Faults) -> Option<Written> {
    let mut written =
        Written { root: Block::default(), servers: Vec::new(), upstreams: Vec::new() };
    let mut sound = true;
    for (source, text) in sources.iter().enumerate() {
        let (table, errors) = DeTable::parse_recoverable(text.text);
        let level = if source == 0 { Level::Root } else { Level::Override };
        let mut walk = Walk { faults: &mut *faults, source };
        let read = walk.table(table.get_ref(), table.span().start, level, &[SERVER, UPSTREAM]);
        written.root = read.block.within(&written.root);
        let (servers, upstreams): (Vec<_>, _) =
            read.tables.into_iter().partition(|table| table.place.key == SERVER);
        written.servers.extend(servers);
        written.upstreams.extend(upstreams);
        sound &= source > 0 || errors.is_empty();
        note_syntax(source, text.text, &errors, faults);
    }
    sound.then_some(written)
}

/// Notes syntax errors. What is read after the first of them is guesswork and not worth a word.
fn note_syntax(source: usize, text: &str, errors: &[Error], faults: &mut Faults) {
    let start = |error: &Error| error.span().map_or(text.len(), |span| span.start);
    let Some(first) = errors.iter().map(start).min() else { return };
    let line = text.get(..first).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    faults.forget_from(source, line);
    for error in errors {
        let offset = start(error);
        let place = Place { key: "", level: Level::Root, source, offset };
        let reason = Reason::Syntax(error.message().lines().collect::<Vec<_>>().join(" "));
        faults.add_key(place, key_of_line(text, offset), reason);
    }
}

/// The key of the line that an offset lies in, as far as it can be told.
fn key_of_line(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let begin = before.rfind('\n').map_or(0, |end| end + 1);
    let line = text[begin..].lines().next().unwrap_or_default();
    let key = line.split('=').next().unwrap_or_default().trim();
    let bare = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if bare { key.to_owned() } else { String::new() }
}

struct Walk<'a> {
    faults: &'a mut Faults,
    source: usize,
}

impl Walk<'_> {
    /// Reads a table whose tables within it are called one of `inner`.
    fn table(
        &mut self,
        table: &DeTable<'_>,
        offset: usize,
        level: Level,
        inner: &[&'static str],
    ) -> Table {
        let place = Place { key: "", level, source: self.source, offset };
        let mut read = Table { place, block: Block::default(), tables: Vec::new() };
        for (key, value) in table {
            let name: &str = key.get_ref();
            let place = Place { offset: key.span().start, ..place };
            if let Some(inner) = inner.iter().find(|inner| **inner == name)
                && level != Level::Override
            {
                read.tables.extend(self.tables(place, value, inner));
                continue;
            }
            match directive::find(name, level) {
                Found::Here(key) => {
                    let Self { faults, source } = self;
                    let mut reader = Reader { faults, key, level, source: *source };
                    read.block.read(&mut reader, value);
                }
                other => {
                    let (reason, meant) = misplaced(name, &other);
                    self.faults.add_key(place, name.to_owned(), reason);
                    if let Some(key) = meant {
                        read.block.suspect(key);
                    }
                }
            }
        }
        read
    }

    /// Reads `[[server]]`, `[[server.location]]` or `[[upstream]]`.
    fn tables(&mut self, place: Place, value: &Value<'_>, key: &'static str) -> Vec<Table> {
        let (level, inner, expected): (_, &[_], _) = match key {
            SERVER => (Level::Server, &[LOCATION], "tables [[server]]"),
            UPSTREAM => (Level::Upstream, &[], "tables [[upstream]]"),
            _ => (Level::Location, &[], "tables [[server.location]]"),
        };
        let place = Place { key, ..place };
        let DeValue::Array(array) = value.get_ref() else {
            let found = kind(value.get_ref());
            self.faults.add(place, Reason::Type { expected, found });
            return Vec::new();
        };
        let mut tables = Vec::new();
        for value in array {
            match value.get_ref() {
                DeValue::Table(table) => {
                    let mut read = self.table(table, value.span().start, level, inner);
                    read.place.key = key;
                    tables.push(read);
                }
                other => {
                    let place = Place { offset: value.span().start, ..place };
                    self.faults.add(place, Reason::Type { expected, found: kind(other) });
                }
            }
        }
        tables
    }
}

/// Why a key does not stand where it stands, and which one was meant, if that can be told.
fn misplaced(name: &str, found: &Found) -> (Reason, Option<&'static str>) {
    match (found, name) {
        (Found::Misplaced(key, home), _) => (Reason::Misplaced(home), Some(key)),
        (_, SERVER) => (Reason::Misplaced("on the root level of the file, as [[server]]"), None),
        (_, UPSTREAM) => {
            (Reason::Misplaced("on the root level of the file, as [[upstream]]"), None)
        }
        (_, LOCATION) => (Reason::Misplaced("in a [[server]], as [[server.location]]"), None),
        _ => {
            let nearest = nearest(name, KEYS.iter().copied().chain([SERVER, UPSTREAM, LOCATION]));
            (Reason::UnknownKey(nearest), nearest)
        }
    }
}
