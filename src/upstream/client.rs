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
use tokio::time::{Instant, sleep_until};

use super::{
    counts::Counts,
    dial::dial,
    download::Download,
    error::UpstreamError,
    group::Group,
    permits::Turns,
    pool::{Lease, Link, Pool},
    retry::{Call, Lost, Waiters},
    socket::Meter,
    upload::{Stage, Upload},
};
use crate::config::Timeouts;

/// What a worker speaks to the servers of all upstreams with.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) groups: Arc<[Group]>,
    pools: Rc<[Rc<Pool>]>,
    pub(super) waiters: Waiters,
    pub(super) counts: Arc<Counts>,
    /// Of each upstream: the turns of questions, and of who is held and asks again.
    pub(super) questions: Rc<[Turns]>,
    pub(super) repeats: Rc<[Turns]>,
}

/// Why an attempt failed.
struct Failure {
    error: UpstreamError,
    /// Something of the request was written.
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
    /// The client of one worker, with connections of its own and so many `questions` an upstream at a
    /// time.
    pub fn new(groups: Arc<[Group]>, questions: usize, counts: Arc<Counts>) -> Self {
        let pools = groups.iter().map(|group| Rc::new(Pool::new(group.keepalive))).collect();
        let turns = || groups.iter().map(|_| Turns::new(questions)).collect();
        let (waiters, questions, repeats) = (Waiters::new(), turns(), turns());
        Self { groups, pools, waiters, counts, questions, repeats }
    }

    /// The server shuts down: nobody waits any more for an application that cannot be reached.
    pub fn close(&self) {
        self.waiters.close();
    }

    /// Sends a request to an upstream, by its number, and waits for the head of the answer. The URI is
    /// sent as it is, and has to be a path; `Host` has to be there.
    ///
    /// It goes on to the next server when one cannot be reached, or fails before there is an answer
    /// and asking again does no harm: nothing was sent, or the method is idempotent and the body can
    /// be sent again (RFC 9110 section 9.2.2). When no server can be reached, such a request is tried
    /// again for [`Timeouts::retry`].
    pub async fn request(
        &self,
        upstream: usize,
        request: Request<Upload>,
        timeouts: &Timeouts,
    ) -> Result<Response<Download>, UpstreamError> {
        let (head, upload) = request.into_parts();
        self.groups[upstream].asked();
        let begun = Instant::now();
        let call = Call { upstream, head: &head, upload: &upload, timeouts, begun, waits: false };
        match self.round(call).await {
            Err(lost) => self.retry(call, lost).await,
            Ok(response) => Ok(response),
        }
    }

    /// Asks the servers one after the other, as far as they may be asked.
    pub(super) async fn round(&self, call: Call<'_>) -> Result<Response<Download>, Lost> {
        let group = &self.groups[call.upstream];
        let mut lost = Lost { error: UpstreamError::Closed, sent: false, failed: false };
        for peer in group.order() {
            let Failure { error, sent, .. } = match self.ask(peer, call).await {
                Ok(response) => {
                    group.answered(peer);
                    return Ok(response);
                }
                Err(failure) => failure,
            };
            if error.is_servers() {
                group.failed(peer, &error);
            }
            lost.sent |= sent;
            lost.failed |= sent && !matches!(error, UpstreamError::Closed);
            lost.error = error;
            if !lost.error.goes_on() || !call.upload.may_repeat(sent, &call.head.method) {
                break;
            }
        }
        Err(lost)
    }

    /// As [`Client::request`], and reads the answer to its end. Its body may have at most `limit` bytes;
    /// one that has more is not read, and its connection is closed.
    pub async fn fetch(
        &self,
        upstream: usize,
        request: Request<Upload>,
        timeouts: &Timeouts,
        limit: usize,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let (head, body) = self.request(upstream, request, timeouts).await?.into_parts();
        Ok(Response::from_parts(head, body.whole(limit).await?))
    }

