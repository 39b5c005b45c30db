//! nginx.conf in, TOML and a report out.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    Imported, import,
    names::{nchan, nginx, nginx_alone, push_module, push_stream},
    sense::{Names, Sense},
};
use crate::config::KEYS;

/// What comes of an nginx.conf.
#[track_caller]
fn imported(text: &str) -> Imported {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    import(&file).unwrap()
}

/// What comes of the `http` block's inside: it is fine, and what is below its first comment.
#[track_caller]
fn http(text: &str) -> (String, String) {
    let imported = imported(&format!("events {{}}\nhttp {{\n{text}\n}}\n"));
    let toml = imported.toml.split_once("\n\n").map_or("", |(_, rest)| rest).to_owned();
    assert_eq!(imported.faults, None, "{toml}");
    let report = imported.report.to_string().replace("nginx.conf:", "");
    (toml, report.replace("1: events: not needed: it tunes nginx\n", ""))
}

/// The same for the inside of one location.
#[track_caller]
fn location(text: &str) -> (String, String) {
    let (toml, report) = http(&format!("server {{ location /x {{\n{text}\n}} }}"));
    let body = toml.split_once("path = \"/x\"\n").map_or("", |(_, body)| body).to_owned();
    (body, report)
}

/// Every directive that the documentation of the modules names, and what their source has besides.
const PUSH_MODULE: &str = "push_publisher push_subscriber push_subscriber_concurrency push_store_messages \
    push_message_buffer_length push_min_message_buffer_length push_max_message_buffer_length \
    push_message_timeout push_delete_oldest_received_message push_max_reserved_memory \
    push_authorized_channels_only push_channel_group push_max_channel_id_length \
    push_max_channel_subscribers push_subscriber_timeout push_channel_timeout \
    push_ignore_queue_on_no_cache push_min_message_recipients push_sender push_listener \
    push_buffer_size push_queue_messages";

const PUSH_STREAM: &str = "push_stream_publisher push_stream_subscriber push_stream_channels_statistics \
    push_stream_shared_memory_size push_stream_channel_deleted_message_text \
    push_stream_channel_inactivity_time push_stream_ping_message_text push_stream_timeout_with_body \
    push_stream_message_ttl push_stream_max_subscribers_per_channel \
    push_stream_max_messages_stored_per_channel push_stream_max_channel_id_length \
    push_stream_max_number_of_channels push_stream_max_number_of_wildcard_channels \
    push_stream_wildcard_channel_prefix push_stream_events_channel_id push_stream_channels_path \
    push_stream_store_messages push_stream_channel_info_on_publish \
    push_stream_authorized_channels_only push_stream_header_template \
    push_stream_header_template_file push_stream_message_template push_stream_footer_template \
    push_stream_wildcard_channel_max_qtd push_stream_ping_message_interval \
    push_stream_subscriber_connection_ttl push_stream_longpolling_connection_ttl \
    push_stream_websocket_allow_publish push_stream_last_received_message_time \
    push_stream_last_received_message_tag push_stream_last_event_id push_stream_user_agent \
    push_stream_padding_by_user_agent push_stream_allowed_origins \
    push_stream_allow_connections_to_events_channel push_stream_content_type push_stream_keepalive \
    push_stream_websocket push_stream_eventsource_support \
    push_stream_shared_memory_cleanup_objects_ttl";

