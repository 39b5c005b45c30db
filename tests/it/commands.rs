//! `pushgate publish` and `pushgate listen`: the program itself, with real gateways and bad ones.

mod cut;
mod hasty;
mod hostile;
mod listen;
mod publish;
mod terminal;

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use crate::harness::{Gateway, PATIENCE};

/// A command that runs; killed when it is dropped.
pub struct Running {
    child: Child,
    out: Receiver<Vec<u8>>,
    said: Receiver<Vec<u8>>,
}

/// What has become of a command, with what nobody had looked at.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub out: Vec<u8>,
    pub said: String,
}

/// The program with these arguments, which blanks divide.
pub fn command(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushgate"));
    command.args(words.split_whitespace());
    command
}

/// Runs it to its end, with something to read.
pub fn run(command: &mut Command, input: &[u8]) -> Ended {
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut stdin = running.child.stdin.take().unwrap();
    let input = input.to_vec();
    // It may end without having read everything.
    let writing = thread::spawn(move || drop(stdin.write_all(&input)));
    let ended = running.end();
    writing.join().unwrap();
    ended
}

/// As [`run`], with nothing to read.
pub fn ran(words: &str) -> Ended {
    run(&mut command(words), b"")
}

impl Ended {
    #[track_caller]
    pub fn assert(&self, code: i32, out: &str, said: &str) {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        assert_eq!(String::from_utf8_lossy(&self.out), out, "{self:?}");
        assert!(self.said.contains(said), "{self:?}");
    }
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let out = lines(child.stdout.take().unwrap());
        let said = lines(child.stderr.take().unwrap());
        Self { child, out, said }
    }

    /// The next line of what it prints, without its end.
    #[track_caller]
    pub fn line(&self) -> String {
        let line = self.out.recv_timeout(PATIENCE).expect("there is no line");
        String::from_utf8(line).unwrap().trim_end_matches('\n').to_owned()
    }

    /// Waits until it says something like that on its standard error.
    #[track_caller]
    pub fn until_said(&self, what: &str) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE).expect("it is never said");
            let line = String::from_utf8(line).unwrap();
            if line.contains(what) {
                return line;
            }
        }
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(name).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let [out, said] = [&self.out, &self.said].map(|lines| {
            let mut all = Vec::new();
            loop {
                match lines.recv_timeout(PATIENCE) {
                    Ok(line) => all.extend(line),
                    Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return all,
                    Err(error) => panic!("{error}; so far {:?}", String::from_utf8_lossy(&all)),
                }
            }
        });
        let status = self.child.wait().unwrap();
        Ended { status, out, said: String::from_utf8(said).unwrap() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they come.
fn lines(input: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut input = BufReader::new(input);
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            if sender.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Begins to listen to channel 1 of [`crate::site`], with more arguments.
pub fn listening(gateway: &Gateway, words: &str) -> Running {
    Running::start(&mut command(&format!("listen http://{}/sub?id=1 {words}", gateway.address)))
}

/// Every transport that tells where messages end.
pub const TRANSPORTS: [&str; 6] =
    ["event-source", "websocket", "long-poll", "interval-poll", "chunked", "multipart"];

/// All messages of a test are kept.
pub const KEPT: &str = "push_max_message_buffer_length = 1000";
