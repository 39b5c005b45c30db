//! Who waits, for those who want to know when it has left.

use std::fmt;

use crate::channel::MessageId;

/// Somebody who waits. It is dropped when it waits no longer, for whatever reason: that is how others
/// know. The hall is in use then, so nothing may go back to it from there.
pub trait Guest: fmt::Debug {
    /// It is about to leave, and has seen everything up to this message.
    fn saw(&mut self, seen: MessageId);

    /// Whether it has to go.
    fn is_revoked(&self) -> bool;
}
