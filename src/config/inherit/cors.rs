//! Which pages of other origins may use a location, and what they may send and read.

use http::HeaderName;

use super::Build;
use crate::{
    config::{directive::Block, error::Reason, value::or},
    cors::{Cors, Origins},
    dialect,
};

impl Build<'_> {
    /// What browsers are told, once all templates have been read: their headers may be sent.
    pub(super) fn cors(&mut self) -> Cors {
        let Block { push_allowed_origins, push_allow_credentials, .. } = self.block;
        if let (Some(origins), Some(credentials)) = (push_allowed_origins, push_allow_credentials)
            && credentials.value
            && origins.value == Origins::Any
        {
            let (place, other) = if credentials.place.level < origins.place.level {
                (origins.place, "push_allow_credentials = true")
            } else {
                (credentials.place, "push_allowed_origins = [\"*\"]")
            };
            self.faults.add(place, Reason::Conflict(other));
        }
        let origins = push_allowed_origins.as_ref().map(|at| at.value.clone()).unwrap_or_default();
        let dialect = or(self.block.push_dialect.as_ref(), &dialect::PUSH_MODULE);
        Cors::new(origins, or(push_allow_credentials.as_ref(), false))
            .allowing(dialect.mode.into_iter().chain(self.headers.iter().map(HeaderName::as_str)))
            .exposing(dialect.explain)
    }
}
