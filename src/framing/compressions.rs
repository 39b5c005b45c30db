//! How often messages were compressed, for `gzip` and for permessage-deflate.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static RUNS: AtomicU64 = AtomicU64::new(0);

/// A message, or the answer to a poll, is compressed for whoever waits for it. What is ready before
/// anybody comes (openings, signs of life) does not count.
pub(super) fn count() {
    RUNS.fetch_add(1, Relaxed);
}

/// How often this process has done so.
pub fn runs() -> u64 {
    RUNS.load(Relaxed)
}
