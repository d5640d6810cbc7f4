//! The opened safe: the roots in memory, and what is done with them.

use crate::envelope::{self, Opened};
use crate::error::Error;
use crate::index::{Index, Keyed};
use crate::request_key::{RequestKey, WrappedKey};
use crate::{Fill, KeyBytes, MasterKey, Month, MonthKey, random_key};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

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

impl WrappedRoots {
    /// The same roots, wrapped by another master.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn rewrap(
        &self,
        master: &MasterKey,
        next: &MasterKey,
        fill: Fill<'_>,
    ) -> Result<Self, Error> {
        let wrap = next.derive("efface wrap roots 1");
        let wrapped_by = next.id();
        let mut anew = |root: &'static str, text: &str| {
            let key = self.root(master, root, text)?;
            let binding = root_binding(root, &wrapped_by);
            Ok(hex::encode(envelope::seal(&wrap, &binding, key.as_slice(), fill)))
        };
        Ok(Self {
            format: ROOTS_FORMAT,
            index_key: anew("index", &self.index_key)?,
            digest_key: anew("digest", &self.digest_key)?,
            general_key: anew("general", &self.general_key)?,
            wrapped_by: wrapped_by.clone(),
        })
    }

    fn root(&self, master: &MasterKey, root: &'static str, text: &str) -> Result<KeyBytes, Error> {
        if self.format != ROOTS_FORMAT {
            return Err(Error::UnknownFormat {
                what: "stored vault",
                found: self.format,
                known: ROOTS_FORMAT,
            });
        }
        let given = master.id();
        if self.wrapped_by != given {
            return Err(Error::WrongMaster { stored: self.wrapped_by.clone(), given });
        }
        let wrap = master.derive("efface wrap roots 1");
        hex::decode(text)
            .ok()
            .and_then(|sealed| envelope::open_key(&wrap, &root_binding(root, &given), &sealed))
            .ok_or(Error::RootDamaged { root })
    }
}

/// Where months' keys lie.
pub trait MonthKeys: Send + Sync {
    /// The key of a month, as it lies there.
    ///
    /// # Errors
    /// [`Error::MonthKeyGone`] when there is none, and whatever reading it meets.
    fn key(&self, month: &Month) -> Result<MonthKey, Error>;
}

/// A month's key at hand.
struct Wrapping {
    name: String,
    key: KeyBytes,
}

/// The opened safe. Cheap to share behind an `Arc`; every method takes `&self`.
pub struct Vault {
    master_id: String,
    wrapped_by: String,
    request_wrap: KeyBytes,
    months: Option<Box<dyn MonthKeys>>,
    at_hand: RwLock<HashMap<Month, Arc<Wrapping>>>,
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
        let index = roots.root(master, "index", &roots.index_key)?;
        let digest = roots.root(master, "digest", &roots.digest_key)?;
        let general = roots.root(master, "general", &roots.general_key)?;
        Ok(Self::assemble(master, index, &digest, general))
    }

    fn assemble(master: &MasterKey, index: KeyBytes, digest: &KeyBytes, general: KeyBytes) -> Self {
        let master_id = master.id();
        Self {
            wrapped_by: format!("master:{master_id}"),
            master_id,
            request_wrap: master.derive("efface wrap request keys 1"),
            months: None,
            at_hand: RwLock::default(),
            index: Index::new(index),
            digest: Keyed::new(digest),
            general,
        }
    }

    /// From now on the keys of months wrap what is new; what the master wrapped before still opens.
    #[must_use]
    pub fn with_months(self, months: Box<dyn MonthKeys>) -> Self {
        Self { months: Some(months), ..self }
    }

    /// A month's key was destroyed: it opens nothing here any more either.
    pub fn forget_month(&self, month: &Month) {
        self.at_hand.write().unwrap_or_else(PoisonError::into_inner).remove(month);
    }

    /// Id of the master this vault was opened with.
    #[must_use]
    pub fn master_id(&self) -> &str {
        &self.master_id
    }

    /// A new key for a new request, and its wrapped form for storing.
    ///
    /// # Errors
    /// When that month has no key here.
    pub fn new_request_key(
        &self,
        request_id: &[u8; 16],
        month: &Month,
        fill: Fill<'_>,
    ) -> Result<(RequestKey, WrappedKey), Error> {
        let key = RequestKey { bytes: random_key(fill) };
        let wrapped = self.wrap(request_id, &key, month, fill)?;
        Ok((key, wrapped))
    }

    /// Wraps an opened key under a month's: how a request that outlives its
    /// own month is carried over to a later one.
    ///
    /// # Errors
    /// When that month has no key here.
    pub fn wrap(
        &self,
        request_id: &[u8; 16],
        key: &RequestKey,
        month: &Month,
        fill: Fill<'_>,
    ) -> Result<WrappedKey, Error> {
        let seal = |wrapping: &KeyBytes, name: &str, fill| WrappedKey {
            bytes: envelope::seal(
                wrapping,
                &request_binding(request_id, name),
                key.bytes.as_slice(),
                fill,
            ),
            wrapped_by: name.to_owned(),
        };
        Ok(match &self.months {
            None => seal(&self.request_wrap, &self.wrapped_by, fill),
            Some(months) => {
                let by = self.wrapping(&**months, month)?;
                seal(&by.key, &by.name, fill)
            }
        })
    }

    /// A month's key, read once in a life.
    fn wrapping(&self, months: &dyn MonthKeys, month: &Month) -> Result<Arc<Wrapping>, Error> {
        let known = {
            let at_hand = self.at_hand.read().unwrap_or_else(PoisonError::into_inner);
            at_hand.get(month).cloned()
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let key = months.key(month)?;
        let wrapping = Arc::new(Wrapping { name: key.name(), key: key.wrapping() });
        let mut at_hand = self.at_hand.write().unwrap_or_else(PoisonError::into_inner);
        at_hand.insert(month.clone(), wrapping.clone());
        Ok(wrapping)
    }

    /// Opens a stored request key.
    ///
    /// # Errors
    /// [`Error::OtherWrappingKey`] when another key wraps it,
    /// [`Error::MonthKeyGone`] when its month's key is not there,
    /// [`Error::RequestKeyDamaged`] when it was changed or is of another request.
    pub fn unwrap(&self, request_id: &[u8; 16], wrapped: &WrappedKey) -> Result<RequestKey, Error> {
        let open = |wrapping: &KeyBytes| {
            let binding = request_binding(request_id, &wrapped.wrapped_by);
            envelope::open_key(wrapping, &binding, &wrapped.bytes)
                .map(|bytes| RequestKey { bytes })
                .ok_or(Error::RequestKeyDamaged)
        };
        let other = |given: &str| Error::OtherWrappingKey {
            stored: wrapped.wrapped_by.clone(),
            given: given.to_owned(),
        };
        if wrapped.wrapped_by == self.wrapped_by {
            return open(&self.request_wrap);
        }
        let month = wrapped.wrapped_by.strip_prefix("month:").and_then(|rest| rest.split_once(':'));
        match (&self.months, month) {
            (Some(months), Some((month, _))) => {
                let by = self.wrapping(&**months, &Month::parse(month)?)?;
                if by.name == wrapped.wrapped_by { open(&by.key) } else { Err(other(&by.name)) }
            }
            (Some(_) | None, _) => Err(other(&self.wrapped_by)),
        }
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
}

fn request_binding<'a>(request_id: &'a [u8; 16], wrapped_by: &'a str) -> [&'a [u8]; 3] {
    [b"efface request key", request_id, wrapped_by.as_bytes()]
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
