//! A server and its locations.

use std::rc::Rc;

use super::{
    access,
    hooks::{self, Asked, Hook},
    level::{Chain, Level, Origin},
    location::{self, Build, Outcome},
    read::Directive,
    report::{Kind, Report},
    role::{IDLE, PUSH},
    sense::{Family, Names, Part, Roles},
    sweep,
    value::Value,
    write::{Entries, Location, Server},
};
use crate::router::{Pattern, Router};

const NO_PUSH: &str = "it has no location of the push modules";
const NAMED: &str = "only nginx itself leads to a location without a path";
const NESTED: &str =
    "its expression is tried for every path of the server, and not only in the location around it";

/// A location of nginx, with the blocks around it and its own.
struct Spot<'t> {
    directive: &'t Directive,
    levels: Vec<Rc<Level<'t>>>,
    /// The path of the location around it.
    around: Option<&'t str>,
}

/// Makes one server.
#[derive(Debug)]
pub(super) struct Site<'a, 't> {
    pub(super) names: &'a Names,
    pub(super) report: &'a mut Report,
    pub(super) http: Rc<Level<'t>>,
    carried: Vec<(Location, Vec<Hook<'t>>)>,
    asked: Vec<Asked<'t>>,
    /// What is not carried over, and why; and how many locations are before it that are.
    lost: Vec<(&'t Directive, Rc<Level<'t>>, String, usize)>,
}

impl<'a, 't> Site<'a, 't> {
    pub(super) fn new(names: &'a Names, report: &'a mut Report, http: Rc<Level<'t>>) -> Self {
        let (carried, asked, lost) = (Vec::new(), Vec::new(), Vec::new());
        Self { names, report, http, carried, asked, lost }
    }

    /// The server; none if there is nothing to carry over.
    pub(super) fn server(mut self, directive: &'t Directive) -> Option<Server> {
        let level = Rc::new(Level::new(self.names, directive.inner()));
        let around = vec![Rc::clone(&self.http), Rc::clone(&level)];
        let mut spots = Vec::new();
        self.collect(&around, None, &mut spots);
        if !spots.iter().any(|spot| is_push(spot)) {
            self.report.say(directive, Kind::Dropped, NO_PUSH);
            return None;
        }
        self.report.carry(directive);
        for spot in &spots {
            self.location(spot);
        }
        hooks::resolve(&mut self.carried, &self.asked, self.report);
        self.lose();
        let chain = Chain { levels: around, family: Family::Nginx };
        let mut entries = Entries::default();
        super::listen::listen(&chain, &mut entries, self.names, self.report);
        let locations = self.carried.into_iter().map(|(location, _)| location).collect();
        Some(Server { place: directive.place, entries, locations })
    }

    /// All locations in a block, those that are within each other too.
    fn collect(
        &self,
        levels: &[Rc<Level<'t>>],
        around: Option<&'t str>,
        spots: &mut Vec<Spot<'t>>,
    ) {
        let Some(level) = levels.last() else { return };
        for (_, directive) in level.parts(Part::Location) {
            let own = Rc::new(Level::new(self.names, directive.inner()));
            let levels = [levels, &[own]].concat();
            spots.push(Spot { directive, levels: levels.clone(), around });
            self.collect(&levels, directive.args.last().map(String::as_str), spots);
        }
    }

    fn location(&mut self, spot: &Spot<'t>) {
        let directive = spot.directive;
        let own = spot.levels.last().cloned();
        let path = location::path(directive).ok_or_else(|| NAMED.to_owned());
        let pattern = path.and_then(|path| Pattern::parse(&path).map_err(|why| why.to_string()));
        let outcome = pattern.map(|pattern| {
            let chain = Chain { levels: spot.levels.clone(), family: Family::Nginx };
            let build = Build::new(self.names, self.report, chain, directive, pattern.clone());
            (build.finish(), pattern)
        });
        match outcome {
            Ok((Outcome::Carried(location, hooks), pattern)) => {
                let inside = spot.around.is_none_or(|around| {
                    pattern.path().is_some() || directive.args.concat().contains(around)
                });
                if !inside {
                    self.report.say(directive, Kind::Differs, NESTED);
                }
                self.carried.push((location, hooks));
            }
            Ok((Outcome::Asked(url, location), pattern)) => {
                self.asked.push(Asked { directive, pattern, url, location });
            }
            Ok((Outcome::Not(why), _)) | Err(why) => {
                let before = self.carried.len();
                self.lost.extend(own.map(|own| (directive, own, why, before)));
            }
        }
    }

    /// Says what is not carried over; where requests would now get to a location that somebody was kept
    /// out of, that place is shut.
    fn lose(&mut self) {
        let unasked = self.asked.iter().filter(|asked| !self.report.knows(asked.directive));
        let unasked: Vec<_> = unasked.map(|asked| asked.directive).collect();
        for directive in unasked {
            self.report.say(
                directive,
                Kind::Dropped,
                "an URL with variables is for questions alone",
            );
        }
        let parsed = |(location, _): &(Location, _)| Pattern::parse(&location.path).ok();
        let patterns: Vec<_> = self.carried.iter().filter_map(parsed).collect();
        let router = Router::new(&patterns);
        // From the last on, so that the places of the others stay.
        for (directive, level, why, before) in std::mem::take(&mut self.lost).into_iter().rev() {
            let why = match sweep::dropped(self.names, directive.inner()) {
                Some((inner, more)) if why == IDLE => format!("{}: {more}", inner.name),
                _ => why,
            };
            let path = location::path(directive).unwrap_or_default();
            let pattern = Pattern::parse(&path).ok();
            let around = pattern.as_ref().and_then(Pattern::path);
            let around = around.and_then(|path| router.find(path.as_bytes()));
            let around = around.and_then(|found| patterns.get(found.location));
            let regex = pattern.as_ref().is_some_and(|pattern| pattern.path().is_none());
            match (access::guard(&level), pattern) {
                (Some(guard), Some(pattern)) if around.is_some() || regex => {
                    self.report.say(directive, Kind::Closed, why);
                    let shut = shut(directive, guard, &pattern);
                    self.carried.insert(before, (shut, Vec::new()));
                }
                _ => {
                    let now = around.map(|to| format!("; its requests now belong to {to}"));
                    let why = why + &now.unwrap_or_default();
                    self.report.say(directive, Kind::Dropped, why);
                }
            }
        }
    }
}

/// A location that admits nobody.
fn shut(directive: &Directive, guard: &Directive, pattern: &Pattern) -> Location {
    let mut location = Location {
        place: directive.place,
        path: pattern.to_string(),
        roles: Roles::STATUS,
        entries: Entries::default(),
        notes: Vec::new(),
    };
    access::close(&mut location, guard, "nothing else of the location is carried over");
    let health = Value::text("live");
    location.entries.set("push_health", health, Origin::Location, Roles::STATUS);
    location
}

fn is_push(spot: &Spot<'_>) -> bool {
    let level = spot.levels.last();
    level.is_some_and(|level| PUSH.iter().any(|part| level.part(*part).is_some()))
}
