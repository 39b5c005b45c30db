//! Locations that are not carried over: where somebody was kept out, nobody gets in by another one.

use std::rc::Rc;

use super::{
    access,
    hooks::Hook,
    level::{Level, Origin},
    location,
    names::guard,
    read::Directive,
    refusal,
    report::{Kind, Report},
    role::IDLE,
    sense::{Names, Part, Roles},
    sweep,
    value::Value,
    write::{Entries, Location},
};
use crate::router::{Pattern, Router};

const NEIGHBOUR: &str = "pushgate cannot tell which requests were meant";
const SHUT: &str = "nothing else of the location is carried over";

/// A location that is not carried over.
#[derive(Debug)]
pub(super) struct Lost<'t> {
    pub(super) directive: &'t Directive,
    pub(super) levels: Vec<Rc<Level<'t>>>,
    pub(super) why: String,
    /// How many locations are before it that are carried over.
    pub(super) before: usize,
}

/// Which paths a location may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reach<'a> {
    /// This one, and for a prefix all below it.
    Path(&'a str),
    /// Some of those that begin so.
    Begin(&'a str),
}

impl<'a> Reach<'a> {
    /// Of the `path` of a location.
    pub(super) fn of(path: &'a str) -> Self {
        let after = |modifier| path.strip_prefix(modifier).map(str::trim_start);
        if let Some(regex) = after("~*").or_else(|| after("~")) {
            return Self::regex(regex);
        }
        Self::Path(after("=").or_else(|| after("^~")).unwrap_or(path))
    }

    /// Of an expression: what it begins with that is no operator.
    pub(super) fn regex(regex: &'a str) -> Self {
        let Some(rest) = regex.strip_prefix('^').filter(|rest| !rest.contains('|')) else {
            return Self::Begin("");
        };
        let operator = |c: char| !c.is_alphanumeric() && !matches!(c, '/' | '-' | '_' | '~' | '%');
        let Some((at, operator)) = rest.char_indices().find(|(_, c)| operator(*c)) else {
            return Self::Begin(rest);
        };
        // What may be there any number of times may be missing.
        let last = rest[..at].chars().last().map_or(0, char::len_utf8);
        let at = if matches!(operator, '*' | '?' | '{') { at - last } else { at };
        Self::Begin(&rest[..at])
    }

    fn text(self) -> &'a str {
        match self {
            Self::Path(text) | Self::Begin(text) => text,
        }
    }

    /// Whether there may be a path that is of both.
    pub(super) fn meets(self, other: Reach<'_>) -> bool {
        let mut pairs = self.text().bytes().zip(other.text().bytes());
        pairs.all(|(a, b)| a.eq_ignore_ascii_case(&b))
    }

    /// Whether requests of this one might get to another one, if this one is not there.
    fn falls_to(self, other: Reach<'_>) -> bool {
        match (self, other) {
            (Self::Path(own), Reach::Path(other)) => own.starts_with(other),
            _ => self.meets(other),
        }
    }
}

/// Says what is not carried over, and shuts what has to be.
pub(super) fn lose<'t>(
    names: &Names,
    report: &mut Report,
    carried: &mut Vec<(Location, Vec<Hook<'t>>)>,
    lost: Vec<Lost<'t>>,
) {
    let paths: Vec<String> = carried.iter().map(|(location, _)| location.path.clone()).collect();
    let patterns: Vec<_> = paths.iter().filter_map(|path| Pattern::parse(path).ok()).collect();
    let router = Router::new(&patterns);
    // From the last on, so that the places of the others stay.
    for lost in lost.into_iter().rev() {
        let path = location::path(lost.directive).unwrap_or_default();
        let reach = Reach::of(&path);
        let pattern = Pattern::parse(&path).ok();
        let falls = !path.is_empty() && paths.iter().any(|other| reach.falls_to(Reach::of(other)));
        let guard = refusal::guard(names, &lost.levels, reach).filter(|_| falls);
        match (guard, &pattern) {
            (Some(guard), Some(pattern)) => shut(names, report, carried, &lost, guard, pattern),
            (Some(guard), None) => {
                report.say(lost.directive, Kind::Closed, why(names, &lost));
                close_neighbours(report, carried, reach, guard);
            }
            (None, _) if report.knows(lost.directive) => {}
            (None, _) => {
                let path = pattern.as_ref().and_then(Pattern::path);
                let around = path.and_then(|path| router.find(path.as_bytes()));
                let around = around.and_then(|found| patterns.get(found.location));
                let now = around.map(|to| format!("; its requests now belong to {to}"));
                let why = why(names, &lost) + &now.unwrap_or_default();
                report.say(lost.directive, Kind::Dropped, why);
            }
        }
    }
}

