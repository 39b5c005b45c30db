//! Who decides what is published: `push_publisher_upstream_request`.

use std::{fmt, future::Future, pin::Pin};

use http::Response;

use crate::{
    channel::{ChannelInfo, Draft},
    response::{Body, Refusal},
};

/// Decides what is published in place of what somebody wants to publish.
pub trait Editor: fmt::Debug {
    /// Decides about one message.
    fn edit(&self, draft: Draft) -> Editing;

    /// Something has been published; this is the state of each channel then.
    fn published(&self, infos: &[ChannelInfo]);
}

/// A decision that may take its time.
pub type Editing = Pin<Box<dyn Future<Output = Result<Edited, Refusal>>>>;

/// What is decided.
#[derive(Debug)]
pub enum Edited {
    /// This is published.
    Published(Draft),
    /// Nothing is, and the publisher is told so.
    Answered(Response<Body>),
}
