//! What can be asked for.

use clap::{Args, Subcommand};

use super::{payload, target::Target, transport::Transport};
use crate::cli::endpoint::header;

/// Puts a server of this machine under load, checks every message byte by byte, and measures
///
/// Exit status 1: something was lost, doubled, out of order, of another channel or not as it was
/// published, or the load could not be run.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Bench {
    /// What is measured.
    #[command(subcommand)]
    pub scenario: Scenario,
}

/// A load.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum Scenario {
    /// Hold connections: memory, and what connecting costs
    Hold(Hold),
    /// Publish to all subscribers: what a delivery costs, and how long it takes
    Fanout(Fanout),
    /// The same by long polling, where everyone asks again after each message
    Churn(Fanout),
    /// Publish as fast as the server answers
    Publish(Publish),
    /// Connect, subscribe, leave, over and over
    Connect(Connect),
    /// Channels with one subscriber beside a large one that is never silent
    Neighbour(Neighbour),
    /// A process of a fleet; told what to do on its standard input
    #[command(hide = true)]
    Worker,
}

/// What all loads have in common.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Common {
    /// Channels
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=payload::CHANNELS as i64))]
    pub channels: u32,

    /// The length of a message in bytes
    #[arg(long, value_name = "N", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u32).range(payload::SHORTEST as i64..=1 << 20))]
    pub bytes: u32,

    /// A header of every request
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<String>,

    /// A process of the server, whose processor time and memory are told with those of its children
    #[arg(long = "pid", value_name = "PID")]
    pub pids: Vec<u32>,

    /// Give up when nothing has come for so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=600))]
    pub patience: u32,

    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,

    /// Show no progress
    #[arg(long)]
    pub quiet: bool,
}

/// Subscribers.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Listening {
    /// Where to listen, with {ch} for the channel
    #[arg(long, value_name = "URL")]
    pub sub: Target,

    /// How to listen
    #[arg(long, value_enum, default_value_t = Transport::Sse)]
    pub transport: Transport,

    /// Subscribers, spread evenly over the channels
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=MOST_SUBSCRIBERS))]
    pub subs: u32,

    /// Connections that are made in a second at most
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connect_rate: u32,

    /// Connections of one process; for more there are more processes
    #[arg(long, value_name = "N", default_value_t = PER_PROCESS)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=PER_PROCESS as i64))]
    pub per_process: u32,
}

/// Publishers.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Publishing {
    /// Where to publish, with {ch} for the channel
    #[arg(long = "pub", value_name = "URL")]
    pub target: Target,

    /// Connections that publish; a channel is always published to by the same one
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=MOST_PUBLISHERS))]
    pub pub_conns: Option<u32>,

    /// What is posted, with {msg} for the message and {ch} for the channel
    #[arg(long, value_name = "TEXT", default_value = "{msg}", value_parser = body)]
    pub pub_body: String,
}

/// `hold`.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Hold {
    /// What is held.
    #[command(flatten)]
    pub listening: Listening,
    /// How messages come.
    #[command(flatten)]
    pub publishing: Publishing,
    /// The rest.
    #[command(flatten)]
    pub common: Common,

    /// Messages to each channel once all are held
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=MOST_MESSAGES))]
    pub messages: u32,

    /// How long they are held before that, in silence
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=MOST_SECONDS))]
    pub seconds: u32,
}

/// `fanout` and `churn`.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Fanout {
    /// Who gets the messages.
    #[command(flatten)]
    pub listening: Listening,
    /// How messages come.
    #[command(flatten)]
    pub publishing: Publishing,
    /// The rest.
    #[command(flatten)]
    pub common: Common,
    /// When the next message is published.
    #[command(flatten)]
    pub pace: Pace,

    /// Messages to each channel that are measured
    #[arg(long, value_name = "N", default_value_t = 15)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=MOST_MESSAGES))]
    pub messages: u32,
}

/// When the next message is published.
#[derive(Args, Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    /// Messages to each channel before those that are measured
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=MOST_MESSAGES))]
    pub warmup: u32,

    /// Messages that the publisher may be ahead of the last subscriber; 1: the next when all have it
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "pub_rate")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub inflight: u32,

    /// Messages in a second, whoever has them: each counts from when it is due
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub pub_rate: Option<u32>,
}

/// `publish`.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Publish {
    /// How messages come.
    #[command(flatten)]
    pub publishing: Publishing,
    /// The rest.
    #[command(flatten)]
    pub common: Common,

    /// How long
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=MOST_SECONDS))]
    pub seconds: u32,

    /// Messages in a second; each counts from when it is due
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub pub_rate: Option<u32>,

    /// Where subscribers listen, with {ch} for the channel
    #[arg(long, value_name = "URL", requires = "subs")]
    pub sub: Option<Target>,

    /// How they listen
    #[arg(long, value_enum, default_value_t = Transport::Sse)]
    pub transport: Transport,

    /// Subscribers, spread evenly over the channels
    #[arg(long, value_name = "N", requires = "sub")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=MOST_SUBSCRIBERS))]
    pub subs: Option<u32>,
}

