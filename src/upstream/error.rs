//! What can go wrong between the gateway and the application.

use std::io;

use crate::response::Refusal;

/// Why there is no answer of the application. What is shown says what happened and not where: it is
/// for clients, who need not know addresses.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// `push_hook_requests`: it has as many questions as it may have, and has not been asked.
    #[error("Too many requests wait for the application's word.")]
    Busy,
    /// The connection ended before there was an answer.
    #[error("The application closed the connection without an answer.")]
    Closed,
    /// No server takes connections.
    #[error("The application cannot be reached.")]
    Connect(#[source] io::Error),
    /// `proxy_connect_timeout`.
    #[error("The application did not take the connection in time.")]
    ConnectTimeout,
    /// The head of the answer is larger than the gateway takes.
    #[error("The head of the application's answer is too large.")]
    HeadTooLarge,
    /// What came is no answer.
    #[error("The application's answer cannot be understood.")]
    Malformed,
    /// `proxy_read_timeout`.
    #[error("The application did not answer in time.")]
    ReadTimeout,
    /// It is the client that failed, with the body of its request.
    #[error("{0}")]
    Request(Refusal),
    /// `proxy_send_timeout`.
    #[error("The application did not take the request in time.")]
    SendTimeout,
    /// The answer is larger than whoever asked takes.
    #[error("The application's answer is too large.")]
    TooLarge,
}

impl UpstreamError {
    /// Whether a server did something wrong, and the next one may do better.
    pub(super) fn is_servers(&self) -> bool {
        !matches!(self, Self::Busy | Self::Request(_))
    }

    /// Whether no server has got anything of the request.
    pub(super) fn is_unsent(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout)
    }

    /// Whether a server took too long with the request.
    pub(super) fn is_late(&self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::ReadTimeout | Self::SendTimeout)
    }

    /// Whether nginx's `proxy_next_upstream error timeout` goes on to the next server.
    pub(super) fn goes_on(&self) -> bool {
        matches!(
            self,
            Self::Closed
                | Self::Connect(_)
                | Self::ConnectTimeout
                | Self::ReadTimeout
                | Self::SendTimeout
        )
    }
}

impl From<UpstreamError> for Refusal {
    fn from(error: UpstreamError) -> Self {
        let sentence = error.to_string().into();
        match error {
            UpstreamError::Request(refusal) => refusal,
            UpstreamError::Busy => Self::Unavailable(sentence),
            UpstreamError::ConnectTimeout
            | UpstreamError::ReadTimeout
            | UpstreamError::SendTimeout => Self::GatewayTimeout(sentence),
            _ => Self::BadGateway(sentence),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_504_and_what_fails_502() {
        let down = io::Error::other("10.0.0.1:8000 is down");
        for (error, status) in [
            (UpstreamError::Busy, 503),
            (UpstreamError::Closed, 502),
            (UpstreamError::Connect(down), 502),
            (UpstreamError::ConnectTimeout, 504),
            (UpstreamError::HeadTooLarge, 502),
            (UpstreamError::Malformed, 502),
            (UpstreamError::ReadTimeout, 504),
            (UpstreamError::Request(Refusal::TooLarge), 413),
            (UpstreamError::SendTimeout, 504),
            (UpstreamError::TooLarge, 502),
        ] {
            let sentence = error.to_string();
            let refusal = Refusal::from(error);
            assert_eq!((refusal.status().as_u16(), refusal.sentence()), (status, sentence.clone()));
            assert!(!sentence.contains("10.0.0.1"), "{sentence}");
        }
    }
}
