//! The origin of a page as browsers send it (RFC 6454 section 6.2).

use std::net::Ipv6Addr;

/// What an origin looks like, for errors.
pub(super) const FORM: &str = "an origin like \"https://example.com\" or \"http://localhost:8000\" \
                               (\"*\" stands alone)";

/// `scheme://host[:port]` in lower case, without the scheme's own port, which browsers leave out.
pub(super) fn parse(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let scheme_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    if !begins || !scheme.bytes().all(scheme_byte) {
        return None;
    }
    let (host, port) = split_port(authority)?;
    let port = match (scheme, port) {
        ("http", Some(80)) | ("https", Some(443)) | (_, None) => String::new(),
        (_, Some(port)) => format!(":{port}"),
    };
    is_host(host).then(|| format!("{scheme}://{host}{port}"))
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority[end..].find(':') {
        None => Some((authority, None)),
        Some(colon) => {
            let (host, port) = authority.split_at(end + colon);
            let port = port.strip_prefix(':')?;
            let digits = port.bytes().all(|byte| byte.is_ascii_digit());
            port.parse().ok().filter(|_| digits).map(|port| (host, Some(port)))
        }
    }
}

fn is_host(host: &str) -> bool {
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed.strip_suffix(']').is_some_and(|six| six.parse::<Ipv6Addr>().is_ok());
    }
    let host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !host.is_empty() && host.bytes().all(host_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_normalized() {
        for (text, origin) in [
            ("https://Example.COM", "https://example.com"),
            ("HTTP://localhost:8000", "http://localhost:8000"),
            ("https://example.com:443", "https://example.com"),
            ("http://example.com:80", "http://example.com"),
            ("http://example.com:443", "http://example.com:443"),
            ("http://[::1]:81", "http://[::1]:81"),
            ("chrome-extension://abc", "chrome-extension://abc"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(origin), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_origin() {
        for text in [
            "",
            "*",
            "null",
            "example.com",
            "http://",
            "http://a/",
            "http://a/b",
            "http://a:",
            "http://a:x",
            "http://a:+1",
            "http://a:65536",
            "http://a b",
            "://a",
            "http://[::1",
            "http://[x]",
            "http://ä",
            "1http://a",
            "http://u@a",
            "http://a?b",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
