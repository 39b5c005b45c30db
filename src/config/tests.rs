use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::log::{Format, Target};
use crate::{
    access::{Access, Peer},
    channel::{Concurrency, First},
    cors::{Cors, Origins},
};

fn parse(text: &str) -> Config {
    Config::parse("f", text, &[]).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

/// The lines of the errors of a text.
fn errors(text: &str) -> Vec<String> {
    let errors = Config::parse("f", text, &[]).unwrap_err();
    errors.iter().map(Error::to_string).collect()
}

/// The reasons of the errors of a location's own keys, which begin in line 5.
fn location_errors(keys: &str) -> Vec<String> {
    let text =
        format!("[[server]]\n[[server.location]]\npath = '/'\npush_channel_id = 'x'\n{keys}");
    errors(&text)
}

/// A location that serves both roles with these keys on the root level and of its own.
fn location(root: &str, own: &str) -> Arc<Location> {
    let text = format!(
        "push_pubsub = true\npush_channel_id = 'x'\n{root}\n\
         [[server]]\n[[server.location]]\npath = '/'\n{own}"
    );
    parse(&text).servers[0].locations[0].clone()
}

fn subscriber(location: &Location) -> &Subscriber {
    location.subscriber.as_ref().unwrap()
}

fn publisher(location: &Location) -> &Publisher {
    location.publisher.as_ref().unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn what_is_not_said_is_as_in_the_push_module() {
    let location = location("", "");
    let retention = publisher(&location).retention;
    assert_eq!(publisher(&location).status, None);
    assert_eq!((retention.min_messages, retention.max_messages), (1, 10));
    assert_eq!(retention.timeout, Some(seconds(3600)));
    assert_eq!((retention.channel_timeout, retention.grace), (seconds(5), seconds(10)));
    assert!(!retention.delete_oldest_received);
    let subscriber = subscriber(&location);
    assert_eq!(subscriber.transports, Transport::ALL);
    assert_eq!(subscriber.concurrency, Concurrency::Broadcast);
    assert_eq!(subscriber.first_message, First::Oldest);
    assert_eq!((subscriber.timeout, subscriber.ping_interval), (None, Some(seconds(25))));
    assert_eq!((subscriber.retry, subscriber.channel_timeout), (Some(seconds(2)), seconds(5)));
    assert_eq!(subscriber.stream, StreamFormat::Plain);
    assert_eq!((subscriber.poll_format, subscriber.hold), (PollFormat::Message, Hold::Hall));
    assert_eq!((&subscriber.default_type, subscriber.cursorless), (&None, false));
    assert_eq!((subscriber.batch, &subscriber.jsonp_callback), (None, &None));
    assert_eq!(subscriber.slow, SlowSubscriber::Skip);
    assert_eq!(&*subscriber.raw_separator, "\n");
    let websocket = WebSocket { protocols: Vec::new(), max_message: 1 << 20, deflate: true };
    assert_eq!(subscriber.websocket, websocket);
    assert_eq!(subscriber.gzip, None);
    assert_eq!(location.dialect.name, "push_module");
    assert_eq!(location.channels.max_id_length, 1024);
    assert_eq!((location.max_body_size, location.body_timeout), (1 << 20, seconds(60)));
    assert_eq!(location.cors, Cors::default());
    assert_eq!(location.access, Access::local());
}

#[test]
fn the_process_and_its_servers_have_defaults() {
    let Config { process, servers, .. } = parse("[[server]]");
    assert!(process.workers >= 1);
    assert_eq!((process.user, process.pid_file), (None, None));
    assert_eq!((process.error_log, process.access_log), (Target::Stderr, Target::Off));
    assert_eq!(process.log_format, Format::Text);
    assert_eq!((process.shutdown_timeout, process.max_reserved_memory), (seconds(10), 32 << 20));
    let server = &servers[0];
    assert_eq!(server.listen, [Listen::Tcp("127.0.0.1:8080".parse().unwrap())]);
    assert_eq!((server.header_timeout, server.keepalive_timeout), (seconds(60), seconds(75)));
    assert_eq!((server.max_header_size, server.name()), (32 << 10, ""));
    assert_eq!(server.user_timeout, Some(seconds(120)));
    assert!(server.locations.is_empty() && !server.proxy_protocol);
}

#[test]
fn the_root_says_what_concerns_the_process() {
    let text = "workers = 3\nuser = 'www'\npid_file = '/run/x.pid'\nlog_format = 'json'\n\
                error_log = '/var/log/x'\naccess_log = 'stdout'\nshutdown_timeout = 0\nshutdown_delay = '2s'\n\
                push_max_reserved_memory = '1g'\npush_max_channels = 5\npush_max_subscribers = 6\n\
                push_hook_queue = 7\n\
                client_header_timeout = '5s'\ntcp_user_timeout = '24d'\n\
                [[server]]\nkeepalive_timeout = 0\n\
                [[server]]\nlisten = ['1']\ntcp_user_timeout = 0\n";
    let Config { process, servers, .. } = parse(text);
    let expected = Process {
        workers: 3,
        user: Some("www".into()),
        pid_file: Some("/run/x.pid".into()),
        log_format: Format::Json,
        error_log: Target::File("/var/log/x".into()),
        access_log: Target::Stdout,
        shutdown_delay: seconds(2),
        shutdown_timeout: Duration::ZERO,
        max_reserved_memory: 1 << 30,
        max_channels: 5,
        max_subscribers: 6,
        hook_queue: 7,
        hook_requests: 256,
    };
    assert_eq!(process, expected);
    assert_eq!(servers[0].header_timeout, seconds(5));
    assert_eq!(servers[0].keepalive_timeout, Duration::ZERO);
    let user_timeouts = [&servers[0], &servers[1]].map(|server| server.user_timeout);
    assert_eq!(user_timeouts, [Some(seconds(24 * 24 * 3600)), None]);
    let errors = errors("tcp_user_timeout = '25d'\n[[server]]\n");
    assert_eq!(errors, ["f:1:20: tcp_user_timeout: must be at most 24 days"]);
}

#[test]
fn the_nearer_level_wins() {
    let text = "push_channel_timeout = '1s'\npush_pubsub = true\npush_channel_id = 'x'\n\
                [[server]]\npush_channel_timeout = '2s'\n\
                [[server.location]]\npath = '/a'\npush_channel_timeout = '3s'\n\
                [[server.location]]\npath = '/b'\n\
                [[server]]\nserver_name = 'x'\n[[server.location]]\npath = '/a'\n";
    let servers = parse(text).servers;
    let timeout = |location: &Location| subscriber(location).channel_timeout.as_secs();
    let timeouts = servers.iter().flat_map(|server| &server.locations);
    assert_eq!(timeouts.map(|location| timeout(location)).collect::<Vec<_>>(), [3, 2, 1]);
}

#[test]
fn an_override_replaces_what_the_root_says() {
    let text = "workers = 2\npush_message_buffer_length = 5\npush_pubsub = true\n\
                push_channel_id = 'x'\n[[server]]\n[[server.location]]\npath = '/'\n";
    let overrides = ["workers = 7", "push_max_message_buffer_length = 9"].map(str::to_owned);
    let config = Config::parse("f", text, &overrides).unwrap();
    assert_eq!(config.process.workers, 7);
    let retention = publisher(&config.servers[0].locations[0]).retention;
    assert_eq!((retention.min_messages, retention.max_messages), (5, 9));
}

#[test]
fn wrong_overrides_are_named_by_their_option() {
    let overrides = ["workers", "user = www", "server = []", "path = '/'", "wokers = 2"];
    let overrides = overrides.map(str::to_owned);
    let errors = Config::parse("f", "workers = 0\n[[server]]", &overrides).unwrap_err();
    let lines = errors.to_string();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(
        lines,
        [
            "f:1:11: workers: must be a number from 1 to 1024",
            "-g:1:8: workers: key with no value, expected `=`",
            "-g:1:8: user: string values must be quoted, expected literal string",
            "-g:1:1: server: this key belongs on the root level of the file, as [[server]]",
            "-g:1:1: path: this key belongs in a [[server.location]]",
            "-g:1:1: wokers: unknown key, did you mean `workers`?",
        ]
    );
}

#[test]
fn roles_add_up_on_a_level_and_the_nearer_level_decides() {
    let roles = |root: &str, own: &str| {
        let text = format!(
            "push_channel_id = 'x'\n{root}\n[[server]]\n[[server.location]]\npath = '/'\n{own}"
        );
        let location = parse(&text).servers[0].locations[0].clone();
        let transports = location.subscriber.as_ref().map_or(0, |half| half.transports.len());
        (location.publisher.is_some(), transports)
    };
    assert_eq!(roles("", "push_publisher = true"), (true, 0));
    assert_eq!(roles("", "push_subscriber = true"), (false, 8));
    assert_eq!(roles("", "push_subscriber = 'stream'"), (false, 1));
    assert_eq!(roles("", "push_pubsub = true"), (true, 8));
    assert_eq!(roles("", "push_pubsub = true\npush_subscriber = ['stream']"), (true, 1));
    assert_eq!(roles("push_subscriber = ['stream']", "push_pubsub = true"), (true, 1));
    assert_eq!(roles("push_subscriber = false", "push_pubsub = true"), (true, 8));
    assert_eq!(roles("push_pubsub = true", "push_publisher = false"), (false, 8));
    assert_eq!(roles("push_publisher = true", "push_subscriber = true"), (true, 8));
    assert_eq!(
        roles("push_publisher = true", "push_publisher = false\npush_subscriber = true"),
        (false, 8)
    );
    assert_eq!(
        roles("push_pubsub = true", "push_pubsub = false\npush_subscriber = 'stream'"),
        (false, 1)
    );
}

#[test]
fn transports_keep_the_order_of_the_file() {
    let location = location("", "push_subscriber = ['event-source', 'long-poll']");
    let expected = [Transport::EventSource, Transport::LongPoll];
    assert_eq!(subscriber(&location).transports, expected);
}

#[test]
fn every_transport_has_a_name_of_its_own() {
    for transport in Transport::ALL {
        let location = location("", &format!("push_subscriber = '{}'", transport.name()));
        assert_eq!(subscriber(&location).transports, [transport]);
    }
}

#[test]
fn one_length_sets_both_bounds() {
    let bounds = |root: &str, own: &str| {
        let retention = publisher(&location(root, own)).retention;
        (retention.min_messages, retention.max_messages)
    };
    assert_eq!(bounds("", "push_message_buffer_length = 3"), (3, 3));
    assert_eq!(
        bounds("push_message_buffer_length = 3", "push_max_message_buffer_length = 5"),
        (3, 5)
    );
    assert_eq!(
        bounds("push_max_message_buffer_length = 5", "push_message_buffer_length = 3"),
        (3, 3)
    );
    assert_eq!(bounds("", "push_max_message_buffer_length = 0"), (0, 0));
    assert_eq!(bounds("push_message_buffer_length = 3", "push_store_messages = false"), (0, 0));
}

#[test]
fn lengths_that_exclude_each_other_are_errors() {
    let reason = "push_min_message_buffer_length (4) is above push_max_message_buffer_length (3)";
    let both = "push_pubsub = true\npush_min_message_buffer_length = 4\npush_max_message_buffer_length = 3";
    assert_eq!(
        location_errors(both),
        [format!("f:6:34: push_min_message_buffer_length: {reason}")]
    );
    let above_default = location_errors("push_pubsub = true\npush_min_message_buffer_length = 11");
    assert!(above_default[0].ends_with("(11) is above push_max_message_buffer_length (10)"));
    let twice =
        "push_pubsub = true\npush_message_buffer_length = 4\npush_min_message_buffer_length = 4";
    let conflict =
        "f:7:34: push_min_message_buffer_length: conflicts with `push_message_buffer_length`";
    assert_eq!(location_errors(twice), [conflict]);
}

#[test]
fn first_messages_are_words_and_numbers() {
    let first = |value: &str| {
        subscriber(&location("", &format!("push_first_message = {value}"))).first_message
    };
    assert_eq!(first("'oldest'"), First::Oldest);
    assert_eq!(first("'newest'"), First::Newest);
    assert_eq!(first("-3"), First::Last(3));
    assert_eq!(first("'-3'"), First::Last(3));
    for wrong in ["3", "0", "-0", "'0'", "'+1'", "'last'", "true", "1.5"] {
        let errors =
            location_errors(&format!("push_subscriber = true\npush_first_message = {wrong}"));
        assert_eq!(errors.len(), 1, "{wrong} {errors:?}");
        assert!(errors[0].starts_with("f:6:22: push_first_message: "), "{errors:?}");
    }
}

#[test]
fn zero_is_never_and_a_number_needs_a_unit() {
    let location = location(
        "",
        "push_message_timeout = 0\npush_subscriber_timeout = '90s'\npush_ping_interval = 0\n\
         push_retry = '0s'\npush_channel_timeout = 0\n",
    );
    assert_eq!(publisher(&location).retention.timeout, None);
    assert_eq!(publisher(&location).retention.channel_timeout, Duration::ZERO);
    let subscriber = subscriber(&location);
    assert_eq!((subscriber.timeout, subscriber.ping_interval), (Some(seconds(90)), None));
    assert_eq!(subscriber.retry, None);
    for (wrong, reason) in [
        ("push_message_timeout = 5", "a duration needs a unit, like \"5s\", \"5m\" or \"5ms\""),
        ("push_message_timeout = -5", "expected a duration like \"30s\", or 0, found a number"),
        ("push_message_timeout = true", "expected a duration like \"30s\", or 0, found a boolean"),
        ("client_body_timeout = 0", "must be more than 0"),
    ] {
        let errors = location_errors(&format!("push_pubsub = true\n{wrong}"));
        assert!(errors.len() == 1 && errors[0].ends_with(reason), "{errors:?}");
    }
}

#[test]
fn statuses_of_success_only() {
    let location = location("", "push_publish_status = 200");
    assert_eq!(publisher(&location).status, Some(StatusCode::OK));
    for wrong in ["199", "300", "0", "-1", "'200'", "70000"] {
        let errors = location_errors(&format!("push_pubsub = true\npush_publish_status = {wrong}"));
        assert!(errors.len() == 1 && errors[0].starts_with("f:6:23: "), "{errors:?}");
    }
}

#[test]
fn a_preset_and_templates_go_together_by_their_levels() {
    let stream = |root: &str, own: &str| subscriber(&location(root, own)).stream.clone();
    let iframe = |header: Option<&str>, footer: Option<&str>| StreamFormat::Iframe {
        header: header.map(str::to_owned),
        footer: footer.map(str::to_owned),
    };
    let templates = |header: &str, message: &str, footer: &str| {
        let [header, message, footer] = [header, message, footer].map(str::to_owned);
        StreamFormat::Templates { header, message, footer }
    };
    let preset = "push_stream_preset = 'iframe'";
    assert_eq!(stream("", preset), iframe(None, None));
    assert_eq!(
        stream("", &format!("{preset}\npush_header_template = 'h'")),
        iframe(Some("h"), None)
    );
    assert_eq!(stream(preset, "push_footer_template = 'f'"), iframe(None, Some("f")));
    assert_eq!(stream("push_header_template = 'h'", preset), iframe(None, None));
    assert_eq!(stream("push_message_template = 'm'", preset), iframe(None, None));
    assert_eq!(stream(preset, "push_message_template = 'm'"), templates("", "m", ""));
    assert_eq!(stream(preset, "push_stream_preset = ''"), StreamFormat::Plain);
    assert_eq!(stream("", "push_header_template = 'h'"), templates("h", "~text~", ""));
    let errors =
        location_errors(&format!("push_pubsub = true\n{preset}\npush_message_template = 'm'"));
    assert_eq!(errors, ["f:7:25: push_message_template: conflicts with `push_stream_preset`"]);
}

#[test]
fn keys_that_no_transport_looks_at_are_errors_unless_inherited() {
    let polls = "push_subscriber = ['long-poll']";
    location("push_poll_format = 'json'\npush_stream_preset = 'iframe'", polls);
    let errors = location_errors(&format!(
        "{polls}\npush_poll_format = 'json'\npush_stream_preset = 'iframe'\npush_header_template = 'h'"
    ));
    assert_eq!(
        errors,
        [
            "f:6:20: push_poll_format: without effect: push_subscriber does not offer \"interval-poll\"",
            "f:7:22: push_stream_preset: without effect: push_subscriber does not offer \"stream\"",
            "f:8:24: push_header_template: without effect: push_subscriber does not offer \"stream\"",
        ]
    );
}

#[test]
fn the_message_template_of_push_stream_is_for_every_transport() {
    let own = "push_subscriber = ['long-poll']\npush_message_template = '~id~'";
    for dialect in ["push_module", "nchan"] {
        let errors = location_errors(&format!("{own}\npush_dialect = '{dialect}'"));
        assert!(errors.len() == 1 && errors[0].ends_with("\"stream\""), "{errors:?}");
    }
    location("", &format!("{own}\npush_dialect = 'push_stream'"));
    location("push_dialect = 'push_stream'", own);
}

#[test]
fn keys_of_transports_that_are_not_offered_are_errors_unless_inherited() {
    for (key, transports) in [
        ("push_raw_separator = ''", "\"raw\""),
        ("push_longpoll_batch = 'json'", "\"long-poll\""),
        ("push_cursorless = true", "\"long-poll\""),
        ("push_jsonp_callback = '$arg_callback'", "neither \"long-poll\" nor \"interval-poll\""),
        ("push_websocket_protocols = ['chat']", "\"websocket\""),
        ("push_websocket_max_message = 1", "\"websocket\""),
        ("push_websocket_deflate = false", "\"websocket\""),
        ("gzip = true", "neither polls nor \"event-source\""),
    ] {
        let own = "push_subscriber = ['stream']";
        let reasons = location_errors(&format!("{own}\n{key}"));
        assert!(reasons.len() == 1 && reasons[0].ends_with(transports), "{key} {reasons:?}");
        assert!(reasons[0].contains(": without effect: push_subscriber "), "{reasons:?}");
        assert!(!subscriber(&location(key, own)).cursorless);
        location("", key);
    }
    assert_eq!(subscriber(&location("gzip = true", "")).gzip, Some(20));
    location(
        "",
        "push_subscriber = ['long-poll']\npush_longpoll_batch = 'raw'\npush_raw_separator = ''",
    );
    // What holds anyway is no mistake.
    location("", "push_subscriber = ['stream']\npush_raw_separator = \"\\n\"\ngzip = false");
}

#[test]
fn long_polls_of_json_are_cursorless_unless_something_else_is_said() {
    let both = |root: &str, own: &str| {
        let location = location(root, own);
        (subscriber(&location).cursorless, subscriber(&location).batch)
    };
    let json = "default_type = 'application/json'";
    for (root, own, expected) in [
        (json, "", (true, None)),
        (json, "push_subscriber = ['stream']", (false, None)),
        (json, "push_cursorless = false", (false, None)),
        (json, "push_dialect = 'nchan'", (false, None)),
        (json, "push_dialect = 'push_module'", (true, None)),
        (json, "push_longpoll_batch = 'json'", (false, Some(Batch::Json))),
        (json, "push_longpoll_batch = ''", (true, None)),
        ("default_type = ' Application/JSON ; charset=utf-8'", "", (true, None)),
        ("default_type = 'application/vnd.x+json'", "", (true, None)),
        ("default_type = 'application/jsonp'", "", (false, None)),
        ("default_type = 'text/plain'", "", (false, None)),
        ("", "push_cursorless = true\npush_dialect = 'push_stream'", (true, None)),
        ("push_cursorless = true", "push_longpoll_batch = 'raw'", (false, Some(Batch::Raw))),
        ("push_longpoll_batch = 'multipart'", "push_cursorless = true", (true, None)),
        ("push_longpoll_batch = 'multipart'", json, (false, Some(Batch::Multipart))),
    ] {
        assert_eq!(both(root, own), expected, "{root} {own}");
    }
    let errors =
        location_errors("push_pubsub = true\npush_cursorless = true\npush_longpoll_batch = 'json'");
    assert_eq!(errors, ["f:6:19: push_cursorless: conflicts with `push_longpoll_batch`"]);
}

#[test]
fn the_words_of_subscribers_have_their_meaning() {
    let location = location(
        "push_slow_subscriber = 'close'\ngzip = true",
        "push_raw_separator = ''\npush_jsonp_callback = '$arg_cb'\ngzip_min_length = 0\n\
         push_websocket_protocols = ['chat', 'superchat', 'ws+meta.nchan']\n\
         push_websocket_max_message = '2k'\npush_websocket_deflate = false\n\
         push_dialect = 'push_stream'",
    );
    let subscriber = subscriber(&location);
    assert_eq!(subscriber.slow, SlowSubscriber::Close);
    assert_eq!(&*subscriber.raw_separator, "");
    assert_eq!(subscriber.jsonp_callback.as_ref().unwrap().to_string(), "${arg_cb}");
    assert_eq!(subscriber.gzip, Some(0));
    let protocols = ["chat", "superchat", "ws+meta.nchan"].map(Into::into).to_vec();
    assert_eq!(subscriber.websocket, WebSocket { protocols, max_message: 2048, deflate: false });
    assert_eq!(location.dialect.name, "push_stream");
}

#[test]
fn words_of_subscribers_that_mean_nothing_are_errors() {
    for (wrong, reason) in [
        ("push_slow_subscriber = 'drop'", "\"drop\" is none of \"skip\", \"close\""),
        (
            "push_longpoll_batch = 'array'",
            "\"array\" is none of \"json\", \"multipart\", \"raw\", \"\"",
        ),
        (
            "push_dialect = 'push'",
            "\"push\" is none of \"push_module\", \"nchan\", \"push_stream\"",
        ),
        ("push_websocket_protocols = 'a b'", "\"a b\" is not a token like \"chat.v1\""),
        ("push_websocket_protocols = ['a', 'b', 'a']", "\"a\" is already taken in this list"),
        ("push_websocket_protocols = ['']", "must be a text that is not empty"),
        ("push_websocket_protocols = true", "found a boolean"),
        ("push_websocket_max_message = 0", "must be more than 0 bytes"),
        ("push_jsonp_callback = '$'", "a dollar sign is written `$$`"),
    ] {
        let errors = location_errors(&format!("push_pubsub = true\n{wrong}"));
        assert!(errors.len() == 1 && errors[0].ends_with(reason), "{errors:?}");
    }
}

#[test]
fn a_proxy_header_is_believed_from_somebody_who_is_named() {
    let on = |root: &str, own: &str| {
        parse(&format!("{root}\n[[server]]\n{own}")).servers[0].proxy_protocol
    };
    assert!(on("proxy_protocol = true\nreal_ip_from = ['10.0.0.1']", ""));
    assert!(on("proxy_protocol = true", "real_ip_from = ['10.0.0.1']"));
    assert!(!on("proxy_protocol = true", "proxy_protocol = false"));
    let missing = "proxy_protocol: missing: real_ip_from, which says whose headers are believed";
    assert_eq!(errors("proxy_protocol = true\n[[server]]"), [format!("f:1:18: {missing}")]);
    let none = "real_ip_from = '10.0.0.1'\n[[server]]\nproxy_protocol = true\nreal_ip_from = []";
    assert_eq!(errors(none), [format!("f:3:18: {missing}")]);
    let misread = errors("[[server]]\nproxy_protocol = true\nreal_ip_from = '10.0.0'");
    assert!(misread.len() == 1 && !misread[0].contains("missing"), "{misread:?}");
    let misplaced = location_errors("push_pubsub = true\nproxy_protocol = true");
    let home = "this key belongs on the root level or in a [[server]]";
    assert_eq!(misplaced, [format!("f:6:1: proxy_protocol: {home}")]);
}

#[test]
fn servers_on_one_address_agree_about_its_proxies() {
    let text = "real_ip_from = 'unix:'\n[[server]]\nproxy_protocol = true\n\
                [[server]]\nserver_name = 'a'\n";
    assert_eq!(
        errors(text),
        ["f:4:1: proxy_protocol: \"false\" is not what an earlier server on its address says"]
    );
    parse(&format!("{text}proxy_protocol = true"));
    parse(&format!("{text}listen = '127.0.0.1:8081'"));
}

#[test]
fn origins_are_listed_or_any_but_any_without_credentials() {
    let cors = |own: &str| location("", own).cors.clone();
    assert_eq!(cors("push_allowed_origins = ['*']"), Cors::new(Origins::Any, false));
    assert_eq!(cors("push_allowed_origins = []"), Cors::default());
    let listed =
        cors("push_allowed_origins = ['http://A', 'https://b:1']\npush_allow_credentials = true");
    let origins = Origins::List(vec!["http://a".into(), "https://b:1".into()]);
    assert_eq!(listed, Cors::new(origins, true));
    let any = "push_pubsub = true\npush_allowed_origins = '*'\npush_allow_credentials = true";
    let conflict =
        "f:7:26: push_allow_credentials: conflicts with `push_allowed_origins = [\"*\"]`";
    assert_eq!(location_errors(any), [conflict]);
    let wrong = location_errors("push_pubsub = true\npush_allowed_origins = ['http://a/', '*']");
    assert_eq!(wrong.len(), 2, "{wrong:?}");
}

#[test]
fn only_publishers_without_rules_are_local() {
    let stranger = Peer::Inet("192.0.2.1".parse().unwrap(), 1);
    let admits = |own: &str| {
        let text =
            format!("[[server]]\n[[server.location]]\npath = '/'\npush_channel_id = 'x'\n{own}");
        parse(&text).servers[0].locations[0].access.permits(stranger, false)
    };
    assert!(!admits("push_publisher = true"));
    assert!(!admits("push_pubsub = true"));
    assert!(!admits("push_pubsub = true\naccess = []"));
    assert!(admits("push_subscriber = true"));
    assert!(admits("push_publisher = true\naccess = ['allow all']"));
    assert!(admits("push_publisher = true\naccess = ['deny 10.0.0.0/8']"));
}

#[test]
fn rules_and_proxies_are_inherited() {
    let location = location(
        "access = ['allow 10.0.0.0/8', 'deny all']\nreal_ip_from = ['10.0.0.1', 'unix:']",
        "real_ip_header = 'X-Real-IP'",
    );
    assert_eq!(location.access, Access::parse(&["allow 10.0.0.0/8", "deny all"]).unwrap());
    assert_eq!(location.real_ip.from.len(), 2);
    assert_eq!(location.real_ip.header, "x-real-ip");
}

#[test]
fn channels_are_templates() {
    let location = location(
        "push_channel_group = '$host'",
        "push_channel_id = ['$arg_a', 'b$arg_c']\npush_channel_id_split_delimiter = ','\n\
         push_last_message_id = '$arg_since'\npush_max_channel_id_length = '1k'",
    );
    let channels = &location.channels;
    let shown: Vec<_> = channels.ids.iter().map(Template::to_string).collect();
    assert_eq!(shown, ["${arg_a}", "b${arg_c}"]);
    assert_eq!(channels.delimiter.as_deref(), Some(&b","[..]));
    assert_eq!((channels.group.to_string().as_str(), channels.max_id_length), ("${host}", 1024));
    assert_eq!(subscriber(&location).last_message_id.len(), 1);
}

#[test]
fn servers_are_chosen_by_name() {
    let text = "[[server]]\nserver_name = ['a.example']\n[[server]]\nserver_name = ['*.example', 'B.example']\n\
                [[server]]\nserver_name = '*.b.example'\n[[server]]\nlisten = 'unix:/run/x'\n";
    let config = parse(text);
    let tcp: SocketAddr = "127.0.0.1:8080".parse().unwrap();
    let expected = [(Listen::Tcp(tcp), vec![0, 1, 2]), (Listen::Unix("/run/x".into()), vec![3])];
    assert_eq!(config.listeners(), expected);
    let servers: Vec<_> = config.servers.iter().take(3).collect();
    for (host, name) in [
        ("a.example", "a.example"),
        ("A.Example.", "a.example"),
        ("b.example", "*.example"),
        ("x.b.example", "*.b.example"),
        ("x.y.example", "*.example"),
        ("example", "a.example"),
        (".example", "a.example"),
        ("elsewhere", "a.example"),
        ("", "a.example"),
        ("\u{e4}.example", "*.example"),
    ] {
        assert_eq!(Server::choose(&servers, host).unwrap().name(), name, "{host}");
    }
    assert!(Server::choose(&[], "a").is_none());
}

#[test]
fn servers_that_cannot_be_told_apart_are_errors() {
    let conflict = "[[server]]\nlisten = '8080'\n[[server]]\nlisten = ['9090', '0.0.0.0:8080']\n";
    assert_eq!(
        errors(conflict),
        ["f:4:10: listen: \"0.0.0.0:8080\" is already taken by an earlier server; \
          a server_name would tell them apart"]
    );
    let named = "[[server]]\nserver_name = 'a'\n[[server]]\nserver_name = ['b', 'A']\n";
    assert_eq!(
        errors(named),
        ["f:3:1: listen: \"127.0.0.1:8080\" is already taken by an earlier server named \"a\""]
    );
    parse("[[server]]\n[[server]]\nserver_name = 'a'\n");
    let twice = "[[server]]\nlisten = ['8080', '*:8080']\nserver_name = ['a', 'a']\n";
    assert_eq!(
        errors(twice),
        [
            "f:2:19: listen: \"0.0.0.0:8080\" is already taken in this list",
            "f:3:21: server_name: \"a\" is already taken in this list",
        ]
    );
}

#[test]
fn garbage_is_no_server_name() {
    for text in ["", ".", "*", "*.", "a b", "a/b", "~^a", "*.*.a"] {
        assert_eq!(ServerName::parse(text), None, "{text:?}");
    }
    assert_eq!(ServerName::parse("A.example.").unwrap().to_string(), "a.example");
}

#[test]
fn addresses_are_read_as_nginx_reads_them() {
    for (text, address) in [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("[::]:8080", "[::]:8080"),
        ("8080", "0.0.0.0:8080"),
        ("*:8080", "0.0.0.0:8080"),
        ("localhost:8080", "127.0.0.1:8080"),
        ("unix:/run/x.sock", "unix:/run/x.sock"),
    ] {
        assert_eq!(Listen::parse(text).unwrap().to_string(), address);
    }
    for text in ["", ":", "x:1", "1.2.3.4", "::1", "65536", "+80", "unix:", ":80", "unix:a\0b"] {
        assert_eq!(Listen::parse(text), None, "{text:?}");
    }
    assert_eq!(Listen::parse(&format!("unix:{}", "x".repeat(108))), None);
}

#[test]
fn every_error_is_reported_with_its_place() {
    let text = "wokers = 2\nlisten = '8080'\nuser = 7\npush_max_reserved_memory = '32Q'\n\
        [[server]]\nworkers = 3\n[[server.location]]\npush_publisher = true\npush_channel_id = '$arg_cid'\n\
        [[server.location]]\npath = '~ ^/(a'\npush_publisher = true\n\
        [[server.location]]\npath = '~ ^/(a)$'\npush_publisher = true\npush_channel_id = ['$1', '$2', '$arh_x']\n\
        access = ['allow 1.2.3.4/99', 'permit all', 7, 'deny all']\n\
        [[server.location]]\npath = '/b'\n\
        [[server.location]]\npath = '^~ /b'\npush_pubsub = true\npush_publisher = false\n\
        push_subscriber = ['long-poll', 'longpoll']\n\"\u{e4} key\" = 1\n";
    assert_eq!(
        errors(text),
        [
            "f:1:1: wokers: unknown key, did you mean `workers`?",
            "f:2:1: listen: this key belongs in a [[server]]",
            "f:3:8: user: expected a string, found a number",
            "f:4:28: push_max_reserved_memory: \"32Q\" is no size, write it in bytes or like \"32k\", \
             \"10M\" or \"1g\"",
            "f:6:1: workers: this key belongs on the root level, above the first [[server]]",
            "f:7:1: path: missing: every location needs one",
            "f:11:8: path: invalid regular expression: unclosed group",
            "f:16:26: push_channel_id: `$2`: the path \"~ ^/(a)$\" has 1 group",
            "f:16:32: push_channel_id: unknown variable `$arh_x`, did you mean `$arg_x`?",
            "f:17:11: access: \"allow 1.2.3.4/99\" is no rule",
            "f:17:31: access: \"permit all\" is no rule, write it like \"allow 10.0.0.0/8\" or \"deny all\"",
            "f:17:45: access: expected a string, found a number",
            "f:18:1: location: missing: push_publisher, push_subscriber, push_pubsub, push_grip_publish, \
             push_status, push_channels_status, push_dashboard, push_health or proxy_pass",
            "f:20:1: push_channel_id: missing: publishers and subscribers need one",
            "f:21:8: path: \"^~ /b\" is already taken by an earlier location",
            "f:23:18: push_publisher: conflicts with `push_pubsub = true`",
            "f:24:33: push_subscriber: \"longpoll\" is none of \"long-poll\", \"interval-poll\", \
             \"stream\", \"event-source\", \"chunked\", \"multipart\", \"raw\", \"websocket\"",
            "f:25:1: \u{e4} key: unknown key, did you mean `user`?",
        ]
        .map(|line| line.replace(
            "\"allow 1.2.3.4/99\" is no rule",
            "\"1.2.3.4/99\" is no address, no network like \"10.0.0.0/8\", nor \"all\" or \"unix:\""
        ))
    );
}

#[test]
fn a_misspelt_key_is_not_called_missing_too() {
    let text = "[[server]]\n[[server.location]]\npaht = '/'\n\
                [[server.location]]\npath = '/a'\npush_publihser = true\npush_chanel_id = 'x'\n";
    let errors = errors(text);
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors.iter().all(|line| line.contains("did you mean")), "{errors:?}");
}

#[test]
fn syntax_errors_have_a_place_and_hide_what_comes_after_them() {
    for (text, lines) in [
        (
            "workers = 5m\nuser = 1",
            &["f:1:11: workers: string values must be quoted, expected literal string"][..],
        ),
        (
            "wokers = 1\nworkers = 1\nworkers = 2",
            &[
                "f:1:1: wokers: unknown key, did you mean `workers`?",
                "f:3:1: workers: duplicate key",
            ],
        ),
        ("[[server]\nlisten = 1", &["f:1:10: unclosed array table, expected `]`"]),
        ("user = \"abc\n[[server]]", &["f:1:12: user: invalid basic string, expected `\"`"]),
    ] {
        assert_eq!(errors(text), lines);
    }
}

#[test]
fn tables_of_the_wrong_kind_are_errors() {
    assert_eq!(errors("[server]\n"), ["f:1:2: server: expected tables [[server]], found a table"]);
    assert_eq!(
        errors("server = [1]\n"),
        ["f:1:11: server: expected tables [[server]], found a number"]
    );
    let single = "[[server]]\n[server.location]\npath = '/'\n";
    assert_eq!(
        errors(single),
        ["f:2:9: location: expected tables [[server.location]], found a table"]
    );
    assert_eq!(errors(""), ["f:1:1: server: missing: a file needs at least one [[server]]"]);
}

#[test]
fn a_byte_order_mark_does_not_matter() {
    assert_eq!(
        errors("\u{feff}workers=0\n[[server]]")[0],
        "f:1:9: workers: must be a number from 1 to 1024"
    );
}

#[test]
fn a_file_that_is_not_utf8_says_where() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"a = 1\nb = \"\xff\"").unwrap();
    let errors = Config::load(file.path(), &[]).unwrap_err().to_string();
    assert_eq!(errors, format!("{}:2:6: cannot be read: not UTF-8", file.path().display()));
}

