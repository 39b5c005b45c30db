//! `proxy_connect_retry`: requests that wait for an application that cannot be reached.

use std::{rc::Rc, time::Duration};

use http::{Response, request::Parts};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    backoff::Backoff,
    client::Client,
    counts::Counted,
    download::Download,
    error::UpstreamError,
    permits::{Permit, Permits},
    upload::Upload,
};
use crate::config::Timeouts;

/// Before a server that cannot be reached is tried again, ...
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// ... and at most.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// Requests of a worker that wait so; others are answered at once.
const MAX_WAITERS: usize = 1024;
/// A first try may take so long to connect though the server shuts down: a handshake that is sent again
/// once is through by then.
const LAST_DIAL: Duration = Duration::from_secs(2);

/// One request, as every attempt sends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// The number of the upstream.
    pub(super) upstream: usize,
    pub(super) head: &'a Parts,
    pub(super) upload: &'a Upload,
    pub(super) timeouts: &'a Timeouts,
    /// When its first try began.
    pub(super) begun: Instant,
    /// It has been tried, and waits: it does so no longer than the server runs.
    pub(super) waits: bool,
}

/// Why no server of an upstream has answered.
#[derive(Debug)]
pub(super) struct Lost {
    /// That of the last one.
    pub(super) error: UpstreamError,
    /// Some server may have got something of the request.
    pub(super) sent: bool,
    /// Some server has failed otherwise than by breaking off.
    pub(super) failed: bool,
}

/// Those of a worker who wait.
#[derive(Clone, Debug)]
pub(super) struct Waiters {
    permits: Permits,
    /// Since when the server shuts down.
    closing: Rc<watch::Sender<Option<Instant>>>,
}

impl Waiters {
    pub(super) fn new() -> Self {
        Self { permits: Permits::new(MAX_WAITERS), closing: Rc::new(watch::Sender::new(None)) }
    }

    fn take(&self) -> Option<Permit> {
        self.permits.take().filter(|_| self.closing.borrow().is_none())
    }

    /// Nobody waits any more.
    pub(super) fn close(&self) {
        self.closing.send_replace(Some(Instant::now()));
    }

    /// Waits until nobody does; returns since when.
    async fn closing(&self) -> Instant {
        let mut closing = self.closing.subscribe();
        // The sender lives as long as `self`.
        let since = closing.wait_for(Option::is_some).await;
        since.ok().and_then(|since| *since).unwrap_or_else(Instant::now)
    }

    /// Waits until a call may not go on connecting, which it began then: one that waits when the server
    /// shuts down, and a first try a while later.
    pub(super) async fn given_up(&self, call: &Call<'_>, begun: Instant) {
        let since = self.closing().await;
        if !call.waits {
            sleep_until(since.max(begun) + LAST_DIAL).await;
        }
    }
}

impl Lost {
    /// Whether the request may go out again. An answer that breaks off, as at the end of the
    /// application's process, is asked for once more: the next time it may be the request that ends it.
    fn is_passing(&self, call: &Call<'_>, broken: &mut bool) -> bool {
        let may = self.error.goes_on() && call.upload.may_repeat(self.sent, &call.head.method);
        may && (!self.sent || !(self.failed || std::mem::replace(broken, true)))
    }
}

impl Client {
    /// Tries again after this, until [`Timeouts::retry`] has passed since the beginning of the first try, or
    /// since a server broke off that had the request, and no longer than the server runs.
    pub(super) async fn retry(
        &self,
        call: Call<'_>,
        mut lost: Lost,
    ) -> Result<Response<Download>, UpstreamError> {
        let (mut broken, retry) = (false, call.timeouts.retry);
        if retry.is_zero() || !lost.is_passing(&call, &mut broken) {
            return Err(lost.error);
        }
        let Some(_waiter) = self.waiters.take() else { return Err(lost.error) };
        let _waiting = Counted::among(&self.counts.waiting);
        let end = if lost.sent { Instant::now() } else { call.begun } + retry;
        let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
        loop {
            let now = Instant::now();
            if now >= end {
                return Err(lost.error);
            }
            tokio::select! {
                () = sleep_until(end.min(now + backoff.pause())) => {}
                _ = self.waiters.closing() => return Err(lost.error),
            }
            lost = match self.round(Call { waits: true, ..call }).await {
                Err(lost) if lost.is_passing(&call, &mut broken) => lost,
                done => return done.map_err(|lost| lost.error),
            };
        }
    }
}
