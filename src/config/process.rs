//! What concerns the process as a whole: the root of the file.

use std::{num::NonZeroUsize, path::PathBuf, thread, time::Duration};

use super::{directive::Block, value::or};
use crate::log::{Format, Target};

/// How long a shutdown waits for requests that are not answered yet.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// The default of the push module.
const MAX_RESERVED_MEMORY: usize = 32 << 20;

/// As many as a worker can have connections, nearly.
const HOOK_QUEUE: usize = 1 << 14;
/// What is little enough for an application that hangs to cost little.
const HOOK_REQUESTS: usize = 256;

/// The root of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Process {
    /// `workers`: threads; by default as many as the machine can run at once.
    pub workers: usize,
    /// `user`: whose rights the process keeps once it listens; none: it keeps its own.
    pub user: Option<String>,
    /// `pid_file`.
    pub pid_file: Option<PathBuf>,
    /// `log_format`, of both logs.
    pub log_format: Format,
    /// `error_log`.
    pub error_log: Target,
    /// `access_log`.
    pub access_log: Target,
    /// `shutdown_delay`: how long it serves as before, and is no longer ready.
    pub shutdown_delay: Duration,
    /// `shutdown_timeout`.
    pub shutdown_timeout: Duration,
    /// `push_max_reserved_memory`: bytes that stored messages may take.
    pub max_reserved_memory: usize,
    /// `push_max_channels`: 0 is any number.
    pub max_channels: usize,
    /// `push_max_subscribers`: 0 is any number.
    pub max_subscribers: usize,
    /// `push_hook_queue`: notices that each worker keeps for the application.
    pub hook_queue: usize,
    /// `push_hook_requests`: questions to each upstream that each worker has under way at a time.
    pub hook_requests: usize,
}

impl Process {
    pub(super) fn build(root: &Block) -> Self {
        let Block { workers, user, pid_file, log_format, error_log, access_log, .. } = root.clone();
        let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            workers: workers.and_then(|at| at.value).unwrap_or_else(cores).get(),
            user: user.and_then(|at| at.value),
            pid_file: pid_file.and_then(|at| at.value),
            log_format: log_format.map(|at| at.value).unwrap_or_default(),
            error_log: error_log.map_or(Target::Stderr, |at| at.value),
            access_log: access_log.map_or(Target::Off, |at| at.value),
            shutdown_delay: or(root.shutdown_delay.as_ref(), Duration::ZERO),
            shutdown_timeout: or(root.shutdown_timeout.as_ref(), SHUTDOWN_TIMEOUT),
            max_reserved_memory: or(root.push_max_reserved_memory.as_ref(), MAX_RESERVED_MEMORY),
            max_channels: or(root.push_max_channels.as_ref(), 0),
            max_subscribers: or(root.push_max_subscribers.as_ref(), 0),
            hook_queue: or(root.push_hook_queue.as_ref(), HOOK_QUEUE),
            hook_requests: or(root.push_hook_requests.as_ref(), HOOK_REQUESTS),
        }
    }
}
