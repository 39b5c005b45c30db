//! A response body that is written by a task of its own, which runs as fast as the client reads.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};

use crate::{hold::Doing, response::Cut};

/// The body; the task is a part of it and goes with it.
pub(super) struct Flow {
    task: Option<Doing<Result<(), Cut>>>,
    slot: Rc<RefCell<Bytes>>,
}

/// What writes.
#[derive(Debug)]
pub(super) struct Out(Rc<RefCell<Bytes>>);

impl Flow {
    /// The body that a task writes.
    pub(super) fn new<T>(write: impl FnOnce(Out) -> T) -> Self
    where
        T: Future<Output = Result<(), Cut>> + 'static,
    {
        let slot = Rc::<RefCell<Bytes>>::default();
        let task = write(Out(slot.clone()));
        Self { task: Some(Box::pin(task)), slot }
    }
}

impl Out {
    /// Hands bytes over, once those before are taken.
    pub(super) async fn send(&self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        // Whoever takes what lies there runs the task again.
        let free = || if self.0.borrow().is_empty() { Poll::Ready(()) } else { Poll::Pending };
        poll_fn(|_| free()).await;
        *self.0.borrow_mut() = bytes;
    }
}

impl Body for Flow {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if self.slot.borrow().is_empty()
            && let Some(task) = &mut self.task
            && let Poll::Ready(ended) = task.as_mut().poll(cx)
        {
            self.task = None;
            if let Err(cut) = ended {
                return Poll::Ready(Some(Err(cut)));
            }
        }
        let bytes = std::mem::take(&mut *self.slot.borrow_mut());
        match (bytes.is_empty(), &self.task) {
            (false, _) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            (true, Some(_)) => Poll::Pending,
            (true, None) => Poll::Ready(None),
        }
    }
}
