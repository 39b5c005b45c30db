//! Where a server listens, and for which hosts.

use std::collections::HashSet;

use super::{
    level::{Chain, Origin, Slot},
    read::Directive,
    report::{Kind, Report},
    sense::{Form, Names, Part, Roles},
    value::{self, Value},
    write::Entries,
};
use crate::config::{Listen, ServerName};

/// Where a server listens that had TLS alone.
const BEHIND: &str = "127.0.0.1:8080";
/// Where nginx listens that is not told.
const DEFAULT: &str = "80";
const TLS: [&str; 2] = ["ssl", "quic"];
const PROXY_PROTOCOL: &str = "proxy_protocol";
const DEFAULT_SERVER: [&str; 2] = ["default_server", "default"];

const NO_TLS: &str = "pushgate speaks no TLS yet: keep nginx or another proxy in front, which passes requests on to 127.0.0.1:8080";
const OTHER_NO_TLS: &str = "pushgate speaks no TLS yet: keep nginx or another proxy in front of it";
const NOT_RESOLVED: &str = "an address to listen on is not a name";
const NAME: &str = "a name is like example.com or *.example.com";
const UNTRUSTED: &str =
    "set_real_ip_from says whose PROXY headers are believed, and nobody is named";

/// Writes down where a server listens, its names and what else belongs to it.
pub(super) fn listen(chain: &Chain<'_>, entries: &mut Entries, names: &Names, report: &mut Report) {
    addresses(chain, entries, report);
    server_names(chain, entries, report);
    for (key, form, roles) in names.keys(chain.family, Roles::SERVER) {
        let Some((directive, origin)) = chain.one(Slot::Key(key)) else { continue };
        let time = value::time(directive.arg());
        match time.filter(|time| form == Form::Time && (*time > 0 || key == "keepalive_timeout")) {
            Some(time) => {
                report.carry(directive);
                entries.set(key, value::duration(time), origin, roles);
            }
            None => report.say(directive, Kind::Dropped, "it is no time that pushgate takes"),
        }
    }
    header_buffers(chain, entries, report);
}

fn addresses(chain: &Chain<'_>, entries: &mut Entries, report: &mut Report) {
    let found: Vec<&Directive> = chain.every(Part::Listen).collect();
    let (secret, plain): (Vec<&Directive>, Vec<&Directive>) =
        found.iter().partition(|one| has(one, &TLS));
    let mut listen: Vec<String> = Vec::new();
    for directive in plain {
        match address(directive.arg()) {
            Some(address) => {
                report.carry(directive);
                if !listen.contains(&address) {
                    listen.push(address);
                }
            }
            None => report.say(directive, Kind::Dropped, NOT_RESOLVED),
        }
        if has(directive, &[PROXY_PROTOCOL]) {
            proxy_protocol(chain, directive, entries, report);
        }
    }
    let alone = listen.is_empty();
    for directive in &secret {
        let why = if alone { NO_TLS } else { OTHER_NO_TLS };
        report.say(directive, Kind::Differs, why);
    }
    if alone {
        listen.push(if found.is_empty() { DEFAULT } else { BEHIND }.to_owned());
    }
    entries.set("listen", Value::List(listen), Origin::Server, Roles::SERVER);
}

fn has(directive: &Directive, words: &[&str]) -> bool {
    directive.args.iter().skip(1).any(|arg| words.contains(&arg.as_str()))
}

/// Whether requests for unknown hosts are the server's.
pub(super) fn is_default(names: &Names, server: &Directive) -> bool {
    let listens = server.inner().iter().filter(|inner| names.is(inner, Part::Listen));
    listens.into_iter().any(|listen| has(listen, &DEFAULT_SERVER))
}

/// An address as pushgate writes it.
fn address(text: &str) -> Option<String> {
    let text = text.strip_prefix("*:").unwrap_or(text);
    let text = if text == "*" { DEFAULT } else { text };
    let whole = if text.starts_with("unix:") || text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.to_owned()
    } else {
        let end = text.rfind(']').map_or(0, |bracket| bracket + 1);
        if text[end..].contains(':') { text.to_owned() } else { format!("{text}:{DEFAULT}") }
    };
    Listen::parse(&whole).map(|_| whole)
}

/// Connections begin with a PROXY header, if somebody is there who may say so.
fn proxy_protocol(
    chain: &Chain<'_>,
    directive: &Directive,
    entries: &mut Entries,
    report: &mut Report,
) {
    let Some((trusted, origin)) = chain.nearest(&[Slot::Part(Part::RealIpFrom)]) else {
        return report.say(directive, Kind::Dropped, UNTRUSTED);
    };
    report.carry_all(&trusted);
    let networks = trusted.iter().map(|directive| directive.arg().to_owned()).collect();
    entries.set("real_ip_from", Value::List(networks), origin, Roles::ANY);
    entries.set("proxy_protocol", Value::Flag(true), Origin::Server, Roles::SERVER);
}

fn server_names(chain: &Chain<'_>, entries: &mut Entries, report: &mut Report) {
    let mut names: Vec<String> = Vec::new();
    for directive in chain.every(Part::ServerName) {
        report.carry(directive);
        for name in &directive.args {
            let also = name.strip_prefix('.').map(|host| [host.to_owned(), format!("*.{host}")]);
            match also {
                Some(both) => names.extend(both),
                None if name.is_empty() || name == "_" => {}
                None if name.starts_with('~') || ServerName::parse(name).is_none() => {
                    report.say(directive, Kind::Dropped, format!("{name:?}: {NAME}"));
                }
                None => names.push(name.clone()),
            }
        }
    }
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.to_ascii_lowercase()));
    if !names.is_empty() {
        entries.set("server_name", Value::List(names), Origin::Server, Roles::SERVER);
    }
}

/// So many buffers of a size: a head may have as many bytes as all of them.
fn header_buffers(chain: &Chain<'_>, entries: &mut Entries, report: &mut Report) {
    let Some((directive, origin)) = chain.part(Part::HeaderBuffers) else { return };
    let number = directive.arg().parse::<i64>().ok();
    let size = directive.args.get(1).and_then(|text| bytes(text));
    match number.zip(size).and_then(|(number, size)| number.checked_mul(size)) {
        Some(total) if total > 0 => {
            report.carry(directive);
            let value = if total % 1024 == 0 {
                Value::Text(format!("{}k", total / 1024))
            } else {
                Value::Number(total)
            };
            entries.set("client_max_header_size", value, origin, Roles::SERVER);
        }
        _ => report.say(directive, Kind::Dropped, "it is no number and size"),
    }
}

fn bytes(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_in_our_way() {
        for (text, expected) in [
            ("80", Some("80")),
            ("*:8080", Some("8080")),
            ("*", Some("80")),
            ("127.0.0.1", Some("127.0.0.1:80")),
            ("127.0.0.1:81", Some("127.0.0.1:81")),
            ("localhost", Some("localhost:80")),
            ("[::]:80", Some("[::]:80")),
            ("[::1]", Some("[::1]:80")),
            ("unix:/run/x.sock", Some("unix:/run/x.sock")),
            ("example.com:80", None),
            ("99999", None),
            ("", None),
        ] {
            assert_eq!(address(text).as_deref(), expected, "{text}");
        }
    }
}
