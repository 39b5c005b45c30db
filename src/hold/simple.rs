//! The simple request: complete in the bytes in hand, and with nothing about it that is unusual.
//!
//! What must hold: what is read here hyper would read in the same way. Whatever it refuses, or could
//! be read in two ways, is not simple and left to it.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};

use super::head::Persistence;

/// Headers that a simple request may have.
const HEADERS: usize = 32;
/// Digits that the length of a simple body may have.
const DIGITS: usize = 9;

/// The request that `input` begins with, and how many bytes it is with its body; `None`: it is not
/// simple, or not complete. `max_head` bounds the head in bytes.
pub(super) fn parse(input: &[u8], max_head: usize) -> Option<(Request<Bytes>, usize)> {
    let mut fields = [const { MaybeUninit::uninit() }; HEADERS];
    let mut parsed = httparse::Request::new(&mut []);
    let status = parsed.parse_with_uninit_headers(input, &mut fields).ok()?;
    let httparse::Status::Complete(end) = status else { return None };
    let method = match parsed.method? {
        "GET" => Method::GET,
        "POST" => Method::POST,
        _ => return None,
    };
    let target = parsed.path?;
    if parsed.version? != 1 || end > max_head || !target.starts_with('/') {
        return None;
    }
    // What is left of the request refers to one copy of its head.
    let head = Bytes::copy_from_slice(&input[..end]);
    let shared = |part: &[u8]| {
        let start = part.as_ptr().addr() - input.as_ptr().addr();
        head.slice(start..start + part.len())
    };
    let headers = headers(parsed.headers, shared)?;
    let length = body_length(&headers)?;
    let body = input.get(end..)?.get(..length)?;
    let mut request = Request::new(Bytes::copy_from_slice(body));
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from_maybe_shared(shared(target.as_bytes())).ok()?;
    *request.headers_mut() = headers;
    Some((request, end + length))
}

fn headers<'a>(
    fields: &[httparse::Header<'a>],
    shared: impl Fn(&'a [u8]) -> Bytes,
) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        // They say that there is more to the connection or to the body than is seen here.
        if matches!(name, header::TRANSFER_ENCODING | header::EXPECT) {
            return None;
        }
        let value = if field.value.is_empty() {
            HeaderValue::from_static("")
        } else {
            HeaderValue::from_maybe_shared(shared(field.value)).ok()?
        };
        headers.append(name, value);
    }
    (!Persistence::of(Version::HTTP_11, &headers).close).then_some(headers)
}

