//! Copies of what is kept as long as a request is held: what hyper has read shares its buffers of 8 KiB,
//! which would stay with it.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Uri};

/// The same headers.
pub(super) fn headers(read: &HeaderMap) -> HeaderMap {
    let mut own = read.clone();
    let mut bytes = BytesMut::with_capacity(own.values().map(HeaderValue::len).sum());
    for value in own.values() {
        bytes.extend_from_slice(value.as_bytes());
    }
    let mut bytes = bytes.freeze();
    for value in own.values_mut() {
        let copy = HeaderValue::from_maybe_shared(bytes.split_to(value.len()));
        // It always is: both go through the map in the same order.
        if let Some(copy) = copy.ok().filter(|copy| copy == value) {
            *value = copy;
        }
    }
    own
}

/// The same URI.
pub(super) fn uri(read: &Uri) -> Uri {
    let bytes = Bytes::from(read.to_string());
    Uri::from_maybe_shared(bytes).unwrap_or_else(|_| read.clone())
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn headers_are_the_same_in_memory_of_their_own() {
        let lines =
            [("a", "1"), ("set-cookie", "x=1"), ("b", ""), ("set-cookie", "y=2"), ("a", "3")];
        let all: String = lines.map(|(_, value)| value).concat();
        let read = Bytes::from(all.into_bytes());
        let (mut rest, mut headers_read) = (read.clone(), HeaderMap::new());
        for (name, value) in lines {
            let value = HeaderValue::from_maybe_shared(rest.split_to(value.len())).unwrap();
            headers_read.append(HeaderName::from_static(name), value);
        }
        let own = headers(&headers_read);
        assert_eq!(own, headers_read);
        let within = |value: &HeaderValue| read.as_ptr_range().contains(&value.as_bytes().as_ptr());
        assert!(headers_read.values().filter(|value| !value.is_empty()).all(within));
        assert!(!own.values().any(within));
    }
}
