//! What is answered: the one body type, and every refusal with its status and its sentence.

use std::{
    borrow::Cow,
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use http_body_util::Full;

/// A response body. What goes on with messages is not a response but a hold.
pub enum Body {
    /// Bytes in hand; their number is known.
    Full(Full<Bytes>),
    /// What comes from elsewhere, as fast as the client takes it.
    Stream(Pin<Box<dyn http_body::Body<Data = Bytes, Error = Cut>>>),
}

/// A body that ends too early: the client must not take it for whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the application's answer ends too early")]
pub struct Cut;

/// A body of bytes in hand.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Body::Full(Full::new(bytes.into()))
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(full) => full.fmt(f),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Full(full) => Pin::new(full).poll_frame(cx).map_err(|never| match never {}),
            Self::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(full) => full.is_end_stream(),
            Self::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(full) => full.size_hint(),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}

/// The bytes of a body, if they are in hand.
pub fn in_hand(body: Body) -> Result<Bytes, Body> {
    let Body::Full(mut full) = body else { return Err(body) };
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Some(Ok(frame))) = http_body::Body::poll_frame(Pin::new(&mut full), &mut cx)
    else {
        return Ok(Bytes::new());
    };
    Ok(frame.into_data().unwrap_or_default())
}

/// Puts the cookies of an earlier answer before those that are there: of two with one name the later
/// counts (RFC 6265 section 5.3).
fn cookies_before(later: &mut HeaderMap, earlier: &HeaderMap) {
    let all = [earlier, &*later].map(|headers| headers.get_all(header::SET_COOKIE));
    let cookies: Vec<HeaderValue> = all.into_iter().flatten().cloned().collect();
    later.remove(header::SET_COOKIE);
    for cookie in cookies {
        later.append(header::SET_COOKIE, cookie);
    }
}

/// Adds the cookies of an earlier answer, and with `rest` all else of it that the later one has not.
pub fn take_over(later: &mut HeaderMap, earlier: &HeaderMap, rest: bool) {
    cookies_before(later, earlier);
    for name in earlier.keys() {
        if rest && !later.contains_key(name) {
            for value in earlier.get_all(name) {
                later.append(name, value.clone());
            }
        }
    }
}

/// A body of no bytes.
pub fn empty() -> Body {
    full(Bytes::new())
}

