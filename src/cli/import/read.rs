//! An nginx.conf with what it includes, as a tree of directives.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    error::{ReadError, Reason, Syntax},
    glob,
    lex::{Lexer, Position, Token},
};

/// Blocks within each other; nginx itself has use for a handful.
const MAX_DEPTH: usize = 32;
/// Files that include each other.
const MAX_INCLUDES: usize = 16;
/// All files together.
const MAX_BYTES: usize = 64 << 20;

/// The directive that stands for the text of other files.
const INCLUDE: &str = "include";

/// Where a directive stands.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Place {
    /// The number of the file in [`Tree::files`].
    pub(super) file: usize,
    pub(super) position: Position,
}

/// `name args;` or `name args { ... }`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) place: Place,
    pub(super) block: Option<Vec<Directive>>,
}

impl Directive {
    /// The first argument, empty if there is none.
    pub(super) fn arg(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }

    /// What stands in its block.
    pub(super) fn inner(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// All that was read.
#[derive(Debug)]
pub(super) struct Tree {
    /// The files as they are named in the report.
    pub(super) files: Vec<String>,
    pub(super) directives: Vec<Directive>,
}

/// Reads a file and what it includes, relative to its folder, as nginx does.
pub(super) fn read(path: &Path) -> Result<Tree, ReadError> {
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut reader = Reader { folder, files: Vec::new(), open: Vec::new(), total: 0 };
    let name = path.display().to_string();
    let bytes = reader.load(path).map_err(|reason| match reason {
        Reason::Include(_, error) => fault(&name, None, Reason::Read(error)),
        other => fault(&name, None, other),
    })?;
    let directives = reader.file(path, &bytes)?;
    Ok(Tree { files: reader.files, directives })
}

/// A text in a file of its own, of at most so many bytes.
pub(super) fn text(path: &Path, most: usize) -> io::Result<String> {
    let bytes = contents(path, true, most)?;
    if bytes.len() > most {
        return Err(io::Error::other("it is too long"));
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// The bytes of a file, at most one more than it may have; what is `plain` has to be a file, and no
/// pipe that never ends.
fn contents(path: &Path, plain: bool, most: usize) -> io::Result<Vec<u8>> {
    if plain && !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

struct Reader {
    folder: PathBuf,
    files: Vec<String>,
    /// The files that are being read, each included by the one before it.
    open: Vec<PathBuf>,
    total: usize,
}

fn fault(file: &str, position: Option<Position>, reason: impl Into<Reason>) -> ReadError {
    ReadError { file: file.to_owned(), position, reason: reason.into() }
}

impl Reader {
    /// The bytes of a file, which has to be one, and within the limit.
    fn load(&mut self, path: &Path) -> Result<Vec<u8>, Reason> {
        let bytes = contents(path, !self.open.is_empty(), MAX_BYTES);
        let bytes = bytes.map_err(|error| Reason::Include(path.display().to_string(), error))?;
        self.total += bytes.len();
        if self.total > MAX_BYTES { Err(Reason::TooLarge(MAX_BYTES)) } else { Ok(bytes) }
    }

    /// What a file says.
    fn file(&mut self, path: &Path, bytes: &[u8]) -> Result<Vec<Directive>, ReadError> {
        let file = self.files.len();
        self.files.push(path.display().to_string());
        self.open.push(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        let read = self.block(&mut Lexer::new(bytes), file, None, 0);
        self.open.pop();
        read
    }

    /// Everything up to the brace that closes the block, or to the end of the file.
    fn block(
        &mut self,
        lexer: &mut Lexer<'_>,
        file: usize,
        around: Option<(&str, Position)>,
        depth: usize,
    ) -> Result<Vec<Directive>, ReadError> {
        let name = self.files[file].clone();
        let wrong = |position, syntax: Syntax| fault(&name, Some(position), syntax);
        let mut directives = Vec::new();
        while let Some((position, token)) = lexer.next().map_err(|(at, why)| wrong(at, why))? {
            let first = match (token, around) {
                (Token::Word(word), _) => word,
                (Token::Close, Some(_)) => return Ok(directives),
                (Token::Close, None) => return Err(wrong(position, Syntax::Unexpected('}'))),
                (Token::End, _) => return Err(wrong(position, Syntax::Unexpected(';'))),
                (Token::Open, _) => return Err(wrong(position, Syntax::Unexpected('{'))),
            };
            let (args, opens) = arguments(lexer, &first, position)
                .map_err(|(position, syntax)| wrong(position, syntax))?;
            let block = if !opens {
                None
            } else if depth >= MAX_DEPTH {
                return Err(wrong(position, Syntax::Depth(MAX_DEPTH)));
            } else {
                Some(self.block(lexer, file, Some((&first, position)), depth + 1)?)
            };
            let place = Place { file, position };
            let directive = Directive { name: first, args, place, block };
            if directive.name == INCLUDE && directive.block.is_none() {
                directives.extend(self.include(&directive)?);
            } else {
                directives.push(directive);
            }
        }
        match around {
            Some((word, position)) => Err(wrong(position, Syntax::OpenBlock(word.to_owned()))),
            None => Ok(directives),
        }
    }

    /// What the files of an `include` say.
    fn include(&mut self, directive: &Directive) -> Result<Vec<Directive>, ReadError> {
        let Place { file, position } = directive.place;
        let name = self.files[file].clone();
        let wrong = |reason: Reason| fault(&name, Some(position), reason);
        let [pattern] = &directive.args[..] else { return Err(wrong(Syntax::Include.into())) };
        if self.open.len() >= MAX_INCLUDES {
            return Err(wrong(Reason::TooDeep(MAX_INCLUDES)));
        }
        let path = self.folder.join(pattern);
        let paths = match path.to_str() {
            Some(text) if glob::is_pattern(pattern) => glob::expand(text),
            _ => vec![path],
        };
        let mut directives = Vec::new();
        for path in paths {
            if path.canonicalize().is_ok_and(|path| self.open.contains(&path)) {
                return Err(wrong(Reason::Loop(path.display().to_string())));
            }
            let bytes = self.load(&path).map_err(wrong)?;
            directives.extend(self.file(&path, &bytes)?);
        }
        Ok(directives)
    }
}

/// The arguments of a directive, and whether a block follows them.
fn arguments(
    lexer: &mut Lexer<'_>,
    name: &str,
    position: Position,
) -> Result<(Vec<String>, bool), (Position, Syntax)> {
    let mut args = Vec::new();
    loop {
        match lexer.next()? {
            Some((_, Token::Word(word))) => args.push(word),
            Some((_, Token::End)) => return Ok((args, false)),
            Some((_, Token::Open)) => return Ok((args, true)),
            Some((_, Token::Close)) | None => {
                return Err((position, Syntax::Unfinished(name.to_owned())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Reads `nginx.conf` among these files, whose folder is written `@`.
    fn read_files(files: &[(&str, &[u8])]) -> Result<Tree, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = format!("{}/", folder.path().display());
        read(&folder.path().join("nginx.conf")).map_err(|e| e.to_string().replace(&root, "@"))
    }

    fn error(text: &[u8]) -> String {
        read_files(&[("nginx.conf", text)]).unwrap_err()
    }

    fn shown(directives: &[Directive]) -> String {
        let one = |directive: &Directive| {
            let words =
                [std::slice::from_ref(&directive.name), &directive.args[..]].concat().join(" ");
            match &directive.block {
                Some(inner) => format!("{words} {{{}}}", shown(inner)),
                None => format!("{words};"),
            }
        };
        directives.iter().map(one).collect()
    }

    #[test]
    fn blocks_are_within_blocks() {
        let text = b"user www;\nhttp {\n server { location = /a { b; } }\n}\n";
        let tree = read_files(&[("nginx.conf", text)]).unwrap();
        assert_eq!(shown(&tree.directives), "user www;http {server {location = /a {b;}}}");
        let server = &tree.directives[1].inner()[0];
        assert_eq!(server.place.position, Position { line: 3, column: 2 });
    }

    #[test]
    fn files_are_included_from_the_folder_of_the_first() {
        let tree = read_files(&[
            ("nginx.conf", b"http { include sites/*.conf; include none/*; }"),
            ("sites/b.conf", b"b;"),
            ("sites/a.conf", b"a; include more/c;"),
            ("more/c", b"c { d; }"),
        ]);
        let tree = tree.unwrap();
        assert_eq!(shown(&tree.directives), "http {a;c {d;}b;}");
        assert_eq!(tree.files.len(), 4);
        assert_eq!(tree.directives[0].inner()[1].place.file, 2);
    }

    #[test]
    fn what_is_no_syntax_is_told_with_its_place() {
        for (text, expected) in [
            (
                &b"http {\n  a;\n"[..],
                "1:1: the block of `http`, which begins here, is never closed",
            ),
            (b"a;\n}", "2:1: unexpected \"}\""),
            (b"a;;", "1:3: unexpected \";\""),
            (b"{}", "1:1: unexpected \"{\""),
            (b"http {\n  listen 80\n}", "2:3: `listen` has no \";\" after it"),
            (b"a b", "1:1: `a` has no \";\" after it"),
            (b"a \"b;", "1:3: the quote that begins here is never closed"),
            (b"include;", "1:1: include takes one file"),
            (b"a \xff;", "1:3: the argument is not UTF-8"),
        ] {
            assert_eq!(error(text), format!("@nginx.conf:{expected}"));
        }
    }

    #[test]
    fn files_that_are_not_there_are_told_where_they_are_included() {
        let missing = "No such file or directory (os error 2)";
        assert_eq!(error(b"a;\ninclude x;"), format!("@nginx.conf:2:1: cannot read @x: {missing}"));
        assert_eq!(error(b"include .;"), "@nginx.conf:1:1: cannot read @.: it is not a file");
        let gone = read(Path::new("/nowhere/nginx.conf")).unwrap_err().to_string();
        assert_eq!(gone, format!("/nowhere/nginx.conf: cannot be read: {missing}"));
        assert!(read(Path::new("/")).is_err());
    }

    #[test]
    fn a_loop_of_files_ends() {
        assert_eq!(
            error(b"a;\ninclude nginx.conf;"),
            "@nginx.conf:2:1: @nginx.conf includes itself"
        );
        let files: [(&str, &[u8]); 2] =
            [("nginx.conf", b"include a.conf;"), ("a.conf", b"\ninclude *.conf;")];
        assert_eq!(read_files(&files).unwrap_err(), "@a.conf:2:1: @a.conf includes itself");
        let chain: Vec<_> = (0..20)
            .map(|n| (format!("{n}"), format!("include {};", n + 1)))
            .chain([("nginx.conf".into(), "include 0;".into()), ("20".into(), String::new())])
            .collect();
        let chain: Vec<(&str, &[u8])> =
            chain.iter().map(|(name, text)| (&**name, text.as_bytes())).collect();
        assert_eq!(
            read_files(&chain).unwrap_err(),
            "@14:1:1: more than 16 files within each other are included"
        );
    }

    #[test]
    fn a_bomb_of_includes_ends() {
        let padding = format!("#{}\n", " ".repeat(1 << 20));
        let files: Vec<_> = (0..9)
            .map(|n| {
                (format!("{n}"), format!("{padding}{}", format!("include {};", n + 1).repeat(3)))
            })
            .chain([("nginx.conf".into(), "include 0;".into()), ("9".into(), padding.clone())])
            .collect();
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, text)| (&**name, text.as_bytes())).collect();
        let error = read_files(&files).unwrap_err();
        assert!(error.ends_with("the files have more than 67108864 bytes together"), "{error}");
    }

    #[test]
    fn blocks_may_not_be_too_deep() {
        let text = [b"a {".repeat(MAX_DEPTH), b"}".repeat(MAX_DEPTH)].concat();
        assert!(read_files(&[("nginx.conf", &text)]).is_ok());
        assert_eq!(
            error(&b"a {".repeat(100_000)),
            "@nginx.conf:1:97: more than 32 blocks within each other"
        );
    }

    #[test]
    fn a_file_of_ten_megabytes_is_read() {
        let line = b"  location /a { push_subscriber; } # comment\n";
        let text = line.repeat(10 * (1 << 20) / line.len());
        let tree = read_files(&[("nginx.conf", &text)]).unwrap();
        assert_eq!(tree.directives.len(), text.len() / line.len());
        let last = tree.directives.last().unwrap();
        assert_eq!(last.place.position.line as usize, tree.directives.len());
    }
}
