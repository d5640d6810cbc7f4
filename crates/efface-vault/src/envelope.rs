//! The shape of everything sealed: one byte format, one byte algorithm,
//! 24 bytes nonce, then the ciphertext and its 16-byte tag.
//!
//! Format and algorithm stand in front in the clear so that a later version
//! can read what this one wrote; both are also bound into the tag.

use crate::error::Error;
use crate::{Fill, KeyBytes};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use std::fmt;
use std::ops::Deref;
use zeroize::Zeroizing;

/// The format this version writes.
pub(crate) const FORMAT: u8 = 1;
/// XChaCha20-Poly1305.
const ALGORITHM: u8 = 1;
const NONCE: usize = 24;
const HEAD: usize = 2 + NONCE;
const TAG: usize = 16;
/// Associated data up to this length is laid out on the stack.
const STACK: usize = 192;

/// Bytes taken out of the safe, wiped when dropped. `Debug` shows the length.
pub struct Opened(Zeroizing<Vec<u8>>);

impl Opened {
    /// The bytes as text.
    ///
    /// # Errors
    /// [`Error::NotText`] when they are not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.0).map_err(|_| Error::NotText)
    }
}

impl Deref for Opened {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} bytes)", self.0.len())
    }
}

/// Seals under `key`, bound to the `binding` parts in their order.
pub(crate) fn seal(key: &KeyBytes, binding: &[&[u8]], plaintext: &[u8], fill: Fill<'_>) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(HEAD + plaintext.len() + TAG);
    sealed.extend_from_slice(&[FORMAT, ALGORITHM]);
    let mut nonce = XNonce::default();
    fill(nonce.as_mut_slice());
    sealed.extend_from_slice(nonce.as_slice());
    sealed.extend_from_slice(plaintext);
    let cipher = XChaCha20Poly1305::new((&**key).into());
    let body = &mut sealed[HEAD..];
    let tag =
        with_binding(binding, |bound| cipher.encrypt_inout_detached(&nonce, bound, body.into()))
            .expect("one message stays below the cipher's limit of 256 GiB");
    sealed.extend_from_slice(tag.as_slice());
    sealed
}

/// Opens what [`seal`] made; `name` goes into the error.
pub(crate) fn open(
    key: &KeyBytes,
    binding: &[&[u8]],
    sealed: &[u8],
    name: &str,
) -> Result<Opened, Error> {
    if sealed.len() < HEAD + TAG {
        return Err(Error::TooShort { found: sealed.len(), needed: HEAD + TAG });
    }
    let (head, rest) = sealed.split_at(HEAD);
    if head[0] != FORMAT {
        return Err(Error::UnknownFormat { what: "sealed value", found: head[0], known: FORMAT });
    }
    if head[1] != ALGORITHM {
        return Err(Error::UnknownAlgorithm { found: head[1], known: ALGORITHM });
    }
    let refusal = || Error::NotOpened { context: name.to_owned() };
    let (body, tag) = rest.split_at(rest.len() - TAG);
    let nonce = XNonce::try_from(&head[2..]).map_err(|_| refusal())?;
    let tag = Tag::try_from(tag).map_err(|_| refusal())?;
    let mut plain = Zeroizing::new(body.to_vec());
    let cipher = XChaCha20Poly1305::new((&**key).into());
    with_binding(binding, |bound| {
        cipher.decrypt_inout_detached(&nonce, bound, plain.as_mut_slice().into(), &tag)
    })
    .map_err(|_| refusal())?;
    Ok(Opened(plain))
}

/// Opens a wrapped key. Any refusal, a wrong length too, is `None`.
pub(crate) fn open_key(key: &KeyBytes, binding: &[&[u8]], sealed: &[u8]) -> Option<KeyBytes> {
    let opened = open(key, binding, sealed, "key").ok()?;
    let bytes = Zeroizing::new(<[u8; 32]>::try_from(&*opened).ok()?);
    Some(bytes)
}

/// Lays out format, algorithm and the parts, each behind its length so that
/// no two lists of parts give the same bytes, and lends them to `use_it`.
fn with_binding<T>(parts: &[&[u8]], use_it: impl FnOnce(&[u8]) -> T) -> T {
    let total = 2 + parts.iter().map(|p| 8 + p.len()).sum::<usize>();
    if total <= STACK {
        let mut stack = [0u8; STACK];
        lay_out(parts, &mut stack[..total]);
        use_it(&stack[..total])
    } else {
        let mut heap = vec![0u8; total];
        lay_out(parts, &mut heap);
        use_it(&heap)
    }
}

fn lay_out(parts: &[&[u8]], mut out: &mut [u8]) {
    let mut put = |bytes: &[u8]| {
        let (here, rest) = std::mem::take(&mut out).split_at_mut(bytes.len());
        here.copy_from_slice(bytes);
        out = rest;
    };
    put(&[FORMAT, ALGORITHM]);
    for part in parts {
        put(&(part.len() as u64).to_be_bytes());
        put(part);
    }
}
