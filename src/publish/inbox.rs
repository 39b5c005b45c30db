//! Publishing over WebSocket, where a location takes both roles.

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;
use http::{Response, header};
use http_body_util::BodyExt;

use super::{Edited, Editor, refuse};
use crate::{
    channel::{ChannelId, Creation, Draft, Hub},
    config::Location,
    hold::{Inbound, Received, Taking},
    response::{Body, Refusal},
};

/// Publishes what a client sends to the channels that it listens to.
#[derive(Debug)]
pub struct Inbox(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    hub: Arc<Hub>,
    location: Arc<Location>,
    channels: Vec<ChannelId>,
    editor: Option<Box<dyn Editor>>,
}

impl Inbox {
    /// Of a client that a publisher location has let in.
    pub fn new(
        hub: Arc<Hub>,
        location: Arc<Location>,
        channels: Vec<ChannelId>,
        editor: Option<Box<dyn Editor>>,
    ) -> Self {
        Self(Rc::new(Inner { hub, location, channels, editor }))
    }
}

impl Inbound for Inbox {
    /// A message of binary frames is of the type that makes binary frames of it again.
    fn take(&self, message: Received) -> Taking {
        let inner = self.0.clone();
        let binary = Bytes::from_static(b"application/octet-stream");
        let content_type = message.binary.then_some(binary);
        let mut draft = Draft { body: message.body, content_type, ..Draft::default() };
        Box::pin(async move {
            let Some(publisher) = &inner.location.publisher else { return Ok(None) };
            if let Some(editor) = &inner.editor {
                draft = match editor.edit(draft).await? {
                    Edited::Published(draft) => draft,
                    Edited::Answered(answer) if answer.status().is_success() => {
                        return Ok(reply(answer).await);
                    }
                    Edited::Answered(_) => {
                        let why = "The application does not take the message.";
                        return Err(Refusal::Forbidden(why.into()));
                    }
                };
            }
            let keep = &publisher.retention;
            let group_max_channels = inner.location.channels.group_max_channels;
            let creation = Creation { timeout: keep.channel_timeout, group_max_channels };
            let infos = inner.hub.publish(&inner.channels, draft, keep, creation).await;
            let infos = infos.map_err(refuse)?;
            if let Some(editor) = &inner.editor {
                editor.published(&infos);
            }
            Ok(None)
        })
    }
}

/// What the client is answered; nothing, if that is empty.
async fn reply(answer: Response<Body>) -> Option<Received> {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    let content_type = head.headers.get(header::CONTENT_TYPE);
    let octets = content_type.is_some_and(|value| value == "application/octet-stream");
    let binary = octets || std::str::from_utf8(&body).is_err();
    (!body.is_empty()).then_some(Received { body, binary })
}
