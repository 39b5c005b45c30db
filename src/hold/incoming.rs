//! The head of a request, before anybody reads what is in it.

use http::Uri;

use crate::response::Refusal;

/// How many header lines a request may have, as many as hyper takes.
const HEADERS: usize = 100;

/// The longest target that an URI can be, in bytes.
const MAX_URI: usize = u16::MAX as usize - 1;

/// Whether the head of a request is all there, or why it cannot be one of at most so many bytes. The
/// first `seen` bytes have been looked at before.
pub(super) fn is_whole(input: &[u8], seen: usize, most: usize) -> Result<bool, Refusal> {
    let within = |end: &Option<usize>| end.unwrap_or(input.len()) <= most;
    // What was looked at may be requests that were sent ahead.
    let found = [seen, 0].into_iter().map(|seen| end(input, seen)).find(within);
    let end = found.ok_or(Refusal::HeadTooLarge)?;
    if end.is_none() && seen > 0 {
        // It is not read again at each byte of a client that sends it byte by byte.
        return Ok(false);
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(input);
    match (parsed, request.path.map(str::parse::<Uri>)) {
        (Ok(_), None | Some(Ok(_))) if end.is_some() && !has_length(&request) => {
            Err(Refusal::BadRequest("The length of the body is malformed.".into()))
        }
        (Ok(_), None | Some(Ok(_))) => Ok(end.is_some()),
        (Err(httparse::Error::TooManyHeaders), _) => Err(Refusal::HeadTooLarge),
        (Ok(_), _) if request.path.is_some_and(|path| path.len() > MAX_URI) => {
            Err(Refusal::HeadTooLarge)
        }
        _ => Err(Refusal::BadRequest("The request is malformed.".into())),
    }
}

/// Whether there are empty lines at most, which before a request are nothing (RFC 9112 section 2.2).
pub(super) fn is_blank(input: &[u8]) -> bool {
    input.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

/// Whether hyper takes what a request says of the length of its body (RFC 9112 section 6.3): it refuses
/// the others without a word, and takes no length into account behind a transfer coding.
fn has_length(request: &httparse::Request<'_, '_>) -> bool {
    let (mut length, mut chunked) = (None, None);
    for line in &*request.headers {
        let value = line.value.trim_ascii();
        if line.name.eq_ignore_ascii_case("transfer-encoding") {
            let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
            chunked = Some(last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        } else if line.name.eq_ignore_ascii_case("content-length") && chunked.is_none() {
            let said = number(value);
            if said.is_none() || length.is_some_and(|before| before != said) {
                return false;
            }
            length = Some(said);
        }
    }
    chunked.is_none_or(|chunked| chunked && request.version == Some(1))
}

fn number(value: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(value).ok().filter(|_| value.iter().all(u8::is_ascii_digit))?;
    digits.parse().ok().filter(|length| *length < u64::MAX - 1)
}

/// Where the head of a request ends, if all of it is there: after an empty line. Of `bytes`, the
/// first `seen` have been searched before.
fn end(bytes: &[u8], seen: usize) -> Option<usize> {
    let start = seen.saturating_sub(3);
    let mut rest = &bytes[start..];
    while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
        rest = &rest[at + 1..];
        let blank = rest.strip_prefix(b"\n").or_else(|| rest.strip_prefix(b"\r\n"));
        if let Some(after) = blank {
            return Some(bytes.len() - after.len());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        convert::Infallible,
        future::Future,
        os::unix::net::UnixStream,
        pin::pin,
        task::{Context, Waker},
    };

    use bytes::Bytes;
    use http::Response;
    use http_body_util::Full;
    use hyper::{server::conn::http1::Builder, service::service_fn};
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;
    use crate::hold::wire::Wire;

    /// Whether hyper, on a socket, takes a head for that of a request.
    fn hyper_takes(head: &str) -> bool {
        let (own, _other) = UnixStream::pair().unwrap();
        let taken = Cell::new(false);
        let service = service_fn(|_| {
            taken.set(true);
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
        });
        let wire = Wire::new(own.into(), head.as_bytes().to_vec());
        let mut connection = pin!(Builder::new().serve_connection(wire, service));
        let _ = connection.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        taken.get()
    }

    /// What stands between the colon and the end of the line.
    fn blank_around(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        ("[ \t]{0,2}", value, "[ \t]{0,2}")
            .prop_map(|(before, value, after)| before + &value + &after)
    }

    fn length() -> impl Strategy<Value = String> {
        let largest = (0_u128..4).prop_map(|more| (u128::from(u64::MAX) - 2 + more).to_string());
        let number =
            prop_oneof![8 => "[0-9]{1,3}", 2 => "0{0,30}[0-9]", 1 => "[0-9]{18,25}", 2 => largest];
        let list = vec(blank_around(number.boxed()), 1..3).prop_map(|all| all.join(","));
        prop_oneof![6 => list, 2 => "[-+]?[0-9]{0,2}", 1 => "[0-9a-fx. _\u{e9}\u{661}]{0,4}"]
    }

    const CODINGS: [&str; 8] =
        ["chunked", "Chunked", "gzip", "identity", "xchunked", "chunked;q=1", "\"chunked\"", ""];

    fn codings() -> impl Strategy<Value = String> {
        let name = select(&CODINGS[..]).prop_map(str::to_owned);
        vec(blank_around(name), 1..4).prop_map(|all| all.join(","))
    }

    fn line() -> impl Strategy<Value = String> {
        let line = |names: &'static [&'static str], value: BoxedStrategy<String>| {
            (select(names), blank_around(value))
                .prop_map(|(name, value)| format!("{name}:{value}\r\n"))
        };
        prop_oneof![
            3 => line(&["Content-Length", "content-length"], length().boxed()),
            2 => line(&["Transfer-Encoding", "TRANSFER-ENCODING"], codings().boxed()),
            1 => line(&["Host", "Content-Length-", "X-Transfer-Encoding"], length().boxed()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn a_length_is_one_wherever_hyper_takes_it_for_one(
            version in select(&["1.0", "1.1"][..]),
            lines in vec(line(), 0..4),
        ) {
            let head = format!("POST / HTTP/{version}\r\n{}\r\n", lines.concat());
            let taken = is_whole(head.as_bytes(), 0, 9999);
            prop_assert_eq!(taken == Ok(true), hyper_takes(&head), "{:?}: {:?}", head, taken);
        }
    }

    #[test]
    fn a_head_ends_with_an_empty_line_wherever_the_reads_were_cut() {
        let head = b"GET / HTTP/1.1\r\nA: b\r\n\r\n";
        for cut in 0..head.len() {
            assert_eq!(end(&head[..cut], 0), None, "{cut}");
            assert_eq!(end(head, cut), Some(head.len()), "{cut}");
        }
        assert_eq!(end(b"GET / HTTP/1.0\n\nGET", 0), Some(16));
    }

    #[test]
    fn the_length_of_a_body_is_said_in_one_way() {
        let takes = |version, lines: &[&str]| {
            let head = format!("POST / HTTP/{version}\r\n{}\r\n\r\n", lines.join("\r\n"));
            is_whole(head.as_bytes(), 0, 9999)
        };
        let refusal = Err(Refusal::BadRequest("The length of the body is malformed.".into()));
        for lines in [
            &["Host: a"][..],
            &["Content-Length: 0"],
            &["content-length:  007 ", "Content-Length: 7"],
            &["Content-Length: 18446744073709551613"],
            &["Transfer-Encoding: Chunked"],
            &["Transfer-Encoding: gzip", "transfer-encoding: gzip , chunked"],
            &["Content-Length: 7", "Transfer-Encoding: chunked"],
            &["Transfer-Encoding: chunked", "Content-Length: x"],
        ] {
            assert_eq!(takes("1.1", lines), Ok(true), "{lines:?}");
        }
        for lines in [
            &["Content-Length: "][..],
            &["Content-Length: +1"],
            &["Content-Length: 1, 1"],
            &["Content-Length: 0x1"],
            &["Content-Length: 18446744073709551614"],
            &["Content-Length: 99999999999999999999"],
            &["Content-Length: 1", "Content-Length: 2"],
            &["Transfer-Encoding: gzip"],
            &["Transfer-Encoding: "],
            &["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
            &["Content-Length: x", "Transfer-Encoding: chunked"],
        ] {
            assert_eq!(takes("1.1", lines), refusal, "{lines:?}");
        }
        assert_eq!(takes("1.0", &["Transfer-Encoding: chunked"]), refusal);
    }

    #[test]
    fn a_head_is_one_of_a_request_and_not_too_long() {
        let request = b"GET /a HTTP/1.1\r\nA: b\r\n\r\n";
        for cut in 0..request.len() {
            assert_eq!(is_whole(&request[..cut], 0, 99), Ok(false), "{cut}");
        }
        let length = request.len();
        assert_eq!(is_whole(request, 0, length), Ok(true));
        assert_eq!(is_whole(request, 0, length - 1), Err(Refusal::HeadTooLarge));
        assert_eq!(is_whole(&request[..9], 8, 8), Err(Refusal::HeadTooLarge));
        // Those that are sent ahead are more, together.
        let three = request.repeat(3);
        for seen in [0, 1, length, 2 * length, 3 * length] {
            assert_eq!(is_whole(&three, seen, length), Ok(true), "{seen}");
        }
        let lines = |number| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(number));
        assert_eq!(is_whole(lines(100).as_bytes(), 0, 9999), Ok(true));
        assert_eq!(is_whole(lines(101).as_bytes(), 0, 9999), Err(Refusal::HeadTooLarge));
        for malformed in ["\u{16}\u{3}", "GET  HTTP/1.1\r\n\r\n", "GET a?b HTTP/1.1\r\n\r\n"] {
            let refusal = is_whole(malformed.as_bytes(), 0, 99).unwrap_err();
            assert_eq!(refusal, Refusal::BadRequest("The request is malformed.".into()));
        }
    }
}
