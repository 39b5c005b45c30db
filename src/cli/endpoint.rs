//! Where a command sends its requests, and what they all say.

use std::path::PathBuf;

use clap::Args;
use http::{HeaderName, HeaderValue};

use super::url::Url;

const URL_HELP: &str = "The location, with the channel, as in http://127.0.0.1:8080/PATH/?cid=5";

/// A location of a gateway.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// The location, with the channel.
    #[arg(value_name = "URL", help = URL_HELP)]
    pub url: Url,

    /// A header of every request, such as 'Authorization: Bearer TOKEN'
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<String>,

    /// Connect to this Unix socket, whatever the host of the URL
    #[arg(long, value_name = "PATH")]
    pub unix_socket: Option<PathBuf>,
}

impl Endpoint {
    /// A request head with these header lines and those of the command line.
    pub(super) fn request(&self, method: &str, lines: &str) -> Vec<u8> {
        let mut head = format!("{method} {} HTTP/1.1\r\n", self.url.target);
        if !self.names("host") {
            head += "Host: ";
            head += &self.url.authority;
            head += "\r\n";
        }
        if !self.names("user-agent") {
            head += concat!("User-Agent: pushgate/", env!("CARGO_PKG_VERSION"), "\r\n");
        }
        head += lines;
        for header in &self.headers {
            head += header;
            head += "\r\n";
        }
        head += "\r\n";
        head.into_bytes()
    }

    /// Whether the command line has a header of this name.
    pub(super) fn names(&self, name: &str) -> bool {
        let names = self.headers.iter().filter_map(|header| header.split_once(':'));
        names.into_iter().any(|(named, _)| named.eq_ignore_ascii_case(name))
    }
}

/// `NAME: VALUE`, as the header line that it is.
pub(super) fn header(text: &str) -> Result<String, &'static str> {
    let (name, value) = text.split_once(':').ok_or("must be NAME: VALUE")?;
    let sound = HeaderName::from_bytes(name.as_bytes()).is_ok();
    if sound && HeaderValue::from_str(value).is_ok() {
        Ok(text.to_owned())
    } else {
        Err("must be a header's name and its value")
    }
}

/// What can stand as the value of a header.
pub(super) fn value(text: &str) -> Result<String, &'static str> {
    match HeaderValue::from_str(text) {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => Err("must be text without control characters"),
    }
}
