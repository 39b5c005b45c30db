//! Who may: what guarded a location in nginx guards it here, or nobody gets in.

use super::{
    hooks::Hook,
    level::{Level, Origin, Slot},
    location::Build,
    names::guard,
    read::Directive,
    report::Kind,
    role::Role,
    sense::{Part, Roles},
    value::Value,
    write::Location,
};
use crate::access::Rule;

const OPEN: &str = "who may use it is not limited: say so with access";

impl<'t> Build<'_, 't> {
    pub(super) fn access(&mut self, role: &Role<'t>) {
        let slots = [Slot::Part(Part::Allow), Slot::Part(Part::Deny)];
        let rules = self.chain.nearest(&slots);
        for directive in rules.iter().flat_map(|(rules, _)| rules) {
            self.report.carry(directive);
        }
        let mut texts = Vec::new();
        for directive in rules.iter().flat_map(|(rules, _)| rules) {
            let text = format!("{} {}", directive.name, directive.arg());
            match text.parse::<Rule>() {
                Ok(_) => texts.push(text),
                Err(error) => return self.close(directive, &error.to_string()),
            }
        }
        let limited = !texts.is_empty();
        if let Some((_, origin)) = rules {
            self.out.entries.set("access", Value::List(texts), origin, Roles::ANY);
        }
        self.guards(limited);
        if !limited && self.out.entries.get("access").is_none() {
            self.admit(role);
        }
    }

    /// nginx admits everybody where nothing is said; pushgate's own default is narrower.
    fn admit(&mut self, role: &Role<'t>) {
        let internal = self.out.entries.get("internal").is_some();
        if !internal && self.out.roles.meet(Roles::PUBLISHER | Roles::STATUS) {
            self.default("access", Value::list(&["allow all"]), Roles::ANY);
            if let Some(directive) = role.directives.first() {
                self.report.say(directive, Kind::Open, OPEN);
            }
        }
    }

    /// What else is in the way of a request.
    fn guards(&mut self, limited: bool) {
        let any = self.chain.part(Part::Satisfy).filter(|(satisfy, _)| satisfy.arg() == "any");
        if let Some((satisfy, _)) = any.filter(|_| limited) {
            let why = "the addresses decide alone: who had another way in has none";
            self.report.say(satisfy, Kind::Differs, why);
            return;
        }
        if let Some((satisfy, _)) = self.chain.part(Part::Satisfy) {
            self.report.carry(satisfy);
        }
        for part in [Part::AuthBasic, Part::LimitExcept, Part::SecureLink, Part::If] {
            let found = match part {
                // These are for the block in which they stand alone.
                Part::If | Part::LimitExcept => self.chain.own(part),
                _ => self.chain.part(part).map(|(directive, _)| directive),
            };
            let Some(directive) = found else { continue };
            if part == Part::If && !self.refuses() {
                continue;
            }
            if directive.arg() == "off" {
                self.report.carry(directive);
            } else {
                self.close(directive, guard::why(part));
            }
        }
        self.auth_request();
    }

    /// Whether a condition of the location turns requests away.
    fn refuses(&self) -> bool {
        self.chain.levels.last().is_some_and(|level| refuses(level))
    }

    /// nginx's own question to an application, before anything else.
    fn auth_request(&mut self) {
        let Some((directive, origin)) = self.chain.part(Part::AuthRequest) else { return };
        let key = "push_authorize_request";
        let asked = self.hooks.iter().any(|hook| hook.key == key);
        if directive.arg() == "off" {
            self.report.carry(directive);
        } else if asked {
            self.close(directive, "one question may be asked, and there is another one");
        } else if self.out.roles.meet(Roles::CHANNEL) {
            match self.text(directive.arg()) {
                Ok(uri) => {
                    self.report.carry(directive);
                    let roles = Roles::CHANNEL;
                    self.hooks.push(Hook { directive, key, uri, origin, roles, guard: true });
                }
                Err(why) => self.close(directive, &why),
            }
        } else {
            let why = "push_authorize_request is for locations that publish or subscribe";
            self.close(directive, why);
        }
    }

    /// Nobody gets in until somebody has looked.
    pub(super) fn close(&mut self, directive: &Directive, why: &str) {
        self.report.say(directive, Kind::Closed, why.to_owned());
        close(&mut self.out, directive, why);
    }
}

/// Shuts a location.
pub(super) fn close(location: &mut Location, directive: &Directive, why: &str) {
    location.entries.set("access", Value::list(&["deny all"]), Origin::Location, Roles::ANY);
    location.notes.push(format!("Closed, because of {}: {why}.", directive.name));
}

/// Whether a block turns requests away that it does not like.
fn refuses(level: &Level<'_>) -> bool {
    let returns =
        |inner: &Directive| inner.name == guard::REFUSAL && guard::STATUSES.contains(&inner.arg());
    level.parts(Part::If).any(|(_, condition)| condition.inner().iter().any(returns))
}

/// What kept somebody out of a location that is not carried over, so that its requests may not go to a
/// location around it.
pub(super) fn guard<'t>(level: &Level<'t>) -> Option<&'t Directive> {
    let parts = [Part::Deny, Part::Internal, Part::AuthBasic, Part::AuthRequest, Part::SecureLink];
    let mut found = parts.iter().filter_map(|part| level.part(*part));
    let found = found.find(|directive| directive.arg() != "off");
    found.or_else(|| level.part(Part::If).filter(|_| refuses(level)))
}
