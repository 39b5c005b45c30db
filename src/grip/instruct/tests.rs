use http::HeaderValue;

use super::*;
use crate::grip::Mode;

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn read(lines: &[(&'static str, &'static str)]) -> Result<Instruct, String> {
    Instruct::read(&headers(lines), b"").map_err(|error| error.to_string())
}

fn json(body: &str) -> Result<Instruct, String> {
    let headers = headers(&[("content-type", "Application/Grip-Instruct; x=y")]);
    Instruct::read(&headers, body.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn an_event_stream_of_django_is_read() {
    let instruct = read(&[
        ("grip-hold", "stream"),
        (
            "grip-channel",
            "events-test; prev-id=5; filter=build-id; filter=skip-users, user-3; filter=require-sub",
        ),
        ("grip-set-meta", r#"id_format="test:%(events-test)s", user="3""#),
        ("grip-keep-alive", r"event: keep-alive\ndata:\n\n; format=cstring; timeout=20"),
        ("grip-link", "</events/?link=next&recover=true>; rel=next"),
    ])
    .unwrap();
    assert_eq!(instruct.hold, Some(Hold::Stream));
    let channel = |name: &str, previous: Option<&str>, filters: &[Filter]| Channel {
        name: name.into(),
        previous: previous.map(Into::into),
        filters: filters.to_vec(),
    };
    let expected = [
        channel("events-test", Some("5"), &[Filter::BuildId, Filter::SkipUsers]),
        channel("user-3", None, &[Filter::RequireSub]),
    ];
    assert_eq!(instruct.channels, expected);
    assert_eq!(instruct.meta.get("id_format"), Some("test:%(events-test)s"));
    let keep_alive = instruct.keep_alive.unwrap();
    assert_eq!(keep_alive.content, "event: keep-alive\ndata:\n\n");
    assert_eq!((keep_alive.timeout.as_secs(), keep_alive.mode), (20, Mode::Idle));
    let link = instruct.next.unwrap();
    assert_eq!((&*link.uri, link.timeout), ("/events/?link=next&recover=true", LINK_TIMEOUT));
}

#[test]
fn times_have_bounds() {
    for (value, seconds) in [("0", 5), ("5", 5), ("20", 20), ("99999999999", MOST)] {
        let lines = [("grip-hold", "response"), ("grip-channel", "a"), ("grip-timeout", value)];
        assert_eq!(read(&lines).unwrap().patience().as_secs(), seconds, "{value}");
    }
    assert_eq!(read(&[]).unwrap().patience(), TIMEOUT);
}

#[test]
fn channels_come_in_one_header_or_in_several_each_once() {
    let lines = [("grip-hold", "response"), ("grip-channel", "a, b"), ("grip-channel", "a; x, c")];
    let wanted = read(&lines).unwrap().wanted();
    assert_eq!(wanted.iter().map(|channel| &*channel.name).collect::<Vec<_>>(), ["a", "b", "c"]);
    let many = (0..30).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let instruct = Instruct {
        channels: split(&many, ',').map(|name| channel(name).unwrap()).collect(),
        ..Instruct::default()
    };
    assert_eq!(instruct.wanted().len(), MAX_CHANNELS);
}

#[test]
fn the_rest_of_the_headers() {
    let instruct = read(&[
        ("grip-status", "304 Not Modified"),
        ("grip-expose-headers", "x-a, X-B"),
        ("grip-link", "<a>; rel=gone, <b>; rel=next; timeout=0, <c>; rel=other"),
        ("grip-other", "x"),
    ])
    .unwrap();
    assert_eq!(instruct.status, Some((StatusCode::NOT_MODIFIED, Some("Not Modified".into()))));
    assert_eq!(instruct.expose.unwrap(), ["x-a", "x-b"]);
    assert_eq!(instruct.gone.as_deref(), Some("a"));
    let next = Link { uri: "b".into(), timeout: Duration::from_secs(1) };
    assert_eq!((instruct.next, instruct.hold), (Some(next), None));
}

#[test]
fn the_form_in_json_says_the_same() {
    let instruct = json(
        r#"{"hold": {"mode": "stream", "channels": [{"name": "a", "prev-id": null, "filters": ["skip-self"]}],
            "timeout": 7, "keep-alive": {"content-bin": "aGk=", "timeout": 3}, "meta": {"user": "x"}},
            "response": {"code": 201, "headers": [["X", "y"]], "body": "hi"}}"#,
    )
    .unwrap();
    assert_eq!(instruct.hold, Some(Hold::Stream));
    assert_eq!(instruct.channels[0].filters, [Filter::SkipSelf]);
    assert_eq!(instruct.patience().as_secs(), 7);
    assert_eq!(instruct.keep_alive.unwrap().content, "hi");
    assert_eq!(instruct.meta.get("user"), Some("x"));
    let response = instruct.response.unwrap();
    assert_eq!((response.status, &*response.part.content), (201, &b"hi"[..]));
    let instruct = json(r#"{"hold": {"channels": [{"name": "a"}]}}"#).unwrap();
    assert_eq!(instruct.hold, Some(Hold::Response));
}

#[test]
fn what_cannot_be_followed_is_said() {
    let hold = ("grip-hold", "response");
    for (lines, expected) in [
        (&[("grip-hold", "x")][..], "Grip-Hold is neither response nor stream."),
        (&[hold], "There is a hold and no channel."),
        (
            &[hold, ("grip-channel", "a; filter=x")],
            "Grip-Channel names a filter that there is not.",
        ),
        (&[("grip-timeout", "x")], "Grip-Timeout has a time that is no number of seconds."),
        (&[("grip-link", "x; rel=next")], "Grip-Link is no link."),
        (&[("grip-status", "x")], "Grip-Status is no status."),
        (&[("grip-status", "101")], "Grip-Status is no status."),
        (&[("grip-expose-headers", "a b")], "Grip-Expose-Headers names no header."),
        (
            &[("grip-hold", "stream"), ("grip-channel", "a; prev-id=1")],
            "There is a prev-id in a stream, and no link to what follows.",
        ),
    ] {
        assert_eq!(read(lines), Err(expected.to_owned()), "{lines:?}");
    }
    for (body, expected) in [
        ("[]", "The instructions are no object."),
        (r#"{"hold": 1}"#, "hold is no object."),
        (r#"{"hold": {}}"#, "There is a hold and no channel."),
        (r#"{"hold": {"mode": "x"}}"#, "hold.mode is neither response nor stream."),
        (r#"{"hold": {"channels": [{}]}}"#, "hold.channels[0].name is missing."),
        (r#"{"response": {"code": "x"}}"#, "response.code is no number from 0 on."),
    ] {
        assert_eq!(json(body), Err(expected.to_owned()), "{body}");
    }
}

#[test]
fn meta_is_bounded() {
    let long = format!("a={}", "x".repeat(16 << 10));
    let many = (0..65).map(|name| format!("{name}=1")).collect::<Vec<_>>().join(",");
    for value in [&long, &many] {
        let mut headers = HeaderMap::new();
        headers.insert("grip-set-meta", HeaderValue::try_from(value).unwrap());
        let error = Instruct::read(&headers, b"").unwrap_err().to_string();
        assert_eq!(error, "Grip-Set-Meta has more than 64 values or 16384 bytes.");
    }
    let body =
        format!(r#"{{"hold": {{"channels": [{{"name": "a"}}], "meta": {{"a": "{long}"}}}}}}"#);
    assert_eq!(json(&body).unwrap_err(), "hold.meta has more than 64 values or 16384 bytes.");
}

#[test]
fn only_what_says_something_is_an_instruction() {
    assert!(!is_instructed(&headers(&[("x-grip", "1"), ("content-type", "text/html")])));
    assert!(is_instructed(&headers(&[("grip-channel", "a")])));
    assert!(is_instructed(&headers(&[("content-type", "application/grip-instruct")])));
}
