//! The request that publishes a message.

use std::io::Write as _;

use super::{
    payload::{Mint, Told},
    target::Target,
};

/// What is published how.
#[derive(Debug)]
pub(super) struct Manner<'a> {
    pub(super) target: &'a Target,
    pub(super) headers: String,
    /// With `{msg}`, and perhaps `{ch}`.
    pub(super) body: &'a str,
    pub(super) connections: u32,
    pub(super) channels: u32,
    pub(super) measured_from: u32,
    /// See [`super::dial::dial`].
    pub(super) net: u8,
}

/// All that is the same in each request.
#[derive(Debug)]
pub(super) struct Letter {
    target: Target,
    headers: String,
    /// What is posted before and after the message, with a place for the channel.
    around: [String; 2],
    mint: Mint,
}

impl Letter {
    pub(super) fn new(manner: &Manner<'_>, mint: Mint) -> Self {
        let (before, after) = manner.body.split_once("{msg}").unwrap_or_default();
        let around = [before.to_owned(), after.to_owned()];
        Self { target: manner.target.clone(), headers: manner.headers.clone(), around, mint }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Writes the request in place of what is in `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>, channel: u32, told: Told) {
        let channel_name = self.mint.channel(channel);
        let [before, after] = &self.around;
        let mut body = before.replace("{ch}", &channel_name).into_bytes();
        self.mint.write(&mut body, channel, told);
        body.extend_from_slice(after.replace("{ch}", &channel_name).as_bytes());
        out.clear();
        self.target.write_request_line(out, "POST", &channel_name);
        out.extend_from_slice(self.headers.as_bytes());
        // Writing to memory does not fail.
        let _ = write!(out, "Content-Length: {}\r\n\r\n", body.len());
        out.extend_from_slice(&body);
    }
}