const REFERENCE: &str = include_str!("../../conf/reference.toml");

/// The reference with its defaults and examples in effect.
fn uncommented() -> String {
    let is_key = |line: &str| KEYS.contains(&line.split(" = ").next().unwrap_or_default());
    let uncomment = |line: &'static str| {
        let bare = line.trim_start_matches(['#', ' ']);
        if is_key(bare) { bare } else { line }
    };
    REFERENCE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_examples_of_the_reference_are_sound() {
    // These two conflict with what they are meant to replace.
    let text = uncommented().replace("\npush_message_buffer_length = 10\n", "\n");
    parse(&text.replace("\nproxy_pass = \"http://127.0.0.1:8000\"\n", "\n"));
    let keys = ["push_publisher = false", "push_subscriber = false", "push_pubsub = true"];
    let role = |line: &&str| !keys.contains(line);
    parse(&text.lines().filter(role).collect::<Vec<_>>().join("\n"));
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>(), option in any::<String>()) {
        let _ = Config::parse("f", &text, &[option]);
    }

    #[test]
    fn no_text_of_toml_letters_panics(text in "[\\[\\]a-c.=\"'{},#\n0-9 _\\\\-]{0,60}") {
        let _ = Config::parse("f", &text, &[]);
    }

    #[test]
    fn no_value_panics(
        key in prop::sample::select(KEYS),
        value in prop_oneof!["[ -~\u{e4}]{0,12}", "'[ -~&&[^']]{0,12}'", "-?[0-9]{1,25}", "\\[('[a-z$~ :/*.0-9-]{0,9}',? ?){0,3}\\]"],
    ) {
        let line = format!("{key} = {value}\n");
        let text = format!(
            "[[server]]\n{line}[[server.location]]\npath = '~ (.)'\npush_pubsub = true\n\
             push_channel_id = 'x'\n[[server.location]]\n{line}"
        );
        if let Err(errors) = Config::parse("f", &text, &[line]) {
            prop_assert!(errors.iter().count() > 0);
            for error in &errors {
                prop_assert!(!error.to_string().contains('\n'));
            }
        }
    }

    #[test]
    fn no_mutation_of_the_reference_panics(
        cuts in prop::collection::vec((0..REFERENCE.len() * 3 / 4, 0..40_usize, "[ -~\n\u{e4}]{0,6}"), 1..5),
    ) {
        let mut text = uncommented();
        for (at, length, insertion) in cuts {
            let at = text.floor_char_boundary(at);
            let end = text.floor_char_boundary(at + length).max(at);
            text.replace_range(at..end, &insertion);
        }
        let _ = Config::parse("f", &text, &[]);
    }
}

