//! Holds `src` to the plan of the house: imports go down, files and functions stay short, nothing panics on purpose.
//!
//! It reads the source as text, with comments and literals blanked out, so that it needs no parser of Rust.
//! What stands in a `#[cfg(test)]` module, or in a file called `tests.rs`, is test code and free.

#![allow(clippy::unwrap_used, reason = "what cannot be read fails the test")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The top-level modules and their levels. A module imports from lower levels only.
const LEVELS: &[(u8, &[&str])] = &[
    (8, &["main", "lib"]),
    (7, &["cli"]),
    (6, &["server"]),
    (5, &["gateway"]),
    (4, &["publish", "subscribe", "upstream", "status"]),
    (3, &["hold"]),
    (2, &["config", "store", "framing"]),
    (1, &["channel"]),
    (
        0,
        &[
            "access",
            "allocator",
            "cors",
            "credentials",
            "dialect",
            "grip",
            "log",
            "proxy_protocol",
            "response",
            "router",
            "websocket",
        ],
    ),
];

/// The leaves stand on level 0. They know nothing of the crate but the values of `channel` ...
const LEAF: u8 = 0;
/// ... and `channel`, which they may know, therefore knows nothing at all.
const HEART: &str = "channel";
/// What `channel` holds besides values.
const MACHINERY: &[&str] = &["Group", "Hub", "Ring", "Store", "Subscription"];

const FILE_LINES: usize = 300;
const FUNCTION_LINES: usize = 40;
const WORDS: &[&str] = &["unwrap(", "panic!(", "todo!(", "unimplemented!("];
const NAMES: &[&str] = &["common", "helper", "helpers", "misc", "util", "utils"];

// --- The source, read as text

/// A file below `src`: its path there, and its code up to the tests.
struct Source {
    path: PathBuf,
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let code = if Path::new(path).ends_with("tests.rs") {
            String::new()
        } else {
            before_tests(&blank(text))
        };
        Self { path: path.into(), code }
    }

    /// The modules from the crate's root to this file: `hold/hall.rs` is `["hold", "hall"]`.
    fn modules(&self) -> Vec<&str> {
        let stem = self.path.file_stem().and_then(|s| s.to_str()).unwrap();
        let folders = self.path.parent().unwrap().iter().map(|part| part.to_str().unwrap());
        folders.chain((stem != "mod").then_some(stem)).collect()
    }

    fn fault(&self, at: usize, what: &str) -> String {
        let line = self.code[..at].matches('\n').count() + 1;
        format!("src/{}:{line}: {what}", self.path.display())
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources
                    .push(Source::new(path.strip_prefix(&root).unwrap().to_str().unwrap(), &text));
            }
        }
    }
    assert!(!sources.is_empty(), "no source below {}", root.display());
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

/// The text with comments and the insides of literals turned to blanks; lines stay where they are.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            'r' | 'b' | 'c' if !code.ends_with(is_word) => prefixed_literal(rest),
            '"' => quoted(rest, '"'),
            '\'' => character(rest),
            _ => 0,
        };
        let (literal, after) = rest.split_at(if length == 0 { first.len_utf8() } else { length });
        code.extend(literal.chars().map(|c| if length == 0 || c == '\n' { c } else { ' ' }));
        rest = after;
    }
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let (step, change) = match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a quoted literal, both quotes counted.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character; 0 for a lifetime, which has no closing quote.
fn character(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (_, Some('\'')) => quoted(text, '\''),
        _ => 0,
    }
}

/// The length of `b"..."`, `b'.'`, `r"..."`, `br#"..."#` and their like; 0 for a plain word.
fn prefixed_literal(text: &str) -> usize {
    let body = text.trim_start_matches(['b', 'c', 'r']);
    let prefix = &text[..text.len() - body.len()];
    let hashes = body.len() - body.trim_start_matches('#').len();
    let raw = prefix.ends_with('r') && body[hashes..].starts_with('"');
    if prefix.len() > 2 || (hashes > 0 && !raw) {
        return 0;
    }
    let inside = if raw {
        let end = format!("\"{}", "#".repeat(hashes));
        body[hashes + 1..].find(&end).map_or(body.len(), |at| hashes + 1 + at + end.len())
    } else {
        match body.chars().next() {
            Some('"') => quoted(body, '"'),
            Some('\'') if prefix == "b" => quoted(body, '\''),
            _ => return 0,
        }
    };
    prefix.len() + inside
}

