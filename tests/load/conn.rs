//! A connection of an HTTP client that is read piece by piece.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection that is read without waiting.
pub struct Conn {
    pub stream: TcpStream,
    input: Vec<u8>,
    at: usize,
}

/// Status line and headers.
#[derive(Debug)]
pub struct Head {
    pub status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        let same = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().find(same).map(|(_, value)| value.as_str())
    }
}

impl Conn {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(TcpStream::connect(address).await?))
    }

    pub fn new(stream: TcpStream) -> Self {
        Self { stream, input: Vec::new(), at: 0 }
    }

    pub async fn get(&mut self, target: &str, headers: &str) -> io::Result<()> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
        self.stream.write_all(request.as_bytes()).await
    }

    /// Reads more; the end of the stream is an error.
    pub async fn fill(&mut self) -> io::Result<()> {
        if self.at == self.input.len() {
            self.input.clear();
            self.at = 0;
        } else if self.at > 1 << 16 {
            self.input.drain(..self.at);
            self.at = 0;
        }
        self.input.reserve(4 << 10);
        let read = self.stream.read_buf(&mut self.input).await?;
        if read == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// What has come and was not taken.
    pub fn rest(&self) -> &[u8] {
        &self.input[self.at..]
    }

    /// Puts in what somebody else has read.
    pub fn push(&mut self, byte: u8) {
        self.input.push(byte);
    }

    pub async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.rest().len() < length {
            self.fill().await?;
        }
        let bytes = self.rest()[..length].to_vec();
        self.at += length;
        Ok(bytes)
    }

    pub async fn head(&mut self) -> io::Result<Head> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(self.rest()).unwrap();
            if let httparse::Status::Complete(length) = parsed {
                let status = response.code.unwrap();
                let owned = |header: &httparse::Header<'_>| {
                    (header.name.to_owned(), String::from_utf8(header.value.to_vec()).unwrap())
                };
                let headers = response.headers.iter().map(owned).collect();
                self.at += length;
                return Ok(Head { status, headers });
            }
            self.fill().await?;
        }
    }

    /// One chunk, `None` for the last; a task that is dropped meanwhile loses nothing.
    pub async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let httparse::Status::Complete((length, size)) =
                httparse::parse_chunk_size(self.rest()).expect("a chunk's size")
            {
                let size = usize::try_from(size).unwrap();
                if self.rest().len() >= length + size + 2 {
                    let chunk = self.rest()[length..length + size].to_vec();
                    assert_eq!(&self.rest()[length + size..][..2], b"\r\n");
                    self.at += length + size + 2;
                    return Ok((size > 0).then_some(chunk));
                }
            }
            self.fill().await?;
        }
    }

    pub async fn response(&mut self) -> io::Result<(Head, Vec<u8>)> {
        let head = self.head().await?;
        let mut body = Vec::new();
        if head.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk().await? {
                body.extend_from_slice(&chunk);
            }
        } else if let Some(length) = head.header("content-length") {
            body = self.exactly(length.parse().unwrap()).await?;
        }
        Ok((head, body))
    }
}
