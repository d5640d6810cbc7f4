//! The folder of months' keys and its recovery copy: one small file for each month, sealed by the
//! master, outside the database.

use std::{
    fs,
    io::{self, ErrorKind, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use efface_core::outside::Chance as _;
use efface_settings::Settings;
use efface_store::SqlStore;
use efface_vault::{Error as VaultError, MasterKey, Month, MonthKey, MonthKeys};

use super::{files::write_whole, outside::OsChance};

const ENDING: &str = "key";
/// The copy of the master key in the recovery folder.
pub const MASTER_COPY: &str = "efface-master.key";

/// Where keys lie, and the master that opens them.
pub struct KeyFolder {
    folder: PathBuf,
    recovery: Option<PathBuf>,
    master: MasterKey,
}

impl MonthKeys for KeyFolder {
    fn key(&self, month: &Month) -> Result<MonthKey, VaultError> {
        match fs::read_to_string(file_in(&self.folder, month)) {
            Ok(text) => MonthKey::parse(&text, &self.master),
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::error!(%error, %month, "a month's key cannot be read");
                }
                Err(VaultError::MonthKeyGone { month: month.to_string() })
            }
        }
    }
}

/// The file of a month's key in a folder.
#[must_use]
pub fn file_in(folder: &Path, month: &Month) -> PathBuf {
    folder.join(format!("{month}.{ENDING}"))
}