/// The code above the first `#[cfg(test)] mod name {`.
fn before_tests(code: &str) -> String {
    let module = |at: usize| {
        let item = code[at..].split_once('\n').map_or("", |(_, below)| below).trim_start();
        item.starts_with("mod ")
            && item.lines().next().is_some_and(|line| line.trim_end().ends_with('{'))
    };
    let cut = code.match_indices("#[cfg(test)]").map(|(at, _)| at).find(|&at| module(at));
    code[..cut.unwrap_or(code.len())].to_owned()
}

// --- Imports

/// Every path that the code names from the crate's root, with its place: `crate::a::{b, c::D}` is `a::b` and `a::c::D`.
fn imports(source: &Source) -> Vec<(usize, Vec<String>)> {
    let code = &source.code;
    let up = "super::".repeat(source.modules().len());
    let starts = ["crate::", "pushgate::", &up].map(|root| {
        let whole =
            |at: &usize| !code[..*at].ends_with(is_word) && !code[..*at].ends_with("super::");
        code.match_indices(root)
            .map(|(at, _)| at)
            .filter(whole)
            .map(|at| (at, at + root.len()))
            .collect::<Vec<_>>()
    });
    let mut imports = Vec::new();
    for (at, path) in starts.concat() {
        let mut found = Vec::new();
        tree(&code[path..], &[], &mut found);
        imports.extend(found.into_iter().map(|path| (at, path)));
    }
    imports
}

/// Reads a use tree, adds its paths to `found`, and returns what follows it.
fn tree<'a>(text: &'a str, above: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let mut path = above.to_vec();
    let mut rest = text.trim_start();
    loop {
        if let Some(mut inside) = rest.strip_prefix('{').map(str::trim_start) {
            while inside.starts_with(|c| is_word(c) || c == '{' || c == '*') {
                inside = tree(inside, &path, found).trim_start();
                inside = inside.strip_prefix(',').unwrap_or(inside).trim_start();
            }
            return inside.strip_prefix('}').unwrap_or(inside);
        }
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        path.push(rest[..end.max(usize::from(rest.starts_with('*')))].to_owned());
        rest = rest[end..].trim_start_matches('*').trim_start();
        match rest.strip_prefix("::") {
            Some(below) => rest = below.trim_start(),
            None => break,
        }
    }
    found.push(path);
    match rest.strip_prefix("as ") {
        Some(name) => name.trim_start().trim_start_matches(is_word),
        None => rest,
    }
}

fn level(module: &str) -> Option<u8> {
    LEVELS.iter().find(|(_, modules)| modules.contains(&module)).map(|(level, _)| *level)
}

/// Why `from` must not name `path`, if it must not.
fn refusal(from: &str, path: &[String]) -> Option<String> {
    let to = path.first().map_or("", String::as_str);
    let (Some(upper), Some(lower)) = (level(from), level(to)) else { return None };
    if from == to || upper > lower && from != HEART {
        return None;
    }
    if from == HEART {
        return Some(format!("{HEART} must import nothing of the crate, and imports {to}"));
    }
    let machinery = path.iter().find(|name| MACHINERY.contains(&name.as_str()));
    match (upper, to, machinery) {
        (LEAF, HEART, None) => None,
        (LEAF, HEART, Some(name)) => {
            Some(format!("a leaf takes only values from {HEART}, and {from} takes {name}"))
        }
        _ => Some(format!("imports go down: {from} (level {upper}) imports {to} (level {lower})")),
    }
}

fn wrong_imports(source: &Source) -> Vec<String> {
    let modules = source.modules();
    let Some(from) = modules.first() else { return Vec::new() };
    let known = level(from).is_some();
    let unknown = (!known)
        .then(|| source.fault(0, &format!("module {from} has no level in tests/layers.rs")));
    let wrong = imports(source)
        .into_iter()
        .filter_map(|(at, path)| Some(source.fault(at, &refusal(from, &path)?)));
    unknown.into_iter().chain(wrong).collect()
}

// --- Sizes, words and names

fn long_file(source: &Source) -> Option<String> {
    let lines = source.code.lines().count();
    (lines > FILE_LINES).then(|| {
        let end = source.code.trim_end().len();
        source.fault(
            end,
            &format!("a file of {lines} lines before its tests; {FILE_LINES} are allowed"),
        )
    })
}

