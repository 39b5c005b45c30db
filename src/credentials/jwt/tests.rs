use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
use serde_json::json;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

// openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048, ED25519, EC prime256v1
const RSA: &str = include_str!("keys/rsa.pem");
const RSA_PUBLIC: &str = include_str!("keys/rsa.pub.pem");
const ED: &str = include_str!("keys/ed25519.pem");
const ED_PUBLIC: &str = include_str!("keys/ed25519.pub.pem");
const EC: &str = include_str!("keys/ec.pem");
const EC_PUBLIC: &str = include_str!("keys/ec.pub.pem");

fn key(algorithm: &str, secret: &str) -> Key {
    Key::parse(&format!("{algorithm} text:{secret}")).unwrap()
}

fn keys() -> Vec<Key> {
    vec![
        key("HS256", SECRET),
        key("RS256", RSA_PUBLIC),
        key("EdDSA", ED_PUBLIC),
        key("ES256", EC_PUBLIC),
    ]
}

fn soon() -> u64 {
    get_current_timestamp() + 60
}

fn signed(algorithm: Algorithm, claims: &Value) -> String {
    let key = match algorithm.family() {
        AlgorithmFamily::Hmac => EncodingKey::from_secret(SECRET.as_bytes()),
        AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap(),
        AlgorithmFamily::Ec => EncodingKey::from_ec_pem(EC.as_bytes()).unwrap(),
        AlgorithmFamily::Ed => EncodingKey::from_ed_pem(ED.as_bytes()).unwrap(),
    };
    encode(&Header::new(algorithm), claims, &key).unwrap()
}

fn verify(token: &str) -> Result<Token, TokenError> {
    Token::verify(token.as_bytes(), &keys(), &Expected::default())
}

fn of(claims: &Value) -> Result<Token, TokenError> {
    verify(&signed(Algorithm::HS256, claims))
}

#[test]
fn a_token_of_each_algorithm_holds_until_it_expires() {
    for algorithm in [Algorithm::HS256, Algorithm::RS256, Algorithm::EdDSA, Algorithm::ES256] {
        let token = signed(algorithm, &json!({ "exp": soon(), "sub": "ann" }));
        assert_eq!(verify(&token).unwrap().text("sub").unwrap(), "ann", "{algorithm:?}");
        assert_eq!(verify(&format!("Bearer {token}")).unwrap().text("sub").unwrap(), "ann");
        let late = signed(algorithm, &json!({ "exp": get_current_timestamp() - SKEW - 1 }));
        assert_eq!(verify(&late).unwrap_err(), TokenError::Expired, "{algorithm:?}");
    }
}

