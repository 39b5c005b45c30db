//! The servers behind the gateway: `[[upstream]]`.

use std::{fmt, path::PathBuf, time::Duration};

use super::{
    error::{Faults, Reason},
    file::Table,
    value::{At, or},
};

/// nginx's `max_fails`.
const MAX_FAILS: usize = 1;
/// nginx's `fail_timeout`.
const FAIL_TIMEOUT: Duration = Duration::from_secs(10);
/// nginx's `keepalive`, where it has one.
const KEEPALIVE: usize = 32;
/// The port of an address without one.
const PORT: u16 = 80;

/// Servers that do the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Upstream {
    /// `name`; of a `proxy_pass` that names an address, the address.
    pub name: Box<str>,
    /// `servers`, at least one.
    pub servers: Vec<Address>,
    /// `max_fails`: so many failures within `fail_timeout`, and a server is left alone for as long;
    /// 0: it never is.
    pub max_fails: usize,
    /// `fail_timeout`.
    pub fail_timeout: Duration,
    /// `keepalive`: idle connections that each worker keeps; 0 is none.
    pub keepalive: usize,
}

/// Where a server listens.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Address {
    /// A name or an IP address (IPv6 without brackets), and a port.
    Tcp(Box<str>, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// What it looks like, for errors.
    pub(super) const FORM: &str = "an address like \"127.0.0.1:8000\", \"[::1]:8000\", \"app:8000\" or \"unix:/run/app.sock\"";

    /// Reads an address; a port that is missing is 80.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            let sound = path.starts_with('/') && !path.contains('\0');
            return sound.then(|| Self::Unix(path.into()));
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        let digits = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
        let port = match port {
            Some(port) => Some(port).filter(digits)?.parse().ok().filter(|port| *port > 0)?,
            None => PORT,
        };
        let sound = !host.is_empty() && host.bytes().all(name_byte);
        sound.then(|| Self::Tcp(host.into(), port))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The upstreams of a file, and those that its locations add.
#[derive(Debug, Default)]
pub(super) struct Upstreams {
    pub(super) all: Vec<Upstream>,
    /// So many at the front have a name that a location may use.
    named: usize,
    /// One of them could not be read: a name that is not there may be its.
    pub(super) suspect: bool,
}

impl Upstreams {
    /// Builds those of the file.
    pub(super) fn build(tables: &[Table], faults: &mut Faults) -> Self {
        let mut upstreams = Self::default();
        for table in tables {
            match upstream(table, &upstreams.all, faults) {
                Some(upstream) => upstreams.all.push(upstream),
                None => upstreams.suspect = true,
            }
        }
        upstreams.named = upstreams.all.len();
        upstreams
    }

    /// The names that a location may use.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.all[..self.named].iter().map(|upstream| &*upstream.name)
    }

    /// The number of a name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.names().position(|known| known == name)
    }

    /// The number of the upstream that is this address alone.
    pub(super) fn alone(&mut self, address: &Address) -> usize {
        let name = address.to_string();
        let known = self.all[self.named..].iter().position(|upstream| *upstream.name == *name);
        known.map_or_else(
            || {
                self.all.push(Upstream {
                    name: name.into(),
                    servers: vec![address.clone()],
                    max_fails: MAX_FAILS,
                    fail_timeout: FAIL_TIMEOUT,
                    keepalive: KEEPALIVE,
                });
                self.all.len() - 1
            },
            |at| self.named + at,
        )
    }
}

fn upstream(table: &Table, earlier: &[Upstream], faults: &mut Faults) -> Option<Upstream> {
    let block = &table.block;
    for (key, missing) in [
        ("name", block.name.is_none()),
        ("servers", block.servers.as_ref().is_none_or(|at| at.value.is_empty())),
    ] {
        if missing && !block.is_suspect(&[key]) {
            faults.add_key(table.place, key, Reason::Missing("every upstream needs one"));
        }
    }
    let (name, servers) = (block.name.as_ref()?, block.servers.as_ref()?);
    if earlier.iter().any(|upstream| *upstream.name == name.value) {
        let elsewhere = "by an earlier upstream".to_owned();
        faults.add(name.place, Reason::Duplicate(name.value.clone(), elsewhere));
    }
    let mut addresses = Vec::new();
    for At { value, place } in &servers.value {
        if addresses.contains(value) {
            let elsewhere = "in this list".to_owned();
            faults.add(*place, Reason::Duplicate(value.to_string(), elsewhere));
        }
        addresses.push(value.clone());
    }
    (!addresses.is_empty()).then(|| Upstream {
        name: name.value.as_str().into(),
        servers: addresses,
        max_fails: or(block.max_fails.as_ref(), MAX_FAILS),
        fail_timeout: or(block.fail_timeout.as_ref(), FAIL_TIMEOUT),
        keepalive: or(block.keepalive.as_ref(), KEEPALIVE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for (text, shown) in [
            ("127.0.0.1:8000", "127.0.0.1:8000"),
            ("app", "app:80"),
            ("app.example:8000", "app.example:8000"),
            ("[::1]:8000", "[::1]:8000"),
            ("[::1]", "[::1]:80"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn garbage_is_no_address() {
        for text in [
            "",
            ":80",
            "app:",
            "app:0",
            "app:65536",
            "app:x",
            "::1",
            "[::1",
            "[x]:1",
            "[::1]1",
            "a b:1",
            "a/b",
            "unix:",
            "unix:app.sock",
            "user@app:80",
            "app:+1",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }
}
