//! Blocks within blocks, and what is inherited.

use std::{collections::HashMap, rc::Rc};

use super::{
    read::Directive,
    sense::{Family, Names, Part, Sense},
};

/// What is looked for in a level.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Slot {
    Key(&'static str),
    Part(Part),
}

/// The directives of one block, by what they mean.
#[derive(Debug)]
pub(super) struct Level<'t> {
    slots: HashMap<Slot, Vec<(Family, &'t Directive)>>,
    /// All of them, in the order of the file.
    pub(super) all: &'t [Directive],
}

impl<'t> Level<'t> {
    pub(super) fn new(names: &Names, directives: &'t [Directive]) -> Self {
        let mut slots: HashMap<Slot, Vec<(Family, &'t Directive)>> = HashMap::new();
        for directive in directives {
            let Some((family, sense)) = names.get(&directive.name) else { continue };
            let slot = match sense {
                Sense::Key(key, ..) => Slot::Key(key),
                Sense::Part(part) => Slot::Part(part),
                Sense::Idle(_) | Sense::Dropped(_) | Sense::Unless(..) => continue,
            };
            slots.entry(slot).or_default().push((family, directive));
        }
        Self { slots, all: directives }
    }

    /// The directives of a part, of all families, in the order of the file.
    pub(super) fn parts(&self, part: Part) -> impl Iterator<Item = (Family, &'t Directive)> {
        self.slots.get(&Slot::Part(part)).into_iter().flatten().copied()
    }

    pub(super) fn part(&self, part: Part) -> Option<&'t Directive> {
        self.parts(part).last().map(|(_, directive)| directive)
    }
}

/// Which level a value comes from.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Origin {
    /// None: it is what the family does when nothing is said.
    Family,
    Http,
    Server,
    Location,
}

/// The levels around a place, the outermost first: http, server, location, locations in it.
#[derive(Clone, Debug)]
pub(super) struct Chain<'t> {
    pub(super) levels: Vec<Rc<Level<'t>>>,
    pub(super) family: Family,
}

impl<'t> Chain<'t> {
    /// The directives of the nearest level that has some of the slots, as nginx inherits.
    pub(super) fn nearest(&self, slots: &[Slot]) -> Option<(Vec<&'t Directive>, Origin)> {
        self.levels.iter().enumerate().rev().find_map(|(depth, level)| {
            let fits = |family| family == self.family || family == Family::Nginx;
            let found = slots.iter().filter_map(|slot| level.slots.get(slot)).flatten();
            let found = found.filter(|(family, _)| fits(*family));
            let mut found: Vec<_> = found.map(|(_, directive)| *directive).collect();
            found.sort_by_key(|directive| directive.place);
            (!found.is_empty()).then(|| (found, origin(depth)))
        })
    }

    /// The directive that counts for a part.
    pub(super) fn part(&self, part: Part) -> Option<(&'t Directive, Origin)> {
        self.one(Slot::Part(part))
    }

    /// The directive that counts for a slot.
    pub(super) fn one(&self, slot: Slot) -> Option<(&'t Directive, Origin)> {
        let (found, origin) = self.nearest(&[slot])?;
        Some((*found.last()?, origin))
    }

    /// All directives of a part, on all levels, the outermost first.
    pub(super) fn every(&self, part: Part) -> impl Iterator<Item = &'t Directive> {
        self.levels.iter().flat_map(move |level| level.parts(part)).map(|(_, directive)| directive)
    }

    /// The directive of a part in the block itself.
    pub(super) fn own(&self, part: Part) -> Option<&'t Directive> {
        self.levels.last()?.part(part)
    }
}

fn origin(depth: usize) -> Origin {
    match depth {
        0 => Origin::Http,
        1 => Origin::Server,
        _ => Origin::Location,
    }
}
