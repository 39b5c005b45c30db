//! What a location does with a request that may come: its role.

use std::rc::Rc;

use http::{Method, request};

use super::{
    Desk,
    herald::Happening,
    hooks::{Matter, Role},
    methods::{same_origin, subscribes},
    visitor::Arrived,
    walk::{Stop, Way, shared},
};
use crate::{
    config::{Named, Subscriber, Transport},
    hold::{Answer, Inbound, RequestBody},
    log::Entry,
    publish::{self, Editor, Errand},
    response::Refusal,
    subscribe::{Outlets, Visit},
};

impl Desk {
    /// The location's role.
    pub(super) async fn play(
        &self,
        way: &Way<'_>,
        stop: Stop<'_>,
        named: &Named,
        head: &request::Parts,
        body: Option<RequestBody>,
    ) -> Result<Answer, Refusal> {
        let channels = &named.channels[..];
        let presence = stop.location.hooks.presence.as_ref();
        let identity = presence.map(|presence| presence.identity.expand(stop.scope));
        let identity = identity.as_deref().unwrap_or_default();
        let role = Role::Publisher;
        let matter = Matter { desk: self, way, stop, head, channels, role, identity, visit: None };
        match (&stop.location.publisher, &stop.location.subscriber, stop.outlets) {
            (publisher, Some(subscriber), Some(outlets))
                if publisher.is_none() || (subscribes(&head.method) && !matter.lists()) =>
            {
                if let Some(body) = &body {
                    // Whoever is not there any more need not be asked about.
                    body.ends_with_client();
                }
                self.listen(matter, named, subscriber, outlets).await
            }
            (Some(_), ..) => {
                same_origin(stop.location, head)?;
                self.publish(matter, body).await
            }
            _ => Err(Refusal::NotFound),
        }
    }

    async fn listen(
        &self,
        matter: Matter<'_>,
        named: &Named,
        subscriber: &Subscriber,
        outlets: &Outlets,
    ) -> Result<Answer, Refusal> {
        let Stop { location, scope, tally, .. } = matter.stop;
        let (hub, browsers) = (&*self.gateway.hub, &self.gateway.browsers);
        let head = matter.head;
        let visit =
            Visit { hub, location, subscriber, outlets, head, scope, named, browsers, tally };
        let transport = visit.transport()?;
        if let Some(entry) = Entry::of(head) {
            entry.transport(transport.name());
        }
        let both = transport == Transport::WebSocket && location.publisher.is_some();
        let role = if both { Role::Both } else { Role::Subscriber(transport) };
        let matter = Matter { role, visit: Some(&visit), ..matter };
        if location.hooks.authorize.is_some()
            && let Some(refused) = Box::pin(matter.authorize()).await?
        {
            return Ok(refused);
        }
        let stays = matter.stays(transport);
        let mut arrived = None;
        if stays {
            match Box::pin(matter.arrive()).await? {
                Arrived::Admitted(leaving) => arrived = leaving,
                Arrived::Refused(answer) => return Ok(answer),
            }
        }
        let inbound = if both { Some(matter.inbox()?) } else { None };
        let mut answer = visit.answer(transport, inbound).await?;
        matter.welcome(&mut answer, arrived, stays)?;
        Ok(answer)
    }

    async fn publish(
        &self,
        matter: Matter<'_>,
        body: Option<RequestBody>,
    ) -> Result<Answer, Refusal> {
        let Stop { location, .. } = matter.stop;
        let Some(publisher) = &location.publisher else { return Err(Refusal::NotFound) };
        if location.hooks.authorize.is_some()
            && let Some(refused) = Box::pin(matter.authorize()).await?
        {
            return Ok(refused);
        }
        let editor = matter.editor()?;
        let editor = editor.as_deref().map(|editor| editor as &dyn Editor);
        let (hub, host, head) = (&*self.gateway.hub, &self.gateway.host, matter.head);
        let errand = Errand { hub, host, location, publisher, head, editor };
        let response = if let Some(answer) = Box::pin(matter.about_presence(&errand)).await {
            answer?
        } else {
            // Too much of it has gone to the application already.
            let body = body.ok_or(Refusal::TooLarge)?;
            let deletes = head.method == Method::DELETE;
            // Who is sent away may be back before this is through.
            let _forgetting = deletes.then(|| self.gateway.epochs.forget());
            errand.answer(matter.channels, body).await.inspect(|_| {
                if deletes {
                    matter.tell(Happening::Deleted);
                }
            })?
        };
        Ok(shared(location, head, response))
    }
}

impl Matter<'_> {
    /// What takes the messages of a WebSocket's client.
    fn inbox(&self) -> Result<Rc<dyn Inbound>, Refusal> {
        let (hub, location) = (self.desk.gateway.hub.clone(), self.stop.location.clone());
        let editor = self.editor()?.map(|editor| editor as Box<dyn Editor>);
        Ok(Rc::new(publish::Inbox::new(hub, location, self.channels.to_vec(), editor)))
    }
}
