//! One location: what it is for, and what becomes of it.

use super::{
    hooks::Hook,
    level::{Chain, Origin, Slot},
    read::Directive,
    report::{Kind, Report},
    role::Role,
    sense::{Family, Form, Names, Part, Roles},
    value::{self, Value},
    variable::{Sets, Texts},
    write::{Entries, Location},
};
use crate::router::Pattern;

/// What becomes of a location of nginx.
#[derive(Debug)]
pub(super) enum Outcome<'t> {
    /// A location, and what is asked about its requests.
    Carried(Location, Vec<Hook<'t>>),
    /// Nothing by itself: those that ask it ask the application at this URL.
    Asked(String, Location),
    /// Nothing; why.
    Not(String),
}

/// Makes one location.
#[derive(Debug)]
pub(super) struct Build<'a, 't> {
    pub(super) names: &'a Names,
    pub(super) report: &'a mut Report,
    pub(super) chain: Chain<'t>,
    pub(super) sets: Sets<'t>,
    pub(super) pattern: Pattern,
    pub(super) directive: &'t Directive,
    pub(super) out: Location,
    pub(super) hooks: Vec<Hook<'t>>,
    /// What it cannot do without, and cannot have.
    pub(super) fatal: Option<String>,
}

/// The `path` of a location; none: it is one that only nginx itself leads to.
pub(super) fn path(directive: &Directive) -> Option<String> {
    let path = directive.args.join(" ");
    (!path.is_empty() && !path.starts_with('@')).then_some(path)
}

impl<'a, 't> Build<'a, 't> {
    pub(super) fn new(
        names: &'a Names,
        report: &'a mut Report,
        chain: Chain<'t>,
        directive: &'t Directive,
        pattern: Pattern,
    ) -> Self {
        let sets = Sets::new(&chain);
        let out = Location {
            place: directive.place,
            path: pattern.to_string(),
            roles: Roles::NONE,
            entries: Entries::default(),
            notes: Vec::new(),
        };
        Self { names, report, chain, sets, pattern, directive, out, hooks: Vec::new(), fatal: None }
    }

