//! The loads, a file each.

pub(super) mod connect;
pub(super) mod fanout;
pub(super) mod hold;
pub(super) mod neighbour;
pub(super) mod publish;
