//! Links that the application signs and that expire, after nginx's `secure_link`.
//!
//! The signature is HMAC-SHA256 (RFC 2104) over the time of expiry, a colon and a text, so that
//! neither can be changed. It is written in base64url (RFC 4648 section 5) or in hexadecimal.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::Secret;

/// A signature and the second at which it expires, as a request carries them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Signed<'a> {
    signature: &'a [u8],
    expires: &'a [u8],
}

/// Why a link is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LinkError {
    /// The request does not carry both parts.
    #[error("The link is not signed.")]
    Missing,
    /// It is not the signature of this link.
    #[error("The link's signature is wrong.")]
    Wrong,
    /// It was once.
    #[error("The link has expired.")]
    Expired,
}

impl<'a> Signed<'a> {
    /// Reads `SIGNATURE,EXPIRES`.
    pub fn parse(value: &'a [u8]) -> Result<Self, LinkError> {
        let comma = value.iter().rposition(|byte| *byte == b',').ok_or(LinkError::Missing)?;
        let (signature, expires) = (&value[..comma], &value[comma + 1..]);
        if signature.is_empty() || expires.is_empty() {
            return Err(LinkError::Missing);
        }
        Ok(Self { signature, expires })
    }

    /// Whether the signature is that of the text, and has not expired.
    pub fn verify(self, secret: &Secret, text: &[u8], now: SystemTime) -> Result<(), LinkError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signed = [self.expires, b":", text].concat();
        let signature = decode(self.signature).ok_or(LinkError::Wrong)?;
        hmac::verify(&key, &signed, &signature).map_err(|_| LinkError::Wrong)?;
        let expires = str::from_utf8(self.expires).ok().and_then(|text| text.parse().ok());
        let expires: u64 = expires.ok_or(LinkError::Wrong)?;
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if now >= expires { Err(LinkError::Expired) } else { Ok(()) }
    }
}

/// The bytes of a signature.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    /// Of SHA-256, in hexadecimal.
    const HEX: usize = 64;
    if text.len() != HEX {
        let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
        return URL_SAFE_NO_PAD.decode(&text[..end]).ok();
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    // printf 1000:room:5 | openssl dgst -sha256 -hmac key
    const HEX: &str = "7991d20dc8b8b30b4a457374a45c411b851d009f6a4af719ada9a59b7b399108";
    const BASE64: &str = "eZHSDci4swtKRXN0pFxBG4UdAJ9qSvcZramlm3s5kQg";

    fn verify(value: &str, text: &str, now: u64) -> Result<(), LinkError> {
        let secret = Secret::parse("text:key").unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(now);
        Signed::parse(value.as_bytes())?.verify(&secret, text.as_bytes(), now)
    }

    #[test]
    fn a_signature_holds_until_its_second_in_either_writing() {
        for signature in [HEX, &HEX.to_uppercase(), BASE64, &format!("{BASE64}=")] {
            let value = format!("{signature},1000");
            assert_eq!(verify(&value, "room:5", 999), Ok(()), "{signature}");
            assert_eq!(verify(&value, "room:5", 1000), Err(LinkError::Expired));
        }
    }

    #[test]
    fn nothing_of_what_is_signed_can_be_changed() {
        for (value, text) in [
            (format!("{BASE64},1000"), "room:6"),
            (format!("{BASE64},1001"), "room:5"),
            (format!("{BASE64},1000:room"), "5"),
            (format!("{},1000", &BASE64[1..]), "room:5"),
            (format!("{HEX}00,1000"), "room:5"),
            ("!,1000".to_owned(), "room:5"),
        ] {
            assert_eq!(verify(&value, text, 0), Err(LinkError::Wrong), "{value} {text}");
        }
        for value in ["", ",", "abc", "abc,", ",1000"] {
            assert_eq!(verify(value, "room:5", 0), Err(LinkError::Missing), "{value}");
        }
    }
}
