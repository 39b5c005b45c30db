//! `pushgate publish`: messages from the command line or a pipe.
//!
//! The gateway's answer goes to the standard output as it came. A refusal goes to the standard error, and
//! is the last: what would have followed is not sent.

use std::{
    fmt::{Display, Write as _},
    io::{self, BufRead, IsTerminal, Read, Write},
    time::Duration,
};

use clap::Args;

use super::{
    FAILED, USAGE,
    endpoint::{Endpoint, value},
    visible::{say, visible},
    wire::{Broken, Wire},
};

/// What to publish, and where.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Publish {
    /// Where to publish.
    #[command(flatten)]
    pub endpoint: Endpoint,

    /// The message; `-`, or none when something is piped in: all of the standard input
    #[arg(value_name = "TEXT")]
    pub text: Option<String>,

    /// The message's Content-Type
    #[arg(long, value_name = "TYPE", value_parser = value)]
    pub content_type: Option<String>,

    /// The name of the message's event (Server-Sent Events)
    #[arg(long, value_name = "NAME", value_parser = value)]
    pub event: Option<String>,

    /// Each line of the standard input is a message
    #[arg(long, conflicts_with = "text")]
    pub lines: bool,

    /// Print nothing but errors
    #[arg(short = 'q', long)]
    pub quiet: bool,
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Channel info, in bytes.
const INFO: usize = 1 << 20;

/// Why a message was not published.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// In the gateway's words.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Broken(#[from] Broken),
    /// Nothing can be read, or written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Publishes, and returns the exit status.
pub fn run(asked: &Publish) -> u8 {
    let typed = asked.text.is_none() && io::stdin().is_terminal();
    if typed && !asked.lines {
        say(&"TEXT is missing; - reads it from the standard input");
        return USAGE;
    }
    let mut publisher = Publisher { asked, wire: None };
    let (mut input, mut out) = (io::stdin().lock(), io::stdout().lock());
    let done = match &asked.text {
        Some(text) if text != "-" => publisher.publish(text.as_bytes(), &mut out),
        _ if asked.lines => return each_line(&mut publisher, &mut input, &mut out),
        _ => whole(&mut publisher, &mut input, &mut out),
    };
    done.map_or_else(|failed| told(&failed), |()| 0)
}

fn told(failed: &impl Display) -> u8 {
    say(failed);
    FAILED
}

fn whole(
    publisher: &mut Publisher<'_>,
    input: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), Failed> {
    let mut message = Vec::new();
    input.read_to_end(&mut message)?;
    publisher.publish(&message, out)
}

/// Publishes lines as they come, without their ends, over one connection.
fn each_line(publisher: &mut Publisher<'_>, input: &mut impl BufRead, out: &mut impl Write) -> u8 {
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let done = match input.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {
                let message = line.strip_suffix(b"\n").unwrap_or(&line);
                publisher.publish(message, out)
            }
            Err(error) => Err(error.into()),
        };
        if let Err(failed) = done {
            return told(&format!("line {number}: {failed}"));
        }
    }
    0
}

/// Who publishes; a connection is kept from one message to the next.
struct Publisher<'a> {
    asked: &'a Publish,
    wire: Option<Wire>,
}

impl Publisher<'_> {
    /// Publishes a message, and prints what it is answered.
    fn publish(&mut self, message: &[u8], out: &mut impl Write) -> Result<(), Failed> {
        let request = [&self.head(message.len())[..], message].concat();
        let mut wire = match self.wire.take() {
            // What has ended meanwhile takes no request; whether one that is lost has been published
            // nobody knows, and it is not sent again.
            Some(wire) if !wire.connection.is_readable()? => wire,
            _ => Wire::open(&self.asked.endpoint, false)?,
        };
        let sent = wire.connection.send(&request, true)?;
        let answer = wire.head(Some(PATIENCE))?;
        if !answer.status.is_success() {
            return Err(Failed::Refused(wire.refusal(&answer)));
        }
        let (body, whole) = wire.body(&answer, INFO, Some(PATIENCE))?;
        self.print(&body, out)?;
        if sent && whole && answer.keeps && wire.input.is_empty() {
            self.wire = Some(wire);
        }
        Ok(())
    }

    fn head(&self, length: usize) -> Vec<u8> {
        let mut lines = format!("Content-Length: {length}\r\n");
        let named = [
            ("Content-Type", &self.asked.content_type),
            ("X-EventSource-Event", &self.asked.event),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                // Writing to a text does not fail.
                let _ = write!(lines, "{name}: {value}\r\n");
            }
        }
        self.asked.endpoint.request("POST", &lines)
    }

    fn print(&self, body: &[u8], out: &mut impl Write) -> io::Result<()> {
        if self.asked.quiet || body.is_empty() {
            return Ok(());
        }
        let end: &[u8] = if body.ends_with(b"\n") { b"" } else { b"\n" };
        let shown = visible(body);
        let body = if io::stdout().is_terminal() { shown.as_bytes() } else { body };
        let written = out.write_all(&[body, end].concat()).and_then(|()| out.flush());
        match written {
            // The message is published all the same.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}
