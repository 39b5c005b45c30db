//! Where GRIP items are published: what pubcontrol and its like send.

use std::{fmt, sync::Arc};

use http::{HeaderValue, Method, Response, header, request};

use super::{read, refuse};
use crate::{
    channel::{ChannelId, Creation, Draft, Hub},
    config::{Items, Location},
    grip::{self, Published},
    hold::RequestBody,
    response::{Body, Refusal, full},
};

/// The methods of a location that takes items.
pub const ALLOW: &str = "POST, OPTIONS";

/// What publishing items needs.
pub struct Delivery<'a> {
    /// Where the channels are.
    pub hub: &'a Hub,
    /// Where the request came to.
    pub location: &'a Location,
    /// What its `push_grip_publish` says.
    pub items: &'a Items,
    /// The request.
    pub head: &'a request::Parts,
    /// Whether the sender may publish to these channels.
    pub permits: &'a dyn Fn(&[ChannelId]) -> Result<(), Refusal>,
}

impl fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("items", &self.items).finish_non_exhaustive()
    }
}

impl Delivery<'_> {
    /// Publishes all items to channels of a group, or none if one of them is malformed.
    pub async fn answer(&self, group: &[u8], body: RequestBody) -> Result<Response<Body>, Refusal> {
        if self.head.method != Method::POST {
            return Err(Refusal::MethodNotAllowed { allow: ALLOW });
        }
        self.check_sender()?;
        let Location { max_body_size, body_timeout, .. } = *self.location;
        let body = read(body, max_body_size, body_timeout).await?;
        let items =
            grip::items(&body).map_err(|error| Refusal::BadRequest(error.to_string().into()))?;
        if items.iter().any(|item| item.channel.len() > self.location.channels.max_id_length) {
            return Err(Refusal::ChannelIdTooLong);
        }
        let named = |item: &Published| ChannelId::grouped(group, item.channel.as_bytes());
        (self.permits)(&items.iter().map(named).collect::<Vec<_>>())?;
        for item in items {
            self.publish(group, item).await?;
        }
        Ok(self.published())
    }

    /// Whether the sender has the key, where there is one and no other token is asked for.
    fn check_sender(&self) -> Result<(), Refusal> {
        let Some(signer) = &self.items.signer else { return Ok(()) };
        if self.location.jwt.is_some() {
            return Ok(());
        }
        let shown = self.head.headers.get(header::AUTHORIZATION).ok_or(Refusal::TokenNeeded)?;
        let admitted = signer.admits(shown.as_bytes());
        admitted.map_err(|error| Refusal::TokenRefused(error.to_string().into()))
    }

    async fn publish(&self, group: &[u8], published: Published) -> Result<(), Refusal> {
        let Published { channel, body, content_type, item } = published;
        let channel = ChannelId::grouped(group, channel.as_bytes());
        let item = Some(Arc::new(item));
        let draft = Draft { body, content_type, item, ..Draft::default() };
        let keep = &self.items.retention;
        let group_max_channels = self.location.channels.group_max_channels;
        let creation = Creation { timeout: keep.channel_timeout, group_max_channels };
        let published = self.hub.publish(&[channel], draft, keep, creation).await;
        published.map(drop).map_err(refuse)
    }

    fn published(&self) -> Response<Body> {
        let accept = self.head.headers.get(header::ACCEPT).map(HeaderValue::as_bytes);
        let json = accept.is_some_and(|accept| accept.starts_with(b"application/json"));
        let (content_type, text) = if json {
            ("application/json", "{\"message\":\"Published\"}\n")
        } else {
            ("text/plain", "Published\n")
        };
        let mut response = Response::new(full(text));
        let content_type = HeaderValue::from_static(content_type);
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }
}