#[test]
fn a_forged_token_is_refused() {
    let claims = json!({ "exp": soon(), "channels": "a" });
    let token = signed(Algorithm::HS256, &claims);
    let (signed_part, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed_part.split_once('.').unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let other = part(&json!({ "exp": soon(), "channels": "b" }));
    let none = part(&json!({ "alg": "none", "typ": "JWT" }));
    let refused = |token: String, why: TokenError| {
        assert_eq!(verify(&token).unwrap_err(), why, "{token}");
    };
    refused(format!("{header}.{other}.{signature}"), TokenError::Signature);
    refused(format!("{signed_part}."), TokenError::Signature);
    refused(format!("{none}.{other}."), TokenError::Malformed);
    refused(format!("{none}.{other}.{signature}"), TokenError::Malformed);
    refused(format!("{signed_part}.{signature}.x"), TokenError::Malformed);
    refused("x".repeat(MAX_TOKEN + 1), TokenError::Malformed);
    refused("a.b.c".to_owned(), TokenError::Malformed);
    refused("Bearer ".to_owned(), TokenError::Missing);
    refused(String::new(), TokenError::Missing);
}

#[test]
fn a_public_key_is_no_secret() {
    let keys = [key("RS256", RSA_PUBLIC)];
    let secret = EncodingKey::from_secret(RSA_PUBLIC.as_bytes());
    let token = encode(&Header::default(), &json!({ "exp": soon() }), &secret).unwrap();
    let error = Token::verify(token.as_bytes(), &keys, &Expected::default()).unwrap_err();
    assert_eq!(error, TokenError::Malformed);
}

#[test]
fn what_would_have_to_be_understood_is_refused() {
    let secret = EncodingKey::from_secret(SECRET.as_bytes());
    for crit in [vec![], vec!["b64".to_owned()]] {
        let header = Header { crit: Some(crit), ..Header::default() };
        let token = encode(&header, &json!({ "exp": soon() }), &secret).unwrap();
        let keys = [key("HS256", SECRET)];
        let error = Token::verify(token.as_bytes(), &keys, &Expected::default()).unwrap_err();
        assert_eq!(error, TokenError::Critical);
    }
}

#[test]
fn any_key_of_the_algorithm_will_do() {
    let other = key("HS256", "another secret of thirty-two byte");
    let token = signed(Algorithm::HS256, &json!({ "exp": soon() }));
    let expected = Expected::default();
    let keys = [other.clone(), key("HS256", SECRET)];
    assert!(Token::verify(token.as_bytes(), &keys, &expected).is_ok());
    let error = Token::verify(token.as_bytes(), &[other], &expected).unwrap_err();
    assert_eq!(error, TokenError::Signature);
}

#[test]
fn times_have_to_be_there_and_to_be_times() {
    let claim = |name: &str| TokenError::Claim(name.to_owned());
    assert_eq!(of(&json!({})).unwrap_err(), claim("exp"));
    assert_eq!(of(&json!({ "exp": "soon" })).unwrap_err(), claim("exp"));
    assert_eq!(of(&json!({ "exp": -1 })).unwrap_err(), claim("exp"));
    assert_eq!(of(&json!({ "exp": 1e300 })).unwrap_err(), claim("exp"));
    let early = json!({ "exp": soon(), "nbf": soon() });
    assert_eq!(of(&early).unwrap_err(), TokenError::Early);
}

#[test]
fn issuer_and_audience_are_compared_where_they_are_expected() {
    let expected = Expected { issuers: vec!["me".into()], audiences: vec!["gate".into()] };
    let verify = |claims: &Value| {
        let token = signed(Algorithm::HS256, claims);
        Token::verify(token.as_bytes(), &keys(), &expected).map(|_| ())
    };
    let claim = |name: &str| Err(TokenError::Claim(name.to_owned()));
    let exp = soon();
    assert_eq!(verify(&json!({ "exp": exp, "iss": "me", "aud": ["x", "gate"] })), Ok(()));
    assert_eq!(verify(&json!({ "exp": exp, "iss": "you", "aud": "gate" })), claim("iss"));
    assert_eq!(verify(&json!({ "exp": exp, "iss": "me", "aud": "x" })), claim("aud"));
    assert_eq!(verify(&json!({ "exp": exp, "aud": "gate" })), claim("iss"));
    assert_eq!(verify(&json!({ "exp": exp, "iss": "me" })), claim("aud"));
}

#[test]
fn channels_are_granted_by_name_by_beginning_and_by_path() {
    let token = of(&json!({
        "exp": soon(), "channels": ["a", "room-*", 5], "one": "b", "all": "*",
        "mercure": { "subscribe": ["c"] }, "https://x.y/z": ["d"], "odd": { "a": 1 },
    }))
    .unwrap();
    for (claim, name, granted) in [
        ("channels", "a", true),
        ("channels", "ab", false),
        ("channels", "room-7", true),
        ("channels", "room-", true),
        ("channels", "room", false),
        ("channels", "5", true),
        ("channels", "room-*", true),
        ("one", "b", true),
        ("one", "a", false),
        ("all", "whatever", true),
        ("mercure.subscribe", "c", true),
        ("mercure.publish", "c", false),
        ("https://x.y/z", "d", true),
        ("odd", "a", false),
        ("missing", "", false),
    ] {
        assert_eq!(token.grants(claim, name.as_bytes()), granted, "{claim} {name}");
    }
    assert_eq!(token.text("channels"), None);
}

#[test]
fn a_key_that_is_none_is_said() {
    let error = |text: &str| Key::parse(text).unwrap_err().to_string();
    assert!(error("HS256").starts_with("is not an algorithm and a key"));
    assert!(error("none text:x").starts_with("names no algorithm"));
    assert!(error("HS257 text:x").starts_with("names no algorithm"));
    assert!(error("HS256 text:short").contains("shorter than the 32 bytes"));
    assert!(error("RS256 text:short").starts_with("names no public key"));
    assert!(error(&format!("RS256 text:{ED_PUBLIC}")).starts_with("names no public key"));
    assert!(error("HS256 vault:x").starts_with("is not \"env:NAME\""));
}
