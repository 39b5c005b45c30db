//! The files that a pattern of `include` means, as `glob(3)` finds them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Whether a path has something of a pattern.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The files of a pattern, in the order of their names; folders that cannot be read have none.
pub(super) fn expand(pattern: &str) -> Vec<PathBuf> {
    let start = if pattern.starts_with('/') { "/" } else { "" };
    let mut found = vec![PathBuf::from(start)];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found.into_iter().flat_map(|folder| within(&folder, part)).collect();
    }
    found.retain(|path| path.exists());
    found
}

/// The entries of a folder whose names fit.
fn within(folder: &Path, part: &str) -> Vec<PathBuf> {
    if !is_pattern(part) {
        return vec![folder.join(part)];
    }
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(listed).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| fits(part, name)).collect();
    names.sort_unstable();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// Whether a name fits a pattern; one that begins with a dot has to be asked for by that dot.
fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut here) = (0, 0);
    // Where the last star stands, and how far it reaches by now.
    let mut star: Option<(usize, usize)> = None;
    while here < name.len() {
        if pattern.get(at) == Some(&'*') {
            star = Some((at, here));
            at += 1;
        } else if let Some(next) = one(&pattern, at, name[here]) {
            (at, here) = (next, here + 1);
        } else if let Some((back, reach)) = star {
            star = Some((back, reach + 1));
            (at, here) = (back + 1, reach + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

/// What follows the part of a pattern that fits a character; none: it does not fit.
fn one(pattern: &[char], at: usize, c: char) -> Option<usize> {
    match pattern.get(at)? {
        '?' => Some(at + 1),
        '[' => {
            // A bracket that comes first is one of the set.
            let close = pattern.iter().skip(at + 2).position(|c| *c == ']').map(|n| at + 2 + n);
            let Some(close) = close else { return (c == '[').then_some(at + 1) };
            let set = &pattern[at + 1..close];
            let (negated, set) = match set.split_first() {
                Some(('!' | '^', rest)) => (true, rest),
                _ => (false, set),
            };
            (is_in(set, c) != negated).then_some(close + 1)
        }
        '\\' => (pattern.get(at + 1) == Some(&c)).then_some(at + 2),
        same => (*same == c).then_some(at + 1),
    }
}

fn is_in(set: &[char], c: char) -> bool {
    let ranges = set.windows(3).filter(|three| three[1] == '-');
    set.contains(&c) || ranges.into_iter().any(|three| (three[0]..=three[2]).contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_in_a_shell() {
        for (pattern, name) in [
            ("*", "a"),
            ("*.conf", "a.conf"),
            ("a*b*c", "axbybzc"),
            ("?.conf", "ä.conf"),
            ("[a-c]1", "b1"),
            ("[!a-c]1", "d1"),
            ("[]x]", "]"),
            (".*", ".a"),
            ("[", "["),
            (r"\*", "*"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.conf", "a.conf~"),
            ("*", ".a"),
            ("?", ""),
            ("[a-c]", "d"),
            ("[!a-c]", "b"),
            ("a*b", "a"),
            (r"\*", "a"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        // Stars do not multiply the work.
        assert!(!fits(&"*a".repeat(50), &"a".repeat(49)));
    }

    #[test]
    fn files_are_found_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", "c.txt", ".d.conf"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let root = folder.path().display();
        let found = |pattern: &str| -> Vec<_> {
            let paths = expand(&format!("{root}/{pattern}")).into_iter();
            paths.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(found("*.conf"), ["a.conf", "b.conf"]);
        assert_eq!(found("[b-c].*"), ["b.conf", "c.txt"]);
        assert_eq!(found("x/*.conf"), [""; 0]);
    }
}
