//! The transports by the names that the modules give them.

use crate::cli::import::sense::Family;

/// How one module writes transports.
#[derive(Debug)]
pub(in crate::cli::import) struct Spelling {
    names: &'static [(&'static str, &'static str)],
    /// Those of a location that names none.
    pub(in crate::cli::import) default: &'static [&'static str],
}

impl Spelling {
    /// Our name of a transport.
    pub(in crate::cli::import) fn find(&self, word: &str) -> Option<&'static str> {
        self.names.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours)
    }
}

/// Words that say that a location is not for that.
pub(in crate::cli::import) const OFF: [&str; 3] = ["none", "off", "disabled"];

const PUSH_MODULE: Spelling = Spelling {
    names: &[("long-poll", "long-poll"), ("interval-poll", "interval-poll")],
    default: &["long-poll"],
};

const NCHAN: Spelling = Spelling {
    names: &[
        ("websocket", "websocket"),
        ("websockets", "websocket"),
        ("ws", "websocket"),
        ("eventsource", "event-source"),
        ("event-source", "event-source"),
        ("es", "event-source"),
        ("sse", "event-source"),
        ("chunked", "chunked"),
        ("http-chunked", "chunked"),
        ("multipart/mixed", "multipart"),
        ("multipart-mixed", "multipart"),
        ("http-multipart", "multipart"),
        ("multipart", "multipart"),
        ("longpoll", "long-poll"),
        ("long-poll", "long-poll"),
        ("poll", "interval-poll"),
        ("interval-poll", "interval-poll"),
        ("intervalpoll", "interval-poll"),
        ("http", "interval-poll"),
        ("http-raw-stream", "raw"),
    ],
    default: &["longpoll", "eventsource", "websocket", "chunked", "multipart"],
};

const PUSH_STREAM: Spelling = Spelling {
    names: &[
        ("streaming", "stream"),
        ("polling", "interval-poll"),
        ("long-polling", "long-poll"),
        ("eventsource", "event-source"),
        ("websocket", "websocket"),
    ],
    default: &["streaming"],
};

const NONE: Spelling = Spelling { names: &[], default: &[] };

/// How the transports of a family are written.
pub(in crate::cli::import) fn of(family: Family) -> &'static Spelling {
    match family {
        Family::Nchan => &NCHAN,
        Family::Nginx => &NONE,
        Family::PushModule => &PUSH_MODULE,
        Family::PushStream => &PUSH_STREAM,
    }
}