const NCHAN: &str = "nchan_channel_id nchan_pubsub_channel_id nchan_publisher_channel_id \
    nchan_pub_channel_id nchan_subscriber_channel_id nchan_sub_channel_id \
    nchan_channel_id_split_delimiter nchan_publisher nchan_publisher_location nchan_subscriber \
    nchan_subscriber_location nchan_pubsub nchan_pubsub_location nchan_group_location \
    nchan_stub_status nchan_subscriber_info nchan_subscriber_info_string nchan_channel_group \
    nchan_max_channel_id_length nchan_subscriber_first_message nchan_subscriber_last_message_id \
    nchan_subscriber_compound_etag_message_id nchan_subscriber_message_id_custom_etag_header \
    nchan_subscriber_http_raw_stream_separator nchan_longpoll_multipart_response \
    nchan_subscriber_timeout nchan_eventsource_event nchan_eventsource_ping_interval \
    nchan_eventsource_ping_event nchan_eventsource_ping_data nchan_eventsource_ping_comment \
    nchan_websocket_ping_interval nchan_websocket_client_heartbeat \
    nchan_subscribe_existing_channels_only nchan_max_channel_subscribers \
    nchan_subscriber_concurrency nchan_message_timeout nchan_message_buffer_length \
    nchan_message_max_buffer_length nchan_store_messages nchan_channel_timeout \
    nchan_shared_memory_size nchan_max_reserved_memory nchan_message_temp_path \
    nchan_deflate_message_for_websocket nchan_permessage_deflate_compression_level \
    nchan_permessage_deflate_compression_memlevel nchan_permessage_deflate_compression_window \
    nchan_permessage_deflate_compression_strategy nchan_storage_engine nchan_authorize_request \
    nchan_subscribe_request nchan_unsubscribe_request nchan_publisher_upstream_request \
    nchan_access_control_allow_origin nchan_access_control_allow_credentials \
    nchan_channel_group_accounting nchan_group_max_channels nchan_group_max_messages \
    nchan_group_max_messages_memory nchan_group_max_messages_disk nchan_group_max_subscribers \
    nchan_channel_events_channel_id nchan_channel_event_string nchan_benchmark \
    nchan_benchmark_time nchan_benchmark_messages_per_channel_per_minute \
    nchan_benchmark_message_padding_bytes nchan_benchmark_channels \
    nchan_benchmark_subscribers_per_channel nchan_benchmark_subscriber_distribution \
    nchan_benchmark_publisher_distribution nchan_redis_pass nchan_redis_server nchan_redis_url \
    nchan_use_redis nchan_redis_pass_inheritable nchan_redis_storage_mode \
    nchan_redis_nostore_fastpublish nchan_redis_namespace nchan_redis_username \
    nchan_redis_password nchan_redis_ssl nchan_redis_tls nchan_redis_ssl_client_certificate \
    nchan_redis_connect_timeout nchan_redis_cluster_connect_timeout nchan_redis_command_timeout \
    nchan_redis_ping_interval nchan_redis_reconnect_delay nchan_redis_retry_commands \
    nchan_redis_subscribe_weights nchan_redis_discovered_ip_range_blacklist \
    nchan_redis_accurate_subscriber_count nchan_redis_upstream_stats \
    nchan_redis_idle_channel_cache_timeout nchan_redis_optimize_target";

#[test]
fn every_directive_of_the_modules_is_known() {
    let names = Names::new(false);
    for name in [PUSH_MODULE, PUSH_STREAM, NCHAN].iter().flat_map(|names| names.split_whitespace())
    {
        assert!(names.get(name).is_some(), "{name}");
    }
}

#[test]
fn the_tables_are_sound() {
    let tables = [
        nchan::ROWS,
        nchan::LEGACY,
        nginx::ROWS,
        nginx_alone::ROWS,
        push_module::ROWS,
        push_stream::ROWS,
    ];
    for table in tables {
        let names: BTreeSet<_> = table.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), table.len(), "a name stands twice");
        for (name, sense) in table {
            match sense {
                Sense::Key(key, ..) => assert!(KEYS.contains(key), "{name}: {key}"),
                Sense::Idle(why) | Sense::Dropped(why) | Sense::Unless(_, why) => {
                    assert!(!why.is_empty() && !why.ends_with('.'), "{name}");
                }
                Sense::Part(_) => {}
            }
        }
    }
}

/// Whatever stands in a file is carried over, or there is a remark: here of every directive there is,
/// on every level.
#[test]
fn nothing_is_left_out_in_silence() {
    let tables = [nchan::ROWS, push_module::ROWS, push_stream::ROWS, nginx_alone::ROWS];
    let roles = ["_publisher", "_subscriber", "_pubsub", "_statistics", "_status", "_location"];
    let rows = tables.iter().copied().flatten();
    let names = rows.map(|(name, _)| name.replace('*', "x"));
    let names: Vec<_> = names.filter(|name| !roles.iter().any(|end| name.ends_with(end))).collect();
    let said = |text: &str, name: &str| {
        let mut words = text.split(|c: char| c == ':' || c.is_whitespace());
        words.any(|word| word == name)
    };
    for name in &names {
        for conf in [
            format!(
                "{name} x;\nhttp {{ server {{ location /p {{ nchan_publisher; nchan_channel_id 1; }} }} }}"
            ),
            format!(
                "http {{ {name} x; server {{ location /p {{ nchan_publisher; nchan_channel_id 1; }} }} }}"
            ),
            format!(
                "http {{ server {{ {name} x; location /p {{ nchan_publisher; nchan_channel_id 1; }} }} }}"
            ),
            format!(
                "http {{ server {{ location /p {{ {name} x; nchan_publisher; nchan_channel_id 1; }} }} }}"
            ),
        ] {
            let imported = imported(&conf);
            let carried = imported.toml.contains("\"x\"") || imported.toml.contains("[\"x\"");
            assert!(
                carried || said(&imported.report.to_string(), name),
                "{conf}\n{}",
                imported.toml
            );
        }
    }
    assert!(names.len() > 200);
}

