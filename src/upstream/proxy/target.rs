//! The URI that the application is asked for.

use http::Uri;
use percent_encoding::{AsciiSet, percent_encode};

use super::Passage;
use crate::{
    response::Refusal,
    router::{NO_URI, climbs},
};

/// What a decoded path cannot have as it is.
const ESCAPED: &AsciiSet = &NO_URI.add(b'%').add(b'?');

impl Passage<'_> {
    /// As nginx makes it: without a path in `proxy_pass` the request's own, unchanged; with one, that
    /// in place of the location's.
    pub(super) fn target(&self) -> Result<Uri, Refusal> {
        let query = self.scope.uri.query();
        let unfit = || Refusal::BadRequest("The path cannot be passed on.".into());
        // What is left between backslashes was nothing to the router, and may be to the application.
        if climbs(self.scope.path) {
            return Err(unfit());
        }
        let text = match (&self.proxy.uri, self.location.pattern.path()) {
            (Some(uri), Some(prefix)) => {
                let rest = self.scope.path.get(prefix.len()..).unwrap_or_default();
                replaced(uri, rest, query)
            }
            _ if self.redirected || leads_out(self.scope.uri.path()) => {
                replaced("", self.scope.path, query)
            }
            _ => self.scope.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        };
        text.parse().map_err(|_| unfit())
    }
}

/// Whether a path leads out of a folder by `..`, however it is written: then the application gets the
/// path by which the location was found, and not another one.
fn leads_out(path: &str) -> bool {
    climbs(&percent_encoding::percent_decode_str(path).collect::<Vec<u8>>())
}

/// The path of a `proxy_pass` with what follows the location's in the request's.
fn replaced(uri: &str, rest: &[u8], query: Option<&str>) -> String {
    let (path, own) = uri.split_once('?').map_or((uri, None), |(path, own)| (path, Some(own)));
    let mut text = format!("{path}{}", percent_encode(rest, ESCAPED));
    for (query, mark) in own.into_iter().chain(query).zip(["?", "&"]) {
        text.push_str(mark);
        text.push_str(query);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_of_a_folder_is_known_in_any_writing() {
        for path in ["/a/../b", "/a/..", "/a/%2e%2E/b", "/a%2f..%2fb", "/..", "/a%5C..%5c"] {
            assert!(leads_out(path), "{path}");
        }
        for path in ["/", "/a..b/", "/..a", "/a/./b", "/...", "/a%252e./"] {
            assert!(!leads_out(path), "{path}");
        }
    }

    #[test]
    fn the_path_of_the_location_is_replaced_and_what_follows_escaped() {
        for (uri, rest, query, expected) in [
            ("/b/", &b"c"[..], None, "/b/c"),
            ("/", b"c d%\xc3\xa4?#", Some("x=%20"), "/c%20d%25%C3%A4%3F%23?x=%20"),
            ("/b?own=1", b"/c", Some("x=1"), "/b/c?own=1&x=1"),
            ("/b", b"", Some(""), "/b?"),
            ("", b"/\r\nx", None, "/%0D%0Ax"),
        ] {
            assert_eq!(replaced(uri, rest, query), expected);
            assert!(expected.parse::<Uri>().is_ok());
        }
    }
}