fn why(names: &Names, lost: &Lost<'_>) -> String {
    match sweep::dropped(names, lost.directive.inner()) {
        Some((inner, more)) if lost.why == IDLE => format!("{}: {more}", inner.name),
        _ => lost.why.clone(),
    }
}

/// Puts a location in the place of a lost one that admits nobody.
fn shut<'t>(
    names: &Names,
    report: &mut Report,
    carried: &mut Vec<(Location, Vec<Hook<'t>>)>,
    lost: &Lost<'t>,
    guard: &Directive,
    pattern: &Pattern,
) {
    // One that is asked by nginx alone is as it was.
    let silent = names.is(guard, Part::Internal) && report.knows(lost.directive);
    if !silent {
        report.say(lost.directive, Kind::Closed, why(names, lost));
    }
    let path = pattern.to_string();
    if let Some((same, _)) = carried.iter_mut().find(|(other, _)| other.path == path) {
        return access::close(same, guard, SHUT);
    }
    let mut location = Location {
        place: lost.directive.place,
        path,
        roles: Roles::STATUS,
        entries: Entries::default(),
        notes: Vec::new(),
    };
    access::close(&mut location, guard, SHUT);
    location.entries.set("push_health", Value::text("live"), Origin::Location, Roles::STATUS);
    carried.insert(lost.before, (location, Vec::new()));
}

/// Shuts the locations that requests might get to of one whose expression cannot be read.
fn close_neighbours(
    report: &mut Report,
    carried: &mut [(Location, Vec<Hook<'_>>)],
    reach: Reach<'_>,
    guard: &Directive,
) {
    report.say(guard, Kind::Closed, guard::instead(guard));
    let met = carried.iter_mut().map(|(location, _)| location);
    for location in met.filter(|location| reach.meets(Reach::of(&location.path))) {
        access::close(location, guard, NEIGHBOUR);
    }
}

#[cfg(test)]
mod tests {
    use super::Reach;

    #[test]
    fn an_expression_begins_with_what_is_no_operator() {
        for (path, expected) in [
            ("~ ^/chat/(.+)/sub$", Reach::Begin("/chat/")),
            ("~* ^/a/b?c", Reach::Begin("/a/")),
            ("~ ^/ab{2}", Reach::Begin("/a")),
            (r"~ ^/a\.b", Reach::Begin("/a")),
            ("~ ^/pub/(?=secret)", Reach::Begin("/pub/")),
            ("~ ^/a|/b", Reach::Begin("")),
            ("~ sub$", Reach::Begin("")),
            ("~ ^*", Reach::Begin("")),
            ("~ ^/all", Reach::Begin("/all")),
            ("= /a", Reach::Path("/a")),
            ("^~ /a/", Reach::Path("/a/")),
            ("/a.b", Reach::Path("/a.b")),
        ] {
            assert_eq!(Reach::of(path), expected, "{path}");
        }
    }

    #[test]
    fn requests_fall_to_what_may_have_their_paths() {
        for (lost, other, falls) in [
            ("/admin/", "/", true),
            ("/admin/", "/pub", false),
            ("/", "/pub", false),
            ("^~ /chat/admin/", "~ ^/chat/(.+)/sub$", true),
            ("^~ /files/", "~ ^/chat/(.+)/sub$", false),
            ("= /x", "~ y$", true),
            ("~ ^/pub/(?=secret)", "/pub/", true),
            ("~* ^/PUB/x", "/pub/", true),
            ("~ ^/files/", "/pub/", false),
        ] {
            assert_eq!(Reach::of(lost).falls_to(Reach::of(other)), falls, "{lost} {other}");
        }
    }
}
