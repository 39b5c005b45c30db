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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: [Window; 2] = [Window::Nine, Window::Fifteen];
    const LIMIT: usize = 1 << 20;

    /// Words that repeat near and far, so that every window has something to refer to.
    fn prose(length: usize) -> Vec<u8> {
        let words = (0_u32..).map(|i| i.wrapping_mul(2_654_435_761) >> 22);
        words.flat_map(|word| format!("{word} ").into_bytes()).take(length).collect()
    }

    /// What no compressor makes smaller.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        };
        (0..length).map(|_| next()).collect()
    }

    /// Inflates with no more of a window than the compressor said it uses.
    fn inflate_within(window: Window, payload: &[u8], length: usize) -> Vec<u8> {
        let mut inflater = Decompress::new_with_window_bits(false, window.bits());
        let mut out = Vec::with_capacity(length + 1);
        let input = [payload, &TAIL].concat();
        // In pieces, so that what is written leaves the buffer of the caller for the window.
        for piece in input.chunks(100) {
            let before = inflater.total_in();
            inflater.decompress_vec(piece, &mut out, FlushDecompress::None).unwrap();
            assert_eq!(inflater.total_in() - before, piece.len() as u64);
        }
        out
    }

    #[test]
    fn the_examples_of_rfc_7692_are_inflated() {
        let one_block = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
        assert_eq!(inflate(one_block, LIMIT).unwrap(), b"Hello");
        let no_compression = b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00";
        assert_eq!(inflate(no_compression, LIMIT).unwrap(), b"Hello");
        let final_block = b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00";
        assert_eq!(inflate(final_block, LIMIT).unwrap(), b"Hello");
        let two_blocks = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
        assert_eq!(inflate(two_blocks, LIMIT).unwrap(), b"Hello");
        assert_eq!(inflate(b"\x00", LIMIT).unwrap(), b"");
    }

    #[test]
    fn what_refers_to_the_message_before_is_corrupt() {
        // RFC 7692 section 7.2.3.2: the second Hello, to a client that was told not to.
        assert_eq!(inflate(b"\xf2\x48\xcd\xc9\xc9\x07\x00", LIMIT).unwrap(), b"Hello");
        assert_eq!(inflate(b"\xf2\x00\x11\x00\x00", LIMIT), Err(InflateError::Corrupt));
    }

    #[test]
    fn a_last_block_without_anything_after_it_and_an_empty_payload_are_understood() {
        assert_eq!(inflate(b"\xf3\x48\xcd\xc9\xc9\x07\x00", LIMIT).unwrap(), b"Hello");
        let twice = b"\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00";
        assert_eq!(inflate(twice, LIMIT).unwrap(), b"HelloHello");
        assert_eq!(inflate(b"", LIMIT).unwrap(), b"");
    }

    #[test]
    fn what_is_cut_short_or_no_deflate_is_corrupt() {
        for window in BOTH {
            let payload = compress(&prose(10_000), window).unwrap();
            for cut in [1, 2, 10, payload.len() / 2, payload.len() - 1] {
                assert_eq!(inflate(&payload[..cut], LIMIT), Err(InflateError::Corrupt), "{cut}");
            }
        }
        for bad in [b"\xff".as_slice(), b"\x06", b"\x00\x05\x00\xfa\xfeHello\x00", b"Hello"] {
            assert_eq!(inflate(bad, LIMIT), Err(InflateError::Corrupt), "{bad:?}");
        }
        // A thread's inflater is as good as new afterwards.
        assert_eq!(inflate(b"\xf2\x48\xcd\xc9\xc9\x07\x00", LIMIT).unwrap(), b"Hello");
    }

    #[test]
    fn messages_of_any_size_come_back() {
        for length in [100, 511, 512, 513, 32_768, 100_000, LIMIT] {
            for window in BOTH {
                let message = prose(length);
                let payload = compress(&message, window).unwrap();
                assert!(payload.len() < length);
                assert_eq!(inflate(&payload, length).unwrap(), message, "{length}");
                assert_eq!(inflate_within(window, &payload, length), message, "{length}");
            }
        }
    }

    #[test]
    fn the_wide_window_sees_what_the_narrow_one_does_not() {
        let part = noise(2000);
        let message = [part.as_slice(), &part].concat();
        let wide = compress(&message, Window::Fifteen).unwrap();
        assert!(wide.len() < 2100, "{}", wide.len());
        assert_eq!(inflate_within(Window::Fifteen, &wide, message.len()), message);
        assert_eq!(compress(&message, Window::Nine), None);
    }

    #[test]
    fn what_would_not_be_smaller_is_not_compressed() {
        for window in BOTH {
            for length in [0, 1, 5, 100, 70_000] {
                assert_eq!(compress(&noise(length), window), None, "{length}");
            }
            assert_eq!(compress(b"Hello", window), None);
            assert!(compress(&[b'a'; 16], window).unwrap().len() < 16);
        }
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_limit() {
        let bomb = compress(&vec![0; LIMIT], Window::Fifteen).unwrap();
        assert!(bomb.len() < 2000);
        for limit in [0, 1, 5000, LIMIT - 1] {
            assert_eq!(inflate(&bomb, limit), Err(InflateError::TooLarge), "{limit}");
        }
        assert_eq!(inflate(&bomb, LIMIT).unwrap().len(), LIMIT);
        assert!(inflate(&bomb, LIMIT).unwrap().capacity() <= 2 * LIMIT);
    }

    #[test]
    fn the_limit_is_the_last_length_that_passes() {
        let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
        assert_eq!(inflate(hello, 5).unwrap(), b"Hello");
        assert_eq!(inflate(hello, 4), Err(InflateError::TooLarge));
        assert_eq!(inflate(b"\x00", 0).unwrap(), b"");
    }

    proptest! {
        #[test]
        fn whatever_is_compressed_comes_back(
            parts in prop::collection::vec((any::<u8>(), 0..2000_usize, any::<bool>()), 0..8),
        ) {
            let parts = parts.into_iter().map(|(byte, length, noisy)| {
                if noisy { noise(length) } else { vec![byte; length] }
            });
            let message = parts.collect::<Vec<_>>().concat();
            for window in BOTH {
                if let Some(payload) = compress(&message, window) {
                    prop_assert!(payload.len() < message.len());
                    prop_assert_eq!(&inflate(&payload, message.len()).unwrap(), &message);
                    prop_assert_eq!(&inflate_within(window, &payload, message.len()), &message);
                }
            }
        }

        #[test]
        fn whatever_is_inflated_keeps_to_the_limit(payload: Vec<u8>, limit in 0..5000_usize) {
            if let Ok(message) = inflate(&payload, limit) {
                prop_assert!(message.len() <= limit);
            }
        }
    }
}
