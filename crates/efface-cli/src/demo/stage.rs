//! The stage: stand-ins on loopback, a folder with real settings, key and database, and accounts
//! taken live the way a person would.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use efface_connector::fake::{FakeServer, Fault, Tuning};
use efface_core::{AccountId, IdentifierKind, outside::Chance};
use efface_store::{Connection, ErrandKind, Error as StoreError};
use efface_vault::MasterKey;

use super::people::{Part, Person};
use crate::{
    args::GlobalArgs,
    exit::Failure,
    wiring::{Context, OsChance, directory::DEMO_MARK, errand, load_settings, safe},
};

/// The key every stand-in accepts.
const KEY: &str = "demo-key";
/// The key of the second controller's account: wrong on purpose.
const WRONG_KEY: &str = "not-the-key";
/// The account of the second controller.
pub const SECOND: &str = "second-shop";
/// People the account with the ceiling may touch before a person is asked.
const CEILING_SHARE: usize = 60;

/// A vendor on the stage.
pub struct Vendor {
    pub id: &'static str,
    pub server: FakeServer,
}

/// Everything set up, nothing filed yet.
pub struct Stage {
    pub folder: PathBuf,
    pub vendors: Vec<Vendor>,
    pub global: GlobalArgs,
    // held as long as the stage stands: a second demo would wipe it
    _locks: Vec<File>,
}

impl Stage {
    /// Builds the stage anew in `folder`; what an earlier demo left there goes.
    ///
    /// # Errors
    /// When the folder cannot be written or holds something that no demo made.
    pub async fn build(
        folder: &Path,
        ids: &[String],
        people: &[Person],
        json: bool,
    ) -> Result<Self> {
        let locks = clear(folder)?;
        let mut vendors = vec![];
        for id in ids {
            let plugin = efface_registry::find(id).with_context(|| {
                let known: Vec<&str> = efface_registry::PLUGINS.iter().map(|p| p.id).collect();
                format!("--vendors: {id:?} is not a vendor; there are {}", known.join(", "))
            })?;
            let log = folder.join(format!("{id}.calls.ndjson"));
            let server = FakeServer::start(
                (plugin.fake)(),
                Tuning { key: KEY.into(), ..Tuning::default() },
                Some(&log),
            )
            .await?;
            vendors.push(Vendor { id: plugin.id, server });
        }
        let path = folder.join("efface.toml");
        fs::write(&path, settings(&vendors, people.len()))?;
        let key = MasterKey::generate(&mut |bytes| OsChance.fill(bytes));
        crate::wiring::outside::write_private(&folder.join("efface.key"), &key.to_text())?;
        let global = GlobalArgs { config: Some(path), json };
        let settings = load_settings(&global)?;
        let connection = crate::wiring::connect(&settings, true).await?;
        connection.migrate().await?;
        connection.claim_meta(DEMO_MARK, "this database was made by `efface demo`").await?;
        safe::open_or_create(&connection, &safe::master_key(&settings)?, &OsChance).await?;
        drop::<Connection>(connection);
        let stage = Self { folder: folder.to_owned(), vendors, global, _locks: locks };
        stage.populate(people);
        Ok(stage)
    }

    /// Puts the people where they are held.
    fn populate(&self, people: &[Person]) {
        for (n, vendor) in self.vendors.iter().enumerate() {
            for person in people.iter().filter(|p| p.is_held_at(n)) {
                vendor.server.fake().put(&identifiers(person));
            }
        }
    }

