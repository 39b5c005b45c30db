//! Tokens of each kind of key, and forged ones, before the daemon.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::{
    credentials::now,
    harness::Gateway,
    site::{MODES, start},
};

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/credentials/jwt/keys");

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(format!("{KEYS}/{name}.pem")).unwrap()
}

fn claims() -> Value {
    json!({ "exp": now() + 60, "channels": ["1"] })
}

fn signed(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, key).unwrap()
}

/// What is answered to who shows a token, in either place.
fn shown(gateway: &Gateway, token: &str) -> (u16, String) {
    let authorization = format!("Authorization: Bearer {token}\r\n");
    let by_header = gateway.request("GET", "/sub?id=1", &authorization, "");
    let by_query = gateway.request("GET", &format!("/sub?id=1&token={token}"), "", "");
    assert_eq!(by_header.status, by_query.status);
    (by_header.status, by_header.text().to_owned())
}

#[test]
fn a_token_of_a_public_key_opens_its_channel_until_it_expires() {
    let rsa = EncodingKey::from_rsa_pem(&pem("rsa")).unwrap();
    let ed = EncodingKey::from_ed_pem(&pem("ed25519")).unwrap();
    for hold in MODES {
        for (name, file, algorithm, key) in
            [("RS256", "rsa", Algorithm::RS256, &rsa), ("EdDSA", "ed25519", Algorithm::EdDSA, &ed)]
        {
            let keys = format!("push_jwt = \"{name} file:{KEYS}/{file}.pub.pem\"");
            let gateway = start(hold, "", &keys);
            gateway.publish("/pub?id=1", "x");
            let good = signed(algorithm, key, &claims());
            assert_eq!(shown(&gateway, &good), (200, "x".to_owned()), "{name}");
            let late = signed(algorithm, key, &json!({ "exp": now() - 60, "channels": ["1"] }));
            assert_eq!(shown(&gateway, &late), (401, "The token has expired.".to_owned()));
            let other = signed(algorithm, key, &json!({ "exp": now() + 60, "channels": ["2"] }));
            assert_eq!(shown(&gateway, &other).0, 403);
            let eternal = signed(algorithm, key, &json!({ "channels": ["1"] }));
            assert_eq!(shown(&gateway, &eternal).0, 401);
        }
    }
}

#[test]
fn a_token_that_nobody_signed_opens_nothing() {
    let gateway = start("hall", "", &format!("push_jwt = \"RS256 file:{KEYS}/rsa.pub.pem\""));
    gateway.publish("/pub?id=1", "x");
    let rsa = EncodingKey::from_rsa_pem(&pem("rsa")).unwrap();
    let good = signed(Algorithm::RS256, &rsa, &claims());
    assert_eq!(shown(&gateway, &good).0, 200);
    let [_, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    for name in ["none", "None", "NONE", "nOnE"] {
        let head = part(&format!("{{\"alg\":\"{name}\",\"typ\":\"JWT\"}}"));
        for signature in ["", signature] {
            assert_eq!(shown(&gateway, &format!("{head}.{body}.{signature}")).0, 401, "{name}");
        }
    }
    // The public key is known to everybody, and no secret of another algorithm.
    for public in [pem("rsa.pub"), pem("rsa.pub").trim_ascii().to_vec()] {
        let confused = EncodingKey::from_secret(&public);
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(shown(&gateway, &signed(algorithm, &confused, &claims())).0, 401);
        }
    }
    // Nor is a signature one of another body, or one that is cut.
    let forged = part(&json!({ "exp": now() + 60, "channels": ["*"] }).to_string());
    let head = good.split('.').next().unwrap();
    for token in [
        format!("{head}.{forged}.{signature}"),
        format!("{head}.{body}.{}", &signature[..signature.len() - 4]),
        format!("{head}.{body}"),
        format!("{head}.{body}.{signature}.{signature}"),
        format!("{}.{body}.{signature}", part("{\"alg\":\"PS256\"}")),
        format!("{}.{body}.{signature}", part("{}")),
    ] {
        assert_eq!(shown(&gateway, &token).0, 401, "{token}");
    }
}
