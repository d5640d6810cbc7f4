//! The safe: everything that must not be readable by whoever holds a copy of
//! the database.
//!
//! Four layers of keys stand here.
//!
//! * The [`MasterKey`] lives outside the database, in a file or a secret store.
//! * The **roots** (index, digest and general key) are random, wrapped by the
//!   master and stored as [`WrappedRoots`] beside the data. [`Vault::open`]
//!   unwraps them once per process.
//! * Each calendar month has a [`MonthKey`] in a file outside the database,
//!   sealed by the master.
//! * Each request has a [`RequestKey`] of its own, wrapped by the key of the
//!   month it was filed in and stored with the request. Destroying that one row
//!   makes every identifier of the request unreadable: that is *shredding*.
//!   Destroying the month's file does the same to every copy of the database.
//!
//! The crate is pure and synchronous. It draws no randomness: whoever calls
//! passes `fill`, a closure that fills a slice with fresh random bytes. Tests
//! pass a counter, the program passes the operating system.
//!
//! ```
//! use efface_vault::{Context, MasterKey, Month, Vault};
//! # let mut n = 0u8;
//! # let fill = &mut |out: &mut [u8]| out.iter_mut().for_each(|b| { n = n.wrapping_add(7); *b = n });
//! let master = MasterKey::generate(fill);
//! let (vault, roots) = Vault::create(&master, fill);
//! let request = [1; 16];
//! let (key, wrapped) = vault.new_request_key(&request, &Month::parse("2026-11")?, fill)?;
//! let context = Context { request_id: request, field: "identifier/0" };
//! let sealed = key.seal(&context, b"ada@example.org", fill);
//!
//! // later, in another process
//! let vault = Vault::open(&master, &roots)?;
//! let key = vault.unwrap(&request, &wrapped)?;
//! assert_eq!(&*key.open(&context, &sealed)?, b"ada@example.org");
//! # Ok::<(), efface_vault::Error>(())
//! ```

mod commitment;
mod envelope;
mod error;
mod index;
mod master;
mod month;
mod request_key;
mod vault;

pub use commitment::{check_opening, commit, opening};
pub use envelope::Opened;
pub use error::{Error, MasterKeyFault, MonthKeyFault};
pub use master::MasterKey;
pub use month::{Month, MonthKey};
pub use request_key::{Context, RequestKey, WrappedKey};
pub use vault::{MonthKeys, Vault, WrappedRoots};

/// The caller's randomness: fills the slice with fresh, unpredictable bytes.
pub type Fill<'a> = &'a mut dyn FnMut(&mut [u8]);

/// Thirty-two secret bytes that are wiped when dropped.
type KeyBytes = zeroize::Zeroizing<[u8; 32]>;

/// Draws a new key from the caller's randomness.
fn random_key(fill: Fill<'_>) -> KeyBytes {
    let mut bytes = KeyBytes::new([0; 32]);
    fill(bytes.as_mut_slice());
    bytes
}
