//! Which location a path belongs to: nginx's syntax and its precedence.
//!
//! An exact location wins. Else the longest prefix is remembered, and with `^~` it wins. Else the
//! first regular expression that matches, in the order of the file. Else the remembered prefix.

use std::{borrow::Cow, collections::HashMap, fmt};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode};
use regex::bytes::{Regex, RegexBuilder};

/// What the path and the arguments of an URI cannot have as it is, beside bytes above ASCII; `%` may
/// be there, because what is escaped already has it.
pub const NO_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The `path` of a location: `"= /exact"`, `"/prefix"`, `"^~ /prefix"`, `"~ regex"`, `"~* regex"`.
#[derive(Clone, Debug)]
pub struct Pattern {
    kind: Kind,
    text: Box<str>,
}

#[derive(Clone, Debug)]
enum Kind {
    Exact,
    Prefix { no_regex: bool },
    Regex { regex: Regex, ignore_case: bool },
}

/// Why a text is no pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PatternError {
    /// Nothing follows the modifier.
    #[error("the pattern is empty")]
    Empty,
    /// A path that no request can have.
    #[error("{0:?} does not begin with \"/\"; a regular expression is written \"~ ^/a\"")]
    NotAbsolute(String),
    /// A regular expression that is none.
    #[error("invalid regular expression: {0}")]
    Regex(String),
}

impl Pattern {
    /// Reads a pattern; the blank after the modifier may be left out.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        let cut = |modifier| text.strip_prefix(modifier).map(str::trim_start);
        if let Some(path) = cut("=") {
            Self::literal(Kind::Exact, path)
        } else if let Some(path) = cut("^~") {
            Self::literal(Kind::Prefix { no_regex: true }, path)
        } else if let Some(source) = cut("~*") {
            Self::regex(source, true)
        } else if let Some(source) = cut("~") {
            Self::regex(source, false)
        } else {
            Self::literal(Kind::Prefix { no_regex: false }, text)
        }
    }

    fn literal(kind: Kind, path: &str) -> Result<Self, PatternError> {
        match path {
            "" => Err(PatternError::Empty),
            _ if !path.starts_with('/') => Err(PatternError::NotAbsolute(path.to_owned())),
            _ => Ok(Self { kind, text: path.into() }),
        }
    }

    fn regex(source: &str, ignore_case: bool) -> Result<Self, PatternError> {
        if source.is_empty() {
            return Err(PatternError::Empty);
        }
        let regex = RegexBuilder::new(source).case_insensitive(ignore_case).build();
        let regex = regex.map_err(|error| PatternError::Regex(one_line(&error)))?;
        Ok(Self { kind: Kind::Regex { regex, ignore_case }, text: source.into() })
    }

    /// The path that is meant, or its beginning; none: a regular expression says which.
    pub fn path(&self) -> Option<&str> {
        match self.kind {
            Kind::Exact | Kind::Prefix { .. } => Some(&self.text),
            Kind::Regex { .. } => None,
        }
    }

    /// The names of the groups of a regular expression, from the first on; else none.
    pub fn groups(&self) -> Vec<Option<String>> {
        match &self.kind {
            Kind::Regex { regex, .. } => {
                regex.capture_names().skip(1).map(|name| name.map(str::to_owned)).collect()
            }
            Kind::Exact | Kind::Prefix { .. } => Vec::new(),
        }
    }

    /// Whether one of two locations with these patterns could never be reached, as nginx sees it:
    /// `"/a"` and `"^~ /a"` are the same place, `"= /a"` is another.
    pub fn duplicates(&self, other: &Self) -> bool {
        self.place() == other.place() && self.text == other.text
    }

    fn place(&self) -> (u8, bool) {
        match self.kind {
            Kind::Exact => (0, false),
            Kind::Prefix { .. } => (1, false),
            Kind::Regex { ignore_case, .. } => (2, ignore_case),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let modifier = match self.kind {
            Kind::Exact => "= ",
            Kind::Prefix { no_regex: true } => "^~ ",
            Kind::Prefix { no_regex: false } => "",
            Kind::Regex { ignore_case: true, .. } => "~* ",
            Kind::Regex { ignore_case: false, .. } => "~ ",
        };
        write!(f, "{modifier}{}", self.text)
    }
}

/// The reason alone: a syntax error is drawn over several lines, the reason being the last.
fn one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// Finds the location of a path.
#[derive(Clone, Debug, Default)]
pub struct Router {
    exact: HashMap<Box<[u8]>, usize>,
    /// The longest first.
    prefixes: Vec<Prefix>,
    /// In the order of the file.
    regexes: Vec<(Regex, usize)>,
}

