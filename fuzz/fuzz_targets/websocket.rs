//! What a client sends over a WebSocket: whatever it is and however it is cut, the same is read, no
//! message is larger than the limit, and a decoder that is idle can be left for a new one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pushgate::websocket::{Decoder, Event, Limits, Violation};

/// Sizes of the pieces at the front of the input.
const SIZES: usize = 4;

/// All that is read from pieces, and how it ends.
fn read<'a>(
    limits: Limits,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Event>, Option<Violation>) {
    let mut decoder = Decoder::new(limits);
    let mut events = Vec::new();
    for mut piece in pieces {
        loop {
            match decoder.next(&mut piece) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(violation) => return (events, Some(violation)),
            }
            if decoder.is_idle() {
                decoder = Decoder::new(limits);
            }
        }
        assert!(piece.is_empty());
    }
    (events, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((&[deflate, low, high], input)) = input.split_first_chunk() else { return };
    let Some((sizes, bytes)) = input.split_first_chunk::<SIZES>() else { return };
    let limits =
        Limits { max_message: u16::from_le_bytes([low, high]).into(), deflate: deflate & 1 == 1 };
    let whole = read(limits, std::iter::once(bytes));
    for event in &whole.0 {
        match event {
            Event::Text(payload) => {
                assert!(payload.len() <= limits.max_message);
                assert!(str::from_utf8(payload).is_ok());
            }
            Event::Binary(payload) => assert!(payload.len() <= limits.max_message),
            Event::Ping(payload) | Event::Pong(payload) => assert!(payload.len() <= 125),
            Event::Close(reason) => {
                assert!(reason.as_ref().is_none_or(|(_, reason)| reason.len() <= 123));
            }
        }
    }
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    let cut = std::iter::from_fn(|| {
        let size = usize::from(*sizes.next()?).max(1).min(rest.len());
        let (piece, after) = rest.split_at(size);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(read(limits, cut), whole);
});
