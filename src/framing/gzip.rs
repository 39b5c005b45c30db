//! `gzip`: each message compressed once for all who take it (RFC 1952, RFC 1951).
//!
//! A stream is one gzip member. Every piece of it is compressed by itself and ends on a byte, so that
//! the same bytes fit into every stream; what differs is the checksum at the end, which the one who
//! sends counts along.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use http::HeaderValue;

use super::{Farewell, Framing, chunk, compressions};
use crate::channel::{ChannelId, Checksum, Frame, Message, MessageId};

/// Magic number, deflate, no flags, no time, no hints, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The last block, empty, with fixed codes.
const LAST_BLOCK: [u8; 2] = [3, 0];
/// Room that a compressed piece gets at a time.
const STEP: usize = 4 << 10;

/// Another framing, compressed.
#[derive(Debug)]
pub struct Gzip<F> {
    plain: F,
    opening: Frame,
    ping: Frame,
}

impl<F: Framing> Gzip<F> {
    /// Compresses at once what is the same for everyone at any time.
    pub fn new(plain: F) -> Self {
        let text = plain.opening().payload();
        let start = [&HEADER[..], &deflate(&text)].concat();
        let opening = Frame { plain: Checksum::of(&text), ..chunk(&start) };
        let ping = piece(&plain.ping());
        Self { plain, opening, ping }
    }
}

impl<F: Framing> Framing for Gzip<F> {
    fn content_type(&self) -> Option<HeaderValue> {
        self.plain.content_type()
    }

    fn content_encoding(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static("gzip"))
    }

    fn opening(&self) -> Frame {
        self.opening.clone()
    }

    fn encode(&self, message: &Message) -> Frame {
        compressions::count();
        piece(&self.plain.encode(message))
    }

    fn ping(&self) -> Frame {
        self.ping.clone()
    }

    fn gap(&self, after: MessageId) -> Frame {
        piece(&self.plain.gap(after))
    }

    fn deleted(&self, channel: &ChannelId) -> Frame {
        piece(&self.plain.deleted(channel))
    }

    fn closing(&self, why: Farewell) -> Frame {
        piece(&self.plain.closing(why))
    }

    fn trailer(&self, sent: Checksum) -> Frame {
        chunk(&end(sent))
    }
}

/// A whole body as one gzip member; `None` where that is no shorter.
pub fn body(plain: &[u8]) -> Option<Bytes> {
    compressions::count();
    let member = [&HEADER[..], &deflate(plain), &end(Checksum::of(plain))].concat();
    (member.len() < plain.len()).then(|| member.into())
}

/// Whether a client takes gzip: `Accept-Encoding` (RFC 9110 section 12.5.3).
pub fn accepted(headers: &http::HeaderMap) -> bool {
    let mut wildcard = false;
    let lines = headers.get_all(http::header::ACCEPT_ENCODING).iter();
    for coding in lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')) {
        let mut parts = coding.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let accepts = !parts.any(|part| matches!(part, b"q=0" | b"q=0.0" | b"q=0.00" | b"q=0.000"));
        if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
            return accepts;
        }
        wildcard |= name == b"*" && accepts;
    }
    wildcard
}

fn piece(frame: &Frame) -> Frame {
    let plain = frame.payload();
    Frame { plain: Checksum::of(&plain), ..chunk(&deflate(&plain)) }
}

fn end(sent: Checksum) -> Vec<u8> {
    [&LAST_BLOCK[..], &sent.crc.to_le_bytes(), &sent.length.to_le_bytes()].concat()
}

/// Blocks that need nothing before them and end on a byte; none for no bytes.
fn deflate(plain: &[u8]) -> Vec<u8> {
    thread_local! {
        // Its tables are some 300 KB: one for each thread, and reset before each use.
        static STATE: RefCell<Compress> = RefCell::new(Compress::new(Compression::default(), false));
    }
    if plain.is_empty() {
        return Vec::new();
    }
    STATE.with_borrow_mut(|state| {
        state.reset();
        let mut out = Vec::with_capacity(plain.len() / 4 + 64);
        loop {
            let read = usize::try_from(state.total_in()).unwrap_or(plain.len());
            let room = out.capacity() - out.len();
            // Writing into memory of its own, the compressor cannot fail.
            let done = state.compress_vec(&plain[read..], &mut out, FlushCompress::Sync);
            if done.is_err()
                || (state.total_in() == plain.len() as u64 && out.len() < out.capacity())
            {
                return out;
            }
            out.reserve(room.max(STEP));
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use http::{HeaderMap, header};
    use proptest::prelude::*;

    use super::*;
    use crate::framing::{event_source::EventSource, tests::message};

    fn inflated(member: &[u8]) -> Vec<u8> {
        let (mut decoder, mut plain) = (GzDecoder::new(member), Vec::new());
        decoder.read_to_end(&mut plain).unwrap();
        plain
    }

    #[test]
    fn a_stream_of_shared_pieces_is_one_member_with_its_checksum() {
        let (plain, framing) = (EventSource::default(), Gzip::new(EventSource::default()));
        let messages = [message(5, 0, b"one"), message(5, 1, b""), message(6, 0, &[b'x'; 10_000])];
        let mut pieces = vec![framing.opening()];
        let mut expected = plain.opening().payload().to_vec();
        for message in &messages {
            pieces.push(framing.encode(message));
            pieces.push(framing.ping());
            expected.extend_from_slice(&plain.encode(message).payload());
            expected.extend_from_slice(&plain.ping().payload());
        }
        pieces.push(framing.closing(Farewell::Deleted));
        expected.extend_from_slice(&plain.closing(Farewell::Deleted).payload());
        let sent = pieces.iter().fold(Checksum::default(), |sent, piece| sent.then(piece.plain));
        pieces.push(framing.trailer(sent));
        let stream: Vec<u8> = pieces.iter().flat_map(|piece| piece.payload().to_vec()).collect();
        assert!(stream.len() < expected.len() / 10);
        assert_eq!(inflated(&stream), expected);
    }

    #[test]
    fn a_body_is_compressed_only_where_that_helps() {
        assert_eq!(body(b"short"), None);
        assert_eq!(body(b""), None);
        let long = vec![b'a'; 100_000];
        let member = body(&long).unwrap();
        assert!(member.len() < 1000);
        assert_eq!(inflated(&member), long);
    }

    #[test]
    fn a_client_says_whether_it_takes_gzip() {
        let accepts = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
            accepted(&headers)
        };
        for value in
            ["gzip", "br, GZIP;q=0.5", "x-gzip", "*", "deflate, *;q=0.1", "gzip; q=1, *;q=0"]
        {
            assert!(accepts(value), "{value}");
        }
        for value in ["", "br", "gzip;q=0", "gzip; q=0.000, *", "*;q=0", "gzipped"] {
            assert!(!accepts(value), "{value}");
        }
        assert!(!accepted(&HeaderMap::new()));
    }

    proptest! {
        #[test]
        fn pieces_join_to_what_they_were(parts in prop::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let mut member = HEADER.to_vec();
            let mut sent = Checksum::default();
            for part in &parts {
                member.extend(deflate(part));
                sent = sent.then(Checksum::of(part));
            }
            member.extend(end(sent));
            prop_assert_eq!(inflated(&member), parts.concat());
        }
    }
}