    /// What becomes of it.
    pub(super) fn finish(mut self) -> Outcome<'t> {
        let role = match Role::of(&self.chain) {
            Ok(role) => role,
            Err(why) => return Outcome::Not(why),
        };
        self.chain.family = role.family;
        self.out.roles = role.roles();
        let asked = match role.pass {
            Some(pass) => match self.pass(pass) {
                Ok(asked) => asked,
                Err(why) => return Outcome::Not(why),
            },
            None => None,
        };
        if self.out.roles.meet(Roles::CHANNEL) {
            self.listen_and_publish(&role);
        }
        self.role_keys(&role);
        if let Some(internal) = self.chain.own(Part::Internal) {
            self.report.carry(internal);
            self.set("internal", Value::Flag(true));
        }
        self.keys();
        self.real_ip();
        self.access(&role);
        self.forged();
        match (self.fatal, asked) {
            (Some(why), _) => Outcome::Not(why),
            (None, Some(url)) => Outcome::Asked(url, self.out),
            (None, None) => {
                self.report.carry(self.directive);
                self.report.carry_all(&role.directives);
                Outcome::Carried(self.out, self.hooks)
            }
        }
    }

    fn listen_and_publish(&mut self, role: &Role<'t>) {
        match role.family {
            Family::Nchan => self.nchan(role),
            Family::PushModule => self.push_module(),
            Family::PushStream => self.push_stream(role),
            Family::Nginx => {}
        }
    }

    /// The keys that say what it is for.
    fn role_keys(&mut self, role: &Role<'t>) {
        let publishes = role.publisher;
        let transports = Value::list(&role.transports);
        match (publishes, role.transports.is_empty()) {
            (true, false) => {
                self.set("push_pubsub", Value::Flag(true));
                self.set("push_subscriber", transports);
            }
            (true, true) => self.set("push_publisher", Value::Flag(true)),
            (false, false) => self.set("push_subscriber", transports),
            (false, true) => {}
        }
        if let Some((key, values)) = role.status {
            self.shown(role);
            self.set(key, Value::Flag(true));
            for (key, text) in values {
                self.set(key, Value::text(*text));
            }
        }
        let (dialect, speaks) = match role.family {
            Family::Nchan => ("nchan", Roles::CHANNEL),
            // Its statistics, too.
            Family::PushStream => ("push_stream", Roles::ANY),
            Family::Nginx | Family::PushModule => return,
        };
        if self.out.roles.meet(speaks) {
            self.default("push_dialect", Value::text(dialect), speaks);
        }
    }

    /// The statistics of the push stream module are about the channels that the argument `id` names.
    fn shown(&mut self, role: &Role<'t>) {
        if role.family != Family::PushStream {
            return;
        }
        if let Some((path, _)) = self.chain.part(Part::ChannelId) {
            if path.arg() == "$arg_id" {
                self.report.carry(path);
            } else {
                let why = "the channels are those that the argument id names";
                self.report.say(path, Kind::Differs, why);
            }
        }
    }

    /// The keys whose values mean the same in both.
    fn keys(&mut self) {
        let family = self.chain.family;
        for (key, form, roles) in self.names.keys(family, self.out.roles) {
            let Some((directive, origin)) = self.chain.one(Slot::Key(key)) else { continue };
            match self.value(directive, form) {
                Ok(value) => {
                    self.report.carry(directive);
                    self.out.entries.set(key, value, origin, roles);
                }
                // Without its group a channel would be another.
                Err(why) if key == "push_channel_group" => self.fatal = Some(why),
                Err(why) => self.report.say(directive, Kind::Dropped, why),
            }
        }
        self.mend_body_size();
    }

    /// In nginx 0 is any size; here only where requests are passed on.
    fn mend_body_size(&mut self) {
        let size = self.out.entries.get("client_max_body_size");
        let unlimited = size.is_some_and(|entry| entry.value == Value::Number(0));
        if unlimited && !self.out.roles.meet(Roles::PROXY) {
            self.set("client_max_body_size", Value::text("1g"));
        }
    }

    /// A value of one argument.
    pub(super) fn value(&mut self, directive: &Directive, form: Form) -> Result<Value, String> {
        let text = directive.arg();
        let value = match form {
            Form::Count => value::count(text),
            Form::Flag => value::flag(text).map(Value::Flag),
            Form::Size => value::size(text),
            Form::Time => value::time(&directive.args.join(" ")).map(value::duration),
            Form::Word => Some(Value::text(text)),
            Form::Text => return self.text(text).map(Value::Text),
        };
        value.ok_or_else(|| unread(text, form))
    }

    /// A text with variables.
    pub(super) fn text(&mut self, text: &str) -> Result<String, String> {
        let texts = Texts { sets: &self.sets, pattern: &self.pattern };
        texts.translate(text, self.report)
    }

    /// Sets a key of the location's own.
    pub(super) fn set(&mut self, key: &'static str, value: Value) {
        self.out.entries.set(key, value, Origin::Location, self.out.roles);
    }

    /// Sets a key of which nginx.conf says nothing, because the module's way is not pushgate's.
    pub(super) fn default(&mut self, key: &'static str, value: Value, roles: Roles) {
        self.out.entries.set(key, value, Origin::Family, roles);
    }

    /// Sets what a part says; if it cannot be read, that is said.
    pub(super) fn carry(
        &mut self,
        part: Part,
        form: Form,
        key: &'static str,
        roles: Roles,
    ) -> bool {
        let Some((directive, origin)) = self.chain.part(part) else { return false };
        match self.value(directive, form) {
            Ok(value) => {
                self.report.carry(directive);
                self.out.entries.set(key, value, origin, roles);
            }
            Err(why) => self.report.say(directive, Kind::Dropped, why),
        }
        true
    }
}

/// Why a value could not be read.
fn unread(text: &str, form: Form) -> String {
    if text.contains('$') {
        return "pushgate does not compute it for each request: say one value".to_owned();
    }
    let wanted = match form {
        Form::Count => "number",
        Form::Flag => "`on` or `off`",
        Form::Size => "size",
        Form::Time => "time",
        Form::Text | Form::Word => "text",
    };
    format!("{text:?} is no {wanted}")
}
