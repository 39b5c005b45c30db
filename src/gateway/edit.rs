//! `push_publisher_upstream_request`: the application decides what is published.
//!
//! 200 (also 201 and 202) replaces the message by the body of the answer, 304 keeps it, 204 drops it.
//! Anything else is the publisher's answer, and nothing is published.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::hooks::{MAX_ANSWER, Matter, Role};
use crate::{
    channel::Draft,
    publish::{self, Edited, Editing},
    response::Refusal,
    upstream::{Client, Inquiry, pass_on},
};

/// Asks about the messages of one request, or of one WebSocket.
#[derive(Debug)]
pub(super) struct Editor {
    client: Client,
    inquiry: Inquiry,
    /// The most that a message may have, in bytes.
    limit: usize,
    /// Whether the messages have no headers of their own.
    bare: bool,
}

/// The type of a message of text frames, as the application is told it.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

impl Matter<'_> {
    /// Who decides about messages, if the location says so.
    pub(super) fn editor(&self) -> Result<Option<Box<Editor>>, Refusal> {
        let posts = matches!(self.head.method, Method::POST | Method::PUT);
        let bare = matches!(self.role, Role::Both);
        let Some(question) = self.location().hooks.publish.as_ref().filter(|_| posts || bare)
        else {
            return Ok(None);
        };
        Ok(Some(Box::new(Editor {
            client: self.desk.upstreams.clone(),
            inquiry: self.inquiry(question, Method::POST, !bare)?,
            limit: self.location().max_body_size.max(MAX_ANSWER),
            bare,
        })))
    }
}

impl publish::Editor for Editor {
    fn edit(&self, draft: Draft) -> Editing {
        let (client, limit) = (self.client.clone(), self.limit);
        let mut inquiry = self.inquiry.clone();
        if self.bare {
            let binary = draft.content_type.clone();
            let told = binary.and_then(|value| HeaderValue::from_maybe_shared(value).ok());
            inquiry.headers.insert(header::CONTENT_TYPE, told.unwrap_or(TEXT));
        }
        Box::pin(async move {
            let answer = client.inquire(&inquiry, draft.body.clone(), limit).await?;
            Ok(decide(draft, answer))
        })
    }
}

/// What an answer means for a message.
fn decide(draft: Draft, answer: Response<Bytes>) -> Edited {
    match answer.status() {
        StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED => {
            let (parts, body) = answer.into_parts();
            let new = publish::draft(&parts.headers, Bytes::copy_from_slice(&body));
            let (event, event_id) = (new.event.or(draft.event), new.event_id.or(draft.event_id));
            Edited::Published(Draft { event, event_id, ..new })
        }
        StatusCode::NOT_MODIFIED => Edited::Published(draft),
        _ => Edited::Answered(pass_on(answer)),
    }
}
