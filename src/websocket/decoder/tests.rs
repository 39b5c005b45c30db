use proptest::prelude::*;

use super::*;
use crate::websocket::{Window, close, compress, encode, mask, violation::NOT_DEFLATED};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const PLAIN: Limits = Limits { max_message: 1000, deflate: false };
const DEFLATE: Limits = Limits { max_message: 1000, deflate: true };
/// "Hello", compressed (RFC 7692 section 7.2.3.1).
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

const TEXT: u8 = FIN | 1;
const BINARY: u8 = FIN | 2;
const MORE_TEXT: u8 = 1;
const MORE: u8 = 0;
const LAST: u8 = FIN;
const CLOSE: u8 = FIN | 8;
const PING: u8 = FIN | 9;
const PONG: u8 = FIN | 0xa;

/// A frame as a client sends it, of any first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let plain = encode(Opcode::Binary, false, payload);
    let mut frame = plain[..plain.len() - payload.len()].to_vec();
    frame[0] = first;
    frame[1] |= MASKED;
    frame.extend_from_slice(&KEY);
    let start = frame.len();
    frame.extend_from_slice(payload);
    mask(&mut frame[start..], &mut KEY.clone());
    frame
}

fn frames(frames: &[(u8, &[u8])]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect()
}

/// All that is read when the bytes come in pieces, and how it ends.
fn read<'a>(
    limits: Limits,
    pieces: impl IntoIterator<Item = &'a [u8]>,
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
        }
        assert!(piece.is_empty(), "{} bytes are left", piece.len());
    }
    (events, None)
}

fn whole(limits: Limits, bytes: &[u8]) -> (Vec<Event>, Option<Violation>) {
    read(limits, [bytes])
}

fn text(text: &str) -> Event {
    Event::Text(text.to_owned().into())
}

#[track_caller]
fn assert_read(limits: Limits, bytes: &[u8], events: &[Event]) {
    assert_eq!(whole(limits, bytes), (events.to_vec(), None));
    assert_eq!(read(limits, bytes.chunks(1)), (events.to_vec(), None));
}

/// It is found at the last of `bytes`, and no sooner.
#[track_caller]
fn assert_broken(limits: Limits, bytes: &[u8], violation: Violation) {
    assert_eq!(whole(limits, bytes).1, Some(violation));
    assert_eq!(whole(limits, &[bytes, b"more"].concat()).1, Some(violation));
    assert_eq!(read(limits, bytes.chunks(1)).1, Some(violation));
    assert_eq!(read(limits, bytes[..bytes.len() - 1].chunks(1)).1, None);
}

#[test]
fn the_masked_examples_of_rfc_6455_are_read() {
    assert_read(PLAIN, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &[text("Hello")]);
    let pong = b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_read(PLAIN, pong, &[Event::Pong("Hello".into())]);
    let (first, second) = (frame(MORE_TEXT, b"Hel"), frame(LAST, b"lo"));
    assert_eq!((first[0], second[0]), (0x01, 0x80));
    assert_read(PLAIN, &[first, second].concat(), &[text("Hello")]);
    let binary = frame(BINARY, &[7; 256]);
    assert_eq!(binary[..4], *b"\x82\xfe\x01\x00");
    assert_read(PLAIN, &binary, &[Event::Binary(vec![7; 256].into())]);
    let binary = frame(BINARY, &vec![7; 65536]);
    assert_eq!(binary[..10], *b"\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00");
    let limits = Limits { max_message: 65536, deflate: false };
    assert_read(limits, &binary, &[Event::Binary(vec![7; 65536].into())]);
}

#[test]
fn the_compressed_examples_of_rfc_7692_are_read() {
    let payloads: [&[u8]; 4] = [
        HELLO,
        b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
    ];
    for payload in payloads {
        assert_read(DEFLATE, &frame(TEXT | RSV1, payload), &[text("Hello")]);
        let binary = [Event::Binary("Hello".into())];
        assert_read(DEFLATE, &frame(BINARY | RSV1, payload), &binary);
    }
    let fragments = frames(&[(MORE_TEXT | RSV1, &HELLO[..3]), (LAST, &HELLO[3..])]);
    assert_eq!(fragments[0], 0x41);
    assert_read(DEFLATE, &fragments, &[text("Hello")]);
    assert_read(DEFLATE, &frame(TEXT | RSV1, b"\x00"), &[text("")]);
}

