//! What the application has not heard when a WebSocket is over.

use super::Session;
use crate::grip::Event;

impl Session {
    /// Leaves word for the application of what it does not know yet, that it is over at last: after its
    /// answer to what it has been told before, or when that is given up.
    pub(super) async fn part(mut self) {
        let flight = self.flight.take().filter(|flight| {
            let waits = flight.waits();
            if waits {
                self.ending.takes_back(&mut self.sent, &mut self.queue);
            }
            !waits
        });
        if self.detached || (self.ending.told && flight.is_none()) {
            return;
        }
        let Self { mut queue, mut sent, exchange, talk, seat, mut ending, owed, .. } = self;
        drop(seat);
        let telling = async move {
            if let Some(flight) = flight {
                // Whatever it says, there is nobody left to hear it.
                let unsent = tokio::select! {
                    told = flight.told => told.is_err_and(|error| error.is_unsent()),
                    () = owed.due() => false,
                };
                if unsent {
                    ending.takes_back(&mut sent, &mut queue);
                }
            }
            if ending.told {
                return;
            }
            if ending.client.is_none() {
                queue.push(Event::Disconnect);
            }
            if let Some(notice) = exchange.farewell(&queue) {
                owed.put(notice);
            }
        };
        tokio::join!(telling, talk.end());
    }
}