#[derive(Clone, Debug)]
struct Prefix {
    path: Box<[u8]>,
    no_regex: bool,
    location: usize,
}

/// The location of a path, and what its regular expression captured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Match<'p> {
    /// The place of the location among the patterns.
    pub location: usize,
    /// Empty unless a regular expression matched.
    pub captures: Captures<'p>,
}

/// The groups of a regular expression in a path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Captures<'p>(Vec<Option<&'p [u8]>>);

impl<'p> Captures<'p> {
    /// What a group matched; the groups count from 1.
    pub fn get(&self, group: usize) -> Option<&'p [u8]> {
        self.0.get(group.checked_sub(1)?).copied().flatten()
    }
}

impl Router {
    /// A router for these patterns; of duplicates the first counts.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a Pattern>) -> Self {
        let mut router = Self::default();
        for (location, pattern) in patterns.into_iter().enumerate() {
            let path = || pattern.text.as_bytes().into();
            match &pattern.kind {
                Kind::Exact => {
                    router.exact.entry(path()).or_insert(location);
                }
                Kind::Prefix { no_regex } => {
                    router.prefixes.push(Prefix { path: path(), no_regex: *no_regex, location });
                }
                Kind::Regex { regex, .. } => router.regexes.push((regex.clone(), location)),
            }
        }
        router.prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.path.len()));
        router
    }

    /// The location of a path that [`normalize`] returned.
    pub fn find<'p>(&self, path: &'p [u8]) -> Option<Match<'p>> {
        let plain = |location| Match { location, captures: Captures::default() };
        if let Some(location) = self.exact.get(path) {
            return Some(plain(*location));
        }
        let prefix = self.prefixes.iter().find(|prefix| path.starts_with(&prefix.path));
        if !prefix.is_some_and(|prefix| prefix.no_regex)
            && let Some(found) = self.find_regex(path)
        {
            return Some(found);
        }
        prefix.map(|prefix| plain(prefix.location))
    }

    fn find_regex<'p>(&self, path: &'p [u8]) -> Option<Match<'p>> {
        self.regexes.iter().find_map(|(regex, location)| {
            let groups = regex.captures(path)?;
            let groups = groups.iter().skip(1).map(|group| group.map(|group| group.as_bytes()));
            Some(Match { location: *location, captures: Captures(groups.collect()) })
        })
    }
}

/// Why a request's path has no meaning; the answer is 400 with the sentence.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathError {
    /// `..` above the root.
    #[error("The path leaves the root.")]
    AboveRoot,
    /// A `%` without two hexadecimal digits.
    #[error("The path has a malformed percent escape.")]
    Escape,
    /// No `/` at the beginning.
    #[error("The path does not begin with a slash.")]
    NotAbsolute,
    /// A byte 0.
    #[error("The path has a zero byte.")]
    Nul,
}

/// A request's path as locations see it: percent-decoded once, `//` merged, `.` and `..` resolved.
pub fn normalize(raw: &str) -> Result<Cow<'_, [u8]>, PathError> {
    let bytes = raw.as_bytes();
    if !bytes.starts_with(b"/") {
        return Err(PathError::NotAbsolute);
    }
    if bytes.contains(&0) {
        return Err(PathError::Nul);
    }
    let dubious = |pair: &[u8]| matches!(pair, [b'/', b'/' | b'.']);
    if !bytes.contains(&b'%') && !bytes.windows(2).any(dubious) {
        return Ok(Cow::Borrowed(bytes));
    }
    let escapes = bytes.split(|byte| *byte == b'%').skip(1);
    if !escapes
        .into_iter()
        .all(|rest| rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_hexdigit))
    {
        return Err(PathError::Escape);
    }
    let decoded = Cow::from(percent_decode(bytes));
    if decoded.contains(&0) {
        return Err(PathError::Nul);
    }
    resolve_dots(&decoded).map(Cow::Owned)
}

/// Whether a decoded path has a `..` left; whoever takes a backslash for a slash would follow it.
pub fn climbs(path: &[u8]) -> bool {
    path.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| segment == b"..")
}

