//! How listening ends, and which ends are final.

/// Why a connection gives no more messages.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// As many messages as were asked for, or nobody reads them: final, and all is well.
    Done,
    /// The channel is no more: final, and all is well.
    Deleted,
    /// The gateway does not want it, or does not speak the protocol: final.
    Refused(String),
    /// The gateway has ended it in order, and may be asked again.
    Over(String),
    /// Something broke, and may be better later.
    Lost(String),
}

impl End {
    fn over(what: &str) -> Self {
        Self::Over(what.to_owned())
    }

    fn conflict() -> Self {
        Self::Refused("another subscriber has got the place (409 Conflict)".to_owned())
    }

    /// What the event `close` says; `None`: it is a message.
    pub(super) fn of_event(data: &[u8]) -> Option<Self> {
        Some(match data {
            b"conflict" => Self::conflict(),
            b"deleted" => Self::Deleted,
            b"lagging" => Self::over("left behind by the history"),
            b"shutdown" => Self::over("the gateway shuts down"),
            b"timeout" => Self::over("the time of the subscription is over"),
            _ => return None,
        })
    }

    /// What a comment with a status says at the end of an event stream of Nchan; `None`: nothing.
    pub(super) fn of_comment(comment: &[u8]) -> Option<Self> {
        let status = comment.split(|byte| *byte == b':').next()?;
        Some(match status {
            b"408" => Self::over("the time of the subscription is over"),
            b"409" => Self::conflict(),
            b"410" => Self::Deleted,
            b"503" => Self::over("the gateway is not there for it (503)"),
            _ => return None,
        })
    }

    /// What the closing frame of a WebSocket says, in the words of any dialect.
    ///
    /// Nchan says 1001 when it stops as well as when the channel is deleted: so that is asked again.
    pub(super) fn of_close(told: Option<(u16, &str)>) -> Self {
        let Some((code, reason)) = told else { return Self::over("the WebSocket was closed") };
        let words = match reason {
            "" => format!("the WebSocket was closed: {code}"),
            reason => format!("the WebSocket was closed: {code} {reason}"),
        };
        match (code, reason) {
            (4410, _) => Self::Deleted,
            (4409, _) => Self::conflict(),
            (_, reason) if reason.starts_with("409 ") => Self::conflict(),
            (1008, "lagging") => Self::over("left behind by the history"),
            (1008, reason) if reason.starts_with("503 ") => Self::Over(words),
            (1002 | 1003 | 1007..=1010 | 4400..=4499, _) => Self::Refused(words),
            _ => Self::Over(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::ALL;

    #[test]
    fn each_dialects_words_are_understood() {
        for dialect in ALL {
            let events = &dialect.event_endings;
            let read = |told: &str| match told.strip_prefix(':') {
                Some(comment) => End::of_comment(comment.as_bytes()),
                None => End::of_event(told.strip_prefix("event: close\ndata: ")?.trim().as_bytes()),
            };
            if events.deleted.is_empty() {
                continue;
            }
            assert_eq!(read(events.deleted), Some(End::Deleted));
            assert_eq!(read(events.conflict), Some(End::conflict()));
            for over in [events.lagging, events.shutdown, events.timeout] {
                assert!(matches!(read(over), Some(End::Over(_))), "{over}");
            }
        }
        for dialect in ALL {
            let closes = &dialect.closes;
            let close = |told: &crate::dialect::Close| {
                End::of_close(told.code.map(|code| (code, told.reason)))
            };
            assert!(matches!(close(&closes.conflict), End::Refused(_)), "{:?}", closes.conflict);
            for over in [&closes.lagging, &closes.shutdown, &closes.timeout] {
                assert!(matches!(close(over), End::Over(_)), "{over:?}");
            }
        }
        assert_eq!(End::of_close(Some((4410, "deleted"))), End::Deleted);
        assert_eq!(End::of_event(b"hello"), None);
        assert_eq!(End::of_comment(b" hi"), None);
    }
}