    /// Gives each vendor its temper; the accounts are live by then.
    pub fn temper(&self, people: &[Person]) {
        let lied_about: Vec<String> = people
            .iter()
            .filter(|p| p.part == Part::LiedAbout)
            .flat_map(|p| [p.email.clone(), p.user_id.clone()])
            .collect();
        for (n, vendor) in self.vendors.iter().enumerate() {
            let faults = vendor.server.faults();
            match n % 6 {
                // one that limits, in two forms
                0 => faults.next_changing([
                    Fault::limited("retry-after", "1"),
                    Fault::limited("x-ratelimit-reset", "1"),
                ]),
                // one that is slow and now and then overloaded
                1 => {
                    faults.latency(Duration::from_millis(15));
                    faults.every(37, Fault::limited("retry-after", "1"));
                }
                // one that now and then fails, and lies about one person
                2 => {
                    faults.every(41, Fault::status(500));
                    vendor.server.tune(|t| t.lies_about.clone_from(&lied_about));
                }
                // one that is down when it is first needed
                3 => faults.next_changing([Fault::status(503)]),
                // one whose first answer is lost after the bytes left
                4 => faults.next_changing([Fault::SilenceAfter]),
                // one that answers late
                _ => {
                    faults.latency(Duration::from_millis(5));
                    vendor.server.tune(|t| t.polls_until_done = 4);
                }
            }
        }
    }

