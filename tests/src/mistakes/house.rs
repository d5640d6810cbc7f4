//! An installation as a privacy team has it: settings, key and database in a folder of its own, the
//! real `efface` to be run in it, and stand-ins for its vendors.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use efface_core::{brakes::GuardList, outside::Chance as _};
use efface_store::{Connection, Policy};
use efface_vault::{MasterKey, Month, MonthKey, MonthKeys, Vault};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::{
    faults::{
        home::{inline, write_private},
        process::efface,
    },
    outside::{MovedClock, OsChance},
    peek::Peek,
    world::{Plan, World},
};

/// Hours between a release and the first irreversible call.
pub const COOLING_OFF_HOURS: u64 = 24;
/// People an account may change in a day.
pub const CEILING: u32 = 100;
/// The vendors of every house, unless a mistake needs others.
pub const VENDORS: &[&str] = &["mailchimp", "hubspot"];
/// How the hurried person says that everybody has proved who they are.
const PROOF: &str = "account login";

/// The controller's own people and tests.
#[must_use]
pub fn guard() -> GuardList {
    let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect();
    GuardList {
        own_domains: texts(&["acme.example", "acme-group.example"]),
        staff: texts(&["founder@private.example", "eve@home.example"]),
        test_accounts: texts(&["qa-1", "qa+1@checks.example"]),
        role_mailboxes: texts(&["accounting", "datenschutz", "feedback"]),
    }
}

/// One installation.
pub struct House {
    folder: TempDir,
    key: PathBuf,
    vault: Arc<Vault>,
    vendors: Vec<&'static str>,
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ran {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// What was printed as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// # Panics
    /// When the program did not succeed.
    #[must_use]
    pub fn done(self) -> Json {
        assert_eq!(self.exit, 0, "{self:?}");
        self.json()
    }
}

/// Where the program keeps the months' keys.
const KEY_FOLDER: &str = "efface.keys";

/// They are read as the program reads them, and made when the first request is filed from within.
struct KeyFiles {
    folder: PathBuf,
    master: MasterKey,
}

impl MonthKeys for KeyFiles {
    fn key(&self, month: &Month) -> Result<MonthKey, efface_vault::Error> {
        let file = self.folder.join(format!("{month}.key"));
        if let Ok(text) = fs::read_to_string(&file) {
            return MonthKey::parse(&text, &self.master);
        }
        let key = MonthKey::generate(month.clone(), &mut |bytes| OsChance.fill(bytes));
        fs::create_dir_all(&self.folder).expect("a folder");
        let text = key.to_text(&self.master, &mut |bytes| OsChance.fill(bytes));
        write_private(&file, &text);
        Ok(key)
    }
}

impl House {
    /// A house with an empty database.
    ///
    /// # Panics
    /// When any part cannot be built, here and below: this is a test's wiring.
    pub async fn build(vendors: &[&'static str]) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let master = MasterKey::generate(&mut |bytes| OsChance.fill(bytes));
        let (vault, roots) = Vault::create(&master, &mut |bytes| OsChance.fill(bytes));
        let key = folder.path().join("efface.key");
        write_private(&key, &master.to_text());
        let months = KeyFiles { folder: folder.path().join(KEY_FOLDER), master };
        let vault = vault.with_months(Box::new(months));
        let house = Self { folder, key, vault: Arc::new(vault), vendors: vendors.to_vec() };
        let connection = Connection::connect(&house.url(), 2, true).await.expect("database");
        connection.migrate().await.expect("a schema");
        let roots = serde_json::to_string(&roots).expect("roots");
        connection.claim_meta("vault_roots", &roots).await.expect("the vault's roots");
        house.write_settings();
        house
    }

    /// The same house at this moment, from where it has another future.
    pub async fn fork(&self, peek: &Peek) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        peek.copy_to(&folder.path().join("efface.db")).await;
        let key = folder.path().join("efface.key");
        let text = fs::read_to_string(&self.key).expect("key");
        write_private(&key, &text);
        // the months' keys as well, where something was filed
        if let Ok(files) = fs::read_dir(self.path(KEY_FOLDER)) {
            fs::create_dir(folder.path().join(KEY_FOLDER)).expect("a folder");
            for file in files {
                let name = file.expect("a file").file_name();
                let to = folder.path().join(KEY_FOLDER).join(&name);
                fs::copy(self.path(KEY_FOLDER).join(&name), to).expect("copied");
            }
        }
        let (vault, vendors) = (self.vault.clone(), self.vendors.clone());
        let fork = Self { folder, key, vault, vendors };
        fork.write_settings();
        fork
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("sqlite://{}", self.path("efface.db").display())
    }

    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same installation inside this process, with its vendors, under a clock that can be moved.
    pub async fn world(&self, clock: Arc<MovedClock>) -> World {
        let plan = Plan::new(&self.url(), &self.vendors);
        let cooling_off = Duration::from_secs(COOLING_OFF_HOURS * 3600);
        World::build(Plan {
            policy: Policy { cooling_off, ..plan.policy },
            people_per_day: CEILING,
            call_timeout: Duration::from_secs(10),
            clock,
            guard: guard(),
            default_phone_region: Some("DE".into()),
            vault: Some(self.vault.clone()),
            ..plan
        })
        .await
    }

