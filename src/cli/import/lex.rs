//! The words of an nginx.conf, cut as nginx cuts them (`ngx_conf_read_token`).
//!
//! A word ends at a blank, at `;` or at `{`, unless the brace follows a `$`. Quotes count at the
//! beginning of a word only, and so does `#`, which begins a comment.

use super::error::Syntax;

/// A piece of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Token {
    /// A name or an argument, without its quotes and escapes.
    Word(String),
    /// `;`
    End,
    /// `{`
    Open,
    /// `}`
    Close,
}

/// Line and column, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Position {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// Cuts a file.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    /// Where the line begins.
    begin: usize,
}

/// A token with its place, or the place where none could be read, and why.
type Cut<T> = Result<T, (Position, Syntax)>;

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        Self { text, at: 0, line: 1, begin: 0 }
    }

    /// The next token; none: the file ends.
    pub(super) fn next(&mut self) -> Cut<Option<(Position, Token)>> {
        self.skip_blanks();
        let place = self.position();
        let token = match self.peek() {
            None => return Ok(None),
            Some(b';') => Token::End,
            Some(b'{') => Token::Open,
            Some(b'}') => Token::Close,
            Some(quote @ (b'"' | b'\'')) => {
                self.step();
                return self.quoted(place, quote).map(|word| Some((place, Token::Word(word))));
            }
            Some(_) => return self.bare(place).map(|word| Some((place, Token::Word(word)))),
        };
        self.step();
        Ok(Some((place, token)))
    }

    /// Where the lexer is.
    pub(super) fn position(&self) -> Position {
        let line = &self.text[self.begin..self.at];
        let characters = line.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        let column = u32::try_from(characters + 1).unwrap_or(u32::MAX);
        Position { line: self.line, column }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line = self.line.saturating_add(1);
            self.begin = self.at + 1;
        }
        self.at += 1;
    }

    fn skip_blanks(&mut self) {
        let mut comment = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => comment = false,
                b'#' => comment = true,
                _ if comment || is_blank(byte) => {}
                _ => return,
            }
            self.step();
        }
    }

    /// What stands between two quotes; the first is behind us.
    fn quoted(&mut self, place: Position, quote: u8) -> Cut<String> {
        let begin = self.at;
        loop {
            match self.peek() {
                None => return Err((place, Syntax::OpenQuote)),
                Some(byte) if byte == quote => break,
                Some(b'\\') => self.step(),
                Some(_) => {}
            }
            self.step();
        }
        let word = word(place, self.text.get(begin..self.at).unwrap_or_default())?;
        self.step();
        match self.peek() {
            Some(byte) if !is_blank(byte) && !b";{)".contains(&byte) => {
                Err((self.position(), Syntax::AfterQuote(self.character())))
            }
            _ => Ok(word),
        }
    }

    /// A word without quotes.
    fn bare(&mut self, place: Position) -> Cut<String> {
        let begin = self.at;
        let mut dollar = false;
        while let Some(byte) = self.peek() {
            match byte {
                b';' => break,
                b'{' if !dollar => break,
                _ if is_blank(byte) => break,
                b'\\' => self.step(),
                _ => {}
            }
            dollar = byte == b'$';
            if self.at < self.text.len() {
                self.step();
            }
        }
        word(place, &self.text[begin..self.at.min(self.text.len())])
    }

    /// The character here, for errors.
    fn character(&self) -> char {
        let rest = &self.text[self.at..self.text.len().min(self.at + 4)];
        String::from_utf8_lossy(rest).chars().next().unwrap_or_default()
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn word(place: Position, written: &[u8]) -> Cut<String> {
    String::from_utf8(unescape(written)).map_err(|_| (place, Syntax::NotUtf8))
}

/// nginx drops a backslash before a quote or a backslash, and knows `\t`, `\r` and `\n`; any other
/// stays, as regular expressions need it.
fn unescape(written: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match (first, after.first()) {
            (b'\\', Some(quoted @ (b'"' | b'\'' | b'\\'))) => Some(*quoted),
            (b'\\', Some(b't')) => Some(b'\t'),
            (b'\\', Some(b'r')) => Some(b'\r'),
            (b'\\', Some(b'n')) => Some(b'\n'),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &after[1..] } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut lexer = Lexer::new(text.as_bytes());
        let mut found = Vec::new();
        while let Some((_, token)) = lexer.next().unwrap() {
            found.push(match token {
                Token::Word(word) => format!("<{word}>"),
                Token::End => ";".into(),
                Token::Open => "{".into(),
                Token::Close => "}".into(),
            });
        }
        found
    }

    fn fault(text: &[u8]) -> (u32, u32, String) {
        let mut lexer = Lexer::new(text);
        loop {
            match lexer.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("no fault in {text:?}"),
                Err((place, syntax)) => return (place.line, place.column, syntax.to_string()),
            }
        }
    }

    #[test]
    fn words_end_where_nginx_ends_them() {
        for (text, expected) in [
            ("a b;c{d}", &["<a>", "<b>", ";", "<c>", "{", "<d}>"][..]),
            ("a # b;\n#c\nd;", &["<a>", "<d>", ";"]),
            ("a#b c;", &["<a#b>", "<c>", ";"]),
            ("set $x ${arg_a}b${c};", &["<set>", "<$x>", "<${arg_a}b${c}>", ";"]),
            ("a{b;}", &["<a>", "{", "<b>", ";", "}"]),
            ("\u{feff}a\r\n\tb ;", &["<a>", "<b>", ";"]),
            ("a b\"c d;", &["<a>", "<b\"c>", "<d>", ";"]),
            ("a \"\" '';", &["<a>", "<>", "<>", ";"]),
            ("a 'x';", &["<a>", "<x>", ";"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn quotes_and_escapes_are_those_of_nginx() {
        for (text, expected) in [
            (r#"a "b c" 'd;{}#';"#, &["<a>", "<b c>", "<d;{}#>", ";"][..]),
            (r#"a "b\"c" 'd\'e' "f'g";"#, &["<a>", "<b\"c>", "<d'e>", "<f'g>", ";"]),
            (r"a ^/x/(\w+)\.js$ b\;c \\;", &["<a>", "<^/x/(\\w+)\\.js$>", "<b\\;c>", "<\\>", ";"]),
            (r#"a "x\ty\n" b\ c;"#, &["<a>", "<x\ty\n>", "<b\\ c>", ";"]),
            ("if (\"a\") {}", &["<if>", "<(\"a\")>", "{", "}"]),
            ("a \"b\") c;", &["<a>", "<b>", "<)>", "<c>", ";"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn faults_have_a_place() {
        assert_eq!(fault(b"a;\nb \"c\nd;"), (2, 3, Syntax::OpenQuote.to_string()));
        assert_eq!(fault("\u{e4} 'b'c;".as_bytes()), (1, 6, Syntax::AfterQuote('c').to_string()));
        assert_eq!(fault(b"a;\n  b \xff;"), (2, 5, Syntax::NotUtf8.to_string()));
        assert_eq!(words("# \u{fffd}\n"), [""; 0]);
        let comment: &[u8] = b"# \xff\na;";
        assert!(Lexer::new(comment).next().unwrap().is_some());
    }

    #[test]
    fn a_backslash_may_end_the_file() {
        assert_eq!(words("a\\"), ["<a\\>"]);
        assert_eq!(fault(b"'a\\"), (1, 1, Syntax::OpenQuote.to_string()));
    }
}
