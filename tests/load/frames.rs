//! WebSocket as a client speaks it: RFC 6455, and RFC 7692 without context takeover.

use std::io;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use tokio::io::AsyncWriteExt;

use crate::conn::Conn;

/// The headers of a handshake.
pub const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
                             Sec-WebSocket-Version: 13\r\n\
                             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// Asks for messages with their ids.
pub const META: &str = "Sec-WebSocket-Protocol: ws+meta.nchan\r\n";
/// Asks for messages to be compressed.
pub const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;
/// The last frame of a message.
pub const FIN: u8 = 0x80;
/// A compressed message.
pub const RSV1: u8 = 0x40;

/// What a compressor leaves out at the end of a message (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Room that an inflated message gets at a time.
const STEP: usize = 64 << 10;

/// A frame of a client, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = announced(first, payload.len() as u64);
    let key: [u8; 4] = frame[frame.len() - 4..].try_into().unwrap();
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// The header of a frame with so long a payload.
pub fn announced(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..126 => head.push(0x80 | u8::try_from(length).unwrap()),
        126..0x1_0000 => {
            head.push(0x80 | 0x7e);
            head.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            head.push(0x80 | 0x7f);
            head.extend(length.to_be_bytes());
        }
    }
    head.extend([0x37, 0xfa, 0x21, 0x3d]);
    head
}

/// A message in frames of so many bytes each.
pub fn fragments(opcode: u8, payload: &[u8], size: usize) -> Vec<u8> {
    let count = payload.chunks(size).count();
    let pieces = payload.chunks(size).enumerate();
    let framed = pieces.map(|(number, piece)| {
        let opcode = if number == 0 { opcode } else { CONTINUATION };
        frame(if number + 1 == count { FIN | opcode } else { opcode }, piece)
    });
    framed.collect::<Vec<_>>().concat()
}

/// The next frame of the server: its first byte, and what it carries.
pub async fn read(conn: &mut Conn) -> io::Result<(u8, Vec<u8>)> {
    let (head, length) = loop {
        let rest = conn.rest();
        match *rest {
            [_, 126, a, b, ..] => break (4, u64::from(u16::from_be_bytes([a, b]))),
            [_, 127, ref rest @ ..] if rest.len() >= 8 => {
                break (10, u64::from_be_bytes(*rest.first_chunk().unwrap()));
            }
            [_, 126 | 127, ..] => {}
            [_, length, ..] => {
                // The server masks nothing.
                assert!(length < 126, "{length:#x}");
                break (2, length.into());
            }
            _ => {}
        }
        conn.fill().await?;
    };
    let whole = head + usize::try_from(length).unwrap();
    // Taken as a whole: who waits for something else meanwhile loses nothing.
    let frame = conn.exactly(whole).await?;
    Ok((frame[0], frame[head..].to_vec()))
}

/// The next message of text; pings are answered.
pub async fn text(conn: &mut Conn) -> io::Result<Result<String, Closed>> {
    loop {
        let (first, payload) = read(conn).await?;
        match first {
            0x81 => return Ok(Ok(String::from_utf8(payload).unwrap())),
            0xc1 => return Ok(Ok(String::from_utf8(inflate(&payload)).unwrap())),
            0x88 => return Ok(Err(closed(&payload))),
            0x89 => conn.stream.write_all(&frame(FIN | PONG, &payload)).await?,
            0x8a => {}
            other => panic!("a frame {other:#x}"),
        }
    }
}

/// Code and reason of a closing frame.
pub type Closed = (u16, String);

/// What a closing frame says.
pub fn closed(payload: &[u8]) -> Closed {
    let (code, reason) = payload.split_at(2);
    let code = u16::from_be_bytes(code.try_into().unwrap());
    (code, String::from_utf8(reason.to_vec()).unwrap())
}

/// A message as it was before it was compressed.
pub fn inflate(packed: &[u8]) -> Vec<u8> {
    let packed = [packed, &TAIL].concat();
    let (mut state, mut plain) = (Decompress::new(false), Vec::new());
    loop {
        plain.reserve(STEP);
        let read = usize::try_from(state.total_in()).unwrap();
        state.decompress_vec(&packed[read..], &mut plain, FlushDecompress::Sync).unwrap();
        if state.total_in() == packed.len() as u64 && plain.len() < plain.capacity() {
            return plain;
        }
    }
}

/// A message compressed.
pub fn deflate(plain: &[u8]) -> Vec<u8> {
    let (mut state, mut packed) = (Compress::new(Compression::fast(), false), Vec::new());
    loop {
        packed.reserve(STEP);
        let read = usize::try_from(state.total_in()).unwrap();
        state.compress_vec(&plain[read..], &mut packed, FlushCompress::Sync).unwrap();
        if state.total_in() == plain.len() as u64 && packed.len() < packed.capacity() {
            packed.truncate(packed.len() - TAIL.len());
            return packed;
        }
    }
}
