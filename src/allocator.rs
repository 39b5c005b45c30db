//! What the allocator keeps for a thread, and nobody uses.
//!
//! Each thread has a cache of blocks that it has freed. A block in it keeps its page from being given
//! back, and blocks that were freed in any order lie in nearly as many pages: some thousand of them, which
//! is what a wave of connections leaves, kept megabytes. The allocator looks through a cache only when its
//! thread allocates; one that has nothing to do has to be told.

use std::time::Duration;

use tikv_jemalloc_ctl::{Access, AsName};

/// Time between two flushes of a thread's cache. A full one takes a tenth of a millisecond, an empty one
/// some microseconds.
const FLUSH: Duration = Duration::from_secs(5);

/// Gives back what lies in the cache of the thread that it runs on, again and again.
pub(crate) async fn keep_flushed() {
    loop {
        tokio::time::sleep(FLUSH).await;
        flush();
    }
}

/// Gives back what lies in this thread's cache. Who has switched the caches off is left alone.
fn flush() {
    let enabled = b"thread.tcache.enabled\0"[..].name();
    // A cache that is switched off is emptied first.
    if let Ok(true) = enabled.update(false) {
        let _ = enabled.write(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flushed_cache_is_used_again_and_one_that_is_off_stays_off() {
        let enabled = b"thread.tcache.enabled\0"[..].name();
        for on in [true, false] {
            enabled.write(on).unwrap();
            flush();
            let is_on: bool = enabled.read().unwrap();
            assert_eq!(is_on, on);
        }
    }
}
