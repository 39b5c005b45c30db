//! PROXY headers: whose connection it is, and whom nobody believes.

use std::{net::Ipv6Addr, os::unix::net::UnixStream, path::Path};

use crate::harness::{Client, Gateway};

/// A publisher for this machine alone, behind proxies of these addresses.
fn start(proxies: &str) -> Gateway {
    Gateway::start(&format!(
        "proxy_protocol = true\nreal_ip_from = [\"{proxies}\"]\n\
         [[server.location]]\npath = \"/pub\"\npush_publisher = true\npush_channel_id = \"$arg_id\"\n\
         [[server.location]]\npath = \"/who\"\npush_pubsub = true\naccess = [\"allow all\"]\n\
         push_subscriber = [\"interval-poll\"]\npush_channel_id = \"$remote_addr\"\n"
    ))
}

const GET: &str = "GET /pub?id=1 HTTP/1.1\r\nHost: t\r\n\r\n";

fn status(gateway: &Gateway, bytes: &[u8]) -> u16 {
    let mut client = gateway.connect();
    client.send(bytes);
    client.response().status
}

fn v2(command: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.push(command);
    header.extend_from_slice(rest);
    header
}

#[test]
fn the_address_of_a_trusted_proxys_header_is_judged() {
    let gateway = start("127.0.0.1");
    let local = "PROXY TCP4 127.0.0.9 127.0.0.1 1000 80\r\n";
    let stranger = "PROXY TCP4 192.0.2.1 127.0.0.1 1000 80\r\n";
    let six = "PROXY TCP6 ::1 ::1 1000 80\r\n";
    // Local, and the channel does not exist.
    assert_eq!(status(&gateway, format!("{local}{GET}").as_bytes()), 404);
    assert_eq!(status(&gateway, format!("{six}{GET}").as_bytes()), 404);
    assert_eq!(status(&gateway, format!("{stranger}{GET}").as_bytes()), 403);
    assert_eq!(status(&gateway, format!("PROXY UNKNOWN\r\n{GET}").as_bytes()), 403);
    let inet = v2(0x21, b"\x11\x00\x0c\xc0\x00\x02\x01\x7f\x00\x00\x01\x03\xe8\x00\x50");
    assert_eq!(status(&gateway, &[&inet, GET.as_bytes()].concat()), 403);
    // The proxy itself looks whether the gateway is well.
    assert_eq!(status(&gateway, &[&v2(0x20, b"\0\0\0"), GET.as_bytes()].concat()), 404);
}

/// A header of version 2 for TCP over IPv6, with further bytes behind the addresses.
fn six(source: &str, more: &[u8]) -> Vec<u8> {
    let source: Ipv6Addr = source.parse().unwrap();
    let length = u16::try_from(36 + more.len()).unwrap();
    let mut rest = vec![0x21];
    rest.extend(length.to_be_bytes());
    rest.extend(source.octets());
    rest.extend(Ipv6Addr::LOCALHOST.octets());
    rest.extend([0x03, 0xe8, 0x00, 0x50]);
    rest.extend(more);
    v2(0x21, &rest)
}

#[test]
fn version_2_tells_addresses_of_ipv6_too() {
    let gateway = start("127.0.0.1");
    // A type, a length and a value, which mean nothing here (section 2.2.6).
    let authority = b"\x02\x00\x04host";
    for (source, expected) in
        [("::1", 404), ("2001:db8::1", 403), ("::ffff:127.0.0.9", 404), ("::ffff:192.0.2.1", 403)]
    {
        for more in [&b""[..], authority] {
            let bytes = [six(source, more), GET.into()].concat();
            assert_eq!(status(&gateway, &bytes), expected, "{source}");
        }
    }
    let post = "POST /who HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(status(&gateway, &[six("2001:db8::1", b""), post.into()].concat()), 202);
    // The same in letters.
    let get = "GET /who HTTP/1.1\r\nHost: t\r\n\r\n";
    let written = |address: &str| format!("PROXY TCP6 {address} ::1 1000 80\r\n{get}");
    assert_eq!(status(&gateway, written("2001:db8::1").as_bytes()), 200);
    assert_eq!(status(&gateway, written("2001:db8::2").as_bytes()), 304);
    let own = [six("2001:0db8:0000:0000:0000:0000:0000:0001", b""), get.into()].concat();
    assert_eq!(status(&gateway, &own), 200);
    // Addresses that do not fit into the length that is said.
    closed(&gateway, &v2(0x21, &[&[0x21, 0, 35][..], &[0; 35]].concat()));
}

/// The locations of [`start`], on a Unix socket.
fn start_unix(path: &Path, keys: &str) -> Gateway {
    Gateway::start_listening(
        &format!("\"127.0.0.1:0\", \"unix:{}\"", path.display()),
        &format!(
            "{keys}\n[[server.location]]\npath = \"/pub\"\npush_publisher = true\n\
             push_channel_id = \"$arg_id\"\n"
        ),
    )
}

