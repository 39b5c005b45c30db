//! A task that goes on with an exchange until it is needed no more.

use std::{rc::Rc, task::Poll};

use super::{
    Handler,
    exchange::{Exchange, Step},
    phase::SEND_TIMEOUT,
    worker::Shared,
};

/// Waits until the exchange needs no task any more.
pub(super) async fn complete<H: Handler>(
    exchange: &mut Exchange<H>,
    shared: &Rc<Shared<H>>,
) -> Step {
    let mut closing = std::pin::pin!(shared.closing());
    let mut told = false;
    let mut stalled = std::pin::pin!(tokio::time::sleep(SEND_TIMEOUT));
    let mut written = 0;
    std::future::poll_fn(|cx| {
        if !told && closing.as_mut().poll(cx).is_ready() {
            told = true;
            exchange.shut_down();
        }
        let step = exchange.poll(cx);
        let progress = std::mem::replace(&mut written, exchange.wire().written()) != written;
        if progress || !exchange.wire().dirty() {
            stalled.as_mut().reset(tokio::time::Instant::now() + SEND_TIMEOUT);
        }
        match step {
            Step::Wait if stalled.as_mut().poll(cx).is_ready() || exchange.abandoned(cx) => {
                Poll::Ready(Step::Closed)
            }
            Step::Wait => Poll::Pending,
            step => Poll::Ready(step),
        }
    })
    .await
}
