//! What is put into a question when it is asked, and not before.

use std::sync::Arc;

use http::{Uri, uri::PathAndQuery};

use crate::{
    channel::{ChannelId, Hub, MessageId},
    config::variable::later::{with_count, with_id},
};

/// The channels that a question is about, whose subscribers are counted when it is asked.
#[derive(Clone, Debug)]
pub struct Late {
    /// Where the channels are.
    pub hub: Arc<Hub>,
    /// Those of the question.
    pub channels: Box<[ChannelId]>,
}

impl Late {
    /// The URI with what is known now, and with the id of a message.
    pub fn settle(&self, uri: &Uri, id: Option<MessageId>) -> Uri {
        let count = self.hub.info(&self.channels).iter().map(|info| info.subscribers).sum();
        let text = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let text = with_id(&with_count(text.as_bytes(), count), id);
        PathAndQuery::try_from(text).map_or_else(|_| uri.clone(), Uri::from)
    }

    /// What it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        let names = self.channels.iter().map(|id| size_of_val(id) + id.as_bytes().len());
        size_of::<Self>() + names.sum::<usize>()
    }
}
