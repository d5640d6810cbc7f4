//! The log's key: the half that signs and the half that is handed out.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use efface_core::journal::Hash;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Checkpoint, Error, note};
use crate::tree::verify_consistency;

/// signed-note's number for Ed25519.
const ED25519: u8 = 0x01;

/// Whether it can name a key: not empty, no white space, no plus, nothing that cannot be printed.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let hash: Hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ED25519])
        .chain_update(key.as_bytes())
        .finalize()
        .into();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// What checks a log's checkpoints; printed and read as
/// `<name>+<key id, hex>+<base64 of 0x01 and the public key>`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl VerifierKey {
    fn new(name: &str, key: VerifyingKey) -> Result<Self, Error> {
        if !is_name(name) {
            return Err(Error::Name { name: name.chars().take(80).collect() });
        }
        Ok(Self { name: name.to_owned(), id: key_id(name, &key), key })
    }

    /// The log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name and id: enough to tell keys apart.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{}+{}", self.name, hex::encode(self.id))
    }

    pub(super) fn made(&self, signature: &note::Signature<'_>) -> bool {
        signature.name == self.name && signature.id == self.id
    }

    pub(super) fn signed(&self, text: &str, signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(text.as_bytes(), &signature).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519], &self.key.as_bytes()[..]].concat();
        write!(f, "{}+{}", self.short(), BASE64_STANDARD.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unreadable = |why| Error::Key { why };
        let mut parts = text.trim().splitn(3, '+');
        let mut part = || {
            parts.next().ok_or(unreadable("it is not of the form name+id+key, joined by two '+'"))
        };
        let (name, id, coded) = (part()?, part()?, part()?);
        let mut stated = [0; 4];
        hex::decode_to_slice(id, &mut stated)
            .map_err(|_| unreadable("the key id is not eight hexadecimal digits"))?;
        let coded =
            BASE64_STANDARD.decode(coded).map_err(|_| unreadable("the key is not base64"))?;
        let (kind, key) = coded.split_first().ok_or(unreadable("the key is empty"))?;
        if *kind != ED25519 {
            return Err(unreadable("the key is of a kind other than Ed25519"));
        }
        let bytes = key.try_into().map_err(|_| unreadable("the key is not 32 bytes long"))?;
        let key = VerifyingKey::from_bytes(bytes)
            .ok()
            .filter(|key| !key.is_weak())
            .ok_or(unreadable("the key is no usable Ed25519 key"))?;
        let read = Self::new(name, key)?;
        if read.id != stated {
            return Err(unreadable("its id does not belong to its name and key: was it cut?"));
        }
        Ok(read)
    }
}

/// The half that signs. Wiped when dropped, never printed.
pub struct Signer {
    key: SigningKey,
    verifier: VerifierKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({}, key hidden)", self.verifier.short())
    }
}

impl Signer {
    /// The key of a log called `name`, from a secret of 32 random bytes.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn new(name: &str, seed: &Zeroizing<[u8; 32]>) -> Result<Self, Error> {
        let key = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, key.verifying_key())?;
        Ok(Self { key, verifier })
    }

    /// The half to hand out.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The signed note of a tree, whatever was signed before: for the first one.
    #[must_use]
    pub fn sign(&self, size: u64, root: &Hash) -> String {
        let checkpoint = Checkpoint { origin: self.verifier.name.clone(), size, root: *root };
        let text = checkpoint.body();
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        note::write(&text, &self.verifier.name, self.verifier.id, &signature)
    }

    /// The signed note of a tree that follows from the last one signed. A log never signs two
    /// histories; this is the door that keeps it from doing so.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where the proof does not lead from `last` to this tree, and
    /// [`Error::OtherOrigin`] where `last` is of another log.
    pub fn sign_next(
        &self,
        last: &Checkpoint,
        size: u64,
        root: &Hash,
        consistency: &[Hash],
    ) -> Result<String, Error> {
        if last.origin != self.verifier.name {
            let (found, wanted) = (last.origin.clone(), self.verifier.name.clone());
            return Err(Error::OtherOrigin { found, wanted });
        }
        self.sign_first(last, size, root, consistency)
    }

    /// The first signed note of a log that goes on from another one's leaves under a new name.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where the proof does not lead from `before` to this tree.
    pub fn sign_first(
        &self,
        before: &Checkpoint,
        size: u64,
        root: &Hash,
        consistency: &[Hash],
    ) -> Result<String, Error> {
        verify_consistency(before.size, &before.root, size, root, consistency)
            .map_err(|source| Error::Inconsistent { source })?;
        Ok(self.sign(size, root))
    }
}
