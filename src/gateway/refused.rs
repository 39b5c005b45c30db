//! How a refusal is told: in the dialect of the location that refuses, and to whom it allows to read.

use http::{HeaderMap, HeaderValue, Response, header};

use crate::{
    config::Location,
    dialect::{Dialect, PUSH_MODULE, Words},
    hold::Answer,
    response::{Body, Refusal, empty, full},
};

/// A refusal, and the location that knows who may read it.
#[derive(Debug)]
pub struct Refused<'a> {
    /// What is answered.
    pub refusal: Refusal,
    pub(super) location: Option<&'a Location>,
}

impl From<Refusal> for Refused<'_> {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, location: None }
    }
}

impl Refused<'_> {
    /// What is answered to a request with these headers.
    pub(super) fn answer(self, headers: &HeaderMap) -> Answer {
        let dialect = self.location.map_or(&PUSH_MODULE, |location| location.dialect);
        let mut response = spell(self.refusal, dialect);
        if let Some(location) = self.location {
            location.cors.append_to(response.headers_mut(), headers.get(header::ORIGIN));
        }
        Answer::Respond(response)
    }
}

/// The refusal in the words of a dialect.
fn spell(refusal: Refusal, dialect: &Dialect) -> Response<Body> {
    let own = |words: Option<&'static str>| {
        words.map(|sentence| Words { status: refusal.status(), sentence })
    };
    let words = match &refusal {
        Refusal::NoChannelId => Some(dialect.no_channel_id),
        Refusal::ChannelIdTooLong => Some(dialect.long_channel_id),
        Refusal::TooManyChannels => own(dialect.too_many_channels),
        Refusal::TooManySubscribers => own(dialect.too_many_subscribers),
        Refusal::UnknownChannel => own(dialect.unknown_channel),
        _ => None,
    };
    let sentence = words.map_or_else(|| refusal.sentence(), |words| words.sentence.to_owned());
    let mut response = Response::from(refusal);
    if let Some(words) = words {
        *response.status_mut() = words.status;
    }
    if let Some(name) = dialect.explain {
        explain(&mut response, name, &sentence);
    } else if words.is_some() {
        response.headers_mut().insert(header::CONTENT_LENGTH, sentence.len().into());
        *response.body_mut() = full(sentence);
    }
    dialect.forbid_caching(response.headers_mut());
    response
}

/// Moves the sentence from the body into a header.
fn explain(response: &mut Response<Body>, name: &'static str, sentence: &str) {
    *response.body_mut() = empty();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    headers.insert(header::CONTENT_LENGTH, 0.into());
    if let Ok(sentence) = HeaderValue::from_str(sentence)
        && !sentence.is_empty()
    {
        headers.insert(name, sentence);
    }
}
