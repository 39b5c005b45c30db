//! The bytes of the messages that a subscriber has not had, ready for one write.
//!
//! Subscribers of one outlet that stand at the same place get the same batch.

use std::sync::Arc;

use bytes::Bytes;

use super::{Outlet, Style};
use crate::{
    channel::{Message, MessageId},
    framing::chunk,
};

#[derive(Debug)]
pub(super) struct Batch {
    outlet: *const Outlet,
    raw: bool,
    from: MessageId,
    pub(super) bytes: Bytes,
    /// Where each message ends in the bytes.
    marks: Vec<(usize, MessageId)>,
    /// There is more than fits into one batch.
    pub(super) more: bool,
    /// Messages before the first of these are gone.
    pub(super) gap: bool,
    /// Where header lines of one request may be put in, if it is a whole response.
    pub(super) headers_end: usize,
}

/// A batch ends with the message that reaches this size, in bytes, so that one subscriber's
/// backlog does not keep the others waiting.
const ENOUGH: usize = 64 << 10;
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
        let gap = gap(messages, from);
        let mut batch = Self {
            outlet: Arc::as_ptr(outlet),
            raw,
            from,
            bytes: Bytes::new(),
            marks: Vec::with_capacity(1),
            more: false,
            gap,
            headers_end: 0,
        };
        match &outlet.style {
            Style::Once(_) => {
                let frame = outlet.frame(&messages[0]);
                batch.headers_end = frame.start.saturating_sub(BLANK_LINE);
                batch.single(frame.bytes, messages[0].id());
            }
            Style::Endless(framing) => {
                let notice = if gap { framing.gap(from) } else { Bytes::new() };
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
        self.marks.last().map_or(self.from, |(_, id)| *id)
    }

    /// After `written` bytes: what has been seen, and the rest of a message that went out in part.
    pub(super) fn progress(&self, written: usize) -> (MessageId, Bytes) {
        let mut seen = self.from;
        for &(end, id) in &self.marks {
            if written == 0 {
                break;
            }
            seen = id;
            if written < end {
                return (seen, self.part(written, end));
            }
            if written == end {
                break;
            }
        }
        (seen, Bytes::new())
    }

    /// A part of one message. That of several is copied: a slow reader must not keep all of them.
    fn part(&self, start: usize, end: usize) -> Bytes {
        match self.marks[..] {
            [_] => self.bytes.slice(start..end),
            _ => Bytes::copy_from_slice(&self.bytes[start..end]),
        }
    }

    fn single(&mut self, bytes: Bytes, id: MessageId) {
        self.marks.push((bytes.len(), id));
        self.bytes = bytes;
    }

    fn fill(&mut self, outlet: &Outlet, notice: &[u8], messages: &[Arc<Message>]) {
        let part = |message: &Message| {
            let frame = outlet.frame(message);
            if self.raw { frame.payload() } else { frame.bytes }
        };
        if let [message] = messages
            && notice.is_empty()
        {
            let bytes = part(message);
            return self.single(bytes, message.id());
        }
        let mut all = if self.raw { notice.to_vec() } else { chunk(notice).bytes.to_vec() };
        let mut marks = Vec::with_capacity(messages.len());
        for message in messages {
            if all.len() >= ENOUGH {
                self.more = true;
                break;
            }
            all.extend_from_slice(&part(message));
            marks.push((all.len(), message.id()));
        }
        self.bytes = all.into();
        self.marks = marks;
    }
}

/// Whether a message before one of these, and after `from`, is gone.
pub(super) fn gap(messages: &[Arc<Message>], from: MessageId) -> bool {
    messages.iter().any(|message| {
        let previous = message.previous();
        previous > from && messages.binary_search_by_key(&previous, |other| other.id()).is_err()
    })
}
