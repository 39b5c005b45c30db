//! Publisher locations: SPEC section 5.

use crate::{
    harness::{Gateway, Response},
    site::{NOW, listen, stable, start, wait},
};

const ALLOW: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS";
const JSON: &str = "Accept: application/json\r\n";

fn plain() -> Gateway {
    start("hall", "", "")
}

fn seen(response: &Response) -> (u16, &str) {
    (response.status, response.text())
}

#[test]
fn a_post_is_201_if_somebody_waits_and_202_if_nobody_does() {
    let gateway = plain();
    let answer = gateway.request("POST", "/pub?id=1", "", "a");
    let text =
        "queued messages: 1\r\nlast requested: -1 sec. ago (-1=never)\r\nactive subscribers: 0";
    assert_eq!(seen(&answer), (202, text));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    let _events = listen(&gateway, "");
    wait(&gateway, 1);
    let answer = gateway.request("POST", "/pub?id=1", "", "b");
    let text =
        "queued messages: 2\r\nlast requested: 0 sec. ago (-1=never)\r\nactive subscribers: 1";
    assert_eq!(seen(&answer), (201, text));
}

#[test]
fn the_status_of_a_publish_can_be_fixed() {
    let gateway = start("hall", "push_publish_status = 200", "");
    assert_eq!(gateway.request("POST", "/pub?id=1", "", "a").status, 200);
    let _events = listen(&gateway, "");
    wait(&gateway, 1);
    assert_eq!(gateway.request("POST", "/pub?id=1", "", "a").status, 200);
    let gateway = start("hall", "push_publish_status = 204", "");
    let mut client = gateway.connect();
    for _ in 0..2 {
        client.request("POST", "/pub?id=1", "", "a");
        let answer = client.response();
        assert_eq!((answer.status, answer.header("content-length")), (204, None));
    }
}

#[test]
fn a_put_creates_without_body_and_publishes_with_one() {
    let gateway = plain();
    let answer = gateway.request("PUT", "/pub?id=1", JSON, "");
    let text = r#"{"messages": 0, "requested": -1, "subscribers": 0, "last_message_id": "0:0"}"#;
    assert_eq!(seen(&answer), (200, text));
    assert_eq!(gateway.request("GET", "/pub?id=1", "", "").status, 200);
    let answer = gateway.request("PUT", "/pub?id=1", JSON, "x");
    let text =
        r#"{"messages": 1, "requested": -1, "subscribers": 0, "last_message_id": "1450755280:0"}"#;
    assert_eq!(seen(&answer), (202, text));
    assert_eq!(gateway.request("GET", "/sub?id=1", "", "").text(), "x");
}

