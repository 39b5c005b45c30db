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
    /// Where clients of the push stream module go on after the event that `Last-Event-ID` names:
    /// publishers name their events themselves (`Event-Id`). `time:tag` is a message id as everywhere, and
    /// so is what a poll sends back of the answer before, which is newer than a header that it keeps.
    pub(super) async fn after_last_event(&self) -> Result<Option<Subscription>, Refusal> {
        let headers = &self.head.headers;
        let Some(name) = position::last_event_id(headers) else { return Ok(None) };
        let is_position = position::compound(name).is_some()
            || !matches!(position::conditional(headers), Ok(None));
        if is_position || !self.location.dialect.cursor_arguments {
            return Ok(None);
        }
        self.after_event(name).await.map(Some)
    }

    /// Whether the request names an event by what its publisher calls it.
    pub(super) fn names_event(&self) -> bool {
        let header = position::last_event_id(&self.head.headers).is_some();
        self.location.dialect.cursor_arguments
            && (header || !self.scope.argument("eventid").is_empty())
    }

    /// The same by the argument `eventid`.
    pub(super) async fn after_event_argument(&self) -> Result<Option<Subscription>, Refusal> {
        let name = self.scope.argument("eventid");
        if !self.location.dialect.cursor_arguments || name.is_empty() {
            return Ok(None);
        }
        self.after_event(&name).await.map(Some)
    }

    /// Behind the first message whose publisher gave it this `Event-Id`; after one that nobody knows any
    /// more there is all that is left.
    async fn after_event(&self, name: &[u8]) -> Result<Subscription, Refusal> {
        let mut subscription = self.start(Start::First(First::Oldest)).await?;
        let named = |message: &Arc<Message>| message.event_id().is_some_and(|id| *id == *name);
        let Some(id) = subscription.read().into_iter().find(named).map(|message| message.id())
        else {
            return self.start(Start::After(MessageId::ZERO)).await;
        };
        subscription.advance(id);
        Ok(subscription)
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