#[test]
fn a_status_is_a_role_of_its_own_and_the_nearest_role_counts() {
    use StatusFormat::{Json, Prometheus, Text};
    let status = |root: &str, own: &str| {
        let text = format!("{root}\n[[server]]\n[[server.location]]\npath = '/'\n{own}");
        let location = parse(&text).servers[0].locations[0].clone();
        let plain = location.publisher.is_some() || location.subscriber.is_some();
        assert_ne!(plain, location.status.is_some(), "{text}");
        (location.status, location.access == Access::local())
    };
    let overview = |format| (Some(Status::Overview(format)), true);
    for (own, expected) in [
        ("push_status = true", overview(None)),
        ("push_status = true\npush_status_format = ''", overview(None)),
        ("push_status = true\npush_status_format = 'text'", overview(Some(Text))),
        ("push_status = true\npush_status_format = 'json'", overview(Some(Json))),
        ("push_status = true\npush_status_format = 'prometheus'", overview(Some(Prometheus))),
        ("push_channels_status = true", (Some(Status::Channels), true)),
        ("push_channels_status = true\naccess = ['allow all']", (Some(Status::Channels), false)),
        ("push_health = true", (Some(Status::Health(Health::Live)), false)),
        ("push_health = 'live'", (Some(Status::Health(Health::Live)), false)),
        ("push_health = 'ready'", (Some(Status::Health(Health::Ready)), false)),
    ] {
        assert_eq!(status("", own), expected, "{own}");
        assert_eq!(status("push_pubsub = true\npush_channel_id = 'x'", own), expected, "{own}");
        assert!(status("push_status_format = 'text'", own).0.is_some());
    }
    let own = "push_subscriber = true\npush_channel_id = 'x'";
    assert_eq!(status("push_status = true", own), (None, false));
    let health = (Some(Status::Health(Health::Live)), false);
    assert_eq!(status("push_status = true", "push_health = true"), health);
}

