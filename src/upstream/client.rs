//! One request to an upstream: a connection, the attempts, the time that each may take.

use std::{
    future::poll_fn,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header, request::Parts};
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::{
    dial::dial,
    download::Download,
    error::UpstreamError,
    group::Group,
    pool::{Lease, Link, Pool},
    socket::Meter,
    upload::{Stage, Upload},
};
use crate::config::Timeouts;

/// What a worker speaks to the servers of all upstreams with.
#[derive(Clone, Debug)]
pub struct Client {
    groups: Arc<[Group]>,
    pools: Rc<[Rc<Pool>]>,
}

/// Why an attempt failed.
struct Failure {
    error: UpstreamError,
    /// Something of the request may have been sent.
    sent: bool,
    /// Something of an answer has come.
    received: bool,
}

impl From<UpstreamError> for Failure {
    /// Before anything was sent.
    fn from(error: UpstreamError) -> Self {
        Self { error, sent: false, received: false }
    }
}

impl Client {
    /// The client of one worker, which keeps connections of its own.
    pub fn new(groups: Arc<[Group]>) -> Self {
        let pools = groups.iter().map(|group| Rc::new(Pool::new(group.keepalive))).collect();
        Self { groups, pools }
    }

    /// Sends a request to an upstream, by its number, and waits for the head of the answer. The URI is
    /// sent as it is, and has to be a path; `Host` has to be there.
    ///
    /// It goes on to the next server when one cannot be reached, or fails before there is an answer
    /// and asking again does no harm: nothing was sent, or the method is idempotent and the body can
    /// be sent again (RFC 9110 section 9.2.2).
    pub async fn request(
        &self,
        upstream: usize,
        request: Request<Upload>,
        timeouts: &Timeouts,
    ) -> Result<Response<Download>, UpstreamError> {
        let (head, upload) = request.into_parts();
        let group = &self.groups[upstream];
        let mut last = UpstreamError::Closed;
        for peer in group.order() {
            let failure = match self.ask(upstream, peer, &head, &upload, timeouts).await {
                Ok(response) => {
                    group.answered(peer);
                    return Ok(response);
                }
                Err(failure) => failure,
            };
            let Failure { error, sent, .. } = failure;
            if !error.is_servers() {
                return Err(error);
            }
            group.failed(peer);
            let address = group.peer(peer).map(|peer| peer.address.to_string());
            warn!(upstream = %group.name, server = address, error = ?error, "{error}");
            let again = !sent || (head.method.is_idempotent() && upload.is_whole());
            if !again || !error.goes_on() {
                return Err(error);
            }
            last = error;
        }
        Err(last)
    }

    /// As [`Client::request`], and reads the answer to its end, which has at most `limit` bytes.
    pub async fn fetch(
        &self,
        upstream: usize,
        request: Request<Upload>,
        timeouts: &Timeouts,
        limit: usize,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let (head, mut body) = self.request(upstream, request, timeouts).await?.into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| UpstreamError::Closed)?;
            let data = frame.into_data().unwrap_or_default();
            if bytes.len() + data.len() > limit {
                return Err(UpstreamError::TooLarge);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Response::from_parts(head, bytes.into()))
    }

    /// Asks one server, over a connection that is there or over a new one.
    ///
    /// A connection that is there may be closed just when it is used. If it ends without a byte of an
    /// answer, the request is sent once more over a new one, provided that nothing of its body is gone.
    async fn ask(
        &self,
        upstream: usize,
        peer: usize,
        head: &Parts,
        upload: &Upload,
        timeouts: &Timeouts,
    ) -> Result<Response<Download>, Failure> {
        let pool = &self.pools[upstream];
        if let Some(link) = pool.take(peer) {
            let lease = Lease { link, pool: pool.clone(), peer };
            match attempt(lease, head, upload.again(), timeouts).await {
                Err(Failure { error: UpstreamError::Closed, sent, received: false })
                    if !sent
                        || upload.is_untouched()
                        || (head.method.is_idempotent() && upload.is_whole()) => {}
                done => return done,
            }
        }
        let Some(server) = self.groups[upstream].peer(peer) else {
            return Err(UpstreamError::Closed.into());
        };
        let link = Link::open(dial(server, timeouts.connect).await?).await?;
        let lease = Lease { link, pool: pool.clone(), peer };
        attempt(lease, head, upload.again(), timeouts).await
    }
}

/// Sends a request over a connection.
async fn attempt(
    mut lease: Lease,
    head: &Parts,
    upload: Upload,
    timeouts: &Timeouts,
) -> Result<Response<Download>, Failure> {
    let body = upload.same();
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = head.headers.clone();
    let meter = lease.link.meter.clone();
    let before = meter.received();
    let sending = lease.link.sender.try_send_request(request);
    let answer = in_time(sending, &upload, &meter, timeouts).await;
    let received = meter.received() != before;
    let answer = answer.map_err(|error| Failure { error, sent: true, received })?;
    let answer = answer.map_err(|mut failed| {
        let sent = failed.take_message().is_none();
        Failure { error: explain(failed.error(), &upload), sent, received }
    })?;
    let switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    if switched && !head.headers.contains_key(header::UPGRADE) {
        return Err(Failure { error: UpstreamError::Malformed, sent: true, received });
    }
    // What has changed its protocol takes no further request.
    let lease = Some(lease).filter(|_| !switched);
    Ok(answer.map(|incoming| Download::new(incoming, lease, timeouts.read)))
}

/// Waits for an answer as long as the upload goes on, and then as long as an answer may take.
///
/// The timer is always set no later than time can be up: whatever happens meanwhile only puts that off.
async fn in_time<T>(
    answer: impl Future<Output = T>,
    upload: &Upload,
    meter: &Meter,
    timeouts: &Timeouts,
) -> Result<T, UpstreamError> {
    let mut answer = pin!(answer);
    let begun = std::time::Instant::now();
    let shorter = timeouts.send.min(timeouts.read);
    let mut timer = pin!(sleep_until(Instant::now() + shorter));
    poll_fn(|cx: &mut Context<'_>| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(Ok(answer));
        }
        while timer.as_mut().poll(cx).is_ready() {
            let now = std::time::Instant::now();
            let last = meter.last().max(begun);
            let (patience, error) = match upload.stage() {
                // The upload itself says when the client has been waited for long enough.
                Stage::Client => {
                    timer.as_mut().reset(Instant::now() + shorter);
                    continue;
                }
                Stage::Server => (timeouts.send, UpstreamError::SendTimeout),
                Stage::Done => (timeouts.read, UpstreamError::ReadTimeout),
            };
            if last + patience <= now {
                return Poll::Ready(Err(error));
            }
            timer.as_mut().reset((last + patience).into());
        }
        Poll::Pending
    })
    .await
}

/// What hyper's error means.
fn explain(error: &hyper::Error, upload: &Upload) -> UpstreamError {
    if let Some(refusal) = upload.failure() {
        return UpstreamError::Request(refusal);
    }
    if error.is_parse_too_large() {
        UpstreamError::HeadTooLarge
    } else if error.is_parse() {
        UpstreamError::Malformed
    } else {
        UpstreamError::Closed
    }
}
