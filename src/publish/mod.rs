//! Publisher locations: POST and PUT publish, GET describes, DELETE removes.

mod accept;
mod editor;
pub mod host;
mod inbox;
pub mod info;
pub mod items;
mod push_stream;
pub mod statistics;

use std::time::Duration;

use bytes::Bytes;
pub use editor::{Edited, Editing, Editor};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request};
use http_body_util::BodyExt;
pub use inbox::Inbox;

use self::host::Host;
use crate::{
    channel::{ChannelId, ChannelInfo, Creation, Draft, Hub, PublishError, StoreError},
    config::{Location, Publisher},
    dialect::Empty,
    hold::RequestBody,
    response::{Body, Refusal, empty, full},
};

/// The methods of a publisher location.
pub const ALLOW: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS";

const EVENT: HeaderName = HeaderName::from_static("x-eventsource-event");
/// The push stream module's names.
const EVENT_TYPE: HeaderName = HeaderName::from_static("event-type");
const EVENT_ID: HeaderName = HeaderName::from_static("event-id");

/// Space that is made for a body before any of it has come, in bytes at most.
const FIRST_RESERVE: usize = 64 << 10;

/// What answering needs.
#[derive(Debug)]
pub struct Errand<'a> {
    /// Where the channels are.
    pub hub: &'a Hub,
    /// What they are served by.
    pub host: &'a Host,
    /// Where the request came to.
    pub location: &'a Location,
    /// The publisher's half of it.
    pub publisher: &'a Publisher,
    /// The request.
    pub head: &'a request::Parts,
    /// Who decides what is published; `None`: whoever publishes.
    pub editor: Option<&'a dyn Editor>,
}

impl Errand<'_> {
    /// Answers a request for these channels.
    pub async fn answer(
        &self,
        channels: &[ChannelId],
        body: RequestBody,
    ) -> Result<Response<Body>, Refusal> {
        let (status, infos) = match self.head.method {
            Method::GET | Method::HEAD => (StatusCode::OK, self.hub.info(channels)),
            Method::DELETE => {
                let deleted = self.hub.delete(channels).await;
                (StatusCode::OK, deleted.map_err(|error| unavailable(&error))?)
            }
            Method::POST | Method::PUT => {
                let Location { max_body_size, body_timeout, .. } = *self.location;
                let body = read(body, max_body_size, body_timeout).await?;
                match self.take(channels, body).await? {
                    Taken::Published(status, infos) => (status, infos),
                    Taken::Answered(response) => return Ok(response),
                }
            }
            _ => return Err(Refusal::MethodNotAllowed { allow: ALLOW }),
        };
        if infos.is_empty() {
            return Err(Refusal::NoSuchChannel);
        }
        let dialect = self.location.dialect;
        let mut response = match (dialect.deleted, dialect.explain) {
            (Some(sentence), Some(name)) if self.head.method == Method::DELETE => {
                let mut response = Response::new(empty());
                response.headers_mut().insert(name, HeaderValue::from_static(sentence));
                response
            }
            _ => self.describe(status, &infos),
        };
        dialect.forbid_caching(response.headers_mut());
        Ok(response)
    }

    /// The state of those channels that there are, as GET tells it.
    pub fn describe_all(&self, infos: &[ChannelInfo]) -> Result<Response<Body>, Refusal> {
        if infos.is_empty() {
            return Err(Refusal::NoSuchChannel);
        }
        Ok(self.describe(StatusCode::OK, infos))
    }

    /// POST and PUT.
    async fn take(&self, channels: &[ChannelId], body: Bytes) -> Result<Taken, Refusal> {
        let Self { hub, location, publisher, head, .. } = *self;
        match location.dialect.empty {
            Empty::CreatesByPut if body.is_empty() && head.method == Method::PUT => {
                let created = hub.create(channels, creation(location, publisher)).await;
                return Ok(Taken::Published(StatusCode::OK, created.map_err(refuse)?));
            }
            Empty::Refused if body.is_empty() => return Err(Refusal::EmptyMessage),
            _ => {}
        }
        let mut draft = draft(&head.headers, body);
        if let Some(editor) = self.editor {
            draft = match editor.edit(draft).await? {
                Edited::Published(draft) => draft,
                Edited::Answered(response) => return Ok(Taken::Answered(response)),
            };
        }
        let infos = publish(hub, location, publisher, channels, draft).await?;
        if let Some(editor) = self.editor {
            editor.published(&infos);
        }
        let waited = infos.iter().any(|info| info.subscribers > 0);
        let dialect = location.dialect;
        let by_count = if waited { dialect.published_to_some } else { dialect.published_to_nobody };
        Ok(Taken::Published(publisher.status.unwrap_or(by_count), infos))
    }

    /// The state of those channels that there are.
    fn describe(&self, status: StatusCode, infos: &[ChannelInfo]) -> Response<Body> {
        let accept = self.head.headers.get(header::ACCEPT);
        let census = (infos.len() > 1).then(|| self.host.census(self.hub));
        let style = self.location.dialect.info;
        let (content_type, text) = info::render(infos, census.as_ref(), style, accept);
        let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
        let mut response = Response::new(if bodiless { empty() } else { full(text) });
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }
}