#[test]
fn what_does_not_go_with_a_status_is_an_error() {
    for (own, expected) in [
        (
            "push_status = true\npush_pubsub = true",
            "f:5:15: push_status: conflicts with `push_pubsub`",
        ),
        (
            "push_channels_status = true\npush_publisher = true",
            "f:5:24: push_channels_status: conflicts with `push_publisher`",
        ),
        (
            "push_status = true\npush_health = 'live'",
            "f:5:15: push_status: conflicts with `push_health`",
        ),
        ("push_health = 'dead'", "f:5:15: push_health: \"dead\" is none of \"live\", \"ready\""),
        (
            "push_health = 1",
            "f:5:15: push_health: expected true, false, \"live\" or \"ready\", found a number",
        ),
        (
            "push_status = true\npush_status_format = 'xml'",
            "f:6:22: push_status_format: \"xml\" is none of \"text\", \"json\", \"prometheus\", \"\"",
        ),
        (
            "push_health = true\npush_status_format = 'json'",
            "f:6:22: push_status_format: without effect: push_status is not on",
        ),
        ("push_status = 'yes'", "f:5:15: push_status: expected true or false, found a string"),
        (
            "push_status = true\npush_gap_events = true\npush_stream_preset = 'iframe'",
            "f:7:22: push_stream_preset: without effect: push_subscriber does not offer \"stream\"",
        ),
    ] {
        assert_eq!(location_errors(own), [expected], "{own}");
    }
}

