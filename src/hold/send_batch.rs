//! Many writes in one system call (`io_uring`), where the kernel lets us.
//!
//! A container's rules or an old kernel may refuse: then each write is a call of its own, as it is
//! where only a few have to be made.

use std::{
    fmt,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use io_uring::{IoUring, opcode, types::Fd};
use rustix::{
    io::Errno,
    net::{SendFlags, send},
};
use tracing::debug;

use super::hall::Sent;

/// Writes in one call, and places in the ring.
pub(super) const MOST: u32 = 64;
/// Fewer are made one by one: entering the ring costs as much as some of them.
const FEW: usize = 4;

/// The ring of one worker.
#[derive(Debug, Default)]
pub(super) struct SendBatch {
    ring: Ring,
}

#[derive(Default)]
enum Ring {
    /// It belongs to the thread that uses it, so it is made at first need.
    #[default]
    Unmade,
    Made(Box<IoUring>),
    Refused,
}

impl SendBatch {
    /// Writes once to each socket, at most [`MOST`]; answers in the same order.
    pub(super) fn send(&mut self, writes: &[(BorrowedFd<'_>, &[u8])]) -> Vec<Sent> {
        if writes.len() >= FEW
            && let Some(ring) = self.ring.get()
        {
            let (sent, works) = send_all(ring, writes);
            if !works {
                self.ring = Ring::Refused;
            }
            return sent;
        }
        writes.iter().map(|(fd, bytes)| send_one(fd, bytes)).collect()
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unmade => "Unmade",
            Self::Made(_) => "Made",
            Self::Refused => "Refused",
        })
    }
}

impl Ring {
    fn get(&mut self) -> Option<&mut IoUring> {
        if matches!(self, Self::Unmade) {
            *self = IoUring::builder()
                .setup_single_issuer()
                .setup_defer_taskrun()
                .setup_submit_all()
                .build(MOST)
                .inspect_err(|error| debug!(%error, "no io_uring, each write is a call"))
                .map_or(Self::Refused, |ring| Self::Made(Box::new(ring)));
        }
        match self {
            Self::Made(ring) => Some(ring),
            _ => None,
        }
    }
}

/// Sockets of the ring do not wait, so each write is over when the call returns. `false`: the ring
/// must not be used again; what it does not answer for counts as gone.
fn send_all(ring: &mut IoUring, writes: &[(BorrowedFd<'_>, &[u8])]) -> (Vec<Sent>, bool) {
    let mut sent = vec![Sent::Gone; writes.len()];
    let mut open = 0;
    for (number, (fd, bytes)) in (0..).zip(writes) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let entry = opcode::Send::new(Fd(fd.as_raw_fd()), bytes.as_ptr(), length)
            .flags(flags.bits().cast_signed())
            .build()
            .user_data(number);
        // SAFETY: descriptor and bytes are borrowed until all writes of this call are answered.
        #[allow(unsafe_code)]
        let pushed = unsafe { ring.submission().push(&entry) };
        if pushed.is_err() {
            return (sent, false);
        }
        open += 1;
    }
    while open > 0 {
        match ring.submit_and_wait(open) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                debug!(%error, "io_uring has failed, each write is a call");
                return (sent, false);
            }
        }
        for answer in ring.completion() {
            open = open.saturating_sub(1);
            let number = usize::try_from(answer.user_data()).unwrap_or(usize::MAX);
            if let Some(sent) = sent.get_mut(number) {
                *sent = outcome(answer.result());
            }
        }
    }
    (sent, true)
}

/// What the result of a write means.
fn outcome(result: i32) -> Sent {
    match usize::try_from(result) {
        Ok(written) => Sent::Bytes(written),
        Err(_) if [Errno::AGAIN, Errno::INTR].map(Errno::raw_os_error).contains(&-result) => {
            Sent::Bytes(0)
        }
        Err(_) => Sent::Gone,
    }
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
        let writes: Vec<_> = writes.map(|(socket, text)| (socket.as_fd(), &text[..])).collect();
        batch.send(&writes)
    }

    fn refused() -> SendBatch {
        SendBatch { ring: Ring::Refused }
    }

    #[test]
    fn each_socket_gets_its_own_bytes_however_they_are_written() {
        for mut batch in [SendBatch::default(), refused()] {
            for number in [0, 1, FEW, MOST as usize] {
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
        for mut batch in [SendBatch::default(), refused()] {
            let (ours, mut theirs) = pairs(MOST as usize);
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
}
