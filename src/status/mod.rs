//! Status locations: how the gateway is, which channels there are, whether it lives.

mod accept;
mod application;
mod channels;
mod dashboard;
mod figures;
mod prometheus;
mod text;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use accept::choose;
pub use application::{Application, Told, Upstream};
use figures::Figures;
use http::{HeaderValue, Response, header, request};

use crate::{
    channel::Hub,
    config::{Health, Scope, Status, StatusFormat},
    hold::{Client, Tally},
    response::{Body, Refusal, full},
};

/// What is watched: the channels, the workers, the process.
#[derive(Debug)]
pub struct Monitor {
    hub: Arc<Hub>,
    tallies: Vec<Arc<Tally>>,
    started: Instant,
    stopping: AtomicBool,
}

impl Monitor {
    /// Of a process that starts now; `tallies` has one entry for each worker.
    pub fn new(hub: Arc<Hub>, tallies: Vec<Arc<Tally>>) -> Self {
        Self { hub, tallies, started: Instant::now(), stopping: AtomicBool::new(false) }
    }

    /// The counters of the worker that serves a client; for its thread.
    pub fn tally(&self, client: Client) -> &Tally {
        &self.tallies[client.worker()]
    }

    /// The counters of all workers.
    pub fn tallies(&self) -> &[Arc<Tally>] {
        &self.tallies
    }

    /// From now on the process is not ready for new requests.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Answers a request to a status location; `application` says how things stand with those.
    pub async fn answer(
        &self,
        status: Status,
        head: &request::Parts,
        scope: &Scope<'_>,
        application: impl FnOnce() -> Application,
    ) -> Result<Response<Body>, Refusal> {
        match status {
            Status::Channels => channels::answer(&self.hub, scope).await,
            Status::Dashboard => Ok(self.dashboard(head, application())),
            Status::Health(health) => self.health(health),
            Status::Overview(format) => Ok(self.overview(format, head, application())),
        }
    }

    fn health(&self, health: Health) -> Result<Response<Body>, Refusal> {
        if health == Health::Ready && self.stopping.load(Ordering::Relaxed) {
            return Err(Refusal::Unavailable("The server shuts down.".into()));
        }
        Ok(response("text/plain", "ok".to_owned()))
    }

    /// The page, or the figures for it.
    fn dashboard(&self, head: &request::Parts, application: Application) -> Response<Body> {
        let mut response = match choose(&head.headers) {
            StatusFormat::Json => self.overview(Some(StatusFormat::Json), head, application),
            _ => dashboard::page(),
        };
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
        response
    }

    fn overview(
        &self,
        format: Option<StatusFormat>,
        head: &request::Parts,
        application: Application,
    ) -> Response<Body> {
        let wanted = format.unwrap_or_else(|| choose(&head.headers));
        let figures = Figures::of(self, application);
        let mut response = match wanted {
            StatusFormat::Json => response("application/json", figures.json()),
            StatusFormat::Prometheus => {
                response(prometheus::CONTENT_TYPE, prometheus::render(&figures))
            }
            StatusFormat::Text => response("text/plain", text::render(&figures)),
        };
        if format.is_none() {
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
        }
        response
    }
}

/// What nobody may keep: it is another thing a moment later.
fn response(content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(full(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
