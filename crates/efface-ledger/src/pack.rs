//! The evidence pack: one request's record in one archive, for somebody who trusts us with nothing.
//!
//! | part | what it is |
//! |---|---|
//! | `pack.json` | format, origin, counts, and the SHA-256 of every other part |
//! | `request.json` | an object whose member `request` is the request as it stands, without identifiers |
//! | `leaves.jsonl` | one [`PackedLeaf`] per line: the leaf's very bytes, its path to the root, and those of the entry's items that are this request's |
//! | `checkpoint` | the signed note |
//! | `opening.json` | only in a pack made for somebody: what opens one commitment |
//! | `record.html` | the same for people |
//! | `record.pdf` | that record as PDF; packs of before it was made have none |
//!
//! # What a verified pack proves
//!
//! * The holder of the log's key signed a journal in which exactly these leaves stand at these places.
//!   If a copy of that checkpoint, or of any later one, lay with somebody else, the leaves are as old as
//!   that copy and were not changed since.
//! * The items shown are items of those leaves; other people's items of the same leaves stay out.
//! * Every change of the request and of each of its tasks is there, without a gap, from filing to the
//!   last one shown; every task planned at filing is there; a request that is closed has no task open.
//! * With an opening: the request was filed about the identifier that the opening tells.
//!
//! # What it does not prove
//!
//! See [`LIMITS`], which a report prints and a record for people has to quote.
//!
//! # The archive
//!
//! A ZIP archive without compression, in one layout to the byte ([`write()`]): anything that opens ZIP
//! files opens it, and [`read`] takes only what [`write()`] would have written, so no bit of it can
//! change unseen, and nothing in it can swell. Whoever has only the unpacked parts reads [`Parts`].

mod archive;
mod history;
mod leaf;
mod parts;
mod report;
mod verify;

use std::io::{self, Read, Write};

pub use archive::MAX_ARCHIVE;
pub use leaf::{Opening, PackedItem, PackedLeaf};
pub use parts::{PART_NAMES, Parts};
pub use report::{Check, Failure, Finding, Report, Standing, Subject, Verdict};
pub use verify::verify;

/// The format written; readers take this and the one before.
pub const FORMAT: u16 = 1;

/// What stands at the top of `pack.json`.
pub const TITLE: &str = "Record of a data-subject request and of the vendors' answers";

/// What no pack proves, for reports and records.
pub const LIMITS: [&str; 6] = [
    "That a vendor did what it answered: the leaves show what was asked and what it is said to have answered.",
    "That the journal told the truth when a leaf was written: only that it was not changed afterwards.",
    "When the leaves were written, unless a checkpoint that covers them lay with somebody else by then.",
    "That nothing happened after the last leaf shown of the request and of each task: what came last for a task that is still open can be left out.",
    "That accounts which were not connected held nothing about the person.",
    "record.html, record.pdf, and request.json beyond its member `request`, are not in the journal: they were not altered by accident, but only the leaves are proven.",
];

/// One request's evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// The signed note, verbatim.
    pub checkpoint: String,
    /// `request.json`: a JSON object whose member `request` is the [`Request`] as the last of its
    /// leaves has it. Other members are the caller's.
    ///
    /// [`Request`]: efface_core::request::Request
    pub request: String,
    /// In the order of their positions.
    pub leaves: Vec<PackedLeaf>,
    pub opening: Option<Opening>,
    /// `record.html`.
    pub record: String,
    /// `record.pdf`.
    pub paper: Option<Vec<u8>>,
}

/// A pack that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the pack could not be read or written")]
    Io(#[source] io::Error),
    #[error("the {what} is larger than the {most} bytes that a pack may have there")]
    TooLarge { what: &'static str, most: usize },
    #[error("this is no evidence pack: it does not begin as a ZIP archive")]
    NotAnArchive,
    /// Not to the byte what [`write()`] makes.
    #[error(
        "the archive is not laid out as efface writes it ({why}): it was altered, cut off, or packed again by another program; an unpacked folder can be verified instead"
    )]
    Layout { why: &'static str },
    #[error("the part {part} was altered: it is not what {by} says")]
    Altered { part: &'static str, by: &'static str },
    #[error("the part {part} is missing")]
    Missing { part: &'static str },
    #[error("the pack has a part that no pack has: {name:?}")]
    Stranger { name: String },
    #[error("the pack has format {format}; this version reads up to {FORMAT}")]
    Newer { format: u16 },
    #[error("{part}{} cannot be read: {why}", .line.map(|n| format!(", line {n},")).unwrap_or_default())]
    Unreadable { part: &'static str, line: Option<usize>, why: String },
    #[error("the checkpoint in the pack cannot be read")]
    Checkpoint(#[source] crate::checkpoint::Error),
}

/// Writes the archive.
///
/// # Errors
/// [`Error`]: a part that is too large, a checkpoint that is none, or what the writer fails with.
pub fn write(pack: &Pack, mut out: impl Write) -> Result<(), Error> {
    let bytes = archive::encode(&Parts::of(pack)?)?;
    out.write_all(&bytes).and_then(|()| out.flush()).map_err(Error::Io)
}

/// Reads an archive. What was read is whole and well-formed; what it is worth, [`verify()`] tells.
///
/// # Errors
/// [`Error`], with what is wrong.
pub fn read(input: impl Read) -> Result<Pack, Error> {
    archive::decode(input)?.pack()
}
