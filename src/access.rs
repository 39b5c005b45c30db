//! Who may use a location: ordered rules, the first match wins, as in nginx's access module; and
//! whose address that is behind a proxy, as in nginx's realip module.
//!
//! What must hold: an address that nobody vouches for never counts as local. A request that came
//! through a proxy which `real_ip_from` does not name arrives from that proxy's address, so no
//! loopback or `unix:` rule may admit it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use http::{HeaderMap, HeaderName, header};
use ipnet::{IpNet, Ipv4Net};

/// What proxies say about where a request came from.
const FORWARDED: [HeaderName; 3] =
    [X_FORWARDED_FOR, header::FORWARDED, HeaderName::from_static("x-real-ip")];

/// What is said to whoever may not ...
const DENIED: &str = "Access denied.";
/// ... though it could without a header by which an unknown proxy says whom it speaks for, ...
const DENIED_FORWARDED: &str = "Access denied: the request came through a proxy that real_ip_from \
     does not name, as its X-Forwarded-For, Forwarded or X-Real-IP says.";
/// ... or if somebody known had said that, also by a PROXY header.
const DENIED_UNSAID: &str =
    "Access denied: nobody that real_ip_from names says which address the request is from.";

/// The header of `real_ip_header` when nothing is said.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// An address and a port.
    Inet(IpAddr, u16),
    /// A process on this machine, over a Unix socket.
    Unix,
}

impl Peer {
    /// Its address without the port, as a text.
    pub fn address(&self) -> String {
        match self {
            Self::Inet(address, _) => address.to_string(),
            Self::Unix => self.to_string(),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address, port) => SocketAddr::new(*address, *port).fmt(f),
            Self::Unix => f.write_str("unix:"),
        }
    }
}

/// A set of peers: the second word of an `access` rule, or an entry of `real_ip_from`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Network {
    /// `all`.
    All,
    /// An address or a CIDR block, IPv4-mapped ones as IPv4.
    Inet(IpNet),
    /// `unix:`.
    Unix,
}

impl Network {
    /// Whether the peer belongs to it.
    pub fn contains(&self, peer: Peer) -> bool {
        match (self, peer) {
            (Self::All, _) | (Self::Unix, Peer::Unix) => true,
            (Self::Inet(net), Peer::Inet(address, _)) => net.contains(&address.to_canonical()),
            _ => false,
        }
    }

    /// Whether only processes on this machine belong to it.
    fn is_local(&self) -> bool {
        match self {
            Self::All => false,
            Self::Inet(IpNet::V4(net)) => net.addr().is_loopback() && net.prefix_len() >= 8,
            Self::Inet(IpNet::V6(net)) => net.addr().is_loopback() && net.prefix_len() == 128,
            Self::Unix => true,
        }
    }
}

impl FromStr for Network {
    type Err = AccessError;

    fn from_str(text: &str) -> Result<Self, AccessError> {
        match text {
            "all" => return Ok(Self::All),
            "unix:" => return Ok(Self::Unix),
            _ => {}
        }
        let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let net: IpNet = net.map_err(|_| AccessError::Network(text.to_owned()))?;
        Ok(Self::Inet(canonical(net).trunc()))
    }
}

/// An IPv4-mapped block as the IPv4 block it means.
fn canonical(net: IpNet) -> IpNet {
    let IpNet::V6(six) = net else { return net };
    let four = six.addr().to_ipv4_mapped();
    let prefix = six.prefix_len().checked_sub(96);
    let mapped = four.zip(prefix).and_then(|(four, prefix)| Ipv4Net::new(four, prefix).ok());
    mapped.map_or(net, IpNet::V4)
}

/// One rule: `allow NETWORK` or `deny NETWORK`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    allow: bool,
    network: Network,
}

impl Rule {
    /// Whether it keeps somebody out.
    pub fn denies(&self) -> bool {
        !self.allow
    }
}

impl FromStr for Rule {
    type Err = AccessError;

    fn from_str(text: &str) -> Result<Self, AccessError> {
        let mut words = text.split_ascii_whitespace();
        let (Some(verb), Some(network), None) = (words.next(), words.next(), words.next()) else {
            return Err(AccessError::Rule(text.to_owned()));
        };
        let allow = match verb {
            "allow" => true,
            "deny" => false,
            _ => return Err(AccessError::Rule(text.to_owned())),
        };
        Ok(Self { allow, network: network.parse()? })
    }
}

