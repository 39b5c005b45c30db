//! The body of an answer, on its way to whoever asked.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep, timeout};
use tracing::warn;

use super::{error::UpstreamError, pool::Lease};
use crate::response::Cut;

/// A body that is read as fast as it is taken. At its end its connection is free again. Trailers are
/// left out.
#[derive(Debug)]
pub struct Download {
    incoming: Incoming,
    lease: Option<Lease>,
    /// `proxy_read_timeout`.
    patience: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    late: bool,
}

impl Download {
    pub(super) fn new(incoming: Incoming, lease: Option<Lease>, patience: Duration) -> Self {
        let mut download = Self { incoming, lease, patience, timer: None, late: false };
        if download.incoming.is_end_stream() {
            download.finish();
        }
        download
    }

    /// Reads it to its end, if it has no more than `limit` bytes and takes no longer than one read may.
    pub(super) async fn whole(self, limit: usize) -> Result<Bytes, UpstreamError> {
        let patience = self.patience;
        let whole = timeout(patience, self.collect(limit)).await;
        whole.unwrap_or(Err(UpstreamError::ReadTimeout))
    }

    async fn collect(mut self, limit: usize) -> Result<Bytes, UpstreamError> {
        if self.size_hint().lower() > limit as u64 {
            return Err(UpstreamError::TooLarge);
        }
        let mut bytes = Vec::new();
        while let Some(frame) = self.frame().await {
            let Ok(frame) = frame else {
                let late = self.late;
                return Err(if late { UpstreamError::ReadTimeout } else { UpstreamError::Closed });
            };
            let data = frame.into_data().unwrap_or_default();
            if bytes.len() + data.len() > limit {
                return Err(UpstreamError::TooLarge);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.into())
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    fn fail(&mut self, why: &str) -> Cut {
        warn!(why, "the application's answer ends too early");
        self.lease = None;
        Cut
    }
}

/// What is left of a body that nobody wants is thrown away if it is there already, else hyper closes
/// the connection.
impl Drop for Download {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.timer = None;
                    if self.incoming.is_end_stream() {
                        self.finish();
                    }
                    if frame.is_data() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(self.fail(&error.to_string()))));
                }
                Poll::Ready(None) => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Poll::Pending => break,
            }
        }
        let patience = self.patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        std::task::ready!(timer.as_mut().poll(cx));
        self.late = true;
        Poll::Ready(Some(Err(self.fail("nothing came for proxy_read_timeout"))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
