//! The directives by name, a table for each module: what they become, or why they become nothing.

pub(super) mod guard;
pub(super) mod nchan;
pub(super) mod nginx;
pub(super) mod nginx_alone;
pub(super) mod push_module;
pub(super) mod push_stream;
pub(super) mod transport;
pub(super) mod variable;
