//! The daemon: sockets and threads, from start to drain.

mod listener;
mod process;
mod signal;

use std::{
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Duration,
};

pub use listener::{BindError, Bound};
pub use process::{PidFile, SetupError, settle};
pub use signal::{at_reopen, stop_signal};
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};
use tracing::{error, info};

use crate::{
    allocator::keep_flushed,
    channel::{Hub, Settings},
    config::{Config, Process},
    gateway::{self, Desk, Gateway},
    hold::{Listener, Listening, Tally, Worker},
    status::Monitor,
};

/// Time between two of the hub's partial sweeps.
const REAP: Duration = Duration::from_secs(1);

/// Serves until `shutdown`, then says goodbye to everyone and waits for what is under way, at most
/// `shutdown_timeout` long.
pub async fn run(
    config: Config,
    bound: Bound,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let settings = gateway::settings(&config);
    run_with(config, bound, settings, shutdown).await
}

/// As [`run`], with settings of one's own for the hub: another clock, a store.
pub async fn run_with(
    config: Config,
    bound: Bound,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let Process { shutdown_timeout: patience, shutdown_delay: delay, .. } = config.process;
    let listening: Arc<[Listening]> = bound.listening(&config).into();
    let Bound { workers, by_listener, files: _files, .. } = bound;
    let tallies: Vec<Arc<Tally>> = workers.iter().map(|_| Arc::default()).collect();
    let hub = Hub::new(settings);
    let gateway = Arc::new(Gateway::new(config, by_listener, hub, tallies.clone())?);
    let stop = watch::Sender::new(false);
    let (ended, mut ends) = mpsc::channel(1);
    for (number, (listeners, tally)) in workers.into_iter().zip(tallies).enumerate() {
        let job = Job {
            number: number as u64,
            gateway: gateway.clone(),
            listeners,
            listening: listening.clone(),
            tally,
            stop: stop.subscribe(),
            patience,
        };
        job.start(ended.clone())?;
    }
    drop(ended);
    tokio::select! {
        () = leave(shutdown, gateway.monitor(), delay) => info!("draining"),
        () = keep_house(&gateway) => {}
        failed = ends.recv() => {
            failed.unwrap_or(Ok(()))?;
            return Err(io::Error::other("a worker ended by itself"));
        }
    }
    stop.send_replace(true);
    drained(ends).await
}

/// All workers have ended.
async fn drained(mut ends: mpsc::Receiver<io::Result<()>>) -> io::Result<()> {
    while let Some(end) = ends.recv().await {
        end?;
    }
    info!("drained");
    Ok(())
}

/// Ends when the time to stop has come: `delay` after `shutdown`, so that whoever sends requests can
/// see that it is not ready for more.
async fn leave(shutdown: impl Future<Output = ()>, monitor: &Monitor, delay: Duration) {
    shutdown.await;
    monitor.stop();
    tokio::time::sleep(delay).await;
}

/// Drops what nobody needs any more.
async fn keep_house(gateway: &Gateway) {
    tokio::join!(reap(gateway), keep_flushed());
}

async fn reap(gateway: &Gateway) {
    let mut ticks = interval(REAP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for turn in 0_usize.. {
        ticks.tick().await;
        gateway.hub().reap(turn);
        gateway.sweep().await;
    }
}

/// One worker thread.
struct Job {
    number: u64,
    gateway: Arc<Gateway>,
    listeners: Vec<Listener>,
    listening: Arc<[Listening]>,
    tally: Arc<Tally>,
    stop: watch::Receiver<bool>,
    patience: Duration,
}

impl Job {
    fn start(self, ended: mpsc::Sender<io::Result<()>>) -> io::Result<()> {
        thread::Builder::new().name(format!("worker-{}", self.number)).spawn(move || {
            // Nobody listens any more only when another worker failed before.
            let end = catch_unwind(AssertUnwindSafe(|| self.run()));
            let broken = |_| Err(io::Error::other("a worker has broken down"));
            let _ = ended.blocking_send(end.unwrap_or_else(broken));
        })?;
        Ok(())
    }

    fn run(self) -> io::Result<()> {
        let Self { number, gateway, listeners, listening, tally, mut stop, patience } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let worker = Worker::new(number, Desk::new(gateway), listeners, listening, tally)?;
        let stopped = async move {
            // The sender goes only when the daemon does.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        let end = runtime.block_on(worker.run(stopped, patience));
        if let Err(error) = &end {
            error!(worker = number, %error, "a worker failed");
        }
        end
    }
}
