//! How a location words what it sends: its dialect, and the template of its messages if that is for
//! every transport, as in the push stream module.

use std::sync::Arc;

use bytes::Bytes;

use super::{Farewell, template::MessageTemplate};
use crate::{
    channel::{ChannelId, Message},
    dialect::{Dialect, Endings, Notice, PUSH_MODULE},
};

/// The voice of a location.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Voice {
    /// `push_dialect`.
    pub dialect: &'static Dialect,
    /// `push_message_template`, if it is for more than the `stream` transport.
    pub template: Option<Arc<MessageTemplate>>,
}

impl Default for Voice {
    fn default() -> Self {
        Self { dialect: &PUSH_MODULE, template: None }
    }
}

impl Voice {
    /// What is sent for a message.
    pub fn text(&self, message: &Message) -> Bytes {
        match &self.template {
            Some(template) => template.render(message).into(),
            None => message.body().clone(),
        }
    }

    /// What subscribers are told of the deletion of their channel, as if it were a message.
    pub(super) fn deleted(&self, channel: &ChannelId) -> Option<Bytes> {
        self.dialect.deleted_notice.map(|notice| self.notice(notice, channel.as_bytes()))
    }

    /// What tells subscribers something as if it were a message, of a channel if it is about one.
    pub(super) fn notice(&self, notice: Notice, channel: &[u8]) -> Bytes {
        match &self.template {
            Some(template) => template.render_notice(notice, channel).into(),
            None => Bytes::from_static(notice.text.as_bytes()),
        }
    }
}

/// The ending for a reason.
pub(super) fn ending<T: Copy>(endings: &Endings<T>, why: Farewell) -> T {
    match why {
        Farewell::Conflict => endings.conflict,
        Farewell::Deleted => endings.deleted,
        Farewell::Lagging => endings.lagging,
        Farewell::Shutdown => endings.shutdown,
        Farewell::Timeout => endings.timeout,
    }
}
