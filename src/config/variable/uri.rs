//! Templates that make an URI: what a variable brings in stays where it is put.

use std::borrow::Cow;

use http::{Uri, uri::PathAndQuery};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::{
    Part, Scope, Template,
    later::Marks,
    source::{Known, Source},
};
use crate::router::{NO_URI, climbs};

/// All but the unreserved characters (RFC 3986 section 2.3).
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same for a path.
const PATH: &AsciiSet = &VALUE.remove(b'/');

impl Template {
    /// The URI for a request: a path, and arguments. Values are percent-encoded, but for `$args` and
    /// `$request_uri`, which are so already; the slashes of `$uri` stay. `None`: it is no path, or one
    /// that a value leads elsewhere by `..`.
    pub fn expand_uri(&self, scope: &Scope<'_>) -> Option<Uri> {
        self.expand_uri_with(scope, None)
    }

    /// The same, with marks for what is missing.
    pub fn expand_uri_with(&self, scope: &Scope<'_>, marks: Option<&Marks>) -> Option<Uri> {
        let mut text = String::new();
        for part in &self.parts {
            if let Some(mark) = marks.and_then(|marks| marks.stand_in(part)) {
                text.push_str(&mark);
                continue;
            }
            let value = part.expand(scope);
            let set = match part {
                Part::Literal(literal) => {
                    text.push_str(literal);
                    continue;
                }
                Part::Variable {
                    source: Source::Known(Known::Args | Known::RequestUri), ..
                } => NO_URI,
                Part::Variable { source: Source::Known(Known::Uri), .. } => PATH,
                Part::Variable { .. } => VALUE,
            };
            text.push_str(&Cow::from(percent_encode(&value, set)));
        }
        // Some decode a path before they look for its folders, as this server does.
        let path = text.split('?').next().unwrap_or_default();
        let decoded: Vec<u8> = percent_decode_str(path).collect();
        let idle = decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| part == b".");
        if idle || climbs(&decoded) {
            return None;
        }
        let target = PathAndQuery::try_from(text).ok()?;
        target.as_str().starts_with('/').then(|| target.into())
    }
}
