//! The key of one request, and the sealing of its fields.

use crate::envelope::{self, Opened};
use crate::error::Error;
use crate::{Fill, KeyBytes};
use std::fmt;

/// Where a sealed value belongs. It opens only under the same context, so a
/// value moved to another request or field is refused rather than misread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    /// The request, as the bytes of its UUID.
    pub request_id: [u8; 16],
    /// The field, for example `identifier/0` or `memo/<task>`.
    pub field: &'a str,
}

impl Context<'_> {
    fn binding(&self) -> [&[u8]; 3] {
        [b"efface field", &self.request_id, self.field.as_bytes()]
    }
}

/// A request's key as it is stored. Deleting it shreds the request.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The sealed key.
    pub bytes: Vec<u8>,
    /// Names the key that wraps it: `month:<month>:<id>`, or `master:<id>`
    /// where there are no months' keys. Store it as it is and do not take it
    /// apart.
    pub wrapped_by: String,
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey(by {})", self.wrapped_by)
    }
}

/// The key under which everything of one request is sealed. Wiped from memory
/// when dropped; `Debug` prints nothing of it.
pub struct RequestKey {
    pub(crate) bytes: KeyBytes,
}

impl RequestKey {
    /// Seals one field.
    #[must_use]
    pub fn seal(&self, context: &Context<'_>, plaintext: &[u8], fill: Fill<'_>) -> Vec<u8> {
        envelope::seal(&self.bytes, &context.binding(), plaintext, fill)
    }

    /// Opens one field.
    ///
    /// # Errors
    /// [`Error::NotOpened`] when it was changed, belongs elsewhere or was
    /// sealed under another key (these cannot be told apart);
    /// [`Error::TooShort`], [`Error::UnknownFormat`] or
    /// [`Error::UnknownAlgorithm`] when it does not look like a sealed value.
    pub fn open(&self, context: &Context<'_>, sealed: &[u8]) -> Result<Opened, Error> {
        envelope::open(&self.bytes, &context.binding(), sealed, context.field)
    }
}

impl fmt::Debug for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestKey(..)")
    }
}