/// The length of the body, if it is said once and in digits, or not at all.
fn body_length(headers: &HeaderMap) -> Option<usize> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter().map(HeaderValue::as_bytes);
    let (length, None) = (lengths.next(), lengths.next()) else { return None };
    let Some(digits) = length else { return Some(0) };
    if !(1..=DIGITS).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| 10 * number + usize::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use std::{
        cell::RefCell,
        convert::Infallible,
        os::unix::net::UnixStream,
        pin::Pin,
        rc::Rc,
        task::{Context, Poll, Waker},
    };

    use http::Response;
    use http_body_util::BodyExt;
    use hyper::{body::Incoming, server::conn::http1::Builder, service::service_fn};
    use proptest::prelude::*;

    use super::{super::wire::Wire, *};
    use crate::response::empty;

    const MOST: usize = 1000;

    /// The first request that hyper reads from these bytes, with its body.
    fn by_hyper(input: &[u8]) -> Option<Request<Bytes>> {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let seen = Rc::new(RefCell::new(None));
        let service = service_fn(|request: Request<Incoming>| {
            let seen = seen.clone();
            async move {
                let (head, body) = request.into_parts();
                if let Ok(body) = body.collect().await {
                    seen.borrow_mut().get_or_insert(Request::from_parts(head, body.to_bytes()));
                }
                Ok::<_, Infallible>(Response::new(empty()))
            }
        });
        let mut builder = Builder::new();
        builder.half_close(true).max_header_size(MOST);
        let mut connection =
            builder.serve_connection(Wire::new(ours.into(), input.to_vec()), service);
        let polled: Poll<_> =
            Pin::new(&mut connection).poll(&mut Context::from_waker(Waker::noop()));
        drop((polled, connection));
        seen.take()
    }

    fn same(one: &Request<Bytes>, other: &Request<Bytes>) -> bool {
        (one.method(), one.uri(), one.version(), one.headers(), one.body())
            == (other.method(), other.uri(), other.version(), other.headers(), other.body())
    }

    #[test]
    fn a_request_is_read_with_its_body_and_no_further() {
        let text =
            b"POST /pub?id=1 HTTP/1.1\r\nHost: a\r\nX: \r\nContent-Length: 2\r\n\r\nhiGET / HTTP";
        let (request, length) = parse(text, MOST).unwrap();
        assert_eq!(&text[length..], b"GET / HTTP");
        assert_eq!((request.uri().query(), &request.body()[..]), (Some("id=1"), &b"hi"[..]));
        let values = ["host", "x"].map(|name| request.headers()[name].as_bytes());
        assert_eq!(values, [&b"a"[..], b""]);
        assert!(same(&request, &by_hyper(&text[..length]).unwrap()));
    }

    #[test]
    fn what_could_be_read_in_another_way_is_not_simple() {
        for (line, rest) in [
            ("GET / HTTP/1.0", ""),
            ("GET  / HTTP/1.1", ""),
            ("GET http://a/ HTTP/1.1", ""),
            ("GET * HTTP/1.1", ""),
            ("HEAD / HTTP/1.1", ""),
            ("get / HTTP/1.1", ""),
            ("CONNECT a:80 HTTP/1.1", ""),
            ("GET / HTTP/1.1", "Connection: TE, close"),
            ("GET / HTTP/1.1", "A: b\r\n c"),
            ("GET / HTTP/1.1", "A : b"),
            ("GET / HTTP/1.1", "A: b\0"),
            ("GET / HTTP/1.1", ": b"),
            ("POST / HTTP/1.1", "Content-Length: 0\r\nContent-Length: 0"),
            ("POST / HTTP/1.1", "Content-Length: 1\r\nContent-Length: 2"),
            ("POST / HTTP/1.1", "Content-Length: +1"),
            ("POST / HTTP/1.1", "Content-Length: 1, 1"),
            ("POST / HTTP/1.1", "Content-Length: 0x1"),
            ("POST / HTTP/1.1", "Content-Length: "),
            ("POST / HTTP/1.1", "Content-Length: -1"),
            ("POST / HTTP/1.1", "Content-Length: 18446744073709551617"),
            ("POST / HTTP/1.1", "Content-Length: 5"),
            ("POST / HTTP/1.1", "Transfer-Encoding: chunked"),
            ("POST / HTTP/1.1", "Transfer-Encoding: chunked\r\nContent-Length: 1"),
            ("POST / HTTP/1.1", "Transfer-Encoding: x"),
            ("POST / HTTP/1.1", "Expect: 100-continue\r\nContent-Length: 1"),
        ] {
            let text = format!("{line}\r\nHost: a\r\n{rest}\r\n\r\n1234");
            assert!(parse(text.as_bytes(), MOST).is_none(), "{text}");
        }
        let many = "A: b\r\n".repeat(HEADERS + 1);
        assert!(parse(format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes(), MOST).is_none());
        let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert!(parse(text, text.len()).is_some() && parse(text, text.len() - 1).is_none());
        assert!((0..text.len()).all(|cut| parse(&text[..cut], MOST).is_none()));
    }

    /// Pieces of requests, good and bad.
    const PIECES: [&str; 40] = [
        "GET ",
        "POST ",
        "PUT ",
        "/",
        "/a?b=%20",
        "*",
        "//",
        " ",
        "\t",
        "HTTP/1.1",
        "HTTP/1.0",
        "\r\n",
        "\n",
        "\r",
        "\r\n\r\n",
        "Host: a",
        "Host:a ",
        "Content-Length: 3",
        "Content-Length: 03",
        "content-length:3",
        "Content-Length: 3,3",
        "Content-Length: ",
        "Transfer-Encoding: chunked",
        "Connection: close",
        "Connection: keep-alive",
        "Upgrade: websocket",
        "Expect: 100-continue",
        ": ",
        ":",
        "X: y",
        "X",
        "\0",
        "\u{e9}",
        "\u{7f}",
        "abc",
        "3\r\nabc\r\n0\r\n\r\n",
        "=",
        "#",
        "%",
        "\\",
    ];

    fn mostly_requests() -> impl Strategy<Value = Vec<u8>> {
        let piece = || prop::sample::select(PIECES.to_vec());
        let line = prop::collection::vec(piece(), 1..3).prop_map(|pieces| pieces.concat());
        let start = prop::sample::select(vec!["GET /a?b=c HTTP/1.1", "POST / HTTP/1.1", ""]);
        let parts =
            (start, prop::collection::vec(line, 0..5), prop::collection::vec(piece(), 0..4));
        parts.prop_map(|(start, lines, body)| {
            format!("{start}\r\n{}\r\n\r\n{}", lines.join("\r\n"), body.concat()).into_bytes()
        })
    }

    proptest! {
        #[test]
        fn what_is_simple_hyper_reads_in_the_same_way(input in mostly_requests()) {
            let start = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let input = &input[start..];
            if let Some((request, length)) = parse(input, MOST) {
                let hypers = by_hyper(&input[..length]);
                prop_assert!(hypers.is_some_and(|hypers| same(&request, &hypers)));
            }
        }
    }
}
