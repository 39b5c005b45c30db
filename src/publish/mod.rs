//! Publisher locations: POST and PUT publish, GET describes, DELETE removes.

mod inbox;
pub mod info;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header, request};
use http_body_util::BodyExt;
pub use inbox::Inbox;

use crate::{
    channel::{ChannelId, ChannelInfo, Creation, Draft, Hub, PublishError},
    config::{Location, Publisher},
    hold::RequestBody,
    response::{Body, Refusal, empty, full},
};

/// The methods of a publisher location.
pub const ALLOW: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS";

/// Space that is made for a body before any of it has come, in bytes at most.
const FIRST_RESERVE: usize = 64 << 10;

/// Answers a request for these channels.
pub async fn answer(
    hub: &Hub,
    location: &Location,
    publisher: &Publisher,
    channels: &[ChannelId],
    head: &request::Parts,
    body: RequestBody,
) -> Result<Response<Body>, Refusal> {
    let (status, info) = match head.method {
        Method::GET | Method::HEAD => (StatusCode::OK, hub.info(channels)),
        Method::DELETE => {
            (StatusCode::OK, hub.delete(channels).await.map_err(|error| unavailable(&error))?)
        }
        Method::POST | Method::PUT => {
            let body = read(body, location.max_body_size, location.body_timeout).await?;
            let (status, info) = publish(hub, location, publisher, channels, head, body).await?;
            (status, Some(info))
        }
        _ => return Err(Refusal::MethodNotAllowed { allow: ALLOW }),
    };
    let info = info.ok_or(Refusal::NoSuchChannel)?;
    Ok(describe(status, &info, &head.headers))
}

async fn publish(
    hub: &Hub,
    location: &Location,
    publisher: &Publisher,
    channels: &[ChannelId],
    head: &request::Parts,
    body: Bytes,
) -> Result<(StatusCode, ChannelInfo), Refusal> {
    let keep = &publisher.retention;
    let creation = Creation {
        timeout: keep.channel_timeout,
        group_max_channels: location.channels.group_max_channels,
    };
    if head.method == Method::PUT && body.is_empty() {
        let info = hub.create(channels, creation).await.map_err(refuse)?;
        return Ok((StatusCode::OK, info));
    }
    let draft = draft(&head.headers, body);
    let info = hub.publish(channels, draft, keep, creation).await.map_err(refuse)?;
    let by_count = if info.subscribers > 0 { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    Ok((publisher.status.unwrap_or(by_count), info))
}

/// The message of a request. A form's type says nothing: HTTP libraries put it on any body.
fn draft(headers: &HeaderMap, body: Bytes) -> Draft {
    let copy = |name: &str| Some(Bytes::copy_from_slice(headers.get(name)?.as_bytes()));
    let content_type = copy(header::CONTENT_TYPE.as_str()).filter(|value| {
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
        let form = essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded");
        !form && !essence.is_empty()
    });
    let event = copy("x-eventsource-event").or_else(|| copy("event-type"));
    Draft { body, content_type, event: event.filter(|event| !event.is_empty()) }
}

/// Reads a body to its end; the result owns exactly its bytes.
async fn read(mut body: RequestBody, limit: usize, patience: Duration) -> Result<Bytes, Refusal> {
    let declared = http_body::Body::size_hint(&body).lower();
    if declared > limit as u64 {
        return Err(Refusal::TooLarge);
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

fn describe(status: StatusCode, info: &ChannelInfo, headers: &HeaderMap) -> Response<Body> {
    let (content_type, text) = info::render(info, headers.get(header::ACCEPT));
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
    let mut response = Response::new(if bodiless { empty() } else { full(text) });
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

fn refuse(error: PublishError) -> Refusal {
    match error {
        PublishError::BudgetSpent => Refusal::BudgetSpent,
        PublishError::TooManyChannels(limit) => Refusal::Forbidden(limit.to_string().into()),
        PublishError::Store(error) => unavailable(&error),
    }
}

fn unavailable(error: &crate::channel::StoreError) -> Refusal {
    Refusal::Unavailable(error.to_string().into())
}