/// A location with these keys, whose errors begin in line 3.
fn onward(keys: &str) -> String {
    format!("[[server]]\n[[server.location]]\n{keys}\n")
}

#[test]
fn requests_go_on_to_an_address_or_an_upstream() {
    let app = "[[upstream]]\nname = 'app'\nservers = ['a:1', 'unix:/b']\nmax_fails = 2\n\
               fail_timeout = '5s'\nkeepalive = 0\n";
    for (pass, upstream, uri) in [
        ("app", "app", None),
        ("http://app", "app", None),
        ("http://app/x/", "app", Some("/x/")),
        ("http://app:80", "app:80", None),
        ("http://127.0.0.1:8000/", "127.0.0.1:8000", Some("/")),
        ("http://unix:/run/a.sock:/x", "unix:/run/a.sock", Some("/x")),
    ] {
        let config =
            parse(&format!("{app}{}", onward(&format!("path = '/'\nproxy_pass = '{pass}'"))));
        let location = &config.servers[0].locations[0];
        let proxy = location.proxy.as_ref().unwrap();
        assert_eq!(&*config.upstreams[proxy.upstream].name, upstream);
        assert_eq!(proxy.uri.as_deref(), uri);
        assert_eq!(proxy.timeouts, Timeouts::default());
        assert!(location.publisher.is_none() && location.subscriber.is_none());
    }
    let upstream = &parse(&format!(
        "{app}{}",
        onward("path = '/'\npush_pubsub = true\npush_channel_id = 'x'")
    ))
    .upstreams[0];
    assert_eq!((upstream.max_fails, upstream.keepalive), (2, 0));
    assert_eq!(upstream.fail_timeout, seconds(5));
    let servers: Vec<_> = upstream.servers.iter().map(Address::to_string).collect();
    assert_eq!(servers, ["a:1", "unix:/b"]);
}

