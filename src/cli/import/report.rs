//! What became of the directives, line by line.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
    fmt::{self, Write as _},
    path::Path,
};

use super::read::{Directive, Place};
use crate::cli::visible;

/// How something was carried over, if it was.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Kind {
    /// It could not be carried over as it was meant, and nobody gets in until somebody has looked.
    Closed,
    /// It is carried over, and somebody may notice the difference.
    Differs,
    /// It is not carried over, and somebody may miss it.
    Dropped,
    /// It is not carried over, and nobody misses it.
    Idle,
    /// It is carried over as it was, and worth a look: everybody may use it.
    Open,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Differs => "differs",
            Self::Dropped => "not carried over",
            Self::Idle => "not needed",
            Self::Open => "open to all",
        }
    }
}

/// The same about a directive wherever it stands.
type Remark = (String, Kind, Cow<'static, str>);

/// All remarks, and which directives are dealt with.
#[derive(Debug, Default)]
pub(super) struct Report {
    files: Vec<String>,
    remarks: HashMap<Remark, BTreeSet<Place>>,
    dealt: HashSet<Place>,
    said: HashSet<Place>,
}

impl Report {
    pub(super) fn new(files: Vec<String>) -> Self {
        Self { files, ..Self::default() }
    }

    /// The directive is carried over.
    pub(super) fn carry(&mut self, directive: &Directive) {
        self.dealt.insert(directive.place);
    }

    /// So are these.
    pub(super) fn carry_all(&mut self, directives: &[&Directive]) {
        self.dealt.extend(directives.iter().map(|directive| directive.place));
    }

    /// The directive has a remark.
    pub(super) fn say(
        &mut self,
        directive: &Directive,
        kind: Kind,
        why: impl Into<Cow<'static, str>>,
    ) {
        self.carry(directive);
        self.said.insert(directive.place);
        let remark = (directive.name.clone(), kind, why.into());
        self.remarks.entry(remark).or_default().insert(directive.place);
    }

    /// Whether the directive is dealt with.
    pub(super) fn knows(&self, directive: &Directive) -> bool {
        self.dealt.contains(&directive.place)
    }

    /// Whether the directive has a remark; if it is a block, one for all that is in it.
    pub(super) fn has_said(&self, directive: &Directive) -> bool {
        self.said.contains(&directive.place)
    }

    /// Whether something may be missed or noticed.
    pub(super) fn has_losses(&self) -> bool {
        self.remarks.keys().any(|(_, kind, _)| *kind != Kind::Idle)
    }

    /// `FILE:LINE`, the file by its last name.
    pub(super) fn place(&self, place: Place) -> String {
        format!("{}:{}", self.file(place), place.position.line)
    }

    fn file(&self, place: Place) -> String {
        let file = self.files.get(place.file).map_or("", String::as_str);
        let name = Path::new(file).file_name();
        name.map_or_else(|| file.to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// `FILE:LINE,LINE FILE:LINE`.
    fn places(&self, places: impl Iterator<Item = Place>) -> String {
        let (mut text, mut file) = (String::new(), None);
        let mut last = 0;
        for place in places {
            let line = place.position.line;
            if file != Some(place.file) {
                let blank = if file.is_some() { " " } else { "" };
                let _ = write!(text, "{blank}{}", self.place(place));
            } else if line != last {
                let _ = write!(text, ",{line}");
            }
            (file, last) = (Some(place.file), line);
        }
        text
    }
}

impl fmt::Display for Report {
    /// A line for each remark, in the order of the file; what nobody misses comes last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<_> = self.remarks.iter().collect();
        let order = |(name, kind, why): &Remark, places: &BTreeSet<Place>| {
            let first = places.iter().next().copied();
            (*kind == Kind::Idle, first, name.clone(), why.clone())
        };
        lines.sort_by_cached_key(|(remark, places)| order(remark, places));
        for ((name, kind, why), places) in lines {
            let places = self.places(places.iter().copied());
            let line = format!("{places}: {name}: {}: {why}", kind.word());
            writeln!(f, "{}", visible::line(line.as_bytes()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::import::lex::Position;

    fn directive(name: &str, file: usize, line: u32) -> Directive {
        let place = Place { file, position: Position { line, column: 1 } };
        Directive { name: name.into(), args: Vec::new(), place, block: None }
    }

    #[test]
    fn the_same_is_said_once() {
        let mut report = Report::new(vec!["/etc/nginx.conf".into(), "/etc/more/a.conf".into()]);
        for (file, line) in [(1, 2), (0, 12), (0, 3), (0, 3), (1, 7)] {
            report.say(&directive("root", file, line), Kind::Dropped, "no files");
        }
        report.say(&directive("a", 0, 1), Kind::Idle, "tuning");
        report.say(&directive("b", 0, 4), Kind::Differs, "longer");
        report.carry(&directive("c", 0, 5));
        assert_eq!(
            report.to_string(),
            "nginx.conf:3,12 a.conf:2,7: root: not carried over: no files\n\
             nginx.conf:4: b: differs: longer\n\
             nginx.conf:1: a: not needed: tuning\n"
        );
        assert!(report.knows(&directive("c", 0, 5)) && !report.knows(&directive("c", 0, 6)));
        assert!(report.has_losses());
    }

    #[test]
    fn what_nobody_misses_is_no_loss() {
        let mut report = Report::new(vec!["a".into()]);
        report.say(&directive("a", 0, 1), Kind::Idle, "tuning");
        report.carry(&directive("b", 0, 1));
        assert!(!report.has_losses());
    }
}
