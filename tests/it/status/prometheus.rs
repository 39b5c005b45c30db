//! Prometheus' text format 0.0.4, read as strictly as `promtool check metrics` reads it.

use std::collections::{BTreeMap, BTreeSet};

/// Values by name and labels as they are written.
pub type Samples = BTreeMap<String, u64>;

/// Reads a page; anything that is not as it should be fails the test.
pub fn parse(text: &str) -> Samples {
    assert!(text.ends_with('\n') && !text.contains('\r'), "{text:?}");
    let (mut samples, mut families) = (Samples::new(), BTreeSet::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line.strip_prefix("# HELP ").unwrap().split_once(' ').unwrap();
        assert!(is_name(name), "{line}");
        assert!(help.ends_with('.') && !help.contains('\\'), "{line}");
        assert!(families.insert(name), "twice: {name}");
        let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap();
        assert!(matches!(kind, "counter" | "gauge"), "{line}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        for unit in ["kilobytes", "milliseconds", "minutes", "percent"] {
            assert!(!name.contains(unit), "not a base unit: {name}");
        }
        let mut own = 0;
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert_eq!(series.split('{').next().unwrap(), name);
            check_labels(series);
            // What is counted here has no fractions.
            let value: u64 = value.parse().unwrap();
            assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {series}");
            own += 1;
        }
        assert!(own > 0, "no sample of {name}");
    }
    assert!(!samples.is_empty());
    samples
}

fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

fn check_labels(series: &str) {
    let Some((_, labels)) = series.split_once('{') else { return };
    let labels = labels.strip_suffix('}').unwrap();
    let mut names = BTreeSet::new();
    for label in labels.split(',') {
        let (name, value) = label.split_once('=').unwrap();
        assert!(is_name(name) && names.insert(name), "{series}");
        let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        assert!(!value.contains(['"', '\\', '\n']), "{series}");
    }
}