#[test]
fn one_address_is_one_upstream_wherever_it_is_named() {
    let two = "path = '/a'\nproxy_pass = 'http://x:1'\n[[server.location]]\npath = '/b'\n\
               proxy_pass = 'http://x:1/y'";
    let config = parse(&onward(two));
    assert_eq!(config.upstreams.len(), 1);
    assert_eq!((config.upstreams[0].max_fails, config.upstreams[0].keepalive), (1, 32));
}

#[test]
fn a_nearer_table_of_headers_replaces_the_other() {
    let root = "proxy_set_header = { Host = '$host', X-A = '1' }\nproxy_read_timeout = '1h'\n";
    let own = "path = '/'\nproxy_pass = 'http://x'";
    let names = |keys: &str| {
        let config = parse(&format!("{root}{}", onward(&format!("{own}\n{keys}"))));
        let proxy = config.servers[0].locations[0].proxy.as_ref().unwrap();
        assert_eq!(proxy.timeouts.read, seconds(3600));
        proxy.set_headers.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["host", "x-a"]);
    assert_eq!(names("proxy_set_header = { X-B = '' }"), ["x-b"]);
    assert_eq!(names("proxy_set_header = {}"), [""; 0]);
    assert_eq!(names("[server.location.proxy_set_header]\nX-C = '$arg_x'"), ["x-c"]);
}

#[test]
fn roles_of_the_levels_around_yield_to_proxy_pass_and_its_own_do_not() {
    let root = "push_pubsub = true\npush_channel_id = 'x'\n";
    let config = parse(&format!("{root}{}", onward("path = '/'\nproxy_pass = 'http://x'")));
    let location = &config.servers[0].locations[0];
    assert!(location.proxy.is_some() && location.publisher.is_none());
    assert_eq!(location.access, Access::default());
    for role in ["push_publisher", "push_subscriber", "push_pubsub"] {
        let keys =
            format!("path = '/'\npush_channel_id = 'x'\nproxy_pass = 'http://x'\n{role} = true");
        let expected = format!("f:6:{}: {role}: conflicts with `proxy_pass`", role.len() + 4);
        assert_eq!(errors(&onward(&keys)), [expected]);
    }
}

#[test]
fn an_internal_publisher_admits_whom_the_application_sends() {
    let keys = "path = '/'\npush_channel_id = 'x'\npush_publisher = true\ninternal = true";
    let config = parse(&onward(keys));
    let location = &config.servers[0].locations[0];
    assert!(location.internal);
    assert_eq!(location.access, Access::default());
}

#[test]
fn an_application_that_speaks_grip_is_told_apart() {
    let secret = "'HS256 text:0123456789abcdef0123456789abcdef'";
    let root = format!("push_grip = true\npush_grip_key = {secret}\n");
    let app = "path = '/'\nproxy_pass = 'http://x'";
    let items = "path = '/publish/'\npush_grip_publish = true";
    let plain = "path = '/listen/'\npush_subscriber = true\npush_channel_id = 'x'";
    let next = "\n[[server.location]]\n";
    let config = parse(&format!("{root}{}", onward(&[app, items, plain].join(next))));
    let [app, items, plain] = &config.servers[0].locations[..] else { panic!() };
    let grip = app.grip.as_ref().unwrap();
    assert!(grip.signer.is_some() && app.items.is_none());
    assert_eq!(&*grip.issuer, "pushgate");
    assert!(items.items.as_ref().unwrap().signer.is_some() && items.grip.is_none());
    assert_eq!(items.access, Access::local());
    assert!(plain.grip.is_none() && plain.items.is_none());
}

#[test]
fn wrong_words_about_grip_are_named() {
    let own = |keys: &str| errors(&onward(&format!("path = '/'\n{keys}")));
    let passes = "proxy_pass = 'http://x'";
    for (keys, reason) in [
        (
            "push_grip_publish = true\npush_grip = true".to_owned(),
            "f:5:13: push_grip: without effect: the location has no proxy_pass",
        ),
        (
            format!("{passes}\npush_grip_publish = true"),
            "f:5:21: push_grip_publish: conflicts with `proxy_pass`",
        ),
        (
            "push_channel_id = 'x'\npush_publisher = true\npush_grip_publish = true".to_owned(),
            "f:6:21: push_grip_publish: conflicts with `push_publisher`",
        ),
        (
            format!("{passes}\npush_grip_key = 'x'"),
            "f:5:17: push_grip_key: the value is not an algorithm and a key",
        ),
        (
            format!("{passes}\npush_grip_key = 'HS256 text:short'"),
            "f:5:17: push_grip_key: the value is a secret shorter than",
        ),
        (
            format!("{passes}\npush_grip_key = 'EdDSA text:x'"),
            "f:5:17: push_grip_key: the value names no algorithm of HS256, RS256, ES256",
        ),
        (
            format!("{passes}\npush_grip_issuer = 'x'"),
            "f:5:20: push_grip_issuer: without effect: the location has neither push_grip nor push_grip_publish",
        ),
        (
            format!("{passes}\npush_grip_websocket = 'pass'"),
            "f:5:23: push_grip_websocket: without effect: the location has neither push_grip nor push_grip_publish",
        ),
        (
            format!("{passes}\npush_grip = true\npush_grip_websocket = 'over-http'"),
            "f:6:23: push_grip_websocket: \"over-http\" is none of \"pass\", \"over_http\"",
        ),
        (
            format!("{passes}\npush_grip = 1"),
            "f:5:13: push_grip: expected true or false, found a number",
        ),
    ] {
        let found = own(&keys);
        assert!(found.len() == 1 && found[0].starts_with(reason), "{keys}: {found:?}");
    }
    let private = concat!(env!("CARGO_MANIFEST_DIR"), "/src/credentials/jwt/keys/rsa.pem");
    let items = format!("push_grip_publish = true\npush_grip_key = 'RS256 file:{private}'");
    let why = "push_jwt: missing: push_grip_publish needs it, where push_grip_key is a private key";
    assert_eq!(own(&items), [format!("f:5:17: {why}")]);
    let public = private.replace("rsa.pem", "rsa.pub.pem");
    let jwt = format!("\npush_jwt = 'RS256 file:{public}'");
    parse(&onward(&format!("path = '/'\n{items}{jwt}")));
}

#[test]
fn wrong_words_about_the_application_are_named() {
    let own = |keys: &str| errors(&onward(&format!("path = '/'\n{keys}")));
    for (keys, reason) in [
        ("proxy_pass = 'https://x'", "f:4:14: proxy_pass: \"https://x\" is not an URL like"),
        ("proxy_pass = 'http://x:y'", "f:4:14: proxy_pass: \"http://x:y\" is not an URL like"),
        ("proxy_pass = 'http://$host'", "f:4:14: proxy_pass: \"http://$host\" is not an URL like"),
        ("proxy_pass = 'app'", "f:4:14: proxy_pass: there is no upstream \"app\""),
        ("proxy_pass = 1", "f:4:14: proxy_pass: expected a string, found a number"),
        (
            "proxy_pass = 'http://x'\nproxy_set_header = 'x'",
            "f:5:20: proxy_set_header: expected a table like { Host = \"$host\" }, found a string",
        ),
        (
            "proxy_pass = 'http://x'\nproxy_set_header = { 'a b' = 'x' }",
            "f:5:22: proxy_set_header: \"a b\" is not the name of a header",
        ),
        (
            "proxy_pass = 'http://x'\nproxy_set_header = { Connection = 'x' }",
            "f:5:22: proxy_set_header: \"Connection\" is not a header that can be set",
        ),
        (
            "proxy_pass = 'http://x'\nproxy_set_header = { A = '1', a = '2' }",
            "f:5:31: proxy_set_header: \"a\" is already taken in this table",
        ),
        (
            "proxy_pass = 'http://x'\nproxy_set_header = { A = '$nothing' }",
            "f:5:26: proxy_set_header: unknown variable `$nothing`",
        ),
        (
            "proxy_pass = 'http://x'\nproxy_read_timeout = 0",
            "f:5:22: proxy_read_timeout: must be more than 0",
        ),
    ] {
        let errors = own(keys);
        assert!(errors.len() == 1 && errors[0].starts_with(reason), "{keys}: {errors:?}");
    }
    let role = "push_publisher = true\npush_channel_id = 'x'\n";
    for key in [
        "proxy_set_header = {}",
        "proxy_connect_timeout = '1s'",
        "proxy_send_timeout = '1s'",
        "proxy_read_timeout = '1s'",
    ] {
        let errors = own(&format!("{role}{key}"));
        assert!(
            errors[0].ends_with("without effect: the location has no proxy_pass"),
            "{errors:?}"
        );
    }
    let regex = errors(&onward("path = '~ ^/x'\nproxy_pass = 'http://x/y'"));
    assert!(
        regex[0].contains("an URL without a path, which a regular expression cannot replace"),
        "{regex:?}"
    );
    let outside = errors("proxy_pass = 'http://x'\ninternal = true\nname = 'x'\n");
    assert_eq!(outside.len(), 3);
    assert!(outside[2].ends_with("this key belongs in an [[upstream]]"), "{outside:?}");
}