    /// Takes every account live as a person would: probe, side effects accepted by name in the
    /// settings, the vendor's id pinned.
    ///
    /// # Errors
    /// When an account cannot be asked.
    pub async fn enable(&self, context: &Context) -> Result<()> {
        for account in &context.accounts {
            let spec = &account.spec;
            let errand = context.store.send_errand(&spec.id, &ErrandKind::Probe, &[]).await?;
            let answer =
                errand::wait_for_errand(context, errand, &spec.lane, Duration::from_secs(20))
                    .await?;
            let probe: serde_json::Value = serde_json::from_str(&answer)?;
            // the second controller's key is refused; its account goes live all the same, as it
            // does when a good key is revoked the day after
            if probe["ok"].as_bool() != Some(true) && spec.id.as_str() != SECOND {
                bail!("{} cannot be enabled: {}", spec.id, probe["error"]);
            }
            match context.store.enable_account(&spec.id, probe["pin"].as_str(), "demo").await {
                Ok(_) | Err(StoreError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The vendor whose stand-in an account calls.
    #[must_use]
    pub fn vendor_of(&self, account: &AccountId) -> Option<&Vendor> {
        let id = if account.as_str() == SECOND {
            self.vendors.first().map(|v| v.id)?
        } else {
            account.as_str()
        };
        self.vendors.iter().find(|v| v.id == id)
    }

    /// The account whose ceiling is low.
    #[must_use]
    pub fn ceiling_account(&self) -> Option<AccountId> {
        let vendor = self.vendors.last()?;
        AccountId::new(vendor.id).ok()
    }
}

/// A person's identifiers as vendors know them.
#[must_use]
pub fn identifiers(person: &Person) -> Vec<(IdentifierKind, String)> {
    [
        (IdentifierKind::Email, &person.email),
        (IdentifierKind::UserId, &person.user_id),
        (IdentifierKind::Phone, &person.phone),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(kind, value)| (kind, value.clone()))
    .collect()
}

/// The file a running demo keeps locked.
const LOCK: &str = "demo.lock";
/// The file a worker on the demo's database keeps locked.
const WORKER_LOCK: &str = "demo.worker.lock";
/// Says that a demo made the folder.
const MARKER: &str = "demo.marker";

/// Removes what an earlier demo left; refuses a folder of anything else, and one that is in use.
fn clear(folder: &Path) -> Result<Vec<File>> {
    let shown = folder.display();
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {shown}"))?;
    let entries = || -> Result<Vec<fs::DirEntry>> {
        Ok(fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?)
    };
    let is_ours = folder.join(MARKER).exists() || entries()?.iter().all(is_lock);
    if !is_ours {
        bail!("{shown} exists and was not made by the demo; name another folder with --folder");
    }
    let locks = vec![
        lock(folder, LOCK, "another `efface demo` runs")?,
        lock(folder, WORKER_LOCK, "a worker runs")?,
    ];
    for entry in entries()?.iter().filter(|entry| !is_lock(entry)) {
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    fs::write(folder.join(MARKER), "made by `efface demo`; may be deleted\n")?;
    Ok(locks)
}

fn is_lock(entry: &fs::DirEntry) -> bool {
    [LOCK, WORKER_LOCK].iter().any(|name| entry.file_name() == *name)
}

/// The lock ends with the process.
fn lock(folder: &Path, name: &str, who: &str) -> Result<File> {
    let path = folder.join(name);
    let mut options = fs::OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::refused(format!(
            "{who} in {} and nothing there was touched",
            folder.display()
        ))
        .hint("wait for it or end it, or name another folder with --folder")
        .into()),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

fn settings(vendors: &[Vendor], people: usize) -> String {
    let mut out = toml::Table::new();
    let table = |text: String| -> toml::Table { text.parse().unwrap_or_default() };
    out.insert("database".into(), toml::Value::Table(table("url = \"sqlite://demo.db\"".into())));
    out.insert(
        "vault".into(),
        toml::Value::Table(table("master_key_file = \"efface.key\"".into())),
    );
    out.insert(
        "worker".into(),
        toml::Value::Table(table(
            "name = \"demo\"\ncall_timeout_seconds = 2\nlease_seconds = 10\ndrain_seconds = 4"
                .into(),
        )),
    );
    // the brakes stand: a person passes them, only the waits are short
    out.insert(
        "policy".into(),
        toml::Value::Table(table("cooling_off_hours = 0\nverify_after_minutes = 0\n[retry]\nbase_seconds = 1\ncap_hours = 1".into())),
    );
    let controllers = "[default]\nname = \"Acme\"\ntime_zone = \"Europe/Berlin\"\nown_domains = [\"acme.example\"]\nstaff = [\"eve@staff.example.org\"]\n\
                       [second]\nname = \"Second Shop\"\ntime_zone = \"Europe/Berlin\"\n";
    out.insert("controllers".into(), toml::Value::Table(table(controllers.into())));
    let mut accounts = toml::Table::new();
    for (n, vendor) in vendors.iter().enumerate() {
        let ceiling = if n + 1 == vendors.len() {
            (people * CEILING_SHARE / 100).max(1)
        } else {
            people * 10
        };
        accounts.insert(vendor.id.into(), account(vendor, "default", KEY, ceiling));
    }
    if let Some(first) = vendors.first() {
        accounts.insert(SECOND.into(), account(first, "second", WRONG_KEY, people));
    }
    out.insert("accounts".into(), toml::Value::Table(accounts));
    format!("# Written by `efface demo`: stand-ins on this machine, not vendors.\n{out}")
}

fn account(vendor: &Vendor, controller: &str, key: &str, ceiling: usize) -> toml::Value {
    let plugin = efface_registry::find(vendor.id);
    let side_effects: Vec<toml::Value> = plugin
        .map(|p| (p.manifest)().side_effects())
        .unwrap_or_default()
        .into_iter()
        .map(|s| toml::Value::String(s.word().into()))
        .collect();
    let mut table = toml::Table::new();
    table.insert("connector".into(), vendor.id.into());
    table.insert("controller".into(), controller.into());
    table.insert("base_url".into(), vendor.server.base_url().into());
    table.insert("allow_loopback".into(), true.into());
    table.insert("stand_in_time_scale".into(), 0.000_002.into());
    table.insert("calls_per_second".into(), 400.0.into());
    table.insert("calls_in_flight".into(), 8.into());
    table.insert(
        "daily_ceiling_people".into(),
        toml::Value::Integer(i64::try_from(ceiling).unwrap_or(i64::MAX)),
    );
    table.insert("accept_side_effects".into(), toml::Value::Array(side_effects));
    let settings = toml::Value::try_from(vendor.server.fake().settings(key))
        .unwrap_or_else(|_| toml::Value::Table(toml::Table::new()));
    table.insert("settings".into(), settings);
    toml::Value::Table(table)
}
