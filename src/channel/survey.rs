//! What an operator may ask: which channels there are, how one is, how its subscribers keep up.
//!
//! None of it holds up who publishes or listens: a list is taken part by part, and subscribers are
//! counted by their own workers.

use std::{sync::Arc, time::Instant};

use tokio::sync::mpsc;

use super::{Channel, ChannelId, ChannelInfo, Hub, Traffic};

/// The state of a channel, with what publishers are not told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sketch {
    /// What publishers are told.
    pub info: ChannelInfo,
    /// Bytes of the bodies of its messages.
    pub bytes: usize,
    /// When it was made, in Unix seconds.
    pub created: u64,
}

/// How those who wait on a channel keep up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Turnout {
    /// How many they are.
    pub subscribers: usize,
    /// Those whose connection takes no more now.
    pub slow: usize,
    /// Those for whom there are messages that they have not had.
    pub behind: usize,
    /// How many messages the last of them has not had.
    pub most_behind: usize,
}

impl Turnout {
    /// One more; so many messages of the channel are there for it.
    pub fn add(&mut self, slow: bool, behind: usize) {
        self.subscribers += 1;
        self.slow += usize::from(slow);
        self.behind += usize::from(behind > 0);
        self.most_behind = self.most_behind.max(behind);
    }

    /// Those of two workers.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            subscribers: self.subscribers + other.subscribers,
            slow: self.slow + other.slow,
            behind: self.behind + other.behind,
            most_behind: self.most_behind.max(other.most_behind),
        }
    }
}

/// The question how the subscribers of a channel keep up. Whoever has answered drops it.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Which channel.
    pub channel: Arc<Channel>,
    answer: mpsc::UnboundedSender<(&'static str, Turnout)>,
}

impl Survey {
    /// So it is with those of one transport.
    pub fn answer(&self, transport: &'static str, turnout: Turnout) {
        // Whoever has asked may have given up.
        let _ = self.answer.send((transport, turnout));
    }
}

impl Hub {
    /// How many parts the names of channels are divided into.
    pub fn parts(&self) -> usize {
        self.registry.shards()
    }

    /// Which part a name belongs to, as long as the process runs.
    pub fn part(&self, id: &ChannelId) -> usize {
        self.registry.number(id)
    }

    /// The first names of a part that come after one, in order, at most so many; and how many were
    /// looked at: all of the part.
    pub fn names(
        &self,
        part: usize,
        after: Option<&ChannelId>,
        most: usize,
        wanted: impl Fn(&ChannelId) -> bool,
    ) -> (Vec<ChannelId>, usize) {
        self.registry.names(part, after, most, wanted)
    }

    /// How a channel is, if it exists.
    pub fn sketch(&self, id: &ChannelId) -> Option<Sketch> {
        let channel = self.registry.find(id)?;
        let sketch = channel.state().sketch(id, Instant::now());
        Some(sketch)
    }

    /// Asks how the subscribers of a channel keep up, if it exists. The answers have an end when all
    /// workers have answered.
    pub fn survey(
        &self,
        id: &ChannelId,
    ) -> Option<mpsc::UnboundedReceiver<(&'static str, Turnout)>> {
        let channel = self.registry.find(id)?;
        let (answer, answers) = mpsc::unbounded_channel();
        let survey = Survey { channel, answer };
        survey.channel.state().survey(&survey);
        Some(answers)
    }

    /// All messages.
    pub fn traffic(&self) -> Traffic {
        self.budget.traffic()
    }
}
