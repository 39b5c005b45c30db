//! Where requests go: an URL with a place for the channel.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::cli::url::Url;

/// `http://127.0.0.1:8080/listen/?cid={ch}`, where `{ch}` becomes the channel's name.
///
/// The host is of this machine: a benchmark is an attack on anything else.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    address: SocketAddr,
    host: String,
    /// Path and query, up to and from the channel's name.
    parts: Vec<String>,
}

/// Why a text is no [`Target`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadTarget {
    /// No URL, or not of a scheme that is spoken.
    #[error("must be an URL with http:// or ws://")]
    NoUrl,
    /// Another machine.
    #[error("must be on this machine: 127.0.0.0/8, [::1] or localhost")]
    NotLoopback,
    /// Its channels would all be one.
    #[error("must have {{ch}} where the channel's name belongs")]
    NoChannel,
}

/// Stands for the channel's name.
const CHANNEL: &str = "{ch}";

impl From<Target> for String {
    fn from(target: Target) -> Self {
        format!("http://{}{}", target.host, target.parts.join(CHANNEL))
    }
}

/// Whoever tells it, it is of this machine.
impl TryFrom<String> for Target {
    type Error = BadTarget;

    fn try_from(text: String) -> Result<Self, BadTarget> {
        text.parse()
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let url: Url = text.parse().map_err(|_| BadTarget::NoUrl)?;
        let ip = match url.host.as_str() {
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            name => name.parse().map_err(|_| BadTarget::NotLoopback)?,
        };
        if !ip.is_loopback() {
            return Err(BadTarget::NotLoopback);
        }
        let address = SocketAddr::new(ip, url.port);
        let parts: Vec<String> = url.target.split(CHANNEL).map(str::to_owned).collect();
        if parts.len() == 1 {
            return Err(BadTarget::NoChannel);
        }
        Ok(Self { address, host: url.authority, parts })
    }
}

impl Target {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Appends the request line and `Host`.
    pub(super) fn write_request_line(&self, out: &mut Vec<u8>, method: &str, channel: &str) {
        out.extend_from_slice(method.as_bytes());
        out.push(b' ');
        for (number, part) in self.parts.iter().enumerate() {
            if number > 0 {
                out.extend_from_slice(channel.as_bytes());
            }
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        out.extend_from_slice(self.host.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(url: &str) -> String {
        let mut out = Vec::new();
        url.parse::<Target>().unwrap().write_request_line(&mut out, "GET", "c7");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_channel_takes_its_places() {
        let ends = "HTTP/1.1\r\nHost: localhost:8080\r\n";
        assert_eq!(line("http://localhost:8080/l/?cid={ch}"), format!("GET /l/?cid=c7 {ends}"));
        assert_eq!(line("ws://localhost:8080/{ch}/{ch}x"), format!("GET /c7/c7x {ends}"));
        assert_eq!(line("http://localhost:8080?{ch}#f"), format!("GET /?c7 {ends}"));
        let six = "http://[::1]:90/{ch}".parse::<Target>().unwrap();
        assert_eq!(six.address(), "[::1]:90".parse().unwrap());
        let whole = "http://127.3.2.1/{ch}".parse::<Target>().unwrap();
        assert_eq!(whole.address(), "127.3.2.1:80".parse().unwrap());
    }

    #[test]
    fn another_process_is_told_the_same_and_looks_at_it_again() {
        for url in ["http://localhost:80/l/?cid={ch}", "ws://[::1]:90/{ch}/{ch}x"] {
            let target: Target = url.parse().unwrap();
            let told = serde_json::to_string(&target).unwrap();
            assert_eq!(serde_json::from_str::<Target>(&told).unwrap(), target);
        }
        let error = serde_json::from_str::<Target>("\"http://192.0.2.1/{ch}\"").unwrap_err();
        assert_eq!(error.to_string(), BadTarget::NotLoopback.to_string());
    }

    #[test]
    fn what_is_no_target_is_refused_with_the_reason() {
        for (url, why) in [
            ("/listen/{ch}", BadTarget::NoUrl),
            ("https://127.0.0.1/{ch}", BadTarget::NoUrl),
            ("http://127.0.0.1/a b{ch}", BadTarget::NoUrl),
            ("http://192.0.2.1/{ch}", BadTarget::NotLoopback),
            ("http://example.org/{ch}", BadTarget::NotLoopback),
            ("http://127.0.0.1/listen/", BadTarget::NoChannel),
        ] {
            assert_eq!(url.parse::<Target>(), Err(why), "{url}");
        }
    }
}
