//! What clients send, made safe to be written into a line.
//!
//! Nothing of it can end the line, end its field, or reach a terminal as anything but visible ASCII.

use std::fmt::Write;

/// Between double quotes of a line of text, as nginx escapes: what is not visible ASCII, quotes and
/// backslashes become `\xXX`.
pub(super) fn text(line: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'"' | b'\\' => write_hex(line, *byte),
            b' '..=b'~' => line.push(char::from(*byte)),
            _ => write_hex(line, *byte),
        }
    }
}

fn write_hex(line: &mut String, byte: u8) {
    // Writing to a text does not fail.
    let _ = write!(line, "\\x{byte:02X}");
}

/// A string of JSON (RFC 8259 section 7) with its quotes, in ASCII; what is not UTF-8 becomes U+FFFD.
pub(super) fn json(line: &mut String, bytes: &[u8]) {
    line.push('"');
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '"' | '\\' => {
                line.push('\\');
                line.push(c);
            }
            ' '..='~' => line.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(escape: fn(&mut String, &[u8]), bytes: &[u8]) -> String {
        let mut line = String::new();
        escape(&mut line, bytes);
        line
    }

    #[test]
    fn text_is_escaped_as_nginx_does() {
        assert_eq!(escaped(text, b"GET /a?b=c"), "GET /a?b=c");
        assert_eq!(
            escaped(text, b"a\"b\\c\r\n\x1b[2J\x7f\xc3\xa4"),
            "a\\x22b\\x5Cc\\x0D\\x0A\\x1B[2J\\x7F\\xC3\\xA4"
        );
    }

    #[test]
    fn json_is_ascii() {
        assert_eq!(
            escaped(json, "a\"\\\n\u{9b}\u{2028}😀".as_bytes()),
            "\"a\\\"\\\\\\u000a\\u009b\\u2028\\ud83d\\ude00\""
        );
        assert_eq!(escaped(json, b"\xff"), "\"\\ufffd\"");
    }

    proptest! {
        #[test]
        fn whatever_is_escaped_stays_in_its_field(bytes: Vec<u8>) {
            let line = escaped(text, &bytes);
            prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"'));
            let line = escaped(json, &bytes);
            prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            let read: String = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes));
        }
    }
}
