//! Requests for each transport.

use std::hash::{BuildHasher, RandomState};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, StatusCode, header};

use super::cursor::Cursor;
use crate::{
    cli::{endpoint::Endpoint, wire::Answer},
    config::Transport,
    framing::websocket::META_PROTOCOL,
    websocket::accept_key,
};

/// A request to listen.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) bytes: Vec<u8>,
    /// What a WebSocket has to be accepted with.
    accept: Option<HeaderValue>,
}

const PROTOCOL: &str = "sec-websocket-protocol";

impl Question {
    pub(super) fn new(endpoint: &Endpoint, transport: Transport, cursor: &Cursor) -> Self {
        let mut lines = match transport {
            Transport::EventSource => "Accept: text/event-stream\r\n".to_owned(),
            Transport::Chunked => "TE: chunked\r\nConnection: TE\r\n".to_owned(),
            Transport::Multipart => "Accept: multipart/mixed\r\n".to_owned(),
            _ => String::new(),
        };
        let mut accept = None;
        if transport == Transport::WebSocket {
            let key = STANDARD.encode(random::<16>());
            accept = HeaderValue::from_str(&key).ok().and_then(|key| accept_key(&key));
            lines = format!(
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: {key}\r\n"
            );
            if !endpoint.names(PROTOCOL) {
                lines = lines + "Sec-WebSocket-Protocol: " + META_PROTOCOL + "\r\n";
            }
        }
        Self { bytes: endpoint.request("GET", &(lines + &cursor.lines())), accept }
    }

    /// Whether this is what an answer with messages looks like.
    pub(super) fn is_answered(&self, answer: &Answer) -> Result<bool, String> {
        let Some(accept) = &self.accept else { return Ok(answer.status == StatusCode::OK) };
        if answer.status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(false);
        }
        if answer.headers.get(header::SEC_WEBSOCKET_ACCEPT) != Some(accept) {
            return Err("the handshake of the WebSocket is not answered with its key".to_owned());
        }
        if answer.headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
            return Err("the WebSocket has an extension that was not asked for".to_owned());
        }
        Ok(true)
    }
}

/// Bytes that nobody can foretell: the keys of the hash are random.
pub(super) fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    for part in bytes.chunks_mut(8) {
        let number = RandomState::new().hash_one(0_u8).to_ne_bytes();
        part.copy_from_slice(&number[..part.len()]);
    }
    bytes
}