fn long_functions(source: &Source) -> Vec<String> {
    let code = &source.code;
    let functions =
        code.match_indices("fn ").map(|(at, _)| at).filter(|&at| !code[..at].ends_with(is_word));
    let long = functions.filter_map(|at| {
        let lines = code[at..at + function_length(&code[at..])].lines().count();
        let name = code[at + 3..].split(|c| !is_word(c)).next()?;
        (lines > FUNCTION_LINES).then(|| {
            source.fault(at, &format!("fn {name} has {lines} lines; {FUNCTION_LINES} are allowed"))
        })
    });
    long.collect()
}

/// From `fn` to the brace that closes its body, or to the semicolon of one that has none.
fn function_length(text: &str) -> usize {
    let (mut depth, mut body) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '{' => {
                body |= depth == 0;
                depth += 1;
            }
            ';' if depth == 0 => return at,
            _ => {}
        }
        if body && depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

fn wrong_words(source: &Source) -> Vec<String> {
    let code = &source.code;
    let at = |word: &'static str| {
        let places = code.match_indices(word).filter(|(at, _)| !code[..*at].ends_with(is_word));
        places.map(move |(at, _)| source.fault(at, &format!("`{word}` outside tests")))
    };
    WORDS.iter().flat_map(|word| at(word)).collect()
}

fn wrong_name(source: &Source) -> Option<String> {
    let modules = source.modules();
    let name = modules.iter().find(|name| NAMES.contains(name))?;
    Some(source.fault(0, &format!("`{name}` says nothing of what is inside")))
}

// --- The tree as it is

fn assert_none(faults: impl IntoIterator<Item = String>) {
    let list = faults.into_iter().fold(String::new(), |mut list, fault| {
        let _ = write!(list, "\n  {fault}");
        list
    });
    assert!(list.is_empty(), "{list}\n");
}

#[test]
fn imports_go_down() {
    assert_none(sources().iter().flat_map(wrong_imports));
}

#[test]
fn files_are_short() {
    assert_none(sources().iter().filter_map(long_file));
}

#[test]
fn functions_are_short() {
    assert_none(sources().iter().flat_map(long_functions));
}

#[test]
fn nothing_panics_on_purpose() {
    assert_none(sources().iter().flat_map(wrong_words));
}

#[test]
fn names_say_what_is_inside() {
    assert_none(sources().iter().filter_map(wrong_name));
}

// --- Each check can fail

#[track_caller]
fn assert_imports(path: &str, text: &str, expected: &[&str]) {
    assert_eq!(wrong_imports(&Source::new(path, text)), expected, "{text}");
}

#[test]
fn an_import_upwards_is_found() {
    let fault =
        "src/framing/long_poll.rs:2: imports go down: framing (level 2) imports hold (level 3)";
    assert_imports("framing/long_poll.rs", "use std::fmt;\nuse crate::hold::Held;", &[fault]);
    assert_imports("framing/long_poll.rs", "\nfn f() -> crate::hold::Held {}", &[fault]);
    assert_imports(
        "framing/long_poll.rs",
        "\nuse crate::{channel::Message, hold::{Held, Hall}};",
        &[fault, fault],
    );
    assert_imports("framing/long_poll.rs", "\nuse super::super::hold::Held;", &[fault]);
    assert_imports(
        "cli/mod.rs",
        "use pushgate::main::Arguments;",
        &["src/cli/mod.rs:1: imports go down: cli (level 7) imports main (level 8)"],
    );
}

#[test]
fn an_import_sideways_is_found() {
    let fault =
        "src/publish/mod.rs:1: imports go down: publish (level 4) imports subscribe (level 4)";
    assert_imports("publish/mod.rs", "use crate::subscribe::Position;", &[fault]);
    assert_imports("publish/mod.rs", "use super::subscribe::Position;", &[fault]);
    assert_imports(
        "router.rs",
        "use crate::access::Peer;",
        &["src/router.rs:1: imports go down: router (level 0) imports access (level 0)"],
    );
}

