//! What is put into a question when it is asked, and not before.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::Inquiry;
use crate::{
    channel::{ChannelId, Hub, MessageId},
    config::variable::later::{Later, Marks},
};

/// The channels that a question is about, whose subscribers are counted when it is asked.
#[derive(Clone, Debug)]
pub struct Late {
    /// Where the channels are.
    pub hub: Arc<Hub>,
    /// Those of the question.
    pub channels: Box<[ChannelId]>,
}

/// Path and headers of a question, in little space: the path, and header lines, with a line feed after
/// each.
#[derive(Clone, Debug)]
pub struct Lines(Later);

impl Late {
    /// How many subscribers the channels have now.
    pub fn count(&self) -> usize {
        self.hub.info(&self.channels).iter().map(|info| info.subscribers).sum()
    }

    /// What it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        let names = self.channels.iter().map(|id| size_of_val(id) + id.as_bytes().len());
        size_of::<Self>() + names.sum::<usize>()
    }
}

impl Lines {
    /// Those of a question, with places where it has marks.
    pub fn new(inquiry: &Inquiry, marks: &Marks) -> Self {
        let mut text = inquiry.uri.to_string().into_bytes();
        for (name, value) in &inquiry.headers {
            for part in [b"\n", name.as_str().as_bytes(), b":", value.as_bytes()] {
                text.extend_from_slice(part);
            }
        }
        Self(marks.split(&text))
    }

    /// Path and headers, with what is known now. `None`: that makes no path.
    pub fn read(&self, late: Option<&Late>, id: Option<MessageId>) -> Option<(Uri, HeaderMap)> {
        let count = late.filter(|_| self.0.counts()).map_or(0, Late::count);
        let text = self.0.fill(count, id);
        let mut lines = text.split(|byte| *byte == b'\n');
        let uri = lines.next().and_then(|uri| uri.try_into().ok())?;
        let mut headers = HeaderMap::new();
        for line in lines {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(&line[..colon]).ok()?;
            headers.append(name, HeaderValue::from_bytes(&line[colon + 1..]).ok()?);
        }
        Some((uri, headers))
    }

    /// What it takes besides itself, in bytes.
    pub(super) fn size(&self) -> usize {
        self.0.size()
    }
}
