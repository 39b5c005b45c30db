//! pushgate holds browser connections so that application servers do not have to.

pub mod access;
pub mod channel;
pub mod cli;
pub mod config;
pub mod cors;
pub mod framing;
pub mod router;
