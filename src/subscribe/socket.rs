//! A request that becomes a WebSocket.

use std::rc::Rc;

use http::header;

use super::Visit;
use crate::{
    framing::websocket::{Dress, META_PROTOCOL, Terms as Agreed},
    hold::{Answer, Holding, Inbound},
    response::Refusal,
    websocket::{self, Accepted, HandshakeError, Terms},
};

impl Visit<'_> {
    /// Shakes hands (RFC 6455 section 4.2), and lets the client wait.
    ///
    /// Browsers let pages of any origin open a WebSocket, with their visitor's cookies, so the origin
    /// is looked at here.
    pub(super) async fn open_socket(
        &self,
        inbound: Option<Rc<dyn Inbound>>,
    ) -> Result<Answer, Refusal> {
        let headers = &self.head.headers;
        let (origin, host) = (headers.get(header::ORIGIN), headers.get(header::HOST));
        if !self.location.cors.permits(origin, host) {
            return Err(Refusal::Forbidden("Pages of this origin may not listen here.".into()));
        }
        if headers.contains_key(header::TRANSFER_ENCODING)
            || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
        {
            return Err(Refusal::BadRequest("A handshake has no body.".into()));
        }
        let (Accepted { mut headers, deflate, .. }, dress) = self.shake_hands()?;
        self.location.dialect.forbid_caching(&mut headers);
        let outlet = self.outlets.socket(Agreed { dress, deflate }).clone();
        let subscription = self.subscribe().await?;
        let subscription = self.sit(subscription).await?;
        self.tell_beginning(&subscription, &mut headers);
        let holding = Holding { headers, inbound, ..Holding::new(subscription, outlet) };
        Ok(Answer::Hold(Box::new(holding)))
    }

    fn shake_hands(&self) -> Result<(Accepted, Dress), Refusal> {
        let protocols = &self.outlets.protocols;
        let terms = Terms { protocols, deflate: self.subscriber.websocket.deflate };
        let accepted = websocket::accept(self.head, &terms).map_err(refuse)?;
        let meta = accepted.protocol.is_some_and(|at| *protocols[at] == *META_PROTOCOL);
        let dress = if meta { Dress::Meta } else { Dress::Plain };
        Ok((accepted, dress))
    }
}

fn refuse(error: HandshakeError) -> Refusal {
    match error {
        HandshakeError::UnsupportedVersion => Refusal::UpgradeRequired,
        error => Refusal::BadRequest(error.to_string().into()),
    }
}
