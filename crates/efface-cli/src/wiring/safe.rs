//! The safe: the master key from its place, the roots from the database.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use efface_core::outside::Chance;
use efface_settings::Settings;
use efface_store::Connection;
use efface_vault::{MasterKey, Vault, WrappedRoots};

use super::keys::{self, KeyFolder};
use crate::print;

/// Where the wrapped roots stand in the `meta` table.
pub const ROOTS: &str = "vault_roots";

/// The master key the settings point at.
///
/// # Errors
/// When the file or variable cannot be read or holds no key.
pub fn master_key(settings: &Settings) -> Result<MasterKey> {
    let text = settings.vault.master_key_text()?;
    Ok(MasterKey::parse(text.expose())?)
}

/// Opens the vault of an existing database.
///
/// # Errors
/// When there are no roots yet, or this key does not open them.
pub async fn open(connection: &Connection, master: &MasterKey) -> Result<Vault> {
    match connection.meta(ROOTS).await? {
        Some(stored) => read(&stored, master),
        None => bail!("the database holds no keys yet; run `efface migrate`"),
    }
}

/// Opens the vault of an existing database together with the months' keys.
///
/// # Errors
/// As [`open`].
pub async fn open_with_keys(
    connection: &Connection,
    settings: &Settings,
) -> Result<(Vault, Arc<KeyFolder>)> {
    let master = master_key(settings)?;
    if settings.vault.master_key_file.as_deref().is_some_and(|f| keys::next(f).exists()) {
        print::aside(
            "warning: a rotation of the master key was cut short; `efface key rotate` ends it",
        );
    }
    let vault = open(connection, &master).await.map_err(|error| unfinished(error, settings))?;
    let keys = Arc::new(KeyFolder::of(settings, master));
    let vault = vault.with_months(Box::new(keys::Shared(keys.clone())));
    Ok((vault, keys))
}

/// Where a rotation was cut short, the key in force is not the one that the database names yet.
fn unfinished(error: anyhow::Error, settings: &Settings) -> anyhow::Error {
    let begun = settings.vault.master_key_file.as_deref().is_some_and(|f| keys::next(f).exists());
    if begun {
        return error.context(
            "a rotation of the master key was cut short; run `efface key rotate` again, it goes on where it stopped",
        );
    }
    error
}

/// Opens the vault, and makes its roots in a database that has none.
///
/// # Errors
/// When the database cannot be written, or another key made the roots.
pub async fn open_or_create(
    connection: &Connection,
    master: &MasterKey,
    chance: &dyn Chance,
) -> Result<Vault> {
    if let Some(stored) = connection.meta(ROOTS).await? {
        return read(&stored, master);
    }
    let (vault, roots) = Vault::create(master, &mut |bytes| chance.fill(bytes));
    let text = serde_json::to_string(&roots).context("the vault's roots cannot be written down")?;
    let stands = connection.claim_meta(ROOTS, &text).await?;
    if stands == text { Ok(vault) } else { read(&stands, master) }
}

fn read(stored: &str, master: &MasterKey) -> Result<Vault> {
    let roots: WrappedRoots = serde_json::from_str(stored).context(
        "the database's row `vault_roots` cannot be read; restore it from a backup of this database",
    )?;
    Ok(Vault::open(master, &roots)?)
}
