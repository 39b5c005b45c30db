//! The bytes of the messages that a subscriber has not had, ready for one write.
//!
//! Subscribers of one outlet that stand at the same place get the same batch.

use std::sync::Arc;

use bytes::Bytes;

use super::{Outlet, Style};
use crate::channel::{Checksum, Frame, Message, MessageId, gap};

#[derive(Debug)]
pub(super) struct Batch {
    outlet: *const Outlet,
    raw: bool,
    /// After this one.
    pub(super) from: MessageId,
    pub(super) bytes: Bytes,
    marks: Vec<Mark>,
    /// There is more than fits into one batch.
    pub(super) more: bool,
    /// Messages before the first of these are gone.
    pub(super) gap: bool,
    /// Where header lines of one request may be put in, if it is a whole response.
    pub(super) headers_end: usize,
}

/// Where a message ends in the bytes of a batch.
#[derive(Clone, Copy, Debug)]
struct Mark {
    end: usize,
    id: MessageId,
    /// So many messages there are up to there.
    messages: usize,
    /// The bytes of their bodies.
    body: usize,
    /// What the batch up to there is once it is decompressed.
    plain: Checksum,
}

/// A batch ends with the message that reaches this size, in bytes, so that one subscriber's
/// backlog does not keep the others waiting.
const ENOUGH: usize = 64 << 10;
/// The same for the answer of a poll, which may not come again soon.
const ENOUGH_FOR_A_POLL: usize = 1 << 20;
/// What divides the head of a response from its body: CR and LF.
const BLANK_LINE: usize = 2;

impl Batch {
    /// The messages after `from`; `None` if there are none.
    pub(super) fn new(
        outlet: &Arc<Outlet>,
        raw: bool,
        from: MessageId,
        messages: &[Arc<Message>],
    ) -> Option<Self> {
        let start = messages.partition_point(|message| message.id() <= from);
        let messages = &messages[start..];
        messages.first()?;
        let messages = outlet.fitting(messages);
        let mut batch = Self {
            outlet: Arc::as_ptr(outlet),
            raw,
            from,
            bytes: Bytes::new(),
            marks: Vec::with_capacity(1),
            more: false,
            gap: gap(messages, from),
            headers_end: 0,
        };
        match &outlet.style {
            Style::Poll(framing) if framing.takes_all() => {
                let (fitting, last) = enough(messages)?;
                batch.whole(&framing.encode_all(fitting), last, fitting);
            }
            Style::Poll(_) => {
                batch.whole(&outlet.frame(&messages[0]), messages[0].id(), &messages[..1]);
            }
            Style::Stream(framing) => {
                let notice = if batch.gap { framing.gap(from) } else { Frame::default() };
                batch.fill(outlet, &notice, messages);
            }
        }
        Some(batch)
    }

    /// Whether it is what a subscriber at `from` needs.
    pub(super) fn suits(&self, outlet: &Arc<Outlet>, raw: bool, from: MessageId) -> bool {
        self.from == from && self.raw == raw && self.outlet == Arc::as_ptr(outlet)
    }

    /// The latest message in it.
    pub(super) fn last(&self) -> MessageId {
        self.marks.last().map_or(self.from, |mark| mark.id)
    }

    /// How many messages are in it, and the bytes of their bodies.
    pub(super) fn contents(&self) -> (usize, usize) {
        self.marks.last().map_or((0, 0), |mark| (mark.messages, mark.body))
    }

    /// Of a whole response: the length of its body in bytes.
    pub(super) fn body_length(&self) -> usize {
        self.bytes.len().saturating_sub(self.headers_end + BLANK_LINE)
    }

    /// After `written` bytes. The message that the last of them belongs to counts as seen: its rest
    /// goes out before anything else.
    pub(super) fn progress(&self, written: usize) -> Progress {
        let mark = if written == self.bytes.len() {
            self.marks.last()
        } else {
            self.marks.iter().find(|mark| written <= mark.end).filter(|_| written > 0)
        };
        let Some(mark) = mark else {
            return Progress { seen: self.from, ..Progress::default() };
        };
        let unsent = self.part(written, mark.end);
        let Mark { id, plain, messages, body, .. } = *mark;
        Progress { seen: id, unsent, plain, messages, body }
    }

    /// A part of one message. That of several is copied: a slow reader must not keep all of them.
    fn part(&self, start: usize, end: usize) -> Bytes {
        match self.marks[..] {
            [_] => self.bytes.slice(start..end),
            _ => Bytes::copy_from_slice(&self.bytes[start..end]),
        }
    }

    /// A whole response.
    fn whole(&mut self, response: &Frame, last: MessageId, messages: &[Arc<Message>]) {
        self.headers_end = response.start.saturating_sub(BLANK_LINE);
        let body = messages.iter().map(|message| message.body().len()).sum();
        let (end, plain) = (response.bytes.len(), response.plain);
        self.marks.push(Mark { end, id: last, plain, messages: messages.len(), body });
        self.bytes = response.bytes.clone();
    }

    fn fill(&mut self, outlet: &Outlet, notice: &Frame, messages: &[Arc<Message>]) {
        if let [message] = messages
            && notice.is_empty()
        {
            let frame = outlet.frame(message);
            self.bytes = frame.on_wire(self.raw);
            let (end, plain, body) = (self.bytes.len(), frame.plain, message.body().len());
            self.marks.push(Mark { end, id: message.id(), plain, messages: 1, body });
            return;
        }
        let mut all = notice.on_wire(self.raw).to_vec();
        let (mut plain, mut body) = (notice.plain, 0);
        for (before, message) in messages.iter().enumerate() {
            if all.len() >= ENOUGH {
                self.more = true;
                break;
            }
            let frame = outlet.frame(message);
            all.extend_from_slice(&frame.on_wire(self.raw));
            plain = plain.then(frame.plain);
            body += message.body().len();
            let (end, messages) = (all.len(), before + 1);
            self.marks.push(Mark { end, id: message.id(), plain, messages, body });
        }
        self.bytes = all.into();
    }
}

/// How far a write has come.
#[derive(Default)]
pub(super) struct Progress {
    /// What has been seen.
    pub(super) seen: MessageId,
    /// The rest of a message that went out in part.
    pub(super) unsent: Bytes,
    /// What has been seen of this batch, once it is decompressed.
    pub(super) plain: Checksum,
    /// So many messages of this batch have been seen.
    pub(super) messages: usize,
    /// The bytes of their bodies.
    pub(super) body: usize,
}

/// As many of these messages as one answer takes, and the last of them.
pub fn enough(messages: &[Arc<Message>]) -> Option<(&[Arc<Message>], MessageId)> {
    let mut size = 0;
    let fitting = messages.iter().take_while(|message| {
        let fits = size < ENOUGH_FOR_A_POLL;
        size += message.body().len();
        fits
    });
    let fitting = &messages[..fitting.count()];
    Some((fitting, fitting.last()?.id()))
}
