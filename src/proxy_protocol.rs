//! The PROXY protocol: what a proxy says before a connection's first byte about whose it is.
//!
//! Versions 1 (a line of text) and 2 (binary) of `HAProxy`'s specification. Only those who are
//! known to be proxies may be believed; that is for the caller to know. Everything that the specification
//! does not allow is malformed, because a header that is misread would make a stranger local.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header in bytes; who has read more than that without an answer need not go on.
pub const MAX_LENGTH: usize = V2_HEAD + MAX_V2_BODY;

/// The longest line of version 1, its end included.
const MAX_V1: usize = 107;
/// What version 2 may bring after its head: addresses and extensions, of which certificates are the
/// largest.
const MAX_V2_BODY: usize = 4 << 10;

const V1_BEGIN: &[u8] = b"PROXY ";
const V2_BEGIN: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Beginning, version and command, family and protocol, length.
const V2_HEAD: usize = 16;
/// Two addresses, two ports.
const INET: usize = 12;
const INET6: usize = 36;
/// Two paths.
const UNIX: usize = 216;

/// What a header says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// Whose connection it is.
    pub source: Source,
}

/// The other end of a connection, as its proxy sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// A client of the proxy.
    Client(SocketAddr),
    /// The proxy itself, which asks whether the server is well: `LOCAL`.
    Proxy,
    /// A client of which nothing is known: `UNKNOWN`, no address, or one of another kind (a Unix
    /// socket, datagrams). It is not the proxy, and must not be taken for it.
    Unknown,
}

/// Why something is no header.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Malformed {
    /// An address, a port or the blanks between them.
    #[error("the addresses of the PROXY header are malformed")]
    Addresses,
    /// It begins as no header does.
    #[error("the connection does not begin with a PROXY header")]
    Begin,
    /// A version, command, family or protocol that there is not.
    #[error("the PROXY header is of an unknown kind")]
    Kind,
    /// It has no end, or is longer than [`MAX_LENGTH`].
    #[error("the PROXY header is too long")]
    TooLong,
}

/// Reads the header at the beginning of a connection: what it says, and how many bytes it takes.
/// `None`: it is not complete, which cannot go on for more than [`MAX_LENGTH`] bytes.
pub fn parse(input: &[u8]) -> Result<Option<(Header, usize)>, Malformed> {
    let begins = |begin: &[u8]| input.iter().zip(begin).all(|(is, wanted)| is == wanted);
    if begins(V2_BEGIN) {
        binary(input)
    } else if begins(V1_BEGIN) {
        line(input)
    } else {
        Err(Malformed::Begin)
    }
}

/// Version 1.
fn line(input: &[u8]) -> Result<Option<(Header, usize)>, Malformed> {
    let bounded = &input[..input.len().min(MAX_V1)];
    let Some(end) = bounded.windows(2).position(|pair| pair == b"\r\n") else {
        return if input.len() < MAX_V1 { Ok(None) } else { Err(Malformed::TooLong) };
    };
    let text = bounded.get(V1_BEGIN.len()..end).ok_or(Malformed::Kind)?;
    let source = match text.split(|byte| *byte == b' ').next() {
        // Whatever it says after that is to be ignored.
        Some(b"UNKNOWN") => Source::Unknown,
        Some(b"TCP4") => client::<Ipv4Addr>(&text[4..])?,
        Some(b"TCP6") => client::<Ipv6Addr>(&text[4..])?,
        _ => return Err(Malformed::Kind),
    };
    Ok(Some((Header { source }, end + 2)))
}

/// ` SOURCE DESTINATION PORT PORT`, with one blank before each.
fn client<A: std::str::FromStr + Into<IpAddr>>(text: &[u8]) -> Result<Source, Malformed> {
    let text = str::from_utf8(text).map_err(|_| Malformed::Addresses)?;
    let fields: Vec<_> = text.split(' ').collect();
    let ["", source, destination, port, other] = fields[..] else {
        return Err(Malformed::Addresses);
    };
    let address = |text: &str| text.parse::<A>().map_err(|_| Malformed::Addresses);
    let (source, _) = (address(source)?, address(destination)?);
    let (port, _) = (decimal(port)?, decimal(other)?);
    Ok(Source::Client(SocketAddr::new(source.into(), port)))
}

