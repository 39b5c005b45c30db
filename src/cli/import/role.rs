//! What a location is for.

use super::{
    level::Chain,
    names::transport,
    read::Directive,
    sense::{Family, Part, Roles},
};

/// Why a location is none of pushgate's; what is in it may say more.
pub(super) const IDLE: &str =
    "it neither publishes nor subscribes, nor passes requests on to an application over HTTP";
const SOCKET_ALONE: &str = "who publishes over WebSocket alone listens too: see push_pubsub";

/// What a location is for, by the directives in its block.
#[derive(Debug)]
pub(super) struct Role<'t> {
    pub(super) family: Family,
    pub(super) publisher: bool,
    /// Names of ours, the one first that a plain request gets.
    pub(super) transports: Vec<&'static str>,
    /// The key of a location that shows the gateway, and keys that belong to it.
    pub(super) status: Option<(&'static str, &'static [(&'static str, &'static str)])>,
    pub(super) pass: Option<&'t Directive>,
    pub(super) directives: Vec<&'t Directive>,
}

/// The parts that make a location one of the push modules'.
pub(super) const PUSH: [Part; 5] =
    [Part::Publisher, Part::Subscriber, Part::Pubsub, Part::Status, Part::Statistics];

impl<'t> Role<'t> {
    /// Fails with the reason if it is for nothing that pushgate has.
    pub(super) fn of(chain: &Chain<'t>) -> Result<Self, String> {
        let mut role = Self {
            family: Family::Nginx,
            publisher: false,
            transports: Vec::new(),
            status: None,
            pass: chain.own(Part::ProxyPass),
            directives: Vec::new(),
        };
        let level = chain.levels.last();
        for part in PUSH {
            for (family, directive) in level.into_iter().flat_map(|level| level.parts(part)) {
                role.add(part, family, directive, chain)?;
            }
        }
        role.order();
        let lists = !role.transports.is_empty() || role.publisher;
        match (lists, role.status.is_some(), role.pass.is_some()) {
            (true, false, false) | (false, true, false) | (false, false, true) => Ok(role),
            (false, false, false) => Err(IDLE.to_owned()),
            _ => Err("it is for several things at once, and here for one".to_owned()),
        }
    }

    fn add(
        &mut self,
        part: Part,
        family: Family,
        directive: &'t Directive,
        chain: &Chain<'t>,
    ) -> Result<(), String> {
        if !self.directives.is_empty() && self.family != family {
            return Err("it has directives of several push modules".to_owned());
        }
        self.family = family;
        self.directives.push(directive);
        match part {
            Part::Status => self.status = Some(("push_status", &[("push_status_format", "text")])),
            Part::Statistics => self.status = Some(("push_channels_status", &[])),
            Part::Publisher if directive.args == ["websocket"] => return Err(SOCKET_ALONE.into()),
            Part::Publisher => self.publisher |= !is_off(directive),
            Part::Subscriber => self.subscribe(&directive.args, family)?,
            _ if is_off(directive) => {}
            _ => {
                // Beside others it is a way to publish.
                let mut words = directive.args.clone();
                words.retain(|word| directive.args.len() == 1 || word != "http");
                self.publisher = true;
                self.subscribe(&words, family)?;
            }
        }
        if part == Part::Subscriber && self.transports == ["websocket"] {
            // Of the family, as it is known now.
            let chain = Chain { family, ..chain.clone() };
            let allowed = chain.part(Part::AllowPublish);
            self.publisher |= allowed.is_some_and(|(allowed, _)| allowed.arg() == "on");
        }
        Ok(())
    }

    fn subscribe(&mut self, words: &[String], family: Family) -> Result<(), String> {
        let table = transport::of(family);
        let default = if words.is_empty() { table.default } else { &[] };
        let words = words.iter().map(String::as_str).chain(default.iter().copied());
        for word in words.filter(|word| !transport::OFF.contains(word)) {
            let Some(name) = table.find(word) else {
                return Err(format!("pushgate has no transport {word:?}"));
            };
            if !self.transports.contains(&name) {
                self.transports.push(name);
            }
        }
        Ok(())
    }

    /// Nchan answers a request that asks for none by the first of these that it may.
    fn order(&mut self) {
        const FIRST: [&str; 3] = ["interval-poll", "raw", "long-poll"];
        if self.family == Family::Nchan {
            let rank = |name: &&str| FIRST.iter().position(|first| first == name);
            self.transports.sort_by_key(|name| rank(name).unwrap_or(FIRST.len()));
        }
    }

    pub(super) fn roles(&self) -> Roles {
        let roles = [
            (self.publisher, Roles::PUBLISHER),
            (!self.transports.is_empty(), Roles::SUBSCRIBER),
            (self.status.is_some(), Roles::STATUS),
            (self.pass.is_some(), Roles::PROXY),
        ];
        roles.into_iter().filter(|(is, _)| *is).fold(Roles::NONE, |all, (_, role)| all | role)
    }

    pub(super) fn has(&self, transport: &str) -> bool {
        self.transports.contains(&transport)
    }
}

fn is_off(directive: &Directive) -> bool {
    let off = |word: &String| transport::OFF.contains(&word.as_str());
    !directive.args.is_empty() && directive.args.iter().all(off)
}
