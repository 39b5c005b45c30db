//! What a directive of nginx means to pushgate.

use std::{collections::HashMap, ops::BitOr};

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
    /// Polls end with a message.
    TimeoutWithBody,
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
    RealIpRecursive,
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
