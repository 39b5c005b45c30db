//! `X-Accel-Redirect`: the application has decided, and another location answers.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, uri::PathAndQuery};
use percent_encoding::percent_encode;
use tracing::warn;

use super::{Upload, own};
use crate::{
    hold::{Answer, RequestBody},
    response::{Refusal, take_over},
    router::{NO_URI, climbs, normalize},
};

/// The header.
const NAME: HeaderName = HeaderName::from_static("x-accel-redirect");

/// What nginx takes over from the application's answer: `Set-Cookie` beside those of the final answer,
/// the others where that has none.
const KEPT: [HeaderName; 5] = [
    header::ACCEPT_RANGES,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_TYPE,
    header::EXPIRES,
];

/// A request on its way to another location.
#[derive(Debug)]
pub struct Redirect {
    /// The path of the location, with the arguments.
    pub uri: Uri,
    /// The body of the request; `None`: part of it went to the application and is not kept.
    pub body: Option<RequestBody>,
    headers: HeaderMap,
}

impl Redirect {
    /// What an answer says of it; the body of the request is taken back for it.
    pub(super) fn of(answer: &HeaderMap, upload: &Upload) -> Result<Option<Box<Self>>, Refusal> {
        let Some(target) = answer.get(NAME) else { return Ok(None) };
        Self::new(target, answer, upload.reclaim()).map(|redirect| Some(Box::new(redirect)))
    }

    /// A redirect to what the header says.
    fn new(
        target: &HeaderValue,
        answer: &HeaderMap,
        body: Option<RequestBody>,
    ) -> Result<Self, Refusal> {
        let Some(uri) = uri(target.as_bytes()) else {
            warn!(?target, "an X-Accel-Redirect that is no path of this server");
            return Err(Refusal::NotFound);
        };
        if let Some(body) = &body {
            body.outlasts_client();
        }
        let mut headers = HeaderMap::new();
        for name in KEPT.iter().chain([&header::SET_COOKIE]) {
            for value in answer.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        Ok(Self { uri, body, headers })
    }

    /// The same behind an earlier one, whose headers count, too.
    #[must_use]
    pub fn after(mut self, earlier: &Self) -> Self {
        take_over(&mut self.headers, &earlier.headers, true);
        self
    }

    /// Adds to the final answer what is taken over. What a location that pushes says of its messages,
    /// their type first of all, holds for them alone.
    pub fn adorn(&self, answer: &mut Answer, pushes: bool) {
        let headers = match answer {
            Answer::Respond(response) => response.headers_mut(),
            Answer::Hold(holding) => &mut holding.headers,
            Answer::Tunnel(tunnel) => &mut tunnel.headers,
            Answer::Converse(converse) => &mut converse.headers,
            Answer::Follow(follow) => &mut follow.headers,
        };
        take_over(headers, &self.headers, !pushes);
        if let Answer::Follow(follow) = answer {
            follow.headers = own::headers(&follow.headers);
        }
    }
}

/// The URI that a header means, as nginx reads it: a path, percent-encoded once, and arguments. One
/// that leaves its folder by `..` is refused, however it is written.
fn uri(target: &[u8]) -> Option<Uri> {
    let end = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    let (path, rest) = target.split_at(end);
    let decoded: Vec<u8> = percent_encoding::percent_decode(path).collect();
    if !path.starts_with(b"/") || climbs(&decoded) || decoded.contains(&0) {
        return None;
    }
    let [path, rest] = [path, rest].map(|part| percent_encode(part, NO_URI).to_string());
    let target = PathAndQuery::from_maybe_shared(Bytes::from(path + &rest)).ok()?;
    normalize(target.path()).ok()?;
    Some(Uri::from(target))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_accepted_is_a_path_that_stays_where_it_begins(
            target in "/?[a-z%./2eEfF0?# \\\\\\x00-\\x1f\\x80-\\xff]{0,20}",
        ) {
            let Some(uri) = uri(target.as_bytes()) else { return Ok(()) };
            prop_assert!(uri.path().starts_with('/') && uri.host().is_none());
            prop_assert!(uri.to_string().bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(!climbs(&normalize(uri.path()).unwrap()));
        }
    }

    #[test]
    fn a_path_and_its_arguments_are_taken_as_they_are() {
        for (target, expected) in [
            ("/listen/?cid=5", "/listen/?cid=5"),
            ("/a%20b/c", "/a%20b/c"),
            ("/a b", "/a%20b"),
            ("/\u{e4}?\u{e4}", "/%C3%A4?%C3%A4"),
            ("/a?x=/../b", "/a?x=/../b"),
            ("/a..b/", "/a..b/"),
            ("/a#b", "/a%23b"),
        ] {
            assert_eq!(uri(target.as_bytes()).unwrap(), expected);
        }
    }

    #[test]
    fn what_leaves_its_folder_or_this_server_is_refused() {
        for target in [
            "",
            "listen",
            "?x",
            "http://evil.example/",
            "@named",
            "/..",
            "/a/../b",
            "/a/%2e%2e/b",
            "/a/.%2E",
            "/a%2f..%2fb",
            "/a\\..\\b",
            "/a%00",
            "/a%zz",
            "/a%2",
            "../a",
        ] {
            assert_eq!(uri(target.as_bytes()), None, "{target}");
        }
    }
}