impl KeyFolder {
    #[must_use]
    pub fn of(settings: &Settings, master: MasterKey) -> Self {
        Self {
            folder: settings.vault.key_folder.clone(),
            recovery: settings.vault.recovery_folder.clone(),
            master,
        }
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[must_use]
    pub fn recovery(&self) -> Option<&Path> {
        self.recovery.as_deref()
    }

    /// The months of which a file lies in a folder, in order.
    ///
    /// # Errors
    /// When the folder cannot be read; one that is not there is empty.
    pub fn months_in(folder: &Path) -> io::Result<Vec<Month>> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
            entries => entries?,
        };
        let mut months = vec![];
        for entry in entries {
            let path = entry?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).map(Month::parse);
            if let (Some(Ok(month)), true) = (name, path.extension().is_some_and(|e| e == ENDING)) {
                months.push(month);
            }
        }
        months.sort();
        Ok(months)
    }

    /// Sees to it that this month and the next have their keys, and the database knows which.
    ///
    /// # Errors
    /// When a key cannot be made, or another machine made another one for the month.
    pub async fn ensure(&self, store: &SqlStore, by: &str) -> Result<()> {
        for month in store.months_in_use()? {
            let made = match self.key(&month) {
                Ok(key) => (key, false),
                Err(VaultError::MonthKeyGone { .. }) => match self.come_back(&month)? {
                    Some(key) => (key, false),
                    None => (self.make(store, &month).await?, true),
                },
                Err(error) => return Err(error).context(self.shown(&month)),
            };
            let (key, new) = made;
            let stands = store.claim_month(&month, &key.id(), by).await?;
            if stands != key.id() {
                if new {
                    remove(&file_in(&self.folder, &month))?;
                }
                bail!(
                    "{} is not the key that this database knows for {month} ({stands}); copy that file from the machine that made it, every process needs the same",
                    self.shown(&month)
                );
            }
            if let Err(error) = self.copy(&month) {
                tracing::warn!(%month, "the key is not in the recovery folder yet: {error:#}");
            }
        }
        Ok(())
    }

    /// A key whose file is missing here and lies in the recovery folder.
    fn come_back(&self, month: &Month) -> Result<Option<MonthKey>> {
        let Some(copy) = self.recovery().map(|folder| file_in(folder, month)) else {
            return Ok(None);
        };
        let text = match fs::read_to_string(&copy) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", copy.display()));
            }
        };
        let key = MonthKey::parse(&text, &self.master)
            .with_context(|| format!("{} cannot be used", copy.display()))?;
        self.write(&self.folder, month, &text)?;
        Ok(Some(key))
    }

    /// Makes a month's key, unless the database knows one already.
    async fn make(&self, store: &SqlStore, month: &Month) -> Result<MonthKey> {
        let known = store.month_keys().await?.into_iter().find(|row| row.month == *month);
        if let Some(known) = known {
            bail!(
                "{} is missing, and requests are sealed under it ({}); bring it back from the recovery copy, or from the machine that made it",
                self.shown(month),
                known.key_id
            );
        }
        let key = MonthKey::generate(month.clone(), &mut |bytes| OsChance.fill(bytes));
        let text = key.to_text(&self.master, &mut |bytes| OsChance.fill(bytes));
        match self.write(&self.folder, month, &text) {
            Ok(()) => Ok(key),
            // another process was faster
            Err(error) => self.key(month).map_err(|_| error),
        }
    }

    fn write(&self, folder: &Path, month: &Month, text: &str) -> Result<()> {
        make_private(folder)?;
        let file = file_in(folder, month);
        write_whole(&file, format!("{}\n", text.trim_end()).as_bytes(), false)
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Sees to it that a month's key lies in the recovery folder, where there is one.
    ///
    /// # Errors
    /// When it cannot be written, or another key of that month lies there.
    pub fn copy(&self, month: &Month) -> Result<()> {
        let Some(recovery) = self.recovery() else { return Ok(()) };
        let text = fs::read_to_string(file_in(&self.folder, month))
            .with_context(|| format!("cannot read {}", self.shown(month)))?;
        let place = file_in(recovery, month);
        match fs::read_to_string(&place) {
            Ok(there) => {
                let same = MonthKey::parse(&there, &self.master)
                    .is_ok_and(|copy| self.key(month).is_ok_and(|own| own.id() == copy.id()));
                if !same {
                    bail!("{} holds another key and is not overwritten", place.display());
                }
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => self.write(recovery, month, &text),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", place.display())),
        }
    }

    /// Whether the file of a month in a folder is that key.
    #[must_use]
    pub fn opens(&self, folder: &Path, month: &Month, key_id: &str) -> bool {
        let text = fs::read_to_string(file_in(folder, month));
        let key = text.ok().and_then(|text| MonthKey::parse(&text, &self.master).ok());
        key.is_some_and(|key| key.id() == key_id)
    }

    /// Removes a month's files, the copy first: what is written over and gone here is gone.
    ///
    /// # Errors
    /// When a folder cannot be reached; then nothing here was removed.
    pub fn destroy(&self, month: &Month) -> Result<usize> {
        if let Some(recovery) = self.recovery()
            && !recovery.is_dir()
        {
            bail!(
                "the recovery folder {} is not there, and a copy of the key may lie in it; is it mounted?",
                recovery.display()
            );
        }
        let mut removed = 0;
        for folder in self.recovery().into_iter().chain([self.folder()]) {
            let file = file_in(folder, month);
            if file.symlink_metadata().is_ok() {
                overwrite(&file)
                    .with_context(|| format!("cannot write over {}", file.display()))?;
                remove(&file)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Seals a month's file anew, by another master; whether it was not already.
    ///
    /// # Errors
    /// When neither master opens it, or it cannot be written.
    pub fn reseal(&self, folder: &Path, month: &Month, next: &MasterKey) -> Result<bool> {
        let file = file_in(folder, month);
        let shown = || format!("{} cannot be used", file.display());
        let text = fs::read_to_string(&file).with_context(shown)?;
        if MonthKey::parse(&text, next).is_ok() {
            return Ok(false);
        }
        let key = MonthKey::parse(&text, &self.master).with_context(shown)?;
        let anew = key.to_text(next, &mut |bytes| OsChance.fill(bytes));
        write_whole(&file, format!("{anew}\n").as_bytes(), true)
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(true)
    }

    fn shown(&self, month: &Month) -> String {
        file_in(&self.folder, month).display().to_string()
    }
}

/// A folder that its owner alone may look into.
///
/// # Errors
/// When it cannot be made.
pub fn make_private(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}

fn overwrite(file: &Path) -> io::Result<()> {
    let mut open = fs::OpenOptions::new().write(true).open(file)?;
    let length = usize::try_from(open.metadata()?.len()).unwrap_or(0);
    open.rewind()?;
    open.write_all(&vec![0; length])?;
    open.sync_all()
}

fn remove(file: &Path) -> Result<()> {
    fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))
}

/// Where the next master key lies while it is being brought in.
#[must_use]
pub fn next(master_key_file: &Path) -> PathBuf {
    let mut name = master_key_file.as_os_str().to_owned();
    name.push(".next");
    PathBuf::from(name)
}

/// Lends one folder to the vault and to whoever looks after it.
pub struct Shared(pub Arc<KeyFolder>);

impl MonthKeys for Shared {
    fn key(&self, month: &Month) -> Result<MonthKey, VaultError> {
        self.0.key(month)
    }
}
