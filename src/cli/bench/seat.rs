//! One subscriber of a crowd.

use std::os::fd::OwnedFd;

use super::{ledger::Ledger, reader::Reader};

#[derive(Debug)]
pub(super) struct Seat {
    /// None: it is gone.
    pub(super) fd: Option<OwnedFd>,
    pub(super) reader: Reader,
    pub(super) ledger: Ledger,
    /// When it began to connect, until it is on.
    pub(super) since: Option<u64>,
    pub(super) asked: bool,
    /// Something has come.
    pub(super) answered: bool,
    /// The header lines that ask for what comes next, where it asks at intervals.
    pub(super) cursor: Box<[u8]>,
}

impl Seat {
    pub(super) fn new(fd: Option<OwnedFd>, begun: u64) -> Self {
        let (reader, ledger, cursor) = (Reader::new(), Ledger::default(), Box::default());
        Self { fd, reader, ledger, since: Some(begun), asked: false, answered: false, cursor }
    }
}
