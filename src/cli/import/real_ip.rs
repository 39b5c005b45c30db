//! Whose word about a client's address is taken.

use super::{
    level::Slot,
    location::Build,
    report::Kind,
    sense::{Part, Roles},
    value::Value,
};

const HEADER: &str = "real_ip_header";
/// The header that nginx looks at where nothing is said, in which a proxy writes one address.
const DEFAULT: &str = "X-Real-IP";
const FORGED: &str = "without real_ip_recursive nginx takes the last address, and pushgate the last \
                      that is not trusted: name single proxies in real_ip_from, or say real_ip_recursive on";
const FOLLOWED: &str = "addresses are always followed to the first that is not trusted";

impl Build<'_, '_> {
    /// Who is trusted to say whose requests they pass on.
    pub(super) fn real_ip(&mut self) {
        if let Some((found, origin)) = self.chain.nearest(&[Slot::Part(Part::RealIpFrom)]) {
            let networks = found.iter().map(|directive| directive.arg().to_owned()).collect();
            self.report.carry_all(&found);
            self.out.entries.set("real_ip_from", Value::List(networks), origin, Roles::ANY);
            if self.out.entries.get(HEADER).is_none() {
                self.default(HEADER, Value::text(DEFAULT), Roles::ANY);
            }
        }
        if self.header().eq_ignore_ascii_case("proxy_protocol") {
            self.out.entries.remove(HEADER);
        }
    }

    /// Who comes through networks of proxies may make addresses up that nginx would not look at: rules
    /// for addresses are worth nothing then.
    pub(super) fn forged(&mut self) {
        let recursive = self.chain.part(Part::RealIpRecursive).map(|(directive, _)| directive);
        if let Some(directive) = recursive {
            self.report.carry(directive);
        }
        let followed = recursive.is_some_and(|directive| directive.arg() == "on");
        let Some((found, _)) = self.chain.nearest(&[Slot::Part(Part::RealIpFrom)]) else { return };
        let Some(first) = found.first() else { return };
        let one = found.len() == 1;
        if followed || self.header().eq_ignore_ascii_case(DEFAULT) || one && is_single(first.arg())
        {
            return;
        }
        let ruled =
            self.chain.nearest(&[Slot::Part(Part::Allow), Slot::Part(Part::Deny)]).is_some();
        match found.iter().find(|directive| !is_single(directive.arg())) {
            Some(wide) if ruled => self.close(wide, FORGED),
            _ => self.report.say(first, Kind::Differs, FOLLOWED),
        }
    }

    fn header(&self) -> &str {
        match self.out.entries.get(HEADER).map(|entry| &entry.value) {
            Some(Value::Text(name)) => name,
            _ => "",
        }
    }
}

/// Whether one proxy alone is meant.
fn is_single(network: &str) -> bool {
    let (address, bits) = network.split_once('/').unwrap_or((network, ""));
    let whole = if address.contains(':') { "128" } else { "32" };
    address == "unix:" || bits.is_empty() || bits == whole
}

#[cfg(test)]
mod tests {
    use super::is_single;

    #[test]
    fn a_single_proxy_is_an_address() {
        for (network, single) in [
            ("10.0.0.1", true),
            ("10.0.0.1/32", true),
            ("10.0.0.0/8", false),
            ("0.0.0.0/0", false),
            ("::1", true),
            ("::1/128", true),
            ("2001:db8::/32", false),
            ("unix:", true),
        ] {
            assert_eq!(is_single(network), single, "{network}");
        }
    }
}
