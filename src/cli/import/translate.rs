//! From nginx's tree to pushgate's file.

use std::{collections::HashMap, rc::Rc};

use super::{
    hoist::hoist,
    level::Level,
    listen::is_default,
    read::{Directive, Tree},
    report::Report,
    root::{root, upstream},
    sense::{Family, Names, Part, Sense},
    site::Site,
    sweep::sweep,
    value::Value,
    write::{File, Server},
};

/// What becomes of a tree: the file, and what is to be said of it.
pub(super) fn translate(tree: &Tree) -> (File, Report) {
    let names = Names::new(is_nchan(&tree.directives));
    let mut report = Report::new(tree.files.clone());
    let mut file = File::default();
    let top = Level::new(&names, &tree.directives);
    for (_, http) in top.parts(Part::Http) {
        report.carry(http);
        let level = Rc::new(Level::new(&names, http.inner()));
        file.servers.extend(servers(&names, &level, &mut report));
        let upstreams: HashMap<&str, &Directive> = level
            .parts(Part::Upstream)
            .map(|(_, directive)| (directive.arg(), directive))
            .collect();
        for name in used(&file) {
            let Some(directive) = upstreams.get(name.as_str()) else { continue };
            if !report.knows(directive) {
                file.upstreams.extend(upstream(&names, directive, &mut report));
            }
        }
        root(&names, &top, &level, &mut file, &mut report);
    }
    file.upstreams.sort_by_key(|upstream| upstream.place);
    hoist(&mut file);
    sweep(&names, &tree.directives, &mut report);
    (file, report)
}

/// Whether Nchan is loaded, or at least used.
fn is_nchan(directives: &[Directive]) -> bool {
    fn within(names: &Names, directives: &[Directive]) -> bool {
        directives.iter().any(|directive| match names.get(&directive.name) {
            Some((Family::Nchan, _)) => true,
            Some((_, Sense::Part(Part::LoadModule))) => directive.arg().contains("nchan"),
            _ => within(names, directive.inner()),
        })
    }
    within(&Names::new(false), directives)
}

/// The servers, those first that answer for unknown hosts.
fn servers<'t>(names: &Names, http: &Rc<Level<'t>>, report: &mut Report) -> Vec<Server> {
    let mut found: Vec<&'t Directive> =
        http.parts(Part::Server).map(|(_, directive)| directive).collect();
    found.sort_by_key(|server| !is_default(names, server));
    let made = found
        .into_iter()
        .filter_map(|server| Site::new(names, report, Rc::clone(http)).server(server));
    made.collect()
}

/// What may be the names of upstreams.
fn used(file: &File) -> Vec<String> {
    let locations = file.servers.iter().flat_map(|server| &server.locations);
    let entries = locations.flat_map(|location| &location.entries.0);
    let texts = entries.filter_map(|entry| match &entry.value {
        Value::Text(text) => text.strip_prefix("http://"),
        _ => None,
    });
    texts.map(|rest| rest.split(['/', '?']).next().unwrap_or_default().to_owned()).collect()
}
