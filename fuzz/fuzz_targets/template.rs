//! Templates of messages and texts with variables. The first line of the input is the template, the
//! second a location's path, the third a request's, the fourth the channel; the rest is the message.

#![no_main]

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Uri, header};
use libfuzzer_sys::fuzz_target;
use pushgate::{
    access::Peer,
    channel::{Budget, ChannelId, Draft, Message, MessageId},
    config::variable,
    dialect::Ids,
    framing::{Framing as _, template},
    router::{Pattern, Router, normalize},
};

fn message(channel: &[u8], body: &[u8]) -> Message {
    let draft = Draft {
        body: body.to_vec().into(),
        content_type: None,
        event: Some(channel.to_vec().into()),
        event_id: None,
        item: None,
    };
    let id = MessageId::new(1_450_755_280, 3).expect("both fit");
    let budget = Arc::new(Budget::new(usize::MAX));
    Message::new(ChannelId::new(channel), id, MessageId::ZERO, draft, budget)
}

fn stream(text: &str, channel: &[u8], body: &[u8]) {
    let message = message(channel, body);
    let iframe = template::Template::iframe(None, None).encode(&message);
    let script = iframe.bytes.strip_suffix(b")</script>\n\r\n").expect("the call's end");
    assert!(!script.windows(2).any(|pair| pair == b"</" || pair == b"<!"));
    for ids in [Ids::TimeTag, Ids::Number] {
        if let Ok(template) = template::MessageTemplate::parse(text, ids) {
            let _ = template.render(&message);
        }
    }
}

fn variables(text: &str, path: &str, target: &str, header: &[u8]) {
    let Ok(pattern) = Pattern::parse(path) else { return };
    let Ok(template) = variable::Template::parse(text, &pattern) else { return };
    let written = variable::Template::parse(&template.to_string(), &pattern);
    assert_eq!(written.as_ref(), Ok(&template));
    let Ok(uri) = target.parse::<Uri>() else { return };
    let Ok(path) = normalize(uri.path()) else { return };
    let router = Router::new([&pattern]);
    let Some(found) = router.find(&path) else { return };
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(header) {
        headers.insert(header::COOKIE, value.clone());
        headers.insert(header::HOST, value);
    }
    let scope = variable::Scope {
        method: &Method::GET,
        uri: &uri,
        asked: &uri,
        path: &path,
        headers: &headers,
        captures: &found.captures,
        peer: Peer::Unix,
        connection: 17,
        request_id: 0xab,
        scheme: "http",
        server_name: "push.example",
        token: None,
        push: variable::Push::default(),
    };
    let _ = template.expand(&scope);
}

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(5, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (text, path, target, channel, body) = (line(), line(), line(), line(), line());
    let Ok(text) = str::from_utf8(text) else { return };
    stream(text, channel, body);
    if let (Ok(path), Ok(target)) = (str::from_utf8(path), str::from_utf8(target)) {
        variables(text, path, target, channel);
    }
});
