//! What nginx.conf says once is said once.
//!
//! Where every location that looks at a key has it, what comes from a level above may stand there, and
//! those that differ keep their own. A location that does not look at a key may inherit it without a
//! difference, so the file means the same.

use std::collections::BTreeMap;

use super::{
    level::Origin,
    sense::Roles,
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

/// Moves what locations have from above to their server, and what all servers have to the root.
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
            let same = |own: &Entry| own.value == entry.value;
            if location.entries.get(entry.key).is_some_and(same) {
                location.entries.remove(entry.key);
            }
        }
    }
}

/// The entries that may stand above these locations, where nginx had them or above.
fn common(locations: &[&Location], highest: Origin) -> Vec<Entry> {
    let mut found: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in locations.iter().flat_map(|location| &location.entries.0) {
        found.entry(entry.key).or_default().push(entry);
    }
    let outer = |entries: &[&Entry]| {
        let roles = entries.iter().fold(Roles::NONE, |roles, entry| roles | entry.roles);
        let looking = locations.iter().filter(|location| location.roles.meet(roles)).count();
        let outer: Vec<_> = entries.iter().filter(|entry| entry.origin <= highest).collect();
        let first: &Entry = outer.first()?;
        let same = outer.iter().all(|entry| entry.value == first.value);
        let said = outer.iter().any(|entry| entry.origin != Origin::Family);
        // What a module does of itself is told once where it is so everywhere.
        let worth = said || outer.len() > 1 && outer.len() == entries.len();
        let every = entries.len() == looking;
        (same && worth && every && !OWN.contains(&first.key)).then(|| first.clone())
    };
    found.values().filter_map(|entries| outer(entries)).collect()
}
