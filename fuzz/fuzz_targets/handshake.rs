//! Opening handshakes: a line of the input is a header of the request, and the answer names only
//! what was asked for.

#![no_main]

use http::{HeaderName, HeaderValue, Request, header};
use libfuzzer_sys::fuzz_target;
use pushgate::websocket::{Terms, accept, is_requested};

const NAMES: [HeaderName; 6] = [
    header::UPGRADE,
    header::CONNECTION,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
];
/// What the lines of the input leave out.
const DEFAULTS: [&str; 4] = ["websocket", "Upgrade", "dGhlIHNhbXBsZSBub25jZQ==", "13"];

fuzz_target!(|input: &[u8]| {
    let mut head = Request::new(()).into_parts().0;
    for line in input.split(|byte| *byte == b'\n') {
        let Some((which, value)) = line.split_first() else { continue };
        let name = &NAMES[usize::from(*which) % NAMES.len()];
        if let Ok(value) = HeaderValue::from_bytes(value) {
            head.headers.append(name, value);
        }
    }
    for (name, value) in NAMES.iter().zip(DEFAULTS) {
        head.headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    let protocols = ["chat".into(), "ws+meta.nchan".into()];
    match accept(&head, &Terms { protocols: &protocols, deflate: true }) {
        Ok(accepted) => {
            assert!(is_requested(&head));
            let answer = |name| accepted.headers.get(name).map(|value| value.to_str().unwrap());
            assert!(answer(header::SEC_WEBSOCKET_ACCEPT).is_some());
            assert_eq!(
                answer(header::SEC_WEBSOCKET_PROTOCOL),
                accepted.protocol.map(|at| &*protocols[at])
            );
            let extensions = answer(header::SEC_WEBSOCKET_EXTENSIONS);
            assert_eq!(extensions.is_some(), accepted.deflate.is_some());
            assert!(extensions.is_none_or(|value| value.starts_with("permessage-deflate; ")));
        }
        Err(error) => {
            assert!(error.status().is_client_error());
            assert!(!error.to_string().is_empty());
        }
    }
});
