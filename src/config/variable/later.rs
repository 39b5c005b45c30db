//! Values that are known only after a text is expanded: marks stand for them until then.

use super::{
    Part, Template,
    source::{Known, Source},
};
use crate::channel::MessageId;

/// Stands for `$push_subscriber_count`.
pub const COUNT: usize = usize::MAX - 58;
/// Stands for `$push_message_id`.
pub const ID: MessageId = MessageId::LAST;

impl Template {
    /// Whether marks may stand in what it expands to.
    pub fn is_late(&self) -> bool {
        let late = [Known::SubscriberCount, Known::MessageId].map(Source::Known);
        self.parts.iter().any(|part| match part {
            Part::Variable { source, .. } => late.contains(source),
            Part::Literal(_) => false,
        })
    }
}

/// The text with a count in place of its mark.
pub fn with_count(text: &[u8], count: usize) -> Vec<u8> {
    replace(text, COUNT.to_string().as_bytes(), count.to_string().as_bytes())
}

/// The text with an id, or nothing, in place of its mark; in an URI that is percent-encoded.
pub fn with_id(text: &[u8], id: Option<MessageId>) -> Vec<u8> {
    let plain = |id: MessageId| id.to_string();
    let encoded = |id: MessageId| id.to_string().replace(':', "%3A");
    let [own, in_uri] = [id.map(plain), id.map(encoded)].map(Option::unwrap_or_default);
    let text = replace(text, plain(ID).as_bytes(), own.as_bytes());
    replace(&text, encoded(ID).as_bytes(), in_uri.as_bytes())
}

fn replace(text: &[u8], mark: &[u8], value: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(value);
        rest = &rest[at + mark.len()..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_replaced_wherever_they_stand() {
        let text = format!("{COUNT} of {ID}, {COUNT}");
        let id = MessageId::new(5, 3);
        assert_eq!(with_id(&with_count(text.as_bytes(), 7), id), b"7 of 5:3, 7");
        let uri = format!("/x?id={}&n={COUNT}", ID.to_string().replace(':', "%3A"));
        assert_eq!(with_id(&with_count(uri.as_bytes(), 0), id), b"/x?id=5%3A3&n=0");
        assert_eq!(with_id(&with_count(uri.as_bytes(), 0), None), b"/x?id=&n=0");
    }
}
