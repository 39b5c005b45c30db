//! Who has to show a token or to come by a signed link.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::{
    harness::{Gateway, Response},
    site::{MODES, start, wait},
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub const JWT: &str = r#"push_jwt = "HS256 text:0123456789abcdef0123456789abcdef""#;
const LINK: &str = r#"
push_secure_link = "$arg_signature,$arg_expires"
push_secure_link_secret = "text:key"
"#;

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn token(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

pub fn bearer(claims: &Value) -> String {
    format!("Authorization: Bearer {}\r\n", token(claims))
}

/// The signature of the second and the text.
fn sign(expires: u64, text: &str) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"key");
    URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, format!("{expires}:{text}").as_bytes()))
}

fn get(gateway: &Gateway, target: &str, headers: &str) -> Response {
    gateway.request("GET", target, headers, "")
}

#[test]
fn without_a_token_that_holds_nobody_listens_and_the_answer_says_why() {
    for hold in MODES {
        let gateway = start(hold, "", JWT);
        gateway.publish("/pub?id=1", "x");
        let none = get(&gateway, "/sub?id=1", "");
        assert_eq!((none.status, none.text()), (401, "A token is needed."));
        assert_eq!(none.header("www-authenticate"), Some("Bearer"));
        let late =
            get(&gateway, "/sub?id=1", &bearer(&json!({ "exp": now() - 60, "channels": "1" })));
        assert_eq!((late.status, late.text()), (401, "The token has expired."));
        let challenge =
            "Bearer error=\"invalid_token\", error_description=\"The token has expired.\"";
        assert_eq!(late.header("www-authenticate"), Some(challenge));
        let other =
            get(&gateway, "/sub?id=1", &bearer(&json!({ "exp": now() + 60, "channels": "2" })));
        assert_eq!((other.status, other.text()), (403, "The token does not grant the channel."));
        assert!(other.header("www-authenticate").unwrap().contains("insufficient_scope"));
        let nonsense = get(&gateway, "/sub?id=1", "Authorization: Basic YTpi\r\n");
        assert_eq!(nonsense.status, 401);
        let good =
            get(&gateway, "/sub?id=1", &bearer(&json!({ "exp": now() + 60, "channels": ["1"] })));
        assert_eq!((good.status, good.text()), (200, "x"));
    }
}

#[test]
fn a_token_may_stand_in_the_query_and_grants_every_channel_or_none() {
    let keys = format!("{JWT}\npush_channel_id_split_delimiter = \",\"");
    let gateway = start("hall", "", &keys);
    gateway.publish("/pub?id=1", "x");
    let token = token(&json!({ "exp": now() + 60, "channels": ["1", "room-*"] }));
    let status = |ids: &str| get(&gateway, &format!("/sub?id={ids}&token={token}"), "").status;
    assert_eq!(status("1"), 200);
    assert_eq!(status("1,room-5"), 200);
    assert_eq!(status("1,2"), 403);
    // The answer to this question needs no token.
    let asked = "Origin: http://o\r\nAccess-Control-Request-Method: GET\r\n";
    assert_eq!(gateway.request("OPTIONS", "/sub?id=1", asked, "").status, 200);
}

#[test]
fn whoever_waits_is_sent_away_when_the_token_expires() {
    for hold in MODES {
        let gateway = start(hold, "", JWT);
        let mut poll = gateway.connect();
        // The clocks of a second are not this precise: it is over by the second after.
        poll.get("/sub?id=1", &bearer(&json!({ "exp": now() + 1, "channels": "*" })));
        let mut events = gateway.connect();
        let headers = bearer(&json!({ "exp": now() + 1, "channels": "*" }));
        events.get("/sub?id=1", &format!("Accept: text/event-stream\r\n{headers}"));
        events.head();
        let mut patient = gateway.connect();
        patient.get("/sub?id=1", &bearer(&json!({ "exp": now() + 600, "channels": "*" })));
        assert_eq!(poll.response().status, 304);
        let rest: Vec<u8> = std::iter::from_fn(|| events.chunk()).flatten().collect();
        assert!(rest.ends_with(b"event: close\ndata: timeout\n\n"), "{rest:?}");
        wait(&gateway, 1);
        gateway.publish("/pub?id=1", "x");
        assert_eq!(patient.response().text(), "x");
    }
}

#[test]
fn a_claim_may_name_the_channel() {
    let sub = format!("{JWT}\npush_jwt_claim = \"\"");
    let gateway = Gateway::start(&format!(
        "[[server.location]]\npath = \"= /pub\"\npush_publisher = true\npush_channel_id = \"$arg_id\"\n\
         [[server.location]]\npath = \"= /own\"\npush_subscriber = true\n\
         push_channel_id = \"user-$jwt_sub\"\n{sub}\n"
    ));
    // Or all who lack it would share a channel.
    for claims in [json!({ "exp": now() + 60 }), json!({ "exp": now() + 60, "sub": "" })] {
        let answer = get(&gateway, "/own", &bearer(&claims));
        let why = "The token's claim sub is missing or not the expected one.";
        assert_eq!((answer.status, answer.text()), (401, why));
    }
    let mut poll = gateway.connect();
    poll.get("/own", &bearer(&json!({ "exp": now() + 60, "sub": "ann" })));
    gateway.wait_for_subscribers("/pub?id=user-ann", 1);
    gateway.publish("/pub?id=user-bob", "for bob");
    gateway.publish("/pub?id=user-ann", "for ann");
    assert_eq!(poll.response().text(), "for ann");
}

