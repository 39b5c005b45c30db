//! The daemon over real sockets: bytes in, bytes out.

#![allow(missing_docs, clippy::missing_panics_doc, clippy::unwrap_used, unreachable_pub)]

mod bodies;
mod harness;
mod http;
mod malformed;
mod publisher;
mod site;
mod smoke;
