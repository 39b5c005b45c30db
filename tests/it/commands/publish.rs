//! `pushgate publish`.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{Running, command, ran, run};
use crate::{
    app::{App, ok},
    harness::{Client, Gateway},
    site::{locations, plain, start},
};

/// An answer that says nothing yet.
const INFORMS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";

/// Publishes to channel 1, with more arguments.
fn publish(gateway: &Gateway, words: &str) -> std::process::Command {
    command(&format!("publish http://{}/pub?id=1 {words}", gateway.address))
}

/// The message that is stored.
fn stored(gateway: &Gateway) -> (String, Vec<u8>) {
    let mut client = gateway.connect();
    client.get("/sub?id=1", "");
    let answer = client.response();
    (answer.header("content-type").unwrap_or_default().to_owned(), answer.body)
}

#[test]
fn a_text_is_published_and_the_channel_is_told_as_the_gateway_tells_it() {
    let gateway = plain();
    let info =
        "queued messages: 1\r\nlast requested: -1 sec. ago (-1=never)\r\nactive subscribers: 0\n";
    run(publish(&gateway, "").arg("say \"hi\""), b"").assert(0, info, "");
    assert_eq!(stored(&gateway), (String::new(), b"say \"hi\"".to_vec()));
    let json = "{\"messages\": 2, \"requested\": 0, \"subscribers\": 0, \"last_message_id\": \"1450755280:1\"}\n";
    let asked = publish(&gateway, "two").args(["-H", "Accept: application/json"]).output().unwrap();
    assert_eq!(String::from_utf8(asked.stdout).unwrap(), json);
    run(&mut publish(&gateway, "three -q"), b"").assert(0, "", "");
}

#[test]
fn what_is_piped_in_is_one_message_byte_by_byte() {
    for words in ["-", ""] {
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).chain(*b"\r\n\n").collect();
        let gateway = plain();
        let ended = run(&mut publish(&gateway, &format!("{words} -q --content-type a/b")), &bytes);
        ended.assert(0, "", "");
        assert_eq!(stored(&gateway), ("a/b".to_owned(), bytes));
    }
    let gateway = plain();
    run(&mut publish(&gateway, "-"), b"").assert(
        0,
        "queued messages: 1\r\nlast requested: -1 sec. ago (-1=never)\r\nactive subscribers: 0\n",
        "",
    );
    assert_eq!(stored(&gateway).1, b"");
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let gateway = start("hall", "access = [\"deny all\"]", "");
    let ended = run(&mut publish(&gateway, "x"), b"");
    ended.assert(1, "", "pushgate: 403 Forbidden: ");
    assert!(ended.said.trim_end().ends_with('.'), "{ended:?}");
    let gateway = plain();
    let url = format!("publish http://{}", gateway.address);
    ran(&format!("{url}/nowhere x")).assert(1, "", "pushgate: 404 Not Found: No such location.");
    ran(&format!("{url}/pub x")).assert(1, "", "404 Not Found: No channel id provided.");
    ran(&format!("{url}/sub?id=1 x")).assert(1, "", "405 Method Not Allowed");
}

#[test]
fn a_message_that_is_too_large_is_refused_while_it_is_sent() {
    for size in [(1 << 20) + 1, 10 << 20] {
        let gateway = plain();
        let ended = run(&mut publish(&gateway, "-"), &vec![b'x'; size]);
        ended.assert(1, "", "pushgate: 413 Payload Too Large: ");
    }
}

#[test]
fn headers_of_the_command_line_are_sent() {
    let app = App::mirror();
    let words =
        format!("publish http://{}/a?b=c#d text --event price --content-type a/b", app.address);
    let mut asked = command(&words);
    asked.args(["-H", "Authorization: Bearer t", "--header", "X-Two:  2 "]);
    let request = format!(
        "POST /a?b=c HTTP/1.1\r\nHost: {}\r\nUser-Agent: pushgate/{}\r\nContent-Length: 4\r\n\
         Content-Type: a/b\r\nX-EventSource-Event: price\r\nAuthorization: Bearer t\r\nX-Two:  2 \r\n",
        app.address,
        env!("CARGO_PKG_VERSION")
    );
    run(&mut asked, b"").assert(0, &format!("{request}text\n"), "");
    let host = run(command(&words).args(["-H", "Host: example.org"]), b"");
    assert!(!String::from_utf8(host.out).unwrap().contains("127.0.0.1"));
}

