//! What turns requests away in nginx.

use crate::cli::import::{read::Directive, sense::Part};

/// The directives in an `if` after which the request goes on as it would have without it.
pub(in crate::cli::import) const HARMLESS: [&str; 10] = [
    "access_log",
    "add_header",
    "add_trailer",
    "break",
    "charset",
    "expires",
    "gzip",
    "limit_rate",
    "limit_rate_after",
    "more_set_headers",
];

/// How the names of directives begin by which other modules decide who may.
const OTHERS: [&str; 7] = [
    "access_by",
    "auth",
    "js_access",
    "modsecurity",
    "rewrite_by",
    "server_rewrite_by",
    "testcookie",
];

/// Whether a directive keeps somebody out by itself, wherever it is inherited from; `known`: whether
/// there is a row for it.
pub(in crate::cli::import) fn keeps_out(directive: &Directive, known: bool) -> bool {
    match directive.name.as_str() {
        "auth_jwt" => directive.arg() != "off",
        "ssl_verify_client" => directive.arg() == "on",
        "auth_jwt_require" | "secure_link_md5" | "secure_link_secret" | "valid_referers" => true,
        name => {
            !known && directive.arg() != "off" && OTHERS.iter().any(|other| name.starts_with(other))
        }
    }
}

/// What would do instead of such a directive.
pub(in crate::cli::import) fn instead(directive: &Directive) -> &'static str {
    match directive.name.as_str() {
        "if" => {
            "pushgate has no conditions: see access, push_authorize_request or push_secure_link"
        }
        "return" | "rewrite" => "nginx turned its requests away, or somewhere else",
        "ssl_verify_client" => {
            "certificates are for the proxy in front to look at: it is the way in, if there is one"
        }
        _ => {
            "who may use a location is said by access, push_authorize_request, push_jwt or push_secure_link"
        }
    }
}

/// What would do instead of a part.
pub(in crate::cli::import) fn why(part: Part) -> &'static str {
    match part {
        Part::AuthBasic => {
            "passwords are for an application: see push_authorize_request, or access"
        }
        Part::LimitExcept => "methods are not limited: make it two locations, one that publishes",
        _ => "links are signed in another way: see push_secure_link",
    }
}
