//! How a long poll ends that no message came for.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{Form, LongPoll, NO_CACHE, NOSNIFF, SCRIPT, VARY};
use crate::{
    channel::{ChannelId, MessageId},
    framing::{Farewell, jsonp},
};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

impl LongPoll {
    /// What a client that waited after its `cursor` is answered when no message comes: the statuses
    /// of the push module, and 503 with `Retry-After` for a server that stops. A script can read no
    /// status: it is called with nothing. `gone` is the channel that was deleted.
    pub fn farewell(
        &self,
        why: Farewell,
        cursor: MessageId,
        gone: Option<&ChannelId>,
    ) -> (StatusCode, HeaderMap, Bytes) {
        let dialect = self.voice.dialect;
        let notice = match why {
            Farewell::Timeout => self.timeout_notice.map(|notice| self.voice.notice(notice, b"")),
            _ => gone.and_then(|channel| self.voice.deleted(channel)),
        };
        let notice = notice.and_then(|text| self.notice(text));
        if self.form.is_script() && why == Farewell::Timeout && notice.is_none() {
            let (headers, body) = self.nothing();
            return (StatusCode::OK, headers, body);
        }
        // A browser that stored a 410 would answer every later poll with it.
        let (status, cache_control) = match why {
            Farewell::Conflict => (StatusCode::CONFLICT, NO_STORE),
            Farewell::Deleted if notice.is_none() => (StatusCode::GONE, NO_STORE),
            Farewell::Deleted => (dialect.poll_deleted, NO_STORE),
            Farewell::Lagging | Farewell::Shutdown => (StatusCode::SERVICE_UNAVAILABLE, NO_STORE),
            Farewell::Timeout if notice.is_some() => (StatusCode::OK, NO_CACHE),
            Farewell::Timeout => (dialect.poll_timeout, NO_CACHE),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, cache_control);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if dialect.ended_position {
            self.push_cursor(&mut headers, cursor);
            headers.insert(header::VARY, VARY);
        }
        dialect.forbid_caching(&mut headers);
        if notice.is_some() {
            self.describe_notice(&mut headers);
        }
        (status, headers, notice.unwrap_or_default())
    }

    /// Says what a notice is: as a message that says nothing of itself.
    fn describe_notice(&self, headers: &mut HeaderMap) {
        if self.form.is_script() {
            headers.insert(header::CONTENT_TYPE, SCRIPT);
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        } else if let Some(default_type) = &self.default_type {
            headers.insert(header::CONTENT_TYPE, default_type.clone());
        }
    }

    /// What tells something as if it were a message; none where messages have ids and headers of their
    /// own, which it has not.
    fn notice(&self, text: Bytes) -> Option<Bytes> {
        match &self.form {
            Form::Message => Some(text),
            Form::Jsonp(callback) => Some(jsonp::call(callback, [jsonp::value(&text)])),
            Form::Raw(separator) => Some([text, separator.clone()].concat().into()),
            Form::Json | Form::JsonpDocument(_) | Form::Multipart => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dialect::Notice, framing::http1::write_headers};

    #[test]
    fn the_farewells_are_the_push_modules_statuses() {
        let farewells = [
            (Farewell::Conflict, "409 Conflict", "Cache-Control: no-store\r\n"),
            (Farewell::Deleted, "410 Gone", "Cache-Control: no-store\r\n"),
            (
                Farewell::Shutdown,
                "503 Service Unavailable",
                "Cache-Control: no-store\r\nRetry-After: 1\r\n",
            ),
        ];
        for (why, status, headers) in farewells {
            let (code, lines, body) = LongPoll::default().farewell(why, MessageId::ZERO, None);
            let mut text = Vec::new();
            write_headers(&mut text, &lines);
            assert_eq!(format!("{} {}", code.as_u16(), code.canonical_reason().unwrap()), status);
            assert_eq!((String::from_utf8(text).unwrap().as_str(), &body[..]), (headers, &b""[..]));
        }
        let (status, headers, _) =
            LongPoll::default().farewell(Farewell::Timeout, MessageId::ZERO, None);
        assert_eq!((status.as_u16(), &headers["cache-control"]), (304, &NO_CACHE));
    }

    #[test]
    fn a_script_is_called_with_nothing() {
        for (form, call) in [
            (Form::Jsonp("cb".into()), "/**/cb([]);"),
            (Form::JsonpDocument("cb".into()), "/**/cb({\"messages\":[]});"),
        ] {
            let script = LongPoll { form, ..LongPoll::default() };
            let (status, headers, body) = script.farewell(Farewell::Timeout, MessageId::ZERO, None);
            assert_eq!((status.as_u16(), &body[..]), (200, call.as_bytes()));
            assert!(!headers.contains_key("etag") && !headers.contains_key("last-modified"));
        }
    }

    #[test]
    fn a_notice_is_what_a_message_is_that_says_nothing_of_itself() {
        let notice = Notice { id: -3, text: "Timed out" };
        let ended = |form, default_type| {
            let timeout_notice = Some(notice);
            let poll = LongPoll { default_type, form, timeout_notice, ..LongPoll::default() };
            let (status, headers, body) = poll.farewell(Farewell::Timeout, MessageId::ZERO, None);
            (status.as_u16(), headers.get("content-type").cloned(), body)
        };
        let plain = Some(HeaderValue::from_static("text/plain"));
        let told = (200, plain.clone(), Bytes::from("Timed out"));
        assert_eq!(ended(Form::Message, plain.clone()), told);
        assert_eq!(ended(Form::Message, None), (200, None, told.2));
        assert_eq!(ended(Form::Raw("|".into()), plain.clone()).2, "Timed out|");
        let script = (200, Some(SCRIPT), Bytes::from("/**/cb([\"Timed out\"]);"));
        assert_eq!(ended(Form::Jsonp("cb".into()), plain.clone()), script);
        for form in [Form::Json, Form::Multipart] {
            assert_eq!(ended(form, plain.clone()), (304, None, Bytes::new()));
        }
    }
}
