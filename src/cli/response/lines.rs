//! Lines of an event stream (HTML standard, section 9.2.5).

/// A line, which LF, CR or CRLF ends, and its length with that.
pub(in crate::cli) fn take_line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = memchr::memchr2(b'\n', b'\r', bytes)?;
    let length = match (bytes[end], bytes.get(end + 1)) {
        (b'\n', _) => 1,
        (_, Some(b'\n')) => 2,
        (_, Some(_)) => 1,
        // What follows decides.
        (_, None) => return None,
    };
    Some((&bytes[..end], end + length))
}
