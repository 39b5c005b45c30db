//! A client's connection that speaks another protocol, as bytes both ways.

use std::{future::poll_fn, io, pin::Pin, task::ready};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::rt::{Read, ReadBuf, Write};
use tokio::time::{Duration, timeout};

use super::{head, wire::Wire};
use crate::log::Entry;

/// How long a client may take none of the bytes that are there for it.
const SEND_TIMEOUT: Duration = Duration::from_mins(1);

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
            let write = poll_fn(|cx| Pin::new(&mut self.wire).poll_write(cx, bytes));
            let written = timeout(SEND_TIMEOUT, write).await??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            if let Some(entry) = &self.entry {
                entry.sent(written as u64);
            }
            bytes = &bytes[written..];
        }
        Ok(())
    }
}
