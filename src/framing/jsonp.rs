//! JSONP: the answer to a poll as the call of a function, for pages that load it as a script.

use std::sync::Arc;

use bytes::Bytes;

use super::{Voice, escape, interval_poll, slot};
use crate::channel::{Frame, Message};

/// A call with everything in one array.
pub(super) fn call(callback: &[u8], arguments: impl IntoIterator<Item = Bytes>) -> Bytes {
    let mut array = vec![b'['];
    for (number, argument) in arguments.into_iter().enumerate() {
        if number > 0 {
            array.push(b',');
        }
        array.extend_from_slice(&argument);
    }
    array.push(b']');
    call_with(callback, &array)
}

/// A call with the document of the JSON poll.
pub(super) fn document(callback: &[u8], messages: &[Arc<Message>]) -> Bytes {
    call_with(callback, &value(&interval_poll::answer(messages)))
}

/// A call. The comment keeps the name from being the first bytes of something else than a script (a
/// Flash file is the known case).
fn call_with(callback: &[u8], argument: &[u8]) -> Bytes {
    [b"/**/", callback, b"(", argument, b");"].concat().into()
}

/// What a function is called with for a message.
pub(super) fn argument(message: &Message, voice: &Voice) -> Bytes {
    match &voice.template {
        Some(_) => value(&voice.text(message)),
        None => message.frame(slot::SCRIPT, |message| Frame::bare(value(message.body()))).bytes,
    }
}

/// JSON as it is, anything else as a string; neither can leave the script.
pub(super) fn value(text: &[u8]) -> Bytes {
    escape::js_value(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_an_array_of_all_that_there_are() {
        assert_eq!(call(b"f", []), "/**/f([]);");
        assert_eq!(call(b"f", [value(b"{}")]), "/**/f([{}]);");
        let two = [value(b"hi"), value(b"</script>")];
        assert_eq!(call(b"a.b", two), "/**/a.b([\"hi\",\"\\u003c/script\\u003e\"]);");
    }
}
