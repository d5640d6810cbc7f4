//! What a worker is started on: settings, key, database; and the harness's own doors to the same.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use efface_core::{AccountId, ConnectorId, LaneId, brakes::GuardList, outside::Chance as _};
use efface_store::{AccountSpec, Connection, ControllerRules, Directory, Policy, SqlStore};
use efface_vault::{MasterKey, Vault};

use crate::{
    vendors::StandIn,
    world::{OsChance, WallClock, controller},
};

/// A stand-in's day is a sixth of a second.
const TIME_SCALE: f64 = 0.000_002;
const PEOPLE_PER_DAY: u32 = 1_000_000;
const CALLS_PER_SECOND: f64 = 1000.0;

/// How much work there is, and how the workers are set up for it.
#[derive(Clone, Debug)]
pub struct Ways {
    pub people: u32,
    /// How many of them ask later than at the beginning.
    pub filed_later: u32,
    /// Small companies make many orders, so that there are calls to be killed in.
    pub people_per_call: u32,
    pub calls_in_flight: u32,
    pub lease_seconds: u64,
    pub call_timeout_seconds: u64,
    pub drain_seconds: u64,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            people: 100,
            filed_later: 0,
            people_per_call: 8,
            calls_in_flight: 4,
            lease_seconds: 10,
            call_timeout_seconds: 2,
            drain_seconds: 5,
        }
    }
}

/// A folder with everything a worker needs.
pub struct Home {
    pub settings: PathBuf,
    vault: Arc<Vault>,
    vendors: Vec<StandIn>,
}

impl Home {
    /// # Panics
    /// When any part cannot be built: this is a test's wiring.
    pub async fn build(folder: &Path, url: &str, ways: &Ways, vendors: &[StandIn]) -> Self {
        let key = MasterKey::generate(&mut |bytes| OsChance.fill(bytes));
        let (vault, roots) = Vault::create(&key, &mut |bytes| OsChance.fill(bytes));
        let key_file = folder.join("efface.key");
        write_private(&key_file, &key.to_text());
        let settings = folder.join("efface.toml");
        fs::write(&settings, toml(folder, url, &key_file, ways, vendors)).expect("settings");

        let connection = Connection::connect(url, 4, true).await.expect("database");
        connection.migrate().await.expect("a schema");
        let roots = serde_json::to_string(&roots).expect("roots");
        connection.claim_meta("vault_roots", &roots).await.expect("the vault's roots");
        let home = Self { settings, vault: Arc::new(vault), vendors: vendors.to_vec() };
        let store = home.store(url).await;
        for account in &efface_store::Store::directory(&store).accounts.clone() {
            store.enable_account(&account.id, None, "test").await.expect("enabled");
        }
        home
    }

    /// The doors of the house, over connections of their own.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn store(&self, url: &str) -> SqlStore {
        let connection = Connection::connect(url, 4, true).await.expect("database");
        let (clock, chance) = (Arc::new(WallClock), Arc::new(OsChance));
        SqlStore::open(connection, self.vault.clone(), directory(&self.vendors), clock, chance)
            .await
            .expect("store")
    }
}

/// As the worker reads it from the settings.
fn directory(vendors: &[StandIn]) -> Directory {
    let account = |stand_in: &StandIn| {
        let plugin = efface_registry::find(&stand_in.vendor).expect("vendor");
        let built = (plugin.build)(&stand_in.settings, Some(&stand_in.base_url)).expect("settings");
        AccountSpec {
            id: AccountId::new(&stand_in.vendor).expect("name"),
            connector: ConnectorId::new(&stand_in.vendor).expect("name"),
            controller: controller(),
            lane: LaneId::new(&stand_in.vendor).expect("name"),
            manifest: Arc::new(built.manifest),
            keyed_by: vec![],
            people_per_day: PEOPLE_PER_DAY,
            time_scale: TIME_SCALE,
        }
    };
    let rules = ControllerRules {
        zone: jiff::tz::TimeZone::UTC,
        default_phone_region: None,
        guard: GuardList::default(),
    };
    Directory {
        controllers: BTreeMap::from([(controller(), rules)]),
        accounts: vendors.iter().map(account).collect(),
        policy: Policy { cooling_off: Duration::ZERO, ..Policy::default() },
        ..Directory::default()
    }
}

fn toml(folder: &Path, url: &str, key_file: &Path, ways: &Ways, vendors: &[StandIn]) -> String {
    let mut text = format!(
        "[database]\nurl = {url:?}\n\
         [vault]\nmaster_key_file = {key_file:?}\n\
         [worker]\ncall_timeout_seconds = {}\nlease_seconds = {}\ndrain_seconds = {}\n\
         [ledger]\nanchor_folder = {:?}\ncheckpoint_leaves = 500\n\
         [policy]\ncooling_off_hours = 0\nverify_after_minutes = 0\n\
         [policy.retry]\nbase_seconds = 1\ncap_hours = 1\n\
         [controllers.default]\nname = \"Acme\"\ntime_zone = \"UTC\"\n",
        ways.call_timeout_seconds,
        ways.lease_seconds,
        ways.drain_seconds,
        folder.join("anchor"),
    );
    for stand_in in vendors {
        let plugin = efface_registry::find(&stand_in.vendor).expect("vendor");
        let accepted: Vec<_> = (plugin.manifest)().side_effects().into_iter().collect();
        let accepted: Vec<&str> = accepted.iter().map(|s| s.word()).collect();
        text += &format!(
            "[accounts.{vendor}]\nconnector = {vendor:?}\nbase_url = {url:?}\nallow_loopback = true\n\
             stand_in_time_scale = {TIME_SCALE}\ndaily_ceiling_people = {PEOPLE_PER_DAY}\n\
             calls_per_second = {CALLS_PER_SECOND:?}\ncalls_in_flight = {calls}\n\
             batch_items = {people}\naccept_side_effects = {accepted:?}\n\
             settings = {settings}\n",
            vendor = stand_in.vendor,
            url = stand_in.base_url,
            calls = ways.calls_in_flight,
            people = ways.people_per_call,
            settings = inline(&stand_in.settings),
        );
    }
    text
}

/// A JSON value as TOML writes it in one line.
pub(crate) fn inline(value: &serde_json::Value) -> String {
    use serde_json::Value as Json;
    match value {
        Json::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name} = {}", inline(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        // texts, numbers and flags look the same in both
        plain => plain.to_string(),
    }
}

#[cfg(unix)]
pub(crate) fn write_private(path: &Path, text: &str) {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).write(true).mode(0o600).open(path).expect("key file");
    file.write_all(text.as_bytes()).expect("key file");
}

#[cfg(not(unix))]
pub(crate) fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("key file");
}
