//! Messages that say where they belong: `PL1:channel:sequence:nanoseconds:filler~`, or `PL2:` and the same
//! for one that is sent once more because nobody knows whether the server has it.
//!
//! No byte of one can change without notice: the filler begins with a sum over the fields before
//! it, and goes on from there through an alphabet.

use std::io::Write as _;

use super::faults::Fault;

/// Writes the messages of one run, and knows them again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Mint {
    /// What the names of all channels of the run begin with, up to [`RUN_ENDS`] and nowhere else.
    run: String,
    /// The length of a message in bytes.
    length: usize,
}

/// What a message says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Told {
    /// Which message of its channel, from 0.
    pub(super) sequence: u32,
    /// When it was due, see [`super::clock::now`].
    pub(super) due: u64,
    /// Sent once more.
    pub(super) again: bool,
}

/// What is wrong with bytes that should be a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wrong {
    /// A whole message, of another channel: one of this run, of its neighbours, or of another run.
    Foreign,
    /// No message, or not as it was published.
    Corrupt,
}

/// Bytes of a wrong message that are told.
const SHOWN: usize = 100;

impl Wrong {
    /// What kind of fault it is.
    pub(super) fn fault(self) -> Fault {
        match self {
            Self::Foreign => Fault::Foreign,
            Self::Corrupt => Fault::Corrupt,
        }
    }

    /// The same in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Foreign => "a message of another channel",
            Self::Corrupt => "not as it was published",
        }
    }
}

/// What a message is told as.
pub(super) fn shown(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]))
}

/// The shortest message that has room for the longest fields.
pub(super) const SHORTEST: u64 = 64;
/// Channels of a run, so that their names stay short.
pub(super) const CHANNELS: u64 = 1_000_000;
/// Messages of a channel.
pub(super) const SEQUENCES: u32 = 1 << 30;

const OPENING: &[u8] = b"PL1:";
/// Of a message that is sent once more.
const OPENING_AGAIN: &[u8] = b"PL2:";
/// Comes after the run in the name of a channel.
const RUN_ENDS: u8 = b'-';
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// A prime: a sum modulo it changes with any byte that it is made of.
const SUMS: u32 = 1289;

impl Mint {
    pub(super) fn new(run: &str, length: usize) -> Self {
        Self { run: run.to_owned(), length }
    }

    pub(super) fn channel(&self, number: u32) -> String {
        format!("{}{number}", self.run)
    }

    /// Appends a message.
    pub(super) fn write(&self, out: &mut Vec<u8>, channel: u32, told: Told) {
        let start = out.len();
        out.extend_from_slice(if told.again { OPENING_AGAIN } else { OPENING });
        // Writing to memory does not fail.
        let _ = write!(out, "{}{channel}:{}:{}", self.run, told.sequence, told.due);
        let sum = sum(&out[start..]);
        out.push(b':');
        let filler = self.length.saturating_sub(out.len() - start + 1);
        out.extend(expected_filler(sum).take(filler));
        out.push(b'~');
    }

    /// Whether this is a message of a channel, every byte of it, and what it says.
    pub(super) fn check(&self, bytes: &[u8], channel: u32) -> Result<Told, Wrong> {
        let (run, number, told) = self.read(bytes).ok_or(Wrong::Corrupt)?;
        let ours = run == self.run.as_bytes() && number == u64::from(channel);
        if ours { Ok(told) } else { Err(Wrong::Foreign) }
    }

    /// The run, the number of the channel, and the rest of a whole message.
    fn read<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], u64, Told)> {
        let (opening, fields) = bytes.split_at_checked(OPENING.len())?;
        let again = opening == OPENING_AGAIN;
        if !again && opening != OPENING {
            return None;
        }
        let run = fields.iter().position(|byte| *byte == RUN_ENDS)? + 1;
        let (channel, rest) = number(&fields[run..])?;
        let (sequence, rest) = number(rest)?;
        let (due, rest) = number(rest)?;
        let sum = sum(&bytes[..bytes.len() - rest.len() - 1]);
        let filler = rest.strip_suffix(b"~")?;
        let sequence = u32::try_from(sequence).ok().filter(|sequence| *sequence < SEQUENCES)?;
        let whole = bytes.len() == self.length && filler_fits(sum, filler);
        whole.then_some((&fields[..run], channel, Told { sequence, due, again }))
    }
}

/// A number without leading zeros that ends with a colon, and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' if at == 0 || value > 0 => {
                value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
            }
            b':' if at > 0 => return Some((value, &bytes[at + 1..])),
            _ => return None,
        }
    }
    None
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| (sum * 31 + u32::from(*byte)) % SUMS)
}

