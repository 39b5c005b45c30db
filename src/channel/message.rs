//! What is published, and the frames made from it.
//!
//! A frame is encoded at the first need, once for each message and framing, and then shared by
//! reference: it belongs to the message and goes with it.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;

use super::{ChannelId, Gone, Item, MessageId, Traffic, traffic::Counts};

/// A message as its publisher handed it in, before it has a place.
///
/// The bytes must own exactly what they hold: a slice of a larger buffer would keep all of it.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The message itself.
    pub body: Bytes,
    /// The publisher's `Content-Type`, verbatim.
    pub content_type: Option<Bytes>,
    /// The name of its `EventSource` event.
    pub event: Option<Bytes>,
    /// An id that the publisher gave it, for itself and its clients.
    pub event_id: Option<Bytes>,
    /// What GRIP says of it.
    pub item: Option<Arc<Item>>,
}

/// A published message.
#[derive(Debug)]
pub struct Message {
    id: MessageId,
    previous: MessageId,
    number: u64,
    channel: ChannelId,
    draft: Draft,
    frames: Frames,
    charge: Charge,
}

impl Message {
    /// Gives a draft its place; `previous` is the id before it in its channel, zero for the first,
    /// whose number is 1.
    pub fn new(
        channel: ChannelId,
        id: MessageId,
        previous: MessageId,
        draft: Draft,
        budget: Arc<Budget>,
    ) -> Self {
        let size = size_of::<Self>()
            + draft.body.len()
            + draft.content_type.as_ref().map_or(0, Bytes::len)
            + draft.event.as_ref().map_or(0, Bytes::len)
            + draft.event_id.as_ref().map_or(0, Bytes::len)
            + draft.item.as_ref().map_or(0, |item| item.size(&draft.body));
        Self {
            id,
            previous,
            number: 1,
            channel,
            draft,
            frames: Frames::default(),
            charge: Charge::new(budget, size),
        }
    }

    /// The same as the message of that number in its channel.
    #[must_use]
    pub fn numbered(self, number: u64) -> Self {
        Self { number, ..self }
    }

    /// Its place.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// The id before it in its channel: a cursor below that has missed something.
    pub fn previous(&self) -> MessageId {
        self.previous
    }

    /// Which message of its channel it is, from 1: for as long as there is the channel. Where a store
    /// gives it back, of those that are left.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The channel it was published to.
    pub fn channel(&self) -> &ChannelId {
        &self.channel
    }

    /// The message itself.
    pub fn body(&self) -> &Bytes {
        &self.draft.body
    }

    /// The publisher's `Content-Type`, verbatim.
    pub fn content_type(&self) -> Option<&Bytes> {
        self.draft.content_type.as_ref()
    }

    /// The name of its `EventSource` event.
    pub fn event(&self) -> Option<&Bytes> {
        self.draft.event.as_ref()
    }

    /// The id that its publisher gave it.
    pub fn event_id(&self) -> Option<&Bytes> {
        self.draft.event_id.as_ref()
    }

    /// What GRIP says of it.
    pub fn item(&self) -> Option<&Item> {
        self.draft.item.as_deref()
    }

    /// It is no longer kept.
    pub(super) fn gone(&self, why: Gone) {
        self.charge.budget.counts.gone(why);
    }

    /// The frame of a slot, made by `encode` if nobody needed it before. While it runs, whoever needs
    /// another frame of this message waits: it must not ask for one itself.
    ///
    /// Where the memory is used up the frame is not kept: who reads in many formats must not make
    /// history go.
    pub fn frame(&self, slot: FrameSlot, encode: impl FnOnce(&Self) -> Frame) -> Frame {
        let mut encode = Some(encode);
        let mut cell = &self.frames.0;
        loop {
            if cell.get().is_none() && !self.charge.budget.has_room_for(self.draft.body.len()) {
                return encode.take().map_or_else(Frame::default, |encode| encode(self));
            }
            let node = cell.get_or_init(|| {
                // Runs at most once: after it, this node carries the slot.
                let frame = encode.take().map_or_else(Frame::default, |encode| encode(self));
                self.charge.add(size_of::<Node>() + frame.bytes.len());
                Box::new(Node { slot, frame, next: Frames::default() })
            });
            if node.slot == slot {
                return node.frame.clone();
            }
            cell = &node.next.0;
        }
    }
}

/// The place of one framing among a message's frames; every outlet of a location has its own.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FrameSlot(pub u32);

