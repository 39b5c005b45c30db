//! Many writes in one system call (`io_uring`), where the kernel lets us.
//!
//! A container's rules or an old kernel may refuse: then each write is a call of its own, as it is
//! where only a few have to be made.

use std::{
    fmt,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use bytes::Bytes;
use io_uring::{IoUring, opcode, types::Fd};
use rustix::{
    io::Errno,
    net::{SendFlags, send},
};
use tracing::debug;

use super::hall::{Hall, Sent};

/// Writes in one call, and places in the ring.
pub(super) const MOST: usize = 64;
/// Bytes that wait for one call: what has header lines of its own is a copy.
pub(super) const ENOUGH: usize = 256 << 10;
/// Fewer are made one by one: entering the ring costs as much as some of them.
const FEW: usize = 4;

/// Bytes for a socket.
pub(super) type Write<'a> = (Option<BorrowedFd<'a>>, &'a [u8]);

/// The ring of one worker; without one each write is a call.
#[derive(Default)]
pub(super) struct SendBatch {
    ring: Option<IoUring>,
}

impl SendBatch {
    /// Makes the ring; it belongs to the thread that does so.
    pub(super) fn make(&mut self) {
        self.ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .build(u32::try_from(MOST).unwrap_or(u32::MAX))
            .inspect_err(|error| debug!(%error, "no io_uring, each write is a call"))
            .ok();
    }

    /// Writes once to each socket, at most [`MOST`]; answers in the same order. What has none is gone.
    pub(super) fn send(&mut self, writes: &[Write<'_>]) -> Vec<Sent> {
        if writes.len() >= FEW
            && let Some(ring) = &mut self.ring
        {
            let (sent, works) = send_all(ring, writes);
            if !works {
                self.ring = None;
            }
            return sent;
        }
        writes.iter().map(alone).collect()
    }
}

impl Hall {
    /// Writes once to each of some connections; answers in their order.
    pub(super) fn send_each<T>(
        &mut self,
        writes: &[T],
        of: impl Fn(&T) -> (u32, &Bytes),
    ) -> Vec<Sent> {
        let Self { held, send_batch, .. } = self;
        let socket = |key: u32| held.get(key as usize)?.fd.as_ref().map(AsFd::as_fd);
        let ready = writes.iter().map(|write| {
            let (key, bytes) = of(write);
            (socket(key), &bytes[..])
        });
        let sent = send_batch.send(&ready.collect::<Vec<_>>());
        for (write, sent) in writes.iter().zip(&sent) {
            if let Some(held) = held.get(of(write).0 as usize) {
                held.note_sent(*sent);
            }
        }
        sent
    }
}

impl fmt::Debug for SendBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendBatch").field("ring", &self.ring.is_some()).finish()
    }
}

/// `DONTWAIT`: each write is over when the call returns. `false`: the ring must not be used again.
fn send_all(ring: &mut IoUring, writes: &[Write<'_>]) -> (Vec<Sent>, bool) {
    let mut sent = vec![Sent::Gone; writes.len()];
    let pushed = push_all(ring, writes);
    // The kernel takes them in their order: what it has not taken was never written.
    let (mut taken, mut answered, mut works) = (0, 0, pushed == writes.len());
    while answered < pushed && works {
        match ring.submit_and_wait(pushed - answered) {
            Ok(number) => taken += number,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                debug!(%error, "io_uring has failed, each write is a call");
                works = false;
            }
        }
        for answer in ring.completion() {
            answered += 1;
            let number = usize::try_from(answer.user_data()).unwrap_or(usize::MAX);
            if let (Some(sent), Some(write)) = (sent.get_mut(number), writes.get(number)) {
                *sent = outcome(answer.result()).unwrap_or_else(|| alone(write));
            }
        }
    }
    if !works {
        for (sent, write) in sent.iter_mut().zip(writes).skip(taken) {
            *sent = alone(write);
        }
    }
    (sent, works)
}

