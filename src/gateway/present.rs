//! What publishers ask and do about who is there: `GET ?presence`, `DELETE ?identity=X`.

use http::{HeaderValue, Method, Response, header};

use super::{Gateway, hooks::Matter};
use crate::{
    publish::Errand,
    response::{Body, Refusal, full},
    websocket,
};

const PRESENCE: &str = "presence";
const IDENTITY: &str = "identity";

impl Gateway {
    /// Tells of those who have left: their grace is over.
    pub async fn sweep(&self) {
        for event in self.presence.sweep(std::time::Instant::now()) {
            super::herald::publish(&self.hub, event).await;
        }
    }
}

impl Matter<'_> {
    /// Whether a request to a location with both roles asks who is there, and is not for messages.
    pub(super) fn lists(&self) -> bool {
        let asks = self.location().hooks.presence.is_some() && self.asks_who_is_there();
        asks && !websocket::is_requested(self.head)
    }

    fn asks_who_is_there(&self) -> bool {
        matches!(self.head.method, Method::GET | Method::HEAD) && self.names(PRESENCE)
    }

    /// Whether the request has an argument of this name.
    fn names(&self, name: &str) -> bool {
        let query = self.head.uri.query().unwrap_or_default();
        query.split('&').any(|part| part.split('=').next() == Some(name))
    }

    /// Answers a request that is about who is there; `None`: it is about the channel.
    pub(super) async fn about_presence(
        &self,
        errand: &Errand<'_>,
    ) -> Option<Result<Response<Body>, Refusal>> {
        let lists = self.asks_who_is_there();
        let revokes = self.head.method == Method::DELETE && self.names(IDENTITY);
        if !lists && !revokes {
            return None;
        }
        if self.location().hooks.presence.is_none() {
            let off = "The location does not know who is there: push_presence is off.";
            return Some(Err(Refusal::BadRequest(off.into())));
        }
        Some(if lists { Ok(self.listed()) } else { self.revoke(errand).await })
    }

    /// Who is on the channels, as JSON; of several channels one list after the other.
    fn listed(&self) -> Response<Body> {
        let presence = &self.desk.gateway.presence;
        let listed: Vec<_> =
            self.channels.iter().flat_map(|channel| presence.list(channel)).collect();
        let json = serde_json::to_vec(&listed).unwrap_or_default();
        let mut response = Response::new(full(json));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    /// Sends somebody away from the channels, wherever it is connected. The channels stay.
    async fn revoke(&self, errand: &Errand<'_>) -> Result<Response<Body>, Refusal> {
        let identity = self.stop.scope.argument(IDENTITY);
        if identity.is_empty() {
            return Err(Refusal::BadRequest("The identity is empty.".into()));
        }
        let gateway = &self.desk.gateway;
        let _forgetting = gateway.epochs.forget();
        for channel in self.channels {
            if let Some(Some(event)) = gateway.presence.revoke(channel, &identity) {
                super::herald::publish(&gateway.hub, event).await;
            }
        }
        let infos = gateway.hub.recall(self.channels);
        errand.describe_all(&infos)
    }
}