    /// Runs `efface` here.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(efface());
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("EFFACE_CONFIG");
        let output = command.output().expect("the program runs");
        Ran {
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// As [`House::run`], beside a worker of this process.
    pub async fn run_beside(self: &Arc<Self>, args: &[&str]) -> Ran {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        let house = self.clone();
        let run = move || house.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await.expect("the program runs")
    }

    /// Imports a file so that everybody in it is erased.
    pub async fn import(self: &Arc<Self>, file: &str, more: &[&str]) -> Ran {
        let import = ["request", "import", file, "--json", "--action", "erase"];
        self.run_beside(&[&import, more].concat()).await
    }

    /// As [`House::import`], by somebody who says that everybody has proved who they are.
    pub async fn import_hurriedly(self: &Arc<Self>, file: &str, more: &[&str]) -> Ran {
        self.import(file, &[&["--proof", PROOF], more].concat()).await
    }

    /// Releases all of an import without a look.
    pub async fn release_hurriedly(self: &Arc<Self>, import: &str) -> Ran {
        self.run_beside(&["request", "release", "--all-of", import, "--yes", "--json"]).await
    }

    /// The receipt of an imported file: `(line, outcome, reason)` of each row.
    #[must_use]
    pub fn receipt(&self, file: &str) -> Vec<(u64, String, String)> {
        let text = fs::read_to_string(self.path(&format!("{file}.receipt.csv"))).expect("receipt");
        let read = |line: &str| {
            let mut cells = line.splitn(4, ',');
            let number = cells.next().and_then(|n| n.parse().ok()).expect("a line's number");
            let outcome = cells.next().expect("an outcome").to_owned();
            let reason = cells.nth(1).unwrap_or_default().trim_matches('"').to_owned();
            (number, outcome, reason)
        };
        text.lines().skip(1).map(read).collect()
    }

    fn write_settings(&self) {
        let guard = guard();
        let mut text = format!(
            "[database]\nurl = {url:?}\n[vault]\nmaster_key_file = {key:?}\n\
             [policy]\ncooling_off_hours = {COOLING_OFF_HOURS}\nguard_role_mailboxes = {roles:?}\n\
             [controllers.default]\nname = \"Acme\"\ntime_zone = \"UTC\"\ndefault_phone_region = \"DE\"\n\
             own_domains = {own:?}\nstaff = {staff:?}\ntest_accounts = {tests:?}\n",
            url = self.url(),
            key = self.key,
            roles = guard.role_mailboxes,
            own = guard.own_domains,
            staff = guard.staff,
            tests = guard.test_accounts,
        );
        for vendor in &self.vendors {
            let plugin = efface_registry::find(vendor).expect("vendor");
            let settings = (plugin.fake)().settings("demo-key");
            text += &format!(
                "[accounts.{vendor}]\nconnector = {vendor:?}\nallow_loopback = true\n\
                 base_url = \"http://127.0.0.1:9\"\ndaily_ceiling_people = {CEILING}\n\
                 settings = {}\n",
                inline(&settings)
            );
        }
        fs::write(self.path("efface.toml"), text).expect("settings");
    }
}

/// Writes a file into a house.
///
/// # Panics
/// When it cannot be written.
pub fn put_file(house: &House, name: &str, content: &[u8]) {
    let path: &Path = &house.path(name);
    fs::write(path, content).expect("a file");
}
