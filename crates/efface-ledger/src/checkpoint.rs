//! Checkpoints: the tree's size and root at one time, signed (C2SP tlog-checkpoint in a signed-note).
//!
//! ```text
//! efface.example.org/log
//! 1000
//! <root, base64>
//!
//! — efface.example.org/log <base64 of key id and signature>
//! ```
//!
//! The key's name is the log's origin. A [`VerifierKey`] is handed out as text,
//! `<name>+<key id, hex>+<base64 of 0x01 and the public key>`; whoever holds it needs nothing else of
//! ours. A checkpoint proves what it covers only from the time on at which a copy lay where we cannot
//! change it.

mod key;
mod note;

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use efface_core::journal::Hash;

use crate::tree::ProofError;
pub use key::{Signer, VerifierKey};

/// The tree at one size, as signed.
#[derive(Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the name of its key.
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checkpoint({} {} {})", self.origin, self.size, hex::encode(self.root))
    }
}

/// A checkpoint, note or key that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{name:?} is no key name: use the log's address without scheme, spaces or '+'")]
    Name { name: String },
    #[error("the verifier key cannot be read: {why}")]
    Key { why: &'static str },
    #[error("the checkpoint cannot be read: {why}")]
    Malformed { why: &'static str },
    #[error("the checkpoint is not signed by {wanted}; it is signed by {found}")]
    NotSigned { wanted: String, found: String },
    #[error("the signature of {key} does not belong to this checkpoint: it was altered")]
    BadSignature { key: String },
    #[error("the checkpoint is of {found}, and the key is of {wanted}")]
    OtherOrigin { found: String, wanted: String },
    /// Signing it would give two histories our name.
    #[error("the tree does not follow from the checkpoint signed before")]
    Inconsistent { source: ProofError },
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64_STANDARD.encode(self.root))
    }

    /// Reads what a signed note says, *without* looking at its signatures.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn unproven(note: &str) -> Result<Self, Error> {
        Self::parse(note::Note::read(note)?.text)
    }

    /// Reads the text that is signed. Lines beyond the third are extensions and are not ours.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let malformed = |why| Error::Malformed { why };
        let text = text.strip_suffix('\n').ok_or(malformed("its text does not end with a line"))?;
        let mut lines = text.split('\n');
        let mut line = |why| lines.next().ok_or(malformed(why));
        let origin = line("it has no origin line")?;
        let size = line("it has no line with the tree's size")?;
        let root = line("it has no line with the root")?;
        if lines.any(str::is_empty) {
            return Err(malformed("it has an empty line in its text"));
        }
        if !key::is_name(origin) {
            return Err(malformed("its origin is empty, or has a space or '+' in it"));
        }
        let number: u64 = size.parse().map_err(|_| malformed("the tree's size is no number"))?;
        if number.to_string() != size {
            return Err(malformed("the tree's size is not written plainly in decimal"));
        }
        let root = BASE64_STANDARD.decode(root).map_err(|_| malformed("the root is not base64"))?;
        let root = root.try_into().map_err(|_| malformed("the root is not a hash of 32 bytes"))?;
        Ok(Self { origin: origin.to_owned(), size: number, root })
    }

    /// What a signed note says, if `key` signed it. Signatures of other keys are passed over; ours
    /// must be there, and each that bears our name and id must be valid.
    ///
    /// # Errors
    /// [`Error`], with what is wrong.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, Error> {
        let note = note::Note::read(note)?;
        let mut ours = note.signatures.iter().filter(|s| key.made(s)).peekable();
        if ours.peek().is_none() {
            let found: Vec<String> = note.signatures.iter().map(note::Signature::key).collect();
            return Err(Error::NotSigned { wanted: key.short(), found: found.join(", ") });
        }
        if !ours.all(|signature| key.signed(note.text, &signature.bytes)) {
            return Err(Error::BadSignature { key: key.short() });
        }
        let checkpoint = Self::parse(note.text)?;
        if checkpoint.origin != key.name() {
            let (found, wanted) = (checkpoint.origin, key.name().to_owned());
            return Err(Error::OtherOrigin { found, wanted });
        }
        Ok(checkpoint)
    }
}
