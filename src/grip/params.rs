//! Header values of the form `name; key=value; key="quoted", ...`.

use std::borrow::Cow;

/// The parts of a text between separators that are not in quotes, trimmed; empty ones are left out.
pub(super) fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(move |c| {
        let now = quoted && c == '\\' && !escaped;
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = now;
        c == separator && !quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// `key=value` or `key="quoted value"`; a key alone has the empty value.
pub(super) fn pair(text: &str) -> (&str, Cow<'_, str>) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (key.trim_end(), unquote(value.trim_start()))
}

fn unquote(value: &str) -> Cow<'_, str> {
    let Some(inner) = value.strip_prefix('"') else { return value.into() };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    if !inner.contains('\\') {
        return inner.into();
    }
    let mut escaped = false;
    let keep = |c: &char| {
        escaped = *c == '\\' && !escaped;
        !escaped
    };
    inner.chars().filter(keep).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_in_quotes_separate_nothing() {
        let parts = |text| split(text, ',').collect::<Vec<_>>();
        assert_eq!(parts("a; x=1, b,, c"), ["a; x=1", "b", "c"]);
        assert_eq!(parts(r#"k="a, \", b", l="c""#), [r#"k="a, \", b""#, r#"l="c""#]);
        assert_eq!(parts(r#"k="a\\", l"#), [r#"k="a\\""#, "l"]);
        assert_eq!(parts(""), [""; 0]);
    }

    #[test]
    fn values_may_be_quoted() {
        for (text, expected) in [
            ("a=1", ("a", "1")),
            ("a = \"x y\"", ("a", "x y")),
            (r#"a="x \"y\" \\ z""#, ("a", r#"x "y" \ z"#)),
            ("a=\"open", ("a", "open")),
            ("a", ("a", "")),
            ("a=b=c", ("a", "b=c")),
        ] {
            let (key, value) = pair(text);
            assert_eq!((key, &*value), expected, "{text}");
        }
    }
}
