//! What the application has not heard when a WebSocket is over.

use tracing::warn;

use super::Session;
use crate::grip::{Event, MAX_EVENTS};

impl Session {
    /// Tells the application what it does not know yet, that it is over at last. One that is away is
    /// waited for, as a request would be; the client does not wait with it.
    pub(super) async fn part(mut self) {
        let flight = self.flight.take();
        if self.detached || (self.ending.told && flight.is_none()) {
            return;
        }
        let Self { mut queue, mut sent, exchange, talk, seat, mut ending, .. } = self;
        drop(seat);
        let telling = async move {
            // Whatever it says, there is nobody left to hear it.
            if let Some(flight) = flight
                && flight.await.is_err_and(|error| error.is_unsent())
            {
                ending.takes_back(&mut sent, &mut queue);
            }
            if ending.told {
                return;
            }
            if ending.client.is_none() {
                queue.push(Event::Disconnect);
            }
            while !queue.is_empty() {
                let events: Vec<_> = queue.drain(..queue.len().min(MAX_EVENTS)).collect();
                if let Err(error) = exchange.insist(&events).await {
                    warn!(%error, "the application is not told that a WebSocket is gone");
                    return;
                }
            }
        };
        tokio::pin!(telling);
        tokio::select! {
            () = &mut telling => return,
            () = talk.end() => {}
        }
        telling.await;
    }
}
