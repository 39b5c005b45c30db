//! A server: where it listens, which hosts it answers for, and its locations.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::{
    directive::Block,
    error::{Faults, Place, Reason},
    file::Table,
    hooks::Ask,
    inherit,
    location::Location,
    upstream::Upstreams,
    value::{At, or},
};
use crate::{
    access::RealIp,
    router::{Pattern, Router},
};

/// Where a server listens that does not say so: this machine only.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// The path of a Unix socket in bytes: what `sockaddr_un` holds, without the final zero.
const MAX_UNIX_PATH: usize = 107;
/// nginx's `client_header_timeout`.
const HEADER_TIMEOUT: Duration = Duration::from_mins(1);
/// nginx's `keepalive_timeout`.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(75);
/// nginx's four large buffers of 8k.
const MAX_HEADER_SIZE: usize = 32 << 10;
/// Short enough to notice who is gone, long enough for a phone between two networks.
const USER_TIMEOUT: Duration = Duration::from_mins(2);

/// A `[[server]]`.
#[derive(Debug)]
pub struct Server {
    /// `listen`, at least one; several servers may share one and are told apart by their names.
    pub listen: Vec<Listen>,
    /// `server_name`: the hosts it answers for.
    pub names: Vec<ServerName>,
    /// Finds the location of a path: an index into `locations`.
    pub router: Router,
    /// `[[server.location]]`, in the order of the file.
    pub locations: Vec<Arc<Location>>,
    /// `client_header_timeout`: from the first byte of a request to the end of its head.
    pub header_timeout: Duration,
    /// `keepalive_timeout`: between two requests; zero closes after each.
    pub keepalive_timeout: Duration,
    /// `client_max_header_size` in bytes: the whole head of a request.
    pub max_header_size: usize,
    /// `tcp_user_timeout` (RFC 5482): how long sent bytes may go unacknowledged, or a client that
    /// reads nothing may refuse more, before it counts as vanished; none: as the kernel has it.
    pub user_timeout: Option<Duration>,
    /// `proxy_protocol`: every connection begins with a PROXY header. It is believed only from
    /// proxies that `real_ip` names, of which there is at least one.
    pub proxy_protocol: bool,
    /// `real_ip_from` and `real_ip_header` where no location is meant.
    pub real_ip: RealIp,
}

impl Server {
    /// The first of its names, for `$server_name`; empty if it has none.
    pub fn name(&self) -> &str {
        self.names.first().map_or("", |name| &name.0)
    }

    /// Of the servers on one address, in the order of the file, the one that answers for a host
    /// (without port): by an exact name, else by the longest wildcard, else the first.
    pub fn choose<'s>(servers: &[&'s Self], host: &str) -> Option<&'s Self> {
        let host = host.trim_end_matches('.');
        let fit = |server: &Self| server.names.iter().filter_map(|name| name.fit(host)).max();
        // Of equally good ones `min_by_key` takes the first.
        servers.iter().copied().min_by_key(|server| std::cmp::Reverse(fit(server)))
    }
}

/// A name of a server: `"example.com"` or `"*.example.com"`, in lower case.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ServerName(Box<str>);

impl ServerName {
    /// What it looks like, for errors.
    pub(super) const FORM: &str = "a host name like \"example.com\" or \"*.example.com\"";

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        let host = name.strip_prefix("*.").unwrap_or(&name);
        let host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
        let sound = !host.is_empty() && host.bytes().all(host_byte);
        sound.then(|| Self(name.into()))
    }

    /// How well it fits a host: the longer the better, an exact name best; none: not at all.
    fn fit(&self, host: &str) -> Option<usize> {
        let Some(suffix) = self.0.strip_prefix('*') else {
            return self.0.eq_ignore_ascii_case(host).then_some(usize::MAX);
        };
        let at = host.len().checked_sub(suffix.len()).filter(|at| *at > 0)?;
        host.get(at..)?.eq_ignore_ascii_case(suffix).then_some(suffix.len())
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address to listen on: `listen`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Listen {
    /// `"127.0.0.1:8080"`, `"[::]:8080"`, `"8080"` (all of IPv4), `"localhost:8080"`.
    Tcp(SocketAddr),
    /// `"unix:/run/pushgate.sock"`.
    Unix(PathBuf),
}

impl Listen {
    /// What it looks like, for errors.
    pub(super) const FORM: &str = "an address like \"127.0.0.1:8080\", \"[::]:8080\", \"8080\" or \
                                   \"unix:/run/pushgate.sock\"";

    /// Reads an address. Names are not resolved, except `localhost`, which is 127.0.0.1.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            let sound = (1..=MAX_UNIX_PATH).contains(&path.len()) && !path.contains('\0');
            return sound.then(|| Self::Unix(path.into()));
        }
        if let Ok(address) = text.parse() {
            return Some(Self::Tcp(address));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("*", text));
        let address = match host {
            "*" => Ipv4Addr::UNSPECIFIED,
            "localhost" => Ipv4Addr::LOCALHOST,
            _ => return None,
        };
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits)?;
        Some(Self::Tcp(SocketAddr::new(address.into(), port)))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Builds a server; what it has is inherited from the root.
