//! Which signal means what.

use std::{
    fs,
    io::{self, IsTerminal},
};

use tokio::signal::unix::{SignalKind, signal};
use tracing::warn;

/// Waits for SIGTERM or SIGINT. SIGHUP is the same where somebody sits at a terminal, which is closed
/// then; else somebody means nginx's, by which it reads its configuration again, and nobody is sent away.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let ignored = ignores_hangup();
    let mut hangup = signal(SignalKind::hangup())?;
    let attended = io::stdin().is_terminal() && !ignored;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = interrupt.recv() => return,
                _ = hangup.recv() => {}
            }
            if attended {
                return;
            }
            warn!("SIGHUP: the configuration is read at the start alone, and everything goes on");
        }
    })
}

/// Whether whoever has started the process wants it to live longer than the terminal, as `nohup` does.
fn ignores_hangup() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is 1, the first bit.
    mask.is_some_and(|mask| mask & 1 != 0)
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