/// What has become of a POST or PUT.
enum Taken {
    Published(StatusCode, Vec<ChannelInfo>),
    Answered(Response<Body>),
}

/// Publishes a message at a location, whoever brought it there. The answer is the state of each
/// channel as it was for this publish.
pub async fn publish(
    hub: &Hub,
    location: &Location,
    publisher: &Publisher,
    channels: &[ChannelId],
    draft: Draft,
) -> Result<Vec<ChannelInfo>, Refusal> {
    let creation = creation(location, publisher);
    hub.publish(channels, draft, &publisher.retention, creation).await.map_err(refuse)
}

fn creation(location: &Location, publisher: &Publisher) -> Creation {
    Creation {
        timeout: publisher.retention.channel_timeout,
        group_max_channels: location.channels.group_max_channels,
    }
}

/// The message of a request or an answer with these headers. A form's type says nothing: HTTP
/// libraries put it on any body.
pub fn draft(headers: &HeaderMap, body: Bytes) -> Draft {
    let [mut content_type, mut event, mut event_type, mut event_id] = [None; 4];
    // One look at each header, of which there are few, instead of a search for each name.
    for (name, value) in headers {
        let found = match name {
            name if name == header::CONTENT_TYPE => &mut content_type,
            name if name == EVENT => &mut event,
            name if name == EVENT_TYPE => &mut event_type,
            name if name == EVENT_ID => &mut event_id,
            _ => continue,
        };
        found.get_or_insert(value.as_bytes());
    }
    let copy = |value: &[u8]| (!value.is_empty()).then(|| Bytes::copy_from_slice(value));
    Draft {
        body,
        content_type: content_type.filter(|value| !says_nothing(value)).and_then(copy),
        event: event.or(event_type).and_then(copy),
        event_id: event_id.and_then(copy),
        item: None,
    }
}

/// Whether a `Content-Type` is one that HTTP libraries put on any body.
fn says_nothing(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.is_empty()
        || essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// Reads a body to its end; the result owns exactly its bytes.
async fn read(mut body: RequestBody, limit: usize, patience: Duration) -> Result<Bytes, Refusal> {
    let declared = http_body::Body::size_hint(&body).lower();
    if declared > limit as u64 {
        return Err(Refusal::TooLarge);
    }
    if let Some(bytes) = body.in_hand() {
        return Ok(bytes);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = next_frame(&mut body, patience).await? {
        if bytes.is_empty() {
            let expected = usize::try_from(declared).unwrap_or(usize::MAX);
            bytes.reserve_exact(frame.len().max(expected.min(FIRST_RESERVE)));
        }
        if bytes.len() + frame.len() > limit {
            return Err(Refusal::TooLarge);
        }
        bytes.extend_from_slice(&frame);
    }
    Ok(bytes.into_boxed_slice().into())
}

async fn next_frame(body: &mut RequestBody, patience: Duration) -> Result<Option<Bytes>, Refusal> {
    loop {
        let frame = if patience.is_zero() {
            body.frame().await
        } else {
            tokio::time::timeout(patience, body.frame()).await.map_err(|_| Refusal::Timeout)?
        };
        let Some(frame) = frame else { return Ok(None) };
        let frame = frame.map_err(|_| Refusal::BadRequest("The body is incomplete.".into()))?;
        // Trailers are no part of the message.
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}

fn refuse(error: PublishError) -> Refusal {
    match error {
        PublishError::BudgetSpent => Refusal::BudgetSpent,
        PublishError::TooManyChannels(_) => Refusal::TooManyChannels,
        PublishError::Store(error) => unavailable(&error),
    }
}

fn unavailable(error: &StoreError) -> Refusal {
    Refusal::Unavailable(error.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_what_its_publisher_calls_it() {
        let drafted = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            let Draft { event, event_id, .. } = draft(&headers, Bytes::new());
            (event, event_id)
        };
        let both = [("event-type", "chat"), ("event-id", "7")];
        assert_eq!(drafted(&both), (Some("chat".into()), Some("7".into())));
        assert_eq!(drafted(&[("event-id", "")]), (None, None));
        let first = [("event-type", "chat"), ("x-eventsource-event", "news")];
        assert_eq!(drafted(&first), (Some("news".into()), None));
    }
}
