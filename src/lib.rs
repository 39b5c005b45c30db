//! pushgate holds browser connections so that application servers do not have to.
//!
//! An application POSTs a message to a publisher location; everyone who waits on a subscriber
//! location of the same channel gets it at once.
//!
//! # The way of a message
//!
//! ```text
//! POST -> hold: bytes -> hyper in place -> gateway: route, access -> publish
//!      -> channel::Hub::publish: id, ring            (the publisher is answered here)
//!      -> the mailbox of each worker that has subscribers of the channel
//!      -> hold: for each subscriber, read the ring from its cursor, one write -> socket
//!
//! GET  -> hold: bytes -> hyper in place -> gateway: route, access -> subscribe
//!      -> something to read? answer. nothing yet? hold: the socket stays, with a cursor
//!
//! What is the application's: hold -> gateway: route, access -> upstream -> the application
//!      -> its answer goes back as it comes; or it names another location, which answers
//!
//! WebSocket: the same as GET; frames that come from the client -> hold -> publish
//! ```
//!
//! # The layers
//!
//! An import goes down, never up or sideways; `tests/layers.rs` holds the source to it.
//!
//! ```text
//! 8  main
//! 7  cli
//! 6  server                                   sockets, threads, signals
//! 5  gateway                                  one request, on one screen
//! 4  publish status subscribe upstream        a location's role
//! 3  hold                                     connections, and hyper over them
//! 2  config framing                           plain data; messages to bytes
//! 1  channel                                  the heart
//! 0  access allocator cors credentials dialect log proxy_protocol
//!    response router websocket
//! ```

pub mod access;
mod allocator;
pub mod channel;
pub mod cli;
pub mod config;
pub mod cors;
pub mod credentials;
pub mod dialect;
pub mod framing;
pub mod gateway;
pub mod grip;
pub mod hold;
pub mod log;
pub mod proxy_protocol;
pub mod publish;
pub mod response;
pub mod router;
pub mod server;
pub mod status;
pub mod subscribe;
pub mod upstream;
pub mod websocket;
