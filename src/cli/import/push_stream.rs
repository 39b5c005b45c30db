//! Locations of the push stream module.

use std::path::Path;

use super::{
    location::Build,
    names::variable::CURSORS,
    read,
    report::Kind,
    role::Role,
    sense::{Form, Part, Roles},
    value::Value,
};
use crate::{dialect::Ids, framing::template::MessageTemplate};

const PUB: Roles = Roles::PUBLISHER;
const SUB: Roles = Roles::SUBSCRIBER;

/// What the module does when nothing is said.
const MESSAGE_TTL: &str = "30m";
const INACTIVITY: &str = "30s";
/// As good as unlimited, which the module has: memory is bounded by `push_max_reserved_memory`.
const BUFFER_LENGTH: i64 = 1_000_000;
/// The longest template in a file, in bytes.
const MAX_TEMPLATE: usize = 1 << 20;

impl<'t> Build<'_, 't> {
    pub(super) fn push_stream(&mut self, role: &Role<'t>) {
        self.channels(&[Part::ChannelId]);
        self.default("push_channel_timeout", Value::text(INACTIVITY), Roles::CHANNEL);
        if role.publisher {
            self.stored();
        }
        if !role.transports.is_empty() {
            self.templates(role);
            self.stream_pings();
            self.ttl(role);
            self.cursors();
        }
        self.all_origins(role, role.has("websocket"));
        self.admin(role);
        if let Some((directive, _)) = self.chain.part(Part::AllowPublish)
            && role.has("websocket")
        {
            self.report.carry(directive);
        }
    }

    /// `normal` publishers may not delete channels.
    fn admin(&mut self, role: &Role<'t>) {
        for directive in role.directives.iter().filter(|_| role.publisher) {
            if role.transports.is_empty() && directive.arg() != "admin" {
                let why = "whoever may publish here may also delete channels";
                self.report.say(directive, Kind::Differs, why);
            }
        }
    }

    /// Messages are stored when that is asked for.
    fn stored(&mut self) {
        if !self.carry(Part::StoredOff, Form::Flag, "push_store_messages", PUB) {
            self.default("push_store_messages", Value::Flag(false), PUB);
        }
        let stores = self.out.entries.get("push_store_messages");
        if stores.is_some_and(|entry| entry.value == Value::Flag(false)) {
            return;
        }
        self.default("push_message_timeout", Value::text(MESSAGE_TTL), PUB);
        self.carry(Part::MessageTtl, Form::Time, "push_message_timeout", PUB);
        let length = "push_max_message_buffer_length";
        self.default(length, Value::Number(BUFFER_LENGTH), PUB);
        self.carry(Part::BufferLength, Form::Count, length, PUB);
    }

    fn templates(&mut self, role: &Role<'t>) {
        let streams = role.has("stream");
        if let Some((directive, origin)) = self.chain.part(Part::MessageTemplate) {
            match MessageTemplate::parse(directive.arg(), Ids::Number) {
                Ok(_) => {
                    self.report.carry(directive);
                    let value = Value::text(directive.arg());
                    self.out.entries.set("push_message_template", value, origin, SUB);
                }
                Err(why) => self.report.say(directive, Kind::Dropped, why.to_string()),
            }
        }
        for (part, key) in [
            (Part::HeaderTemplate, "push_header_template"),
            (Part::FooterTemplate, "push_footer_template"),
        ] {
            let Some((directive, origin)) = self.chain.part(part) else { continue };
            if streams {
                self.report.carry(directive);
                let roles = self.out.roles;
                self.out.entries.set(key, Value::text(directive.arg()), origin, roles);
            } else {
                self.report.say(directive, Kind::Dropped, "it is for \"stream\" alone");
            }
        }
        self.template_file(streams);
        if let Some((directive, origin)) = self.chain.part(Part::DefaultType) {
            self.report.carry(directive);
            if streams || role.has("long-poll") || role.has("interval-poll") {
                self.out.entries.set("default_type", Value::text(directive.arg()), origin, SUB);
            }
        }
        if role.has("long-poll") {
            self.carry(Part::TimeoutWithBody, Form::Flag, "push_timeout_with_body", SUB);
        }
        if role.has("long-poll") || role.has("interval-poll") {
            let callback = Value::text("$arg_callback");
            self.default("push_jsonp_callback", callback, SUB);
        }
    }

    /// The text of a file stands in the configuration.
    fn template_file(&mut self, streams: bool) {
        let Some((directive, origin)) = self.chain.part(Part::HeaderFile) else { return };
        if !streams {
            self.report.say(directive, Kind::Dropped, "it is for \"stream\" alone");
            return;
        }
        match read::text(Path::new(directive.arg()), MAX_TEMPLATE) {
            Ok(text) => {
                self.report.carry(directive);
                let roles = self.out.roles;
                self.out.entries.set("push_header_template", Value::Text(text), origin, roles);
            }
            Err(error) => {
                let why = format!("cannot read the file: {error}");
                self.report.say(directive, Kind::Dropped, why);
            }
        }
    }

    /// Pings are messages there, so none is sent that was not; polls have none anyway.
    fn stream_pings(&mut self) {
        let key = "push_ping_interval";
        if !self.carry(Part::EventPing, Form::Time, key, SUB) {
            self.default(key, Value::Number(0), SUB);
        }
    }

    /// Polls may have a time of their own.
    fn ttl(&mut self, role: &Role<'t>) {
        let key = "push_subscriber_timeout";
        if role.has("interval-poll") {
            return;
        }
        if !role.has("long-poll") || self.chain.part(Part::PollTtl).is_none() {
            self.carry(Part::StreamTtl, Form::Time, key, SUB);
        } else {
            self.carry(Part::PollTtl, Form::Time, key, SUB);
        }
    }

    /// Where clients say where they are.
    fn cursors(&mut self) {
        for (part, known) in CURSORS {
            let Some((directive, _)) = self.chain.part(part) else { continue };
            if directive.arg() == known {
                self.report.carry(directive);
            } else {
                let why = format!("the arguments are always called as in {known}");
                self.report.say(directive, Kind::Dropped, why);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::import::value;

    #[test]
    fn the_defaults_are_durations() {
        for text in [MESSAGE_TTL, INACTIVITY] {
            assert_eq!(value::duration(value::time(text).unwrap()), Value::text(text));
        }
    }
}
