//! Simple requests, which nearly all are: answered without hyper, whose state costs more to build
//! and to drop than they do.

use std::{
    cell::Cell,
    future::ready,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header, response};
use rustix::event::epoll::EventData;

use super::{
    Answer, Client, Handler, Worker,
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

/// Requests of a turn that are answered together: a handful, so that each step finds its code in the
/// processor's cache, and not so many that their answers come late.
const TOGETHER: usize = 16;
/// Bytes of requests with which they are answered sooner.
const ENOUGH: usize = 256 << 10;

/// Simple requests that have been read and not been answered.
#[derive(Default)]
pub(super) struct Asked {
    list: Vec<Simple>,
    /// Bytes of all of them.
    bytes: usize,
    /// Room for their answers.
    answered: Vec<Answered>,
}

#[derive(Debug)]
struct Simple {
    from: u64,
    client: Client,
    request: Request<Bytes>,
    /// What the client has sent ahead.
    rest: Vec<u8>,
}

/// A request that has been answered.
struct Answered {
    from: u64,
    answer: Answer,
    after: After,
    forsakable: Rc<Cell<bool>>,
}

impl<H: Handler> Worker<H> {
    /// Takes the request that `bytes` begin with, if it is simple, to be answered in this turn.
    /// Returns whether it is.
    pub(super) fn direct(&mut self, key: u32, bytes: &[u8]) -> bool {
        let hall = self.shared.hall.borrow();
        let Some(held) = hall.held.get(key as usize) else { return false };
        let client = held.client;
        let listening = &hall.listening[usize::from(client.listener)];
        if held.has_input() || listening.keepalive_timeout.is_zero() {
            return false;
        }
        let parsed = simple::parse(bytes, listening.max_header_size);
        let Some((request, length)) = parsed else { return false };
        let from = hall.data(key).u64();
        drop(hall);
        self.shared.tally.requests.add(1);
        self.asked.bytes += length;
        self.asked.list.push(Simple { from, client, request, rest: bytes[length..].to_vec() });
        if self.asked.list.len() >= TOGETHER || self.asked.bytes >= ENOUGH {
            self.answer_asked();
        }
        true
    }

    /// Answers what has been asked.
    pub(super) fn answer_asked(&mut self) {
        let Asked { mut list, mut answered, .. } = std::mem::take(&mut self.asked);
        answered.extend(list.drain(..).filter_map(|simple| self.answer(simple)));
        for answered in answered.drain(..) {
            self.complete(answered);
        }
        // Nothing of this asks anything anew: the room stays for the next turn.
        self.asked = Asked { list, answered, bytes: 0 };
    }

    /// The answer to a request. Where it has to wait hyper gets a request in its place with what has
    /// been begun.
    fn answer(&mut self, simple: Simple) -> Option<Answered> {
        let Simple { from, client, request, rest } = simple;
        let (unread, forsakable) = (Rc::default(), Rc::default());
        let request = request.map(|body| RequestBody::whole(body, &unread, &forsakable));
        // It is large: so it is made where it stays.
        let room = Box::new_uninit();
        let mut answering =
            Box::into_pin(Box::write(room, self.shared.handler.respond(request, client)));
        match answering.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => {
                let after = After { close: unread.get(), rest };
                Some(Answered { from, answer, after, forsakable })
            }
            Poll::Pending => {
                self.stand_in(from, Begun { answer: answering, unread, forsakable }, &rest);
                None
            }
        }
    }

    /// Does what an answer asks for. One that goes on as a body is hyper's.
    fn complete(&mut self, answered: Answered) {
        let Answered { from, answer, after, forsakable } = answered;
        let mut hall = self.shared.hall.borrow_mut();
        let Some(key) = hall.find(EventData::new_u64(from)) else { return };
        let goes_on = hall.complete(key, answer, after);
        drop(hall);
        if let Some((answer, after)) = goes_on {
            let unread = Rc::new(Cell::new(after.close));
            let begun = Begun { answer: Box::pin(ready(answer)), unread, forsakable };
            self.stand_in(from, begun, &after.rest);
        }
    }

    fn stand_in(&mut self, from: u64, begun: Begun, rest: &[u8]) {
        let key = self.shared.hall.borrow().find(EventData::new_u64(from));
        if let Some(key) = key {
            self.exchange(key, [STAND_IN, rest].concat(), Some(begun));
        }
    }
}

