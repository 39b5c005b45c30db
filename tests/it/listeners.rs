//! Where a gateway listens: TCP, IPv6, Unix sockets; several servers.

use std::{io::ErrorKind, net::TcpStream, os::unix::net::UnixStream};

use crate::{
    harness::{Client, Gateway},
    site::locations,
};

fn listening(listen: &str) -> Gateway {
    Gateway::start_listening(listen, &locations("hall", "", ""))
}

#[test]
fn a_unix_socket_is_this_machine_and_goes_with_the_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gate.sock");
    let mut gateway = listening(&format!("\"127.0.0.1:0\", \"unix:{}\"", path.display()));
    let mut client = Client::new(UnixStream::connect(&path).unwrap());
    client.get("/sub?id=1", "");
    gateway.wait_for_subscribers("/pub?id=1", 1);
    let mut publisher = Client::new(UnixStream::connect(&path).unwrap());
    publisher.request("POST", "/pub?id=1", "", "x");
    assert_eq!(publisher.response().status, 201);
    assert_eq!(client.response().text(), "x");
    publisher.request("POST", "/pub?id=1", "X-Forwarded-For: 10.0.0.1\r\n", "x");
    assert_eq!(publisher.response().status, 403);
    drop((client, publisher));
    gateway.join();
    assert!(!path.exists());
}

#[test]
fn a_socket_file_that_nobody_listens_on_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gate.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let _gateway = listening(&format!("\"127.0.0.1:0\", \"unix:{}\"", path.display()));
    let mut client = Client::new(UnixStream::connect(&path).unwrap());
    client.get("/pub?id=1", "");
    assert_eq!(client.response().status, 404);
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display().to_string();
    let toml = format!("[[server]]\nlisten = [\"unix:{path}\"]");
    let config = pushgate::config::Config::parse("test", &toml, &[]).unwrap();
    let error = pushgate::server::Bound::bind(&config).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on unix:{path}: ")), "{error}");
    assert!(file.path().metadata().unwrap().is_file());
}

#[test]
fn ipv6_is_loopback_too() {
    let gateway = listening("\"[::1]:0\"");
    assert!(gateway.address.is_ipv6());
    assert_eq!(gateway.publish("/pub?id=1", "x").status, 202);
    let answer = gateway.request("GET", "/sub?id=1", "Host: [::1]\r\n", "");
    assert_eq!(answer.status, 400, "two hosts are none");
    assert_eq!(gateway.request("GET", "/sub?id=1", "", "").text(), "x");
}

#[test]
fn a_socket_on_all_addresses_of_ipv6_takes_no_ipv4() {
    let gateway = listening("\"[::]:0\"");
    assert_eq!(gateway.publish("/pub?id=of-six-alone", "x").status, 202);
    let four = ("127.0.0.1", gateway.address.port());
    match TcpStream::connect(four) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
        // Somebody else has that port there, and does not know the channel.
        Ok(stream) => {
            let mut other = Client::new(stream);
            other.get("/pub?id=of-six-alone", "");
            assert_ne!(other.response().status, 200);
        }
    }
}

#[test]
fn a_socket_on_all_addresses_knows_its_loopback_clients() {
    let gateway = listening("\"0.0.0.0:0\"");
    let mut client = gateway.connect();
    client.request("POST", "/pub?id=1", "", "x");
    assert_eq!(client.response().status, 202);
}

#[test]
fn the_host_chooses_among_the_servers_of_one_address() {
    let site = |name: &str| {
        format!(
            "server_name = [{name}]\n[[server.location]]\npath = \"/\"\npush_publisher = true\n\
             push_channel_id = \"$server_name\"\n"
        )
    };
    let other = format!("[[server]]\nlisten = [\"127.0.0.1:0\"]\n{}", site("\"*.example\""));
    let gateway = Gateway::start(&format!("{}{other}", site("\"a.test\"")));
    let mut client = gateway.connect();
    for host in ["a.test", "A.TEST.:80", "unknown", "b.example", "c.b.example:8080"] {
        client.send(format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n\r\nx"));
        assert_eq!(client.response().status, 202, "{host}");
    }
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(client.response().text().starts_with("queued messages: 3\r\n"));
    client.send("GET http://x.example/ HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert!(client.response().text().starts_with("queued messages: 2\r\n"));
}
