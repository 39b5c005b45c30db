//! Locations of Nchan.

use super::{
    hooks::Hook,
    level::{Origin, Slot},
    location::Build,
    names::variable::LAST_MESSAGE_ID,
    report::Kind,
    role::Role,
    sense::{Part, Roles},
    value::{self, Value},
};

const PUB: Roles = Roles::PUBLISHER;
const SUB: Roles = Roles::SUBSCRIBER;

/// The questions that Nchan asks, their keys, and whether nobody is served without an answer.
const HOOKS: [(Part, &str, Roles, bool); 4] = [
    (Part::Authorize, "push_authorize_request", Roles::CHANNEL, true),
    (Part::PublishHook, "push_publisher_upstream_request", PUB, true),
    (Part::SubscribeHook, "push_subscribe_request", SUB, false),
    (Part::UnsubscribeHook, "push_unsubscribe_request", SUB, false),
];

impl<'t> Build<'_, 't> {
    pub(super) fn nchan(&mut self, role: &Role<'t>) {
        self.ids(role);
        if role.publisher && role.transports.is_empty() {
            self.published_by(role);
        }
        if self.out.roles.meet(SUB) {
            self.first_message();
            self.last_message_id();
            self.batch(role);
            self.separator(role);
            self.pings(role);
        }
        let ruled = [Slot::Part(Part::Allow), Slot::Part(Part::Deny)];
        let ruled = self.chain.nearest(&ruled).is_some();
        self.all_origins(role, self.out.roles.meet(SUB) || !ruled);
        self.credentials();
        self.untyped("Nchan");
        for (part, key, roles, guard) in HOOKS {
            if self.out.roles.meet(roles) {
                self.hook(part, key, roles, guard);
            }
        }
    }

    /// Publishers and subscribers may have ids of their own, though not in one location.
    fn ids(&mut self, role: &Role<'t>) {
        let own = [Part::PublisherId, Part::SubscriberId];
        let found = own.map(|part| self.chain.part(part));
        let args = |at: usize| found[at].map(|(directive, _)| &directive.args);
        match (role.publisher, role.transports.is_empty()) {
            (true, true) => self.channels(&[Part::PublisherId, Part::ChannelId]),
            (false, _) => self.channels(&[Part::SubscriberId, Part::ChannelId]),
            (true, false) if args(0) == args(1) => {
                self.channels(&[Part::PublisherId, Part::ChannelId]);
                found.iter().flatten().for_each(|(directive, _)| self.report.carry(directive));
            }
            (true, false) => {
                let why = "its publishers and its subscribers mean different channels: make it two locations";
                self.fatal = Some(why.to_owned());
            }
        }
    }

    /// Messages come by HTTP, and over a WebSocket where somebody also listens.
    fn published_by(&mut self, role: &Role<'t>) {
        let why = "messages are published by HTTP; over WebSocket where push_pubsub is";
        for directive in role.directives.iter().filter(|one| one.arg() != "http") {
            let named = directive.args.iter().any(|word| word.starts_with('w'));
            self.report.say(directive, if named { Kind::Differs } else { Kind::Idle }, why);
        }
    }

    /// A positive number counts from the oldest message.
    fn first_message(&mut self) {
        let Some((directive, origin)) = self.chain.part(Part::FirstMessage) else { return };
        let value = match directive.arg() {
            word @ ("oldest" | "newest") => Some(Value::text(word)),
            "0" => Some(Value::text("newest")),
            "1" => Some(Value::text("oldest")),
            text => text.parse().ok().filter(|number| *number < 0).map(Value::Number),
        };
        if let Some(value) = value {
            self.report.carry(directive);
            self.out.entries.set("push_first_message", value, origin, SUB);
        } else {
            let why = "a start is \"oldest\", \"newest\" or counted back from there";
            self.report.say(directive, Kind::Dropped, why);
        }
    }

    fn last_message_id(&mut self) {
        let Some((directive, origin)) = self.chain.part(Part::LastMessageId) else { return };
        let named = directive.args.iter().filter(|text| !LAST_MESSAGE_ID.contains(&text.as_str()));
        let texts: Result<Vec<_>, _> = named.map(|text| self.text(text)).collect();
        match texts {
            Ok(texts) => {
                self.report.carry(directive);
                if !texts.is_empty() {
                    let value = Value::List(texts);
                    self.out.entries.set("push_last_message_id", value, origin, SUB);
                }
            }
            Err(why) => self.report.say(directive, Kind::Dropped, why),
        }
    }

    fn batch(&mut self, role: &Role<'t>) {
        let Some((directive, origin)) = self.chain.part(Part::Batch) else { return };
        self.report.carry(directive);
        let batch = match directive.arg() {
            "on" => "multipart",
            "raw" => "raw",
            _ => return,
        };
        if role.has("long-poll") {
            self.out.entries.set("push_longpoll_batch", Value::text(batch), origin, SUB);
        }
    }

    /// Nchan ends every separator with a line feed, but for the empty one.
    fn separator(&mut self, role: &Role<'t>) {
        let Some((directive, origin)) = self.chain.part(Part::Separator) else { return };
        self.report.carry(directive);
        let batch = self.out.entries.get("push_longpoll_batch");
        if !role.has("raw") && batch.is_none_or(|entry| entry.value != Value::text("raw")) {
            return;
        }
        let mut text = directive.arg().to_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        self.out.entries.set("push_raw_separator", Value::Text(text), origin, SUB);
    }

    /// Two intervals become one, the shorter.
    fn pings(&mut self, role: &Role<'t>) {
        let parts = [(Part::EventPing, "event-source"), (Part::SocketPing, "websocket")];
        let parts = parts.into_iter().filter(|(_, transport)| role.has(transport));
        let mut shortest: Option<(u64, Origin)> = None;
        let mut found = Vec::new();
        for (part, _) in parts {
            let Some((directive, origin)) = self.chain.part(part) else { continue };
            let Some(time) = value::time(&directive.args.join(" ")) else {
                self.report.say(
                    directive,
                    Kind::Dropped,
                    format!("{:?} is no time", directive.arg()),
                );
                continue;
            };
            found.push((directive, time));
            let never = |time: u64| if time == 0 { u64::MAX } else { time };
            shortest = Some(match shortest {
                Some((other, from)) => {
                    let time = if never(time) < never(other) { time } else { other };
                    (time, from.max(origin))
                }
                None => (time, origin),
            });
        }
        let Some((time, origin)) = shortest else { return };
        self.out.entries.set("push_ping_interval", value::duration(time), origin, SUB);
        for (directive, own) in found {
            if own == time {
                self.report.carry(directive);
            } else {
                let why = "one push_ping_interval is for all transports: it is the shorter one";
                self.report.say(directive, Kind::Differs, why);
            }
        }
    }

    /// With named origins Nchan lets cookies come along, unless it is told not to.
    fn credentials(&mut self) {
        let said = self.chain.part(Part::Credentials);
        let on = said.is_none_or(|(directive, _)| directive.arg() != "off");
        if let Some((directive, _)) = said {
            if on && !self.names_origins() {
                let why = "cookies of other hosts' pages come along where push_allowed_origins names the hosts";
                self.report.say(directive, Kind::Dropped, why);
            } else {
                self.report.carry(directive);
            }
        }
        if on && self.names_origins() && self.out.entries.get("push_allow_credentials").is_none() {
            let origin = said.map_or(Origin::Family, |(_, origin)| origin);
            let value = Value::Flag(true);
            self.out.entries.set("push_allow_credentials", value, origin, Roles::CHANNEL);
        }
    }

    pub(super) fn hook(&mut self, part: Part, key: &'static str, roles: Roles, guard: bool) {
        let Some((directive, origin)) = self.chain.part(part) else { return };
        match self.text(directive.arg()) {
            Ok(uri) => {
                self.report.carry(directive);
                self.hooks.push(Hook { directive, key, uri, origin, roles, guard });
            }
            Err(why) if guard => self.close(directive, &why),
            Err(why) => self.report.say(directive, Kind::Dropped, why),
        }
    }
}
