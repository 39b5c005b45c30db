//! Compressed payloads: nothing inflates to more than the limit, and what is compressed comes back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pushgate::websocket::{InflateError, Window, compress, inflate};

fuzz_target!(|input: &[u8]| {
    let Some((&limit, payload)) = input.split_first_chunk() else { return };
    let limit = usize::from(u16::from_le_bytes(limit));
    match inflate(payload, limit) {
        Ok(message) => {
            assert!(message.len() <= limit);
            // The limit changes nothing but whether it is kept.
            assert_eq!(inflate(payload, message.len()).as_ref(), Ok(&message));
            if let Some(less) = message.len().checked_sub(1) {
                assert_eq!(inflate(payload, less), Err(InflateError::TooLarge));
            }
        }
        Err(error) => assert_eq!(inflate(payload, limit), Err(error)),
    }
    for window in [Window::Nine, Window::Fifteen] {
        if let Some(compressed) = compress(payload, window) {
            assert!(compressed.len() < payload.len());
            assert_eq!(inflate(&compressed, payload.len()).as_deref(), Ok(payload));
        }
    }
});
