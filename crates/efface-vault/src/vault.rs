//! The opened safe: the roots in memory, and what is done with them.

use crate::envelope::{self, Opened};
use crate::error::Error;
use crate::index::{Index, Keyed};
use crate::request_key::{RequestKey, WrappedKey};
use crate::{Fill, KeyBytes, MasterKey, random_key};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The format of [`WrappedRoots`] this version writes.
const ROOTS_FORMAT: u8 = 1;

/// The root keys, wrapped by the master, as they are stored beside the data.
/// Without the master they are noise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrappedRoots {
    /// Format number.
    pub format: u8,
    /// Id of the master that wraps them.
    pub wrapped_by: String,
    /// Root of the blind index, in hexadecimal.
    pub index_key: String,
    /// Key of the digests, in hexadecimal.
    pub digest_key: String,
    /// Key for what belongs to no request, in hexadecimal.
    pub general_key: String,
}

/// The opened safe. Cheap to share behind an `Arc`; every method takes `&self`.
pub struct Vault {
    master_id: String,
    wrapped_by: String,
    request_wrap: KeyBytes,
    index: Index,
    digest: Keyed,
    general: KeyBytes,
}

impl Vault {
    /// Makes new roots for a new database and wraps them for storing.
    #[must_use]
    pub fn create(master: &MasterKey, fill: Fill<'_>) -> (Self, WrappedRoots) {
        let (index, digest, general) = (random_key(fill), random_key(fill), random_key(fill));
        let wrap = master.derive("efface wrap roots 1");
        let master_id = master.id();
        let mut wrapped = |root: &'static str, key: &KeyBytes| {
            let binding = root_binding(root, &master_id);
            hex::encode(envelope::seal(&wrap, &binding, key.as_slice(), fill))
        };
        let roots = WrappedRoots {
            format: ROOTS_FORMAT,
            index_key: wrapped("index", &index),
            digest_key: wrapped("digest", &digest),
            general_key: wrapped("general", &general),
            wrapped_by: master_id.clone(),
        };
        (Self::assemble(master, index, &digest, general), roots)
    }

    /// Opens the roots of an existing database.
    ///
    /// # Errors
    /// [`Error::WrongMaster`] when they were wrapped by another master,
    /// [`Error::RootDamaged`] when they were changed,
    /// [`Error::UnknownFormat`] when a newer version wrote them.
    pub fn open(master: &MasterKey, roots: &WrappedRoots) -> Result<Self, Error> {
        if roots.format != ROOTS_FORMAT {
            return Err(Error::UnknownFormat {
                what: "stored vault",
                found: roots.format,
                known: ROOTS_FORMAT,
            });
        }
        let given = master.id();
        if roots.wrapped_by != given {
            return Err(Error::WrongMaster { stored: roots.wrapped_by.clone(), given });
        }
        let wrap = master.derive("efface wrap roots 1");
        let root = |root: &'static str, text: &str| {
            hex::decode(text)
                .ok()
                .and_then(|sealed| envelope::open_key(&wrap, &root_binding(root, &given), &sealed))
                .ok_or(Error::RootDamaged { root })
        };
        let index = root("index", &roots.index_key)?;
        let digest = root("digest", &roots.digest_key)?;
        let general = root("general", &roots.general_key)?;
        Ok(Self::assemble(master, index, &digest, general))
    }

    fn assemble(master: &MasterKey, index: KeyBytes, digest: &KeyBytes, general: KeyBytes) -> Self {
        let master_id = master.id();
        Self {
            wrapped_by: format!("master:{master_id}"),
            master_id,
            request_wrap: master.derive("efface wrap request keys 1"),
            index: Index::new(index),
            digest: Keyed::new(digest),
            general,
        }
    }

    /// Id of the master this vault was opened with.
    #[must_use]
    pub fn master_id(&self) -> &str {
        &self.master_id
    }

    /// A new key for a new request, and its wrapped form for storing.
    #[must_use]
    pub fn new_request_key(
        &self,
        request_id: &[u8; 16],
        fill: Fill<'_>,
    ) -> (RequestKey, WrappedKey) {
        let key = RequestKey { bytes: random_key(fill) };
        let wrapped = self.wrap(request_id, &key, fill);
        (key, wrapped)
    }

    /// Wraps an opened key under this vault's wrapping key: how a request is
    /// carried over to a new master.
    #[must_use]
    pub fn wrap(&self, request_id: &[u8; 16], key: &RequestKey, fill: Fill<'_>) -> WrappedKey {
        let binding = self.request_binding(request_id);
        WrappedKey {
            bytes: envelope::seal(&self.request_wrap, &binding, key.bytes.as_slice(), fill),
            wrapped_by: self.wrapped_by.clone(),
        }
    }

    /// Opens a stored request key.
    ///
    /// # Errors
    /// [`Error::OtherWrappingKey`] when another key wraps it,
    /// [`Error::RequestKeyDamaged`] when it was changed or is of another request.
    pub fn unwrap(&self, request_id: &[u8; 16], wrapped: &WrappedKey) -> Result<RequestKey, Error> {
        if wrapped.wrapped_by != self.wrapped_by {
            return Err(Error::OtherWrappingKey {
                stored: wrapped.wrapped_by.clone(),
                given: self.wrapped_by.clone(),
            });
        }
        let binding = self.request_binding(request_id);
        envelope::open_key(&self.request_wrap, &binding, &wrapped.bytes)
            .map(|bytes| RequestKey { bytes })
            .ok_or(Error::RequestKeyDamaged)
    }

    /// Seals what belongs to no request. `purpose` is bound in: name the use
    /// and the row, for example `idempotency/<key>`, so that two answers
    /// cannot be exchanged.
    #[must_use]
    pub fn seal_general(&self, purpose: &str, plaintext: &[u8], fill: Fill<'_>) -> Vec<u8> {
        envelope::seal(&self.general, &general_binding(purpose), plaintext, fill)
    }

    /// Opens what [`Vault::seal_general`] made for the same purpose.
    ///
    /// # Errors
    /// As [`RequestKey::open`].
    pub fn open_general(&self, purpose: &str, sealed: &[u8]) -> Result<Opened, Error> {
        envelope::open(&self.general, &general_binding(purpose), sealed, purpose)
    }

    /// The blind-index tag of an identifier: equal for equal kind and value,
    /// and of no use without the index key. `normalised` is taken as it is.
    #[must_use]
    pub fn tag(&self, kind: &str, normalised: &str) -> [u8; 32] {
        self.index.tag(kind, normalised)
    }

    /// A keyed digest of bytes that hold identifiers. A plain hash of such a
    /// body could be found again by trying addresses; this one cannot.
    #[must_use]
    pub fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        self.digest.hash(bytes)
    }

    fn request_binding<'a>(&'a self, request_id: &'a [u8; 16]) -> [&'a [u8]; 3] {
        [b"efface request key", request_id, self.wrapped_by.as_bytes()]
    }
}

fn root_binding<'a>(root: &'a str, master_id: &'a str) -> [&'a [u8]; 3] {
    [b"efface root", root.as_bytes(), master_id.as_bytes()]
}

fn general_binding(purpose: &str) -> [&[u8]; 2] {
    [b"efface general", purpose.as_bytes()]
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault(master {})", self.master_id)
    }
}