#[test]
fn wrong_upstreams_are_named() {
    let with = |table: &str| {
        errors(&format!("[[upstream]]\n{table}\n{}", onward("path = '/'\nproxy_pass = 'http://x'")))
    };
    for (table, expected) in [
        ("name = 'a'", "f:1:1: servers: missing: every upstream needs one"),
        ("servers = ['a']", "f:1:1: name: missing: every upstream needs one"),
        ("name = 'a'\nservers = []", "f:1:1: servers: missing: every upstream needs one"),
        (
            "name = 'a b'\nservers = ['a']",
            "f:2:8: name: \"a b\" is not a name of letters, digits, \"-\", \"_\" and \".\"",
        ),
        (
            "name = 'a'\nservers = ['a', 'a:80']",
            "f:3:17: servers: \"a:80\" is already taken in this list",
        ),
        (
            "name = 'a'\nservers = ['a']\n[[upstream]]\nname = 'a'\nservers = ['b']",
            "f:5:8: name: \"a\" is already taken by an earlier upstream",
        ),
        (
            "name = 'a'\nservers = ['a']\nmax_fail = 1",
            "f:4:1: max_fail: unknown key, did you mean `max_fails`?",
        ),
        (
            "name = 'a'\nservers = ['a']\npath = '/'",
            "f:4:1: path: this key belongs in a [[server.location]]",
        ),
    ] {
        assert_eq!(with(table), [expected], "{table}");
    }
    // One that could not be read may be the one that is meant.
    let unread = "[[upstream]]\nname = 'app'\nservers = ['::']\n";
    let errors = errors(&format!("{unread}{}", onward("path = '/'\nproxy_pass = 'app'")));
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("f:3:12: servers: \"::\" is not an address like"), "{errors:?}");
    let typo = "[[upstream]]\nname = 'django'\nservers = ['a']\n";
    let text = format!("{typo}{}", onward("path = '/'\nproxy_pass = 'jango'"));
    let errors = super::Config::parse("f", &text, &[]).unwrap_err();
    assert!(
        errors.to_string().ends_with("there is no upstream \"jango\", did you mean `django`?"),
        "{errors}"
    );
}

#[test]
fn what_visitors_bring_is_asked_for_as_it_is_written() {
    let secret = "text:0123456789abcdef0123456789abcdef";
    let own = format!(
        "push_jwt = ['HS256 {secret}']\npush_jwt_issuer = 'me'\npush_secure_link = '$arg_s,$arg_e'\n\
         push_secure_link_secret = 'text:x'"
    );
    let location = location("", &own);
    let (jwt, link) = (location.jwt.as_ref().unwrap(), location.secure_link.as_ref().unwrap());
    assert_eq!((jwt.keys.len(), jwt.token.len()), (1, 2));
    assert_eq!(jwt.claim.as_deref(), Some("channels"));
    assert_eq!(jwt.expected.issuers, ["me"]);
    assert_eq!(link.text.to_string(), "${push_channel_id}");
}

#[test]
fn what_is_signed_says_the_group_where_the_client_chooses_it() {
    let jwt = "push_jwt = 'HS256 text:0123456789abcdef0123456789abcdef'";
    let link = "push_secure_link = '$arg_s,$arg_e'\npush_secure_link_secret = 'text:x'";
    let text = |text: &str| format!("{link}\npush_secure_link_text = '{text}'");
    let errors = |group: &str, keys: &str| {
        let keys = format!("push_pubsub = true\npush_channel_group = '{group}'\n{keys}");
        let text = format!(
            "[[server]]\n[[server.location]]\npath = '~ ^/(.)'\npush_channel_id = 'x'\n{keys}"
        );
        Config::parse("f", &text, &[]).err().map(|errors| errors.to_string())
    };
    let token = "is not signed with the channels of push_jwt: its tokens would open them in every \
                 group; take the group from a claim ($jwt_NAME)";
    let linked = "is not signed with push_secure_link: its links would open their channels in every \
                  group; put it into push_secure_link_text";
    for (group, keys, expected) in [
        ("$arg_g", jwt, Some(("$arg_g", token))),
        ("a-$1", jwt, Some(("$1", token))),
        ("$host", jwt, Some(("$host", token))),
        ("$arg_g", link, Some(("$arg_g", linked))),
        ("$arg_g-$cookie_c", &text("$arg_g:$push_channel_id"), Some(("$cookie_c", linked))),
        ("$arg_g", &text("${ARG_G}:$push_channel_id"), None),
        ("$jwt_tenant-$server_name", &format!("{jwt}\n{link}"), None),
        ("$arg_g", &format!("{jwt}\npush_jwt_claim = ''"), None),
        ("$arg_g", &format!("{jwt}\ninternal = true"), None),
        ("$http_g", &format!("{jwt}\ninternal = true"), Some(("$http_g", token))),
        ("$arg_g", "", None),
    ] {
        let expected = expected.map(|(name, why)| format!("push_channel_group: {name:?} {why}"));
        match (errors(group, keys), &expected) {
            (None, None) => {}
            (Some(said), Some(expected)) if said.ends_with(&**expected) => {}
            (said, _) => panic!("{group} {keys}: {said:?}"),
        }
    }
}

#[test]
fn keys_and_secrets_that_are_none_are_said_and_not_shown() {
    let errors = location_errors(
        "push_publisher = true\n\
         push_jwt = ['HS256 text:short', 'none text:x', 'RS256 file:/nonexistent/key']\n\
         push_secure_link = '$arg_s,$arg_e'",
    );
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(errors[0].contains("push_jwt: the value is a secret shorter than the 32 bytes"));
    assert!(errors[1].contains("push_jwt: the value names no algorithm of HS256"));
    assert!(errors[2].contains("push_jwt: the value names a file that cannot be read"));
    assert!(errors[3].contains("push_secure_link_secret: missing: push_secure_link needs it"));
    assert!(!errors.concat().contains("text:short"));
}

#[test]
fn what_the_application_is_asked_goes_where_it_is_written() {
    let asks = "push_authorize_request = '/auth?c=$push_channel_id'\npush_authorize_cache = '5s'\n\
                push_publisher_upstream_request = 'http://a:1/edit'\nproxy_read_timeout = '3s'\n\
                proxy_set_header = { X-A = '1' }\npush_subscribe_request = 'app/sub'\n\
                push_unsubscribe_request = ''\npush_channel_events = 'ev'\npush_presence = '$arg_who'";
    let text = format!(
        "push_unsubscribe_request = '/auth/out'\n[[upstream]]\nname = 'app'\nservers = ['b']\n\
         [[server]]\n[[server.location]]\npath = '/auth'\nproxy_pass = 'app'\n\
         [[server.location]]\npath = '/'\npush_pubsub = true\npush_channel_id = 'x'\n{asks}"
    );
    let config = parse(&text);
    let locations = &config.servers[0].locations;
    assert!(locations[0].hooks.unsubscribe.is_none());
    let hooks = &locations[1].hooks;
    let authorize = hooks.authorize.as_ref().unwrap();
    assert!(authorize.to.is_none());
    assert_eq!(authorize.uri.to_string(), "/auth?c=${push_channel_id}");
    assert_eq!(hooks.authorize_cache, Some(seconds(5)));
    let publish = hooks.publish.as_ref().unwrap();
    let proxy = publish.to.as_ref().unwrap();
    assert_eq!(&*config.upstreams[proxy.upstream].name, "a:1");
    assert_eq!((proxy.timeouts.read, proxy.set_headers.len()), (seconds(3), 1));
    let subscribe = hooks.subscribe.as_ref().unwrap().to.as_ref().unwrap();
    assert_eq!(&*config.upstreams[subscribe.upstream].name, "app");
    assert!(hooks.unsubscribe.is_none());
    let events = hooks.events.as_ref().unwrap();
    assert_eq!(events.text.to_string(), "${push_channel_event} ${push_channel_id}");
    assert!(events.presence_text.to_string().ends_with(" ${push_identity}"));
    assert_eq!(hooks.presence.as_ref().unwrap().grace, seconds(15));
}