/// Why a text is no rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AccessError {
    /// The second word is no set of peers.
    #[error("{0:?} is no address, no network like \"10.0.0.0/8\", nor \"all\" or \"unix:\"")]
    Network(String),
    /// Not two words of which the first is `allow` or `deny`.
    #[error("{0:?} is no rule, write it like \"allow 10.0.0.0/8\" or \"deny all\"")]
    Rule(String),
}

/// Ordered rules; whom no rule matches is admitted, so that no rules admit everyone.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Access {
    rules: Vec<Rule>,
}

impl Access {
    /// The rules of `access`.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// The rules of `access` as they are written.
    pub fn parse<S: AsRef<str>>(rules: &[S]) -> Result<Self, AccessError> {
        rules.iter().map(|rule| rule.as_ref().parse()).collect::<Result<_, _>>().map(Self::new)
    }

    /// Of a publisher location without rules: this machine only.
    pub fn local() -> Self {
        let loopback = [
            IpNet::new_assert(IpAddr::V4(Ipv4Addr::LOCALHOST), 8).trunc(),
            IpNet::new_assert(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
        ];
        let mut rules: Vec<_> = loopback
            .into_iter()
            .map(Network::Inet)
            .chain([Network::Unix])
            .map(|network| Rule { allow: true, network })
            .collect();
        rules.push(Rule { allow: false, network: Network::All });
        Self { rules }
    }

    /// Why a peer may not, as a sentence; `None`: it may. `forwarded` as for [`Access::permits`], and
    /// `trusted` says whether whoever has forwarded the request is named by `real_ip_from`.
    pub fn refusal(&self, peer: Peer, forwarded: bool, trusted: bool) -> Option<&'static str> {
        if self.permits(peer, forwarded) {
            None
        } else if !(forwarded && self.permits(peer, false)) {
            Some(DENIED)
        } else {
            Some(if trusted { DENIED_UNSAID } else { DENIED_FORWARDED })
        }
    }

    /// Whether the peer may; `forwarded` as [`RealIp::resolve`] says: then no rule that allows
    /// only this machine counts. Rules that deny, and those that allow more, stay as they are.
    pub fn permits(&self, peer: Peer, forwarded: bool) -> bool {
        let counts = |rule: &&Rule| !(forwarded && rule.allow && rule.network.is_local());
        let mut matching = self.rules.iter().filter(counts);
        matching.find(|rule| rule.network.contains(peer)).is_none_or(|rule| rule.allow)
    }
}

/// Whose word about the client's address is taken: `real_ip_from` and `real_ip_header`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RealIp {
    /// `real_ip_from`: the proxies that are trusted.
    pub from: Vec<Network>,
    /// `real_ip_header`: where they write the addresses they saw, the nearest last.
    pub header: HeaderName,
}

impl Default for RealIp {
    fn default() -> Self {
        Self { from: Vec::new(), header: X_FORWARDED_FOR }
    }
}

impl RealIp {
    /// The client behind the trusted proxies, as nginx finds it with `real_ip_recursive on`: from
    /// the right, the first address that is not trusted, else the leftmost.
    ///
    /// True with it: somebody forwarded the request and nobody trusted says for whom. Then the
    /// address is that of the last one known, and does not count as local.
    pub fn resolve(&self, peer: Peer, headers: &HeaderMap) -> (Peer, bool) {
        let forwarded = || headers.keys().any(|name| FORWARDED.contains(name));
        if !self.trusts(peer) {
            return (peer, forwarded());
        }
        let mut client = peer;
        let mut named = false;
        for line in headers.get_all(&self.header).iter().rev() {
            for entry in line.as_bytes().rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                if entry.is_empty() {
                    continue;
                }
                let Some(address) = address(entry) else { return (client, true) };
                client = address;
                named = true;
                if !self.trusts(client) {
                    return (client, false);
                }
            }
        }
        (client, !named && forwarded())
    }

    /// Whether the peer is one of the trusted proxies.
    pub fn trusts(&self, peer: Peer) -> bool {
        self.from.iter().any(|network| network.contains(peer))
    }
}

