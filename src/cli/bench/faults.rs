//! What went wrong, counted by kind, with the first few told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A kind of fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// Came twice.
    Doubled,
    /// Came after one that was published later.
    Inverted,
    /// Whole, and of another channel.
    Foreign,
    /// Not as it was published.
    Corrupt,
    /// Not of the protocol.
    Framing,
    /// The server ended a connection.
    Closed,
    /// The server did not want a connection, or could not be reached.
    Refused,
    /// A message that the server did not accept.
    Unpublished,
}

/// Faults by kind, and what was checked to find them.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Faults {
    /// Messages whose every byte was compared.
    pub(super) checked: u64,
    /// Never came.
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) inverted: u64,
    pub(super) foreign: u64,
    pub(super) corrupt: u64,
    pub(super) framing: u64,
    pub(super) closed: u64,
    pub(super) refused: u64,
    pub(super) unpublished: u64,
    /// Not a fault: came twice, and was sent twice, see [`super::publishers`].
    pub(super) unsure: u64,
    /// The first faults in words.
    pub(super) told: Vec<String>,
}

/// Faults that are told in words.
const TOLD: usize = 5;

impl Faults {
    /// Counts one, and remembers it if it is among the first.
    pub(super) fn add(&mut self, fault: Fault, words: impl FnOnce() -> String) {
        match fault {
            Fault::Doubled => self.doubled += 1,
            Fault::Inverted => self.inverted += 1,
            Fault::Foreign => self.foreign += 1,
            Fault::Corrupt => self.corrupt += 1,
            Fault::Framing => self.framing += 1,
            Fault::Closed => self.closed += 1,
            Fault::Refused => self.refused += 1,
            Fault::Unpublished => self.unpublished += 1,
        }
        self.tell(words);
    }

    /// Counts messages that never came.
    pub(super) fn lose(&mut self, messages: u32, words: impl FnOnce() -> String) {
        if messages > 0 {
            self.lost += u64::from(messages);
            self.tell(words);
        }
    }

    /// Tells that so many of all have not been answered and that nothing has come for a time, if they are
    /// any. It is no fault, but the reason why a run has ended.
    pub(super) fn unanswered(&mut self, [number, all]: [u32; 2], whom: &str, time: Duration) {
        if number > 0 {
            let seconds = time.as_secs();
            self.tell(|| {
                format!(
                    "{number} of {all} {whom} have not been answered, and nothing has come for {seconds} s"
                )
            });
        }
    }

    fn tell(&mut self, words: impl FnOnce() -> String) {
        if self.told.len() < TOLD {
            self.told.push(words());
        }
    }

    /// The same, told as those of somebody.
    pub(super) fn of(self, whose: &str) -> Self {
        let told = self.told.iter().map(|words| format!("{whose} {words}")).collect();
        Self { told, ..self }
    }

    /// Takes in those of somebody else.
    pub(super) fn merge(&mut self, other: Self) {
        self.checked += other.checked;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.inverted += other.inverted;
        self.foreign += other.foreign;
        self.corrupt += other.corrupt;
        self.framing += other.framing;
        self.closed += other.closed;
        self.refused += other.refused;
        self.unpublished += other.unpublished;
        self.unsure += other.unsure;
        self.told.extend(other.told);
        self.told.truncate(TOLD);
    }

    /// Kinds and numbers, without those of which there are none.
    pub(super) fn kinds(&self) -> Vec<(&'static str, u64)> {
        let mut kinds = vec![
            ("lost", self.lost),
            ("doubled", self.doubled),
            ("inverted", self.inverted),
            ("foreign", self.foreign),
            ("corrupt", self.corrupt),
            ("framing", self.framing),
            ("closed", self.closed),
            ("refused", self.refused),
            ("unpublished", self.unpublished),
        ];
        kinds.retain(|(_, number)| *number > 0);
        kinds
    }

    pub(super) fn none(&self) -> bool {
        self.kinds().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_a_fault_and_has_a_name() {
        let kinds = [
            (Fault::Doubled, "doubled"),
            (Fault::Inverted, "inverted"),
            (Fault::Foreign, "foreign"),
            (Fault::Corrupt, "corrupt"),
            (Fault::Framing, "framing"),
            (Fault::Closed, "closed"),
            (Fault::Refused, "refused"),
            (Fault::Unpublished, "unpublished"),
        ];
        let mut all = Faults::default();
        assert!(all.none());
        for (fault, name) in kinds {
            let mut faults = Faults::default();
            faults.add(fault, || name.to_owned());
            assert_eq!((faults.kinds(), faults.none()), (vec![(name, 1)], false));
            all.merge(faults);
        }
        all.lose(0, || "nothing".to_owned());
        assert_eq!(all.kinds().len(), 8);
        all.lose(3, || "three".to_owned());
        assert_eq!(all.kinds()[0], ("lost", 3));
        assert_eq!(all.told, ["doubled", "inverted", "foreign", "corrupt", "framing"]);
    }
}
