//! Nothing lost, nothing twice, nothing out of order: many clients over real sockets at once.
//!
//! Every message says its channel, its publisher and its number, and is compared byte for byte
//! ([`ledger`]). The tests run one at a time, because each of them is many connections.

#![allow(missing_docs, clippy::missing_panics_doc, clippy::unwrap_used, unreachable_pub)]

#[path = "../it/harness.rs"]
#[allow(dead_code, reason = "shared with tests/it, which uses the rest of it")]
mod harness;

mod arrivals;
mod bodies;
mod chaos;
mod client;
mod clock;
mod conn;
mod duplex;
mod formats;
mod frames;
mod ledger;
mod locations;
mod many;
mod merge;
mod scene;
mod seats;
mod slow;
mod sockets;
