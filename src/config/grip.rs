//! Locations whose application speaks GRIP, and those that take its items.

use std::time::Duration;

use crate::{channel::Retention, credentials::Signer};

/// How an application has requests held.
#[derive(Debug)]
pub struct Grip {
    /// `push_grip_key`: what signs `Grip-Sig`.
    pub signer: Option<Signer>,
    /// `push_grip_issuer`.
    pub issuer: Box<str>,
    /// `push_grip_websocket`: whether WebSockets are spoken over HTTP, and not passed through.
    pub over_http: bool,
    /// `push_channel_timeout` of a channel that a held request creates.
    pub channel_timeout: Duration,
    /// `push_max_channel_subscribers`: 0 is any number.
    pub max_channel_subscribers: usize,
    /// `push_websocket_max_message` in bytes.
    pub max_message: usize,
}

/// Where GRIP items are published.
#[derive(Debug)]
pub struct Items {
    /// `push_grip_key`: what a publisher has to show, unless `push_jwt` asks for a token.
    pub signer: Option<Signer>,
    /// What channels keep of them.
    pub retention: Retention,
}
