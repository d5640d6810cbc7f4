//! The wiring: settings, database, safe and vendors' crates put together, and the only places that
//! read the clock, draw chance and look at the environment.

pub mod anchor;
pub mod directory;
pub mod elsewhere;
pub mod errand;
pub mod files;
pub mod fleet;
pub mod keys;
pub mod log;
pub mod outside;
pub mod safe;
pub mod saved;
pub mod telemetry;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use efface_core::{
    AccountId, ControllerId, Timestamp,
    outside::{Chance, Clock},
};
use efface_settings::{Settings, VendorSecrets};
use efface_store::{AccountSpec, Connection, Directory, Error, SqlStore};
use efface_vault::Vault;
use efface_worker::{Hands, TokioRuntime};

pub use directory::BuiltAccount;
pub use fleet::fleet;
pub use keys::KeyFolder;
pub use outside::{OsChance, SystemClock};

use crate::{
    args::GlobalArgs,
    exit::{Exit, Failure},
    print,
};

/// The file looked for when none is named.
pub const SETTINGS_FILE: &str = "efface.toml";

/// Everything a command works with.
pub struct Context {
    pub settings: Arc<Settings>,
    pub store: Arc<SqlStore>,
    pub accounts: Vec<BuiltAccount>,
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
    pub keys: Arc<KeyFolder>,
    /// Who acts.
    pub actor: String,
    pub json: bool,
}

impl Context {
    /// Opens what the settings name: an existing, migrated database and its safe, and every account
    /// with its vendor's secrets. For what calls a vendor, and for what plans: what a vendor can do
    /// may hang on any of its settings.
    ///
    /// # Errors
    /// Whatever stands in the way, in the words of the part that found it.
    pub async fn open(global: &GlobalArgs) -> Result<Self> {
        let context = Self::open_with(global, VendorSecrets::Read).await?;
        // whatever is filed from here on is sealed under this month's key
        context.keys.ensure(&context.store, &context.actor).await?;
        Ok(context)
    }

    /// Opens what the settings name without the vendors' secrets: whoever has the database and its
    /// key can look and brake.
    ///
    /// # Errors
    /// As [`Context::open`].
    pub async fn open_without_vendors(global: &GlobalArgs) -> Result<Self> {
        Self::open_with(global, VendorSecrets::LeftAlone).await
    }

    async fn open_with(global: &GlobalArgs, vendors: VendorSecrets) -> Result<Self> {
        let settings = load_settings_with(global, vendors)?;
        refuse_nowhere(global, &settings)?;
        let connection = connect(&settings, false).await?;
        Self::assemble(settings, connection, global.json).await
    }

    /// Opens what the emergency brake needs: database and key. What else is wrong with the settings
    /// is told and does not hold it up; the accounts are then those of the database.
    ///
    /// # Errors
    /// When database or key cannot be read.
    pub async fn open_to_stop(global: &GlobalArgs) -> Result<Self> {
        let file = settings_file(global);
        let (settings, problems) = Settings::load_to_stop(file.as_deref(), outside::environment())?;
        refuse_nowhere(global, &settings)?;
        let connection = connect(&settings, false).await?;
        connection.check_schema().await?;
        let safe = safe::open_with_keys(&connection, &settings).await?;
        let mut told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let accounts = directory::accounts_for(&connection, &settings).await;
        let known = accounts.and_then(|accounts| {
            let directory = directory::directory(&settings, &accounts)?;
            Ok((accounts, directory))
        });
        let (accounts, directory) = known.unwrap_or_else(|error| {
            told.push(error.to_string());
            (vec![], Directory::default())
        });
        if !told.is_empty() {
            print::aside("warning: the settings are wrong; this stops all the same:");
            told.iter().for_each(|problem| print::aside(format!("  {problem}")));
        }
        Self::put_together(settings, connection, safe, (accounts, directory), global.json).await
    }

    /// Puts a context together over a connected database.
    ///
    /// # Errors
    /// As [`Context::open`].
    pub async fn assemble(settings: Settings, connection: Connection, json: bool) -> Result<Self> {
        connection.check_schema().await?;
        let safe = safe::open_with_keys(&connection, &settings).await?;
        let accounts = directory::accounts_for(&connection, &settings).await?;
        let directory = directory::directory(&settings, &accounts)?;
        Self::put_together(settings, connection, safe, (accounts, directory), json).await
    }

