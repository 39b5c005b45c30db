//! Messages on the standard output, as they come.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use super::message::Message;
use crate::cli::visible::visible;

/// Where messages go, and how.
#[derive(Debug)]
pub(super) struct Output<W: Write = BufWriter<Stdout>> {
    out: W,
    json: bool,
    /// A terminal would obey what messages have of control characters.
    escape: bool,
    /// How many messages are still wanted; `None`: all.
    left: Option<u64>,
}

impl Output {
    pub(super) fn new(json: bool, count: Option<u64>) -> Self {
        let escape = io::stdout().is_terminal();
        Self { out: BufWriter::new(io::stdout()), json, escape, left: count }
    }
}

impl<W: Write> Output<W> {
    /// Writes a message, if more are wanted.
    pub(super) fn message(&mut self, message: &Message) -> io::Result<()> {
        match &mut self.left {
            Some(0) => return Ok(()),
            Some(left) => *left -= 1,
            None => {}
        }
        if self.json {
            self.out.write_all(message.json().as_bytes())?;
        } else if self.escape {
            self.out.write_all(visible(&message.body).as_bytes())?;
        } else {
            self.out.write_all(&message.body)?;
        }
        self.out.write_all(b"\n")
    }

    /// Whether as many messages have come as were wanted.
    pub(super) fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    /// Whoever reads has everything that came.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: bool, escape: bool, left: Option<u64>) -> String {
        let mut output = Output { out: Vec::new(), json, escape, left };
        for body in ["one\x1b[2J", "two"] {
            output.message(&Message::new(body)).unwrap();
        }
        assert_eq!(output.is_done(), left == Some(1));
        String::from_utf8(output.out).unwrap()
    }

    #[test]
    fn messages_are_lines_as_they_are_or_as_a_terminal_may_see_them() {
        assert_eq!(written(false, false, None), "one\x1b[2J\ntwo\n");
        assert_eq!(written(false, true, None), "one\\x1B[2J\ntwo\n");
        assert_eq!(written(false, false, Some(1)), "one\x1b[2J\n");
        let json = written(true, false, None);
        assert_eq!(json.lines().count(), 2);
        assert!(json.contains("\"text\":\"one\\u001b[2J\""), "{json}");
    }
}
