//! Why an nginx.conf could not be read.

use super::lex::Position;

/// What is wrong, and where: `FILE:LINE:COL: reason`.
#[derive(Debug, thiserror::Error)]
#[error("{file}{}: {reason}", place(*.position))]
pub struct ReadError {
    /// The file as it was found.
    pub(super) file: String,
    /// None: the file as a whole.
    pub(super) position: Option<Position>,
    pub(super) reason: Reason,
}

fn place(position: Option<Position>) -> String {
    position.map_or_else(String::new, |at| format!(":{}:{}", at.line, at.column))
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Reason {
    /// The file has no place of its own in the error: it is that of its `include`.
    #[error("cannot read {0}: {1}")]
    Include(String, std::io::Error),
    #[error("{0} includes itself")]
    Loop(String),
    #[error("cannot be read: {0}")]
    Read(std::io::Error),
    #[error(transparent)]
    Syntax(#[from] Syntax),
    #[error("more than {0} files within each other are included")]
    TooDeep(usize),
    #[error("the files have more than {0} bytes together")]
    TooLarge(usize),
}

/// What is not nginx's syntax.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Syntax {
    #[error("unexpected {0:?} after a closing quote")]
    AfterQuote(char),
    #[error("more than {0} blocks within each other")]
    Depth(usize),
    #[error("include takes one file")]
    Include,
    #[error("the argument is not UTF-8")]
    NotUtf8,
    #[error("the block of `{0}`, which begins here, is never closed")]
    OpenBlock(String),
    #[error("the quote that begins here is never closed")]
    OpenQuote,
    #[error("unexpected \"{0}\"")]
    Unexpected(char),
    #[error("`{0}` has no \";\" after it")]
    Unfinished(String),
}
