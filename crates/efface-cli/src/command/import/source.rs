//! Opening what is to be read: a file or standard input, its form, and its first line.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sha2::{Digest as _, Sha256};

use crate::exit::{Exit, Failure};

/// The forms a file can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line of column names, then one line per request
    Csv,
    /// One JSON object per line
    Ndjson,
}

/// An opened source; its first line was looked at and is read again with the rest.
pub struct Source {
    /// For messages.
    pub name: String,
    /// A file that can be read twice.
    pub file: Option<PathBuf>,
    pub bytes: Option<u64>,
    /// Bytes read so far.
    pub position: Arc<AtomicU64>,
    pub format: Format,
    pub delimiter: u8,
    pub input: Box<dyn BufRead + Send>,
}

const BUFFER: usize = 64 * 1024;
const BOM: &[u8] = b"\xef\xbb\xbf";

struct Counted<R> {
    inner: R,
    position: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        self.position.fetch_add(u64::try_from(n).unwrap_or(0), Ordering::Relaxed);
        Ok(n)
    }
}

impl Source {
    /// Opens `path` (`-`: standard input) and looks at its beginning.
    ///
    /// # Errors
    /// When it is not there, empty, not text, or its form cannot be told.
    pub fn open(
        path: &Path,
        format: Option<Format>,
        delimiter: Option<u8>,
        longest: usize,
    ) -> Result<Self, Failure> {
        let position = Arc::new(AtomicU64::new(0));
        let from_stdin = path == Path::new("-");
        let by_name = if from_stdin { None } else { by_extension(path) };
        if format.is_none() && by_name.is_none() && !from_stdin {
            return Err(Failure::usage("the name of the file does not tell its form").hint(
                "add --format csv or --format ndjson; a spreadsheet is first saved as CSV (UTF-8)",
            ));
        }
        let (name, file, bytes, inner): (_, _, _, Box<dyn Read + Send>) = if from_stdin {
            ("standard input".to_owned(), None, None, Box::new(io::stdin()))
        } else {
            let name = path.display().to_string();
            let cannot = |why: io::Error| {
                let exit = if why.kind() == io::ErrorKind::NotFound {
                    Exit::NotFound
                } else {
                    Exit::Failed
                };
                Failure::new(exit, format!("{name} cannot be read: {why}"))
            };
            let opened = File::open(path).map_err(cannot)?;
            let about = opened.metadata().map_err(cannot)?;
            if about.is_dir() {
                return Err(Failure::new(Exit::Failed, format!("{name} is a folder; name a file")));
            }
            let again = about.is_file().then(|| path.to_owned());
            let bytes = again.is_some().then_some(about.len());
            (name, again, bytes, Box::new(opened))
        };
        let counted = Counted { inner, position: position.clone() };
        let mut input = BufReader::with_capacity(BUFFER, counted);
        let beginning = beginning(&mut input, longest)
            .map_err(|why| Failure::new(Exit::Failed, format!("{name} cannot be read: {why}")))?;
        let text = text_of(&name, &beginning)?;
        let by_content = || {
            let first = text.iter().find(|b| !b.is_ascii_whitespace());
            if matches!(first, Some(b'{' | b'[')) { Format::Ndjson } else { Format::Csv }
        };
        let format = format.or(by_name).unwrap_or_else(by_content);
        let delimiter = delimiter.unwrap_or_else(|| delimiter_of(text));
        let input = Box::new(Cursor::new(text.to_vec()).chain(input));
        Ok(Self { name, file, bytes, position, format, delimiter, input })
    }
}

fn by_extension(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_lowercase().as_str() {
        "csv" | "tsv" => Some(Format::Csv),
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        _ => None,
    }
}

/// The first line with something on it, or as much of it as is allowed and one byte more.
fn beginning(input: &mut impl BufRead, longest: usize) -> io::Result<Vec<u8>> {
    let mut taken: Vec<u8> = vec![];
    loop {
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            return Ok(taken);
        }
        let room = (longest + BOM.len() + 1).saturating_sub(taken.len());
        let is_end = |b: &u8| matches!(b, b'\n' | b'\r');
        let end = chunk.iter().take(room).position(is_end).map(|at| at + 1);
        let used = end.unwrap_or_else(|| room.min(chunk.len()));
        taken.extend_from_slice(&chunk[..used]);
        input.consume(used);
        let is_blank =
            taken.strip_prefix(BOM).unwrap_or(&taken).iter().all(u8::is_ascii_whitespace);
        if (end.is_some() && !is_blank) || used == room {
            return Ok(taken);
        }
    }
}