#[test]
fn a_proxy_on_a_unix_socket_is_believed_where_it_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gate.sock");
    let status = |bytes: &[u8]| {
        let mut client = Client::new(UnixStream::connect(&path).unwrap());
        client.send(bytes);
        client.response().status
    };
    let forwarded = |address: &str| {
        let get = GET.strip_suffix("\r\n").unwrap();
        status(format!("{get}X-Forwarded-For: {address}\r\n\r\n").as_bytes())
    };
    let gateway = start_unix(&path, "real_ip_from = [\"unix:\"]");
    let told = ["127.0.0.9", "192.0.2.1", "::1", "192.0.2.1, 127.0.0.9"].map(forwarded);
    assert_eq!(told, [404, 403, 404, 404]);
    // Without an address it is the socket's own, which is local.
    assert_eq!(status(GET.as_bytes()), 404);
    // Over TCP nobody is believed.
    let header = "X-Forwarded-For: 127.0.0.9\r\n";
    assert_eq!(gateway.request("GET", "/pub?id=1", header, "").status, 403);
    drop(gateway);
    let gateway = start_unix(&path, "real_ip_from = [\"unix:\"]\nproxy_protocol = true");
    assert_eq!(status(&[six("::1", b""), GET.into()].concat()), 404);
    assert_eq!(status(&[six("2001:db8::1", b""), GET.into()].concat()), 403);
    assert_eq!(status(format!("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n{GET}").as_bytes()), 403);
    drop(gateway);
    // Whom nobody names makes matters no better: what it brings is not local.
    let _gateway = start_unix(&path, "");
    assert_eq!(["127.0.0.9", "192.0.2.1"].map(forwarded), [403, 403]);
}

#[test]
fn the_address_is_the_one_that_variables_have() {
    let gateway = start("127.0.0.1");
    let mut client = gateway.connect();
    let post = "POST /who HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi";
    client.send(format!("PROXY TCP4 192.0.2.1 127.0.0.1 1000 80\r\n{post}"));
    assert_eq!(client.response().status, 202);
    let whose = |address: &str| {
        let mut client = gateway.connect();
        client.send(format!(
            "PROXY TCP4 {address} 127.0.0.1 1000 80\r\nGET /who HTTP/1.1\r\nHost: t\r\n\r\n"
        ));
        client.response().status
    };
    assert_eq!((whose("192.0.2.1"), whose("192.0.2.2")), (200, 304));
}

#[test]
fn a_header_may_come_in_any_pieces_and_once() {
    let gateway = start("127.0.0.1");
    let mut client = gateway.connect();
    client.drip(format!("PROXY TCP4 127.0.0.9 127.0.0.1 1000 80\r\n{GET}"));
    assert_eq!(client.response().status, 404);
    client.send(GET);
    assert_eq!(client.response().status, 404);
    client.send("PROXY TCP4 192.0.2.1 127.0.0.1 1000 80\r\n\r\n");
    assert_eq!(client.response().status, 400);
}

#[test]
fn whom_nobody_trusts_changes_only_its_own_standing() {
    let gateway = start("192.0.2.0/24");
    let forged = format!("PROXY TCP4 127.0.0.1 127.0.0.1 1000 80\r\n{GET}");
    assert_eq!(status(&gateway, forged.as_bytes()), 403);
    let local = [&v2(0x20, b"\0\0\0"), GET.as_bytes()].concat();
    assert_eq!(status(&gateway, &local), 403);
}

fn closed(gateway: &Gateway, bytes: &[u8]) {
    let mut client: Client = gateway.connect();
    client.send(bytes);
    client.assert_closed();
}

#[test]
fn a_connection_without_a_header_is_closed() {
    let gateway = start("127.0.0.1");
    closed(&gateway, GET.as_bytes());
    closed(&gateway, b"PROXY TCP4 256.0.0.1 127.0.0.1 1000 80\r\n");
    closed(&gateway, &v2(0x31, b"\x11\0\0"));
    closed(&gateway, &[b'P'; 200]);
}