#[test]
fn messages_follow_each_other_compressed_or_not() {
    let all = frames(&[
        (TEXT, b""),
        (TEXT | RSV1, HELLO),
        (BINARY, b"\xff"),
        (MORE_TEXT, b""),
        (MORE, b"a"),
        (LAST, b""),
    ]);
    let events = [text(""), text("Hello"), Event::Binary(vec![0xff].into()), text("a")];
    assert_read(DEFLATE, &all, &events);
}

#[test]
fn control_frames_come_between_fragments() {
    let payload = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
    for (first, payload) in [(MORE_TEXT, b"Hello".as_slice()), (MORE_TEXT | RSV1, payload)] {
        let (start, rest) = payload.split_at(2);
        let (middle, end) = rest.split_at(2);
        let all = frames(&[
            (first, start),
            (PING, b"a"),
            (MORE, middle),
            (PONG, b""),
            (PING, b"\xff"),
            (LAST, end),
        ]);
        let events = [
            Event::Ping("a".into()),
            Event::Pong("".into()),
            Event::Ping(vec![0xff].into()),
            text("Hello"),
        ];
        assert_read(DEFLATE, &all, &events);
    }
}

#[test]
fn nothing_is_read_after_a_closing_frame_or_a_violation() {
    let closed = frames(&[(CLOSE, b""), (PING, b""), (0xff, b"")]);
    assert_read(PLAIN, &closed, &[Event::Close(None)]);
    let within = frames(&[(MORE_TEXT, b"a"), (CLOSE, b"\x03\xe8"), (LAST, b"")]);
    assert_read(PLAIN, &within, &[Event::Close(Some((1000, String::new())))]);
    let mut decoder = Decoder::new(PLAIN);
    assert_eq!(decoder.next(&mut b"\x81\x00".as_slice()), Err(NOT_MASKED));
    let ping = frame(PING, b"");
    let mut rest = ping.as_slice();
    assert_eq!(decoder.next(&mut rest), Ok(None));
    assert!(rest.is_empty());
    assert!(!decoder.is_idle());
}

#[test]
fn a_closing_frame_says_why() {
    let said = |code: u16, reason: &str| Event::Close(Some((code, reason.to_owned())));
    assert_read(PLAIN, &frame(CLOSE, b"\x03\xe8"), &[said(1000, "")]);
    assert_read(
        PLAIN,
        &frame(CLOSE, "\u{f}\u{7f}caf\u{e9}".as_bytes()),
        &[said(3967, "caf\u{e9}")],
    );
    let long = [b"\x13\x87".as_slice(), &[b'a'; 123]].concat();
    assert_read(PLAIN, &frame(CLOSE, &long), &[said(4999, &"a".repeat(123))]);
}

#[test]
fn a_closing_frame_that_says_nonsense_is_a_violation() {
    assert_broken(PLAIN, &frame(CLOSE, b"\x03"), NO_CODE);
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        assert_broken(PLAIN, &frame(CLOSE, &code.to_be_bytes()), INVALID_CODE);
    }
    assert_broken(PLAIN, &frame(CLOSE, b"\x03\xe8\xc3"), NOT_UTF_8);
    assert_broken(PLAIN, &frame(CLOSE, b"\x03\xe8\xff\xff"), NOT_UTF_8);
}

#[test]
fn frames_have_to_be_masked() {
    assert_broken(PLAIN, b"\x81\x05", NOT_MASKED);
    assert_broken(PLAIN, b"\x88\x00", NOT_MASKED);
    assert_eq!(whole(PLAIN, &close(1000, "")).1, Some(NOT_MASKED));
}

#[test]
fn bits_and_opcodes_without_meaning_are_refused() {
    for bits in [0x20, 0x10, 0x30] {
        assert_broken(DEFLATE, &[TEXT | bits], RESERVED_BITS);
        assert_broken(DEFLATE, &[PING | bits], RESERVED_BITS);
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        assert_broken(DEFLATE, &[FIN | opcode], RESERVED_OPCODE);
    }
}

