//! The payload of permessage-deflate (RFC 7692 section 7.2), each message on its own.
//!
//! Neither side keeps its window from one message to the next, so one compressed payload serves all
//! clients, and a connection needs no state. What zlib needs, some 256 KiB for a compressor and 48
//! for a decompressor, belongs to the thread and is used again.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What a sync flush ends with: it is not sent (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// The tail, and an empty block that is the last one: only payloads that end where a block ends
/// lead exactly to its end.
const END: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];
/// The least that is made room for at a time while inflating, in bytes.
const STEP: usize = 1024;
/// How much larger than a payload its message is guessed to be.
const GUESS: usize = 4;

/// How far back a compressor may refer. A client that asks for less than 32 KiB gets the least that
/// zlib can do, which every client can read, so that a message is compressed twice at most.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Window {
    /// 512 bytes.
    Nine,
    /// 32 KiB.
    Fifteen,
}

impl Window {
    /// Its size as the exponent of two.
    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::Nine => 9,
            Self::Fifteen => 15,
        }
    }
}

/// Why a payload cannot be inflated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InflateError {
    /// It is not the end of deflated data, or not deflated data at all.
    #[error("The message is not compressed as it says.")]
    Corrupt,
    /// There is more in it than the limit.
    #[error("The message is too large.")]
    TooLarge,
}

thread_local! {
    static NINE: RefCell<Compress> = RefCell::new(compressor(Window::Nine));
    static FIFTEEN: RefCell<Compress> = RefCell::new(compressor(Window::Fifteen));
    static INFLATER: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

fn compressor(window: Window) -> Compress {
    Compress::new_with_window_bits(Compression::default(), false, window.bits())
}

/// The payload of a compressed message; `None`: it would not be smaller, the message should be sent
/// as it is.
pub fn compress(payload: &[u8], window: Window) -> Option<Vec<u8>> {
    let state = match window {
        Window::Nine => &NINE,
        Window::Fifteen => &FIFTEEN,
    };
    state.with_borrow_mut(|compress| {
        compress.reset();
        // One byte less would do for the largest that is of use; that it stays free is how zlib
        // says that nothing is left to flush.
        let room = payload.len() + TAIL.len();
        let mut out = Vec::with_capacity(room);
        let status = compress.compress_vec(payload, &mut out, FlushCompress::Sync).ok()?;
        let whole = status == Status::Ok
            && compress.total_in() == payload.len() as u64
            && out.len() < room
            && out.ends_with(&TAIL);
        whole.then(|| {
            out.truncate(out.len() - TAIL.len());
            out.shrink_to_fit();
            out
        })
    })
}

/// The message in a compressed payload, of `limit` bytes at most.
///
/// A payload of no bytes is a message of none: some peers flush an empty message to that.
pub fn inflate(payload: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    if payload.is_empty() {
        return Ok(Vec::new());
    }
    INFLATER.with_borrow_mut(|inflater| {
        inflater.reset(false);
        let guess = payload.len().saturating_mul(GUESS).max(STEP).min(limit);
        let mut out = Vec::with_capacity(guess);
        // A last block before the end of the payload ends nothing: more may follow it.
        let ended = inflate_part(inflater, payload, &mut out, limit)?;
        if !ended && !inflate_part(inflater, &END, &mut out, limit)? {
            return Err(InflateError::Corrupt);
        }
        Ok(out)
    })
}

/// Inflates all of `input` to the end of `out`, and says whether a last block ended with it.
fn inflate_part(
    inflater: &mut Decompress,
    mut input: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<bool, InflateError> {
    loop {
        if out.len() == out.capacity() {
            // One byte beyond the limit shows that there is more.
            let left = (limit - out.len()).saturating_add(1);
            out.reserve_exact(out.len().max(STEP).min(left));
        }
        let (taken, given) = (inflater.total_in(), out.len());
        let status = inflater
            .decompress_vec(input, out, FlushDecompress::None)
            .map_err(|_| InflateError::Corrupt)?;
        let taken = usize::try_from(inflater.total_in() - taken).unwrap_or(input.len());
        input = &input[taken..];
        if out.len() > limit {
            return Err(InflateError::TooLarge);
        }
        if status == Status::StreamEnd {
            inflater.reset(false);
            if input.is_empty() {
                return Ok(true);
            }
        } else if input.is_empty() && out.len() < out.capacity() {
            return Ok(false);
        } else if taken == 0 && out.len() == given {
            return Err(InflateError::Corrupt);
        }
    }
}
