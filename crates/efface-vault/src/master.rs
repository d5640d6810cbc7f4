//! The master key: the one secret that stays outside the database.
//!
//! Its file holds one line, `efface-master-1:<64 hex>:<8 hex checksum>`. The
//! checksum tells a mistyped or truncated key apart from a healthy key of
//! another database before anything is tried with it.

use crate::error::{Error, MasterKeyFault};
use crate::{Fill, KeyBytes, index, random_key};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

const FAMILY: &str = "efface-master-";
const PREFIX: &str = "efface-master-1:";
const KEY_CHARS: usize = 64;
const CHECKSUM_CHARS: usize = 8;

/// The key that wraps all others. Wiped from memory when dropped; `Debug`
/// prints its id only.
pub struct MasterKey {
    bytes: KeyBytes,
}

impl MasterKey {
    /// Draws a new master key.
    #[must_use]
    pub fn generate(fill: Fill<'_>) -> Self {
        Self { bytes: random_key(fill) }
    }

    /// Reads the content of a key file. Blank lines and white space around the
    /// one line do not matter.
    ///
    /// # Errors
    /// [`Error::MasterKeyText`] saying what is wrong with the text, never what
    /// the text is.
    pub fn parse(text: &str) -> Result<Self, Error> {
        parse_line(text).map(|bytes| Self { bytes }).map_err(Error::MasterKeyText)
    }

    /// The line to write to the key file, without a line end.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        // reserved in full, so that no half-written copy is left behind
        let mut text =
            Zeroizing::new(String::with_capacity(PREFIX.len() + KEY_CHARS + 1 + CHECKSUM_CHARS));
        let key = Zeroizing::new(hex::encode(self.bytes.as_slice()));
        text.push_str(PREFIX);
        text.push_str(&key);
        text.push(':');
        text.push_str(&checksum(&self.bytes));
        text
    }

    /// A public name for this key, safe to store and print: it tells two
    /// masters apart and says nothing about either.
    #[must_use]
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"efface master id");
        hash.update(self.bytes.as_slice());
        hex::encode(&hash.finalize()[..8])
    }

    /// A key for one purpose, so that no two uses of the master share a key.
    pub(crate) fn derive(&self, purpose: &str) -> KeyBytes {
        index::derive(&self.bytes, purpose)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

fn checksum(key: &KeyBytes) -> String {
    hex::encode(&Sha256::digest(key.as_slice())[..CHECKSUM_CHARS / 2])
}

fn parse_line(text: &str) -> Result<KeyBytes, MasterKeyFault> {
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let line = lines.next().ok_or(MasterKeyFault::Empty)?;
    let more = lines.count();
    if more > 0 {
        return Err(MasterKeyFault::SeveralLines { lines: more + 1 });
    }
    let Some(rest) = line.strip_prefix(PREFIX) else {
        let number = line.strip_prefix(FAMILY).and_then(|r| r.split_once(':'));
        return Err(match number {
            Some((n, _)) if !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) => {
                MasterKeyFault::NewerFormat
            }
            Some(_) | None => MasterKeyFault::OtherFile,
        });
    };
    let Some((key, sum)) = rest.split_once(':') else {
        return Err(MasterKeyFault::CutOff { found: rest.chars().count(), needed: KEY_CHARS });
    };
    check_hex("key", key, KEY_CHARS)?;
    check_hex("checksum", sum, CHECKSUM_CHARS)?;
    let mut bytes = KeyBytes::new([0; 32]);
    // cannot fail after check_hex; if it did, refusing is still right
    hex::decode_to_slice(key, bytes.as_mut_slice())
        .map_err(|_| MasterKeyFault::ChecksumMismatch)?;
    if checksum(&bytes).eq_ignore_ascii_case(sum) {
        Ok(bytes)
    } else {
        Err(MasterKeyFault::ChecksumMismatch)
    }
}

fn check_hex(part: &'static str, text: &str, needed: usize) -> Result<(), MasterKeyFault> {
    if let Some(at) = text.chars().position(|c| !c.is_ascii_hexdigit()) {
        return Err(MasterKeyFault::NotHex { part, position: at + 1 });
    }
    if text.len() == needed {
        return Ok(());
    }
    Err(MasterKeyFault::WrongLength { part, found: text.len(), needed })
}