#[test]
fn what_stands_above_is_written_above() {
    let (toml, report) = http(
        "push_message_timeout 10m; push_subscriber_timeout 30s;
         server { listen 81; push_channel_group g; set $push_channel_id $arg_id;
           location /p { push_publisher; allow 127.0.0.1; deny all; }
           location /q { push_publisher; push_message_timeout 1h; internal; }
           location /s { push_subscriber; } }",
    );
    let expected = r#"push_message_timeout = "10m"
push_subscriber_timeout = "30s"

# 4
[[server]]
listen = ["81"]
push_channel_group = "g"

# 5
[[server.location]]
path = "/p"
access = ["allow 127.0.0.1", "deny all"]
push_publisher = true
push_channel_id = "$arg_id"

# 6
[[server.location]]
path = "/q"
internal = true
push_publisher = true
push_channel_id = "$arg_id"
push_message_timeout = "1h"

# 7
[[server.location]]
path = "/s"
push_subscriber = ["long-poll"]
push_channel_id = "$arg_id"
"#;
    assert_eq!(toml.replace("# nginx.conf:", "# "), expected);
    assert_eq!(report, "");
}

#[test]
fn a_location_in_a_location_inherits_from_it() {
    let (toml, report) = http(
        "server { location /a/ { push_subscriber; set $push_channel_id $arg_id; push_channel_group g;
           location /a/b/ { push_subscriber interval-poll; }
           location ~ ^/a/(.)$ { push_subscriber; set $push_channel_id $1; }
           location ~ c { push_subscriber; } } }",
    );
    assert!(toml.contains("path = \"/a/b/\"\npush_subscriber = [\"interval-poll\"]"), "{toml}");
    assert!(
        toml.contains(
            "path = \"~ ^/a/(.)$\"\npush_subscriber = [\"long-poll\"]\npush_channel_id = \"$1\""
        ),
        "{toml}"
    );
    assert!(
        report.starts_with("6: location: differs: its expression is tried for every path"),
        "{report}"
    );
    assert_eq!(report.lines().count(), 1);
}

#[test]
fn the_modules_have_dialects_of_their_own() {
    let (toml, _) = http(
        "server {
           location /a { push_publisher; set $push_channel_id 1; internal; }
           location /c { push_stream_publisher admin; push_stream_channels_path 1; internal; } }",
    );
    assert_eq!(toml.matches("push_dialect").count(), 1, "{toml}");
    let (body, _) = location("push_subscriber; nchan_channel_id $arg_id;");
    assert!(body.contains("push_dialect = \"nchan\""), "{body}");
    assert!(
        body.contains("push_subscriber = [\"long-poll\", \"event-source\", \"websocket\""),
        "{body}"
    );
    let why = "it has directives of several push modules";
    let (_, report) = location("nchan_publisher; push_stream_subscriber; nchan_channel_id 1;");
    assert!(report.contains(why), "{report}");
}

#[test]
fn what_was_guarded_is_guarded_or_closed() {
    let channel = "nchan_subscriber longpoll; nchan_channel_id 1; nchan_access_control_allow_origin https://a.b;";
    for (guard, reason) in [
        ("auth_basic hello;", "auth_basic"),
        ("limit_except GET { deny all; }", "limit_except"),
        ("secure_link $arg_md5;", "secure_link"),
        ("if ($arg_x) { return 403; }", "if"),
        ("auth_request /nowhere;", "auth_request"),
        ("nchan_authorize_request /nowhere;", "nchan_authorize_request"),
        ("nchan_authorize_request /$nothing;", "nchan_authorize_request"),
        ("allow example.org;", "allow"),
    ] {
        let (body, report) = location(&format!("{channel} {guard}"));
        assert!(body.contains("access = [\"deny all\"]"), "{guard}: {body}");
        assert!(report.contains(&format!(": {reason}: closed: ")), "{report}");
    }
    for open in ["auth_basic off;", "if ($arg_x) { add_header X-A b; }", "auth_request off;"] {
        let (body, report) = location(&format!("{channel} {open}"));
        assert!(!body.contains("access"), "{open}: {body}");
        assert!(!report.contains("closed"), "{report}");
    }
    let (body, _) =
        location(&format!("{channel} satisfy any; allow 10.0.0.0/8; deny all; auth_basic x;"));
    assert!(body.contains("access = [\"allow 10.0.0.0/8\", \"deny all\"]"), "{body}");
}

