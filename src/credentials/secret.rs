//! Secrets, and where a configuration may keep them.

use std::{fmt, path::PathBuf};

/// Bytes that no log shows.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Box<[u8]>);

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It is kept in no known way.
    #[error("is not {}", Secret::FORM)]
    Form,
    /// The environment variable is not set.
    #[error("names the environment variable {0:?}, which is not set")]
    Environment(String),
    /// The file cannot be read.
    #[error("names a file that cannot be read: {0}: {1}")]
    File(PathBuf, std::io::Error),
    /// There is nothing in it.
    #[error("is a secret of no bytes")]
    Empty,
}

impl Secret {
    /// How it is written.
    pub const FORM: &str = "\"env:NAME\", \"file:PATH\" or \"text:SECRET\"";

    /// Reads `env:NAME`, `file:PATH` or `text:SECRET`; a line feed at the end of a file is not
    /// part of what is in it.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let (kind, place) = text.split_once(':').ok_or(SecretError::Form)?;
        let bytes = match kind {
            "env" => std::env::var(place)
                .map_err(|_| SecretError::Environment(place.to_owned()))?
                .into_bytes(),
            "file" => {
                let path = PathBuf::from(place);
                let read = std::fs::read(&path);
                let mut bytes = read.map_err(|error| SecretError::File(path, error))?;
                if bytes.last() == Some(&b'\n') {
                    bytes.pop();
                }
                bytes
            }
            "text" => place.as_bytes().to_vec(),
            _ => return Err(SecretError::Form),
        };
        if bytes.is_empty() { Err(SecretError::Empty) } else { Ok(Self(bytes.into())) }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_secret_stands_in_the_text_or_in_a_file() {
        assert_eq!(Secret::parse("text:a:b").unwrap().as_bytes(), b"a:b");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"x\ny\n").unwrap();
        let text = format!("file:{}", file.path().display());
        assert_eq!(Secret::parse(&text).unwrap().as_bytes(), b"x\ny");
        assert_eq!(format!("{:?}", Secret::parse("text:hidden").unwrap()), "Secret");
    }

    #[test]
    fn what_is_no_secret_is_said() {
        let error = |text: &str| Secret::parse(text).unwrap_err().to_string();
        assert!(error("hidden").starts_with("is not \"env:NAME\""));
        assert!(error("vault:x").starts_with("is not \"env:NAME\""));
        assert_eq!(error("text:"), "is a secret of no bytes");
        let unset = "names the environment variable \"NOT_SET_PUSHGATE\", which is not set";
        assert_eq!(error("env:NOT_SET_PUSHGATE"), unset);
        assert!(error("file:/nonexistent/x").contains("/nonexistent/x: No such file"));
    }
}