/// A request that is refused; its `Display` is the sentence that goes into the body.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// 400: the request says something that cannot be understood.
    #[error("{0}")]
    BadRequest(Cow<'static, str>),
    /// 403: `push_dialect` reserves the id.
    #[error("Channel id not authorized for this method.")]
    ChannelIdReserved,
    /// 502: the application cannot be reached, or its answer is none; the sentence says what happened
    /// and not where.
    #[error("{0}")]
    BadGateway(Cow<'static, str>),
    /// 403: the channel id is longer than `push_max_channel_id_length`.
    #[error("The channel id is too long.")]
    ChannelIdTooLong,
    /// 507: `push_max_reserved_memory` is spent and nothing may be evicted.
    #[error("The memory for messages is used up.")]
    BudgetSpent,
    /// 409: `push_subscriber_concurrency` gives the place to another subscriber.
    #[error("Another subscriber has the channel.")]
    Conflict,
    /// 400: `push_dialect` does not take messages without a body; the push stream module's words.
    #[error("Empty post requests are not allowed.")]
    EmptyMessage,
    /// 403: access rules, origins and limits.
    #[error("{0}")]
    Forbidden(Cow<'static, str>),
    /// 504: the application took longer than a `proxy_*_timeout`.
    #[error("{0}")]
    GatewayTimeout(Cow<'static, str>),
    /// 500: `X-Accel-Redirect` leads from location to location without end.
    #[error("The request is sent from one location to the next without end.")]
    Cycle,
    /// 410: the channel was deleted.
    #[error("The channel was deleted.")]
    Gone,
    /// 431: the head is larger than `large_client_header_buffers`.
    #[error("The request's head is too large.")]
    HeadTooLarge,
    /// 410: a signed link was good once.
    #[error("The link has expired.")]
    LinkExpired,
    /// 405, with what the location does take in `Allow` (RFC 9110 section 10.2.1).
    #[error("The location takes {allow}.")]
    MethodNotAllowed {
        /// Methods separated by comma and blank.
        allow: &'static str,
    },
    /// 404: the channel id is missing or empty; the words of nginx's push module.
    #[error("No channel id provided.")]
    NoChannelId,
    /// 404 without a sentence, as the push module answers it.
    #[error("No such channel.")]
    NoSuchChannel,
    /// 403: the token does not grant one of the channels (RFC 6750 section 3.1).
    #[error("The token does not grant the channel.")]
    NotGranted,
    /// 404: no location matches.
    #[error("No such location.")]
    NotFound,
    /// 408: `client_header_timeout` or `client_body_timeout` has passed.
    #[error("The request took too long.")]
    Timeout,
    /// 401: there is no token (RFC 6750 section 3).
    #[error("A token is needed.")]
    TokenNeeded,
    /// 401: the token does not hold (RFC 6750 section 3.1).
    #[error("{0}")]
    TokenRefused(Cow<'static, str>),
    /// 413: the body is larger than `client_max_body_size`.
    #[error("The message is larger than the location allows.")]
    TooLarge,
    /// 426: the location speaks WebSocket alone, of version 13 (RFC 6455 section 4.4).
    #[error("The location speaks WebSocket, version 13.")]
    UpgradeRequired,
    /// 403: `push_max_channels` or `push_group_max_channels`.
    #[error("There are as many channels as there may be.")]
    TooManyChannels,
    /// 403: `push_max_channel_subscribers`.
    #[error("The channel has as many subscribers as it may have.")]
    TooManySubscribers,
    /// 501: the body has a transfer coding that is not `chunked` (RFC 9112 section 6.1).
    #[error("The body may be chunked and nothing else.")]
    UnknownCoding,
    /// 403: `push_authorized_channels_only`, and there is no such channel.
    #[error("The channel does not exist, and subscribers may not create it.")]
    UnknownChannel,
    /// 503, with `Retry-After: 1`: the server cannot take the request now.
    #[error("{0}")]
    Unavailable(Cow<'static, str>),
}

impl Refusal {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) | Self::EmptyMessage => StatusCode::BAD_REQUEST,
            Self::BadGateway(_) => StatusCode::BAD_GATEWAY,
            Self::GatewayTimeout(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Cycle => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BudgetSpent => StatusCode::INSUFFICIENT_STORAGE,
            Self::Conflict => StatusCode::CONFLICT,
            Self::ChannelIdReserved
            | Self::ChannelIdTooLong
            | Self::Forbidden(_)
            | Self::NotGranted
            | Self::TooManyChannels
            | Self::TooManySubscribers
            | Self::UnknownChannel => StatusCode::FORBIDDEN,
            Self::Gone | Self::LinkExpired => StatusCode::GONE,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoChannelId | Self::NoSuchChannel | Self::NotFound => StatusCode::NOT_FOUND,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TokenNeeded | Self::TokenRefused(_) => StatusCode::UNAUTHORIZED,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::UnknownCoding => StatusCode::NOT_IMPLEMENTED,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
        }
    }

    /// Whether what the client still sends is of no use: the connection ends with the answer.
    fn closes(&self) -> bool {
        matches!(self, Self::HeadTooLarge | Self::Timeout | Self::TooLarge | Self::UnknownCoding)
    }

    /// The sentence that goes into the body; empty where the answer has none.
    pub fn sentence(&self) -> String {
        match self {
            Self::NoSuchChannel => String::new(),
            told => told.to_string(),
        }
    }
}

impl From<Refusal> for Response<Body> {
    fn from(refusal: Refusal) -> Self {
        let body = refusal.sentence();
        let mut response = Response::new(empty());
        *response.status_mut() = refusal.status();
        let headers = response.headers_mut();
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // Else hyper leaves it out where there is no body, and HEAD would differ from GET.
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        if refusal.closes() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        match refusal {
            Refusal::MethodNotAllowed { allow } => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allow));
            }
            Refusal::NotGranted => challenge(headers, "insufficient_scope", &body),
            Refusal::TokenNeeded => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Refusal::TokenRefused(_) => challenge(headers, "invalid_token", &body),
            Refusal::Unavailable(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Refusal::UpgradeRequired => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            _ => {}
        }
        *response.body_mut() = full(body);
        response
    }
}

/// What is wrong with a token (RFC 6750 section 3).
fn challenge(headers: &mut HeaderMap, error: &str, description: &str) {
    let value = format!("Bearer error=\"{error}\", error_description=\"{description}\"");
    if let Ok(value) = HeaderValue::from_str(&value) {
        headers.insert(header::WWW_AUTHENTICATE, value);
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn every_refusal() -> [(Refusal, u16, &'static str); 28] {
        [
            (Refusal::BadRequest("Why.".into()), 400, "Why."),
            (Refusal::BadGateway("Why.".into()), 502, "Why."),
            (Refusal::GatewayTimeout("Why.".into()), 504, "Why."),
            (Refusal::Cycle, 500, "The request is sent from one location to the next without end."),
            (Refusal::BudgetSpent, 507, "The memory for messages is used up."),
            (Refusal::ChannelIdReserved, 403, "Channel id not authorized for this method."),
            (Refusal::ChannelIdTooLong, 403, "The channel id is too long."),
            (Refusal::Conflict, 409, "Another subscriber has the channel."),
            (Refusal::EmptyMessage, 400, "Empty post requests are not allowed."),
            (Refusal::Forbidden("Why.".into()), 403, "Why."),
            (Refusal::Gone, 410, "The channel was deleted."),
            (Refusal::HeadTooLarge, 431, "The request's head is too large."),
            (
                Refusal::MethodNotAllowed { allow: "GET, POST" },
                405,
                "The location takes GET, POST.",
            ),
            (Refusal::LinkExpired, 410, "The link has expired."),
            (Refusal::NotGranted, 403, "The token does not grant the channel."),
            (Refusal::TokenNeeded, 401, "A token is needed."),
            (Refusal::TokenRefused("Why.".into()), 401, "Why."),
            (Refusal::NoChannelId, 404, "No channel id provided."),
            (Refusal::NoSuchChannel, 404, ""),
            (Refusal::NotFound, 404, "No such location."),
            (Refusal::Timeout, 408, "The request took too long."),
            (Refusal::TooLarge, 413, "The message is larger than the location allows."),
            (Refusal::TooManyChannels, 403, "There are as many channels as there may be."),
            (
                Refusal::TooManySubscribers,
                403,
                "The channel has as many subscribers as it may have.",
            ),
            (Refusal::UnknownCoding, 501, "The body may be chunked and nothing else."),
            (
                Refusal::UnknownChannel,
                403,
                "The channel does not exist, and subscribers may not create it.",
            ),
            (Refusal::Unavailable("Why.".into()), 503, "Why."),
            (Refusal::UpgradeRequired, 426, "The location speaks WebSocket, version 13."),
        ]
    }

    async fn answered(refusal: Refusal) -> (http::response::Parts, Bytes) {
        let (parts, body) = Response::from(refusal).into_parts();
        (parts, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn every_refusal_has_its_status_and_its_sentence() {
        for (refusal, status, sentence) in every_refusal() {
            let (parts, body) = answered(refusal).await;
            assert_eq!((parts.status.as_u16(), &body[..]), (status, sentence.as_bytes()));
            assert_eq!(parts.headers["cache-control"], "no-cache");
            assert_eq!(parts.headers.contains_key("content-type"), !sentence.is_empty());
        }
    }

    #[tokio::test]
    async fn a_refusal_that_leaves_bytes_unread_closes_the_connection() {
        for (refusal, status, _) in every_refusal() {
            let (parts, _) = answered(refusal).await;
            let closes = parts.headers.get("connection").is_some_and(|value| value == "close");
            assert_eq!(closes, [408, 413, 431, 501].contains(&status), "{status}");
        }
    }

    #[tokio::test]
    async fn a_refused_method_is_told_the_others_and_a_busy_server_when_to_come_back() {
        let (parts, _) = answered(Refusal::MethodNotAllowed { allow: "GET" }).await;
        assert_eq!(parts.headers["allow"], "GET");
        let (parts, _) = answered(Refusal::Unavailable("Stopping.".into())).await;
        assert_eq!(parts.headers["retry-after"], "1");
    }
}
