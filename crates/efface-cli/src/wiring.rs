//! The wiring: settings, database, safe and vendors' crates put together, and the only places that
//! read the clock, draw chance and look at the environment.

pub mod directory;
pub mod errand;
pub mod fleet;
pub mod outside;
pub mod safe;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use efface_core::{
    AccountId, ControllerId, Timestamp,
    outside::{Chance, Clock},
};
use efface_settings::Settings;
use efface_store::{AccountSpec, Connection, Error, SqlStore};
use efface_worker::{Hands, TokioRuntime};

pub use directory::BuiltAccount;
pub use fleet::fleet;
pub use outside::{OsChance, SystemClock};

use crate::args::GlobalArgs;

/// The file looked for when none is named.
pub const SETTINGS_FILE: &str = "efface.toml";

/// Everything a command works with.
pub struct Context {
    pub settings: Arc<Settings>,
    pub store: Arc<SqlStore>,
    pub accounts: Vec<BuiltAccount>,
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
    /// Who acts.
    pub actor: String,
    pub json: bool,
}

impl Context {
    /// Opens what the settings name: an existing, migrated database and its safe.
    ///
    /// # Errors
    /// Whatever stands in the way, in the words of the part that found it.
    pub async fn open(global: &GlobalArgs) -> Result<Self> {
        let settings = load_settings(global)?;
        let connection = connect(&settings, false).await?;
        Self::assemble(settings, connection, global.json).await
    }

    /// Puts a context together over a connected database.
    ///
    /// # Errors
    /// As [`Context::open`].
    pub async fn assemble(settings: Settings, connection: Connection, json: bool) -> Result<Self> {
        connection.check_schema().await?;
        let vault = safe::open(&connection, &safe::master_key(&settings)?).await?;
        let accounts = directory::accounts_for(&connection, &settings).await?;
        let directory = directory::directory(&settings, &accounts)?;
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
            crate::exit::Failure::from(missing).hint(hint).into()
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

/// Loads and checks the settings.
///
/// # Errors
/// With every problem found in them.
pub fn load_settings(global: &GlobalArgs) -> Result<Settings> {
    Ok(Settings::load(settings_file(global).as_deref(), outside::environment())?)
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
    (!path.is_empty() && path != ":memory:").then(|| PathBuf::from(path))
}
