//! Publisher locations.

pub mod info;