/// What stands behind the byte order mark.
fn text_of<'a>(name: &str, beginning: &'a [u8]) -> Result<&'a [u8], Failure> {
    let refuse = |what: &str, hint: &str| {
        Err(Failure::new(Exit::Failed, format!("{name}, line 1: {what}")).hint(hint))
    };
    match beginning {
        [] | BOM => {
            refuse("the file is empty", "it needs a line of column names and one line per request")
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, _, 0, ..] | [0, _, 0, _, ..] => {
            refuse("the text is UTF-16", "save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")")
        }
        [b'P', b'K', 3, 4, ..] => {
            refuse("this is a spreadsheet or an archive, not text", "save it as CSV (UTF-8) first")
        }
        [0x1f, 0x8b, ..] => refuse(
            "the file is compressed",
            "unpack it on the way: gunzip -c FILE | efface request import -",
        ),
        [b'%', b'P', b'D', b'F', ..] => refuse("this is a PDF, not text", "export it as CSV"),
        other => Ok(other.strip_prefix(BOM).unwrap_or(other)),
    }
}

/// The sign that parts the names of the header most often.
fn delimiter_of(line: &[u8]) -> u8 {
    let count = |sign: u8| {
        let mut quoted = false;
        line.iter()
            .filter(|b| {
                quoted ^= **b == b'"';
                **b == sign && !quoted
            })
            .count()
    };
    let best = [b'\t', b';', b','].into_iter().max_by_key(|sign| count(*sign));
    best.filter(|sign| count(*sign) > 0).unwrap_or(b',')
}

/// A delimiter as typed.
///
/// # Errors
/// When it is no single sign, or one that has another meaning.
pub fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [b'"' | b'\n' | b'\r'] => Err("cannot part cells".into()),
        [sign] if sign.is_ascii() => Ok(*sign),
        _ => Err("one sign, such as ; or | or `tab`".into()),
    }
}

/// The SHA-256 of a file.
///
/// # Errors
/// When it cannot be read.
pub fn hash_of(path: &Path) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut input = File::open(path)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(n) => hash.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_told_from_the_header() {
        for (line, want) in [
            ("email", b','),
            ("email,action", b','),
            ("email;action;note", b';'),
            ("email\taction", b'\t'),
            ("\"a;b;c\",email", b','),
            ("\"a,b,c\";email", b';'),
        ] {
            assert_eq!(delimiter_of(line.as_bytes()), want, "{line}");
        }
    }

    #[test]
    fn delimiters_as_typed() {
        for (text, want) in [
            (";", Some(b';')),
            ("tab", Some(b'\t')),
            ("\\t", Some(b'\t')),
            ("\"", None),
            ("ab", None),
            ("", None),
            ("§", None),
        ] {
            assert_eq!(delimiter(text).ok(), want, "{text}");
        }
    }

    #[test]
    fn the_beginning_never_grows_beyond_what_is_allowed() {
        let long = vec![b'x'; 10_000];
        let found = beginning(&mut BufReader::with_capacity(7, long.as_slice()), 100);
        assert_eq!(found.map(|b| b.len()).ok(), Some(104));
        for (text, want) in [("a,b\nc,d", "a,b\n"), ("\r\n\na\nb", "\r\n\na\n"), ("", "")] {
            let found = beginning(&mut BufReader::with_capacity(7, text.as_bytes()), 100);
            assert_eq!(found.ok().as_deref(), Some(want.as_bytes()));
        }
    }

    #[test]
    fn what_is_not_text_is_named() {
        for (bytes, part) in [
            (&b""[..], "empty"),
            (b"\xff\xfee\0", "UTF-16"),
            (b"e\0m\0", "UTF-16"),
            (b"PK\x03\x04", "spreadsheet"),
            (b"\x1f\x8b\x08", "compressed"),
        ] {
            let found = text_of("f", bytes).map_err(|e| e.to_string());
            assert!(found.is_err_and(|e| e.contains(part) && e.contains("line 1")), "{part}");
        }
        assert_eq!(text_of("f", b"\xef\xbb\xbfemail").ok(), Some(&b"email"[..]));
    }
}
