//! Who may: what guarded a location in nginx guards it here, or nobody gets in.

use super::{
    hooks::Hook,
    level::{Origin, Slot},
    location::Build,
    lost::Reach,
    names::guard,
    read::Directive,
    refusal::refusal,
    report::Kind,
    role::Role,
    sense::{Part, Roles},
    value::Value,
    write::Location,
};
use crate::access::Rule;

const OPEN: &str = "who may use it is not limited: say so with access";
const ALONE: &str = "the addresses decide alone: who had another way in has none";
const ALL: &str = "all that guards the location has to hold";

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
        let alone = limited && self.satisfied();
        let parts = [Part::AuthBasic, Part::LimitExcept, Part::SecureLink];
        for part in parts.into_iter().filter(|part| !alone || *part != Part::AuthBasic) {
            let found = match part {
                // It is for the block in which it stands alone.
                Part::LimitExcept => self.chain.own(part),
                _ => self.chain.part(part).map(|(directive, _)| directive),
            };
            let Some(directive) = found else { continue };
            if directive.arg() == "off" {
                self.report.carry(directive);
            } else {
                self.close(directive, guard::why(part));
            }
        }
        let path = self.out.path.clone();
        let refusal = refusal(self.names, &self.chain.levels, Reach::of(&path), |_| true);
        if let Some(directive) = refusal {
            self.close(directive, guard::instead(directive));
        }
        if !alone {
            self.auth_request();
        }
    }

    /// Whether the addresses may decide alone, because one way in is enough: where they turn away
    /// whoever they do not name. Where they do not, nginx asks on, and so all has to hold here.
    fn satisfied(&mut self) -> bool {
        let Some((satisfy, _)) = self.chain.part(Part::Satisfy) else { return false };
        if satisfy.arg() != "any" {
            self.report.carry(satisfy);
            return false;
        }
        let rules = self.chain.nearest(&[Slot::Part(Part::Allow), Slot::Part(Part::Deny)]);
        let last = rules.and_then(|(rules, _)| rules.last().copied());
        let alone = last.is_some_and(|last| last.name == "deny" && last.arg() == "all");
        let why = if alone { ALONE } else { ALL };
        self.report.say(satisfy, Kind::Differs, why);
        alone
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
