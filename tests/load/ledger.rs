//! What was published, and what a subscriber must have seen of it.

use std::sync::LazyLock;

/// A message id as a client reads it: time and tag.
pub type Id = (u64, u64);

/// Filler of which no two parts are alike, so that it hardly compresses.
static FILLER: LazyLock<String> = LazyLock::new(|| {
    let mut state = 1_u32;
    let digits = (0..FILLERS + VARIES + LONGEST).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"0123456789abcdef"[(state >> 28) as usize]
    });
    String::from_utf8(digits.collect()).unwrap()
});
/// So many fillers: a prime.
const FILLERS: usize = 65_521;
/// By so many bytes sizes differ.
const VARIES: usize = 200;
/// The largest size of a message, but for that.
const LONGEST: usize = 64 << 10;

/// The text of a message: where it belongs, its size, and a filler that its neighbours do not have.
pub fn text(channel: &str, publisher: usize, number: usize, size: usize) -> String {
    let mut text = format!("{channel} {publisher} {number} {size} ");
    let seed = number * 31 + publisher * 17 + channel.len();
    let from = seed.wrapping_mul(2_654_435_761) % FILLERS;
    text.push_str(&FILLER[from..from + seed % VARIES + size]);
    text.push('!');
    text
}

/// What one subscriber has seen.
#[derive(Debug)]
pub struct Ledger {
    who: String,
    rows: Vec<Row>,
    last: Option<Id>,
    pub seen: usize,
}

/// What one publisher sends to one channel.
#[derive(Debug)]
struct Row {
    channel: String,
    publisher: usize,
    total: usize,
    /// `None` until the first message, if that may be any.
    next: Option<usize>,
}

impl Ledger {
    pub fn new(who: impl Into<String>) -> Self {
        Self { who: who.into(), rows: Vec::new(), last: None, seen: 0 }
    }

    /// Everything that a publisher sends to a channel.
    pub fn all(self, channel: &str, publisher: usize, total: usize) -> Self {
        self.row(channel, publisher, total, Some(0))
    }

    /// The same, from some message on.
    pub fn tail(self, channel: &str, publisher: usize, total: usize) -> Self {
        self.row(channel, publisher, total, None)
    }

    fn row(mut self, channel: &str, publisher: usize, total: usize, next: Option<usize>) -> Self {
        self.rows.push(Row { channel: channel.into(), publisher, total, next });
        self
    }

    /// Checks a message in: it is the next of its row, as it was published, with an id, where there
    /// is one, above all before it.
    pub fn take(&mut self, id: Option<Id>, body: &str) {
        let number = self.check(id, body);
        let row = self.row_of(body);
        if let Some(next) = row.next {
            assert_eq!(number, next, "{id:?} {body:?} in {self:?}");
        }
        self.row_of(body).next = Some(number + 1);
    }

    /// As [`Ledger::take`]; messages may be missing in front of it. Returns how many.
    pub fn take_later(&mut self, id: Option<Id>, body: &str) -> usize {
        let number = self.check(id, body);
        let row = self.row_of(body);
        let missing = number.checked_sub(row.next.unwrap_or(0));
        row.next = Some(number + 1);
        missing.unwrap_or_else(|| panic!("{id:?} {body:?} came after it in {self:?}"))
    }

    /// Whether it has seen the last of every row.
    pub fn done(&self) -> bool {
        self.rows.iter().all(|row| row.next == Some(row.total))
    }

    fn check(&mut self, id: Option<Id>, body: &str) -> usize {
        // Without an id it cannot be compared.
        assert!(id.is_none() || id > self.last, "{id:?} {body:?} in {self:?}");
        self.last = id.or(self.last);
        self.seen += 1;
        let mut numbers = body.split(' ').skip(2).map(|word| word.parse().unwrap());
        let (number, size): (usize, usize) = (numbers.next().unwrap(), numbers.next().unwrap());
        let row = self.row_of(body);
        let whole = text(&row.channel, row.publisher, number, size);
        // Without the texts, which may be long.
        assert!(body == whole, "{id:?} {number} is not whole");
        number
    }

    fn row_of(&mut self, body: &str) -> &mut Row {
        let mut words = body.split(' ');
        let (channel, publisher) = (words.next().unwrap(), words.next().unwrap());
        let who = &self.who;
        let publisher: usize = publisher.parse().unwrap();
        let found = |row: &&mut Row| row.channel == channel && row.publisher == publisher;
        self.rows.iter_mut().find(found).unwrap_or_else(|| panic!("{body:?} is not for {who}"))
    }
}
