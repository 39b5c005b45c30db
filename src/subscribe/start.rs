//! Where a request begins to read, by what it says itself.

use std::{borrow::Cow, sync::Arc};

use super::{
    Visit,
    position::{self, Malformed},
};
use crate::{
    channel::{First, Message, MessageId, Start, Subscription},
    response::Refusal,
};

impl Visit<'_> {
    /// The event that `Last-Event-ID` names where clients of the push stream module go on after it:
    /// publishers name their events themselves (`Event-Id`). `time:tag` is a message id as everywhere, and
    /// so is what a poll sends back of the answer before, which is newer than a header that it keeps.
    pub(super) fn last_event(&self) -> Option<&[u8]> {
        let headers = &self.head.headers;
        let name = position::last_event_id(headers)?;
        let is_position = position::compound(name).is_some()
            || !matches!(position::conditional(headers), Ok(None));
        (self.location.dialect.cursor_arguments && !is_position).then_some(name)
    }

    /// The event that the argument `eventid` names in the same way.
    pub(super) fn event_argument(&self) -> Option<Cow<'_, [u8]>> {
        let name = self.scope.argument("eventid");
        (self.location.dialect.cursor_arguments && !name.is_empty()).then_some(name)
    }

    /// Behind the first message whose publisher gave it this `Event-Id`; after one that nobody knows any
    /// more there is all that is left.
    pub(super) async fn after_event(&self, name: &[u8]) -> Result<Subscription, Refusal> {
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
    pub fn asked(&self) -> Result<Option<MessageId>, Refusal> {
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
