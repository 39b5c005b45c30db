//! What is shown of the applications behind the gateway; whoever knows them fills it in.

use std::collections::BTreeMap;

use serde::Serialize;

/// How things stand between the gateway and the applications.
#[derive(Clone, Debug, Default)]
pub struct Application {
    /// Questions whose answer is awaited.
    pub questions: u64,
    /// Questions that could not be asked, because there were too many.
    pub turned_away: u64,
    /// Requests that wait for an application that cannot be reached.
    pub waiting: u64,
    /// What applications are told.
    pub notices: Told,
    /// Each upstream.
    pub upstreams: Vec<Upstream>,
}

/// What applications are told and need not decide.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Told {
    /// What waits to be told.
    pub queued: u64,
    /// What they have heard.
    pub told: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// What was given up.
    pub lost: u64,
}

/// An `[[upstream]]`, or the address of a `proxy_pass`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Upstream {
    /// Its name or address.
    #[serde(skip)]
    pub name: Box<str>,
    /// Requests that were sent to it, or were to be.
    pub requests: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Its servers.
    pub servers: u64,
    /// Those of them that are left alone now.
    pub unavailable: u64,
    /// Connections that are open.
    pub connections: u64,
}

/// The same in JSON.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    questions: u64,
    questions_turned_away: u64,
    waiting: u64,
    notices: Told,
    upstreams: BTreeMap<&'a str, &'a Upstream>,
}

impl Application {
    /// The same in JSON.
    pub(super) fn document(&self) -> Document<'_> {
        let upstreams = self.upstreams.iter().map(|one| (&*one.name, one)).collect();
        Document {
            questions: self.questions,
            questions_turned_away: self.turned_away,
            waiting: self.waiting,
            notices: self.notices,
            upstreams,
        }
    }
}
