//! Where a request begins to read, by what it says itself.

use std::sync::Arc;

use super::{
    Visit,
    position::{self, Malformed},
};
use crate::{
    channel::{First, Message, MessageId, Start, Subscription},
    response::Refusal,
};

impl Visit<'_> {
    /// Behind the first message whose publisher gave it the `Event-Id` that the request names.
    pub(super) async fn after_event(&self) -> Result<Option<Subscription>, Refusal> {
        let name = self.scope.argument("eventid");
        if !self.location.dialect.cursor_arguments || name.is_empty() {
            return Ok(None);
        }
        let mut subscription = self.start(Start::First(First::Oldest)).await?;
        let named = |message: &Arc<Message>| message.event_id().is_some_and(|id| *id == *name);
        let Some(id) = subscription.read().into_iter().find(named).map(|message| message.id())
        else {
            return Ok(None);
        };
        subscription.advance(id);
        Ok(Some(subscription))
    }

    /// Where a request begins that names no message id.
    pub(super) fn beginning(&self) -> Start {
        let backtrack = self.named.backtrack.map(First::Last);
        Start::First(backtrack.unwrap_or(self.subscriber.first_message))
    }

    /// The message id that the request names, if it names one.
    pub(super) fn asked(&self) -> Result<Option<MessageId>, Refusal> {
        let named = self.subscriber.last_message_id.iter();
        let named = named.map(|template| template.expand(self.scope));
        let argument = self.scope.argument("last_event_id");
        let malformed = |why: Malformed| Refusal::BadRequest(why.to_string().into());
        let asked = position::asked(&self.head.headers, named, Some(&*argument));
        match asked.map_err(malformed)? {
            None if self.location.dialect.cursor_arguments => {
                let [time, tag] = ["time", "tag"].map(|name| self.scope.argument(name));
                position::pair(&time, &tag).map_err(malformed)
            }
            asked => Ok(asked),
        }
    }

    /// Whether `push_last_message_id` finds anything.
    pub(super) fn names_message(&self) -> bool {
        let named = self.subscriber.last_message_id.iter();
        named.map(|template| template.expand(self.scope)).any(|value| !value.is_empty())
    }
}