/// An entry of the header: an address, with or without a port.
fn address(entry: &[u8]) -> Option<Peer> {
    let text = str::from_utf8(entry).ok()?;
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(Peer::Inet(address.ip().to_canonical(), address.port()));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().ok().map(|address| Peer::Inet(address.to_canonical(), 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peer(address: &str) -> Peer {
        if address == "unix:" { Peer::Unix } else { Peer::Inet(address.parse().unwrap(), 4711) }
    }

    fn access(rules: &[&str]) -> Access {
        Access::parse(rules).unwrap()
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn real_ip(from: &[&str]) -> RealIp {
        RealIp { from: from.iter().map(|net| net.parse().unwrap()).collect(), ..RealIp::default() }
    }

    #[test]
    fn the_first_match_wins() {
        let rules =
            access(&["deny 10.0.0.1", "allow 10.0.0.0/8", "allow 2001:db8::/32", "deny all"]);
        assert!(!rules.permits(peer("10.0.0.1"), false));
        assert!(rules.permits(peer("10.0.0.2"), false));
        assert!(rules.permits(peer("2001:db8::7"), false));
        assert!(!rules.permits(peer("192.0.2.1"), false));
        assert!(!rules.permits(peer("unix:"), false));
    }

    #[test]
    fn whom_no_rule_matches_is_admitted() {
        assert!(Access::default().permits(peer("192.0.2.1"), true));
        assert!(access(&["deny 10.0.0.0/8"]).permits(peer("192.0.2.1"), false));
        assert!(access(&["deny 10.0.0.0/8"]).permits(peer("unix:"), false));
    }

    #[test]
    fn mapped_addresses_match_their_ipv4_rules_on_both_sides() {
        for rule in ["allow 10.0.0.0/8", "allow ::ffff:10.0.0.0/104", "allow ::ffff:10.1.2.3"] {
            let rules = access(&[rule, "deny all"]);
            assert!(rules.permits(peer("10.1.2.3"), false), "{rule}");
            assert!(rules.permits(peer("::ffff:10.1.2.3"), false), "{rule}");
            assert!(!rules.permits(peer("::ffff:11.1.2.3"), false), "{rule}");
        }
    }

    #[test]
    fn bits_below_the_prefix_do_not_matter() {
        assert!(access(&["allow 10.1.2.3/8", "deny all"]).permits(peer("10.9.9.9"), false));
    }

    #[test]
    fn local_means_this_machine() {
        for (address, permitted) in [
            ("127.0.0.1", true),
            ("127.8.8.8", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("unix:", true),
            ("10.0.0.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(Access::local().permits(peer(address), false), permitted, "{address}");
            assert!(!Access::local().permits(peer(address), true), "{address} forwarded");
        }
    }

    #[test]
    fn a_forwarded_request_is_admitted_by_no_loopback_rule() {
        for rule in [
            "allow 127.0.0.1",
            "allow 127.0.0.0/8",
            "allow ::1",
            "allow ::ffff:127.0.0.1",
            "allow unix:",
        ] {
            let rules = access(&[rule, "deny all"]);
            for address in ["127.0.0.1", "::1", "unix:"] {
                assert!(!rules.permits(peer(address), true), "{rule} {address}");
            }
        }
    }

    #[test]
    fn a_forwarded_request_still_meets_the_other_rules() {
        assert!(access(&["allow all"]).permits(peer("127.0.0.1"), true));
        assert!(access(&["allow 0.0.0.0/0", "deny all"]).permits(peer("127.0.0.1"), true));
        assert!(access(&["allow 10.0.0.0/8", "deny all"]).permits(peer("10.0.0.1"), true));
        assert!(!access(&["deny 127.0.0.1", "allow all"]).permits(peer("127.0.0.1"), true));
        assert!(!access(&["allow 127.0.0.1", "deny 127.0.0.0/8"]).permits(peer("127.0.0.1"), true));
        assert!(access(&["allow 127.0.0.1"]).permits(peer("127.0.0.1"), true));
    }

    #[test]
    fn a_refusal_says_whether_a_proxy_is_the_reason() {
        for (address, rules, forwarded, trusted, why) in [
            ("127.0.0.1", None, false, false, None),
            ("127.0.0.1", None, true, false, Some(DENIED_FORWARDED)),
            ("unix:", None, true, false, Some(DENIED_FORWARDED)),
            ("127.0.0.1", None, true, true, Some(DENIED_UNSAID)),
            ("10.0.0.1", None, true, false, Some(DENIED)),
            ("127.0.0.1", Some("deny all"), true, false, Some(DENIED)),
            ("127.0.0.1", Some("allow all"), true, false, None),
        ] {
            let rules = rules.map_or_else(Access::local, |rule| access(&[rule]));
            let said = rules.refusal(peer(address), forwarded, trusted);
            assert_eq!(said, why, "{address} {rules:?} {forwarded} {trusted}");
        }
    }

    #[test]
    fn garbage_is_no_rule() {
        for text in ["", "allow", "allow 1.2.3.4 deny", "permit all", "127.0.0.1", "Allow all"] {
            assert!(matches!(text.parse::<Rule>(), Err(AccessError::Rule(_))), "{text:?}");
        }
        for text in ["allow x", "allow 10.0.0.0/33", "deny 1.2.3", "allow unix", "allow ::/129"] {
            assert!(matches!(text.parse::<Rule>(), Err(AccessError::Network(_))), "{text:?}");
        }
    }

    #[test]
    fn nobody_is_trusted_unless_named() {
        let none = RealIp::default();
        let local = peer("127.0.0.1");
        assert_eq!(none.resolve(local, &HeaderMap::new()), (local, false));
        for line in [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=::1"), ("x-real-ip", "")]
        {
            assert_eq!(none.resolve(local, &headers(&[line])), (local, true), "{line:?}");
        }
    }

    #[test]
    fn the_walk_goes_from_the_right_past_the_trusted() {
        let trusting = real_ip(&["127.0.0.1", "10.0.0.0/8", "unix:"]);
        for (lines, client) in [
            (&["192.0.2.1"][..], "192.0.2.1"),
            (&["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
            (&["192.0.2.1, 10.1.1.1"], "192.0.2.1"),
            (&["192.0.2.9", "192.0.2.1,10.1.1.1 , ,", "10.2.2.2"], "192.0.2.1"),
            (&["10.0.0.3, 10.0.0.4"], "10.0.0.3"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            for proxy in ["127.0.0.1", "unix:"] {
                let expected = (Peer::Inet(client.parse().unwrap(), 0), false);
                assert_eq!(trusting.resolve(peer(proxy), &headers(&lines)), expected, "{lines:?}");
            }
        }
    }

    #[test]
    fn ports_are_understood() {
        for (text, address, port) in
            [("192.0.2.1:81", "192.0.2.1", 81), ("[2001:db8::1]:82", "2001:db8::1", 82)]
        {
            let headers = headers(&[("x-forwarded-for", text)]);
            let expected = (Peer::Inet(address.parse().unwrap(), port), false);
            assert_eq!(real_ip(&["127.0.0.1"]).resolve(peer("127.0.0.1"), &headers), expected);
        }
    }

    #[test]
    fn a_malformed_entry_ends_the_walk_and_the_client_is_not_local() {
        let trusting = real_ip(&["127.0.0.1", "10.0.0.0/8"]);
        for (line, last) in [
            ("127.0.0.1, unknown", Peer::Inet("127.0.0.1".parse().unwrap(), 4711)),
            ("192.0.2.1, x, 10.0.0.1", Peer::Inet("10.0.0.1".parse().unwrap(), 0)),
            ("x, 127.0.0.1", Peer::Inet("127.0.0.1".parse().unwrap(), 0)),
        ] {
            let headers = headers(&[("x-forwarded-for", line)]);
            assert_eq!(trusting.resolve(peer("127.0.0.1"), &headers), (last, true), "{line}");
        }
    }

    #[test]
    fn a_trusted_proxy_that_writes_another_header_vouches_for_nobody() {
        let trusting = real_ip(&["127.0.0.1"]);
        let local = peer("127.0.0.1");
        assert_eq!(trusting.resolve(local, &headers(&[("x-real-ip", "192.0.2.1")])), (local, true));
        assert_eq!(trusting.resolve(local, &HeaderMap::new()), (local, false));
    }

    #[test]
    fn another_header_may_be_named() {
        let header = HeaderName::from_static("x-real-ip");
        let trusting = RealIp { header, ..real_ip(&["127.0.0.1"]) };
        let headers = headers(&[("x-real-ip", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2")]);
        let expected = (Peer::Inet("192.0.2.1".parse().unwrap(), 0), false);
        assert_eq!(trusting.resolve(peer("127.0.0.1"), &headers), expected);
    }

    proptest! {
        #[test]
        fn no_header_makes_a_stranger_local(values in prop::collection::vec("[ -~]{0,40}", 0..4)) {
            let lines: Vec<_> =
                values.iter().map(|value| ("x-forwarded-for", value.as_str())).collect();
            let headers = headers(&lines);
            let stranger = peer("192.0.2.1");
            let (client, _) = real_ip(&["127.0.0.1"]).resolve(stranger, &headers);
            prop_assert_eq!(client, stranger);
        }

        #[test]
        fn what_a_client_wrote_before_its_proxy_does_not_matter(claim in "[ -~]{0,40}") {
            let value = format!("{claim}, 192.0.2.1");
            let headers = headers(&[("x-forwarded-for", &value)]);
            let (client, forwarded) = real_ip(&["127.0.0.1"]).resolve(peer("127.0.0.1"), &headers);
            prop_assert_eq!(client, Peer::Inet("192.0.2.1".parse().unwrap(), 0));
            prop_assert!(!forwarded);
        }
    }
}
