//! The receipt: one line per row of the file, in its order, without anything about a person.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use efface_core::{ImportId, RequestId};

use crate::exit::{Exit, Failure};

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Filed,
    Duplicate,
    FiledBefore,
    Refused,
    /// In a dry run.
    WouldFile,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Filed => "filed",
            Self::Duplicate => "duplicate",
            Self::FiledBefore => "filed before",
            Self::Refused => "refused",
            Self::WouldFile => "would be filed",
        }
    }
}

const HEAD: [&str; 4] = ["line", "outcome", "request", "reason"];

/// An open receipt.
pub struct Receipt {
    pub path: PathBuf,
    out: csv::Writer<File>,
}

/// Where the receipt goes when none is named.
#[must_use]
pub fn default_path(file: &Path, import: Option<ImportId>) -> PathBuf {
    match import {
        Some(import) => PathBuf::from(format!("import-{import}.receipt.csv")),
        None => {
            let mut name = file.as_os_str().to_owned();
            name.push(".receipt.csv");
            name.into()
        }
    }
}

/// Refuses a path that a receipt must not be written to: the file itself, or anything that is no
/// receipt.
///
/// # Errors
/// Naming the path.
pub fn check(path: &Path, source: &Path) -> Result<(), Failure> {
    let Ok(about) = fs::metadata(path) else { return Ok(()) };
    let shown = path.display();
    let same = fs::canonicalize(path).ok().zip(fs::canonicalize(source).ok());
    if same.is_some_and(|(a, b)| a == b) {
        return Err(Failure::usage("the receipt would be written over the file itself"));
    }
    if !about.is_file() {
        return Ok(());
    }
    let mut first = String::new();
    let read = File::open(path).and_then(|f| BufReader::new(f.take(64)).read_line(&mut first));
    let is_receipt = read.is_ok() && (first.is_empty() || first.trim_end() == HEAD.join(","));
    if is_receipt {
        return Ok(());
    }
    Err(Failure::refused(format!("{shown} exists and is not a receipt; it is not overwritten"))
        .hint("name another file with --receipt"))
}

impl Receipt {
    /// Begins a receipt; an earlier one at this place is replaced.
    ///
    /// # Errors
    /// When the file cannot be written, or is not a receipt.
    pub fn begin(path: PathBuf, source: &Path) -> Result<Self, Failure> {
        check(&path, source)?;
        let cannot = |why: String| {
            let message = format!("the receipt {} cannot be written: {why}", path.display());
            Failure::new(Exit::Failed, message)
                .hint("name another place with --receipt; nothing was filed")
        };
        let file = File::create(&path).map_err(|e| cannot(e.to_string()))?;
        let mut out = csv::Writer::from_writer(file);
        out.write_record(HEAD).map_err(|e| cannot(e.to_string()))?;
        out.flush().map_err(|e| cannot(e.to_string()))?;
        Ok(Self { path, out })
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn row(
        &mut self,
        line: u64,
        outcome: Outcome,
        request: Option<RequestId>,
        reason: &str,
    ) -> io::Result<()> {
        let request = request.map(|r| r.to_string()).unwrap_or_default();
        let cells =
            [line.to_string().as_str(), outcome.word(), &request, reason].map(str::to_owned);
        self.out.write_record(cells).map_err(io::Error::other)
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Down to the disk.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn close(mut self) -> io::Result<()> {
        self.out.flush()?;
        match self.out.into_inner() {
            // a pipe or terminal has no disk
            Ok(file) => file.sync_all().or(Ok(())),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }
}
