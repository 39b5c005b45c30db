//! A client's connection that speaks another protocol, as bytes both ways.

use std::{future::poll_fn, io, os::fd::OwnedFd, pin::Pin, task::ready};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::rt::{Read, ReadBuf};
use tokio::time::timeout;

use super::{head, phase::LINGER, wire::Wire};
use crate::log::Entry;

/// What is read at once of a client that is to end its side, in bytes.
const LINGERS: usize = 1 << 10;

/// The client's connection.
#[derive(Debug)]
pub struct Talk {
    wire: Wire,
    /// The line of the access log, once the request is answered.
    entry: Option<Entry>,
}

impl Talk {
    pub(super) fn new(wire: Wire) -> Self {
        Self { wire, entry: None }
    }

    /// Answers the request with these headers; what is written then is of its body.
    pub(super) async fn agree(
        &mut self,
        mut headers: HeaderMap,
        entry: Option<Entry>,
    ) -> io::Result<()> {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        self.write(&head::switching(StatusCode::SWITCHING_PROTOCOLS, &headers)).await?;
        self.entry = entry;
        Ok(())
    }

    /// Ends the sending side, and waits for the client to do the same, but not for long: closing at
    /// once would let the kernel take back what is on its way.
    pub async fn end(mut self) {
        let end = |fd: &OwnedFd| rustix::net::shutdown(fd, rustix::net::Shutdown::Write);
        if !matches!(self.wire.with_fd(end), Some(Ok(()))) {
            return;
        }
        let mut bytes = [0; LINGERS];
        let ends = async { while self.read(&mut bytes).await.is_ok_and(|length| length > 0) {} };
        // Whoever does not end it by then is not waited for.
        let _ = timeout(LINGER, ends).await;
    }

    /// Reads what there is, at least one byte; 0 is the end. Nothing is lost if it is dropped.
    pub async fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| {
            let mut buffer = ReadBuf::new(bytes);
            ready!(Pin::new(&mut self.wire).poll_read(cx, buffer.unfilled()))?;
            Ok(buffer.filled().len()).into()
        })
        .await
    }

    /// Writes all of it.
    pub async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.wire.write_some(bytes).await?;
            if let Some(entry) = &self.entry {
                entry.sent(written as u64);
            }
            bytes = &bytes[written..];
        }
        Ok(())
    }
}
