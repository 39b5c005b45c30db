//! Text made safe for where a template puts it. What is not UTF-8 becomes U+FFFD, save in HTML,
//! which leaves bytes as they are.

use serde::de::IgnoredAny;

/// The deepest JSON that is passed on as such; parsers of scripts have bounds of their own.
const MAX_DEPTH: usize = 128;

/// A JSON string (RFC 8259 section 7), with its quotes.
pub(super) fn json_string(value: &[u8]) -> String {
    // A string can always be written.
    serde_json::to_string(&String::from_utf8_lossy(value)).unwrap_or_default()
}

/// A JavaScript string for use inside a `<script>` element, with its quotes: [`json_string`] without
/// any character that could end or change the element (`</script`, `<!--`, `<script`, `]]>`) or, before
/// ECMAScript 2019, the string (U+2028, U+2029).
pub(super) fn js_string(value: &[u8]) -> String {
    in_script(&json_string(value))
}

/// A JavaScript value for use inside a `<script>` element: the text itself if it is JSON, else a
/// string of it.
pub(super) fn js_value(value: &[u8]) -> String {
    match str::from_utf8(value) {
        Ok(text) if is_json(text) => in_script(text),
        _ => js_string(value),
    }
}

/// Appends text for use in the content and the quoted attributes of HTML.
pub(super) fn html(out: &mut Vec<u8>, value: &[u8]) {
    for byte in value {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            other => out.push(*other),
        }
    }
}

/// JSON with the characters escaped that a `<script>` element cannot carry. In valid JSON each of
/// them is inside a string, where the escape means the same.
fn in_script(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            other => safe.push(other),
        }
    }
    safe
}

/// Whether the text is a JSON document not deeper than [`MAX_DEPTH`].
fn is_json(text: &str) -> bool {
    // Neither recurses: the depth is counted first, and what is ignored is only scanned.
    depth(text) <= MAX_DEPTH && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// How deep brackets nest outside of strings, if `text` is JSON.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_is_passed_on_with_its_white_space() {
        let documents = [
            "{}",
            "[]",
            "null",
            "true",
            "-0",
            "1e999",
            "\"x\"",
            " [1, {\"a\":\n2}] ",
            "\"\\ud800\"",
            "[\"\\\\\", \"\\\"[[\"]",
        ];
        for json in documents {
            assert_eq!(js_value(json.as_bytes()), json);
        }
    }

    #[test]
    fn what_is_not_json_becomes_a_string() {
        let texts = [
            "",
            " ",
            "hi",
            "{",
            "[1,]",
            "{a:1}",
            "'x'",
            "01",
            "NaN",
            "1 2",
            "[1])//",
            "\"a\nb\"",
            "\"\\x\"",
            "alert(1)",
            "\u{feff}1",
            "{\"a\":1}//",
        ];
        for text in texts {
            assert_eq!(js_value(text.as_bytes()), js_string(text.as_bytes()), "{text:?}");
        }
        assert_eq!(js_value(b"\"\xff\""), "\"\\\"\u{fffd}\\\"\"");
    }

    #[test]
    fn json_that_nests_too_deep_becomes_a_string() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(js_value(nested(MAX_DEPTH).as_bytes()), nested(MAX_DEPTH));
        let deep = nested(MAX_DEPTH + 1);
        assert_eq!(js_value(deep.as_bytes()), format!("\"{deep}\""));
        assert_eq!(js_value(nested(1_000_000).as_bytes()).len(), 2_000_002);
        let flat = "[".to_owned() + &"{},".repeat(1000) + "\"[[[\"]";
        assert_eq!(js_value(flat.as_bytes()), flat);
    }

    #[test]
    fn nothing_ends_or_changes_a_script_element() {
        let text = "</script><!--<script>]]>\u{2028}\u{2029}&amp;";
        let safe =
            "\\u003c/script\\u003e\\u003c!--\\u003cscript\\u003e]]\\u003e\\u2028\\u2029\\u0026amp;";
        assert_eq!(js_string(text.as_bytes()), format!("\"{safe}\""));
        assert_eq!(js_value(format!("[\"{text}\"]").as_bytes()), format!("[\"{safe}\"]"));
        assert_eq!(json_string(text.as_bytes()), format!("\"{text}\""));
    }

    #[test]
    fn control_characters_and_quotes_are_escaped_in_strings() {
        assert_eq!(
            json_string(b"\0\x08\t\n\r\x1f\"\\'/"),
            "\"\\u0000\\b\\t\\n\\r\\u001f\\\"\\\\'/\""
        );
    }

    #[test]
    fn html_keeps_bytes_that_are_not_text() {
        let mut out = Vec::new();
        html(&mut out, b"<a href='x'>\xff\"&");
        assert_eq!(out, b"&lt;a href=&#39;x&#39;&gt;\xff&quot;&amp;");
    }

    fn meant_as_text(text: &str) -> serde_json::Value {
        serde_json::Value::String(text.into())
    }

    proptest! {
        #[test]
        fn any_text_is_safe_and_means_what_it_said(value in "([<>&\"\\\\!/-]|\\PC|[\u{2028}\n{}1])*") {
            let safe = js_value(value.as_bytes());
            let unsafe_in_script = ['<', '>', '&', '\u{2028}', '\u{2029}'];
            prop_assert!(!safe.contains(unsafe_in_script), "{}", safe);
            let meant: serde_json::Value = serde_json::from_str(&safe).unwrap();
            let said = serde_json::from_str(&value).unwrap_or_else(|_| meant_as_text(&value));
            prop_assert_eq!(meant, said);
        }
    }
}
