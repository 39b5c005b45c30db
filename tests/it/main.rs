//! The daemon over real sockets: bytes in, bytes out.

#![allow(missing_docs, clippy::missing_panics_doc, clippy::unwrap_used, unreachable_pub)]

mod access;
mod bodies;
mod buffers;
mod cursorless;
mod dialects;
mod event_source;
mod harness;
mod http;
mod interval_poll;
mod limits;
mod listeners;
mod long_poll;
mod malformed;
mod process;
mod proxy_protocol;
mod publisher;
mod resume;
mod shapes;
mod shutdown;
mod site;
mod slow;
mod smoke;
mod stream;
mod transports;
mod websocket;
