//! `push_channels_status` in the dialect of the push stream module: its statistics
//! (`push_stream_channels_statistics`), in JSON, text, XML or YAML, by `Accept`.
//!
//! The argument `id` names a channel, several (`a/b`), those with a prefix (`a*`) or `ALL`; without it the
//! server is told as a whole. There are no workers of their own processes here, so there is one entry
//! for the process, and nothing waits in a trash.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response, header};
use tokio::task::yield_now;

use super::{
    accept::choose,
    host::Host,
    push_stream::{Summary, group, one, summary},
};
use crate::{
    channel::{ChannelId, ChannelInfo, Hub},
    config::{Scope, Transport},
    dialect::{Dialect, Info},
    hold::Tally,
    response::{Body, Refusal, full},
};

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
    One(ChannelId),
    Some(Vec<ChannelId>),
    /// Those whose id begins with this.
    Prefix(Vec<u8>),
}

impl Asked {
    fn by(scope: &Scope<'_>) -> Self {
        let (name, group) = (scope.argument("id"), scope.argument("group"));
        let id = |name: &[u8]| ChannelId::grouped(&group, name);
        let star = name.iter().position(|byte| *byte == b'*');
        match (&*name, star) {
            (b"", _) => Self::Server,
            (b"ALL", _) => Self::Prefix(Vec::new()),
            (name, Some(star)) => Self::Prefix(name[..star].to_vec()),
            (name, None) if name.contains(&b'/') => {
                let names = name.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
                let mut ids: Vec<_> = names.map(id).collect();
                ids.sort_unstable_by(|a, b| a.key().cmp(b.key()));
                ids.dedup();
                Self::Some(ids)
            }
            (name, None) => Self::One(id(name)),
        }
    }
}

impl Statistics<'_> {
    /// Answers a request; 404 without a body where it names a channel that does not exist.
    pub async fn answer(
        &self,
        scope: &Scope<'_>,
        headers: &HeaderMap,
        dialect: &Dialect,
    ) -> Result<Response<Body>, Refusal> {
        let (content_type, format) = choose(headers.get(header::ACCEPT), Info::PushStream);
        let census = self.host.census(self.hub);
        let text = match Asked::by(scope) {
            Asked::Server => summary(&self.summary(), &census, format),
            Asked::One(id) => one(&self.info(&id).ok_or(Refusal::NoSuchChannel)?, format),
            Asked::Some(ids) => {
                let infos: Vec<_> = ids.iter().filter_map(|id| self.info(id)).collect();
                group(&infos, &census, format)
            }
            Asked::Prefix(prefix) => group(&self.with(&prefix).await, &census, format),
        };
        let mut response = Response::new(full(text));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        dialect.forbid_caching(headers);
        Ok(response)
    }

    fn info(&self, id: &ChannelId) -> Option<ChannelInfo> {
        self.hub.sketch(id).map(|sketch| sketch.info)
    }

    /// All whose id begins so; everyone else is served between the parts of them.
    async fn with(&self, prefix: &[u8]) -> Vec<ChannelInfo> {
        let mut infos = Vec::new();
        for part in 0..self.hub.parts() {
            let begins = |id: &ChannelId| id.as_bytes().starts_with(prefix);
            let (names, _) = self.hub.names(part, None, usize::MAX, begins);
            infos.extend(names.iter().filter_map(|id| self.info(id)));
            yield_now().await;
        }
        infos.sort_unstable_by(|a, b| a.channel.key().cmp(b.channel.key()));
        infos
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
