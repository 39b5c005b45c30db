//! One connection that publishes.

use std::{
    io::{self, ErrorKind},
    os::fd::OwnedFd,
};

use super::{
    dial,
    payload::Told,
    reader::{Hear, Reader},
    target::Target,
    watch::Watch,
};

#[derive(Debug, Default)]
pub(super) struct Post {
    pub(super) fd: Option<OwnedFd>,
    pub(super) reader: Option<Reader>,
    /// The next message that is this connection's; none: it has no channel.
    pub(super) next: Option<u64>,
    /// The channel of the message under way, and what it says.
    pub(super) under_way: Option<(u32, Told)>,
    pub(super) out: Vec<u8>,
    pub(super) sent: usize,
    /// The server has answered something on this connection.
    pub(super) served: bool,
    pub(super) number: u32,
    pub(super) net: u8,
}

/// Whether an answer was whole.
#[derive(Default)]
pub(super) struct Answered(pub(super) bool);

/// How a connection ends that the server has closed.
const CLOSED: [ErrorKind; 3] =
    [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];

impl Hear for Answered {
    fn opened(&mut self) {}
    fn message(&mut self, _: &[u8]) {}
    fn ping(&mut self, _: &[u8]) {}

    fn nothing(&mut self) {}

    fn answered(&mut self, _: &[u8]) {
        self.0 = true;
    }
}

impl Post {
    pub(super) fn connect(&mut self, watch: &Watch, target: &Target) -> io::Result<()> {
        self.served = false;
        let fd = dial::dial(target.address(), self.net, self.number)?;
        watch.add(&fd, self.number)?;
        self.fd = Some(fd);
        self.reader = Some(Reader::new());
        Ok(())
    }

    /// Whether a connection that has ended like that may have been idle in the eyes of the server: it has
    /// answered what it was asked before, and nothing of what is under way.
    pub(super) fn closed_unasked(&self, error: &io::Error) -> bool {
        let unanswered = self.reader.as_ref().is_some_and(Reader::is_idle);
        self.served && unanswered && CLOSED.contains(&error.kind())
    }
}
