//! The files of `conf/` are what they say they are.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::PathBuf};

use pushgate::config::{Config, KEYS, PollFormat, StreamFormat, Subscriber, Transport};

/// A default that is as if it were written, and an example of a key without one.
const DEFAULT: &str = "# ";
const EXAMPLE: &str = "## ";

fn conf(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conf").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(conf(name)).unwrap()
}

fn parse(text: &str) -> Config {
    Config::parse("conf", text, &[]).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// The key of a line like `key = value`.
fn key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once(" = ")?;
    let bare = |c: char| c.is_ascii_lowercase() || c == '_';
    key.chars().all(bare).then_some(key)
}

/// The text with those lines in effect that are commented out by the mark.
fn uncomment(text: &str, mark: &str) -> String {
    let uncommented = |line: &'_ str| {
        let bare = line.strip_prefix(mark).filter(|bare| key(bare).is_some());
        bare.unwrap_or(line).to_owned() + "\n"
    };
    text.lines().map(uncommented).collect()
}

/// All plain values.
fn values(config: &Config) -> String {
    let server = &config.servers[0];
    // A router has no order of its own, and says no more than the paths of the locations.
    let locations = &server.locations;
    format!(
        "{:#?} {:#?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {locations:#?}",
        config.process,
        server.listen,
        server.names,
        server.header_timeout,
        server.keepalive_timeout,
        server.max_header_size,
        server.user_timeout,
        server.proxy_protocol,
        server.real_ip,
    )
}

#[test]
fn every_file_loads() {
    let mut seen = 0;
    for entry in fs::read_dir(conf("")).unwrap() {
        let path = entry.unwrap().path();
        Config::load(&path, &[]).unwrap_or_else(|errors| panic!("{errors}"));
        seen += 1;
    }
    assert!(seen >= 2);
}

#[test]
fn the_reference_has_every_key_once_and_no_other() {
    let text = read("reference.toml");
    let mut found: Vec<_> = text
        .lines()
        .map(|line| line.strip_prefix(EXAMPLE).or(line.strip_prefix(DEFAULT)).unwrap_or(line))
        .filter_map(key)
        .filter(|key| *key != "key")
        .collect();
    found.sort_unstable();
    let mut known = KEYS.to_vec();
    known.sort_unstable();
    assert_eq!(found, known);
}

#[test]
fn the_defaults_of_the_reference_change_nothing() {
    let text = read("reference.toml");
    let defaults = uncomment(&text, DEFAULT);
    assert!(defaults.lines().filter(|line| key(line).is_some()).count() > 50);
    assert_eq!(values(&parse(&defaults)), values(&parse(&text)));
    let minimal = "[[server]]\n[[server.location]]\npath = '/'\npush_pubsub = true\n\
                   push_channel_id = '$arg_id'\n";
    assert_eq!(values(&parse(&defaults)), values(&parse(minimal)));
}

#[test]
fn every_key_of_the_reference_has_a_comment() {
    let text = read("reference.toml");
    let lines: Vec<_> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let bare = line.strip_prefix(EXAMPLE).or(line.strip_prefix(DEFAULT)).unwrap_or(line);
        if key(bare).is_some_and(|key| KEYS.contains(&key)) {
            let above = lines[index - 1];
            assert!(above.starts_with("# ") && key(&above[2..]).is_none(), "{line}");
        }
    }
}

fn subscriber<'c>(config: &'c Config, path: &str) -> &'c Subscriber {
    let server = &config.servers[0];
    let found = server.router.find(path.as_bytes()).unwrap();
    server.locations[found.location].subscriber.as_ref().unwrap()
}

#[test]
fn the_shipped_file_publishes_and_listens() {
    let config = Config::load(&conf("pushgate.toml"), &[]).unwrap();
    assert_eq!(config.warnings, []);
    let server = &config.servers[0];
    assert_eq!(server.locations.len(), 5);
    assert_eq!(server.listen[0].to_string(), "127.0.0.1:8080");
    let publish = &server.locations[0];
    let publisher = publish.publisher.as_ref().unwrap();
    assert_eq!(publisher.status.unwrap(), 200);
    assert_eq!(publisher.retention.max_messages, 0);
    assert!(publish.subscriber.is_none());
    let listen = subscriber(&config, "/listen/");
    assert_eq!(listen.transports, Transport::ALL);
    assert_eq!(listen.default_type.as_ref().unwrap(), "application/json");
}

#[test]
fn the_shipped_file_has_a_location_for_every_way_to_listen() {
    let config = Config::load(&conf("pushgate.toml"), &[]).unwrap();
    let polling = subscriber(&config, "/get_messages/");
    assert_eq!(polling.transports, [Transport::LongPoll, Transport::IntervalPoll]);
    assert_eq!(polling.poll_format, PollFormat::Json);
    assert_eq!(polling.last_message_id[0].to_string(), "${arg_since}");
    assert!(polling.cursorless && subscriber(&config, "/listen/").cursorless);
    let page = subscriber(&config, "/messages/");
    assert_eq!(page.stream, StreamFormat::Iframe { header: None, footer: None });
    let echo = subscriber(&config, "/echo");
    assert_eq!(echo.transports, [Transport::WebSocket]);
    assert_eq!(echo.websocket.protocols, ["chat".into()]);
    // Else whoever guesses a number could listen to what its connection says.
    let server = &config.servers[0];
    let group = |path: &str| {
        let found = server.router.find(path.as_bytes()).unwrap();
        server.locations[found.location].channels.group.to_string()
    };
    assert_eq!((group("/echo"), group("/listen/")), ("echo".into(), String::new()));
}
