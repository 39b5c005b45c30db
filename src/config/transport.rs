//! By which transports a location may be listened to.

/// A way to listen; the names are the values of `push_subscriber`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// `chunked`.
    Chunked,
    /// `event-source`.
    EventSource,
    /// `interval-poll`.
    IntervalPoll,
    /// `long-poll`.
    LongPoll,
    /// `multipart`.
    Multipart,
    /// `raw`.
    Raw,
    /// `stream`.
    Stream,
    /// `websocket`.
    WebSocket,
}

impl Transport {
    /// What `push_subscriber = true` means; the first is what a plain request gets.
    pub const ALL: [Self; 8] = [
        Self::LongPoll,
        Self::IntervalPoll,
        Self::Stream,
        Self::EventSource,
        Self::Chunked,
        Self::Multipart,
        Self::Raw,
        Self::WebSocket,
    ];

    /// The name in `push_subscriber` and `$push_subscriber_type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chunked => "chunked",
            Self::EventSource => "event-source",
            Self::IntervalPoll => "interval-poll",
            Self::LongPoll => "long-poll",
            Self::Multipart => "multipart",
            Self::Raw => "raw",
            Self::Stream => "stream",
            Self::WebSocket => "websocket",
        }
    }

    /// Whether a response is one answer: nobody stays by it.
    pub fn is_poll(self) -> bool {
        matches!(self, Self::LongPoll | Self::IntervalPoll)
    }
}
