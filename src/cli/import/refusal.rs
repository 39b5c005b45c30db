//! What turned requests away in nginx before they came to what a location is for.

use std::{collections::HashSet, rc::Rc};

use super::{
    level::{Chain, Level, Slot},
    lost::Reach,
    names::guard,
    read::Directive,
    sense::{Family, Names, Part},
};

/// The variable that the push module looks at without being told.
const CHANNEL_ID: &str = "push_channel_id";

/// The directive that turned requests of a location away, or some of them, which pushgate has nothing
/// for: on the level of the server and of the location itself what rewrites, on all levels what asks
/// who it is.
pub(super) fn refusal<'t>(
    names: &Names,
    levels: &[Rc<Level<'t>>],
    reach: Reach<'_>,
    returns: impl Fn(&Directive) -> bool,
) -> Option<&'t Directive> {
    let server = levels.get(1).filter(|_| levels.len() > 2);
    let rewriting = server.into_iter().chain(levels.last()).flat_map(|level| level.all);
    let mut rewriting = rewriting.filter(|directive| match directive.name.as_str() {
        "return" => returns(directive),
        "rewrite" => leads_away(directive) && Reach::regex(directive.arg()).meets(reach),
        "if" => !directive.inner().iter().all(|inner| is_harmless(inner, levels)),
        _ => false,
    });
    rewriting.next().or_else(|| keeper(names, levels))
}

/// What asks who it is; the innermost of a name counts.
fn keeper<'t>(names: &Names, levels: &[Rc<Level<'t>>]) -> Option<&'t Directive> {
    let mut outer: HashSet<&str> = HashSet::new();
    for level in levels.iter().rev() {
        let mut own = level.all.iter().filter(|directive| !outer.contains(directive.name.as_str()));
        let known = |directive: &Directive| names.get(&directive.name).is_some();
        let found = own.find(|directive| guard::keeps_out(directive, known(directive)));
        if found.is_some() {
            return found;
        }
        outer.extend(level.all.iter().map(|directive| directive.name.as_str()));
    }
    None
}

/// Whether a `rewrite` may end in another location, or with the client.
fn leads_away(rewrite: &Directive) -> bool {
    let [_, target, flag] = rewrite.args.as_slice() else { return true };
    let elsewhere = ["http://", "https://", "$scheme"];
    flag != "break" || elsewhere.iter().any(|begin| target.starts_with(begin))
}

/// Whether a request goes on after a directive in an `if` as it would have without it.
fn is_harmless(inner: &Directive, levels: &[Rc<Level<'_>>]) -> bool {
    if inner.name != "set" {
        return guard::HARMLESS.contains(&inner.name.as_str());
    }
    let name = inner.arg().trim_start_matches('$').to_ascii_lowercase();
    let (plain, braced) = (format!("${name}"), format!("${{{name}}}"));
    let mut others = levels.iter().flat_map(|level| level.all).filter(|other| other.name != "if");
    let mentions = |text: &String| {
        let text = text.to_ascii_lowercase();
        text.contains(&plain) || text.contains(&braced)
    };
    let used = others.any(|other| {
        let args = if other.name == "set" { other.args.get(1..) } else { Some(&other.args[..]) };
        args.unwrap_or_default().iter().any(mentions)
    });
    !used && name != CHANNEL_ID
}

/// What kept somebody out of a location that is not carried over, so that its requests may not go to
/// another location.
pub(super) fn guard<'t>(
    names: &Names,
    levels: &[Rc<Level<'t>>],
    reach: Reach<'_>,
) -> Option<&'t Directive> {
    let chain = Chain { levels: levels.to_vec(), family: Family::Nginx };
    let rules = chain.nearest(&[Slot::Part(Part::Allow), Slot::Part(Part::Deny)]);
    let denies = rules.and_then(|(rules, _)| rules.into_iter().find(|rule| rule.name == "deny"));
    let own = [Part::Internal, Part::LimitExcept];
    let own = own.iter().find_map(|part| chain.own(*part));
    let asked = [Part::AuthBasic, Part::AuthRequest, Part::SecureLink].iter();
    let mut asked = asked.filter_map(|part| chain.part(*part)).map(|(directive, _)| directive);
    let asked = asked.find(|directive| directive.arg() != "off");
    // Of whatever module.
    let authorize = || levels.iter().rev().find_map(|level| level.part(Part::Authorize));
    own.or(denies)
        .or(asked)
        .or_else(authorize)
        .or_else(|| refusal(names, levels, reach, |answer| !answer.arg().starts_with('2')))
}
