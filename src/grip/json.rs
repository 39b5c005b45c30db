//! Reading JSON that others wrote, field by field: what is wrong is told by its place.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Map, Value};

/// Something that cannot be understood; the sentence names the place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Malformed {
    pub(super) fn at(place: &str, what: &str) -> Self {
        Self(format!("{place} {what}."))
    }
}

/// An object, and what it is called in errors.
#[derive(Debug)]
pub(super) struct Object<'a> {
    map: &'a Map<String, Value>,
    place: String,
}

impl<'a> Object<'a> {
    pub(super) fn new(value: &'a Value, place: impl Into<String>) -> Result<Self, Malformed> {
        let place = place.into();
        match value {
            Value::Object(map) => Ok(Self { map, place }),
            _ => Err(Malformed::at(&place, "is no object")),
        }
    }

    /// What a field is called in errors.
    pub(super) fn place(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    pub(super) fn wrong(&self, name: &str, what: &str) -> Malformed {
        Malformed::at(&self.place(name), what)
    }

    /// A field; `null` is none.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, Malformed> {
        let text = |value: &'a Value| value.as_str().ok_or_else(|| self.wrong(name, "is no text"));
        self.get(name).map(text).transpose()
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Malformed> {
        let wrong = || self.wrong(name, "is no number from 0 on");
        self.get(name).map(|value| value.as_u64().ok_or_else(wrong)).transpose()
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Malformed> {
        let wrong = || self.wrong(name, "is neither true nor false");
        self.get(name).map_or(Ok(false), |value| value.as_bool().ok_or_else(wrong))
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, Malformed> {
        self.get(name).map(|value| Object::new(value, self.place(name))).transpose()
    }

    pub(super) fn list(&self, name: &str) -> Result<&'a [Value], Malformed> {
        let wrong = || self.wrong(name, "is no list");
        let list = |value: &'a Value| value.as_array().map(Vec::as_slice).ok_or_else(wrong);
        self.get(name).map_or(Ok(&[]), list)
    }

    /// A list of texts, if there is one.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<&'a str>>, Malformed> {
        if self.get(name).is_none() {
            return Ok(None);
        }
        let texts = self.list(name)?.iter().map(Value::as_str).collect::<Option<_>>();
        texts.map(Some).ok_or_else(|| self.wrong(name, "has an entry that is no text"))
    }

    /// An object of texts, or a list of pairs of them.
    pub(super) fn pairs(&self, name: &str) -> Result<Vec<(&'a str, &'a str)>, Malformed> {
        let wrong = || self.wrong(name, "is neither an object of texts nor a list of pairs");
        let pairs: Option<Vec<_>> = match self.get(name) {
            None => Some(Vec::new()),
            Some(Value::Object(map)) => {
                map.iter().map(|(name, value)| Some((&**name, value.as_str()?))).collect()
            }
            Some(Value::Array(list)) => list
                .iter()
                .map(|pair| match pair.as_array().map(Vec::as_slice) {
                    Some([name, value]) => Some((name.as_str()?, value.as_str()?)),
                    _ => None,
                })
                .collect(),
            Some(_) => None,
        };
        pairs.ok_or_else(wrong)
    }

    /// Bytes: the field as text, or that with `-bin` behind its name in base64.
    pub(super) fn bytes(&self, name: &str) -> Result<Option<Bytes>, Malformed> {
        let encoded = format!("{name}-bin");
        if let Some(text) = self.text(&encoded)? {
            let bytes = STANDARD.decode(text).map_err(|_| self.wrong(&encoded, "is no base64"))?;
            return Ok(Some(bytes.into_boxed_slice().into()));
        }
        Ok(self.text(name)?.map(|text| Bytes::copy_from_slice(text.as_bytes())))
    }
}