#[test]
fn the_heart_imports_nothing() {
    let fault = "src/channel/hub.rs:1: channel must import nothing of the crate, and imports log";
    assert_imports("channel/hub.rs", "use crate::log::line;", &[fault]);
    assert_imports("channel/hub.rs", "use super::ring::Ring;\nuse crate::channel::Message;", &[]);
}

#[test]
fn a_leaf_takes_values_only() {
    assert_imports("response.rs", "use crate::channel::{Message, MessageId};", &[]);
    assert_imports(
        "response.rs",
        "use crate::channel::{Hub, Message};",
        &["src/response.rs:1: a leaf takes only values from channel, and response takes Hub"],
    );
}

#[test]
fn an_import_downwards_is_free() {
    let text = "use crate::config::Location;\nuse crate::hold;\nuse crate::channel::*;\nuse crate::access::Peer as P;";
    assert_imports("gateway.rs", text, &[]);
    assert_imports("publish/info.rs", "use super::Publish;\nuse crate::publish::Publish;", &[]);
    assert_imports("lib.rs", "pub use crate::cli::main;", &[]);
}

#[test]
fn a_module_without_a_level_is_found() {
    assert_imports(
        "tls/mod.rs",
        "",
        &["src/tls/mod.rs:1: module tls has no level in tests/layers.rs"],
    );
}

#[test]
fn tests_comments_and_literals_are_free() {
    let test =
        "#[cfg(test)]\nmod tests {\n    use crate::server::run;\n    fn f() { None.unwrap() }\n}\n";
    let words = "// crate::server panic!(\n/* /* todo!( */ crate::server */\nconst A: &str = \"crate::server \\\" panic!(\";\n";
    let raw = "const B: &str = r#\"crate::server \" todo!(\"#;\nconst C: (u8, char, &'static [u8]) = (b'\"', '\"', b\"{\");\n";
    let source = Source::new("channel/ring.rs", &format!("{words}{raw}{test}"));
    assert_eq!(wrong_imports(&source), [""; 0]);
    assert_eq!(wrong_words(&source), [""; 0]);
    assert_eq!(source.code.lines().count(), 5);
}

#[test]
fn code_below_a_test_only_item_is_checked() {
    let source = Source::new(
        "channel/ring.rs",
        "#[cfg(test)]\nmod tests;\n#[cfg(test)]\nuse a::b;\nuse crate::server::run;",
    );
    assert_eq!(
        wrong_imports(&source),
        ["src/channel/ring.rs:5: channel must import nothing of the crate, and imports server"]
    );
}

#[test]
fn a_long_file_is_found() {
    let fault = "src/log.rs:301: a file of 301 lines before its tests; 300 are allowed";
    assert_eq!(long_file(&Source::new("log.rs", &"//\n".repeat(300))), None);
    assert_eq!(
        long_file(&Source::new("log.rs", &format!("{}a", "a\n".repeat(300)))).unwrap(),
        fault
    );
}

#[test]
fn a_long_function_is_found() {
    let function = |lines: usize| {
        format!(
            "trait T {{\n    fn t(a: [u8; 2]);\n}}\n\nfn long(f: fn() -> u8) {{{}}}\n",
            "\n".repeat(lines - 1)
        )
    };
    let faults = |lines| long_functions(&Source::new("log.rs", &function(lines)));
    assert_eq!(faults(40), [""; 0]);
    assert_eq!(faults(41), ["src/log.rs:5: fn long has 41 lines; 40 are allowed"]);
}

#[test]
fn a_panic_is_found() {
    let text = "fn f() {\n    None::<u8>.unwrap();\n    a.unwrap_or(1);\n    panic!(\"no\");\n    todo!()\n}";
    assert_eq!(
        wrong_words(&Source::new("log.rs", text)),
        [
            "src/log.rs:2: `unwrap(` outside tests",
            "src/log.rs:4: `panic!(` outside tests",
            "src/log.rs:5: `todo!(` outside tests",
        ]
    );
}

#[test]
fn an_empty_name_is_found() {
    let fault = |path| wrong_name(&Source::new(path, ""));
    assert_eq!(
        fault("framing/utils.rs").unwrap(),
        "src/framing/utils.rs:1: `utils` says nothing of what is inside"
    );
    assert_eq!(
        fault("common/mod.rs").unwrap(),
        "src/common/mod.rs:1: `common` says nothing of what is inside"
    );
    assert_eq!(fault("framing/raw.rs"), None);
}
