//! The configuration.

mod nearest;
mod unit;
pub mod variable;
