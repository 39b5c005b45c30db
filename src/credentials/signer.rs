//! Tokens that the gateway signs, so that an application knows whose a request is.

use std::{fmt, time::SystemTime};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

use super::{Expected, Key, KeyError, Secret, Token, TokenError};

/// The type of what is signed here (RFC 8725 section 3.11): it is for the application, which may be
/// anybody's that requests are passed on to, and shows nobody else's right to anything.
pub(super) const TYPE: &str = "grip-sig+jwt";

/// What signs.
#[derive(Clone)]
pub struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    shared: Option<Shared>,
}

/// A secret that both sides have.
#[derive(Clone)]
struct Shared {
    secret: Secret,
    key: Box<Key>,
}

/// Who signs, and until when it holds.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    exp: u64,
}

impl Signer {
    /// Reads `ALGORITHM SECRET`: of HMAC the secret itself, of RS256 and ES256 a private key in PEM.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, place) = text.split_once(' ').ok_or(KeyError::Form)?;
        let secret = Secret::parse(place.trim_start());
        let (algorithm, key) = match name {
            "HS256" => {
                let key = Box::new(Key::parse(text)?);
                let secret = secret?;
                let signing = EncodingKey::from_secret(secret.as_bytes());
                let shared = Some(Shared { secret, key });
                return Ok(Self { algorithm: Algorithm::HS256, key: signing, shared });
            }
            "RS256" => (Algorithm::RS256, EncodingKey::from_rsa_pem(secret?.as_bytes())),
            "ES256" => (Algorithm::ES256, EncodingKey::from_ec_pem(secret?.as_bytes())),
            _ => return Err(KeyError::Signing),
        };
        let signer = Self { algorithm, key: key.map_err(|_| KeyError::Private)?, shared: None };
        // Whether a key signs is found out by signing.
        signer.token("", 0).map(|_| signer).ok_or(KeyError::Private)
    }

    /// A token of this issuer that holds until then, in Unix seconds; `None`: it cannot be signed.
    pub fn token(&self, issuer: &str, expires: u64) -> Option<String> {
        let claims = Claims { iss: issuer, exp: expires };
        let header = Header { typ: Some(TYPE.to_owned()), ..Header::new(self.algorithm) };
        encode(&header, &claims, &self.key).ok()
    }

    /// Whether an `Authorization` shows that its sender has the secret, by a token of its own that it
    /// has signed with it or by the secret itself. Without a secret nothing shows it.
    pub fn admits(&self, authorization: &[u8]) -> Result<(), TokenError> {
        let Some(Shared { secret, key }) = &self.shared else { return Err(TokenError::Signature) };
        let bare = super::jwt::bare(authorization);
        if verify_slices_are_equal(bare, secret.as_bytes()).is_ok() {
            return Ok(());
        }
        Token::verify(bare, std::slice::from_ref(key), &Expected::default()).map(drop)
    }

    /// Whether there is a secret that others may have, too.
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }
}

/// When a token ends that is signed now and holds so many seconds.
pub fn expires_in(seconds: u64) -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    now + seconds
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn folder() -> std::path::PathBuf {
        std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/credentials/jwt/keys")
    }

    /// What the application makes of a token.
    fn issuer(token: &str, algorithm: Algorithm, key: &jsonwebtoken::DecodingKey) -> String {
        let claims: serde_json::Value =
            jsonwebtoken::decode(token, key, &jsonwebtoken::Validation::new(algorithm))
                .unwrap()
                .claims;
        claims["iss"].as_str().unwrap().to_owned()
    }

    #[test]
    fn what_is_signed_holds_for_the_application_and_for_nobody_here() {
        for (name, private, public) in
            [("RS256", "rsa.pem", "rsa.pub.pem"), ("ES256", "ec.pem", "ec.pub.pem")]
        {
            let key = |file| format!("{name} file:{}", folder().join(file).display());
            let signer = Signer::parse(&key(private)).unwrap();
            let token = signer.token("pushgate", expires_in(60)).unwrap();
            let pem = std::fs::read(folder().join(public)).unwrap();
            let theirs = match signer.algorithm {
                Algorithm::RS256 => jsonwebtoken::DecodingKey::from_rsa_pem(&pem),
                _ => jsonwebtoken::DecodingKey::from_ec_pem(&pem),
            };
            assert_eq!(issuer(&token, signer.algorithm, &theirs.unwrap()), "pushgate");
            let keys = [Key::parse(&key(public)).unwrap()];
            let verified = Token::verify(token.as_bytes(), &keys, &Expected::default());
            assert_eq!(verified.unwrap_err(), TokenError::Own);
            let admitted = signer.admits(token.as_bytes());
            assert_eq!(admitted, Err(TokenError::Signature), "a public key is no secret");
        }
    }

    #[test]
    fn who_has_the_secret_is_admitted_by_it_or_by_what_it_signs_itself() {
        let signer = Signer::parse(&format!("HS256 text:{SECRET}")).unwrap();
        let bearer = |secret: &str, typ: Option<&str>, expires| {
            let header = Header { typ: typ.map(str::to_owned), ..Header::default() };
            let key = EncodingKey::from_secret(secret.as_bytes());
            // The issuer may be called like the gateway.
            let token = encode(&header, &Claims { iss: "pushgate", exp: expires }, &key).unwrap();
            signer.admits(format!("Bearer {token}").as_bytes())
        };
        let soon = expires_in(60);
        assert_eq!(bearer(SECRET, Some("JWT"), soon), Ok(()));
        assert_eq!(bearer(SECRET, None, soon), Ok(()));
        assert_eq!(signer.admits(format!("Bearer {SECRET}").as_bytes()), Ok(()));
        assert_eq!(bearer(&format!("{SECRET}x"), None, soon), Err(TokenError::Signature));
        assert_eq!(bearer(SECRET, None, 1), Err(TokenError::Expired));
        assert_eq!(bearer(SECRET, Some("GRIP-SIG+jwt"), soon), Err(TokenError::Own));
        let sig = signer.token("other", soon).unwrap();
        assert_eq!(signer.admits(sig.as_bytes()), Err(TokenError::Own));
        assert!(signer.admits(b"Bearer x").is_err() && signer.admits(b"").is_err());
        assert_eq!(format!("{signer:?}"), "Signer { algorithm: HS256, .. }");
    }

    #[test]
    fn keys_that_sign_nothing_are_refused() {
        let public = format!("RS256 file:{}", folder().join("rsa.pub.pem").display());
        for text in ["HS256", "HS512 text:x", "none text:x", "HS256 text:short", &public] {
            assert!(Signer::parse(text).is_err(), "{text}");
        }
    }
}