#[test]
fn a_get_describes_the_channel_and_a_head_does_so_without_body() {
    let gateway = plain();
    let absent = gateway.request("GET", "/pub?id=1", "", "");
    assert_eq!(seen(&absent), (404, ""));
    gateway.publish("/pub?id=1", "a");
    let mut client = gateway.connect();
    for id in ["1", "2"] {
        client.get(&format!("/pub?id={id}"), JSON);
        let answer = client.response();
        client.request("HEAD", &format!("/pub?id={id}"), JSON, "");
        assert_eq!(client.head(), answer.head);
    }
    client.get("/pub?id=1", "");
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_delete_tells_the_state_before_and_then_the_channel_is_gone() {
    let gateway = plain();
    gateway.publish("/pub?id=1", "a");
    gateway.publish("/pub?id=1", "b");
    let answer = gateway.request("DELETE", "/pub?id=1", JSON, "");
    let text =
        r#"{"messages": 2, "requested": -1, "subscribers": 0, "last_message_id": "1450755280:1"}"#;
    assert_eq!(seen(&answer), (200, text));
    for method in ["GET", "DELETE"] {
        assert_eq!(seen(&gateway.request(method, "/pub?id=1", "", "")), (404, ""));
    }
    gateway.publish("/pub?id=1", "c");
    assert_eq!(gateway.request("GET", "/sub?id=1", "", "").text(), "c");
}

#[test]
fn options_tells_the_methods_of_each_location() {
    let gateway = plain();
    let of = |path: &str| gateway.request("OPTIONS", path, "", "");
    let answer = of("/pub?id=1");
    assert_eq!((answer.status, answer.header("allow")), (200, Some(ALLOW)));
    assert_eq!((answer.header("content-length"), answer.text()), (Some("0"), ""));
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(of("/pub").status, 200);
    assert_eq!(of("/sub?id=1").header("allow"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn options_and_head_are_answered_by_each_kind_of_location() {
    let location = |path: &str, keys: &str| {
        format!("[[server.location]]\npath = '{path}'\naccess = ['allow all']\n{keys}\n")
    };
    let channel = "push_channel_id = '$arg_id'\n";
    let gateway = Gateway::start(
        &[
            location("/pub", &format!("push_publisher = true\n{channel}")),
            location("/sub", &format!("push_subscriber = true\n{channel}")),
            location("/both", &format!("push_pubsub = true\n{channel}")),
            location("/inside", &format!("push_subscriber = true\ninternal = true\n{channel}")),
            location("/items", "push_grip_publish = true\n"),
            location("/status", "push_status = true\n"),
            location("/channels", &format!("push_channels_status = true\n{channel}")),
            location("/dashboard", "push_dashboard = true\n"),
            location("/health", "push_health = 'live'\n"),
        ]
        .concat(),
    );
    gateway.publish("/pub?id=1", "hello");
    let reads = Some("GET, HEAD, OPTIONS");
    for (path, allow, status) in [
        ("/pub", Some(ALLOW), 200),
        ("/sub", reads, 200),
        ("/both", Some(ALLOW), 200),
        ("/items", Some("POST, OPTIONS"), 405),
        ("/status", reads, 200),
        ("/channels", reads, 200),
        ("/dashboard", reads, 200),
        ("/health", reads, 200),
        ("/inside", None, 404),
        ("/nowhere", None, 404),
    ] {
        let target = format!("{path}?id=1");
        let mut client = gateway.connect();
        client.request("OPTIONS", &target, "", "");
        let answer = client.response();
        let expected = if allow.is_some() { 200 } else { 404 };
        assert_eq!((answer.status, answer.header("allow")), (expected, allow), "{path}");
        // HEAD is what GET is, without the body, and the connection goes on.
        client.request("HEAD", &target, "", "");
        let head = stable(&client.head());
        client.get(&target, "");
        let get = client.response();
        assert_eq!(get.status, status, "{path}");
        let length = |line: &String| path == "/status" && line.starts_with("Content-Length: ");
        let lines = |lines: Vec<String>| -> Vec<_> {
            lines.into_iter().filter(|line| !length(line)).collect()
        };
        assert_eq!(lines(head), lines(stable(&get.head)), "{path}");
    }
}

#[test]
fn a_preflight_is_answered_on_both_locations() {
    let origins = r#"push_allowed_origins = ["http://a.example"]"#;
    let gateway = start("hall", origins, origins);
    let ask = "Origin: http://a.example\r\nAccess-Control-Request-Method: POST\r\n";
    for (path, methods) in [("/pub", ALLOW), ("/sub", "GET, HEAD, OPTIONS")] {
        let answer = gateway.request("OPTIONS", path, ask, "");
        assert_eq!(answer.header("access-control-allow-origin"), Some("http://a.example"));
        assert_eq!(answer.header("access-control-allow-methods"), Some(methods));
        let headers = answer.header("access-control-allow-headers").unwrap();
        assert!(headers.contains("If-None-Match") && headers.contains("Content-Type"));
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
}

#[test]
fn a_page_may_send_what_the_location_reads_and_read_what_its_dialect_says() {
    let page = "push_allowed_origins = ['http://a.example']\n";
    let publisher = format!(
        "{page}push_jwt = 'HS256 text:a-secret-of-at-least-32-bytes-length'\n\
         push_jwt_token = '$http_x_token'\npush_channel_group = '$jwt_tenant'\n"
    );
    let subscriber = format!(
        "{page}push_dialect = 'push_stream'\npush_last_message_id = ['$http_x_since', '$arg_x']\n\
         push_jsonp_callback = '$http_x_call$http_x_since'\npush_secure_link = '$http_x_sign'\n\
         push_secure_link_secret = 'text:a-secret'\n\
         push_authorize_request = 'http://127.0.0.1:9/may?room=$http_x_room&who=$http_authorization'\n"
    );
    let gateway = start("hall", &publisher, &subscriber);
    let listed = |path: &str, name: &str| {
        let ask = "Origin: http://a.example\r\nAccess-Control-Request-Method: GET\r\n";
        let answer = gateway.request("OPTIONS", path, ask, "");
        let all = answer.header(name).unwrap().to_ascii_lowercase();
        all.split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    let usual = "if-none-match, if-modified-since, etag, last-event-id, content-type, cache-control, \
                 x-eventsource-event, event-type, event-id, authorization";
    for (path, own) in [
        ("/pub", &["x-token"][..]),
        ("/sub", &["x-nginx-pushstream-mode", "x-since", "x-call", "x-sign", "x-room"]),
    ] {
        let mut allowed = listed(path, "access-control-allow-headers");
        let mut expected: Vec<_> = usual.split(", ").chain(own.iter().copied()).collect();
        allowed.sort();
        expected.sort_unstable();
        assert_eq!(allowed, expected, "{path}");
    }
    let exposed = |path: &str| {
        let answer = gateway.request("GET", path, "Origin: http://a.example\r\n", "");
        answer.header("access-control-expose-headers").unwrap().to_ascii_lowercase()
    };
    let usual = "last-modified, etag, content-type, x-push-gap";
    assert_eq!(exposed("/pub"), usual);
    assert_eq!(exposed("/sub"), format!("{usual}, x-nginx-pushstream-explain"));
}

#[test]
fn other_methods_are_405_with_allow_on_every_location() {
    let gateway = plain();
    let mut client = gateway.connect();
    for method in ["PATCH", "TRACE", "PROPFIND", "BREW"] {
        client.request(method, "/pub?id=1", "", "");
        let answer = client.response();
        assert_eq!((answer.status, answer.header("allow")), (405, Some(ALLOW)), "{method}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
        client.request(method, "/sub?id=1", "", "");
        let answer = client.response();
        let allow = Some("GET, HEAD, OPTIONS");
        assert_eq!((answer.status, answer.header("allow")), (405, allow), "{method}");
        assert_eq!(answer.text(), "The location takes GET, HEAD, OPTIONS.");
    }
}

#[test]
fn a_request_without_channel_id_is_404_with_the_push_modules_sentence() {
    let gateway = plain();
    for path in ["/pub", "/pub?id=", "/pub?other=1", "/sub", "/sub?id="] {
        for method in ["GET", "DELETE", "POST"] {
            if path.starts_with("/sub") && method != "GET" {
                continue;
            }
            let answer = gateway.request(method, path, "", "");
            assert_eq!(seen(&answer), (404, "No channel id provided."), "{method} {path}");
            assert_eq!(answer.header("content-type"), Some("text/plain"));
        }
    }
}

#[test]
fn a_channel_id_of_any_bytes_up_to_the_limit_names_its_channel() {
    let gateway = plain();
    let ids = ["x".repeat(300), "x".repeat(1024), "%00%ff%20%2F".into(), "a+b".into()];
    for id in &ids {
        gateway.publish(&format!("/pub?id={id}"), id);
        assert_eq!(gateway.request("GET", &format!("/sub?id={id}"), "", "").text(), id);
    }
    assert_eq!(gateway.request("GET", "/pub?id=x", "", "").status, 404);
    for path in ["/pub?id=", "/sub?id="] {
        let answer = gateway.request("GET", &format!("{path}{}", "x".repeat(1025)), "", "");
        assert_eq!(seen(&answer), (403, "The channel id is too long."));
    }
}

#[test]
fn the_channel_info_comes_in_the_four_formats() {
    let gateway = plain();
    gateway.publish("/pub?id=1", "a");
    let formats = [
        (
            "text/xml",
            "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<channel>\r\n  <messages>1</messages>\r\n  \
             <requested>-1</requested>\r\n  <subscribers>0</subscribers>\r\n  \
             <last_message_id>1450755280:0</last_message_id>\r\n</channel>",
        ),
        (
            "application/yaml",
            "---\r\nmessages: 1\r\nrequested: -1\r\nsubscribers: 0\r\n\
             last_message_id: \"1450755280:0\"\r\n\r\n",
        ),
        (
            "text/json",
            r#"{"messages": 1, "requested": -1, "subscribers": 0, "last_message_id": "1450755280:0"}"#,
        ),
        (
            "text/plain",
            "queued messages: 1\r\nlast requested: -1 sec. ago (-1=never)\r\nactive subscribers: 0",
        ),
    ];
    for (name, text) in formats {
        let answer = gateway.request("GET", "/pub?id=1", &format!("Accept: {name}\r\n"), "");
        assert_eq!(seen(&answer), (200, text));
        assert_eq!(answer.header("content-type"), Some(name));
    }
    let answer = gateway.request("GET", "/pub?id=1", "Accept: image/png\r\n", "");
    assert_eq!(answer.header("content-type"), Some("text/plain"));
}

#[test]
fn several_channels_are_published_to_and_told_of_as_one() {
    let many = "push_channel_id_split_delimiter = \",\"";
    let gateway = start("hall", many, "");
    let answer = gateway.request("POST", "/pub?id=a,b,,a", JSON, "x");
    let text =
        r#"{"messages": 2, "requested": -1, "subscribers": 0, "last_message_id": "1450755280:1"}"#;
    assert_eq!(seen(&answer), (202, text));
    for id in ["a", "b"] {
        assert_eq!(gateway.request("GET", &format!("/sub?id={id}"), "", "").text(), "x");
    }
    assert_eq!(gateway.request("DELETE", "/pub?id=a,nobody", JSON, "").status, 200);
    assert_eq!(gateway.request("GET", "/pub?id=a", "", "").status, 404);
    assert_eq!(gateway.request("GET", "/pub?id=b", "", "").status, 200);
    let all: Vec<String> = (0..256).map(|number| number.to_string()).collect();
    let answer = gateway.request("POST", &format!("/pub?id={}", all.join(",")), "", "x");
    assert_eq!(seen(&answer), (403, "The request names too many channels."));
    assert_eq!(gateway.request("GET", "/pub?id=17", "", "").status, 404);
}

#[test]
fn a_list_of_ids_names_several_channels() {
    let locations = r#"
[[server.location]]
path = "/pub"
push_publisher = true
push_channel_id = ["$arg_a", "all"]

[[server.location]]
path = "/sub"
push_subscriber = true
push_channel_id = "$arg_id"
"#;
    let gateway = Gateway::start_with("", locations, |settings| settings.clock = Box::new(|| NOW));
    gateway.publish("/pub?a=1", "x");
    gateway.publish("/pub", "y");
    assert_eq!(gateway.request("GET", "/sub?id=1", "", "").text(), "x");
    let next = "If-None-Match: 1450755280:1\r\n";
    assert_eq!(gateway.request("GET", "/sub?id=all", next, "").text(), "y");
}

#[test]
fn a_foreign_page_may_not_publish_unless_its_origin_is_allowed() {
    let gateway = start("hall", r#"push_allowed_origins = ["http://a.example"]"#, "");
    let post = |origin: &str| {
        let origin = format!("Origin: {origin}\r\n");
        gateway.request("POST", "/pub?id=1", &origin, "x")
    };
    for origin in ["http://evil.example", "null", "http://test:81"] {
        let answer = post(origin);
        assert_eq!(seen(&answer), (403, "Pages of this origin may not publish here."), "{origin}");
    }
    assert_eq!(gateway.request("GET", "/pub?id=1", "", "").status, 404);
    let answer = post("http://a.example");
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://a.example"));
    assert_eq!(post("http://test").status, 202);
}
