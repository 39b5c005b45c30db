//! Which transport a request means: one URL negotiates.

use http::{HeaderMap, HeaderName, HeaderValue, header, request};

use crate::{config::Transport, response::Refusal, websocket};

/// Transports that a header asks for, and what it lists then.
static ASKED_FOR: [(Transport, HeaderName, &[u8]); 3] = [
    (Transport::EventSource, header::ACCEPT, b"text/event-stream"),
    (Transport::Chunked, header::TE, b"chunked"),
    (Transport::Multipart, header::ACCEPT, b"multipart/mixed"),
];

/// What the header `mode` of a dialect may say.
static MODES: [(&str, Transport); 2] =
    [("long-polling", Transport::LongPoll), ("polling", Transport::IntervalPoll)];

/// The transport of a request to a location that offers these, in this order: what the request asks
/// for if it is offered, else the first that needs no asking. `mode` is the name of a header that picks
/// a poll. `polls` says that it asks for the JSON poll in its own way: by naming the message it had last.
pub(super) fn transport(
    head: &request::Parts,
    offered: &[Transport],
    mode: Option<&str>,
    polls: bool,
) -> Result<Transport, Refusal> {
    let offers = |transport: Transport| offered.contains(&transport);
    if websocket::is_requested(head) {
        return if offers(Transport::WebSocket) {
            Ok(Transport::WebSocket)
        } else {
            Err(Refusal::Forbidden("The location does not offer WebSocket.".into()))
        };
    }
    let mode = mode.and_then(|name| head.headers.get(name)).map(HeaderValue::as_bytes);
    let picked = |(word, transport): &&(&str, Transport)| {
        offers(*transport) && mode.is_some_and(|mode| mode.eq_ignore_ascii_case(word.as_bytes()))
    };
    if let Some((_, transport)) = MODES.iter().find(picked) {
        return Ok(*transport);
    }
    let asks = |(transport, name, wanted): &&(Transport, HeaderName, &[u8])| {
        offers(*transport) && lists(&head.headers, name, wanted)
    };
    if let Some((transport, ..)) = ASKED_FOR.iter().find(asks) {
        return Ok(*transport);
    }
    if polls && offers(Transport::IntervalPoll) {
        return Ok(Transport::IntervalPoll);
    }
    let plain = |transport: &&Transport| {
        **transport != Transport::WebSocket && ASKED_FOR.iter().all(|asked| asked.0 != **transport)
    };
    let http = |transport: &&Transport| **transport != Transport::WebSocket;
    let first = offered.iter().find(plain).or_else(|| offered.iter().find(http));
    first.copied().ok_or(Refusal::UpgradeRequired)
}

/// Whether a header that is a list names something, in whatever weight but none.
fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &[u8]) -> bool {
    let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    lines.flat_map(|line| line.split(|byte| *byte == b',')).any(|entry| {
        let mut parts = entry.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let named = parts.next().is_some_and(|part| part.eq_ignore_ascii_case(wanted));
        named && !parts.any(|part| matches!(part, b"q=0" | b"q=0.0" | b"q=0.00" | b"q=0.000"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(lines: &[(&'static str, &'static str)], offered: &[Transport]) -> Option<Transport> {
        let mut request = http::Request::new(());
        for (name, value) in lines {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        transport(&request.into_parts().0, offered, Some("x-mode"), false).ok()
    }

    const UPGRADE: [(&str, &str); 2] = [("upgrade", "websocket"), ("connection", "Upgrade")];

    #[test]
    fn a_request_gets_what_it_asks_for() {
        use Transport::{Chunked, EventSource, LongPoll, Multipart, WebSocket};
        let all = &Transport::ALL;
        assert_eq!(chosen(&[], all), Some(LongPoll));
        assert_eq!(
            chosen(&[("accept", "text/html, Text/Event-Stream;q=0.9")], all),
            Some(EventSource)
        );
        assert_eq!(chosen(&[("accept", "multipart/mixed")], all), Some(Multipart));
        assert_eq!(chosen(&[("te", "trailers, chunked;q=0.5")], all), Some(Chunked));
        assert_eq!(chosen(&[("te", "chunked;q=0")], all), Some(LongPoll));
        assert_eq!(chosen(&UPGRADE, all), Some(WebSocket));
    }

    #[test]
    fn a_client_of_the_json_poll_gets_it_where_it_is_offered() {
        use Transport::{IntervalPoll, LongPoll};
        let (head, ()) = http::Request::new(()).into_parts();
        assert_eq!(transport(&head, &[LongPoll, IntervalPoll], None, true), Ok(IntervalPoll));
        assert_eq!(transport(&head, &[LongPoll, IntervalPoll], None, false), Ok(LongPoll));
        assert_eq!(transport(&head, &[LongPoll], None, true), Ok(LongPoll));
    }

    #[test]
    fn a_mode_picks_a_poll_before_all_but_a_websocket_where_it_is_offered() {
        use Transport::{EventSource, IntervalPoll, LongPoll, Stream, WebSocket};
        let all = &Transport::ALL;
        let events = ("accept", "text/event-stream");
        assert_eq!(chosen(&[("x-mode", "Polling"), events], all), Some(IntervalPoll));
        assert_eq!(chosen(&[("x-mode", "long-polling"), events], all), Some(LongPoll));
        assert_eq!(chosen(&[("x-mode", "polling")], &[Stream, LongPoll]), Some(Stream));
        for unknown in ["", "streaming", "long-polling,polling", "pollings"] {
            assert_eq!(chosen(&[("x-mode", unknown), events], all), Some(EventSource));
        }
        let socket = [UPGRADE[0], UPGRADE[1], ("x-mode", "polling")];
        assert_eq!(chosen(&socket, all), Some(WebSocket));
    }

    #[test]
    fn a_plain_request_gets_the_first_that_needs_no_asking() {
        use Transport::{Chunked, EventSource, LongPoll, Raw, Stream, WebSocket};
        assert_eq!(chosen(&[], &[EventSource, WebSocket, Stream, LongPoll]), Some(Stream));
        assert_eq!(chosen(&[], &[WebSocket, EventSource]), Some(EventSource));
        assert_eq!(chosen(&[], &[Chunked, Raw]), Some(Raw));
        assert_eq!(chosen(&[("accept", "text/event-stream")], &[LongPoll]), Some(LongPoll));
        assert_eq!(chosen(&[], &[WebSocket]), None);
        assert_eq!(chosen(&UPGRADE, &[LongPoll]), None);
    }
}
