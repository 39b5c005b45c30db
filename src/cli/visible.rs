//! Bytes of others, made safe to be shown.
//!
//! A terminal obeys control characters: they move, colour and answer. None of C0 and C1 gets there, but
//! the ends of lines and tabs.

use std::{
    fmt::{Display, Write as _},
    io::{self, Write as _},
};

/// Text as it is; control characters and what is not UTF-8 as `\xXX`, but LF, CRLF and tabs.
pub(super) fn visible(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for piece in bytes.utf8_chunks() {
        let mut chars = piece.valid().chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\n' | '\t' => text.push(c),
                '\r' if chars.peek() == Some(&'\n') => text.push(c),
                c if c.is_control() => escape(&mut text, u32::from(c)),
                c => text.push(c),
            }
        }
        for byte in piece.invalid() {
            escape(&mut text, u32::from(*byte));
        }
    }
    text
}

/// The same on one line: for sentences.
pub(super) fn line(bytes: &[u8]) -> String {
    visible(bytes).trim().replace(['\r', '\n', '\t'], " ")
}

/// Says something on the standard error, on one line, whoever's words are in it. Nobody needs to read it.
pub(super) fn say(what: &impl Display) {
    let _ = writeln!(io::stderr(), "pushgate: {}", line(what.to_string().as_bytes()));
}

fn escape(text: &mut String, number: u32) {
    // Writing to a text does not fail.
    let _ = write!(text, "\\x{number:02X}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        assert_eq!(visible(b"a\tb\nc\r\nd\r"), "a\tb\nc\r\nd\\x0D");
        assert_eq!(visible("\x1b[2J\x7f\u{9b}31m ä 😀".as_bytes()), "\\x1B[2J\\x7F\\x9B31m ä 😀");
        assert_eq!(visible(b"\xff\x9b"), "\\xFF\\x9B");
        assert_eq!(line(b" No\r\nway.\x07 \n"), "No  way.\\x07");
    }

    proptest! {
        #[test]
        fn nothing_that_a_terminal_obeys_comes_through(bytes: Vec<u8>) {
            let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r');
            prop_assert!(!visible(&bytes).contains(obeyed));
            prop_assert!(!line(&bytes).contains(char::is_control));
        }
    }
}
