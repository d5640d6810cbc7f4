//! The connected accounts: each with its own client, limits and pace.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use efface_connector::{Digest, Http, HttpConfig, place_of};
use efface_settings::Settings;
use efface_store::{SqlStore, Store as _};
use efface_worker::{Anchor, ConnectedAccount, Fleet, LedgerOptions, Options};

use super::{Context, anchor::FolderAnchor, directory::BuiltAccount, outside};

/// Every account of the settings, ready to be called.
///
/// # Errors
/// When TLS cannot be set up on this machine.
pub fn fleet(context: &Context) -> Result<Fleet> {
    let mut fleet = Fleet::default();
    for built in &context.accounts {
        let connected = connect(built, &context.settings, &context.store)?;
        fleet.accounts.insert(built.spec.id.clone(), connected);
    }
    Ok(fleet)
}

fn connect(
    built: &BuiltAccount,
    settings: &Settings,
    store: &Arc<SqlStore>,
) -> Result<ConnectedAccount> {
    let id = built.spec.id.as_str();
    let account = settings.accounts.get(id).context("an account left the settings")?;
    let connector = built.connector.clone();
    let connector = connector.with_context(|| {
        format!("accounts.{id} cannot be called: its secrets were not read; please report this")
    })?;
    let manifest = &built.spec.manifest;
    let mut hosts: Vec<String> = manifest.hosts.iter().map(|h| (*h).to_owned()).collect();
    hosts.extend(account.base_url.as_deref().and_then(place_of));
    let store = store.clone();
    let digest: Digest = Arc::new(move |bytes| store.digest(bytes));
    let http = Http::new(HttpConfig {
        hosts,
        allow_loopback: account.allow_loopback,
        timeout: Duration::from_secs(settings.worker.call_timeout_seconds),
        body_cap_bytes: manifest.body_cap_bytes,
        digest,
    })
    .with_context(|| format!("accounts.{id} cannot be connected"))?;
    Ok(ConnectedAccount {
        connector,
        manifest: manifest.clone(),
        http,
        calls_per_second: account.calls_per_second.unwrap_or(manifest.pace.calls_per_second),
        calls_in_flight: account.calls_in_flight.unwrap_or(manifest.pace.calls_in_flight),
        batch_items: account.batch_items,
        linger: Duration::from_millis(account.linger_ms),
    })
}

/// How a worker of this installation behaves. `name` tells two of them apart.
#[must_use]
pub fn options(settings: &Settings, name: String) -> Options {
    let worker = &settings.worker;
    Options {
        name,
        lease: Duration::from_secs(worker.lease_seconds),
        call_timeout: Duration::from_secs(worker.call_timeout_seconds),
        calls_in_flight_total: usize::try_from(worker.calls_in_flight_total).unwrap_or(usize::MAX),
        records_in_flight: worker.records_in_flight,
        drain: Duration::from_secs(worker.drain_seconds),
        only_errands: false,
        ledger: ledger(settings),
        ..Options::default()
    }
}

fn ledger(settings: &Settings) -> LedgerOptions {
    let ledger = &settings.ledger;
    let folder = ledger.anchor_folder.clone();
    LedgerOptions {
        checkpoint_leaves: ledger.checkpoint_leaves,
        checkpoint_every: Duration::from_secs(ledger.checkpoint_minutes.saturating_mul(60)),
        anchor: folder.map(|folder| Arc::new(FolderAnchor::new(folder)) as Arc<dyn Anchor>),
    }
}

/// The name of the standing worker of this machine.
#[must_use]
pub fn worker_name(settings: &Settings) -> String {
    match settings.worker.name.as_str() {
        "" => outside::host(),
        name => name.to_owned(),
    }
}
