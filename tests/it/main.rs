//! The daemon over real sockets: bytes in, bytes out.

#![allow(missing_docs, clippy::missing_panics_doc, clippy::unwrap_used, unreachable_pub)]

#[path = "../load/client.rs"]
#[allow(dead_code, reason = "shared with tests/load, which uses the rest of it")]
mod client;
#[path = "../load/conn.rs"]
#[allow(dead_code, reason = "as above")]
mod conn;
#[path = "../load/formats.rs"]
#[allow(dead_code, reason = "as above")]
mod formats;
#[path = "../load/frames.rs"]
#[allow(dead_code, reason = "as above")]
mod frames;
#[path = "../load/ledger.rs"]
#[allow(dead_code, reason = "as above")]
mod ledger;
#[path = "../load/locations.rs"]
mod locations;

mod accel_redirect;
mod access;
mod app;
mod authorize;
mod bodies;
mod buffers;
mod commands;
mod compress;
mod credentials;
mod credentials_keys;
mod cursorless;
mod dialects;
mod dialects_clients;
mod dialects_listening;
mod edit;
mod ends;
mod event_source;
mod events;
mod farewells;
mod faults;
mod grip;
mod grip_again;
mod grip_details;
mod grip_socket;
mod grip_wire;
mod handshake;
mod hanging;
mod harness;
mod hooked;
mod hooks;
mod http;
mod import;
mod import_access;
mod interval_poll;
mod lagging;
mod leaving;
mod limits;
mod listeners;
mod logs;
mod logs_upstream;
mod long_poll;
mod malformed;
mod parting;
mod pings;
mod presence;
mod process;
mod proxy;
mod proxy_faults;
mod proxy_protocol;
mod publisher;
mod restart;
mod resume;
mod shapes;
mod shutdown;
mod site;
mod slow;
mod smoke;
mod status;
mod stream;
mod transports;
mod tunnel;
mod turn;
mod vanish;
mod variables;
mod waiting;
mod websocket;
