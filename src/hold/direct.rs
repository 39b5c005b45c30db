//! Simple requests, which nearly all are: answered without hyper, whose state costs more to build
//! and to drop than they do.

use std::{
    future::ready,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header, response};

use super::{
    Answer, Handler, Worker,
    exchange::{Begun, Step},
    hall::Hall,
    head::{self, Persistence},
    request::RequestBody,
    simple,
};
use crate::{log::Entry, response::in_hand};

/// What hyper sees in place of a request that has been read: nothing in a simple one changes how it is
/// answered, and its body need not lie in hyper's buffers as long as the answer has to wait.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

impl<H: Handler> Worker<H> {
    /// Answers the request that `bytes` begin with, if it is simple. Returns whether it is.
    ///
    /// Where the answer has to wait, or goes on as a body, hyper gets a request in its place with what
    /// has been begun.
    pub(super) fn direct(&mut self, key: u32, bytes: &[u8]) -> bool {
        let hall = self.shared.hall.borrow();
        let Some(held) = hall.held.get(key as usize) else { return false };
        let client = held.client;
        let listening = &hall.listening[usize::from(client.listener)];
        if held.has_input() || listening.keepalive_timeout.is_zero() {
            return false;
        }
        let parsed = simple::parse(bytes, listening.max_header_size);
        drop(hall);
        let Some((request, length)) = parsed else { return false };
        self.shared.tally.requests.add(1);
        let (unread, forsakable) = (Rc::default(), Rc::default());
        let request = request.map(|body| RequestBody::whole(body, &unread, &forsakable));
        let mut answering = Box::pin(self.shared.handler.respond(request, client));
        let answer = match answering.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                let begun = Begun { answer: answering, unread, forsakable };
                self.exchange(key, [STAND_IN, &bytes[length..]].concat(), Some(begun));
                return true;
            }
        };
        let after = After { close: unread.get(), rest: &bytes[length..] };
        let goes_on = self.shared.hall.borrow_mut().complete(key, answer, &after);
        if let Some(answer) = goes_on {
            let begun = Begun { answer: Box::pin(ready(answer)), unread, forsakable };
            self.exchange(key, [STAND_IN, after.rest].concat(), Some(begun));
        }
        true
    }
}

/// What comes after an answer.
struct After<'a> {
    /// The body was not read: what follows it is no request.
    close: bool,
    /// What the client has sent ahead.
    rest: &'a [u8],
}

impl Hall {
    /// Does what an answer asks for; returns one that goes on as a body.
    fn complete(&mut self, key: u32, answer: Answer, after: &After<'_>) -> Option<Answer> {
        match answer {
            Answer::Hold(holding) if !holding.as_body => {
                let persistence = Persistence { close: after.close, raw: false };
                self.settle(key, Step::Hold(holding, persistence), after.rest.to_vec());
                None
            }
            Answer::Respond(response) => {
                let (parts, body) = response.into_parts();
                match in_hand(body) {
                    Ok(body) => {
                        self.respond(key, &parts, &body, after);
                        None
                    }
                    Err(body) => Some(Answer::Respond(Response::from_parts(parts, body))),
                }
            }
            answer => Some(answer),
        }
    }

    /// Sends a whole response.
    fn respond(&mut self, key: u32, parts: &response::Parts, body: &Bytes, after: &After<'_>) {
        let said = closes(&parts.headers);
        let close = said || after.close || self.closing;
        let bytes = head::answer(parts.status, &parts.headers, close && !said, body);
        self.tally.answered(parts.status);
        let held = &mut self.held[key as usize];
        held.close = close;
        if !close && !after.rest.is_empty() {
            held.rare().input = after.rest.to_vec();
        }
        self.answer_soon(key, bytes, parts.extensions.get::<Entry>());
    }
}

/// Whether a response says that the connection ends with it.
fn closes(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONNECTION).iter().map(HeaderValue::as_bytes);
    values.into_iter().any(|value| value.eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        io::{Read, Write},
        os::unix::net::{UnixListener, UnixStream},
        sync::Arc,
        thread,
        time::Duration,
    };

    use http::Request;
    use http_body_util::BodyExt;

    use super::{
        super::{Client, Listener, Listening},
        *,
    };
    use crate::response::full;

    /// Answers after a while with the number of the request and its body; that of `/unread` stays
    /// unread.
    struct Slow(Cell<usize>);

    impl Handler for Slow {
        fn respond(
            &self,
            request: Request<RequestBody>,
            _: Client,
        ) -> impl Future<Output = Answer> + 'static {
            self.0.set(self.0.get() + 1);
            let number = self.0.get().to_string();
            async move {
                tokio::task::yield_now().await;
                let (head, body) = request.into_parts();
                let read = head.uri.path() != "/unread";
                let body =
                    if read { body.collect().await.unwrap().to_bytes() } else { Bytes::new() };
                Answer::Respond(Response::new(full([number.as_bytes(), &body].concat())))
            }
        }
    }

    /// What comes for some bytes until the end.
    fn answered(input: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listening = Listening {
            header_timeout: Duration::from_mins(1),
            keepalive_timeout: Duration::from_mins(1),
            max_header_size: 1000,
            proxies: None,
        };
        let listeners = vec![Listener::new(listener)];
        let (slow, tally) = (Slow(Cell::new(0)), Arc::default());
        let worker = Worker::new(0, slow, listeners, [listening].into(), tally).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let input = input.to_owned();
        let client = thread::spawn(move || {
            let mut client = UnixStream::connect(path).unwrap();
            client.write_all(input.as_bytes()).unwrap();
            let mut output = String::new();
            client.read_to_string(&mut output).unwrap();
            stop.send(()).unwrap();
            output
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stopped = async { stopped.await.unwrap() };
        runtime.block_on(worker.run(stopped, Duration::ZERO)).unwrap();
        client.join().unwrap()
    }

    #[test]
    fn an_answer_that_has_to_wait_is_begun_once_and_comes_through_hyper() {
        let post = |path| format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
        let twice = format!("{}hi{}ho", post("/"), post("/"));
        let last = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let output = answered(&format!("{twice}{last}"));
        let bodies: Vec<_> = output.split("HTTP/1.1 200 OK").skip(1).collect();
        assert_eq!(bodies.len(), 3, "{output}");
        let ends = ["\r\n\r\n1hi", "\r\n\r\n2ho", "\r\n\r\n3"];
        assert!(bodies.iter().zip(ends).all(|(body, end)| body.ends_with(end)), "{output}");
        let output = answered(&format!("{}{last}", post("/unread")));
        assert!(output.contains("Connection: close\r\n"), "{output}");
        assert!(output.ends_with("\r\n\r\n1"), "{output}");
    }
}