#[test]
fn each_line_is_a_message_over_one_connection() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let app = App::answering(move |asked| {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        assert_eq!(asked.body, format!("line {number}\r").as_bytes());
        ok(format!("{number}").as_bytes())
    });
    let lines: Vec<String> = (0..100).map(|number| format!("line {number}\r\n")).collect();
    let mut asked = command(&format!("publish http://{}/ --lines", app.address));
    let ended = run(&mut asked, lines.concat().trim_end_matches('\n').as_bytes());
    let answers: Vec<String> = (0..100).map(|number| format!("{number}\n")).collect();
    ended.assert(0, &answers.concat(), "");
    assert_eq!((seen.load(Ordering::SeqCst), app.connections()), (100, 1));
}

#[test]
fn lines_end_at_the_first_that_is_refused() {
    let gateway = start("hall", "client_max_body_size = 4", "");
    let ended = run(&mut publish(&gateway, "--lines -q"), b"one\n\ntoo long\nfour\n");
    ended.assert(1, "", "pushgate: line 3: 413 Payload Too Large: ");
    let info = gateway.request("GET", "/pub?id=1", "Accept: application/json\r\n", "");
    assert!(info.text().starts_with("{\"messages\": 2,"), "{}", info.text());
}

#[test]
fn lines_go_out_as_they_come_and_over_a_new_connection_when_the_last_has_ended() {
    let app = App::start(|client, _| {
        while let Some(asked) = crate::app::asked(client) {
            if asked.body == b"close" {
                client.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nc");
                return;
            }
            client.send(ok(&asked.body));
        }
    });
    let mut asked = command(&format!("publish http://{}/ --lines", app.address));
    let mut running = Running::start(asked.stdin(Stdio::piped()));
    let mut stdin = running.child.stdin.take().unwrap();
    for (line, answer) in [("one", "one"), ("close", "c"), ("two", "two")] {
        std::io::Write::write_all(&mut stdin, format!("{line}\n").as_bytes()).unwrap();
        assert_eq!(running.line(), answer);
    }
    drop(stdin);
    running.end().assert(0, "", "");
    assert_eq!(app.connections(), 2);
}

#[test]
fn a_unix_socket_takes_the_place_of_the_host() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listen = format!("\"127.0.0.1:0\", \"unix:{}\"", path.display());
    let _gateway = Gateway::start_listening(&listen, &locations("hall", "", ""));
    let there = format!("--unix-socket {}", path.display());
    ran(&format!("publish -q http://gateway.test/pub?id=1 {there} hi")).assert(0, "", "");
    for transport in ["event-source", "websocket", "long-poll"] {
        let words =
            format!("http://gateway.test/sub?id=1 {there} --count 1 --transport {transport}");
        ran(&format!("listen -q {words}")).assert(0, "hi\n", "");
    }
    drop(Client::new(std::os::unix::net::UnixStream::connect(&path).unwrap()));
    let nowhere = "publish http://h/ x --unix-socket /nowhere/socket";
    ran(nowhere).assert(1, "", "pushgate: cannot connect: ");
}

#[test]
fn bad_arguments_are_told_with_status_2() {
    for (words, why) in [
        ("publish", "URL"),
        ("publish 127.0.0.1:8080/pub x", "must be an URL"),
        ("publish https://h/ x", "TLS is not spoken here"),
        ("listen wss://h/", "TLS is not spoken here"),
        ("publish http://ann:secret@h/ x", "Authorization"),
        ("publish http://h/ x -H nonsense", "NAME: VALUE"),
        ("publish http://h/ x --lines", "cannot be used with"),
        ("listen http://h/ --count 0", "0"),
        ("listen http://h/ --transport pigeon", "event-source"),
        ("listen ws://h/ --transport raw", "ws:// is for the transport websocket"),
        ("listen http://h/ --interval 0", "0"),
    ] {
        ran(words).assert(2, "", why);
    }
    let mut forged = command("publish http://h/ x --event");
    run(forged.arg("a\r\nX: y"), b"").assert(2, "", "control characters");
    run(command("listen http://h/ --from").arg("5:3\nX: y"), b"").assert(2, "", "message id");
}

#[test]
fn a_gateway_that_is_not_there_or_talks_nonsense_is_told() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    ran(&format!("publish http://{nobody}/ x")).assert(1, "", "pushgate: cannot connect: ");
    ran("publish http://nowhere.invalid/ x").assert(1, "", "pushgate: cannot connect: ");
    for (answer, why) in [
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "not of the protocol"),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "Content-Length: x"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "the connection was closed"),
        ("", "the connection was closed"),
        (&INFORMS.repeat(9), "responses that only inform, without end"),
        (&(INFORMS.repeat(8) + "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), "403 Forbidden"),
    ] {
        let answer = answer.to_owned();
        let app = App::start(move |client, _| {
            if crate::app::asked(client).is_some() {
                client.send(&answer);
            }
        });
        ran(&format!("publish http://{}/ x", app.address)).assert(1, "", why);
    }
}
