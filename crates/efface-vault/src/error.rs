//! What can go wrong in the safe, told apart by what the caller can do.
//!
//! No message holds key bytes, plaintext or ciphertext: lengths, positions and
//! the public ids of keys are enough to act on.

use thiserror::Error;

/// A refusal of the safe.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The text given as master key is not one. Nothing was opened.
    #[error(
        "the master key cannot be used: {0}; restore the key file from its backup (a new key cannot open existing data)"
    )]
    MasterKeyText(#[source] MasterKeyFault),

    /// A healthy master key, but not the one this database was made with.
    #[error(
        "wrong master key: the stored keys were wrapped by master {stored}, the one given is {given}; point `vault.master_key_file` at the key of this database"
    )]
    WrongMaster {
        /// Id of the master the database names.
        stored: String,
        /// Id of the master that was given.
        given: String,
    },

    /// The right master, but the wrapped root does not open: it was changed.
    #[error(
        "the stored {root} key is damaged: it names this master but does not open with it; restore the vault row from a backup of this database"
    )]
    RootDamaged {
        /// Which of the roots: index, digest or general.
        root: &'static str,
    },

    /// A request's key is wrapped by a key this vault does not hold.
    #[error(
        "this request's key is wrapped by {stored}, this vault holds {given}; open the vault with the key named first, or rewrap the request's key"
    )]
    OtherWrappingKey {
        /// The wrapping key the row names.
        stored: String,
        /// The wrapping key at hand.
        given: String,
    },

    /// A request's key is wrapped by a month's key that is not there.
    #[error(
        "this request was sealed under the key of {month}, which is not in the key folder: it was destroyed on purpose (`efface key status` tells), or its file is missing; a missing file comes back from the recovery copy"
    )]
    MonthKeyGone {
        /// The month, as `2026-11`.
        month: String,
    },

    /// The text given as a month's key is not one. Nothing was opened.
    #[error("the month's key cannot be used: {0}")]
    MonthKey(#[source] MonthKeyFault),

    /// The wrapped request key does not open: changed, or of another request.
    #[error(
        "the request's wrapped key does not open: it was changed or belongs to another request; restore that row from a backup"
    )]
    RequestKeyDamaged,

    /// The sealed value does not open under this key and context.
    #[error(
        "the sealed value `{context}` does not open: it was changed, moved from another request or field, or sealed under another key; restore it from a backup"
    )]
    NotOpened {
        /// The field or purpose it was asked for under.
        context: String,
    },

    /// Too short to be a sealed value at all.
    #[error(
        "a sealed value has at least {needed} bytes, this one has {found}; it was cut off or was never sealed"
    )]
    TooShort {
        /// Bytes found.
        found: usize,
        /// Bytes the shortest sealed value has.
        needed: usize,
    },

    /// Written in a format this version cannot read.
    #[error(
        "the {what} has format {found}, this version reads {known}; run the efface version that wrote it, or a newer one (if no newer one was ever run here, the value is damaged)"
    )]
    UnknownFormat {
        /// What was being read.
        what: &'static str,
        /// The format number found.
        found: u8,
        /// The format number this version reads.
        known: u8,
    },

    /// Sealed with an algorithm this version does not have.
    #[error(
        "the sealed value names algorithm {found}, this version has {known} (XChaCha20-Poly1305); run a newer efface (if none was ever run here, the value is damaged)"
    )]
    UnknownAlgorithm {
        /// The algorithm number found.
        found: u8,
        /// The algorithm number this version has.
        known: u8,
    },

    /// The opened bytes were asked for as text and are not UTF-8.
    #[error("the opened value is not UTF-8 text; read it as bytes")]
    NotText,
}

/// Why a text is not a month's key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MonthKeyFault {
    /// Not a month.
    #[error("it names no month; a month is written 2026-11")]
    NoMonth,
    /// Does not look like a month's key.
    #[error(
        "it does not begin with `efface-month-1:` or has parts missing, so it is some other file"
    )]
    OtherFile,
    /// It names this master and does not open.
    #[error("it was changed or cut off; bring the file back from the recovery copy")]
    Damaged,
}

/// Why a text is not a master key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MasterKeyFault {
    /// Nothing but white space.
    #[error("it is empty")]
    Empty,
    /// More than one line of text.
    #[error("it has {lines} lines where one is expected")]
    SeveralLines {
        /// Lines that are not blank.
        lines: usize,
    },
    /// Does not begin like a master key.
    #[error("it does not begin with `efface-master-1:`, so it is some other file")]
    OtherFile,
    /// A master key of a format this version does not know.
    #[error("it is a master key of a newer format than this version reads (`efface-master-1`)")]
    NewerFormat,
    /// The part after the key, the checksum, is not there.
    #[error("it is cut off: {found} characters of key where {needed} and a checksum are expected")]
    CutOff {
        /// Characters of key found.
        found: usize,
        /// Characters of key expected.
        needed: usize,
    },
    /// One of the two parts has the wrong number of characters.
    #[error("its {part} has {found} characters where {needed} are expected")]
    WrongLength {
        /// `key` or `checksum`.
        part: &'static str,
        /// Characters found.
        found: usize,
        /// Characters expected.
        needed: usize,
    },
    /// A character that is not a hexadecimal digit.
    #[error("character {position} of its {part} is not a hexadecimal digit")]
    NotHex {
        /// `key` or `checksum`.
        part: &'static str,
        /// Counted from one.
        position: usize,
    },
    /// Well-formed, but the checksum is of another key.
    #[error("its checksum does not fit the key, so a character was mistyped or exchanged")]
    ChecksumMismatch,
}