    async fn put_together(
        settings: Settings,
        connection: Connection,
        (vault, keys): (Vault, Arc<KeyFolder>),
        (accounts, directory): (Vec<BuiltAccount>, Directory),
        json: bool,
    ) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let chance: Arc<dyn Chance> = Arc::new(OsChance);
        let store =
            SqlStore::open(connection, Arc::new(vault), directory, clock.clone(), chance.clone());
        Ok(Self {
            settings: Arc::new(settings),
            store: Arc::new(store.await?),
            accounts,
            clock,
            chance,
            keys,
            actor: outside::actor(),
            json,
        })
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What a worker of this process is handed.
    #[must_use]
    pub fn hands(&self) -> Hands {
        let runtime = Arc::new(TokioRuntime::new());
        Hands { clock: self.clock.clone(), chance: self.chance.clone(), runtime }
    }

    /// Refuses a controller that is not there or whose days cannot be counted yet.
    ///
    /// # Errors
    /// Naming the controllers there are, or the setting that is missing.
    pub fn need_zone(&self, controller: &ControllerId) -> Result<()> {
        self.settings.controller_zone(controller.as_str())?;
        Ok(())
    }

    /// A connected account by its id.
    ///
    /// # Errors
    /// Not found, with the nearest id.
    pub fn account(&self, text: &str) -> Result<&BuiltAccount> {
        let found = self.accounts.iter().find(|a| a.spec.id.as_str() == text);
        found.ok_or_else(|| {
            let names = self.accounts.iter().map(|a| a.spec.id.as_str());
            let near = directory::nearest(text, names).map(|n| format!("did you mean `{n}`?"));
            let hint = near.unwrap_or_else(|| {
                format!("add a section [accounts.{}] to the settings", shortened(text))
            });
            let missing =
                Error::NotFound { what: "account", id: shortened(text), list: "connector" };
            Failure::from(missing).hint(hint).into()
        })
    }

    /// What the settings say about an account, by its id.
    #[must_use]
    pub fn spec(&self, id: &AccountId) -> Option<&AccountSpec> {
        self.accounts.iter().map(|a| &a.spec).find(|s| s.id == *id)
    }
}

/// What a person typed, short enough for an error.
#[must_use]
pub fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

/// The settings file in force: the one named, else the one in this folder, else none.
#[must_use]
pub fn settings_file(global: &GlobalArgs) -> Option<PathBuf> {
    let default = Path::new(SETTINGS_FILE);
    global.config.clone().or_else(|| default.exists().then(|| default.to_owned()))
}

/// The settings file in force for people, or where one was looked for.
#[must_use]
pub fn settings_place(global: &GlobalArgs) -> String {
    match settings_file(global) {
        Some(file) => file.display().to_string(),
        None => format!("the defaults (there is no {})", looked_for().display()),
    }
}

fn looked_for() -> PathBuf {
    std::path::absolute(SETTINGS_FILE).unwrap_or_else(|_| PathBuf::from(SETTINGS_FILE))
}

/// Loads and checks the settings.
///
/// # Errors
/// With every problem found in them.
pub fn load_settings(global: &GlobalArgs) -> Result<Settings> {
    load_settings_with(global, VendorSecrets::Read)
}

/// Loads and checks the settings, with as much of the vendors' secrets as is needed.
///
/// # Errors
/// With every problem found in them.
pub fn load_settings_with(global: &GlobalArgs, vendors: VendorSecrets) -> Result<Settings> {
    let file = settings_file(global);
    Ok(Settings::load_with(file.as_deref(), outside::environment(), vendors)?)
}

/// Refuses a folder in which nothing of efface lies: neither settings nor a database, and none named.
///
/// # Errors
/// Naming the file that was looked for.
pub fn refuse_nowhere(global: &GlobalArgs, settings: &Settings) -> Result<()> {
    let is_somewhere = settings_file(global).is_some()
        || settings.database_is_from_environment()
        || database_file(settings).is_none_or(|file| file.exists());
    if is_somewhere {
        return Ok(());
    }
    let file = looked_for();
    let message = format!("there is no settings file: {} was looked for", file.display());
    let hint = "go to the folder it lies in, or name it with --config FILE or EFFACE_CONFIG; a new installation is made by `efface init`";
    Err(Failure::new(Exit::Failed, message).hint(hint).into())
}

/// Connects to the configured database; `create` lets a SQLite file be made.
///
/// # Errors
/// When it does not answer.
pub async fn connect(settings: &Settings, create: bool) -> Result<Connection> {
    let database = &settings.database;
    Ok(Connection::connect(database.url.expose(), database.max_connections, create).await?)
}

/// The file of a SQLite database.
#[must_use]
pub fn database_file(settings: &Settings) -> Option<PathBuf> {
    let url = settings.database.url.expose();
    let rest = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    let path = rest.split('?').next().unwrap_or(rest);
    // the two that a folder's name can bring in, see `Settings::load`
    let plain = path.replace("%3F", "?").replace("%25", "%");
    (!path.is_empty() && path != ":memory:").then(|| PathBuf::from(plain))
}
