//! Subscriber locations.

pub mod position;
