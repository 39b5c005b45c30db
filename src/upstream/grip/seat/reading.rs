//! What one client reads of what comes.

use bytes::Bytes;

use super::{Piece, Seat, is_of};
use crate::{
    channel::{Action, Item, Message, Part},
    grip::{Filter, Subscriber},
};

impl Seat {
    /// What a message is to the client, in the format that is picked; one that was not published as an
    /// item has its body in all of them.
    pub(in crate::upstream::grip) fn piece(
        &self,
        message: &Message,
        pick: impl Fn(&Item) -> Option<&Part>,
    ) -> Piece {
        let Some(one) = self.followed.iter().find(|one| is_of(one, message)) else {
            return Piece::Nothing;
        };
        let Some(item) = message.item() else { return Piece::Content(message.body().clone()) };
        let Some(part) = pick(item) else { return Piece::Nothing };
        let channels = self.subscribed();
        let subscriber =
            Subscriber { filters: &one.filters, meta: &self.meta, channels: &channels };
        let written = part.filters.as_deref().is_none_or(|filters| subscriber.reads(filters));
        if !written || !subscriber.admits(&item.meta) {
            return Piece::Nothing;
        }
        match part.action {
            Action::Send => Piece::Content(subscriber.render(&part.content)),
            Action::Hint => Piece::Ask,
            Action::Close => Piece::End,
        }
    }

    /// What the application itself answers, as the client reads it.
    pub(in crate::upstream::grip) fn render(&self, body: &Bytes) -> Bytes {
        let mut filters: Vec<Filter> = Vec::new();
        for filter in self.followed.iter().flat_map(|one| &one.filters) {
            if !filters.contains(filter) {
                filters.push(*filter);
            }
        }
        let channels = self.subscribed();
        Subscriber { filters: &filters, meta: &self.meta, channels: &channels }.render(body)
    }

    fn subscribed(&self) -> Vec<(&str, Option<&str>)> {
        self.followed.iter().map(|one| (&*one.name, one.last.as_deref())).collect()
    }
}

/// Whether a message is a hint, in the format that is picked.
pub(in crate::upstream::grip) fn is_hint(
    message: &Message,
    pick: impl Fn(&Item) -> Option<&Part>,
) -> bool {
    message.item().and_then(pick).is_some_and(|part| part.action == Action::Hint)
}
