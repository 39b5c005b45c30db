//! `push_channels_status`: which channels there are, page by page, and how one of them is.
//!
//! A page goes on behind the last name of the page before. Names have a fixed order, so whatever
//! comes and goes meanwhile, a channel that stays is on one page and only on one.

use std::{borrow::Cow, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Response;
use serde::Serialize;
use tokio::{task::yield_now, time::timeout};

use super::response;
use crate::{
    channel::{ChannelId, Hub, MessageId, Sketch, Turnout},
    config::Scope,
    response::{Body, Refusal},
};

/// Channels of a page: where `limit` says nothing, and at most.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1000;
/// Names that are looked at, or channels described, before the worker serves everyone else. Names
/// come in parts, so it may be a part more.
const LOOKS: usize = 4096;
const DESCRIPTIONS: usize = 64;
/// How long workers may take to count the subscribers of a channel.
const COUNT_PATIENCE: Duration = Duration::from_secs(1);

/// Answers by what the arguments `id`, `group`, `prefix`, `after` and `limit` say.
pub(super) async fn answer(hub: &Hub, scope: &Scope<'_>) -> Result<Response<Body>, Refusal> {
    let document = match &*scope.argument("id") {
        b"" => {
            let page = list(hub, &Wanted::by(scope)?).await;
            serde_json::to_string(&page)
        }
        id => {
            let id = ChannelId::grouped(&scope.argument("group"), id);
            let described = describe(hub, &id).await.ok_or(Refusal::NoSuchChannel)?;
            serde_json::to_string(&described)
        }
    };
    Ok(response("application/json", document.unwrap_or_default() + "\n"))
}

/// Which channels are to be listed.
struct Wanted<'a> {
    /// Of this group; the empty one is that of all groups.
    group: Cow<'a, [u8]>,
    /// Their ids begin with this.
    prefix: Cow<'a, [u8]>,
    after: Option<ChannelId>,
    limit: usize,
}

impl<'a> Wanted<'a> {
    fn by(scope: &Scope<'a>) -> Result<Self, Refusal> {
        let limit = match &*scope.argument("limit") {
            b"" => Some(PAGE),
            text => str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
        };
        let limit = limit.filter(|limit| (1..=LONGEST_PAGE).contains(limit));
        let after = match &*scope.argument("after") {
            b"" => None,
            cursor => Some(parse_cursor(cursor).ok_or(Refusal::BadRequest(WRONG_CURSOR.into()))?),
        };
        Ok(Self {
            group: scope.argument("group"),
            prefix: scope.argument("prefix"),
            after,
            limit: limit.ok_or(Refusal::BadRequest(WRONG_LIMIT.into()))?,
        })
    }

    fn has(&self, id: &ChannelId) -> bool {
        let grouped = self.group.is_empty() || *self.group == *id.group();
        grouped && id.as_bytes().starts_with(&self.prefix)
    }
}

const WRONG_CURSOR: &str = "The argument after is to be what an earlier page calls next.";
const WRONG_LIMIT: &str = "The argument limit is to be a number from 1 to 1000.";

#[derive(Serialize)]
struct Page {
    /// Channels that there are in all.
    total: usize,
    channels: Vec<Entry>,
    /// The `after` of the next page, if there may be one.
    next: Option<String>,
}

/// One channel.
#[derive(Serialize)]
struct Entry {
    id: String,
    /// The id, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_base64: Option<String>,
    group: String,
    /// Messages that are stored, and the bytes of all that are kept.
    messages: usize,
    bytes: usize,
    /// Messages ever published.
    published: u64,
    subscribers: usize,
    /// Unix seconds, all three.
    created: u64,
    last_published: Option<u64>,
    last_requested: Option<u64>,
    last_message_id: String,
}

/// One channel with its subscribers.
#[derive(Serialize)]
struct Description {
    #[serde(flatten)]
    entry: Entry,
    transports: Vec<Row>,
    /// Whether all workers have counted theirs.
    complete: bool,
}

#[derive(Serialize)]
struct Row {
    transport: &'static str,
    subscribers: usize,
    slow: usize,
    behind: usize,
    most_behind: usize,
}

/// One page.
async fn list(hub: &Hub, wanted: &Wanted<'_>) -> Page {
    let mut names: Vec<ChannelId> = Vec::new();
    let mut looks = 0;
    let begin = wanted.after.as_ref().map_or(0, |after| hub.part(after));
    for part in begin..hub.parts() {
        let after = wanted.after.as_ref().filter(|_| part == begin);
        let (found, looked) =
            hub.names(part, after, wanted.limit - names.len(), |id| wanted.has(id));
        names.extend(found);
        if names.len() >= wanted.limit {
            break;
        }
        looks += looked;
        if looks >= LOOKS {
            looks = 0;
            yield_now().await;
        }
    }
    let next = names.last().filter(|_| names.len() >= wanted.limit).map(cursor);
    let mut channels = Vec::with_capacity(names.len());
    for some in names.chunks(DESCRIPTIONS) {
        let sketches = some.iter().filter_map(|id| hub.sketch(id));
        channels.extend(sketches.map(|sketch| Entry::new(&sketch, hub.now())));
        yield_now().await;
    }
    Page { total: hub.channels(), channels, next }
}

/// One channel, if it exists.
async fn describe(hub: &Hub, id: &ChannelId) -> Option<Description> {
    let entry = Entry::new(&hub.sketch(id)?, hub.now());
    let mut answers = hub.survey(id)?;
    let mut found: Vec<(&'static str, Turnout)> = Vec::new();
    let all = async {
        while let Some((transport, turnout)) = answers.recv().await {
            match found.iter_mut().find(|(name, _)| *name == transport) {
                Some((_, sum)) => *sum = sum.and(turnout),
                None => found.push((transport, turnout)),
            }
        }
    };
    let complete = timeout(COUNT_PATIENCE, all).await.is_ok();
    found.sort_unstable_by_key(|(transport, _)| *transport);
    Some(Description { entry, transports: found.into_iter().map(Row::from).collect(), complete })
}

impl Entry {
    fn new(sketch: &Sketch, now: u64) -> Self {
        let Sketch { info, bytes, created } = sketch;
        let id = info.channel.as_bytes();
        let last = Some(info.last_message_id).filter(|id| *id > MessageId::ZERO);
        Self {
            id: String::from_utf8_lossy(id).into_owned(),
            id_base64: str::from_utf8(id).is_err().then(|| URL_SAFE_NO_PAD.encode(id)),
            group: String::from_utf8_lossy(info.channel.group()).into_owned(),
            messages: info.messages,
            bytes: *bytes,
            published: info.published,
            subscribers: info.subscribers,
            created: *created,
            last_published: last.map(MessageId::time),
            last_requested: info.requested.map(|age| now.saturating_sub(age)),
            last_message_id: info.last_message_id.to_string(),
        }
    }
}

impl From<(&'static str, Turnout)> for Row {
    fn from((transport, turnout): (&'static str, Turnout)) -> Self {
        let Turnout { subscribers, slow, behind, most_behind } = turnout;
        Self { transport, subscribers, slow, behind, most_behind }
    }
}

fn cursor(id: &ChannelId) -> String {
    URL_SAFE_NO_PAD.encode(id.key())
}

fn parse_cursor(text: &[u8]) -> Option<ChannelId> {
    ChannelId::from_key(&URL_SAFE_NO_PAD.decode(text).ok()?)
}