/// Puts writes into the ring; returns how many.
fn push_all(ring: &mut IoUring, writes: &[Write<'_>]) -> usize {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let mut queue = ring.submission();
    for (number, (fd, bytes)) in writes.iter().enumerate() {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        // The kernel refuses what is no descriptor.
        let fd = fd.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let entry = opcode::Send::new(Fd(fd), bytes.as_ptr(), length)
            .flags(flags.bits().cast_signed())
            .build()
            .user_data(number as u64);
        // SAFETY: descriptor and bytes are borrowed until all writes of this call are answered.
        #[allow(unsafe_code)]
        let pushed = unsafe { queue.push(&entry) };
        if pushed.is_err() {
            return number;
        }
    }
    writes.len()
}

/// What the result of a write means; `None`: there was no memory to make it.
fn outcome(result: i32) -> Option<Sent> {
    if let Ok(written) = usize::try_from(result) {
        return Some(Sent::Bytes(written));
    }
    match Errno::from_raw_os_error(-result) {
        Errno::NOMEM => None,
        Errno::AGAIN | Errno::INTR => Some(Sent::Bytes(0)),
        _ => Some(Sent::Gone),
    }
}

/// One of several, by a call of its own.
fn alone((fd, bytes): &Write<'_>) -> Sent {
    fd.map_or(Sent::Gone, |fd| send_one(fd, bytes))
}

/// Writes once to a socket.
pub(super) fn send_one(fd: impl AsFd, bytes: &[u8]) -> Sent {
    if bytes.is_empty() {
        return Sent::Bytes(0);
    }
    match send(fd, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
        Ok(sent) => Sent::Bytes(sent),
        Err(Errno::AGAIN | Errno::INTR) => Sent::Bytes(0),
        Err(_) => Sent::Gone,
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixStream};

    use super::*;

    fn pairs(number: usize) -> (Vec<UnixStream>, Vec<UnixStream>) {
        (0..number).map(|_| UnixStream::pair().unwrap()).unzip()
    }

    fn send(batch: &mut SendBatch, sockets: &[UnixStream], texts: &[Vec<u8>]) -> Vec<Sent> {
        let writes = sockets.iter().zip(texts);
        let writes: Vec<_> =
            writes.map(|(socket, text)| (Some(socket.as_fd()), &text[..])).collect();
        batch.send(&writes)
    }

    /// With a ring, if the kernel lets us, and without one.
    fn both() -> [SendBatch; 2] {
        let mut made = SendBatch::default();
        made.make();
        [made, SendBatch::default()]
    }

    #[test]
    fn each_socket_gets_its_own_bytes_however_they_are_written() {
        for mut batch in both() {
            for number in [0, 1, FEW, MOST] {
                let (ours, mut theirs) = pairs(number);
                let texts: Vec<Vec<u8>> =
                    (0..number).map(|n| format!("text {n}").into_bytes()).collect();
                let sent = send(&mut batch, &ours, &texts);
                drop(ours);
                for ((sent, text), socket) in sent.iter().zip(&texts).zip(&mut theirs) {
                    assert_eq!(*sent, Sent::Bytes(text.len()));
                    let mut got = Vec::new();
                    socket.read_to_end(&mut got).unwrap();
                    assert_eq!(&got, text);
                }
            }
        }
    }

    #[test]
    fn a_full_socket_takes_a_part_or_nothing_and_a_closed_one_is_gone() {
        for mut batch in both() {
            let (ours, mut theirs) = pairs(MOST);
            drop(theirs.remove(1));
            let large: Vec<Vec<u8>> =
                (0..ours.len()).map(|n| vec![b'x'; if n == 0 { 8 << 20 } else { 5 }]).collect();
            let sent = send(&mut batch, &ours, &large);
            assert!(matches!(sent[0], Sent::Bytes(1..8_388_608)), "{:?}", sent[0]);
            assert_eq!(sent[1], Sent::Gone);
            assert!(sent[2..].iter().all(|sent| *sent == Sent::Bytes(5)), "{sent:?}");
            let sent = send(&mut batch, &ours, &large);
            assert_eq!(sent[0], Sent::Bytes(0));
        }
    }

    /// A ring answers nobody but the thread that has made it, and so fails in another.
    #[test]
    fn what_a_failing_ring_has_not_taken_is_written_without_it() {
        let made = std::thread::spawn(|| {
            let mut batch = SendBatch::default();
            batch.make();
            batch
        });
        let mut batch = made.join().unwrap();
        let (ours, mut theirs) = pairs(MOST);
        let text = b"text".to_vec();
        for _ in 0..2 {
            let sent = send(&mut batch, &ours, &vec![text.clone(); MOST]);
            assert_eq!(sent, vec![Sent::Bytes(text.len()); MOST]);
            assert!(batch.ring.is_none(), "a ring that has failed is not used again");
        }
        drop(ours);
        for socket in &mut theirs {
            let mut got = Vec::new();
            socket.read_to_end(&mut got).unwrap();
            assert_eq!(got, text.repeat(2));
        }
    }
}
