//! What a GRIP publisher says of a message beside what every subscriber gets: plain values.

use bytes::Bytes;

/// The message in the formats of GRIP, for those whom the application holds by GRIP.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Item {
    /// The publisher's own id.
    pub id: Option<Box<str>>,
    /// The publisher's id of the message before it.
    pub previous: Option<Box<str>>,
    /// It belongs nowhere in the order of ids.
    pub unordered: bool,
    /// What filters look at.
    pub meta: Vec<(Box<str>, Box<str>)>,
    /// The whole answer of a request that waits for one.
    pub response: Option<Reply>,
    /// A part of an answer that goes on.
    pub stream: Option<Part>,
    /// A message of a WebSocket.
    pub socket: Option<Parcel>,
}

/// What is to be done, and with which bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Part {
    /// What is to be done.
    pub action: Action,
    /// The bytes; where they are the message's own, shared with it.
    pub content: Bytes,
    /// The filters that the content is written for; `None`: any.
    pub filters: Option<Vec<Box<str>>>,
}

/// What is to be done with whoever waits.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Action {
    /// It gets the content.
    #[default]
    Send,
    /// The application is asked what there is.
    Hint,
    /// Its connection ends.
    Close,
}

/// A whole HTTP answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reply {
    /// Its body.
    pub part: Part,
    /// Its status.
    pub status: u16,
    /// The words behind the status; `None`: the usual ones.
    pub reason: Option<Box<str>>,
    /// Its headers, which have been checked.
    pub headers: Vec<(Box<str>, Box<str>)>,
}

/// A message of a WebSocket.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Parcel {
    /// Its payload.
    pub part: Part,
    /// The kind of its frame.
    pub kind: Kind,
    /// Code and reason, if it closes.
    pub close: (u16, Box<str>),
}

/// The kind of a frame.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Kind {
    /// UTF-8.
    #[default]
    Text,
    /// Bytes.
    Binary,
    /// A question for a sign of life.
    Ping,
    /// A sign of life.
    Pong,
}

impl Item {
    /// The memory that it takes beside the body of its message, in bytes.
    pub fn size(&self, body: &Bytes) -> usize {
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let pairs = |pairs: &[(Box<str>, Box<str>)]| {
            let pair = |(name, value): &(Box<str>, Box<str>)| {
                size_of::<(Box<str>, Box<str>)>() + name.len() + value.len()
            };
            pairs.iter().map(pair).sum::<usize>()
        };
        let part = |part: &Part| {
            let shared = part.content.as_ptr() == body.as_ptr();
            let filters = part.filters.iter().flatten();
            let filters = filters.map(|name| size_of::<Box<str>>() + name.len()).sum::<usize>();
            filters + if shared { 0 } else { part.content.len() }
        };
        let reply = |reply: &Reply| part(&reply.part) + text(&reply.reason) + pairs(&reply.headers);
        let parcel = |parcel: &Parcel| part(&parcel.part) + parcel.close.1.len();
        size_of::<Self>()
            + text(&self.id)
            + text(&self.previous)
            + pairs(&self.meta)
            + self.response.as_ref().map_or(0, reply)
            + self.stream.as_ref().map_or(0, part)
            + self.socket.as_ref().map_or(0, parcel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_of_the_message_is_counted_once_and_everything_else_too() {
        let body = Bytes::from(vec![0; 1000]);
        let part = |content: &Bytes| Part { content: content.clone(), ..Part::default() };
        let bare = Item::default().size(&body);
        let item = Item { stream: Some(part(&body)), ..Item::default() };
        assert_eq!(item.size(&body), bare);
        let other = Bytes::from(vec![0; 300]);
        let reply = Reply { part: part(&other), ..Reply::default() };
        let headers = vec![("a".into(), "x".repeat(50).into())];
        let item =
            Item { response: Some(Reply { headers, ..reply }), id: Some("7".into()), ..item };
        assert!((bare + 352..bare + 400).contains(&item.size(&body)), "{}", item.size(&body));
    }
}