#[test]
fn only_the_first_frame_of_a_message_says_that_it_is_compressed() {
    assert_broken(PLAIN, &[TEXT | RSV1], COMPRESSED);
    assert_broken(PLAIN, &[MORE_TEXT | RSV1], COMPRESSED);
    for first in [CLOSE, PING, PONG] {
        assert_broken(DEFLATE, &[first | RSV1], COMPRESSED);
    }
    for start in [MORE_TEXT, MORE_TEXT | RSV1] {
        let bytes = [frame(start, b""), vec![LAST | RSV1]].concat();
        assert_broken(DEFLATE, &bytes, COMPRESSED);
    }
}

#[test]
fn control_frames_are_short_and_whole() {
    for first in [CLOSE, PING, PONG] {
        assert_broken(PLAIN, &[first & !FIN], FRAGMENTED_CONTROL);
        assert_broken(PLAIN, &[first, MASKED | LENGTH_16], LONG_CONTROL);
        assert_broken(PLAIN, &[first, MASKED | LENGTH_64], LONG_CONTROL);
    }
    let longest = vec![7; MAX_CONTROL];
    assert_read(PLAIN, &frame(PING, &longest), &[Event::Ping(longest.into())]);
}

#[test]
fn a_message_ends_before_the_next_begins() {
    assert_broken(PLAIN, &[LAST], NO_MESSAGE);
    assert_broken(PLAIN, &[MORE], NO_MESSAGE);
    assert_broken(PLAIN, &[frame(TEXT, b"a"), vec![LAST]].concat(), NO_MESSAGE);
    assert_broken(PLAIN, &[frame(MORE_TEXT, b"a"), vec![TEXT]].concat(), NEW_MESSAGE);
    assert_broken(PLAIN, &[frame(MORE_TEXT, b"a"), vec![2]].concat(), NEW_MESSAGE);
}

#[test]
fn a_length_may_be_written_too_long_but_not_negative() {
    assert_read(PLAIN, b"\x81\xfe\x00\x01\0\0\0\0a", &[text("a")]);
    assert_read(PLAIN, b"\x81\xff\0\0\0\0\0\0\0\x01\0\0\0\0a", &[text("a")]);
    assert_broken(PLAIN, b"\x81\xff\x80\0\0\0\0\0\0\x01", NO_LENGTH);
}

#[test]
fn a_message_has_to_keep_to_its_limit() {
    let longest = "a".repeat(1000);
    assert_read(PLAIN, &frame(TEXT, longest.as_bytes()), &[text(&longest)]);
    assert_broken(PLAIN, b"\x81\xfe\x03\xe9", TOO_LARGE);
    let half = "a".repeat(500);
    let start = frame(MORE_TEXT, half.as_bytes());
    let fits = [start.clone(), frame(LAST, half.as_bytes())].concat();
    assert_read(PLAIN, &fits, &[text(&longest)]);
    assert_broken(PLAIN, &[start.as_slice(), b"\x80\xfe\x01\xf5"].concat(), TOO_LARGE);
    let nothing = Limits { max_message: 0, deflate: false };
    assert_read(
        nothing,
        &frames(&[(TEXT, b""), (PING, b"a")]),
        &[text(""), Event::Ping("a".into())],
    );
    assert_broken(nothing, b"\x81\x81", TOO_LARGE);
}

