//! Questions for the application: whoever is asked has to be there.

use super::{
    access,
    level::Origin,
    read::Directive,
    report::{Kind, Report},
    sense::Roles,
    value::Value,
    write::Location,
};
use crate::{
    config::Template,
    router::{Pattern, Router},
};

/// A question that a location asks.
#[derive(Debug)]
pub(super) struct Hook<'t> {
    pub(super) directive: &'t Directive,
    pub(super) key: &'static str,
    /// The path of the location that is asked, with arguments.
    pub(super) uri: String,
    pub(super) origin: Origin,
    pub(super) roles: Roles,
    /// Whether nobody may be served when it cannot be asked.
    pub(super) guard: bool,
}

/// A location that is there for questions alone: the URL that is asked in its place, and its keys.
#[derive(Debug)]
pub(super) struct Asked<'t> {
    pub(super) directive: &'t Directive,
    pub(super) pattern: Pattern,
    pub(super) url: String,
    pub(super) location: Location,
}

const NO_ONE: &str = "the location that it asks is not carried over";
const NOTICE: &str = "the application decides by its answer whether somebody may stay";

/// Writes the questions of locations down.
pub(super) fn resolve<'t>(
    carried: &mut [(Location, Vec<Hook<'t>>)],
    asked: &[Asked<'t>],
    report: &mut Report,
) {
    let parsed = |location: &Location| Pattern::parse(&location.path).ok();
    let patterns: Vec<_> = carried.iter().filter_map(|(location, _)| parsed(location)).collect();
    let proxies: Vec<_> =
        carried.iter().map(|(location, _)| location.roles.meet(Roles::PROXY)).collect();
    let router = Router::new(patterns.iter().chain(asked.iter().map(|asked| &asked.pattern)));
    for ((location, hooks), pattern) in carried.iter_mut().zip(&patterns) {
        for hook in std::mem::take(hooks) {
            let path = hook.uri.split('?').next().unwrap_or_default();
            let found = router.find(path.as_bytes()).map(|found| found.location);
            let answer = match found {
                Some(at) if proxies.get(at) == Some(&true) => Ok(None),
                Some(at) => asked.get(at.wrapping_sub(proxies.len())).map(Some).ok_or(NO_ONE),
                None if path.contains('$') && path.starts_with('/') => Ok(None),
                None => Err(NO_ONE),
            };
            let written = answer.map_err(str::to_owned).and_then(|asked| match asked {
                None => Ok(hook.uri.clone()),
                Some(asked) => ask(location, asked, pattern, report),
            });
            match written {
                Ok(uri) => {
                    if hook.key == "push_subscribe_request" {
                        report.say(hook.directive, Kind::Differs, NOTICE);
                    }
                    location.entries.set(hook.key, Value::Text(uri), hook.origin, hook.roles);
                }
                Err(why) if hook.guard => {
                    report.say(hook.directive, Kind::Closed, why.clone());
                    access::close(location, hook.directive, &why);
                }
                Err(why) => report.say(hook.directive, Kind::Dropped, why),
            }
        }
    }
}

/// The URL that a location asks itself, with the headers and timeouts of the one that is not there.
fn ask(
    location: &mut Location,
    asked: &Asked<'_>,
    pattern: &Pattern,
    report: &mut Report,
) -> Result<String, String> {
    Template::parse(&asked.url, pattern).map_err(|error| error.to_string())?;
    for entry in asked.location.entries.0.iter().filter(|entry| entry.key.starts_with("proxy_")) {
        location.entries.set(entry.key, entry.value.clone(), Origin::Location, Roles::ANY);
    }
    report.carry(asked.directive);
    Ok(asked.url.clone())
}