#[test]
fn messages_that_the_application_was_to_see_are_not_published_unseen() {
    let (body, report) = location(
        "nchan_publisher http; nchan_channel_id 1; allow all; nchan_publisher_upstream_request /no;",
    );
    assert!(body.contains("access = [\"deny all\"]"), "{body}");
    assert!(report.contains("the location that it asks is not carried over"), "{report}");
}

#[test]
fn the_gap_of_a_location_that_is_not_carried_over_lets_nobody_in() {
    let (toml, report) = http(
        "server { location / { proxy_pass http://127.0.0.1:1; proxy_set_header Host $host; }
           location /p { push_subscriber; set $push_channel_id 1; }
           location /secret/ { deny all; root /x; }
           location /files/ { root /x; } }",
    );
    assert!(toml.contains("# Closed, because of deny: nothing else of the location is carried over.\n[[server.location]]\npath = \"/secret/\"\naccess = [\"deny all\"]\n"), "{toml}");
    assert!(!toml.contains("/files/"), "{toml}");
    assert!(report.contains("5: location: closed: "), "{report}");
    assert!(report.contains("its requests now belong to /\n"), "{report}");
}

#[test]
fn nginx_admits_everybody_and_so_does_the_result() {
    let (body, report) = location("push_publisher; set $push_channel_id $arg_id;");
    assert!(body.starts_with("access = [\"allow all\"]\n"), "{body}");
    assert_eq!(
        report,
        "4: push_publisher: open to all: who may use it is not limited: say so with access\n"
    );
    let (body, report) = location("nchan_subscriber longpoll; nchan_channel_id 1;");
    assert!(body.contains("push_allowed_origins = [\"*\"]"), "{body}");
    assert!(report.contains("4: nchan_subscriber: open to all: pages of all hosts"), "{report}");
}

#[test]
fn channels_that_cannot_be_named_are_no_locations() {
    for (text, why) in [
        ("push_subscriber;", "it does not say which channels are meant"),
        ("push_subscriber; set $push_channel_id \"\";", "it does not say which channels are meant"),
        ("push_subscriber; set $push_channel_id $uid_got;", "pushgate has no variable $uid_got"),
        ("push_subscriber; set $push_channel_id $1;", "the path \"/x\" has no groups"),
        (
            "push_subscriber; set $push_channel_id 1; push_channel_group $geoip_city;",
            "pushgate has no variable $geoip_city",
        ),
        (
            "push_subscriber telepathy; set $push_channel_id 1;",
            "pushgate has no transport \"telepathy\"",
        ),
        (
            "nchan_pubsub; nchan_publisher_channel_id 1; nchan_subscriber_channel_id 2;",
            "make it two locations",
        ),
        (
            "nchan_publisher websocket; nchan_channel_id 1;",
            "who publishes over WebSocket alone listens too",
        ),
    ] {
        let imported = imported(&format!("http {{ server {{ location /x {{ {text} }} }} }}"));
        assert_eq!(imported.locations, 0, "{text}");
        let report = imported.report.to_string();
        assert!(report.contains(&format!(": location: {}: ", "not carried over")), "{report}");
        assert!(report.contains(why), "{text}: {report}");
    }
}

#[test]
fn expressions_that_rust_does_not_know_are_told() {
    let (toml, report) = http(
        "server { location ~ ^/(?!a) { push_subscriber; set $push_channel_id 1; }
           location /b { push_subscriber; set $push_channel_id 1; } }",
    );
    assert!(!toml.contains("?!"), "{toml}");
    assert!(
        report.contains("3: location: not carried over: invalid regular expression"),
        "{report}"
    );
}