/// Encoded bytes, and where in them the payload proper lies.
///
/// What surrounds the payload belongs to HTTP/1.1: the lines of a chunk around a streamed message,
/// the response head before a polled one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Frame {
    /// Everything, ready for the socket.
    pub bytes: Bytes,
    /// Where the payload begins.
    pub start: usize,
    /// Where the payload ends.
    pub end: usize,
    /// What the payload is once it is decompressed; zero where it is not compressed.
    pub plain: Checksum,
}

impl Frame {
    /// Bytes that need nothing around them.
    pub fn bare(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { start: 0, end: bytes.len(), bytes, plain: Checksum::default() }
    }

    /// What goes to the socket: the payload alone where HTTP/1.1 adds nothing to it.
    pub fn on_wire(&self, raw: bool) -> Bytes {
        if raw { self.payload() } else { self.bytes.clone() }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The payload alone.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(self.start..self.end)
    }
}

/// CRC-32 and length of plain bytes, which the end of a gzip stream tells (RFC 1952 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Checksum {
    /// CRC-32.
    pub crc: u32,
    /// Length modulo 2^32, in bytes.
    pub length: u32,
}

impl Checksum {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(bytes);
        let length = bytes.len() % (1 << u32::BITS);
        Self { crc: hasher.finalize(), length: u32::try_from(length).unwrap_or_default() }
    }

    /// Of these bytes and those of `next` behind them.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        if next == Self::default() {
            return self;
        }
        let mut hasher = crc32fast::Hasher::new_with_initial_len(self.crc, self.length.into());
        let length = u64::from(next.length);
        hasher.combine(&crc32fast::Hasher::new_with_initial_len(next.crc, length));
        Self { crc: hasher.finalize(), length: self.length.wrapping_add(next.length) }
    }
}

/// A list that only grows, so that readers need no lock.
#[derive(Debug, Default)]
struct Frames(OnceLock<Box<Node>>);

#[derive(Debug)]
struct Node {
    slot: FrameSlot,
    frame: Frame,
    next: Frames,
}

/// The bytes that messages and their frames take, of those that are allowed.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    limit: usize,
    pub(super) counts: Counts,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { used: AtomicUsize::new(0), limit, counts: Counts::default() }
    }

    /// Bytes that living messages take now.
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// All messages that it knows.
    pub(super) fn traffic(&self) -> Traffic {
        Traffic { memory_used: self.used(), memory_limit: self.limit, ..self.counts.read() }
    }

    /// Whether so many bytes more are allowed.
    fn has_room_for(&self, bytes: usize) -> bool {
        self.used() + bytes <= self.limit
    }

    /// Bytes that are allowed.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

/// What one message owes to the budget; paid back when it goes.
#[derive(Debug)]
struct Charge {
    budget: Arc<Budget>,
    bytes: AtomicUsize,
}

impl Charge {
    fn new(budget: Arc<Budget>, bytes: usize) -> Self {
        budget.used.fetch_add(bytes, Relaxed);
        Self { budget, bytes: AtomicUsize::new(bytes) }
    }

    fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.budget.used.fetch_add(bytes, Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(*self.bytes.get_mut(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(budget: &Arc<Budget>) -> Message {
        let draft = Draft { body: Bytes::from_static(b"hi"), ..Draft::default() };
        Message::new(ChannelId::new(b"5"), MessageId::ZERO, MessageId::ZERO, draft, budget.clone())
    }

    fn frame(text: &'static str) -> Frame {
        Frame::bare(text)
    }

    #[test]
    fn each_slot_is_encoded_once() {
        let message = message(&Arc::new(Budget::new(10_000)));
        assert_eq!(message.frame(FrameSlot(1), |_| frame("one")).bytes, "one");
        assert_eq!(message.frame(FrameSlot(2), |_| frame("two")).bytes, "two");
        assert_eq!(message.frame(FrameSlot(1), |_| unreachable!()).bytes, "one");
        assert_eq!(message.frame(FrameSlot(2), |_| unreachable!()).bytes, "two");
    }

    #[test]
    fn where_the_memory_is_used_up_frames_are_not_kept() {
        let budget = Arc::new(Budget::new(0));
        let message = message(&budget);
        let bare = budget.used();
        assert_eq!(message.frame(FrameSlot(1), |_| frame("one")).bytes, "one");
        assert_eq!(message.frame(FrameSlot(1), |_| frame("again")).bytes, "again");
        assert_eq!(budget.used(), bare);
    }

    #[test]
    fn the_budget_knows_bodies_and_frames_and_gets_them_back() {
        let budget = Arc::new(Budget::new(1000));
        let message = message(&budget);
        let bare = budget.used();
        assert!(bare >= 2);
        message.frame(FrameSlot(1), |_| frame("twelve bytes"));
        assert!(budget.used() >= bare + 12);
        drop(message);
        assert_eq!(budget.used(), 0);
    }
}
