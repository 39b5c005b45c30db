//! Which signal means what.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGTERM or SIGINT.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Does something at each SIGUSR1, by which nginx's log files are opened anew; ends only if there
/// are no signals any more.
pub fn at_reopen(reopen: impl Fn()) -> io::Result<impl Future<Output = io::Result<()>>> {
    let mut signals = signal(SignalKind::user_defined1())?;
    Ok(async move {
        while signals.recv().await.is_some() {
            reopen();
        }
        std::future::pending().await
    })
}
