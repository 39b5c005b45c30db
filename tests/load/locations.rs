//! A location for each transport.

use std::fmt::Write as _;

/// The locations of all [`crate::client::Way`]s, and one to publish from a WebSocket: path,
/// transports, keys.
const LOCATIONS: [(&str, &str, &str); 16] = [
    ("/poll", "[\"long-poll\"]", ""),
    ("/packed", "[\"long-poll\"]", "gzip = true\ngzip_min_length = 10"),
    ("/iframe", "[\"stream\"]", "push_stream_preset = \"iframe\""),
    ("/events", "[\"event-source\"]", "push_gap_events = true"),
    ("/gzip", "[\"event-source\"]", "push_gap_events = true\ngzip = true"),
    ("/stream", "[\"stream\"]", "push_message_template = \"~id~ ~text~\\n\""),
    ("/raw", "[\"raw\"]", ""),
    ("/any", "true", ""),
    ("/both", "[\"websocket\"]", "push_pubsub = true\npush_websocket_max_message = \"16M\""),
    ("/batch-json", "[\"long-poll\"]", "push_longpoll_batch = \"json\""),
    ("/batch-multipart", "[\"long-poll\"]", "push_longpoll_batch = \"multipart\""),
    ("/batch-raw", "[\"long-poll\"]", "push_longpoll_batch = \"raw\""),
    ("/jsonp", "[\"long-poll\"]", "push_jsonp_callback = \"$arg_callback\""),
    ("/cursorless", "[\"long-poll\"]", "push_cursorless = true"),
    ("/interval", "[\"interval-poll\"]", ""),
    (
        "/json",
        "[\"interval-poll\"]",
        "push_poll_format = \"json\"\npush_last_message_id = [\"$arg_since\"]",
    ),
];

/// `/pub`, and a location for each transport; `?c=a,b` names the channels. `keys` are for all; only
/// what `/pub` answers is in one dialect, that of those who ask it here.
pub fn locations(hold: &str, keys: &str) -> String {
    let mut toml = format!(
        "push_hold = \"{hold}\"\npush_channel_id = \"$arg_c\"\n\
         push_channel_id_split_delimiter = \",\"\n{keys}\n\
         [[server.location]]\npath = \"/pub\"\npush_publisher = true\n\
         push_dialect = \"push_module\"\n"
    );
    for (path, transports, more) in LOCATIONS {
        write!(
            toml,
            "[[server.location]]\npath = \"{path}\"\npush_subscriber = {transports}\n{more}\n"
        )
        .unwrap();
    }
    toml
}
