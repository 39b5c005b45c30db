//! Tokens that the application signs: JSON Web Tokens (RFC 7519), signed as RFC 7518 says.
//!
//! What the gateway itself signs is no token here, whatever key it is signed with.
//!
//! A key belongs to one algorithm, and a token is held against keys of the algorithm that it
//! names: a public key is never taken for the secret of an HMAC, and `none` is no algorithm.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, Validation, decode, decode_header,
    errors::{Error, ErrorKind},
};
use serde_json::{Map, Value};

use super::{Secret, SecretError};

/// How far the clocks of the application and of this machine may be apart, in seconds.
const SKEW: u64 = 5;
/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 8 << 10;

/// What verifies signatures of one algorithm.
#[derive(Clone)]
pub struct Key {
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not written as an algorithm and a secret.
    #[error(
        "is not an algorithm and a key, like \"HS256 env:JWT_SECRET\" or \"RS256 file:public.pem\""
    )]
    Form,
    /// There is no such algorithm.
    #[error(
        "names no algorithm of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA"
    )]
    Algorithm,
    /// The key cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The bytes are no key of the algorithm.
    #[error("names no public key in PEM of its algorithm")]
    Pem,
    /// Nothing is signed by that algorithm here.
    #[error("names no algorithm of HS256, RS256, ES256")]
    Signing,
    /// The bytes are no key that signs.
    #[error("names no private key in PEM of its algorithm")]
    Private,
    /// HMAC with a short secret can be broken by trying (RFC 7518 section 3.2).
    #[error("is a secret shorter than the {0} bytes that its algorithm makes")]
    Short(usize),
}

/// What a token has to say beside being signed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Expected {
    /// `iss`: any of these; none: whatever it says.
    pub issuers: Vec<String>,
    /// `aud`: any of these; none: whatever it says.
    pub audiences: Vec<String>,
}

/// A token that holds.
#[derive(Clone, Debug)]
pub struct Token {
    claims: Map<String, Value>,
    expires: SystemTime,
}

/// Why a token does not hold.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// There is none.
    #[error("A token is needed.")]
    Missing,
    /// It is one that the gateway has signed, for the application to know it by.
    #[error("The token is a Grip-Sig, which is for the application: publishers sign their own.")]
    Own,
    /// `crit` (RFC 7515 section 4.1.11).
    #[error("The token has extensions that have to be understood, and are not.")]
    Critical,
    /// It is no token, or signed in a way that is not taken here.
    #[error("The token is malformed or of no algorithm that is taken here.")]
    Malformed,
    /// The signature is not of any key.
    #[error("The token's signature is wrong.")]
    Signature,
    /// `exp` has passed.
    #[error("The token has expired.")]
    Expired,
    /// `nbf` is to come.
    #[error("The token is not valid yet.")]
    Early,
    /// A claim is missing or not as it has to be.
    #[error("The token's claim {0} is missing or not the expected one.")]
    Claim(String),
}

impl Key {
    /// Reads `ALGORITHM SECRET`: of HMAC the secret itself, of the others a public key in PEM.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, secret) = text.split_once(' ').ok_or(KeyError::Form)?;
        let algorithm: Algorithm = name.parse().map_err(|_| KeyError::Algorithm)?;
        let secret = Secret::parse(secret.trim_start())?;
        let bytes = secret.as_bytes();
        let key = match algorithm.family() {
            AlgorithmFamily::Hmac if bytes.len() < least(algorithm) => {
                return Err(KeyError::Short(least(algorithm)));
            }
            AlgorithmFamily::Hmac => Ok(DecodingKey::from_secret(bytes)),
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(bytes),
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(bytes),
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(bytes),
        };
        Ok(Self { algorithm, key: key.map_err(|_| KeyError::Pem)? })
    }
}

/// The bytes that a secret of HMAC has at least.
fn least(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::HS512 => 64,
        Algorithm::HS384 => 48,
        _ => 32,
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Token {
    /// Reads a token that one of the keys has signed, and that holds now.
    pub fn verify(token: &[u8], keys: &[Key], expected: &Expected) -> Result<Self, TokenError> {
        let token = bare(token);
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Malformed);
        }
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        if header.typ.is_some_and(|typ| typ.eq_ignore_ascii_case(super::signer::TYPE)) {
            return Err(TokenError::Own);
        }
        if header.crit.is_some() {
            // What has to be understood is not (RFC 7515 section 4.1.11).
            return Err(TokenError::Critical);
        }
        let mut error = TokenError::Malformed;
        for key in keys.iter().filter(|key| key.algorithm == header.alg) {
            match decode(token, &key.key, &validation(key.algorithm, expected)) {
                Ok(data) => return Self::of(data.claims),
                Err(why) => error = explain(&why),
            }
            if error != TokenError::Signature {
                break;
            }
        }
        Err(error)
    }

    fn of(claims: Map<String, Value>) -> Result<Self, TokenError> {
        let malformed = || TokenError::Claim("exp".to_owned());
        let seconds = claims.get("exp").and_then(Value::as_f64).ok_or_else(malformed)?;
        let since = Duration::try_from_secs_f64(seconds).map_err(|_| malformed())?;
        let expires = UNIX_EPOCH.checked_add(since).ok_or_else(malformed)?;
        Ok(Self { claims, expires })
    }

    /// `exp`.
    pub fn expires(&self) -> SystemTime {
        self.expires
    }

    /// A claim that is a text, a number or a boolean; a dot in the name leads into an object.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.claim(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    /// Whether a claim, which is a name or a list of names, has this one. A name that ends with
    /// `*` is all that begin so.
    pub fn grants(&self, claim: &str, name: &[u8]) -> bool {
        let grants = |value: &Value| match value {
            Value::String(pattern) => matches(pattern.as_bytes(), name),
            Value::Number(number) => number.to_string().as_bytes() == name,
            _ => false,
        };
        match self.claim(claim) {
            Some(Value::Array(values)) => values.iter().any(grants),
            Some(value) => grants(value),
            None => false,
        }
    }

    fn claim(&self, name: &str) -> Option<&Value> {
        // A name with dots of its own, like an URL, is looked for first.
        if let Some(value) = self.claims.get(name) {
            return Some(value);
        }
        let mut names = name.split('.');
        let first = self.claims.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    }
}

/// The token of an `Authorization: Bearer` (RFC 6750 section 2.1), or all of it.
pub(super) fn bare(value: &[u8]) -> &[u8] {
    const SCHEME: &[u8] = b"bearer ";
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => token.trim_ascii(),
        _ => value.trim_ascii(),
    }
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.strip_suffix(b"*") {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

fn validation(algorithm: Algorithm, expected: &Expected) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.leeway = SKEW;
    validation.validate_nbf = true;
    validation.validate_aud = !expected.audiences.is_empty();
    let mut required = vec!["exp"];
    if !expected.audiences.is_empty() {
        validation.set_audience(&expected.audiences);
        required.push("aud");
    }
    if !expected.issuers.is_empty() {
        validation.set_issuer(&expected.issuers);
        required.push("iss");
    }
    validation.set_required_spec_claims(&required);
    validation
}

fn explain(error: &Error) -> TokenError {
    match error.kind() {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::Early,
        ErrorKind::InvalidIssuer => TokenError::Claim("iss".to_owned()),
        ErrorKind::InvalidAudience => TokenError::Claim("aud".to_owned()),
        ErrorKind::MissingRequiredClaim(name) | ErrorKind::InvalidClaimFormat(name) => {
            TokenError::Claim(name.clone())
        }
        _ => TokenError::Malformed,
    }
}

#[cfg(test)]
mod tests;
