//! A server that does one thing wrong, once for each of the first subscribers of some channels.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::spoken::{Request, Way, answer};

/// What is done wrong, with the message that [`Wrong::at`] names where it concerns one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    None,
    /// Not a fault: everything is written seven bytes at a time.
    Split,
    /// Not a fault: pings between messages, which must be answered.
    Ping,
    /// Not a fault: a connection that publishes ends with its answer, which says so.
    Brief,
    /// Not a fault: the same, and the answer does not say so.
    Idle,
    /// Not a fault: the same, when the next request is on its way.
    Race,
    /// Not a fault: the message is taken, and the connection ends without an answer.
    Taken,
    /// From this message on connections that publish end without an answer.
    Mute,
    Drop,
    Double,
    Swap,
    Corrupt,
    /// The last byte is missing, and the length says so.
    Short,
    /// In its place comes one of channel 1.
    Foreign,
    /// In its place comes one of the channel of the same number of the other kind, see [`Wrong::kind`].
    Stray,
    /// Not of the protocol.
    Framing,
    Close,
    /// A subscriber is never answered.
    Ignore,
    /// A subscriber is answered 403.
    Refuse,
    /// The message is not accepted.
    Reject,
    /// The message is answered late.
    Stall(Duration),
}

/// What is done wrong to whom.
#[derive(Clone, Copy, Debug)]
pub struct Wrong {
    pub fault: Fault,
    /// How many of the first subscribers have it.
    pub victims: usize,
    /// The number of the message, from 0.
    pub at: usize,
    pub kind: Kind,
}

/// Channels of which number 0 has a fault. Those beside a large one begin with another letter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    All,
    Large,
    Small,
}

/// Nothing is waited for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; it stops to accept when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    wrong: Wrong,
    fault: Fault,
    listening: AtomicUsize,
    accepted: AtomicUsize,
    pongs: AtomicUsize,
    /// Requests with the header `X-Token: abc`.
    tokens: AtomicUsize,
    channels: Mutex<HashMap<String, Vec<Vec<u8>>>>,
    more: Condvar,
    stopped: AtomicBool,
}

/// One subscriber's connection.
struct Sender<'a> {
    state: &'a State,
    way: Way,
    stream: TcpStream,
    channel: String,
    victim: bool,
    /// Messages sent.
    number: usize,
}

impl Server {
    /// Does `fault` to the first `victims` subscribers of channels whose number is 0, with their third
    /// message.
    pub fn start(fault: Fault, victims: usize) -> Self {
        Self::start_with(Wrong { fault, victims, at: 2, kind: Kind::All })
    }

    pub fn start_with(wrong: Wrong) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            wrong,
            fault: wrong.fault,
            listening: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            pongs: AtomicUsize::new(0),
            tokens: AtomicUsize::new(0),
            channels: Mutex::default(),
            more: Condvar::new(),
            stopped: AtomicBool::new(false),
        });
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let state = shared.clone();
                // A client that goes is not this server's concern.
                thread::spawn(move || serve(&state, &stream).unwrap_or_default());
            }
        });
        Self { address, state }
    }

    /// `--sub` and `--pub`.
    pub fn urls(&self, path: &str) -> String {
        let address = self.address;
        format!("--sub http://{address}/{path}?c={{ch}} --pub http://{address}/pub?c={{ch}}")
    }

    /// Requests that had the header `X-Token: abc`.
    pub fn tokens(&self) -> usize {
        self.state.tokens.load(Ordering::Relaxed)
    }

    /// What was published, with its channel.
    pub fn published(&self) -> Vec<(String, String)> {
        let channels = self.state.channels.lock().unwrap();
        let each = channels.iter().flat_map(|(channel, messages)| {
            messages.iter().map(|body| (channel.clone(), String::from_utf8(body.clone()).unwrap()))
        });
        each.collect()
    }

    /// Pings that were answered.
    pub fn pongs(&self) -> usize {
        self.state.pongs.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(state: &State, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream.try_clone()?);
    let mut sender: Option<Sender<'_>> = None;
    while let Some(request) = Request::read(&mut input)? {
        let token = usize::from(request.header("x-token") == Some("abc"));
        state.tokens.fetch_add(token, Ordering::Relaxed);
        if request.method == "POST" {
            if publish(state, stream, request)? {
                continue;
            }
            return stream.shutdown(std::net::Shutdown::Both);
        }
        let asked = sender.get_or_insert_with(|| {
            let channel = request.channel();
            let first = state.wrong.kind.has(&channel) && channel.ends_with("-0");
            let before = if first { state.listening.fetch_add(1, Ordering::Relaxed) } else { 0 };
            let victim = first && before < state.wrong.victims;
            let stream = stream.try_clone().unwrap();
            Sender { state, way: request.way(), stream, channel, victim, number: 0 }
        });
        if !asked.respond(&request, &mut input)? {
            return asked.stream.shutdown(std::net::Shutdown::Both);
        }
    }
    Ok(())
}