    /// Asks one server, over a connection that is there or over a new one.
    ///
    /// A connection that is there may be closed just when it is used. If it ends without a byte of an
    /// answer, the request is sent once more over a new one, provided that nothing of it was written or
    /// that the method is idempotent (RFC 9110 section 9.2.2).
    async fn ask(&self, peer: usize, call: Call<'_>) -> Result<Response<Download>, Failure> {
        let Call { upstream, head, upload, timeouts, .. } = call;
        let pool = &self.pools[upstream];
        if let Some(link) = pool.take(peer) {
            link.meter.rested();
            let lease = Lease { link, pool: pool.clone(), peer };
            match attempt(lease, head, upload.again(), timeouts).await {
                Err(Failure { error: UpstreamError::Closed, sent, received: false })
                    if upload.may_repeat(sent, &head.method) => {}
                done => return done,
            }
        }
        let Some(server) = self.groups[upstream].peer(peer) else {
            return Err(UpstreamError::Closed.into());
        };
        let begun = Instant::now();
        let stream = tokio::select! {
            biased;
            stream = dial(server, timeouts.connect) => stream?,
            () = self.waiters.given_up(&call, begun) => {
                return Err(UpstreamError::ConnectTimeout.into());
            }
        };
        let link = Link::open(stream, self.groups[upstream].connected()).await?;
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
    let (written, before) = (meter.written(), meter.received());
    let sending = lease.link.sender.try_send_request(request);
    let answer = in_time(sending, &upload, &meter, timeouts).await;
    let received = meter.received() != before;
    let answer = answer.map_err(|error| Failure { error, sent: true, received })?;
    let answer = answer.map_err(|mut failed| {
        let sent = failed.take_message().is_none() && meter.written() != written;
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

/// Waits for the head of an answer as long as the upload goes on, and then as long as it may take. What
/// the server says meanwhile puts that off by nothing: interim answers (1xx) could go on for ever.
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
            let last = meter.sent().max(begun);
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

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{SocketAddr, TcpListener},
        sync::atomic::{AtomicUsize, Ordering},
        thread,
        time::Duration,
    };

    use tokio::task::LocalSet;

    use super::*;
    use crate::config::{Address, Upstream};

    const LIMIT: usize = 10;

    /// A server that answers whatever comes with these bytes; connections are counted.
    fn server(answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let counter = count.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut bytes) = (stream.unwrap(), [0; 4096]);
                counter.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    while stream.read(&mut bytes).is_ok_and(|length| length > 0) {
                        if answer.is_empty() || stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        (address, count)
    }

    fn client(servers: &[SocketAddr]) -> Client {
        let address = |at: &SocketAddr| Address::Tcp(at.ip().to_string().into(), at.port());
        let upstream = Upstream {
            name: "app".into(),
            servers: servers.iter().map(address).collect(),
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
            keepalive: 4,
        };
        Client::new([Group::new(&upstream)].into(), 1, Arc::default())
    }

    async fn fetch(
        client: &Client,
        method: &str,
        body: &'static str,
    ) -> Result<Response<Bytes>, UpstreamError> {
        let upload = Upload::bytes(body.into());
        let request = Request::builder().method(method).uri("/").header(header::HOST, "app");
        let timeouts = Timeouts { read: Duration::from_millis(200), ..Timeouts::default() };
        client.fetch(0, request.body(upload).unwrap(), &timeouts, LIMIT).await
    }

    #[tokio::test]
    async fn a_small_answer_is_collected_over_connections_that_stay() {
        let chunked = "HTTP/1.1 403 Forbidden\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n\
                       5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n";
        let (address, connections) = server(chunked);
        let all = async {
            let client = client(&[address]);
            for method in ["GET", "POST", "DELETE"] {
                let answer = fetch(&client, method, "body").await.unwrap();
                assert_eq!(
                    (answer.status(), &answer.headers()["x"]),
                    (StatusCode::FORBIDDEN, &"1".parse().unwrap())
                );
                assert_eq!(answer.body(), "helloworld");
            }
        };
        LocalSet::new().run_until(all).await;
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_answer_above_the_limit_is_an_error_and_so_is_half_of_one() {
        for (answer, expected) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
                "The application's answer is too large.",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
                "The application did not answer in time.",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
                "The application closed the connection without an answer.",
            ),
            ("", "The application closed the connection without an answer."),
        ] {
            let (address, _) = server(answer);
            let all = async {
                let error = fetch(&client(&[address]), "GET", "").await.unwrap_err();
                assert_eq!(error.to_string(), expected);
            };
            LocalSet::new().run_until(all).await;
        }
    }

    #[tokio::test]
    async fn bytes_in_hand_are_sent_again_to_the_next_server_if_that_does_no_harm() {
        let fine = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        for (method, succeeds) in [("PUT", true), ("POST", false)] {
            let ((silent, _), (good, connections)) = (server(""), server(fine));
            let all = async {
                let answer = fetch(&client(&[silent, good]), method, "body").await;
                assert_eq!(answer.is_ok(), succeeds, "{method}");
            };
            LocalSet::new().run_until(all).await;
            assert_eq!(connections.load(Ordering::SeqCst), usize::from(succeeds));
        }
    }

    #[tokio::test]
    async fn a_request_whose_caller_gives_up_ends_its_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            // Ends only if the connection does.
            stream.read_to_end(&mut Vec::new()).unwrap();
        });
        let all = async {
            let client = client(&[address]);
            let asking =
                tokio::time::timeout(Duration::from_millis(100), fetch(&client, "GET", ""));
            asking.await.unwrap_err();
            tokio::task::spawn_blocking(move || server.join().unwrap()).await.unwrap();
        };
        LocalSet::new().run_until(all).await;
    }
}
