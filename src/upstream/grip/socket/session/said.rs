//! What the application says: messages for the client, and orders for the gateway.

use std::io;

use tokio::time::Instant;

use super::Session;
use crate::{
    channel::Kind,
    grip::{Channel, Event, Order},
    upstream::grip::faults::Fault,
    websocket::code,
};

/// Channels that one client may follow.
const MAX_CHANNELS: usize = 20;

impl Session {
    /// Does what the application says.
    pub(super) async fn say(&mut self, events: Vec<Event>) -> io::Result<()> {
        let said = match self.control.sort(events) {
            Ok(said) => said,
            Err(malformed) => {
                self.exchange.caller.warns(Fault::Socket, malformed);
                return self.close(code::INTERNAL, "").await;
            }
        };
        for said in said {
            match said {
                Err(order) => self.obey(order).await?,
                Ok(Event::Text(content)) => self.send(Kind::Text, &content).await?,
                Ok(Event::Binary(content)) => self.send(Kind::Binary, &content).await?,
                Ok(Event::Ping(content)) => self.send(Kind::Ping, &content).await?,
                Ok(Event::Pong(content)) => self.send(Kind::Pong, &content).await?,
                Ok(Event::Close(why)) => {
                    self.ending.told = true;
                    let (code, reason) = why.unwrap_or_default();
                    self.close(code, &reason).await?;
                }
                Ok(Event::Disconnect) => (self.ending.told, self.ending.over) = (true, true),
                Ok(Event::Open) => {}
            }
        }
        Ok(())
    }

    async fn obey(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Subscribe(channel) if self.seat.channels() < MAX_CHANNELS => {
                let name = channel.name.clone();
                if let Err(refusal) = self.seat.add(&self.exchange.caller, channel).await {
                    let why = format_args!("{name:?}: {refusal}");
                    self.exchange.caller.warns(Fault::Subscribe, why);
                }
            }
            Order::Subscribe(Channel { name, .. }) => {
                let why = format_args!("{name:?}: It has as many as it may have.");
                self.exchange.caller.warns(Fault::Subscribe, why);
            }
            Order::Unsubscribe(name) => self.seat.remove(&name),
            Order::Detach => self.detached = true,
            Order::SetMeta(name, Some(value)) => {
                // Without it some messages would not be kept from the client.
                if let Err(why) = self.seat.meta.set(&name, &value) {
                    let why = format_args!("Its meta {why}.");
                    self.exchange.caller.warns(Fault::Socket, why);
                    return self.close(code::INTERNAL, "").await;
                }
            }
            Order::SetMeta(name, None) => self.seat.meta.remove(&name),
            Order::KeepAlive(keep_alive) => {
                (self.keep_alive, self.beat) = (keep_alive, Instant::now());
            }
        }
        Ok(())
    }
}
