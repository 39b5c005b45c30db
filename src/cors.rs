//! Which pages of other origins may use a location.

/// What a location tells browsers about pages of other origins.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Cors {
    /// `push_allowed_origins`.
    pub origins: Origins,
    /// `push_allow_credentials`.
    pub credentials: bool,
}

/// The pages that may: `push_allowed_origins`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Origins {
    /// `["*"]`: every page.
    Any,
    /// Pages of these origins: `scheme://host[:port]`, lower case.
    List(Vec<String>),
    /// Nothing listed: pages of the same origin only.
    #[default]
    Same,
}
