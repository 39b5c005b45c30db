//! Keys and secrets; an error never shows what is in them.

use super::{Read, Reader, Value, list};
use crate::{
    config::error::Reason,
    credentials::{Key, KeyError, Secret, SecretError, Signer},
};

/// Keys that verify tokens.
pub(in crate::config) fn jwt_keys(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Vec<Key>> {
    list(reader, value, |reader, value| {
        let text = reader.string(value, "a string")?;
        reader.check(value, Key::parse(text))
    })
}

/// A key that signs tokens.
pub(in crate::config) fn signer(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Signer> {
    let text = reader.string(value, "a string")?;
    reader.check(value, Signer::parse(text))
}

/// A secret.
pub(in crate::config) fn secret(reader: &mut Reader<'_>, value: &Value<'_>) -> Read<Secret> {
    let text = reader.string(value, "a string")?;
    reader.check(value, Secret::parse(text))
}

impl From<KeyError> for Reason {
    fn from(error: KeyError) -> Self {
        Self::Credentials(error.to_string())
    }
}

impl From<SecretError> for Reason {
    fn from(error: SecretError) -> Self {
        Self::Credentials(error.to_string())
    }
}
