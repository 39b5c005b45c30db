//! Where a client says it left off: lines of the input are the places where it may say so. What is
//! understood is understood again when it is written as ids are.

#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use pushgate::{
    channel::MessageId,
    subscribe::position::{asked, pair},
};

fuzz_target!(|input: &[u8]| {
    if let Some(id) = str::from_utf8(input).ok().and_then(|text| text.parse::<MessageId>().ok()) {
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(MessageId::new(id.time(), id.tag()), Some(id));
    }
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    let last_event_id = HeaderName::from_static("last-event-id");
    for name in [header::IF_MODIFIED_SINCE, header::IF_NONE_MATCH, last_event_id] {
        let value = lines.next().and_then(|line| HeaderValue::from_bytes(line).ok());
        value.map(|value| headers.insert(name, value));
    }
    let argument = lines.next();
    let _ = pair(argument.unwrap_or_default(), lines.clone().next().unwrap_or_default());
    match asked(&headers, lines, argument) {
        Ok(Some(id)) => {
            let written = id.to_string();
            let none = std::iter::empty::<&[u8]>();
            let again = asked(&HeaderMap::new(), none, Some(written.as_bytes()));
            assert_eq!(again, Ok(Some(id)));
            assert!(id.successor() >= id && id.predecessor() <= id);
        }
        Ok(None) => {}
        Err(malformed) => assert!(!malformed.to_string().is_empty()),
    }
});
