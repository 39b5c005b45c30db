//! What a request carries to show that it may: a signed token or a signed link.

mod jwt;
mod secret;
mod signed_link;
mod signer;

pub use jwt::{Expected, Key, KeyError, Token, TokenError};
pub use secret::{Secret, SecretError};
pub use signed_link::{LinkError, Signed};
pub use signer::{Signer, expires_in};