#[test]
fn wrong_words_about_what_the_application_is_asked_are_named() {
    let own = |keys: &str| location_errors(&format!("push_pubsub = true\n{keys}"));
    for (keys, expected) in [
        (
            "push_authorize_request = 'https://x/'",
            "push_authorize_request: \"https://x/\" is not a path",
        ),
        ("push_authorize_request = 'http://$host/'", "is not a path of this server, an URL like"),
        (
            "push_authorize_request = 'app/x'",
            "push_authorize_request: there is no upstream \"app\"",
        ),
        ("push_authorize_request = 1", "push_authorize_request: expected a string, found a number"),
        (
            "push_authorize_request = 'http://a/?$x'",
            "push_authorize_request: unknown variable `$x`",
        ),
        ("push_authorize_request = '/a'", "\"/a\" is not a path whose location has a proxy_pass"),
        (
            "push_unsubscribe_request = '/a/b?x'",
            "\"/a/b\" is not a path whose location has a proxy_pass",
        ),
        ("push_authorize_cache = '1s'", "without effect: there is no push_authorize_request"),
        ("push_presence_grace = '1s'", "without effect: there is no push_presence"),
        ("push_channel_event_string = 'x'", "without effect: there are no push_channel_events"),
        ("push_channel_events = '$x'", "push_channel_events: unknown variable `$x`"),
        ("push_hook_queue = 1", "push_hook_queue: this key belongs on the root level"),
    ] {
        let errors = own(keys);
        assert!(errors.len() == 1 && errors[0].contains(expected), "{keys}: {errors:?}");
    }
    let errors_of = |role: &str, keys: &str| location_errors(&format!("{role} = true\n{keys}"));
    for (role, key, why) in [
        ("push_subscriber", "push_publisher_upstream_request", "the location does not publish"),
        ("push_publisher", "push_subscribe_request", "the location does not subscribe"),
        ("push_publisher", "push_unsubscribe_request", "the location does not subscribe"),
    ] {
        let errors = errors_of(role, &format!("{key} = 'http://a/'"));
        assert!(errors.len() == 1 && errors[0].ends_with(why), "{errors:?}");
    }
    for key in ["push_subscribe_request", "push_unsubscribe_request"] {
        let polls = "push_subscriber = ['long-poll', 'interval-poll']";
        let errors = location_errors(&format!("{polls}\n{key} = 'http://a/'"));
        let why = "without effect: polls do not stay, so the application is not asked";
        assert!(errors.len() == 1 && errors[0].ends_with(why), "{errors:?}");
    }
    let proxied = errors(&onward("path = '/'\nproxy_pass = 'http://x'\npush_presence = 'x'"));
    assert!(proxied[0].ends_with("the location neither publishes nor subscribes"), "{proxied:?}");
    let none = errors("push_hook_queue = 0\n[[server]]");
    assert_eq!(none, ["f:1:19: push_hook_queue: must be a number from 1 on"]);
}

#[test]
fn what_visitors_bring_is_not_asked_for_where_it_would_protect_nothing() {
    let jwt = "push_jwt = 'HS256 text:0123456789abcdef0123456789abcdef'";
    let why = "without effect: the location neither publishes nor subscribes";
    for role in ["proxy_pass = 'http://x'", "push_status = true"] {
        let errors = location_errors(&format!("{role}\n{jwt}"));
        assert!(errors.len() == 1 && errors[0].ends_with(why), "{errors:?}");
        let text = format!("{jwt}\n[[server]]\n[[server.location]]\npath = '/'\n{role}");
        assert!(parse(&text).servers[0].locations[0].jwt.is_some());
    }
}

#[test]
fn guards_of_outer_levels_that_guard_nothing_are_worth_a_warning() {
    const PROXY: &str = "proxy_pass = 'http://127.0.0.1:9'\n";
    const STATUS: &str = "push_status = true\n";
    let keys = "push_secure_link = '$arg_s,$arg_e'\n\
                push_secure_link_secret = 'text:0123456789abcdef0123456789abcdef'\n\
                push_authorize_request = 'http://127.0.0.1:9/may'\n";
    let warnings = |outer: &str, location: &str| {
        let text = format!("[[server]]\n{keys}{outer}[[server.location]]\npath = '/x'\n{location}");
        parse(&text).warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for (outer, location, role) in [
        ("access = 'allow all'\n", STATUS, Some("push_status")),
        ("access = 'allow all'\n", "push_dashboard = true\n", Some("push_dashboard")),
        // They are closed to strangers, or there are guards.
        ("", STATUS, None),
        // Pages of an application are its affair.
        ("", PROXY, None),
        ("access = 'allow all'\n", PROXY, None),
        ("access = ['allow 10.0.0.0/8', 'deny all']\n", STATUS, None),
        ("access = 'allow all'\n", "push_status = true\ninternal = true\n", None),
        ("", "push_status = true\naccess = 'allow all'\n", None),
        ("", "push_health = true\n", None),
        ("", "push_subscriber = true\npush_channel_id = '$arg_id'\n", None),
    ] {
        let told = warnings(outer, location);
        let expected = role.map(|role| {
            format!(
                "path: \"/x\" is not guarded by push_secure_link and push_authorize_request of an \
                 outer level, because of its {role}; access may say who comes here"
            )
        });
        let reasons: Vec<_> = told.iter().map(|line| line.split_once(": ").unwrap().1).collect();
        assert_eq!(
            reasons,
            expected.as_deref().into_iter().collect::<Vec<_>>(),
            "{outer}{location}"
        );
    }
    // Items are guarded by what they are published with, and no application is asked.
    let asks = "push_authorize_request = 'http://127.0.0.1:9/may'\n";
    for (keys, expected) in [
        ("access = 'allow all'\n", 1),
        ("", 0),
        (
            "access = 'allow all'\npush_grip_key = 'HS256 text:0123456789abcdef0123456789abcdef'\n",
            0,
        ),
    ] {
        let items = "[[server.location]]\npath = '/x'\npush_grip_publish = true\n";
        assert_eq!(parse(&format!("[[server]]\n{asks}{keys}{items}")).warnings.len(), expected);
    }
}

#[test]
fn what_a_channel_has_is_never_known_before_there_is_one() {
    for (keys, told) in [
        ("push_channel_id = '$arg_c$push_channel_id'", Some("push_channel_id: `$push_channel_id`")),
        (
            "push_channel_id = 'x'\npush_channel_group = '$push_channel_id'",
            Some("push_channel_group: `$push_channel_id`"),
        ),
        (
            "push_channel_id = 'x'\npush_presence = '$push_channel_event'",
            Some("push_presence: `$push_channel_event`"),
        ),
        (
            "push_channel_id = 'x'\npush_channel_events = 'of-$push_channel_event'\n\
             push_channel_event_string = '$push_channel_event $push_channel_id'",
            None,
        ),
    ] {
        let text =
            format!("[[server]]\n[[server.location]]\npath = '/'\npush_pubsub = true\n{keys}");
        let warnings: Vec<_> = parse(&text).warnings.iter().map(ToString::to_string).collect();
        let expected = told.map(|told| format!("{told} is always empty here"));
        let said: Vec<_> =
            warnings.iter().map(|line| line.splitn(4, ':').nth(3).unwrap().trim()).collect();
        assert_eq!(said, expected.as_deref().into_iter().collect::<Vec<_>>(), "{keys}");
    }
    for (name, warnings) in [("push_channel_event", 1), ("push_channel_id", 0)] {
        let text = format!(
            "[[server]]\n[[server.location]]\npath = '/'\nproxy_pass = 'http://127.0.0.1:9'\n\
             proxy_set_header = {{ X-Event = '${name}' }}"
        );
        assert_eq!(parse(&text).warnings.len(), warnings, "{name}");
    }
}

#[test]
fn a_variable_that_is_never_known_where_it_stands_is_worth_a_warning() {
    const ALL: [&str; 3] = ["push_message_id", "push_previous_message_id", "push_subscriber_count"];
    for (key, known) in [
        ("push_authorize_request", &ALL[..]),
        ("push_subscribe_request", &ALL),
        ("push_unsubscribe_request", &[ALL[0], ALL[2]]),
        ("push_publisher_upstream_request", &[ALL[2]]),
        ("push_channel_event_string", &[ALL[0], ALL[2]]),
        ("push_channel_id", &[]),
        ("push_channel_events", &[]),
        ("push_presence", &[]),
    ] {
        for name in ALL {
            let others = ["push_channel_id = 'x'\n", "push_channel_events = 'ev'\n"];
            let others = others.into_iter().filter(|line| !line.starts_with(&format!("{key} ")));
            let text = format!(
                "[[server]]\n[[server.location]]\npath = '/'\npush_pubsub = true\n{key} = '{}'\n{}",
                if key.ends_with("_request") {
                    format!("http://127.0.0.1:9/?x=${name}")
                } else {
                    format!("${name}")
                },
                others.collect::<String>()
            );
            let told: Vec<_> = parse(&text).warnings.iter().map(ToString::to_string).collect();
            let warned = format!("f:5:{}: {key}: `${name}` is always empty here", key.len() + 4);
            let expected = if known.contains(&name) { Vec::new() } else { vec![warned] };
            assert_eq!(told, expected, "{text}");
        }
    }
}