/// A port: digits, and no zero before others.
fn decimal(text: &str) -> Result<u16, Malformed> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| canonical).ok_or(Malformed::Addresses)
}

/// Version 2.
fn binary(input: &[u8]) -> Result<Option<(Header, usize)>, Malformed> {
    let Some((head, rest)) = input.split_first_chunk::<V2_HEAD>() else { return Ok(None) };
    let [.., kind, family, high, low] = *head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let local = match kind {
        0x20 => true,
        0x21 => false,
        _ => return Err(Malformed::Kind),
    };
    if length > MAX_V2_BODY {
        return Err(Malformed::TooLong);
    }
    let taken = match (family >> 4, family & 0xf) {
        _ if local => 0,
        (0, 0..=2) => 0,
        (1, 0..=2) => INET,
        (2, 0..=2) => INET6,
        (3, 0..=2) => UNIX,
        _ => return Err(Malformed::Kind),
    };
    if length < taken {
        return Err(Malformed::Addresses);
    }
    // Extensions come after the addresses; none of them says whose the connection is.
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let source = match family {
        _ if local => Source::Proxy,
        0x11 => stream::<4>(body)?,
        0x21 => stream::<16>(body)?,
        _ => Source::Unknown,
    };
    Ok(Some((Header { source }, V2_HEAD + length)))
}

