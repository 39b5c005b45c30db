//! `push_channels_status` in the dialect of the push stream module: its statistics
//! (`push_stream_channels_statistics`), in JSON, text, XML or YAML, by `Accept`.
//!
//! The argument `id` is a path as publishers have it: a channel, several (`a/b`), those with a prefix
//! (`a*`) or `ALL`; without it the server is told as a whole. There are no workers of their own
//! processes here, so there is one entry for the process, and nothing waits in a trash.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use http::{HeaderMap, HeaderValue, Response, header};
use tokio::task::yield_now;

use super::{
    accept::{Format, choose},
    host::{Census, Host},
    push_stream::{Group, Summary, group, one, summary},
};
use crate::{
    channel::{ChannelId, ChannelInfo, Hub},
    config::{Location, Scope, Segment, Transport},
    dialect::Info,
    hold::Tally,
    response::{Body, Refusal, full},
};

/// Channels that are looked at or told before the worker serves everyone else.
const AT_ONCE: usize = 256;

/// What the statistics are of.
#[derive(Debug)]
pub struct Statistics<'a> {
    /// Where the channels are.
    pub hub: &'a Hub,
    /// The machine and the process.
    pub host: &'a Host,
    /// The counters of each worker.
    pub tallies: &'a [Arc<Tally>],
}

/// What a request asks for.
enum Asked {
    Server,
    /// These, each once, as far as they exist.
    Some(Vec<ChannelId>),
    /// Those whose id begins with this.
    Prefix(Vec<u8>),
}

impl Asked {
    /// Of a path that has prefixes too the first of them is what counts.
    fn by(scope: &Scope<'_>, max_id_length: usize) -> Result<Self, Refusal> {
        let (path, group) = (scope.argument("id"), scope.argument("group"));
        if path.is_empty() {
            return Ok(Self::Server);
        }
        let (mut ids, mut seen) = (Vec::new(), HashSet::new());
        for segment in path.split(|byte| *byte == b'/') {
            match Segment::parse(segment) {
                Segment::Prefix(prefix) => return Ok(Self::Prefix(prefix.to_vec())),
                Segment::Channel(id, _) if id.len() > max_id_length => {
                    return Err(Refusal::ChannelIdTooLong);
                }
                Segment::Channel(id, _) if id.is_empty() || !seen.insert(id) => {}
                Segment::Channel(id, _) => ids.push(ChannelId::grouped(&group, id)),
            }
        }
        Ok(Self::Some(ids))
    }
}

impl Statistics<'_> {
    /// Answers a request. Names of which no channel exists are [`Refusal::NoSuchChannel`], and one that
    /// is longer than `push_max_channel_id_length` is [`Refusal::ChannelIdTooLong`].
    pub async fn answer(
        &self,
        scope: &Scope<'_>,
        headers: &HeaderMap,
        location: &Location,
    ) -> Result<Response<Body>, Refusal> {
        let (content_type, format) = choose(headers.get(header::ACCEPT), Info::PushStream);
        let census = self.host.census(self.hub);
        let text = match Asked::by(scope, location.channels.max_id_length)? {
            Asked::Server => summary(&self.summary(), &census, format),
            Asked::Some(ids) => {
                let infos: Vec<_> = ids.iter().filter_map(|id| self.info(id)).collect();
                match &infos[..] {
                    [] => return Err(Refusal::NoSuchChannel),
                    [info] => one(info, format),
                    infos => group(infos, &census, format),
                }
            }
            Asked::Prefix(prefix) => self.all(&prefix, &census, format).await,
        };
        let mut response = Response::new(full(text));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        location.dialect.forbid_caching(headers);
        Ok(response)
    }

    fn info(&self, id: &ChannelId) -> Option<ChannelInfo> {
        self.hub.sketch(id).map(|sketch| sketch.info)
    }

    /// All whose id begins so; everyone else is served meanwhile.
    async fn all(&self, prefix: &[u8], census: &Census<'_>, format: Format) -> String {
        let mut infos = BTreeMap::new();
        for part in 0..self.hub.parts() {
            let begins = |id: &ChannelId| id.as_bytes().starts_with(prefix);
            let (names, _) = self.hub.names(part, None, usize::MAX, begins);
            for some in names.chunks(AT_ONCE) {
                let some = some.iter().filter_map(|id| self.info(id));
                infos.extend(some.map(|info| (info.channel.clone(), info)));
                yield_now().await;
            }
            yield_now().await;
        }
        let mut group = Group::new(census, format);
        let mut left = AT_ONCE;
        while let Some((_, info)) = infos.pop_first() {
            group.push(&info);
            left -= 1;
            if left == 0 {
                left = AT_ONCE;
                yield_now().await;
            }
        }
        group.end()
    }

    fn summary(&self) -> Summary {
        let traffic = self.hub.traffic();
        let waiting = |tally: &Arc<Tally>| -> u64 {
            Transport::ALL.iter().map(|transport| tally.waiting(*transport)).sum()
        };
        Summary {
            pid: std::process::id(),
            published: traffic.published,
            stored: traffic.stored,
            subscribers: self.tallies.iter().map(waiting).sum(),
        }
    }
}
