//! `pushgate bench` against a server whose faults are known: each is told, and none is invented.

#![allow(missing_docs, clippy::missing_panics_doc, clippy::unwrap_used, unreachable_pub)]

mod compare;
mod daemon;
mod faults;
mod neighbours;
mod run;
mod scenarios;
mod server;
mod spoken;
