//! Nothing is left out in silence: whatever nobody has looked at gets a remark.

use super::{
    read::Directive,
    report::{Kind, Report},
    sense::{Family, Form, Names, Part, Sense},
};

const UNKNOWN: &str = "pushgate does not know it";
const UNUSED: &str = "no location that is carried over looks at it";
const COMPUTED: &str = "pushgate does not compute it for each request: say one value";
/// What a part that guards may say, and guards nothing.
const OFF: &str = "off";
const ROLE: &str = "it does not stand in a location";
const ONE_LOG: &str = "one file is for the whole process";
const CONDITION: &str = "pushgate has no conditions";
const HEADERS: &str = "answers have no headers of one's own";
const MODULE: &str = "pushgate needs no modules of nginx";
const VARIABLE: &str = "nothing that is carried over uses the variable";
const NOT_ASKED: &str = "no location that is carried over passes requests on to it";

/// Says what is to be said of the directives that are not dealt with.
pub(super) fn sweep(names: &Names, directives: &[Directive], report: &mut Report) {
    for directive in directives {
        if !report.knows(directive) {
            let (kind, why) = rest(names, directive);
            report.say(directive, kind, why);
        } else if !report.has_said(directive) || is_kept(names, directive) {
            sweep(names, directive.inner(), report);
        }
    }
}

/// Whether a block is carried over, although something is to be said of it.
fn is_kept(names: &Names, directive: &Directive) -> bool {
    names.is(directive, Part::Http)
}

fn rest(names: &Names, directive: &Directive) -> (Kind, &'static str) {
    let Some((_, sense)) = names.get(&directive.name) else { return (Kind::Dropped, UNKNOWN) };
    match sense {
        Sense::Idle(why) => (Kind::Idle, why),
        Sense::Unless(value, why) if directive.arg() == value => (Kind::Idle, why),
        Sense::Dropped(why) | Sense::Unless(_, why) => (Kind::Dropped, why),
        // Nchan works it out for each request, whatever the location is for.
        Sense::Key(_, form, _) if form != Form::Text && is_computed(directive) => {
            (Kind::Dropped, COMPUTED)
        }
        Sense::Key(..) => (Kind::Idle, UNUSED),
        Sense::Part(part) if guards(part) && directive.arg() != OFF => (Kind::Dropped, UNUSED),
        Sense::Part(part) => match part {
            Part::Publisher | Part::Subscriber | Part::Pubsub | Part::Status | Part::Statistics => {
                (Kind::Dropped, ROLE)
            }
            Part::AccessLog | Part::ErrorLog => (Kind::Dropped, ONE_LOG),
            Part::If => (Kind::Dropped, CONDITION),
            Part::AddHeader => (Kind::Dropped, HEADERS),
            Part::LoadModule => (Kind::Idle, MODULE),
            Part::Set => (Kind::Idle, VARIABLE),
            // One of Redis servers is missed, another that nobody uses is not.
            Part::Upstream => match dropped(names, directive.inner()) {
                Some((_, why)) => (Kind::Dropped, why),
                None => (Kind::Idle, NOT_ASKED),
            },
            _ => (Kind::Idle, UNUSED),
        },
    }
}

fn is_computed(directive: &Directive) -> bool {
    directive.args.iter().any(|arg| arg.contains('$'))
}

/// Whether a part says who may: then it is never said that nobody needs it.
fn guards(part: Part) -> bool {
    matches!(
        part,
        Part::Allow
            | Part::Deny
            | Part::Satisfy
            | Part::AuthBasic
            | Part::AuthRequest
            | Part::LimitExcept
            | Part::SecureLink
            | Part::Internal
            | Part::Authorize
            | Part::PublishHook
            | Part::RealIpFrom
    )
}

/// The directive of a block that is missed most, and why it is not carried over: one of a push module
/// rather than one of nginx.
pub(super) fn dropped<'t>(
    names: &Names,
    directives: &'t [Directive],
) -> Option<(&'t Directive, &'static str)> {
    let found = directives.iter().filter_map(|directive| match names.get(&directive.name)? {
        (family, Sense::Dropped(why)) => Some((family == Family::Nginx, directive, why)),
        (family, Sense::Unless(value, why)) if directive.arg() != value => {
            Some((family == Family::Nginx, directive, why))
        }
        _ => None,
    });
    found.min_by_key(|(nginx, ..)| *nginx).map(|(_, directive, why)| (directive, why))
}
