//! What can go wrong with the memory, by what the caller can do.

use efface_core::{RequestId, TaskId, journal, request, suppression, task};
use sea_orm::sqlx::sqlite::SqliteError;

/// The store's error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was written; try again when the database answers.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// The database refuses a statement; nothing of the unit was written.
    #[error("the database refuses: {0}")]
    Database(String),
    /// Somebody else changed these rows since they were read; nothing of the unit was written.
    #[error("{} changed meanwhile; read anew and try again", if tasks.is_empty() { "the row".into() } else { format!("{} task(s)", tasks.len()) })]
    Stale { tasks: Vec<TaskId> },
    /// Another worker owns the lane now; nothing was written.
    #[error("lane {lane} is no longer held by this worker")]
    LaneLost { lane: String },
    /// The row is not there.
    #[error("{what} {id} does not exist; `efface {list} list` shows what does")]
    NotFound { what: &'static str, id: String, list: &'static str },
    /// Nothing personal of the request is kept any more.
    #[error("request {0} is forgotten: nothing personal of it is kept any more")]
    Forgotten(RequestId),
    /// Its record ended when its months were over.
    #[error(
        "the record of request {id} ended on {on} by retention: its rows are gone, and of its entries in the journal the hash alone is kept"
    )]
    Ended { id: RequestId, on: String },
    #[error(transparent)]
    Task(#[from] task::Refusal),
    #[error(transparent)]
    Request(#[from] request::Refusal),
    #[error(transparent)]
    Suppression(#[from] suppression::Refusal),
    /// The rules refuse this door.
    #[error("{0}")]
    Refused(String),
    /// The import row was filed before.
    #[error("this row was filed before, as request {0}")]
    FiledBefore(RequestId),
    #[error("the stored {what} cannot be read: {why}; restore it from a backup")]
    Corrupt { what: String, why: String },
    #[error(transparent)]
    Journal(#[from] journal::Error),
    #[error(transparent)]
    Vault(#[from] efface_vault::Error),
    #[error(
        "the database has schema {found}, newer than this binary's {known}; use the version of efface that wrote it"
    )]
    NewerSchema { found: String, known: String },
    #[error("the database has no efface schema yet; run `efface migrate`")]
    NoSchema,
    #[error("the database is {missing} migration(s) behind; run `efface migrate`")]
    OldSchema { missing: usize },
    #[error(
        "the database cannot be written: {0}; check the file's owner and mode and the space on the disk"
    )]
    ReadOnly(String),
    #[error("{0}")]
    Unsupported(String),
}

impl Error {
    pub(crate) fn corrupt(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Corrupt { what: what.into(), why: why.to_string() }
    }

    /// Whether trying again later can help.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether the transaction lost a fight for rows. It was rolled back whole, and trying again at
    /// once can help.
    pub(crate) fn is_contended(&self) -> bool {
        matches!(self, Self::Unavailable(why) if why == CONTENDED)
    }

    /// The same news for another who waited for the same transaction.
    pub(crate) fn told_again(&self) -> Self {
        match self {
            Self::Unavailable(why) => Self::Unavailable(why.clone()),
            Self::ReadOnly(why) => Self::ReadOnly(why.clone()),
            Self::Database(why) => Self::Database(why.clone()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

const CONTENDED: &str = "other writers held the same rows";

/// Deadlock, serialization failure, lock timeout (PostgreSQL Appendix A).
const CONTENTION: [&str; 3] = ["40P01", "40001", "55P03"];

fn classify(text: String) -> Error {
    let lower = text.to_lowercase();
    if lower.contains("readonly")
        || lower.contains("read-only")
        || lower.contains("permission denied")
    {
        Error::ReadOnly(text)
    } else {
        Error::Unavailable(text)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, OutOfMemory, SystemIoFailure,
        };
        let passing = matches!(
            error.sqlite_error_code(),
            Some(
                CannotOpen
                    | DatabaseBusy
                    | DatabaseLocked
                    | DiskFull
                    | OutOfMemory
                    | SystemIoFailure
            )
        );
        match classify(error.to_string()) {
            Self::Unavailable(text) if !passing => Self::Database(text),
            other => other,
        }
    }
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        classify(error.to_string())
    }
}

/// Busy, locked, out of memory, I/O error, full, cannot be opened; an extended code holds its plain
/// one in the low byte.
fn is_passing_in_sqlite(code: &str) -> bool {
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 7 | 10 | 13 | 14))
}

impl From<sea_orm::sqlx::Error> for Error {
    fn from(error: sea_orm::sqlx::Error) -> Self {
        match &error {
            sea_orm::sqlx::Error::Database(inner)
                if inner.code().is_some_and(|c| CONTENTION.contains(&&*c)) =>
            {
                Self::Unavailable(CONTENDED.into())
            }
            sea_orm::sqlx::Error::Database(inner) => {
                let code = inner.code();
                let busy = match inner.try_downcast_ref::<SqliteError>() {
                    Some(_) => code.is_some_and(|c| is_passing_in_sqlite(&c)),
                    None => code.is_some_and(|c| {
                        // 25P03: the server ended a transaction in which we slept
                        c.starts_with("57")
                            || c.starts_with("08")
                            || c.starts_with("53")
                            || c == "25P03"
                    }),
                };
                match classify(error.to_string()) {
                    Self::Unavailable(text) if !busy => Self::Database(text),
                    other => other,
                }
            }
            _ => classify(error.to_string()),
        }
    }
}
