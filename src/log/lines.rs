//! Where lines go: a queue of bounded size, which a thread of its own writes out.
//!
//! Whoever has something to say never waits for the disk, or for whoever reads the other end of a
//! pipe. What the queue does not take is lost, and counted.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use super::Target;

/// Bytes that may wait to be written; as many more may be on their way.
const ROOM: usize = 1 << 20;
/// How long the end of the process waits for the last lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

static LOST: AtomicU64 = AtomicU64::new(0);

/// Lines that could not be written, of all logs.
pub fn lost() -> u64 {
    LOST.load(Relaxed)
}

/// A log that is being written.
#[derive(Clone, Debug)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to do.
    work: Condvar,
    /// There is nothing left to do.
    rest: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Some have been taken and are not written yet.
    writing: bool,
    reopen: bool,
}

impl Lines {
    /// Opens a log and starts its thread; none where it is off.
    pub(super) fn open(target: &Target) -> io::Result<Option<Self>> {
        let sink = match target {
            Target::Off => return Ok(None),
            Target::Stderr => Sink::Stderr,
            Target::Stdout => Sink::Stdout,
            Target::File(path) => Sink::File(append(path)?, path.clone()),
        };
        let lines = Self(Arc::default());
        let own = lines.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || own.write_out(sink))?;
        Ok(Some(lines))
    }

    /// Says a whole line, or several, with their ends.
    pub(super) fn put(&self, line: &[u8]) {
        let mut queue = self.queue();
        if queue.bytes.len() + line.len() > ROOM {
            return lose(line);
        }
        queue.bytes.extend_from_slice(line);
        drop(queue);
        self.0.work.notify_one();
    }

    /// Opens the file anew: somebody has moved it away.
    pub(super) fn reopen(&self) {
        self.queue().reopen = true;
        self.0.work.notify_one();
    }

    /// Waits until everything is written, but not for ever.
    pub(super) fn flush(&self) {
        let end = Instant::now() + PATIENCE;
        let mut queue = self.queue();
        while queue.writing || !queue.bytes.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.rest.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The work of the thread, for as long as the process lives.
    fn write_out(&self, mut sink: Sink) {
        let mut bytes = Vec::new();
        loop {
            let mut queue = self.queue();
            while queue.bytes.is_empty() && !queue.reopen {
                queue = self.0.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut queue.bytes, &mut bytes);
            let reopen = std::mem::take(&mut queue.reopen);
            queue.writing = true;
            drop(queue);
            // What was said before belongs to the old file.
            if sink.write(&bytes).is_err() {
                lose(&bytes);
            }
            bytes.clear();
            if reopen {
                sink.reopen();
            }
            self.queue().writing = false;
            self.0.rest.notify_all();
        }
    }
}

fn lose(lines: &[u8]) {
    let number = memchr::memchr_iter(b'\n', lines).count();
    LOST.fetch_add(number as u64, Relaxed);
}

#[derive(Debug)]
enum Sink {
    Stderr,
    Stdout,
    File(File, PathBuf),
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stderr => io::stderr().write_all(bytes),
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()
            }
            Self::File(file, _) => file.write_all(bytes),
        }
    }

    /// Where the file cannot be opened anew, the old one goes on.
    fn reopen(&mut self) {
        if let Self::File(file, path) = self {
            match append(path) {
                Ok(new) => *file = new,
                Err(error) => tracing::error!(%error, "cannot reopen a log"),
            }
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}

/// One line of the error log after the other.
impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
