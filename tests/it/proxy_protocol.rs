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
