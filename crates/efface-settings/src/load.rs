//! Loading: from the sources to checked settings, with as much of the vendors'
//! secrets as the command at hand needs.

use crate::error::{Error, Problem};
use crate::layers::{Layers, PREFIX, join};
use crate::references;
use crate::secret::Secret;
use crate::sections::Settings;
use crate::walk::{Walked, anchored, walk};
use std::collections::BTreeMap;
use std::path::Path;

/// How much of the vendors' own tables is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VendorSecrets {
    /// Every reference is resolved: the vendors are going to be called.
    Read,
    /// `env:NAME` and `<key>_file` stay references: no vendor is called, and
    /// whoever has the database and its key need not have the vendors' keys.
    LeftAlone,
}

impl Settings {
    /// Reads, merges and checks the settings. `path` is the user's file, if one
    /// is to be read; `env` is the environment, of which `EFFACE__…` are
    /// settings and the others may be referred to as `"env:NAME"`.
    ///
    /// # Errors
    /// [`Error::NoFile`] or [`Error::Unreadable`] for the file,
    /// [`Error::Syntax`] when it is not TOML, and [`Error::Invalid`] with every
    /// problem found in it.
    pub fn load(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        Self::load_with(path, env, VendorSecrets::Read)
    }

    /// As [`Settings::load`], with as much of the vendors' secrets as is needed.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn load_with(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
        vendors: VendorSecrets,
    ) -> Result<Self, Error> {
        let environment: BTreeMap<String, String> = env.into_iter().collect();
        let layers = Layers::read(path, &environment)?;
        let (settings, problems) = read(layers, &environment, folder_of(path), vendors)?;
        if problems.is_empty() { Ok(settings) } else { Err(Error::Invalid(problems)) }
    }

    /// What a settings file that holds nothing would give, were it at `path`.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn defaults_at(
        path: &Path,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let environment: BTreeMap<String, String> = env.into_iter().collect();
        let layers = Layers::read(None, &environment)?;
        let folder = folder_of(Some(path));
        let (settings, problems) = read(layers, &environment, folder, VendorSecrets::LeftAlone)?;
        if problems.is_empty() { Ok(settings) } else { Err(Error::Invalid(problems)) }
    }

    /// The settings for the emergency brake: whatever else is wrong, they hold
    /// when `[database]` and `[vault]` can be read. The other problems come
    /// beside, and no account is then in the settings: a value that was put
    /// right by its default must not be taken for the user's.
    ///
    /// # Errors
    /// When database or key are not known, or the file cannot be parsed and the
    /// environment does not name both.
    pub fn load_to_stop(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Self, Vec<Problem>), Error> {
        let environment: BTreeMap<String, String> = env.into_iter().collect();
        let (layers, unread) = match Layers::read(path, &environment) {
            Ok(layers) => (layers, None),
            Err(error) if names_both(&environment) => {
                (Layers::read(None, &environment)?, Some(error))
            }
            Err(error) => return Err(error),
        };
        let folder = folder_of(path);
        let (mut settings, mut problems) =
            read(layers, &environment, folder, VendorSecrets::LeftAlone)?;
        let needed = |p: &Problem| {
            ["database.url", "vault.master_key"].iter().any(|s| p.path.starts_with(s))
        };
        if problems.iter().any(needed) {
            problems.retain(needed);
            return Err(Error::Invalid(problems));
        }
        problems.extend(unread.map(|error| Problem {
            path: "the settings file".to_owned(),
            source: String::new(),
            message: format!("was left out: {error}"),
            hint: None,
        }));
        if !problems.is_empty() {
            settings.accounts.clear();
        }
        Ok((settings, problems))
    }

    /// Keys of an account's own table, dotted, that were given by reference and
    /// not read.
    #[must_use]
    pub fn left_alone(&self, account: &str) -> Vec<&str> {
        let above = format!("accounts.{account}.settings.");
        self.left_alone.iter().filter_map(|path| path.strip_prefix(&above)).collect()
    }

    /// Whether the environment, not file or defaults, says where the database is.
    #[must_use]
    pub fn database_is_from_environment(&self) -> bool {
        let origin = |key: &str| self.origins.get(&join("database", key));
        [origin("url"), origin("url_file")].into_iter().flatten().any(|o| o.starts_with(PREFIX))
    }
}

