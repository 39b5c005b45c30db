//! A server and its locations.

use std::rc::Rc;

use super::{
    hooks::{self, Asked, Hook},
    level::{Chain, Level},
    location::{self, Build, Outcome},
    lost::{Lost, lose},
    read::Directive,
    report::{Kind, Report},
    role::PUSH,
    sense::{Family, Names, Part},
    write::{Entries, Location, Server},
};
use crate::router::Pattern;

const NO_PUSH: &str = "it has no location of the push modules";
const QUESTIONS: &str = "an URL with variables is for questions alone";
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
    lost: Vec<Lost<'t>>,
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
        lose(self.names, self.report, &mut self.carried, self.lost);
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

    fn lose(&mut self, spot: &Spot<'t>, why: String) {
        let (directive, levels) = (spot.directive, spot.levels.clone());
        self.lost.push(Lost { directive, levels, why, before: self.carried.len() });
    }

    fn location(&mut self, spot: &Spot<'t>) {
        let directive = spot.directive;
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
                self.lose(spot, QUESTIONS.to_owned());
            }
            Ok((Outcome::Not(why), _)) | Err(why) => self.lose(spot, why),
        }
    }
}

fn is_push(spot: &Spot<'_>) -> bool {
    let level = spot.levels.last();
    level.is_some_and(|level| PUSH.iter().any(|part| level.part(*part).is_some()))
}
