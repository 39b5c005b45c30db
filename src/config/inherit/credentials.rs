//! What a location asks its visitors to bring.

use super::Build;
use crate::{
    config::{
        error::{Level, Reason},
        location::{Jwt, SecureLink},
        value::{At, or},
        variable::Template,
    },
    credentials::Expected,
};

/// Where a token is looked for: browsers can set no header of an `EventSource` or a `WebSocket`.
const TOKEN: [&str; 2] = ["$http_authorization", "$arg_token"];
const CLAIM: &str = "channels";
const LINK_TEXT: &str = "$push_channel_id";
/// Why a group is refused.
const BY_TOKEN: &str = "signed with the channels of push_jwt: its tokens would open them in every \
                        group; take the group from a claim ($jwt_NAME)";
const BY_LINK: &str = "signed with push_secure_link: its links would open their channels in every \
                       group; put it into push_secure_link_text";

impl Build<'_> {
    /// Notes keys of the location's own that protect nothing there: pages that are passed on are the
    /// application's affair, and what shows the gateway has `access`.
    pub(super) fn note_idle_credentials(&mut self, pushes: bool) {
        const NO_ROLE: &str = "the location neither publishes nor subscribes";
        let block = self.block;
        let items = block.push_grip_publish.as_ref().is_some_and(|at| at.value);
        if pushes || items || block.is_suspect(&super::ROLES) {
            return;
        }
        let jwt = block.push_jwt.as_ref().filter(|at| !at.value.is_empty()).map(|at| at.place);
        let link = block.push_secure_link.as_ref().filter(|at| !at.value.is_empty());
        for place in [jwt, link.map(|at| at.place)].into_iter().flatten() {
            if place.level == Level::Location {
                self.faults.add(place, Reason::NoEffect(NO_ROLE));
            }
        }
    }

    /// What requests have to bring; `guards` says whether channels of this group are asked for here.
    pub(super) fn credentials(
        &mut self,
        group: &Template,
        guards: bool,
    ) -> (Option<Jwt>, Option<SecureLink>) {
        let (jwt, link) = (self.jwt(), self.secure_link());
        let granted = jwt.as_ref().is_some_and(|jwt| jwt.claim.is_some());
        match &link {
            Some(link) if guards => self.check_group(group, Some(&link.text), BY_LINK),
            None if guards && granted => self.check_group(group, None, BY_TOKEN),
            _ => {}
        }
        (jwt, link)
    }

    /// Channels of the same id are others in another group: where the client chooses the group, what is
    /// signed has to say it.
    fn check_group(&mut self, group: &Template, signed: Option<&Template>, why: &'static str) {
        let block = self.block;
        let Some(own) = &block.push_channel_group else { return };
        let internal = or(block.internal.as_ref(), false);
        if let Some(name) = group.chosen_beside(signed, internal) {
            let jwt = block.push_jwt.as_ref().map(|at| at.place);
            let link = block.push_secure_link.as_ref().map(|at| at.place);
            let places = [jwt, link].into_iter().flatten();
            let nearest = places.max_by_key(|place| place.level);
            let place = nearest.filter(|at| at.level > own.place.level).unwrap_or(own.place);
            let reason = Reason::Invalid(format!("${name}"), why);
            self.faults.add_key(place, own.place.key, reason);
        }
    }

    fn jwt(&mut self) -> Option<Jwt> {
        let block = self.block;
        let keys = block.push_jwt.as_ref().filter(|at| !at.value.is_empty())?;
        let token = block.push_jwt_token.as_ref().filter(|at| !at.value.is_empty());
        let token = match token {
            Some(_) => self.templates(token),
            None => TOKEN
                .iter()
                .filter_map(|text| {
                    self.template(&At { value: (*text).to_owned(), place: keys.place })
                })
                .collect(),
        };
        let claim = block.push_jwt_claim.as_ref().map_or(CLAIM, |at| &at.value);
        let texts = |texts: Option<&At<Vec<At<String>>>>| {
            let texts = texts.into_iter().flat_map(|texts| &texts.value);
            texts.map(|text| text.value.clone()).collect()
        };
        Some(Jwt {
            keys: keys.value.clone(),
            token,
            claim: (!claim.is_empty()).then(|| claim.into()),
            expected: Expected {
                issuers: texts(block.push_jwt_issuer.as_ref()),
                audiences: texts(block.push_jwt_audience.as_ref()),
            },
        })
    }

    fn secure_link(&mut self) -> Option<SecureLink> {
        let block = self.block;
        let link = block.push_secure_link.as_ref().filter(|at| !at.value.is_empty())?;
        let signed = self.template(link)?;
        let text = block.push_secure_link_text.as_ref().filter(|at| !at.value.is_empty()).cloned();
        let text = text.unwrap_or_else(|| At { value: LINK_TEXT.to_owned(), place: link.place });
        let text = self.template(&text)?;
        let Some(secret) = &block.push_secure_link_secret else {
            if !block.is_suspect(&["push_secure_link_secret"]) {
                let why = "push_secure_link needs it";
                self.faults.add_key(link.place, "push_secure_link_secret", Reason::Missing(why));
            }
            return None;
        };
        Some(SecureLink { signed, text, secret: secret.value.clone() })
    }
}
