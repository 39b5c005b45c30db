//! What the other side may break, and how it is told.

use bytes::Bytes;

use super::{close, code};

/// What the other side breaks, as the closing frame says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct Violation {
    /// One of [`code`].
    pub code: u16,
    /// A sentence.
    pub reason: &'static str,
}

impl Violation {
    /// The closing frame.
    pub fn frame(&self) -> Bytes {
        close(self.code, self.reason)
    }
}

const fn protocol_error(reason: &'static str) -> Violation {
    Violation { code: code::PROTOCOL_ERROR, reason }
}

pub(super) const RESERVED_BITS: Violation = protocol_error("A reserved bit is set.");
pub(super) const RESERVED_OPCODE: Violation = protocol_error("The opcode is reserved.");
pub(super) const COMPRESSED: Violation = protocol_error("The frame must not be compressed.");
pub(super) const FRAGMENTED_CONTROL: Violation = protocol_error("A control frame is fragmented.");
pub(super) const LONG_CONTROL: Violation = protocol_error("A control frame is too long.");
pub(super) const NO_MESSAGE: Violation = protocol_error("There is no message to continue.");
pub(super) const NEW_MESSAGE: Violation = protocol_error("The message before has not ended.");
pub(super) const NOT_MASKED: Violation = protocol_error("The frame is not masked.");
pub(super) const MASKED_BY_SERVER: Violation = protocol_error("A server's frame is masked.");
pub(super) const NO_LENGTH: Violation = protocol_error("The length has its highest bit set.");
pub(super) const NO_CODE: Violation = protocol_error("The closing code is incomplete.");
pub(super) const INVALID_CODE: Violation = protocol_error("The closing code is invalid.");
pub(super) const NOT_UTF_8: Violation =
    Violation { code: code::INVALID_PAYLOAD, reason: "The text is not UTF-8." };
pub(super) const NOT_DEFLATED: Violation =
    Violation { code: code::INVALID_PAYLOAD, reason: "The message is not compressed as it says." };
pub(super) const TOO_LARGE: Violation =
    Violation { code: code::TOO_LARGE, reason: "The message is too large." };
