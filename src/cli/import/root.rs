//! What concerns the process, and the servers behind it.

use std::rc::Rc;

use super::{
    level::{Chain, Level, Origin, Slot},
    read::Directive,
    report::{Kind, Report},
    sense::{Family, Form, Names, Part, Roles},
    value::{self, Value},
    write::{Entries, File, Upstream},
};

/// What Nchan takes when nothing is said.
const NCHAN_MEMORY: &str = "128M";

const ONE_LOG: &str = "one file is for the whole process";
const RELATIVE: &str = "the path is relative to a folder of nginx's";
const ELSEWHERE: &str = "a log goes to a file, to \"stdout\" or to \"stderr\"";
const GROUP: &str = "the groups are those of the user";
const TURNS: &str = "the servers of an upstream take equal turns";
const BACKUP: &str = "here it would take its turn like the others";

const FAMILIES: [Family; 3] = [Family::PushModule, Family::Nchan, Family::PushStream];

/// Writes down what concerns the process.
pub(super) fn root<'t>(
    names: &Names,
    top: &Level<'t>,
    http: &Rc<Level<'t>>,
    file: &mut File,
    report: &mut Report,
) {
    if file.servers.is_empty() {
        return;
    }
    workers(top, &mut file.entries, report);
    user(top, &mut file.entries, report);
    for (part, key) in [(Part::ErrorLog, "error_log"), (Part::AccessLog, "access_log")] {
        let found = http.parts(part).chain(top.parts(part)).map(|(_, directive)| directive);
        let found: Vec<_> = found.collect();
        if let Some(value) = log(&found, report) {
            file.entries.set(key, value, Origin::Http, Roles::ROOT);
        }
    }
    if speaks_nchan(file) {
        let memory = Value::text(NCHAN_MEMORY);
        file.entries.set("push_max_reserved_memory", memory, Origin::Family, Roles::ROOT);
    }
    for family in FAMILIES {
        let chain = Chain { levels: vec![Rc::clone(http)], family };
        keys(names, &chain, &mut file.entries, report);
    }
}

fn speaks_nchan(file: &File) -> bool {
    let locations = file.servers.iter().flat_map(|server| &server.locations);
    let dialects = locations.filter_map(|location| location.entries.get("push_dialect"));
    dialects.into_iter().any(|entry| entry.value == Value::text("nchan"))
}

/// What a module says of all its channels together.
fn keys(names: &Names, chain: &Chain<'_>, entries: &mut Entries, report: &mut Report) {
    for (key, form, roles) in names.keys(chain.family, Roles::ROOT) {
        let Some((directive, origin)) = chain.one(Slot::Key(key)) else { continue };
        let value = match form {
            Form::Size => value::size(directive.arg()),
            _ => value::count(directive.arg()),
        };
        match value {
            Some(value) => {
                report.carry(directive);
                entries.set(key, value, origin, roles);
            }
            None => report.say(directive, Kind::Dropped, "it is no size and no number"),
        }
    }
}

fn workers(top: &Level<'_>, entries: &mut Entries, report: &mut Report) {
    let Some(directive) = top.part(Part::Workers) else { return };
    let value = match directive.arg() {
        "auto" => Some(Value::text("auto")),
        text => value::count(text),
    };
    match value {
        Some(value) => {
            report.carry(directive);
            entries.set("workers", value, Origin::Http, Roles::ROOT);
        }
        None => report.say(directive, Kind::Dropped, "it is no number"),
    }
}

fn user(top: &Level<'_>, entries: &mut Entries, report: &mut Report) {
    let Some(directive) = top.part(Part::User) else { return };
    report.carry(directive);
    entries.set("user", Value::text(directive.arg()), Origin::Http, Roles::ROOT);
    if directive.args.get(1).is_some_and(|group| group != directive.arg()) {
        report.say(directive, Kind::Differs, GROUP);
    }
}

/// Where a log goes to: the first that pushgate can write to.
fn log(found: &[&Directive], report: &mut Report) -> Option<Value> {
    let mut target = None;
    for directive in found {
        let value = match directive.arg() {
            _ if target.is_some() => Err(ONE_LOG),
            "off" | "/dev/null" => Ok("off"),
            "stderr" | "/dev/stderr" => Ok("stderr"),
            "/dev/stdout" => Ok("stdout"),
            path if path.starts_with('/') && !path.contains('$') => Ok(path),
            path if path.contains(':') || path.contains('$') => Err(ELSEWHERE),
            _ => Err(RELATIVE),
        };
        match value {
            Ok(value) => {
                report.carry(directive);
                target = Some(Value::text(value));
            }
            Err(why) => report.say(directive, Kind::Dropped, why),
        }
    }
    target
}

/// An upstream that is used; none if it has no server.
pub(super) fn upstream(
    names: &Names,
    directive: &Directive,
    report: &mut Report,
) -> Option<Upstream> {
    let level = Level::new(names, directive.inner());
    let mut servers: Vec<String> = Vec::new();
    let mut entries = Entries::default();
    for (_, server) in level.parts(Part::Server) {
        if takes_turns(server, report) {
            if !servers.iter().any(|known| known == server.arg()) {
                servers.push(server.arg().to_owned());
            }
            failures(server, &mut entries);
        }
    }
    if servers.is_empty() {
        report.say(directive, Kind::Dropped, "it has no server that pushgate could ask");
        return None;
    }
    report.carry(directive);
    let mut set = |key, value| entries.set(key, value, Origin::Location, Roles::ROOT);
    set("name", Value::text(directive.arg()));
    set("servers", Value::List(servers));
    if let Some(keepalive) = level.part(Part::Keepalive)
        && let Some(value) = value::count(keepalive.arg())
    {
        report.carry(keepalive);
        set("keepalive", value);
    }
    Some(Upstream { place: directive.place, entries })
}

/// Whether a server of an upstream is asked in its turn, as all are here.
fn takes_turns(server: &Directive, report: &mut Report) -> bool {
    report.carry(server);
    let has = |word: &str| server.args.iter().any(|arg| arg == word);
    if has("backup") {
        report.say(server, Kind::Dropped, BACKUP);
    } else if server.args.iter().any(|arg| arg.starts_with("weight=") && arg != "weight=1") {
        report.say(server, Kind::Differs, TURNS);
    }
    !has("down") && !has("backup")
}

/// When a server is left alone; what the last one says holds for all.
fn failures(server: &Directive, entries: &mut Entries) {
    for arg in &server.args {
        match arg.split_once('=') {
            Some(("max_fails", number)) => {
                if let Some(value) = value::count(number) {
                    entries.set("max_fails", value, Origin::Location, Roles::ROOT);
                }
            }
            Some(("fail_timeout", time)) => {
                if let Some(time) = value::time(time).filter(|time| *time > 0) {
                    let value = value::duration(time);
                    entries.set("fail_timeout", value, Origin::Location, Roles::ROOT);
                }
            }
            _ => {}
        }
    }
}