/// `connect`.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Connect {
    /// Where to listen, with {ch} for the channel
    #[arg(long, value_name = "URL")]
    pub sub: Target,

    /// How to listen; a long poll is asked for a message that is there
    #[arg(long, value_enum, default_value_t = Transport::Sse)]
    pub transport: Transport,

    /// Where that message is published, with {ch} for the channel
    #[arg(long = "pub", value_name = "URL", required_if_eq("transport", "long-poll"))]
    pub target: Option<Target>,

    /// The rest.
    #[command(flatten)]
    pub common: Common,

    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub conns: u32,

    /// Connections in all
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=MOST_MESSAGES))]
    pub cycles: u32,

    /// Leave by reset
    #[arg(long)]
    pub rst: bool,
}

/// `neighbour`.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Neighbour {
    /// The large channel.
    #[command(flatten)]
    pub fanout: Fanout,

    /// Channels with one subscriber each
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=MOST_PUBLISHERS))]
    pub neighbours: u32,

    /// Messages in a second to them, in turn
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub beats: u32,
}

/// Connections of one process: one may have 20,000 descriptors in many places.
pub(super) const PER_PROCESS: u32 = 19_900;
const MOST_SUBSCRIBERS: i64 = 1_000_000;
const MOST_PUBLISHERS: i64 = 1000;
const MOST_MESSAGES: i64 = 1_000_000;
const MOST_SECONDS: i64 = 3600;

fn body(text: &str) -> Result<String, &'static str> {
    if text.matches("{msg}").count() == 1 {
        Ok(text.to_owned())
    } else {
        Err("must have {msg} in it once")
    }
}

impl Common {
    /// The headers as lines of a request.
    pub(super) fn header_lines(&self) -> String {
        self.headers.iter().fold(String::new(), |lines, header| lines + header + "\r\n")
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(flatten)]
        bench: Bench,
    }

    fn parsed(words: &str) -> Result<Scenario, clap::error::ErrorKind> {
        let words = words.split_whitespace();
        let parsed = Words::try_parse_from(["bench"].into_iter().chain(words));
        parsed.map(|words| words.bench.scenario).map_err(|error| error.kind())
    }

    const URLS: &str = "--sub http://127.0.0.1/{ch} --pub http://127.0.0.1/{ch}";

    #[test]
    fn a_load_is_described_by_few_words() {
        let Ok(Scenario::Fanout(fanout)) = parsed(&format!("fanout {URLS} --pub-rate 5")) else {
            panic!("not understood");
        };
        assert_eq!((fanout.listening.subs, fanout.messages, fanout.pace.warmup), (1000, 15, 2));
        assert_eq!((fanout.pace.pub_rate, fanout.publishing.pub_conns), (Some(5), None));
        assert_eq!(fanout.common.bytes, 64);
        for words in ["hold", "churn", "neighbour", "connect"] {
            assert!(parsed(&format!("{words} {URLS}")).is_ok(), "{words}");
        }
        assert!(parsed("publish --pub http://127.0.0.1/{ch}").is_ok());
        assert_eq!(parsed("worker"), Ok(Scenario::Worker));
    }

    #[test]
    fn what_is_out_of_bounds_or_elsewhere_is_refused() {
        use clap::error::ErrorKind::{
            ArgumentConflict, InvalidValue, MissingRequiredArgument, ValueValidation,
        };

        for (words, kind) in [
            (format!("fanout {URLS} --bytes 63"), ValueValidation),
            (format!("fanout {URLS} --subs 0"), ValueValidation),
            (format!("fanout {URLS} --subs 1000001"), ValueValidation),
            (format!("fanout {URLS} --header a\u{7}"), ValueValidation),
            (format!("fanout {URLS} --pub-body x"), ValueValidation),
            (format!("fanout {URLS} --inflight 2 --pub-rate 5"), ArgumentConflict),
            (format!("fanout {URLS} --transport pigeon"), InvalidValue),
            ("fanout --sub http://127.0.0.1/{ch}".to_owned(), MissingRequiredArgument),
            ("hold --sub http://192.0.2.1/{ch}".to_owned(), ValueValidation),
            (
                "connect --sub http://127.0.0.1/{ch} --transport long-poll".to_owned(),
                MissingRequiredArgument,
            ),
        ] {
            assert_eq!(parsed(&words), Err(kind), "{words}");
        }
    }
}