fn resolve_dots(path: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut resolved = Vec::with_capacity(path.len());
    let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            b"" | b"." => {}
            b".." => {
                let parent = resolved.iter().rposition(|byte| *byte == b'/');
                resolved.truncate(parent.ok_or(PathError::AboveRoot)?);
            }
            name => {
                resolved.push(b'/');
                resolved.extend_from_slice(name);
                continue;
            }
        }
        if segments.peek().is_none() {
            resolved.push(b'/');
        }
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
    use proptest::prelude::*;

    use super::*;

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
    }

    fn find(texts: &[&str], path: &str) -> Option<usize> {
        Router::new(&patterns(texts)).find(path.as_bytes()).map(|found| found.location)
    }

    #[test]
    fn a_path_that_leads_out_of_a_folder_is_known() {
        for path in ["/a/../b", "/a/..", "/..", "..", "/a\\..\\b", "/a\\../b", "..\\"] {
            assert!(climbs(path.as_bytes()), "{path}");
        }
        for path in ["", "/", "/a..b/", "/..a", "/a/./b", "/...", "/.\\.", "/%2e%2e/"] {
            assert!(!climbs(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn an_exact_location_wins() {
        let texts = ["~ .", "/a", "^~ /a/", "= /a"];
        assert_eq!(find(&texts, "/a"), Some(3));
    }

    #[test]
    fn a_prefix_yields_to_a_regex_unless_it_forbids_that() {
        let texts = ["/", "/img/", "^~ /static/", r"~* \.PNG$", "~ png"];
        assert_eq!(find(&texts, "/img/x.png"), Some(3));
        assert_eq!(find(&texts, "/static/x.png"), Some(2));
        assert_eq!(find(&texts, "/img/x.gif"), Some(1));
        assert_eq!(find(&texts, "/png"), Some(4));
        assert_eq!(find(&texts, "/other"), Some(0));
    }

    #[test]
    fn only_the_longest_prefix_can_forbid_regexes() {
        let texts = ["^~ /a/", "/a/b/", "~ c$"];
        assert_eq!(find(&texts, "/a/b/c"), Some(2));
        assert_eq!(find(&texts, "/a/c"), Some(0));
    }

    #[test]
    fn the_first_regex_of_the_file_wins() {
        assert_eq!(find(&["~ ^/a", "~ ^/ab"], "/ab"), Some(0));
        assert_eq!(find(&["~ ^/ab", "~ ^/a"], "/ab"), Some(0));
    }

    #[test]
    fn no_location_is_no_match() {
        assert_eq!(find(&[], "/"), None);
        assert_eq!(find(&["= /a", "/b", "~ ^/c$"], "/d"), None);
    }

    #[test]
    fn case_matters_except_after_the_star() {
        assert_eq!(find(&["~ ^/A"], "/a"), None);
        assert_eq!(find(&["~* ^/A"], "/a"), Some(0));
        assert_eq!(find(&["/A"], "/a"), None);
    }

    #[test]
    fn captures_are_the_groups_of_the_regex() {
        let router = Router::new(&patterns(&[r"~ ^/sub/(\w+)(/x)?/(?<last>.*)$"]));
        let found = router.find(b"/sub/room/7").unwrap();
        assert_eq!(found.captures.get(1), Some(&b"room"[..]));
        assert_eq!(found.captures.get(2), None);
        assert_eq!(found.captures.get(3), Some(&b"7"[..]));
        assert_eq!((found.captures.get(0), found.captures.get(4)), (None, None));
    }

    #[test]
    fn a_regex_sees_bytes() {
        let router = Router::new(&patterns(&[r"~ ^/([^/]+)/"]));
        assert!(router.find("/ä/".as_bytes()).is_some());
        assert!(Router::new(&patterns(&[r"~ (?-u)^/(.)$"])).find(b"/\xff").is_some());
    }

    #[test]
    fn the_blank_after_the_modifier_is_optional() {
        for (tight, spaced) in
            [("=/a", "= /a"), ("^~/a", "^~  /a"), ("~a", "~ a"), ("~*a", "~* a"), ("/a", " /a ")]
        {
            let [tight, spaced] = [tight, spaced].map(|text| Pattern::parse(text).unwrap());
            assert_eq!(tight.to_string(), spaced.to_string());
        }
    }

    #[test]
    fn garbage_is_no_pattern() {
        for text in ["", "=", "^~ ", "~", "~* "] {
            assert_eq!(Pattern::parse(text).unwrap_err(), PatternError::Empty, "{text:?}");
        }
        for text in ["a", "= a", "^~ a", "@named"] {
            assert!(matches!(Pattern::parse(text), Err(PatternError::NotAbsolute(_))), "{text:?}");
        }
        let unclosed = Pattern::parse("~ ^/(a").unwrap_err().to_string();
        assert_eq!(unclosed, "invalid regular expression: unclosed group");
        assert!(!Pattern::parse(r"~ \w{9999}{9999}").unwrap_err().to_string().contains('\n'));
    }

    #[test]
    fn duplicates_are_what_nginx_takes_for_them() {
        let duplicates = |a, b| {
            let both = patterns(&[a, b]);
            both[0].duplicates(&both[1])
        };
        assert!(duplicates("/a", "^~ /a"));
        assert!(duplicates("= /a", "=/a"));
        assert!(duplicates("~ a", "~ a"));
        assert!(!duplicates("/a", "= /a"));
        assert!(!duplicates("/a", "/a/"));
        assert!(!duplicates("~ a", "~* a"));
    }

    #[test]
    fn paths_are_decoded_merged_and_resolved() {
        for (raw, path) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("//a///b//", "/a/b/"),
            ("/a/./b/.", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/%2e%2e/b", "/b"),
            ("/a%2F%2Fb", "/a/b"),
            ("/%C3%A4%20%2525", "/ä %25"),
            ("/.a/..b/...", "/.a/..b/..."),
            ("/a+b", "/a+b"),
        ] {
            assert_eq!(normalize(raw).as_deref(), Ok(path.as_bytes()), "{raw}");
        }
        assert_eq!(normalize("/%ff").as_deref(), Ok(&b"/\xff"[..]));
        assert!(matches!(normalize("/plain/path"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn paths_without_meaning_are_refused() {
        for raw in ["/..", "/a/../..", "/%2e%2e/x", "/a/../../b", "/./.."] {
            assert_eq!(normalize(raw), Err(PathError::AboveRoot), "{raw}");
        }
        for raw in ["/%", "/%4", "/%zz", "/%%20"] {
            assert_eq!(normalize(raw), Err(PathError::Escape), "{raw}");
        }
        assert_eq!(normalize("/a%00"), Err(PathError::Nul));
        assert_eq!(normalize("/a\0"), Err(PathError::Nul));
        for raw in ["", "*", "a/b"] {
            assert_eq!(normalize(raw), Err(PathError::NotAbsolute), "{raw}");
        }
    }

    /// The precedence, spelled out in the order of nginx's manual.
    fn reference(texts: &[String], path: &str) -> Option<usize> {
        let split = |text: &str| match text.split_once(' ') {
            Some((modifier, operand)) => (modifier.to_owned(), operand.to_owned()),
            None => (String::new(), text.to_owned()),
        };
        let all: Vec<_> = texts.iter().map(|text| split(text)).collect();
        if let Some(exact) = all.iter().position(|(kind, text)| kind == "=" && text == path) {
            return Some(exact);
        }
        let mut longest: Option<usize> = None;
        for (index, (kind, text)) in all.iter().enumerate() {
            let prefix = matches!(kind.as_str(), "" | "^~") && path.starts_with(text.as_str());
            if prefix && longest.is_none_or(|best| all[best].1.len() < text.len()) {
                longest = Some(index);
            }
        }
        if let Some(best) = longest
            && all[best].0 == "^~"
        {
            return Some(best);
        }
        let regex = all.iter().position(|(kind, text)| match kind.as_str() {
            "~" => Regex::new(text).unwrap().is_match(path.as_bytes()),
            "~*" => Regex::new(&format!("(?i){text}")).unwrap().is_match(path.as_bytes()),
            _ => false,
        });
        regex.or(longest)
    }

    proptest! {
        #[test]
        fn routing_agrees_with_the_reference(
            texts in prop::collection::vec("((= |\\^~ )?/[ab/]{0,4})|(~\\*? \\^?/?[abAB]{1,2}\\$?)", 0..12),
            path in "/[ab/]{0,5}",
        ) {
            let texts: Vec<String> = texts.iter().map(|text| text.trim().to_owned()).collect();
            let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
            prop_assert_eq!(find(&borrowed, &path), reference(&texts, &path));
        }

        #[test]
        fn normal_paths_stay_as_they_are(raw in "/[a./%25]{0,20}") {
            if let Ok(once) = normalize(&raw) {
                let text = format!("/{}", percent_encode(&once[1..], NON_ALPHANUMERIC));
                let twice = normalize(&text);
                prop_assert_eq!(twice.as_deref(), Ok(&*once));
                prop_assert!(!once.windows(2).any(|pair| pair == b"//"));
                prop_assert!(!once.split(|byte| *byte == b'/').any(|part| part == b".."));
            }
        }

        #[test]
        fn nothing_panics(raw in any::<String>(), text in any::<String>()) {
            let _ = normalize(&raw);
            let _ = Pattern::parse(&text);
        }
    }
}
