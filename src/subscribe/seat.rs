//! Seats in the channels that a request names, within the limits of its location.

use super::Visit;
use crate::{
    channel::{Creation, Request, SeatError, Seats, Start, SubscribeError, Subscription},
    response::Refusal,
};

/// How often a seat is tried for in channels that go just then.
const SEAT_TRIES: usize = 3;

impl Visit<'_> {
    /// A subscription from there on, without a seat.
    pub(super) async fn start(&self, start: Start) -> Result<Subscription, Refusal> {
        let creation = Creation {
            timeout: self.subscriber.channel_timeout,
            group_max_channels: self.location.channels.group_max_channels,
        };
        let request = Request {
            start,
            concurrency: self.subscriber.concurrency,
            creation: (!self.subscriber.authorized_channels_only).then_some(creation),
        };
        self.hub.subscribe(&self.named.channels, request).await.map_err(refuse)
    }

    /// Takes seats; in a channel that was empty and went meanwhile, in the one that comes after it.
    pub(super) async fn sit(
        &self,
        mut subscription: Subscription,
    ) -> Result<Subscription, Refusal> {
        for _ in 0..SEAT_TRIES {
            match subscription.sit(self.seats()) {
                Ok(()) => return Ok(subscription),
                Err(SeatError::Gone) => subscription = self.subscribe().await?,
                Err(error) => return Err(refuse_seat(error)),
            }
        }
        Err(Refusal::Gone)
    }

    fn seats(&self) -> Seats {
        Seats {
            concurrency: self.subscriber.concurrency,
            channel: self.subscriber.max_channel_subscribers,
            group: self.location.channels.group_max_subscribers,
        }
    }
}

fn refuse(error: SubscribeError) -> Refusal {
    match error {
        SubscribeError::Conflict => Refusal::Conflict,
        SubscribeError::NoSuchChannel => Refusal::UnknownChannel,
        SubscribeError::Store(error) => Refusal::Unavailable(error.to_string().into()),
        SubscribeError::TooManyChannels(_) => Refusal::TooManyChannels,
    }
}

fn refuse_seat(error: SeatError) -> Refusal {
    match error {
        SeatError::Conflict => Refusal::Conflict,
        SeatError::ChannelFull => Refusal::TooManySubscribers,
        SeatError::Gone => Refusal::Gone,
        full => Refusal::Forbidden(full.to_string().into()),
    }
}
