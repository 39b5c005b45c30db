//! PROXY headers: what is read does not depend on how much more has come, and nothing waits for
//! ever.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pushgate::proxy_protocol::{MAX_LENGTH, parse};

fuzz_target!(|input: &[u8]| match parse(input) {
    Ok(Some((header, length))) => {
        assert!(length <= input.len() && length <= MAX_LENGTH);
        assert_eq!(parse(&input[..length]), Ok(Some((header, length))));
        for cut in 0..length {
            assert_eq!(parse(&input[..cut]), Ok(None));
        }
    }
    Ok(None) => assert!(input.len() <= MAX_LENGTH),
    Err(malformed) => assert_eq!(parse(&[input, b"more"].concat()), Err(malformed)),
});
