//! Who comes to stay: the application is asked, and told when it has left; others see who is there.

use http::Method;

use super::{
    herald::{AtLast, Happening},
    hooks::{Matter, Moment},
};
use crate::{
    channel::{ChannelId, MessageId},
    config::Transport,
    hold::{Answer, Guest},
    response::Refusal,
    subscribe::presence::{Arrival, Present},
    upstream::{Notice, Notices, Verdict},
};

/// A subscriber that stays, until it is dropped.
#[derive(Debug)]
pub(super) struct Visitor {
    leaving: Option<Box<Leaving>>,
    present: Box<[Present]>,
    /// Dropped last: it has left before others are told.
    dequeued: Option<Box<AtLast>>,
}

/// There may be one for each connection.
const _: () = assert!(size_of::<Visitor>() <= 32);

impl Guest for Visitor {
    fn saw(&mut self, seen: MessageId) {
        if let Some(notice) = self.leaving.as_mut().and_then(|leaving| leaving.notice.as_mut()) {
            notice.seen = Some(seen);
        }
        if let Some(dequeued) = &mut self.dequeued {
            dequeued.seen = Some(seen);
        }
    }

    fn is_revoked(&self) -> bool {
        self.present.iter().any(Present::is_revoked)
    }
}

/// What the application is told when this is dropped.
#[derive(Debug)]
pub(super) struct Leaving {
    notices: std::rc::Rc<Notices>,
    notice: Option<Notice>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(notice) = self.notice.take() {
            self.notices.put(notice);
        }
    }
}

/// What the application has said to somebody who wants to stay.
pub(super) enum Arrived {
    /// It may.
    Admitted(Option<Leaving>),
    /// It is answered like this.
    Refused(Answer),
}

impl Matter<'_> {
    /// Whether somebody stays whom the application is asked about, or told that it has left: polls do
    /// not, and neither does who asks only for headers.
    pub(super) fn stays(&self, transport: Transport) -> bool {
        let hooks = &self.location().hooks;
        (hooks.subscribe.is_some() || hooks.unsubscribe.is_some())
            && !transport.is_poll()
            && self.head.method == Method::GET
    }

    /// `push_subscribe_request`. Whoever is admitted by it has left when what this returns is dropped,
    /// also if it never came so far as to wait.
    pub(super) async fn arrive(&self) -> Result<Arrived, Refusal> {
        let Some(question) = &self.location().hooks.subscribe else {
            return Ok(Arrived::Admitted(None));
        };
        let inquiry = self.inquiry(question, Method::GET)?;
        // What could not be told later is refused now.
        let mut leaving = self.leaving()?;
        let verdict = self.ask(&inquiry).await;
        let knows_nobody = matches!(
            verdict,
            Ok(Verdict::Refused(_)) | Err(Refusal::BadGateway(_) | Refusal::Unavailable(_))
        );
        if let (Some(leaving), true) = (&mut leaving, knows_nobody) {
            // It knows of nobody who could leave. One that took too long may.
            leaving.notice = None;
        }
        match self.enforce(verdict?) {
            None => Ok(Arrived::Admitted(leaving)),
            Some(answer) => Ok(Arrived::Refused(answer)),
        }
    }

    /// `push_unsubscribe_request`.
    fn leaving(&self) -> Result<Option<Leaving>, Refusal> {
        let Some(question) = &self.location().hooks.unsubscribe else { return Ok(None) };
        let (moment, marks) = (Moment::Leaving, Moment::Leaving.marks());
        let inquiry = self.inquiry_at(question, Method::GET, false, (moment, &marks))?;
        let notice = Notice::marked(&inquiry, &marks, self.late(question));
        Ok(Some(Leaving { notices: self.desk.notices(), notice: Some(notice) }))
    }

    /// Makes whoever waits now a visitor, and whoever has polled present for a while.
    pub(super) fn welcome(
        &self,
        answer: &mut Answer,
        arrived: Option<Leaving>,
        stays: bool,
    ) -> Result<(), Refusal> {
        if self.head.method == Method::HEAD {
            return Ok(());
        }
        let present = self.enter()?;
        let Answer::Hold(holding) = answer else { return Ok(()) };
        let told = self.location().hooks.events.is_some();
        let leaving = match arrived {
            None if stays && self.location().hooks.subscribe.is_none() => self.leaving()?,
            arrived => arrived,
        };
        if leaving.is_none() && present.is_empty() && !told {
            return Ok(());
        }
        let dequeued = told.then(|| {
            self.tell(Happening::Enqueued);
            let events = self.events(Happening::Dequeued);
            Box::new(AtLast { herald: self.desk.herald(), events, seen: None })
        });
        let (leaving, present) = (leaving.map(Box::new), present.into());
        holding.guest = Some(Box::new(Visitor { leaving, present, dequeued }));
        Ok(())
    }

    /// `push_presence`: somebody is on the channels.
    fn enter(&self) -> Result<Vec<Present>, Refusal> {
        let Some(presence) = self.location().hooks.presence.as_ref() else { return Ok(Vec::new()) };
        let identity = self.identity();
        if identity.is_empty() {
            return Ok(Vec::new());
        }
        self.channels
            .iter()
            .map(|channel| self.enter_one(channel, identity, presence.grace))
            .collect()
    }

    fn enter_one(
        &self,
        channel: &ChannelId,
        identity: &[u8],
        grace: std::time::Duration,
    ) -> Result<Present, Refusal> {
        let gateway = &self.desk.gateway;
        let arrival = Arrival { channel, identity, grace, now: gateway.hub.now() };
        let leave = || self.event(channel, Happening::Left);
        let (present, joins) = gateway.presence.enter(&arrival, leave)?;
        if joins && let Some(event) = self.event(channel, Happening::Joined) {
            self.desk.herald().tell([event]);
        }
        Ok(present)
    }
}