#[test]
fn publishers_may_have_to_show_a_token_too() {
    let gateway = start("hall", &format!("{JWT}\npush_jwt_claim = \"mercure.publish\""), "");
    let publish = |headers: &str| gateway.request("POST", "/pub?id=1", headers, "x").status;
    assert_eq!(publish(""), 401);
    let claims =
        |channel: &str| bearer(&json!({ "exp": now() + 60, "mercure": { "publish": [channel] } }));
    assert_eq!(publish(&claims("2")), 403);
    assert_eq!(publish(&claims("1")), 202);
}

#[test]
fn a_signed_link_opens_its_channel_until_it_expires() {
    for hold in MODES {
        let gateway = start(hold, "", LINK);
        gateway.publish("/pub?id=1", "x");
        gateway.publish("/pub?id=2", "y");
        let soon = now() + 60;
        let at = |id: u32, signature: &str, expires: u64| {
            get(&gateway, &format!("/sub?id={id}&signature={signature}&expires={expires}"), "")
        };
        assert_eq!(at(1, &sign(soon, "1"), soon).text(), "x");
        let other = at(2, &sign(soon, "1"), soon);
        assert_eq!((other.status, other.text()), (403, "The link's signature is wrong."));
        assert_eq!(at(1, &sign(soon, "1"), soon + 1).status, 403);
        let late = at(1, &sign(now() - 1, "1"), now() - 1);
        assert_eq!(late.status, 410, "{late:?}");
        let none = get(&gateway, "/sub?id=1", "");
        assert_eq!((none.status, none.text()), (403, "The link is not signed."));
    }
}

#[test]
fn a_link_for_one_id_with_a_comma_is_none_for_two_ids() {
    let gateway = start("hall", "", &format!("{LINK}push_channel_id_split_delimiter = \";\"\n"));
    let soon = now() + 60;
    let at = |id: &str| {
        let signature = sign(soon, "a,b");
        let target = format!("/sub?id={id}&signature={signature}&expires={soon}");
        let answer = get(&gateway, &target, "");
        (answer.status, answer.text().to_owned())
    };
    gateway.publish("/pub?id=b", "of b");
    assert_eq!(at("a;b"), (200, "of b".to_owned()));
    let none = (403, "No link can be signed for an id with a comma.".to_owned());
    assert_eq!((at("a,b"), at("a,b;c")), (none.clone(), none));
    // Where there is never more than one it means nothing else.
    let gateway = start("hall", "", LINK);
    gateway.publish("/pub?id=a,b", "of both");
    let target = format!("/sub?id=a,b&signature={}&expires={soon}", sign(soon, "a,b"));
    assert_eq!(get(&gateway, &target, "").text(), "of both");
}

#[test]
fn a_link_may_name_the_group_that_the_client_chooses() {
    let text = "push_channel_group = \"$arg_group\"\n\
                push_secure_link_text = \"$arg_group:$push_channel_id\"\n";
    let gateway = start("hall", "push_channel_group = \"$arg_group\"", &format!("{LINK}{text}"));
    for group in ["x", "y"] {
        gateway.publish(&format!("/pub?id=1&group={group}"), group);
    }
    let soon = now() + 60;
    let signature = sign(soon, "x:1");
    let at = |group: &str| {
        let target = format!("/sub?id=1&group={group}&signature={signature}&expires={soon}");
        get(&gateway, &target, "")
    };
    assert_eq!(at("x").text(), "x");
    assert_eq!(at("y").status, 403);
}

#[test]
fn items_are_published_to_channels_that_the_token_grants_or_none_of_them_is() {
    let gateway = Gateway::start(&format!(
        "[[server.location]]\npath = \"= /items\"\npush_grip_publish = true\n{JWT}\n\
         [[server.location]]\npath = \"= /pub\"\npush_publisher = true\npush_channel_id = \"$arg_id\"\n"
    ));
    let publish = |channels: Value| {
        let item = |name: &str| json!({ "channel": name, "http-stream": { "content": "x" } });
        let body = json!({ "items": [item("1"), item("2")] }).to_string();
        let headers = bearer(&json!({ "exp": now() + 60, "channels": channels }));
        gateway.request("POST", "/items", &headers, &body).status
    };
    let state = |id: u32| get(&gateway, &format!("/pub?id={id}"), "").status;
    assert_eq!(publish(json!(["1"])), 403);
    assert_eq!((state(1), state(2)), (404, 404));
    assert_eq!(publish(json!(["1", "2"])), 200);
    assert_eq!((state(1), state(2)), (200, 200));
}
