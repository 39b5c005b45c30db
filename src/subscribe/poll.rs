//! What a poll is answered at once: messages that are there, or that there are none.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, header};

use super::{Visit, cursorless::Tag};
use crate::{
    channel::{Message, Subscription, gap},
    config::PollFormat,
    framing::{
        http1::tell_gap,
        long_poll::{Form, LongPoll},
    },
    hold::{Outlet, Style, enough},
    response::{Body, Refusal, full},
};

/// The longest name of a JSONP function, in bytes.
const MAX_CALLBACK: usize = 64;

impl Visit<'_> {
    /// How this request's poll is answered.
    pub(super) fn long_poll(&self) -> Result<LongPoll, Refusal> {
        let Outlet { style: Style::Poll(framing), .. } = &**self.outlets.poll(&self.head.headers)
        else {
            return Ok(LongPoll::default());
        };
        let mut framing = framing.clone();
        if let Some(callback) = self.callback()? {
            framing.form = framing.form.calling(callback);
        }
        Ok(framing)
    }

    /// The function that `push_jsonp_callback` names. What is no name of one would be a script of the
    /// client's own.
    fn callback(&self) -> Result<Option<Bytes>, Refusal> {
        let Some(template) = &self.subscriber.jsonp_callback else { return Ok(None) };
        let name = template.expand(self.scope);
        match name.len() {
            0 => Ok(None),
            1..=MAX_CALLBACK if names_function(&name) => Ok(Some(Bytes::copy_from_slice(&name))),
            _ => Err(Refusal::BadRequest("The callback is no name of a function.".into())),
        }
    }

    /// An interval poll is answered at once, whatever there is.
    pub(super) fn interval_poll(
        &self,
        subscription: &Subscription,
    ) -> Result<Response<Body>, Refusal> {
        let mut framing = self.long_poll()?;
        let messages = subscription.read();
        if self.subscriber.poll_format == PollFormat::Json {
            // The client's next poll asks for what follows the newest of these.
            let fitting = enough(&messages).map_or(&messages[..], |(fitting, _)| fitting);
            let answer = framing.document(fitting);
            return Ok(self.answered(subscription, fitting, answer));
        }
        if !framing.form.is_script() {
            framing.form = Form::Message;
        }
        Ok(self
            .messages(&framing, subscription, &messages)
            .unwrap_or_else(|| self.nothing(&framing, subscription)))
    }

    /// The answer with what there is.
    pub(super) fn messages(
        &self,
        framing: &LongPoll,
        subscription: &Subscription,
        messages: &[Arc<Message>],
    ) -> Option<Response<Body>> {
        let one = &messages[..messages.len().min(1)];
        let (fitting, _) = enough(if framing.takes_all() { messages } else { one })?;
        Some(self.answered(subscription, fitting, framing.answer(fitting)))
    }

    /// The answer of a poll without a cursor, whose message was there before it.
    pub(super) fn early(
        &self,
        framing: &LongPoll,
        subscription: &Subscription,
        message: &Arc<Message>,
        tag: Tag,
    ) -> Response<Body> {
        let one = std::slice::from_ref(message);
        let (mut headers, body) = framing.answer(one);
        // Its place is in the tag, by which browsers shall find it again; its coding is not.
        let varies = headers.get_all(header::VARY).iter().find(|value| *value == "Accept-Encoding");
        match varies.cloned() {
            Some(varies) => headers.insert(header::VARY, varies),
            None => headers.remove(header::VARY),
        };
        headers.extend(tag.headers());
        self.answered(subscription, one, (headers, body))
    }

    fn answered(
        &self,
        subscription: &Subscription,
        messages: &[Arc<Message>],
        (headers, body): (HeaderMap, Bytes),
    ) -> Response<Body> {
        let mut response = Response::new(full(body));
        *response.headers_mut() = headers;
        let gap = gap(messages, subscription.cursor());
        if gap {
            tell_gap(response.headers_mut(), subscription.cursor());
        }
        self.received(subscription, messages, gap);
        self.share(response)
    }

    /// Nothing new; the client keeps the place it has.
    pub(super) fn nothing(
        &self,
        framing: &LongPoll,
        subscription: &Subscription,
    ) -> Response<Body> {
        let (status, headers, body) = framing.unchanged(subscription.cursor());
        let mut response = Response::new(full(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if let Some(tag) = self.head.headers.get(header::IF_NONE_MATCH) {
            response.headers_mut().entry(header::ETAG).or_insert_with(|| tag.clone());
        }
        self.share(response)
    }

    /// `push_delete_oldest_received_message`, for those who do not wait.
    fn received(&self, subscription: &Subscription, messages: &[Arc<Message>], gap: bool) {
        if self.head.method == Method::HEAD {
            return;
        }
        self.tally.handed(messages, gap);
        for message in messages {
            for channel in subscription.channels() {
                if channel.id() == message.channel() {
                    channel.received(message.id());
                }
            }
        }
    }

    /// Lets other origins read it, where they may.
    fn share(&self, mut response: Response<Body>) -> Response<Body> {
        let origin = self.head.headers.get(header::ORIGIN);
        self.location.cors.append_to(response.headers_mut(), origin);
        response
    }
}

/// Whether these are names with dots between them, each with indexes behind it, if any: `a.b[0].c`.
fn names_function(text: &[u8]) -> bool {
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
    text.split(|byte| *byte == b'.').all(|part| {
        let mut pieces = part.split(|byte| *byte == b'[');
        let name = pieces.next().unwrap_or_default();
        let sound = name.first().is_some_and(|first| !first.is_ascii_digit());
        let index = |piece: &[u8]| {
            piece
                .strip_suffix(b"]")
                .is_some_and(|index| !index.is_empty() && index.iter().all(u8::is_ascii_digit))
        };
        sound && name.iter().all(named) && pieces.all(index)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_names_that_are_no_scripts() {
        for name in ["f", "_", "$1", "a.b", "a[0]", "a[12][3].b.c[4]"] {
            assert!(names_function(name.as_bytes()), "{name}");
        }
        for name in [
            "", ".", ".a", "a.", "a..b", "1", "a.1", "[0]", "a[", "a]", "a[]", "a[b]", "a[0",
            "a[0]b", "a]0[", "a(b", "a;b", "a b", "ä", "a\0",
        ] {
            assert!(!names_function(name.as_bytes()), "{name}");
        }
    }
}