/// Whether the environment alone names database and key.
fn names_both(environment: &BTreeMap<String, String>) -> bool {
    let has = |key: &str| {
        let variable = format!("{PREFIX}{key}");
        [format!("{variable}_FILE"), variable].iter().any(|v| environment.contains_key(v))
    };
    has("DATABASE__URL") && has("VAULT__MASTER_KEY")
}

/// The folder paths are relative to, unless it is the one efface is started in.
fn folder_of(path: Option<&Path>) -> Option<&Path> {
    let folder = path?.parent()?;
    (!folder.as_os_str().is_empty() && folder != Path::new(".")).then_some(folder)
}

fn read(
    layers: Layers,
    environment: &BTreeMap<String, String>,
    folder: Option<&Path>,
    vendors: VendorSecrets,
) -> Result<(Settings, Vec<Problem>), Error> {
    let Walked { clean, shown, mut problems, left_alone } =
        walk(&layers, environment, folder, vendors);
    let mut settings: Settings = match serde_json::from_value(clean) {
        Ok(settings) => settings,
        Err(cause) if problems.is_empty() => return Err(Error::Shape(cause)),
        Err(_) => return Err(Error::Invalid(problems)),
    };
    settings.shown = shown;
    settings.origins = layers.origins;
    settings.left_alone = left_alone;
    settings.anchor(folder);
    problems.extend(settings.validate());
    problems.sort_by(|a, b| a.path.cmp(&b.path));
    problems.dedup();
    Ok((settings, problems))
}

impl Settings {
    /// Makes the paths of database and key independent of the folder efface is
    /// started in.
    fn anchor(&mut self, folder: Option<&Path>) {
        let at = |setting: &str, given: &Path| anchored(&self.origins, folder, setting, given);
        let key = self.vault.master_key_file.as_deref();
        let key = key.map(|file| at("vault.master_key_file", file));
        let given = self.shown.get("database").and_then(|d| d.get("url")).and_then(|u| u.as_str());
        let by_variable = given.is_some_and(references::from_reference);
        // where a file gives the address, that file is the settings' own
        let setting = if given.is_some() { "database.url" } else { "database.url_file" };
        let url = sqlite_file(self.database.url.expose()).filter(|_| !by_variable);
        let url = url.map(|(start, file, end)| {
            let whole = at(setting, Path::new(file));
            let before = whole.to_string_lossy();
            // what is put before it is escaped as the rest of an address is
            let before = before.strip_suffix(file).unwrap_or_default();
            format!("{start}{}{file}{end}", before.replace('%', "%25").replace('?', "%3F"))
        });
        let folder_of_keys = at("vault.key_folder", &self.vault.key_folder);
        let recovery = self.vault.recovery_folder.as_deref();
        let recovery = recovery.map(|folder| at("vault.recovery_folder", folder));
        self.vault.master_key_file = key;
        self.vault.key_folder = folder_of_keys;
        self.vault.recovery_folder = recovery;
        let anchors = self.ledger.anchor_folder.as_deref();
        self.ledger.anchor_folder = anchors.map(|folder| at("ledger.anchor_folder", folder));
        if let Some(url) = url {
            self.database.url = Secret::new(url);
        }
    }
}

/// What stands before, in and after the path of a SQLite address.
fn sqlite_file(url: &str) -> Option<(&str, &str, &str)> {
    let rest = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    let start = &url[..url.len() - rest.len()];
    let at = rest.find('?').unwrap_or(rest.len());
    let (file, end) = rest.split_at(at);
    (!file.is_empty() && file != ":memory:").then_some((start, file, end))
}