/// Takes a message; returns whether the connection goes on.
fn publish(state: &State, mut stream: &TcpStream, request: Request) -> io::Result<bool> {
    let before = state.accepted.fetch_add(1, Ordering::Relaxed);
    let at = state.wrong.at;
    match state.fault {
        Fault::Reject if before == at => {
            answer(&mut stream.try_clone()?, "503 Service Unavailable", "no")?;
            return Ok(true);
        }
        Fault::Mute if before >= at => return Ok(false),
        Fault::Stall(time) if before == at => thread::sleep(time),
        _ => {}
    }
    let mut channels = state.channels.lock().unwrap();
    channels.entry(request.channel()).or_default().push(request.body);
    state.more.notify_all();
    drop(channels);
    if state.fault == Fault::Taken && before == at {
        return Ok(false);
    }
    let connection = if state.fault == Fault::Brief { "close" } else { "keep-alive" };
    let head = format!("HTTP/1.1 201 Created\r\nConnection: {connection}\r\nContent-Length: 2");
    stream.write_all(format!("{head}\r\n\r\nok").as_bytes())?;
    if state.fault == Fault::Race {
        // What is not read when a connection is closed resets it.
        stream.peek(&mut [0])?;
    }
    Ok(!matches!(state.fault, Fault::Brief | Fault::Idle | Fault::Race))
}

impl Kind {
    fn has(self, channel: &str) -> bool {
        self == Self::All || channel.starts_with('n') == (self == Self::Small)
    }
}

impl State {
    fn has(&self, channel: &str, number: usize) -> bool {
        self.channels.lock().unwrap().get(channel).is_some_and(|all| all.len() > number)
    }

    /// A message, once there is one.
    fn wait_for(&self, channel: &str, number: usize) -> io::Result<Vec<u8>> {
        let channels = self.channels.lock().unwrap();
        let missing = |channels: &mut HashMap<String, Vec<Vec<u8>>>| {
            channels.get(channel).is_none_or(|messages| messages.len() <= number)
        };
        let (channels, waited) = self.more.wait_timeout_while(channels, PATIENCE, missing).unwrap();
        if waited.timed_out() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(channels[channel][number].clone())
    }
}

impl Sender<'_> {
    /// Answers a request; returns whether the connection goes on.
    fn respond(&mut self, request: &Request, input: &mut BufReader<TcpStream>) -> io::Result<bool> {
        if self.victim && self.state.fault == Fault::Refuse {
            answer(&mut self.stream, "403 Forbidden", "no")?;
            return Ok(false);
        }
        if self.victim && self.state.fault == Fault::Ignore {
            // Until it goes.
            return input.fill_buf().map(|_| false);
        }
        if matches!(self.way, Way::Poll | Way::Interval) {
            let named = request.header("if-none-match").map(str::to_owned);
            let since = request.header("if-modified-since");
            let expected = (self.number > 0).then(|| (self.number - 1).to_string());
            assert_eq!((named, since.is_some()), (expected, self.number > 0), "what comes next");
            return self.send_next(input);
        }
        self.write(self.way.head().as_bytes())?;
        while self.send_next(input)? {}
        Ok(false)
    }

    /// Sends the next message, or what comes instead; returns whether it may go on.
    fn send_next(&mut self, input: &mut BufReader<TcpStream>) -> io::Result<bool> {
        let fault = if self.victim { self.state.fault } else { Fault::None };
        let (sent, at) = (self.number, self.state.wrong.at);
        let twice = usize::from(fault == Fault::Double && sent > at);
        let number = match fault {
            Fault::Drop if sent >= at => sent + 1,
            Fault::Swap if sent == at => at + 1,
            Fault::Swap if sent == at + 1 => at,
            _ => sent - twice,
        };
        if self.way == Way::Interval && !self.state.has(&self.channel, number) {
            self.write(b"HTTP/1.1 304 Not Modified\r\n\r\n")?;
            return Ok(true);
        }
        let mut body = self.state.wait_for(&self.channel, number)?;
        match fault {
            Fault::Corrupt if number == at => body[20] ^= 1,
            Fault::Short if number == at => drop(body.pop()),
            Fault::Foreign if number == at => {
                let other = format!("{}1", self.channel.strip_suffix('0').unwrap());
                body = self.state.wait_for(&other, number)?;
            }
            Fault::Stray if number == at => {
                let other = match self.channel.strip_prefix('n') {
                    Some(large) => large.to_owned(),
                    None => format!("n{}", self.channel),
                };
                body = self.state.wait_for(&other, number)?;
            }
            Fault::Framing if number == at => {
                self.write(self.way.broken())?;
            }
            Fault::Close if number == at => return Ok(false),
            Fault::Ping => self.ping(input)?,
            _ => {}
        }
        self.write(&self.way.message(&body, sent))?;
        self.number += 1;
        Ok(true)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.state.fault != Fault::Split {
            return self.stream.write_all(bytes);
        }
        bytes.chunks(7).try_for_each(|part| self.stream.write_all(part))
    }

    /// Asks whether the client is there, and waits for the answer.
    fn ping(&mut self, input: &mut BufReader<TcpStream>) -> io::Result<()> {
        use std::io::Read;

        self.stream.write_all(b"\x89\x03abc")?;
        let mut pong = [0; 9];
        input.read_exact(&mut pong)?;
        assert_eq!(pong[..2], [0x8a, 0x83]);
        let [mask, payload] = [&pong[2..6], &pong[6..]];
        let unmasked: Vec<u8> = payload.iter().zip(mask).map(|(byte, key)| byte ^ key).collect();
        assert_eq!(unmasked, b"abc");
        self.state.pongs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
