//! `pushgate listen`: a channel in the terminal, or in a pipe.
//!
//! A [`Follower`](follower) asks for what follows the last message that it had, over and over: a message
//! is printed once and in order, whatever becomes of connections, as far as the transport tells ids and
//! the gateway keeps messages. What is lost all the same is told.
//!
//! Nothing that a server sends can make it keep more than [`LONGEST`] bytes and what they are made of.

mod backoff;
mod cursor;
mod ending;
mod events;
mod follower;
mod message;
mod output;
mod pieces;
mod polls;
mod question;
mod streams;

use std::time::Duration;

use bytes::Bytes;
use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use self::{cursor::Cursor, ending::End, follower::Follower, message::Message};
use super::{FAILED, USAGE, endpoint::Endpoint, visible::say};
use crate::config::Transport;

const JSON_HELP: &str =
    "Print one JSON object a line: id, time, content_type, event, and text or base64";

/// Whom to follow, and how.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Listen {
    /// Where to listen.
    #[command(flatten)]
    pub endpoint: Endpoint,

    /// How to listen; for ws:// it is websocket, else event-source
    #[arg(long, value_name = "T", value_parser = transports())]
    transport: Option<Transport>,

    /// Begin after this message (time:tag, or a time in seconds), or with the oldest or newest; else where
    /// the location says
    #[arg(long, value_name = "ID|oldest|newest", value_parser = Cursor::parse)]
    from: Option<Cursor>,

    /// End after N messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// See [`JSON_HELP`].
    #[arg(long, help = JSON_HELP)]
    json: bool,

    /// Seconds from one interval poll to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: u64,

    /// Say nothing but messages and errors
    #[arg(short = 'q', long)]
    quiet: bool,
}

/// A message, or an event that has no end, in bytes.
const LONGEST: usize = 16 << 20;

/// What has come.
#[derive(Debug, Eq, PartialEq)]
enum Item {
    Message(Message),
    /// Messages after this one are lost.
    Gap(String),
    /// How long to wait before connecting again.
    Retry(Duration),
    /// A WebSocket's ping, which wants its bytes back.
    Ping(Bytes),
    /// A WebSocket's goodbye with this code, which wants another.
    Close(u16),
    End(End),
}

/// The names of SPEC, and those of the bench.
fn transports() -> impl TypedValueParser<Value = Transport> {
    let value = |transport: Transport| match transport {
        Transport::EventSource => PossibleValue::new(transport.name()).alias("sse"),
        Transport::WebSocket => PossibleValue::new(transport.name()).alias("ws"),
        _ => PossibleValue::new(transport.name()),
    };
    PossibleValuesParser::new(Transport::ALL.map(value)).map(|name| match name.as_str() {
        "sse" => Transport::EventSource,
        "ws" => Transport::WebSocket,
        name => {
            let named = Transport::ALL.into_iter().find(|transport| transport.name() == name);
            named.unwrap_or(Transport::EventSource)
        }
    })
}

/// Follows, and returns the exit status.
pub fn run(asked: &Listen) -> u8 {
    let websocket = asked.endpoint.url.websocket;
    let otherwise = if websocket { Transport::WebSocket } else { Transport::EventSource };
    let transport = asked.transport.unwrap_or(otherwise);
    if websocket && transport != Transport::WebSocket {
        let name = transport.name();
        say(&format!("ws:// is for the transport websocket; {name} needs http://"));
        return USAGE;
    }
    match Follower::new(asked, transport).follow() {
        End::Refused(why) => {
            say(&why);
            FAILED
        }
        _ => 0,
    }
}