#[test]
fn questions_go_to_locations_or_are_asked_at_once() {
    let (toml, report) = http(
        "upstream app { server 127.0.0.1:8000; }
         server { location /s { nchan_subscriber es; nchan_channel_id $arg_id;
             nchan_access_control_allow_origin https://a.b;
             nchan_authorize_request /may; nchan_unsubscribe_request /gone?x=1; }
           location = /may { internal; proxy_pass http://app/may?c=$nchan_channel_id&$args; proxy_set_header Host $host; proxy_read_timeout 5; }
           location = /gone { internal; proxy_pass http://app/gone; proxy_set_header Host $host; } }",
    );
    for line in [
        "push_authorize_request = \"http://app/may?c=$push_channel_id&$args\"",
        "proxy_read_timeout = \"5s\"",
        "push_unsubscribe_request = \"/gone?x=1\"",
        "name = \"app\"\nservers = [\"127.0.0.1:8000\"]",
        "path = \"= /gone\"\ninternal = true\nproxy_pass = \"http://app/gone\"",
    ] {
        assert!(toml.contains(line), "{line}\n{toml}");
    }
    assert!(!toml.contains("= /may"), "{toml}");
    assert_eq!(report, "");
}

#[test]
fn servers_without_push_locations_are_left_out_and_those_with_tls_told() {
    let (toml, report) = http(
        "server { listen 80; server_name a.b; return 301 https://a.b; }
         server { listen 443 ssl http2; server_name a.b .c.d ~^x _; ssl_certificate x;
           location /s { push_subscriber; set $push_channel_id 1; } }
         server { listen 81 default_server; listen [::]:81; listen x:1;
           location /s { push_subscriber; set $push_channel_id 1; } }",
    );
    assert_eq!(toml.matches("[[server]]").count(), 2, "{toml}");
    let first = toml.find("listen = [\"81\", \"[::]:81\"]").unwrap();
    let second = toml
        .find("listen = [\"127.0.0.1:8080\"]\nserver_name = [\"a.b\", \"c.d\", \"*.c.d\"]")
        .unwrap();
    assert!(first < second, "{toml}");
    for line in [
        "3: server: not carried over: it has no location of the push modules",
        "4: listen: differs: pushgate speaks no TLS yet",
        "4: ssl_certificate: not carried over: pushgate speaks no TLS yet",
        "4: server_name: not carried over: \"~^x\"",
        "6: listen: not carried over: an address to listen on is not a name",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
}

#[test]
fn the_parts_of_the_push_stream_module_have_its_defaults() {
    let (body, _) =
        location("push_stream_publisher admin; push_stream_channels_path $arg_id; internal;");
    assert!(body.contains("push_store_messages = false"), "{body}");
    assert!(body.contains("push_channel_timeout = \"30s\""), "{body}");
    let (body, _) = location(
        "push_stream_publisher admin; push_stream_channels_path $arg_id; internal; push_stream_store_messages on;",
    );
    for line in [
        "push_store_messages = true",
        "push_message_timeout = \"30m\"",
        "push_max_message_buffer_length = 1000000",
    ] {
        assert!(body.contains(line), "{line}\n{body}");
    }
    let (body, report) = location(
        "push_stream_subscriber long-polling; push_stream_channels_path $arg_id; default_type application/json;
         push_stream_longpolling_connection_ttl 20s; push_stream_subscriber_connection_ttl 5m;",
    );
    for line in [
        "push_subscriber_timeout = \"20s\"",
        "push_ping_interval = 0",
        "default_type = \"application/json\"",
        "push_jsonp_callback = \"$arg_callback\"",
    ] {
        assert!(body.contains(line), "{line}\n{body}");
    }
    assert!(report.contains("push_stream_subscriber_connection_ttl: not needed"), "{report}");
}

#[test]
fn polls_of_the_push_stream_module_may_end_with_a_message() {
    let polls = |above: &str, subscriber: &str| {
        let location = format!("location /x {{ push_stream_channels_path $arg_id; {subscriber} }}");
        http(&format!("{above}\nserver {{ {location} }}"))
    };
    let (on, off) = ("push_stream_timeout_with_body on;", "push_stream_timeout_with_body off;");
    let long = "push_stream_subscriber long-polling;";
    for (above, expected) in [
        (on, Some("push_timeout_with_body = true")),
        (off, Some("push_timeout_with_body = false")),
        ("", None),
    ] {
        let (toml, report) = polls(above, long);
        let line = toml.lines().find(|line| line.starts_with("push_timeout_with_body"));
        assert_eq!(line, expected, "{toml}");
        assert!(!report.contains("timeout_with_body"), "{report}");
    }
    // The documentation has it in locations.
    let (toml, _) = polls("", &format!("{long} {on}"));
    assert!(toml.contains("push_timeout_with_body = true"), "{toml}");
    let (toml, report) = polls(on, "push_stream_subscriber eventsource;");
    assert!(!toml.contains("push_timeout_with_body"), "{toml}");
    assert!(report.contains("push_stream_timeout_with_body: not needed"), "{report}");
}

#[test]
fn statistics_of_the_push_stream_module_are_those_of_its_dialect() {
    let at = |path: &str| {
        location(&format!("push_stream_channels_statistics; {path} allow 127.0.0.1; deny all;"))
    };
    let (body, report) = at("push_stream_channels_path $arg_id;");
    assert!(body.contains("push_channels_status = true"), "{body}");
    assert!(!report.contains("push_stream_"), "{report}");
    let (_, report) = at("push_stream_channels_path $1;");
    let why =
        "push_stream_channels_path: differs: the channels are those that the argument id names";
    assert!(report.contains(why), "{report}");
}

#[test]
fn a_template_in_a_file_is_copied_if_it_is_a_short_text() {
    let folder = tempfile::tempdir().unwrap();
    let carried = |name: &str| {
        let file = folder.path().join(name);
        let (body, report) = location(&format!(
            "push_stream_subscriber streaming; push_stream_channels_path $arg_id;
             push_stream_header_template_file {};",
            file.display()
        ));
        let header = body.lines().find(|line| line.starts_with("push_header_template"));
        (header.map(str::to_owned), report)
    };
    std::fs::write(folder.path().join("page"), "<p>\n").unwrap();
    std::fs::write(folder.path().join("long"), " ".repeat((1 << 20) + 1)).unwrap();
    std::fs::write(folder.path().join("bytes"), b"\xFF").unwrap();
    let (header, report) = carried("page");
    assert_eq!((header.as_deref(), &*report), (Some("push_header_template = \"<p>\\n\""), ""));
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("endless")).unwrap();
    for (name, why) in [
        ("long", "it is too long"),
        ("bytes", "invalid utf-8"),
        ("endless", "it is not a file"),
        ("absent", "No such file"),
    ] {
        let (header, report) = carried(name);
        assert_eq!(header, None, "{name}");
        let told = format!(
            "push_stream_header_template_file: not carried over: cannot read the file: {why}"
        );
        assert!(report.contains(&told), "{name}: {report}");
    }
}

#[test]
fn lengths_of_the_push_module_are_set_by_the_nearest() {
    let (toml, _) = http(
        "push_message_buffer_length 5;
         server { location /a { push_publisher; set $push_channel_id 1; internal; push_max_message_buffer_length 9; } }",
    );
    assert!(toml.contains("push_max_message_buffer_length = 9\n"), "{toml}");
    assert!(toml.contains("push_min_message_buffer_length = 5\n"), "{toml}");
}

#[test]
fn values_that_cannot_be_read_are_told() {
    let (body, report) = location(
        "nchan_publisher http; nchan_channel_id 1; allow all; nchan_message_timeout $arg_t; nchan_message_buffer_length x;",
    );
    assert!(!body.contains("timeout") && !body.contains("length"), "{body}");
    assert!(
        report.contains("nchan_message_timeout: not carried over: pushgate does not compute it"),
        "{report}"
    );
    assert!(
        report.contains("nchan_message_buffer_length: not carried over: \"x\" is no number"),
        "{report}"
    );
}

#[test]
fn a_location_that_is_lost_says_what_was_in_it() {
    let (_, report) = http(
        "server { location /s { push_subscriber; set $push_channel_id 1; }
           location /g { nchan_group_location; index x; }
           location /f { root /x; }
           location ~ p { proxy_pass http://a/b; }
           location /t { proxy_pass https://a; } }
         upstream r { nchan_redis_server x; }",
    );
    for line in [
        "4: location: not carried over: nchan_group_location: limits of a group are not set",
        "5: location: not carried over: root: pushgate serves no files",
        "6: location: not carried over: a path in proxy_pass cannot replace",
        "7: location: not carried over: applications are spoken to without TLS",
        "8: upstream: not carried over: messages are in memory, on one node",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
}

proptest! {
    #[test]
    fn whatever_is_in_a_file_nothing_panics(
        words in prop::collection::vec(
            prop_oneof![
                Just("http"), Just("server"), Just("location"), Just("{"), Just("{"), Just("}"),
                Just(";"), Just(";"), Just("set"), Just("$push_channel_id"), Just("/x"), Just("~"),
                Just("push_publisher"), Just("push_subscriber"), Just("nchan_pubsub"),
                Just("nchan_channel_id"), Just("$arg_id"), Just("\"a\\\"b\""), Just("proxy_pass"),
                Just("http://a/"), Just("upstream"), Just("listen"), Just("if"), Just("(?!x)"),
                Just("\u{e4}"), Just("1M"), Just("${"), Just("\\"), Just("deny"), Just("all"),
            ],
            0..60,
        )
    ) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, words.join(" ")).unwrap();
        if let Ok(imported) = import(&file) {
            prop_assert!(imported.toml.parse::<toml::Table>().is_ok());
        }
    }
}

const CHANNEL: &str = "nchan_subscriber longpoll; nchan_channel_id $arg_id; nchan_access_control_allow_origin https://a.b;";
const CLOSED: &str = "access = [\"deny all\"]";

#[test]
fn whatever_turned_requests_away_closes() {
    for guard in [
        "return 403;",
        "return 301 https://a.b;",
        "if ($arg_x) { return 204; }",
        "if ($arg_x) { return 302 /login; }",
        "if ($arg_x) { rewrite ^ /login redirect; }",
        "if ($arg_x) { proxy_pass http://127.0.0.1:1; }",
        "set $own a; if ($arg_x) { set $own b; } set $other $own;",
        "rewrite ^ /login last;",
        "rewrite ^/x https://a.b;",
        "auth_jwt realm;",
        "auth_ldap on;",
        "access_by_lua_file a.lua;",
        "secure_link_secret x;",
        "satisfy any; deny 1.2.3.4; auth_basic x;",
        "satisfy any; allow 127.0.0.1; deny all; if ($arg_t = '') { return 403; }",
        "satisfy any; allow 127.0.0.1; deny all; limit_except GET { deny all; }",
    ] {
        let (body, report) = location(&format!("{CHANNEL} {guard}"));
        assert!(body.contains(CLOSED), "{guard}: {body}");
        assert!(report.contains(": closed: "), "{guard}: {report}");
    }
    for guard in [
        "if ($http_x_secret != a) { return 403; }",
        "return 301 https://a.b;",
        "rewrite ^/(x|y) /z;",
        "ssl_verify_client on;",
        "auth_jwt realm;",
        "auth_pam x;",
    ] {
        let (toml, _) = http(&format!("server {{ {guard} location /x {{ {CHANNEL} }} }}"));
        assert!(toml.contains(CLOSED), "{guard}: {toml}");
    }
    for open in [
        "rewrite ^/a/(.*)$ /$1 break;",
        "auth_ldap off;",
        "auth_jwt off;",
        "if ($arg_x) { set $nobody a; }",
    ] {
        let (body, _) = location(&format!("{CHANNEL} {open}"));
        assert!(!body.contains("access"), "{open}: {body}");
    }
    let (toml, _) = http(&format!("server {{ rewrite ^/old/ /new; location /x {{ {CHANNEL} }} }}"));
    assert!(!toml.contains("access"), "{toml}");
}

#[test]
fn addresses_that_nginx_does_not_look_at_open_nothing() {
    let rules = "allow 10.0.0.1; deny all;";
    let wide = "set_real_ip_from 10.0.0.0/8;";
    let header = "real_ip_header X-Forwarded-For;";
    let (body, report) = location(&format!("{CHANNEL} {rules} {wide} {header}"));
    assert!(body.contains(CLOSED), "{body}");
    assert!(report.contains(": set_real_ip_from: closed: "), "{report}");
    for (fine, remark) in [
        (format!("{rules} {wide} {header} real_ip_recursive on;"), false),
        (format!("{rules} {wide}"), false),
        (format!("{rules} set_real_ip_from 10.0.0.1/32; {header}"), false),
        (format!("{rules} set_real_ip_from 10.0.0.1; set_real_ip_from ::1; {header}"), true),
        (format!("{wide} {header}"), true),
    ] {
        let (body, report) = location(&format!("{CHANNEL} {fine}"));
        assert!(!body.contains(CLOSED), "{fine}: {body}");
        assert_eq!(report.contains(": set_real_ip_from: differs: "), remark, "{fine}: {report}");
    }
    // It is another header where nothing is said.
    let (body, _) = location(&format!("{CHANNEL} {rules} {wide}"));
    assert!(body.contains("real_ip_header = \"X-Real-IP\""), "{body}");
}

#[test]
fn nobody_gets_by_another_location_to_one_that_is_lost() {
    let channel = "push_subscriber; set $push_channel_id 1; allow all;";
    for (lost, others) in [
        ("/admin/ { return 403; }", "location / { CHANNEL }"),
        ("/x/y { root /x; }", "deny all; location /x { CHANNEL }"),
        ("^~ /chat/admin/ { deny all; }", "location ~ ^/chat/(.+)/sub$ { CHANNEL }"),
        ("= /a { auth_basic x; root /x; }", "location ~ a$ { CHANNEL }"),
        ("/a/ { deny all; proxy_pass http://127.0.0.1:1/$arg_x; }", "location / { CHANNEL }"),
        ("/a/ { location /a/b { root /x; } auth_basic x; root /x; }", "location / { CHANNEL }"),
        ("/a/ { nchan_group_location; nchan_authorize_request /x; }", "location / { CHANNEL }"),
    ] {
        let others = others.replace("CHANNEL", channel);
        let (toml, report) = http(&format!("server {{ {others} location {lost} }}"));
        assert!(toml.contains(CLOSED) && toml.contains("push_health"), "{lost}: {toml}");
        assert!(report.contains(": location: closed: "), "{lost}: {report}");
    }
    let neighbour = format!("location /pub/ {{ {channel} }} location /other {{ {channel} }}");
    let lost = "location ~ ^/pub/(?=secret) { deny all; }";
    let (toml, report) = http(&format!("server {{ {neighbour} {lost} }}"));
    assert_eq!(toml.matches(CLOSED).count(), 1, "{toml}");
    assert!(report.contains(": location: closed: "), "{report}");
    let (toml, _) = http(&format!("server {{ {neighbour} location ~ (?!a) {{ deny all; }} }}"));
    assert_eq!(toml.matches(CLOSED).count(), 2, "{toml}");
    // Where no other one is in the way there is nothing to shut.
    let (toml, _) = http(&format!("server {{ {neighbour} location /files {{ deny all; }} }}"));
    assert!(!toml.contains(CLOSED), "{toml}");
}

#[test]
fn what_is_missed_is_not_said_to_be_unneeded() {
    let (_, report) = location(&format!(
        "{CHANNEL} nchan_message_buffer_length $arg_len; nchan_message_timeout $arg_t;"
    ));
    for name in ["nchan_message_buffer_length", "nchan_message_timeout"] {
        let line = format!("4: {name}: not carried over: pushgate does not compute it");
        assert!(report.contains(&line), "{report}");
    }
    let rules = "allow 10.0.0.1; deny all;";
    let (_, report) = http(&format!("{rules} server {{ location /x {{ {CHANNEL} allow all; }} }}"));
    assert!(report.contains("3: deny: not carried over: "), "{report}");
}

#[test]
fn names_of_others_neither_break_the_file_nor_reach_the_terminal() {
    let (toml, _) = http(&format!(
        "server {{ location /x {{ {CHANNEL} allow \"1.2.3.4\naccess = []\"; }}
         location / {{ proxy_pass http://127.0.0.1:1; proxy_set_header X!A b; proxy_set_header 'X#B' c; }} }}"
    ));
    assert!(toml.contains("\"X!A\" = \"b\"") && toml.contains("\"X#B\" = \"c\""), "{toml}");
    let (_, report) = location(&format!("{CHANNEL} \u{1b}[2Jevil on;"));
    assert!(report.contains("4: \\x1B[2Jevil: not carried over"), "{report}");
}

#[test]
fn a_variable_that_stays_empty_is_told() {
    let text =
        "server { location /x { nchan_subscriber; nchan_channel_id c$nchan_prev_message_id; } }";
    let imported = imported(&format!("events {{}}\nhttp {{ {text} }}\n"));
    let [warning] = &imported.warnings[..] else { panic!("{:?}", imported.warnings) };
    let told = "push_channel_id: `$push_previous_message_id` is always empty here";
    assert!(warning.starts_with("the configuration:") && warning.ends_with(told), "{warning}");
    assert!(!imported.is_whole());
    assert!(imported.to_string().ends_with(", with remarks"));
}
