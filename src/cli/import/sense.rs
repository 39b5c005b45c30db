//! What a directive of nginx means to pushgate.

use std::{collections::HashMap, ops::BitOr, rc::Rc};

use super::{names, read::Directive};

/// Who a directive belongs to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Family {
    Nchan,
    Nginx,
    PushModule,
    PushStream,
}

/// What a directive becomes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sense {
    /// This key of ours, whose value is read like that, where a location has one of these roles.
    Key(&'static str, Form, Roles),
    /// Something that the translation asks for.
    Part(Part),
    /// Nothing, because pushgate does the like by itself, or has no such thing to tune.
    Idle(&'static str),
    /// Nothing, although somebody might miss it; why.
    Dropped(&'static str),
    /// As `Dropped`, unless it has this value, which pushgate has, too.
    Unless(&'static str, &'static str),
}

/// How a value is written in nginx.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    Count,
    Flag,
    Size,
    /// With variables.
    Text,
    Time,
    /// One of some words, the same in both.
    Word,
}

/// What a location may be for; a key is looked at where one of its roles is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Roles(u8);

impl Roles {
    pub(super) const NONE: Self = Self(0);
    pub(super) const PUBLISHER: Self = Self(1);
    pub(super) const SUBSCRIBER: Self = Self(2);
    pub(super) const PROXY: Self = Self(4);
    pub(super) const STATUS: Self = Self(8);
    /// The server itself, not its locations.
    pub(super) const SERVER: Self = Self(16);
    /// The process.
    pub(super) const ROOT: Self = Self(32);
    /// Who has channels.
    pub(super) const CHANNEL: Self = Self(1 | 2);
    /// Who reads bodies.
    pub(super) const BODY: Self = Self(1 | 4);
    pub(super) const ANY: Self = Self(1 | 2 | 4 | 8);

    pub(super) fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Roles {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What the translation asks for by itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Part {
    // What a location is for.
    Publisher,
    Subscriber,
    Pubsub,
    Status,
    Statistics,
    ProxyPass,
    Internal,
    // Channels.
    ChannelId,
    PublisherId,
    SubscriberId,
    BufferLength,
    MessageTtl,
    StoredOff,
    // Listening.
    FirstMessage,
    LastMessageId,
    CursorTime,
    CursorTag,
    CursorId,
    Separator,
    Batch,
    EventPing,
    SocketPing,
    StreamTtl,
    PollTtl,
    HeaderTemplate,
    HeaderFile,
    MessageTemplate,
    FooterTemplate,
    AllowPublish,
    // Who may.
    Allow,
    Deny,
    Satisfy,
    AuthBasic,
    AuthRequest,
    LimitExcept,
    SecureLink,
    If,
    Origins,
    Credentials,
    AddHeader,
    RealIpFrom,
    // The application.
    Authorize,
    PublishHook,
    SubscribeHook,
    UnsubscribeHook,
    ProxySetHeader,
    // The rest of nginx.
    Keepalive,
    DefaultType,
    ErrorLog,
    AccessLog,
    HeaderBuffers,
    Http,
    Listen,
    Location,
    LoadModule,
    Server,
    ServerName,
    Set,
    Upstream,
    User,
    Workers,
}

/// What is looked for in a level.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Slot {
    Key(&'static str),
    Part(Part),
}

/// A row of a table: a name, or with a `*` at the end all that begin so.
pub(super) type Row = (&'static str, Sense);

/// All names of a file's directives.
#[derive(Debug)]
pub(super) struct Names {
    exact: HashMap<&'static str, (Family, Sense)>,
    prefixes: Vec<(&'static str, Family, Sense)>,
}

impl Names {
    /// Where Nchan is loaded the names of the push module are its, as far as it knows them.
    pub(super) fn new(nchan: bool) -> Self {
        let mut names = Self { exact: HashMap::new(), prefixes: Vec::new() };
        names.add(Family::Nginx, names::nginx::ROWS);
        names.add(Family::Nginx, names::nginx_alone::ROWS);
        names.add(Family::PushStream, names::push_stream::ROWS);
        names.add(Family::Nchan, names::nchan::ROWS);
        names.add(Family::PushModule, names::push_module::ROWS);
        if nchan {
            names.add(Family::Nchan, names::nchan::LEGACY);
        }
        names
    }

    fn add(&mut self, family: Family, rows: &[Row]) {
        for (name, sense) in rows {
            match name.strip_suffix('*') {
                Some(prefix) => self.prefixes.push((prefix, family, *sense)),
                None => {
                    self.exact.insert(name, (family, *sense));
                }
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<(Family, Sense)> {
        self.exact.get(name).copied().or_else(|| {
            let fit = self.prefixes.iter().filter(|(prefix, ..)| name.starts_with(prefix));
            let longest = fit.max_by_key(|(prefix, ..)| prefix.len());
            longest.map(|(_, family, sense)| (*family, *sense))
        })
    }

    /// The keys that a location with these roles may have by directives of a family.
    pub(super) fn keys(&self, family: Family, roles: Roles) -> Vec<(&'static str, Form, Roles)> {
        let mut keys: Vec<_> = self
            .exact
            .values()
            .filter(|(own, _)| *own == family || *own == Family::Nginx)
            .filter_map(|(_, sense)| match *sense {
                Sense::Key(key, form, whose) if whose.meet(roles) => Some((key, form, whose)),
                _ => None,
            })
            .collect();
        keys.sort_unstable_by_key(|(key, ..)| *key);
        keys.dedup_by_key(|(key, ..)| *key);
        keys
    }

    /// Whether a directive is this part.
    pub(super) fn is(&self, directive: &Directive, part: Part) -> bool {
        self.get(&directive.name).is_some_and(|(_, sense)| sense == Sense::Part(part))
    }
}

/// The directives of one block, by what they mean.
#[derive(Debug)]
pub(super) struct Level<'t>(HashMap<Slot, Vec<(Family, &'t Directive)>>);

impl<'t> Level<'t> {
    pub(super) fn new(names: &Names, directives: &'t [Directive]) -> Self {
        let mut slots: HashMap<Slot, Vec<(Family, &'t Directive)>> = HashMap::new();
        for directive in directives {
            let Some((family, sense)) = names.get(&directive.name) else { continue };
            let slot = match sense {
                Sense::Key(key, ..) => Slot::Key(key),
                Sense::Part(part) => Slot::Part(part),
                Sense::Idle(_) | Sense::Dropped(_) | Sense::Unless(..) => continue,
            };
            slots.entry(slot).or_default().push((family, directive));
        }
        Self(slots)
    }

    /// The directives of a part, of all families, in the order of the file.
    pub(super) fn parts(&self, part: Part) -> impl Iterator<Item = (Family, &'t Directive)> {
        self.0.get(&Slot::Part(part)).into_iter().flatten().copied()
    }

    pub(super) fn part(&self, part: Part) -> Option<&'t Directive> {
        self.parts(part).last().map(|(_, directive)| directive)
    }
}

/// Which level a value comes from.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Origin {
    /// None: it is what the family does when nothing is said.
    Family,
    Http,
    Server,
    Location,
}

/// The levels around a place, the outermost first: http, server, location, locations in it.
#[derive(Clone, Debug)]
pub(super) struct Chain<'t> {
    pub(super) levels: Vec<Rc<Level<'t>>>,
    pub(super) family: Family,
}

impl<'t> Chain<'t> {
    /// The directives of the nearest level that has some of the slots, as nginx inherits.
    pub(super) fn nearest(&self, slots: &[Slot]) -> Option<(Vec<&'t Directive>, Origin)> {
        self.levels.iter().enumerate().rev().find_map(|(depth, level)| {
            let fits = |family| family == self.family || family == Family::Nginx;
            let found = slots.iter().flat_map(|slot| level.0.get(slot)).flatten();
            let found = found.filter(|(family, _)| fits(*family));
            let mut found: Vec<_> = found.map(|(_, directive)| *directive).collect();
            found.sort_by_key(|directive| directive.place);
            (!found.is_empty()).then(|| (found, origin(depth)))
        })
    }

    /// The directive that counts for a part.
    pub(super) fn part(&self, part: Part) -> Option<(&'t Directive, Origin)> {
        self.one(Slot::Part(part))
    }

    /// The directive that counts for a slot.
    pub(super) fn one(&self, slot: Slot) -> Option<(&'t Directive, Origin)> {
        let (found, origin) = self.nearest(&[slot])?;
        Some((*found.last()?, origin))
    }

    /// All directives of a part, on all levels, the outermost first.
    pub(super) fn every(&self, part: Part) -> impl Iterator<Item = &'t Directive> {
        self.levels.iter().flat_map(move |level| level.parts(part)).map(|(_, directive)| directive)
    }

    /// The directive of a part in the block itself.
    pub(super) fn own(&self, part: Part) -> Option<&'t Directive> {
        self.levels.last()?.part(part)
    }
}

fn origin(depth: usize) -> Origin {
    match depth {
        0 => Origin::Http,
        1 => Origin::Server,
        _ => Origin::Location,
    }
}
