//! What the client sends.

use std::io;

use super::Session;
use crate::{channel::Kind, grip::Event, websocket};

impl Session {
    /// Bytes from the client.
    pub(super) async fn read(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() && self.ending.client.is_none() {
            let event = match self.decoder.next(&mut bytes) {
                Ok(None) => return Ok(()),
                Ok(Some(event)) => event,
                Err(violation) => {
                    self.talk.write(&violation.frame()).await?;
                    self.ending.over = true;
                    return Ok(());
                }
            };
            self.event(event).await?;
        }
        Ok(())
    }

    async fn event(&mut self, event: websocket::Event) -> io::Result<()> {
        let event = match event {
            websocket::Event::Text(content) => Event::Text(content),
            websocket::Event::Binary(content) => Event::Binary(content),
            websocket::Event::Ping(content) if self.detached => {
                return self.send(Kind::Pong, &content).await;
            }
            websocket::Event::Ping(content) => Event::Ping(content),
            websocket::Event::Pong(content) => Event::Pong(content),
            websocket::Event::Close(why) => {
                let why = why.map(|(code, reason)| (code, reason.into()));
                self.ending.closed_by_client(why.clone());
                if self.detached {
                    return self.echo().await;
                }
                Event::Close(why)
            }
        };
        let known = self.detached || (self.ending.over && self.ending.told);
        if !known {
            self.queued += event.size();
            self.queue.push(event);
        }
        Ok(())
    }
}