/// Source and destination, each of `N` bytes, and their ports.
fn stream<const N: usize>(body: &[u8]) -> Result<Source, Malformed>
where
    IpAddr: From<[u8; N]>,
{
    let address = body.first_chunk::<N>().ok_or(Malformed::Addresses)?;
    let port = body.get(2 * N..).and_then(|rest| rest.first_chunk()).ok_or(Malformed::Addresses)?;
    Ok(Source::Client(SocketAddr::new((*address).into(), u16::from_be_bytes(*port))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn from(address: &str) -> Source {
        Source::Client(address.parse().unwrap())
    }

    /// A header of version 2 that says its own length.
    fn v2(kind: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [V2_BEGIN, &[kind, family], &length, body].concat()
    }

    /// 192.168.0.1:56324 to 192.168.0.11:443.
    const FOUR: &[u8] = b"\xc0\xa8\x00\x01\xc0\xa8\x00\x0b\xdc\x04\x01\xbb";

    fn six() -> Vec<u8> {
        let [source, destination] =
            ["2001:db8::1", "::1"].map(|text| text.parse::<Ipv6Addr>().unwrap().octets());
        [&source[..], &destination, b"\xdc\x04\x01\xbb"].concat()
    }

    #[track_caller]
    fn assert_header(header: &[u8], source: Source) {
        let complete = Ok(Some((Header { source }, header.len())));
        assert_eq!(parse(header), complete, "{header:?}");
        let request = [header, b"GET / HTTP/1.1\r\nHost: 192.168.0.11\r\n\r\n"].concat();
        assert_eq!(parse(&request), complete, "{header:?}");
        for length in 0..header.len() {
            assert_eq!(parse(&header[..length]), Ok(None), "{length} bytes of {header:?}");
        }
    }

    #[test]
    fn a_line_says_whose_the_connection_is() {
        let eight = ["ffff"; 8].join(":");
        let longest = format!("PROXY UNKNOWN {eight} {eight} 65535 65535\r\n");
        assert_eq!(longest.len(), MAX_V1);
        for (line, source) in [
            (
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
                from("255.255.255.255:65535"),
            ),
            ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", from("192.168.0.1:56324")),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 0 0\r\n", from("1.2.3.4:0")),
            (
                &format!("PROXY TCP6 {eight} {eight} 65535 65535\r\n"),
                from(&format!("[{eight}]:65535")),
            ),
            ("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", from("[2001:db8::1]:1")),
            ("PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2\r\n", from("[::ffff:10.0.0.1]:1")),
            ("PROXY UNKNOWN\r\n", Source::Unknown),
            (&longest, Source::Unknown),
            ("PROXY UNKNOWN \0\n\r anything\r\n", Source::Unknown),
        ] {
            assert_header(line.as_bytes(), source);
        }
    }

    #[test]
    fn a_line_that_is_not_exact_is_malformed() {
        for line in [
            "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2",
            "PROXY TCP4  1.2.3.4 5.6.7.8 1 2",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1  2",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 ",
            "PROXY TCP4\t1.2.3.4 5.6.7.8 1 2",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3",
            "PROXY TCP4 01.2.3.4 5.6.7.8 1 2",
            "PROXY TCP4 1.2.3 5.6.7.8 1 2",
            "PROXY TCP4 256.2.3.4 5.6.7.8 1 2",
            "PROXY TCP4 1.2.3.4 5.6.7.8 01 2",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 02",
            "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2",
            "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2",
            "PROXY TCP4 1.2.3.4 5.6.7.8 65536 2",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536",
            "PROXY TCP4 ::1 ::1 1 2",
            "PROXY TCP4 1.2.3.4 x 1 2",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
            "PROXY TCP4",
            "PROXY TCP4 ",
            "PROXY TCP6 1.2.3.4 5.6.7.8 1 2",
            "PROXY TCP6 ::1%1 ::1 1 2",
            "PROXY TCP6 1:2:3 ::1 1 2",
            "PROXY TCP6 [::1] ::1 1 2",
            "PROXY UDP4 1.2.3.4 5.6.7.8 1 2",
            "PROXY tcp4 1.2.3.4 5.6.7.8 1 2",
            "PROXY UNKNOWNS",
            "PROXY ",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\u{e4}",
        ] {
            let line = format!("{line}\r\n");
            let error = parse(line.as_bytes()).unwrap_err();
            assert!(matches!(error, Malformed::Addresses | Malformed::Kind), "{line:?} {error}");
        }
    }

    #[test]
    fn a_line_ends_in_time() {
        let long = format!("PROXY UNKNOWN {}", "x".repeat(200));
        assert_eq!(parse(&long.as_bytes()[..MAX_V1 - 1]), Ok(None));
        for length in [MAX_V1, MAX_V1 + 1, long.len()] {
            assert_eq!(parse(&long.as_bytes()[..length]), Err(Malformed::TooLong), "{length}");
        }
        let late = format!("{}\r\n", &long[..MAX_V1 - 1]);
        assert_eq!(parse(late.as_bytes()), Err(Malformed::TooLong));
        // A line feed alone is no end.
        assert_eq!(parse(b"PROXY UNKNOWN\n"), Ok(None));
    }

    #[test]
    fn a_connection_that_begins_otherwise_is_malformed_at_once() {
        for begin in ["G", "GET / HTTP/1.1\r\n", "PROXX", "proxy ", " PROXY ", "PROXY\r\n", "\n"] {
            assert_eq!(parse(begin.as_bytes()), Err(Malformed::Begin), "{begin:?}");
        }
        assert_eq!(parse(b"\r\n\r\n\0\r\nQUIX"), Err(Malformed::Begin));
        assert_eq!(parse(b"\r\n\r\nG"), Err(Malformed::Begin));
        assert_eq!(parse(b""), Ok(None));
    }

    #[test]
    fn a_binary_header_says_whose_the_connection_is() {
        let client = from("192.168.0.1:56324");
        assert_header(&v2(0x21, 0x11, FOUR), client);
        assert_header(&v2(0x21, 0x21, &six()), from("[2001:db8::1]:56324"));
        // Extensions: PP2_TYPE_AUTHORITY, PP2_TYPE_NOOP.
        let extended = [FOUR, b"\x02\x00\x07example\x04\x00\x00"].concat();
        assert_header(&v2(0x21, 0x11, &extended), client);
        for (family, body) in [
            (0x00, &b""[..]),
            (0x00, b"anything"),
            (0x31, &[b'a'; UNIX]),
            (0x32, &[0; UNIX + 1]),
            (0x12, FOUR),
            (0x10, FOUR),
            (0x22, &six()),
        ] {
            assert_header(&v2(0x21, family, body), Source::Unknown);
        }
        for (family, body) in [(0x00, &b""[..]), (0x11, FOUR), (0xff, b"x")] {
            assert_header(&v2(0x20, family, body), Source::Proxy);
        }
    }

    #[test]
    fn a_binary_header_of_an_unknown_kind_is_malformed() {
        for kind in (0..=u8::MAX).filter(|kind| !matches!(kind, 0x20 | 0x21)) {
            assert_eq!(parse(&v2(kind, 0x11, FOUR)), Err(Malformed::Kind), "{kind:x}");
        }
        for family in [0x03, 0x13, 0x41, 0xf1, 0xff] {
            assert_eq!(parse(&v2(0x21, family, &[0; UNIX])), Err(Malformed::Kind), "{family:x}");
        }
    }

    #[test]
    fn a_binary_header_has_room_for_its_addresses_and_not_for_everything() {
        for (family, needed) in [(0x11, INET), (0x21, INET6), (0x31, UNIX)] {
            let short = v2(0x21, family, &vec![0; needed - 1]);
            assert_eq!(parse(&short), Err(Malformed::Addresses), "{family:x}");
            // Known before the rest has come.
            assert_eq!(parse(&short[..V2_HEAD]), Err(Malformed::Addresses), "{family:x}");
        }
        let longest = v2(0x21, 0x11, &[FOUR, &[0; MAX_V2_BODY - INET]].concat());
        assert_eq!(longest.len(), MAX_LENGTH);
        assert_header(&longest, from("192.168.0.1:56324"));
        let longer = v2(0x20, 0x11, &[0; MAX_V2_BODY + 1]);
        assert_eq!(parse(&longer[..V2_HEAD]), Err(Malformed::TooLong));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_or_wait_for_ever(
            begin in prop::sample::select(vec![&b""[..], V1_BEGIN, V2_BEGIN, b"PROXY TCP4 "]),
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let input = [begin, &bytes].concat();
            if let Ok(Some((_, length))) = parse(&input) {
                prop_assert!(length <= input.len());
                // What comes after it does not matter.
                prop_assert_eq!(parse(&input[..length]), parse(&input));
            }
            let endless = [&input[..], &[0; MAX_LENGTH]].concat();
            prop_assert!(parse(&endless) != Ok(None));
        }

        #[test]
        fn any_address_arrives(source: SocketAddr, destination: SocketAddr) {
            let (source, destination) = match (source, destination) {
                (SocketAddr::V6(six), other) => {
                    let destination = match other.ip() {
                        IpAddr::V4(four) => four.to_ipv6_mapped(),
                        IpAddr::V6(six) => six,
                    };
                    // Neither scope nor flow is in a header.
                    let source = SocketAddr::new((*six.ip()).into(), six.port());
                    (source, SocketAddr::new(destination.into(), other.port()))
                }
                (four, _) => (four, four),
            };
            let name = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let (ip, to) = (source.ip(), destination.ip());
            let (port, other) = (source.port(), destination.port());
            let line = format!("PROXY {name} {ip} {to} {port} {other}\r\n");
            let header = Header { source: Source::Client(source) };
            prop_assert_eq!(parse(line.as_bytes()), Ok(Some((header, line.len()))));
            let octets = |ip: IpAddr| match ip {
                IpAddr::V4(four) => four.octets().to_vec(),
                IpAddr::V6(six) => six.octets().to_vec(),
            };
            let ports = [port.to_be_bytes(), other.to_be_bytes()].concat();
            let family = if source.is_ipv4() { 0x11 } else { 0x21 };
            let binary = v2(0x21, family, &[octets(ip), octets(to), ports].concat());
            prop_assert_eq!(parse(&binary), Ok(Some((header, binary.len()))));
        }
    }
}
