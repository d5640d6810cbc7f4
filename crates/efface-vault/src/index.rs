//! Keyed hashes: the blind index, which finds a person again without storing
//! who it is, and digests of bodies that hold identifiers.

use crate::KeyBytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// A keyed hash with its key already worked in; cloning it is a copy of a
/// hash state, cheaper than working the key in again.
#[derive(Clone)]
pub(crate) struct Keyed(Hmac<Sha256>);

impl Keyed {
    pub(crate) fn new(key: &KeyBytes) -> Self {
        Self(Hmac::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length"))
    }

    pub(crate) fn hash(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }
}

/// HMAC-SHA256(key, bytes), for keys used once.
pub(crate) fn hmac(key: &KeyBytes, bytes: &[u8]) -> [u8; 32] {
    Keyed::new(key).hash(bytes)
}

/// A sub-key for one purpose.
pub(crate) fn derive(key: &KeyBytes, purpose: &str) -> KeyBytes {
    KeyBytes::new(hmac(key, purpose.as_bytes()))
}

/// How many kinds keep their sub-key ready. There are some dozen kinds; the
/// bound is there so that a caller's mistake cannot fill the memory.
const READY_KINDS: usize = 256;

/// The blind index: one sub-key per kind of identifier, derived once.
pub(crate) struct Index {
    root: KeyBytes,
    ready: RwLock<HashMap<Box<str>, Keyed>>,
}

impl Index {
    pub(crate) fn new(root: KeyBytes) -> Self {
        Self { root, ready: RwLock::new(HashMap::new()) }
    }

    pub(crate) fn tag(&self, kind: &str, normalised: &str) -> [u8; 32] {
        // a panic elsewhere cannot leave the map half-written
        let known = {
            let ready = self.ready.read().unwrap_or_else(PoisonError::into_inner);
            ready.get(kind).cloned()
        };
        let keyed = known.unwrap_or_else(|| self.make(kind));
        keyed.hash(normalised.as_bytes())
    }

    fn make(&self, kind: &str) -> Keyed {
        let keyed = Keyed::new(&derive(&self.root, &format!("efface index 1 {kind}")));
        let mut ready = self.ready.write().unwrap_or_else(PoisonError::into_inner);
        if ready.len() < READY_KINDS {
            ready.insert(kind.into(), keyed.clone());
        }
        keyed
    }
}
