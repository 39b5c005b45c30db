//! The application behind the gateway: requests that go on to it, and what its answers do.
//!
//! [`Client`] speaks to the servers of an upstream, for whatever needs to: it keeps connections, goes
//! on to the next server, and bounds every wait. [`Passage`] is `proxy_pass`: it passes a request on
//! and the answer back, both as they come. [`Redirect`] is an answer with `X-Accel-Redirect`,
//! and [`grip`] has requests held for the application.
//! [`Inquiry`] is a request of the gateway's own, whose answers may be kept as [`Verdicts`]; [`Notices`] are
//! told and told again.

mod accel_redirect;
mod backoff;
mod client;
mod counts;
mod dial;
mod download;
mod error;
mod grip;
mod group;
mod late;
mod notice;
mod notices;
mod own;
mod permits;
mod pool;
mod proxy;
mod quiet;
mod retry;
mod socket;
mod upload;
mod verdicts;

pub use accel_redirect::Redirect;
pub use backoff::Backoff;
pub use client::Client;
pub use counts::{Counts, GroupFigures};
pub use download::Download;
pub use error::UpstreamError;
pub use group::Group;
pub use late::{Late, Lines};
pub use notice::Notice;
pub use notices::{NoticeCounts, Notices};
pub use proxy::{ALLOW, CONDITIONS, Inquiry, Passage, Passed, pass_on, strip_hops, takes};
pub use upload::Upload;
pub use verdicts::{Epochs, Key, Verdict, Verdicts};
