//! What all locations say that look at a key is said once, on the level above them.
//!
//! A location that does not look at a key may inherit it without a difference, so the file means the
//! same. A key does not rise above the level on which nginx had it.

use std::collections::BTreeMap;

use super::{
    sense::{Origin, Roles},
    value::Value,
    write::{Entry, File, Location},
};

/// The keys that say what one location is for; they mean something different on the levels above.
const OWN: [&str; 8] = [
    "internal",
    "proxy_pass",
    "push_publisher",
    "push_subscriber",
    "push_pubsub",
    "push_status",
    "push_channels_status",
    "push_health",
];

/// Moves what the locations have in common to their server, and that of all servers to the root.
pub(super) fn hoist(file: &mut File) {
    let all: Vec<&Location> = file.servers.iter().flat_map(|server| &server.locations).collect();
    let common = common(&all, Origin::Http);
    drop(all);
    for server in &mut file.servers {
        remove(&mut server.locations, &common);
    }
    for entry in common {
        file.entries.set(entry.key, entry.value, entry.origin, entry.roles);
    }
    for server in &mut file.servers {
        let locations: Vec<&Location> = server.locations.iter().collect();
        let common = self::common(&locations, Origin::Server);
        remove(&mut server.locations, &common);
        for entry in common {
            server.entries.set(entry.key, entry.value, entry.origin, entry.roles);
        }
    }
}

fn remove(locations: &mut [Location], entries: &[Entry]) {
    for location in locations {
        for entry in entries {
            location.entries.remove(entry.key);
        }
    }
}

/// The entries that may stand above these locations, where nginx had them or above.
fn common(locations: &[&Location], highest: Origin) -> Vec<Entry> {
    let mut found: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in locations.iter().flat_map(|location| &location.entries.0) {
        found.entry(entry.key).or_default().push(entry);
    }
    let fits = |entries: &[&Entry]| {
        let first: &Entry = entries.first()?;
        let roles = entries.iter().fold(Roles::NONE, |roles, entry| roles | entry.roles);
        let looking = locations.iter().filter(|location| location.roles.meet(roles)).count();
        let same = |value: &Value| *value == first.value;
        let said = entries.iter().any(|entry| entry.origin != Origin::Family);
        let may = entries.iter().all(|entry| entry.origin <= highest && same(&entry.value));
        let all = entries.len() == looking;
        (may && all && (said || entries.len() > 1) && !OWN.contains(&first.key))
            .then(|| first.clone())
    };
    found.values().filter_map(|entries| fits(entries)).collect()
}
