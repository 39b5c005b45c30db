//! Seats in channels, within the limits of the location.

use super::Caller;
use crate::{
    channel::{
        Concurrency, Creation, First, Request, SeatError, Seats, Start, SubscribeError,
        Subscription,
    },
    grip::Channel,
    response::Refusal,
};

/// How often a seat is tried for in a channel that goes just then.
const SEAT_TRIES: usize = 3;

/// A seat in one channel, from now on.
pub(super) async fn sit(caller: &Caller, channel: &Channel) -> Result<Subscription, Refusal> {
    let Some(own) = &caller.location.grip else { return Err(Refusal::NotFound) };
    let limits = &caller.location.channels;
    if channel.name.len() > limits.max_id_length {
        return Err(Refusal::BadGateway(
            "The application names a channel that is too long.".into(),
        ));
    }
    let creation =
        Creation { timeout: own.channel_timeout, group_max_channels: limits.group_max_channels };
    let concurrency = Concurrency::Broadcast;
    let request =
        Request { start: Start::First(First::Newest), concurrency, creation: Some(creation) };
    let seats = Seats {
        concurrency,
        channel: own.max_channel_subscribers,
        group: limits.group_max_subscribers,
    };
    let ids = [caller.channel(&channel.name)];
    for _ in 0..SEAT_TRIES {
        let mut subscription = caller.hub.subscribe(&ids, request).await.map_err(refuse)?;
        match subscription.sit(seats) {
            Ok(()) => return Ok(subscription),
            Err(SeatError::Gone) => {}
            Err(SeatError::ChannelFull) => return Err(Refusal::TooManySubscribers),
            Err(full) => return Err(Refusal::Forbidden(full.to_string().into())),
        }
    }
    Err(Refusal::Gone)
}

fn refuse(error: SubscribeError) -> Refusal {
    match error {
        SubscribeError::TooManyChannels(_) => Refusal::TooManyChannels,
        SubscribeError::Store(error) => Refusal::Unavailable(error.to_string().into()),
        error => Refusal::Unavailable(error.to_string().into()),
    }
}
