//! pushgate holds browser connections so that application servers do not have to.

pub mod access;
pub mod channel;
pub mod config;
pub mod cors;
pub mod framing;
pub mod hold;
pub mod publish;
pub mod response;
pub mod router;
pub mod subscribe;
