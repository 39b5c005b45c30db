//! Responses of a server as their bytes come, taken apart as strictly as RFC 9112 allows.
//!
//! A head is read once it is whole. A body is handed on in pieces of what has come, and what ends with
//! them is told: nothing of it is kept here.

mod body;
mod chunks;
mod head;
mod lines;
mod parts;

pub(super) use body::{Body, Mark};
pub(super) use head::{Head, Length};
pub(super) use lines::take_line;
pub(super) use parts::{delimiter, take_parts};

/// What comes is not of the protocol; it says what.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) String);

impl Malformed {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}