/// The sum in two characters, then the alphabet over and over.
fn expected_filler(sum: u32) -> impl Iterator<Item = u8> {
    let [head, tail] = sum_text(sum);
    let from = sum as usize % ALPHABET.len();
    [head, tail].into_iter().chain(ALPHABET.iter().copied().cycle().skip(from))
}

fn sum_text(sum: u32) -> [u8; 2] {
    let digits = [sum as usize / ALPHABET.len(), sum as usize % ALPHABET.len()];
    digits.map(|digit| ALPHABET[digit % ALPHABET.len()])
}

fn filler_fits(sum: u32, filler: &[u8]) -> bool {
    let Some((head, rest)) = filler.split_at_checked(2) else { return false };
    let mut from = sum as usize % ALPHABET.len();
    let mut rest = rest;
    while !rest.is_empty() {
        let part = &ALPHABET[from..];
        let length = part.len().min(rest.len());
        if rest[..length] != part[..length] {
            return false;
        }
        rest = &rest[length..];
        from = 0;
    }
    head == sum_text(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(mint: &Mint, channel: u32, told: Told) -> Vec<u8> {
        let mut out = Vec::new();
        mint.write(&mut out, channel, told);
        out
    }

    #[test]
    fn a_message_is_written_as_documented() {
        let mint = Mint::new("b12-", 64);
        let text = written(&mint, 7, Told { sequence: 3, due: 55, again: false });
        let text = String::from_utf8(text).unwrap();
        assert_eq!(mint.channel(7), "b12-7");
        assert!(text.starts_with("PL1:b12-7:3:55:") && text.ends_with('~'), "{text}");
        assert_eq!(text.len(), 64);
    }

    #[test]
    fn the_longest_fields_leave_room_for_the_sum() {
        let mint = Mint::new("b1f2e-", 64);
        let last = u32::try_from(CHANNELS).unwrap() - 1;
        let told = Told { sequence: SEQUENCES - 1, due: u64::MAX, again: false };
        let bytes = written(&mint, last, told);
        assert_eq!((bytes.len(), mint.check(&bytes, last)), (64, Ok(told)));
    }

    #[test]
    fn what_is_whole_and_of_another_run_is_foreign() {
        let told = Told { sequence: 3, due: 55, again: false };
        for run in ["c12-", "nb12-", "b1-", "b123-"] {
            let other = written(&Mint::new(run, 64), 7, told);
            assert_eq!(Mint::new("b12-", 64).check(&other, 7), Err(Wrong::Foreign), "{run}");
        }
    }

    #[test]
    fn what_is_not_whole_is_corrupt() {
        let mint = Mint::new("b12-", 64);
        let told = Told { sequence: 3, due: 55, again: false };
        let bytes = written(&mint, 7, told);
        let longer = written(&Mint::new("b12-", 65), 7, told);
        for wrong in [&bytes[..63], &bytes[1..], b"", b"PL1:b12-7:3:55:~", &longer] {
            assert_eq!(mint.check(wrong, 7), Err(Wrong::Corrupt), "{wrong:?}");
        }
        for wrong in ["PL1:b12-07:3:55:", "PL1:b12-7::55:", "PL1:b12-7:3:99999999999999999999:"] {
            let mut bytes = wrong.as_bytes().to_vec();
            let sum = sum(&bytes[..bytes.len() - 1]);
            bytes.extend(expected_filler(sum).take(63 - wrong.len()));
            bytes.push(b'~');
            assert_eq!(mint.check(&bytes, 7), Err(Wrong::Corrupt), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_known_again_and_only_on_its_channel(
            channel in 0_u32..1_000_000,
            sequence in 0..SEQUENCES,
            due in any::<u64>(),
            again in any::<bool>(),
            length in 64_usize..400,
        ) {
            let mint = Mint::new("b1f2e-", length);
            let told = Told { sequence, due, again };
            let bytes = written(&mint, channel, told);
            prop_assert_eq!(bytes.len(), length);
            prop_assert_eq!(mint.check(&bytes, channel), Ok(told));
            prop_assert_eq!(mint.check(&bytes, channel + 1), Err(Wrong::Foreign));
        }

        #[test]
        fn any_changed_byte_is_noticed(
            sequence in 0_u32..5000,
            due in any::<u64>(),
            again in any::<bool>(),
            length in 64_usize..200,
            at in any::<prop::sample::Index>(),
            change in 1_u8..,
        ) {
            let mint = Mint::new("b1f2e-", length);
            let mut bytes = written(&mint, 12, Told { sequence, due, again });
            let at = at.index(length);
            bytes[at] ^= change;
            prop_assert_eq!(mint.check(&bytes, 12), Err(Wrong::Corrupt));
        }
    }
}