#[test]
fn what_announces_much_and_brings_nothing_costs_nothing() {
    let huge = b"\x82\xff\0\0\0\0\x20\0\0\0";
    assert_broken(PLAIN, huge, TOO_LARGE);
    assert_broken(DEFLATE, &[&[0xc2], &huge[1..]].concat(), TOO_LARGE);
    assert_broken(PLAIN, b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", TOO_LARGE);
    // Allowed, and still nothing is made room for before it comes.
    let mut decoder = Decoder::new(Limits { max_message: usize::MAX, deflate: true });
    let mut bytes = [huge.as_slice(), &KEY, b"ab"].concat();
    bytes[0] |= RSV1;
    assert_eq!(decoder.next(&mut bytes.as_slice()), Ok(None));
    assert!(decoder.message.unwrap().capacity() < 100);
}

#[test]
fn a_compressed_message_keeps_to_the_limit_when_it_is_inflated() {
    let bomb = |length| compress(&vec![b'a'; length], Window::Fifteen).unwrap();
    assert_read(DEFLATE, &frame(TEXT | RSV1, &bomb(1000)), &[text(&"a".repeat(1000))]);
    assert_broken(DEFLATE, &frame(TEXT | RSV1, &bomb(1001)), TOO_LARGE);
    let fragments = frames(&[(MORE_TEXT | RSV1, &bomb(1 << 20)[..4]), (LAST, &bomb(1 << 20)[4..])]);
    assert_broken(DEFLATE, &fragments, TOO_LARGE);
}

#[test]
fn a_compressed_message_that_became_no_smaller_still_fits() {
    // One stored block, then the empty one.
    let mut payload = vec![0x00, 0xe8, 0x03, 0x17, 0xfc];
    payload.extend_from_slice(&[b'a'; 1000]);
    payload.push(0x00);
    assert_read(DEFLATE, &frame(TEXT | RSV1, &payload), &[text(&"a".repeat(1000))]);
    // 1000 bytes, 125 and 64: more could not be a message of 1000.
    assert_broken(DEFLATE, b"\xc1\xfe\x04\xa6", TOO_LARGE);
}

#[test]
fn what_does_not_inflate_is_a_violation() {
    assert_broken(DEFLATE, &frame(TEXT | RSV1, b"Hello"), NOT_DEFLATED);
    assert_broken(DEFLATE, &frame(TEXT | RSV1, &HELLO[..4]), NOT_DEFLATED);
    let fragments = frames(&[(MORE_TEXT | RSV1, b"Hel"), (LAST, b"lo")]);
    assert_broken(DEFLATE, &fragments, NOT_DEFLATED);
}

#[test]
fn text_that_cannot_become_utf_8_is_refused_at_that_byte() {
    let bad: [&[u8]; 8] = [
        b"\x80",
        b"\xc0",
        b"a\xc3a",
        b"\xed\xa0",
        b"\xe2\x82\xc3",
        b"\xf0\x80",
        b"\xf4\x90",
        b"\xf5",
    ];
    for payload in bad {
        // More is announced and will never be needed.
        let bytes = frame(TEXT, &[payload, b"and more"].concat());
        let bytes = &bytes[..bytes.len() - 8];
        assert_broken(PLAIN, bytes, NOT_UTF_8);
        let (start, end) = payload.split_at(payload.len() - 1);
        let fragments = frames(&[(MORE_TEXT, start), (PING, b""), (LAST, end)]);
        assert_broken(PLAIN, &fragments, NOT_UTF_8);
    }
}

#[test]
fn text_that_ends_inside_a_character_is_refused() {
    for payload in [b"\xc3".as_slice(), b"ab\xe2\x82", b"\xf0\x9f\x98"] {
        assert_broken(PLAIN, &frame(TEXT, payload), NOT_UTF_8);
        let empty = frames(&[(MORE_TEXT, payload), (LAST, b"")]);
        assert_broken(PLAIN, &empty, NOT_UTF_8);
        let length = u8::try_from(payload.len()).unwrap();
        let stored = [&[0, length, 0, !length, 0xff], payload, &[0]].concat();
        assert_broken(DEFLATE, &frame(TEXT | RSV1, &stored), NOT_UTF_8);
        assert_read(PLAIN, &frame(BINARY, payload), &[Event::Binary(payload.to_vec().into())]);
    }
}

#[test]
fn a_character_may_come_in_as_many_fragments_as_it_has_bytes() {
    let bytes = "\u{1f600}".as_bytes();
    let fragments = frames(&[
        (MORE_TEXT, &bytes[..1]),
        (MORE, &bytes[1..2]),
        (MORE, b""),
        (PING, b"\xff"),
        (MORE, &bytes[2..3]),
        (LAST, &bytes[3..]),
    ]);
    assert_read(PLAIN, &fragments, &[Event::Ping(vec![0xff].into()), text("\u{1f600}")]);
}

#[test]
fn between_messages_it_is_idle() {
    let mut decoder = Decoder::new(DEFLATE);
    assert!(decoder.is_idle());
    let bytes = frames(&[(MORE_TEXT | RSV1, &HELLO[..2]), (PING, b"a"), (LAST, &HELLO[2..])]);
    let ends = bytes.len() - 1;
    for (at, byte) in bytes.iter().enumerate() {
        let event = decoder.next(&mut [*byte].as_slice()).unwrap();
        assert_eq!(decoder.is_idle(), at == ends, "{at}");
        assert_eq!(event.is_some(), [14, ends].contains(&at), "{at}");
    }
    decoder.next(&mut frame(PING, b"").as_slice()).unwrap().unwrap();
    assert!(decoder.is_idle());
}

#[test]
fn a_violation_becomes_a_closing_frame() {
    assert_eq!(NOT_MASKED.frame()[..], *b"\x88\x1a\x03\xeaThe frame is not masked.");
}

/// What a client may send: whole and fragmented messages, compressed and not, controls, nonsense.
fn sent() -> impl Strategy<Value = Vec<u8>> {
    let payload = || {
        prop_oneof![
            "[a-z\u{e9}\u{20ac}\u{1f600}]{0,40}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..200),
        ]
    };
    let pieces =
        (payload(), any::<bool>(), prop::bool::ANY, prop::collection::vec(0..50_usize, 0..4));
    let message = pieces.prop_map(|(payload, binary, deflate, cuts)| {
        let compressed = deflate.then(|| compress(&payload, Window::Nine)).flatten();
        let opcode = if binary { 2 } else { 1 };
        let first = if compressed.is_some() { opcode | RSV1 } else { opcode };
        let payload = compressed.unwrap_or(payload);
        let mut bytes = Vec::new();
        let (mut rest, mut first) = (payload.as_slice(), first);
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            bytes.extend(frame(first, piece));
            bytes.extend(frame(PING, piece.get(..1).unwrap_or_default()));
            (rest, first) = (after, MORE);
        }
        bytes.extend(frame(first | FIN, rest));
        bytes
    });
    let any_frame = (any::<u8>(), payload()).prop_map(|(first, payload)| frame(first, &payload));
    let nonsense = prop::collection::vec(any::<u8>(), 1..20);
    let part = prop_oneof![8 => message, 1 => any_frame, 1 => nonsense];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn how_the_bytes_are_cut_makes_no_difference(
        bytes in sent(),
        sizes in prop::collection::vec(1..40_usize, 1..60),
        deflate: bool,
        max_message in 0..300_usize,
    ) {
        let limits = Limits { max_message, deflate };
        let mut pieces = Vec::new();
        let mut rest = bytes.as_slice();
        for size in sizes.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(read(limits, pieces), whole(limits, &bytes));
    }

    #[test]
    fn a_decoder_that_is_idle_can_be_left_for_a_new_one(bytes in sent()) {
        let mut kept = Decoder::new(DEFLATE);
        let mut new = Decoder::new(DEFLATE);
        let (mut left, mut right) = (bytes.as_slice(), bytes.as_slice());
        loop {
            if new.is_idle() {
                new = Decoder::new(DEFLATE);
            }
            let (expected, event) = (kept.next(&mut left), new.next(&mut right));
            prop_assert_eq!(&expected, &event);
            if !matches!(expected, Ok(Some(_))) {
                break;
            }
        }
    }

    #[test]
    fn no_message_is_larger_than_the_limit(bytes in sent(), max_message in 0..100_usize) {
        for event in whole(Limits { max_message, deflate: true }, &bytes).0 {
            if let Event::Text(payload) | Event::Binary(payload) = event {
                prop_assert!(payload.len() <= max_message);
            }
        }
    }
}

#[test]
fn a_servers_frames_are_read_without_masks() {
    let mut decoder = Decoder::of_server(PLAIN);
    let long = encode(Opcode::Text, false, &[b'a'; 300]);
    let bytes =
        [&b"\x81\x02hi\x89\x01p\x02\x01a\x80\x01b"[..], &long, b"\x88\x02\x03\xe8"].concat();
    let mut events = Vec::new();
    for mut piece in bytes.chunks(1) {
        while let Some(event) = decoder.next(&mut piece).unwrap() {
            events.push(event);
        }
    }
    let expected = [
        Event::Text("hi".into()),
        Event::Ping("p".into()),
        Event::Binary("ab".into()),
        Event::Text(vec![b'a'; 300].into()),
        Event::Close(Some((1000, String::new()))),
    ];
    assert_eq!(events, expected);
    let masked = frame(TEXT, b"Hello");
    let violation = Decoder::of_server(PLAIN).next(&mut &masked[..2]).unwrap_err();
    assert_eq!(violation, crate::websocket::violation::MASKED_BY_SERVER);
}