/// What comes after an answer.
struct After {
    /// The body was not read: what follows it is no request.
    close: bool,
    /// What the client has sent ahead.
    rest: Vec<u8>,
}

impl Hall {
    /// Does what an answer asks for; returns one that goes on as a body.
    fn complete(&mut self, key: u32, answer: Answer, after: After) -> Option<(Answer, After)> {
        match answer {
            Answer::Hold(holding) if !holding.as_body => {
                let persistence = Persistence { close: after.close, raw: false };
                self.settle(key, Step::Hold(holding, persistence), after.rest);
                None
            }
            Answer::Respond(response) => {
                let (parts, body) = response.into_parts();
                match in_hand(body) {
                    Ok(body) => {
                        self.respond(key, &parts, &body, after);
                        None
                    }
                    Err(body) => Some((Answer::Respond(Response::from_parts(parts, body)), after)),
                }
            }
            answer => Some((answer, after)),
        }
    }

    /// Sends a whole response.
    fn respond(&mut self, key: u32, parts: &response::Parts, body: &Bytes, after: After) {
        let said = closes(&parts.headers);
        let close = said || after.close || self.closing;
        let mut bytes = head::answer(parts, close && !said, body.len());
        bytes.extend_from_slice(body);
        self.tally.answered(parts.status);
        let held = &mut self.held[key as usize];
        held.close = close;
        if !close && !after.rest.is_empty() {
            held.rare().input = after.rest;
        }
        self.answer_soon(key, bytes.into(), parts.extensions.get::<Entry>());
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

    /// Answers with the path, every third time after a while.
    struct Echo(Cell<usize>);

    impl Handler for Echo {
        fn respond(
            &self,
            request: Request<RequestBody>,
            _: Client,
        ) -> impl Future<Output = Answer> + 'static {
            self.0.set(self.0.get() + 1);
            let waits = self.0.get().is_multiple_of(3);
            async move {
                if waits {
                    tokio::task::yield_now().await;
                }
                Answer::Respond(Response::new(full(request.uri().path().to_owned())))
            }
        }
    }

    /// What each of some clients reads until the end; all have written before the worker looks.
    fn answered_by(handler: impl Handler, inputs: &[String]) -> Vec<String> {
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
        let worker = Worker::new(0, handler, listeners, [listening].into(), Arc::default());
        let connect = |input: &String| {
            let mut client = UnixStream::connect(&path).unwrap();
            client.write_all(input.as_bytes()).unwrap();
            client
        };
        let clients: Vec<_> = inputs.iter().map(connect).collect();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let readers = thread::spawn(move || {
            let read = |mut client: UnixStream| {
                let mut output = String::new();
                client.read_to_string(&mut output).unwrap();
                output
            };
            let outputs = clients.into_iter().map(read).collect();
            stop.send(()).unwrap();
            outputs
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stopped = async { stopped.await.unwrap() };
        runtime.block_on(worker.unwrap().run(stopped, Duration::ZERO)).unwrap();
        readers.join().unwrap()
    }

    /// What comes for some bytes until the end.
    fn answered(input: &str) -> String {
        answered_by(Slow(Cell::new(0)), &[input.to_owned()]).remove(0)
    }

    #[test]
    fn requests_of_one_turn_have_each_its_own_answer() {
        let number = 5 * TOGETHER / 2;
        let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n");
        let input = |client: usize| {
            let more = get(&format!("/{client}/last"), "Connection: close\r\n");
            get(&format!("/{client}/first"), "") + &more
        };
        let inputs: Vec<_> = (0..number).map(input).collect();
        let outputs = answered_by(Echo(Cell::new(0)), &inputs);
        for (client, output) in outputs.iter().enumerate() {
            let bodies = output.split("HTTP/1.1 200 OK").skip(1).map(|answer| {
                let (_, body) = answer.split_once("\r\n\r\n").unwrap();
                body
            });
            let bodies: Vec<_> = bodies.collect();
            assert_eq!(bodies, [format!("/{client}/first"), format!("/{client}/last")]);
        }
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
