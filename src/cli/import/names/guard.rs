//! What turns requests away in nginx.

use crate::cli::import::sense::Part;

/// The directive of an `if` by which it refuses, and the statuses that say so.
pub(in crate::cli::import) const REFUSAL: &str = "return";
pub(in crate::cli::import) const STATUSES: [&str; 4] = ["401", "403", "404", "444"];

/// What would do instead.
pub(in crate::cli::import) fn why(part: Part) -> &'static str {
    match part {
        Part::AuthBasic => {
            "passwords are for an application: see push_authorize_request, or access"
        }
        Part::LimitExcept => "methods are not limited: make it two locations, one that publishes",
        Part::SecureLink => "links are signed in another way: see push_secure_link",
        _ => "pushgate has no conditions: see access, push_authorize_request or push_secure_link",
    }
}