#[test]
fn a_line_may_say_that_nothing_is_known_at_any_length_it_may_have() {
    let gateway = start("127.0.0.1");
    let eight = ["ffff"; 8].join(":");
    let longest = format!("PROXY UNKNOWN {eight} {eight} 65535 65535\r\n");
    assert_eq!(longest.len(), 107);
    for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN 127.0.0.1 and so on\r\n", &longest] {
        assert_eq!(status(&gateway, format!("{line}{GET}").as_bytes()), 403, "{line:?}");
    }
    let lines = [
        format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)),
        format!("PROXY UNKNOWN {}\n{GET}", "x".repeat(80)),
        "PROXY UNKNOWNS\r\n".into(),
        "PROXY unknown\r\n".into(),
        "PROXY \r\n".into(),
        "PROXY  TCP4 127.0.0.1 127.0.0.1 1 2\r\n".into(),
        "PROXY TCP4 127.0.0.1 127.0.0.1 1 2 \r\n".into(),
        "PROXY TCP4 ::1 ::1 1 2\r\n".into(),
        "PROXY TCP6 127.0.0.1 127.0.0.1 1 2\r\n".into(),
        "PROXY TCP4 127.0.0.1 127.0.0.1 1 65536\r\n".into(),
        "PROXY TCP4 127.0.0.1 127.0.0.1 01 2\r\n".into(),
        "PROXY TCP4 127.0.0.1 127.0.0.1 1\r\n".into(),
    ];
    assert_eq!(lines[0].len(), 108);
    for line in lines {
        closed(&gateway, line.as_bytes());
    }
}

/// A header of version 2: family and protocol, then what follows the length.
fn of_kind(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    v2(command, &[&[family], &length[..], body].concat())
}

/// An extension (section 2.2): its type, and a value of so many bytes.
fn extension(kind: u8, length: usize) -> Vec<u8> {
    let value = vec![b'x'; length];
    [&[kind], &u16::try_from(length).unwrap().to_be_bytes()[..], &value].concat()
}

#[test]
fn version_2_knows_local_and_unknown_and_passes_over_extensions() {
    let gateway = start("127.0.0.1");
    let local = [127, 0, 0, 9, 127, 0, 0, 1, 3, 232, 0, 80];
    let asked = |header: Vec<u8>| status(&gateway, &[header, GET.into()].concat());
    // The proxy itself, whatever it says beside that.
    for family in [0x00, 0x11, 0x21, 0x31, 0xff] {
        assert_eq!(asked(of_kind(0x20, family, b"")), 404, "{family:#x}");
        assert_eq!(asked(of_kind(0x20, family, &extension(0x04, 9))), 404, "{family:#x}");
    }
    // A client of which nothing is known is nobody's neighbour.
    assert_eq!(asked(of_kind(0x21, 0x00, b"")), 403);
    assert_eq!(asked(of_kind(0x21, 0x00, &extension(0x04, 9))), 403);
    assert_eq!(asked(of_kind(0x21, 0x12, &local)), 403);
    assert_eq!(asked(of_kind(0x21, 0x31, &[0; 216])), 403);
    // Extensions: authority, certificates, one that is no extension; 4096 bytes in all are the most.
    let room = 4096 - local.len();
    for more in [
        extension(0x02, 4),
        [extension(0x01, 8), extension(0x20, 300), extension(0x05, 0)].concat(),
        b"\x04\xff\xff".to_vec(),
        extension(0x20, room - 3),
    ] {
        assert_eq!(asked(of_kind(0x21, 0x11, &[&local[..], &more].concat())), 404);
        let stranger = [192, 0, 2, 1, 127, 0, 0, 1, 3, 232, 0, 80];
        assert_eq!(asked(of_kind(0x21, 0x11, &[&stranger[..], &more].concat())), 403);
    }
    closed(&gateway, &of_kind(0x21, 0x11, &[&local[..], &extension(0x20, room - 2)].concat()));
    for (command, family) in
        [(0x22, 0x11), (0x11, 0x11), (0x01, 0x11), (0x21, 0x41), (0x21, 0x13), (0x21, 0x33)]
    {
        closed(&gateway, &of_kind(command, family, &local));
    }
    // Addresses that do not fit into the length that is said.
    closed(&gateway, &of_kind(0x21, 0x11, &local[..11]));
    closed(&gateway, &of_kind(0x21, 0x31, &[0; 215]));
}

#[test]
fn a_header_that_is_cut_off_or_never_ends_is_closed() {
    let gateway = start("127.0.0.1");
    let inet = of_kind(0x21, 0x11, &[127, 0, 0, 9, 127, 0, 0, 1, 3, 232, 0, 80]);
    for header in [b"PROXY TCP4 127.0.0.9 127.0.0.1 1000 80\r\n".to_vec(), inet] {
        for cut in 1..header.len() {
            let mut client: Client = gateway.connect();
            client.send(&header[..cut]);
            client.finish();
            client.assert_closed();
        }
        // The header alone asks for nothing.
        let mut client: Client = gateway.connect();
        client.send(&header);
        client.finish();
        client.assert_closed();
    }
    let keys = "client_header_timeout = '100ms'\n";
    let gateway = Gateway::start_root(
        keys,
        "proxy_protocol = true\nreal_ip_from = ['127.0.0.1']\n[[server.location]]\npath = '/'\n\
         push_status = true\n",
    );
    for begin in [&b""[..], b"PROXY TCP4", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"] {
        let mut client: Client = gateway.connect();
        client.send(begin);
        client.assert_closed();
    }
}
