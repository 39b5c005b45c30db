//! The application behind the gateway: requests that go on to it, and what its answers do.
//!
//! [`Client`] speaks to the servers of an upstream, for whatever needs to: it keeps connections, goes
//! on to the next server, and bounds every wait. [`Passage`] is `proxy_pass`: it passes a request on
//! and the answer back, both as they come. [`Redirect`] is an answer with `X-Accel-Redirect`,
//! and [`grip`] has requests held for the application.

mod accel_redirect;
mod client;
mod dial;
mod download;
mod error;
mod grip;
mod group;
mod pool;
mod proxy;
mod socket;
mod upload;

pub use accel_redirect::Redirect;
pub use client::Client;
pub use download::Download;
pub use error::UpstreamError;
pub use group::Group;
pub use proxy::{ALLOW, Passage, Passed, takes};
pub use upload::Upload;