pub(super) fn build(
    table: &Table,
    root: &Block,
    upstreams: &mut Upstreams,
    faults: &mut Faults,
) -> Server {
    let block = table.block.within(root);
    let mut locations = Vec::new();
    let mut patterns: Vec<(Pattern, Place)> = Vec::new();
    for table in &table.tables {
        let inherited = table.block.within(&block);
        note_duplicate(&inherited, &mut patterns, faults);
        let location = inherit::location(&inherited, table.place, upstreams, faults);
        locations.extend(location.map(Arc::new));
    }
    let router = Router::new(locations.iter().map(|location| &location.pattern));
    note_unasked(table, &block, &router, &locations, faults);
    let listen = or_listed(block.listen.as_ref(), faults);
    note_unbelieved(&block, faults);
    Server {
        listen: if listen.is_empty() { vec![Listen::Tcp(DEFAULT_LISTEN)] } else { listen },
        names: or_listed(block.server_name.as_ref(), faults),
        router,
        locations,
        header_timeout: or(block.client_header_timeout.as_ref(), HEADER_TIMEOUT),
        keepalive_timeout: or(block.keepalive_timeout.as_ref(), KEEPALIVE_TIMEOUT),
        max_header_size: or(block.client_max_header_size.as_ref(), MAX_HEADER_SIZE),
        user_timeout: or(block.tcp_user_timeout.as_ref(), Some(USER_TIMEOUT)),
        proxy_protocol: or(block.proxy_protocol.as_ref(), false),
        real_ip: inherit::real_ip(&block),
    }
}

/// Notes `proxy_protocol` where no proxy is named whose headers could be believed.
fn note_unbelieved(block: &Block, faults: &mut Faults) {
    let nobody = block.real_ip_from.as_ref().is_none_or(|at| at.value.is_empty());
    if let Some(on) = block.proxy_protocol.as_ref().filter(|at| at.value)
        && nobody
        && !block.is_suspect(&["real_ip_from"])
    {
        faults
            .add(on.place, Reason::Missing("real_ip_from, which says whose headers are believed"));
    }
}

/// Notes questions to locations that do not pass them on. Where a location could not be read, it may be
/// the one that is meant.
fn note_unasked(
    table: &Table,
    block: &Block,
    router: &Router,
    locations: &[Arc<Location>],
    faults: &mut Faults,
) {
    if locations.len() < table.tables.len() {
        return;
    }
    for block in table.tables.iter().map(|table| table.block.within(block)) {
        if block.is_suspect(&["proxy_pass", "path"]) {
            return;
        }
        for at in block.questions() {
            let Some(path) = at.value.as_ref().and_then(Ask::location) else { continue };
            let asked = router.find(path.as_bytes()).map(|found| &locations[found.location]);
            if asked.is_none_or(|location| location.proxy.is_none()) {
                let why = "a path whose location has a proxy_pass";
                faults.add(at.place, Reason::Invalid(path.to_owned(), why));
            }
        }
    }
}

/// Notes a `path` that an earlier location of the server has.
fn note_duplicate(block: &Block, patterns: &mut Vec<(Pattern, Place)>, faults: &mut Faults) {
    let Some(At { value: pattern, place }) = &block.path else { return };
    if patterns.iter().any(|(earlier, _)| earlier.duplicates(pattern)) {
        let elsewhere = "by an earlier location".to_owned();
        faults.add(*place, Reason::Duplicate(pattern.to_string(), elsewhere));
    }
    patterns.push((pattern.clone(), *place));
}

/// The entries of a list; those that it has twice are noted.
fn or_listed<T: Clone + Eq + fmt::Display>(
    list: Option<&At<Vec<At<T>>>>,
    faults: &mut Faults,
) -> Vec<T> {
    let mut entries: Vec<T> = Vec::new();
    for At { value, place } in list.iter().flat_map(|list| &list.value) {
        if entries.contains(value) {
            let elsewhere = "in this list".to_owned();
            faults.add(*place, Reason::Duplicate(value.to_string(), elsewhere));
        }
        entries.push(value.clone());
    }
    entries
}

/// Notes servers that could not be told apart (same address, and a common name or none at all), and
/// those that share an address and do not agree whether its connections begin with a PROXY header.
pub(super) fn note_conflicts(tables: &[Table], servers: &[Server], faults: &mut Faults) {
    for (index, (table, server)) in tables.iter().zip(servers).enumerate() {
        for (earlier, other) in tables.iter().zip(&servers[..index]) {
            let suspect =
                |keys: &[&str]| table.block.is_suspect(keys) || earlier.block.is_suspect(keys);
            if suspect(&["listen", "server_name"]) {
                continue;
            }
            let Some(listen) = server.listen.iter().find(|one| other.listen.contains(one)) else {
                continue;
            };
            if server.proxy_protocol != other.proxy_protocol && !suspect(&["proxy_protocol"]) {
                let place = table.block.proxy_protocol.as_ref().map_or(table.place, |at| at.place);
                let own = server.proxy_protocol.to_string();
                let reason = Reason::Invalid(own, "what an earlier server on its address says");
                faults.add_key(place, "proxy_protocol", reason);
            }
            let common = server.names.iter().find(|name| other.names.contains(name));
            let nameless = server.names.is_empty() && other.names.is_empty();
            if common.is_none() && !nameless {
                continue;
            }
            let place = table.block.listen.as_ref().map_or(table.place, |at| at.place);
            let elsewhere = match common {
                Some(name) => format!("by an earlier server named {:?}", name.to_string()),
                None => "by an earlier server; a server_name would tell them apart".to_owned(),
            };
            faults.add_key(place, "listen", Reason::Duplicate(listen.to_string(), elsewhere));
        }
    }
}
