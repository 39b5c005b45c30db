//! Locations of the push modules: their channels, buffers, timeouts and origins.

use super::{
    level::{Origin, Slot},
    location::Build,
    names::variable::CHANNEL_ID,
    read::Directive,
    report::Kind,
    role::Role,
    sense::{Form, Part, Roles},
    value::Value,
};

const PUB: Roles = Roles::PUBLISHER;
const SUB: Roles = Roles::SUBSCRIBER;
const BOTH: Roles = Roles::CHANNEL;

const NO_CHANNEL: &str = "it does not say which channels are meant";
const ANY_ORIGIN: &str =
    "pages of all hosts may use it; name those that should in push_allowed_origins";

impl<'t> Build<'_, 't> {
    /// The push module has what pushgate has.
    pub(super) fn push_module(&mut self) {
        self.channels(&[]);
        self.buffers();
        self.untyped("the push module");
        self.headers_of_origins();
    }

    /// The channels that a directive or `set` names.
    pub(super) fn channels(&mut self, parts: &[Part]) {
        let named = parts.iter().find_map(|part| self.chain.part(*part));
        let set = CHANNEL_ID.iter().find_map(|name| Some((*name, self.sets.get(name)?)));
        let (texts, origin) = match (named, set) {
            (Some((directive, origin)), _) => {
                self.report.carry(directive);
                (directive.args.clone(), origin)
            }
            (None, Some((name, _))) => (vec![format!("${name}")], Origin::Location),
            (None, None) => {
                self.fatal = Some(NO_CHANNEL.to_owned());
                return;
            }
        };
        let ids: Result<Vec<_>, _> = texts.iter().map(|text| self.text(text)).collect();
        match ids {
            Ok(ids) if ids.iter().any(String::is_empty) => self.fatal = Some(NO_CHANNEL.to_owned()),
            Ok(ids) => {
                let value = match &ids[..] {
                    [id] => Value::text(id),
                    _ => Value::List(ids),
                };
                self.out.entries.set("push_channel_id", value, origin, BOTH);
            }
            Err(why) => self.fatal = Some(why),
        }
    }

    /// `push_message_buffer_length` sets both lengths; the nearer directive counts for each.
    fn buffers(&mut self) {
        if !self.out.roles.meet(PUB) {
            return;
        }
        for key in ["push_min_message_buffer_length", "push_max_message_buffer_length"] {
            let slots = [Slot::Key(key), Slot::Part(Part::BufferLength)];
            let Some((found, origin)) = self.chain.nearest(&slots) else { continue };
            let Some(directive) = found.last() else { continue };
            match self.value(directive, Form::Count) {
                Ok(value) => {
                    self.report.carry(directive);
                    self.out.entries.set(key, value, origin, PUB);
                }
                Err(why) => self.report.say(directive, Kind::Dropped, why),
            }
        }
    }

    /// Messages that come without a type stay without one in the push module and in Nchan.
    pub(super) fn untyped(&mut self, module: &str) {
        if let Some(directive) = self.chain.own(Part::DefaultType)
            && self.out.roles.meet(SUB)
        {
            let why = format!(
                "{module} gives it to no message; here it would be that of messages without one"
            );
            self.report.say(directive, Kind::Idle, why);
        }
    }

    /// What a module says of origins by a directive of its own, or `add_header` does; else all of them,
    /// if that is the module's way.
    pub(super) fn all_origins(&mut self, role: &Role<'t>, any: bool) {
        if let Some((directive, origin)) = self.chain.part(Part::Origins) {
            let text = directive.args.join(" ");
            self.allow_origins(directive, &text, origin);
        }
        self.headers_of_origins();
        let said = self.speaks_of_origins();
        if any && !said {
            self.any_origin(role);
        }
    }

    /// Whether something is said of origins, even if it could not be carried over.
    fn speaks_of_origins(&self) -> bool {
        self.chain.part(Part::Origins).is_some()
            || self.out.entries.get("push_allowed_origins").is_some()
    }

    fn allow_origins(&mut self, directive: &'t Directive, text: &str, origin: Origin) {
        let key = "push_allowed_origins";
        let origins: Vec<&str> = text.split_ascii_whitespace().collect();
        if origins.iter().any(|origin| *origin == "*" || *origin == "$http_origin") {
            self.report.say(directive, Kind::Open, ANY_ORIGIN);
            self.out.entries.set(key, Value::list(&["*"]), origin, BOTH);
        } else if origins.iter().all(|origin| is_origin(origin)) {
            self.report.carry(directive);
            self.out.entries.set(key, Value::list(&origins), origin, BOTH);
        } else {
            let why = "origins are named, like https://example.org; until then pages of the same host may listen";
            self.report.say(directive, Kind::Dropped, why);
        }
    }

    /// Whether the origins are named, so that cookies may come along.
    pub(super) fn names_origins(&self) -> bool {
        let entry = self.out.entries.get("push_allowed_origins");
        entry.is_some_and(|entry| entry.value != Value::list(&["*"]))
    }

    /// All origins, as the module has it when nothing is said.
    fn any_origin(&mut self, role: &Role<'t>) {
        self.default("push_allowed_origins", Value::list(&["*"]), BOTH);
        if let Some(directive) = role.directives.last() {
            self.report.say(directive, Kind::Open, ANY_ORIGIN);
        }
    }

    /// Headers that `add_header` says; those of other origins have keys.
    pub(super) fn headers_of_origins(&mut self) {
        let slots = [Slot::Part(Part::AddHeader)];
        let Some((found, origin)) = self.chain.nearest(&slots) else { return };
        for directive in found {
            let value = directive.args.get(1).map_or("", String::as_str);
            match directive.arg().to_ascii_lowercase().as_str() {
                "access-control-allow-origin" => {
                    if self.out.entries.get("push_allowed_origins").is_none() {
                        self.allow_origins(directive, value, origin);
                    }
                }
                "access-control-allow-credentials" if self.names_origins() => {
                    self.report.carry(directive);
                    let value = Value::Flag(value == "true");
                    self.out.entries.set("push_allow_credentials", value, origin, BOTH);
                }
                "access-control-allow-credentials" => {
                    let why = "cookies of other hosts' pages come along where push_allowed_origins names the hosts";
                    self.report.say(directive, Kind::Dropped, why);
                }
                name if GIVEN.contains(&name) => {
                    self.report.say(directive, Kind::Idle, "pushgate sends what is needed of it");
                }
                _ => self.report.say(
                    directive,
                    Kind::Dropped,
                    "answers have no headers of one's own",
                ),
            }
        }
    }
}

/// Headers that answers have where they need them.
const GIVEN: [&str; 7] = [
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-expose-headers",
    "access-control-max-age",
    "cache-control",
    "expires",
    "x-accel-buffering",
];

/// Whether it looks like `scheme://host`.
fn is_origin(text: &str) -> bool {
    let host = text.split_once("://").map(|(_, host)| host);
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', '$']))
}
