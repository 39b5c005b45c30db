//! `push_publisher_upstream_request`: the application decides what is published.
//!
//! 200 (also 201 and 202) replaces the message by the body of the answer, 304 keeps it, 204 drops it.
//! Anything else is the publisher's answer, and nothing is published; so is an answer with
//! `X-Push-Reply: 1`.

use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::{
    herald::{Happening, Herald},
    hooks::{MAX_ANSWER, Matter, Moment, Role},
};
use crate::{
    channel::{ChannelInfo, Draft},
    log::Entry,
    publish::{self, Edited, Editing},
    response::Refusal,
    subscribe::presence::Event,
    upstream::{Client, Inquiry, Late, Lines, pass_on},
};

/// Sees the messages of one request, or of one WebSocket.
#[derive(Debug)]
pub(super) struct Editor {
    question: Option<Question>,
    /// What is told of each, channel by channel where there is something, and by whom.
    events: Vec<Option<Event>>,
    herald: Rc<Herald>,
}

/// What the application is asked about a message.
#[derive(Debug)]
struct Question {
    client: Client,
    inquiry: Inquiry,
    /// What it says of each message, where that differs.
    late: Option<(Lines, Late)>,
    /// The most that a message may have, in bytes.
    limit: usize,
    /// The messages have no headers of their own.
    bare: bool,
    /// Whose line has the time that the application takes.
    entry: Option<Entry>,
}

/// The answer is for whoever sent the message, and nobody else.
const X_PUSH_REPLY: HeaderName = HeaderName::from_static("x-push-reply");
/// The type of a message of text frames, as the application is told it.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

impl Matter<'_> {
    /// Who sees what is published, if somebody does.
    pub(super) fn editor(&self) -> Result<Option<Box<Editor>>, Refusal> {
        let hooks = &self.location().hooks;
        let posts = matches!(self.head.method, Method::POST | Method::PUT);
        let bare = matches!(self.role, Role::Both);
        if (hooks.publish.is_none() && hooks.events.is_none()) || !(posts || bare) {
            return Ok(None);
        }
        let question = match &hooks.publish {
            None => None,
            Some(question) => {
                let (moment, marks) = (Moment::Publishing, Moment::Publishing.marks());
                let inquiry = self.inquiry_at(question, Method::POST, !bare, (moment, &marks))?;
                let late = self.late(question).map(|late| (Lines::new(&inquiry, &marks), late));
                let client = self.desk.upstreams.clone();
                let limit = self.location().max_body_size.max(MAX_ANSWER);
                let entry = Entry::of(self.head).cloned();
                Some(Question { client, inquiry, late, limit, bare, entry })
            }
        };
        let event = |channel| self.event(channel, Happening::Published);
        let (events, herald) = (self.channels.iter().map(event).collect(), self.desk.herald());
        Ok(Some(Box::new(Editor { question, events, herald })))
    }
}

impl publish::Editor for Editor {
    fn edit(&self, draft: Draft) -> Editing {
        let Some(question) = &self.question else {
            return Box::pin(std::future::ready(Ok(Edited::Published(draft))));
        };
        let (client, limit) = (question.client.clone(), question.limit);
        let entry = question.entry.clone();
        let mut inquiry = question.inquiry.clone();
        if let Some((lines, late)) = &question.late
            && let Some((uri, headers)) = lines.read(Some(late), None)
        {
            (inquiry.uri, inquiry.headers) = (uri, headers);
        }
        if question.bare {
            let binary = draft.content_type.clone();
            let told = binary.and_then(|value| HeaderValue::from_maybe_shared(value).ok());
            inquiry.headers.insert(header::CONTENT_TYPE, told.unwrap_or(TEXT));
        }
        Box::pin(async move {
            let asking = client.question(&inquiry, draft.body.clone(), limit);
            let answer = Entry::clocked(entry, asking).await?;
            Ok(decide(draft, answer))
        })
    }

    fn published(&self, infos: &[ChannelInfo]) {
        // Not all of the channels are told of; the others have an info each, in their order.
        let told = self.events.iter().zip(infos);
        let told = told.filter_map(|(event, info)| Some((event.clone()?, info.last_message_id)));
        self.herald.tell(told.map(|(event, id)| event.with_id(Some(id))));
    }
}

/// What an answer means for a message.
fn decide(draft: Draft, answer: Response<Bytes>) -> Edited {
    match answer.status() {
        status
            if status.is_success()
                && answer.headers().get(&X_PUSH_REPLY).is_some_and(|on| on == "1") =>
        {
            let mut answer = pass_on(answer);
            answer.headers_mut().remove(&X_PUSH_REPLY);
            Edited::Answered(answer)
        }
        StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED => {
            let (parts, body) = answer.into_parts();
            let new = publish::draft(&parts.headers, Bytes::copy_from_slice(&body));
            let (event, event_id) = (new.event.or(draft.event), new.event_id.or(draft.event_id));
            Edited::Published(Draft { event, event_id, ..new })
        }
        StatusCode::NOT_MODIFIED => Edited::Published(draft),
        _ => Edited::Answered(pass_on(answer)),
    }
}
