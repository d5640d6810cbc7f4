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
    /// There while the master key is being replaced.
    next_master: Option<PathBuf>,
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
            next_master: settings.vault.master_key_file.as_deref().map(next),
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
        let [this, next] = store.months_in_use()?;
        self.ensure_month(store, &this, by).await?;
        if let Err(error) = self.ensure_month(store, &next, by).await {
            // there are days left to mend it
            tracing::warn!(month = %next, "next month's key is not there yet: {error:#}");
        }
        Ok(())
    }

    async fn ensure_month(&self, store: &SqlStore, month: &Month, by: &str) -> Result<()> {
        let (key, is_new) = match self.key(month) {
            Ok(key) => (key, false),
            Err(VaultError::MonthKeyGone { .. }) => match self.come_back(month)? {
                Some(key) => (key, false),
                None => (self.make(store, month).await?, true),
            },
            Err(error) => return Err(error).context(self.shown(month)),
        };
        let stands = store.claim_month(month, &key.id(), by).await?;
        if stands != key.id() {
            if is_new {
                remove(&file_in(&self.folder, month))?;
            }
            bail!(
                "{} is not the key that this database knows for {month} ({stands}); copy that file from the machine that made it, every process needs the same",
                self.shown(month)
            );
        }
        if let Err(error) = self.copy(month) {
            tracing::warn!(%month, "the key is not in the recovery folder yet: {error:#}");
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
        if self.next_master.as_deref().is_some_and(Path::exists) {
            bail!(
                "the key of {month} cannot be made while the master key is being replaced; `efface key rotate` ends that"
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
        if !recovery.is_dir() {
            bail!(
                "the recovery folder {} is not there; mount it, or let `efface key init` make it",
                recovery.display()
            );
        }
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

    /// Where a recovery folder is named, it must be the one that `efface key init` wrote to: another
    /// one in its place holds no copy, and the copy lies elsewhere.
    ///
    /// # Errors
    /// When it is not there, or not that one.
    pub fn need_recovery(&self) -> Result<()> {
        match self.recovery() {
            Some(recovery) if !recovery.join(MASTER_COPY).is_file() => bail!(
                "nothing was done: the copy of the master key is not in the recovery folder {}; is it mounted? `efface key init` makes one",
                recovery.display()
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// Removes a month's files, the copy first: what is written over and gone here is gone.
    ///
    /// # Errors
    /// When a folder cannot be reached; then nothing here was removed.
    pub fn destroy(&self, month: &Month) -> Result<usize> {
        self.need_recovery()?;
        let mut removed = 0;
        for folder in self.recovery().into_iter().chain([self.folder()]) {
            let file = file_in(folder, month);
            if file.symlink_metadata().is_ok() {
                overwrite(&file)
                    .with_context(|| format!("cannot write over {}", file.display()))?;
                remove(&file)?;
                removed += 1;
            }
            removed += remove_parts(folder, &format!(".{month}.{ENDING}."))?;
        }
        Ok(removed)
    }

    /// Whether a month's file opens by the master in force or by the next.
    ///
    /// # Errors
    /// When it opens by neither.
    pub fn opens_by_either(&self, folder: &Path, month: &Month, next: &MasterKey) -> Result<()> {
        let file = file_in(folder, month);
        let shown = || {
            format!(
                "nothing was changed: {} cannot be used; move it away if it is not needed",
                file.display()
            )
        };
        let text = fs::read_to_string(&file).with_context(shown)?;
        if MonthKey::parse(&text, next).is_err() {
            MonthKey::parse(&text, &self.master).with_context(shown)?;
        }
        Ok(())
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

/// Keys that were half written when their process was killed.
///
/// # Errors
/// When one cannot be removed.
pub fn remove_half_written(folder: &Path) -> Result<()> {
    for month in KeyFolder::months_in(folder)? {
        remove_parts(folder, &format!(".{month}.{ENDING}."))?;
    }
    remove_parts(folder, &format!(".{MASTER_COPY}"))?;
    remove_parts(folder, ".efface.key")?;
    Ok(())
}

/// Files of this beginning that were half written when their process was killed.
fn remove_parts(folder: &Path, start: &str) -> Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(start) && name.ends_with(".part")) {
            overwrite(&entry.path()).context("a half-written key cannot be written over")?;
            remove(&entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(folder: &Path, recovery: Option<&Path>) -> KeyFolder {
        let master = MasterKey::generate(&mut |bytes| OsChance.fill(bytes));
        KeyFolder {
            folder: folder.join("keys"),
            recovery: recovery.map(Path::to_owned),
            next_master: None,
            master,
        }
    }

    fn made(keys: &KeyFolder, month: &Month) {
        let key = MonthKey::generate(month.clone(), &mut |bytes| OsChance.fill(bytes));
        let text = key.to_text(&keys.master, &mut |bytes| OsChance.fill(bytes));
        keys.write(&keys.folder, month, &text).expect("written");
    }

    #[test]
    fn a_destroyed_key_is_gone_here_there_and_half_written() {
        let place = tempfile::tempdir().expect("a folder");
        let recovery = place.path().join("recovery");
        let keys = keys(place.path(), Some(&recovery));
        let (old, new) =
            (Month::parse("2026-01").expect("one"), Month::parse("2026-02").expect("one"));
        made(&keys, &old);
        made(&keys, &new);
        // not mounted: nothing is copied into its place, and nothing is destroyed
        assert!(keys.copy(&old).is_err() && !recovery.exists());
        assert!(keys.destroy(&old).is_err());
        assert!(file_in(&keys.folder, &old).exists());
        make_private(&recovery).expect("mounted");
        assert!(keys.destroy(&old).is_err(), "another folder lies in its place");
        fs::write(recovery.join(MASTER_COPY), "a master").expect("written");
        keys.copy(&old).expect("copied");
        keys.copy(&new).expect("copied");
        fs::write(keys.folder.join(".2026-01.key.77.part"), "half").expect("written");
        assert_eq!(keys.destroy(&old).expect("destroyed"), 3);
        assert_eq!(keys.destroy(&old).expect("again"), 0);
        for folder in [keys.folder(), &recovery] {
            assert_eq!(KeyFolder::months_in(folder).expect("listed"), std::slice::from_ref(&new));
            assert!(fs::read_dir(folder).expect("listed").count() <= 2);
        }
        assert!(keys.key(&new).is_ok() && keys.key(&old).is_err());
    }

    #[test]
    fn of_two_who_make_a_months_key_one_is_refused() {
        let place = tempfile::tempdir().expect("a folder");
        let keys = keys(place.path(), None);
        let month = Month::parse("2026-01").expect("one");
        made(&keys, &month);
        let first = keys.key(&month).expect("there").id();
        assert!(keys.write(&keys.folder, &month, "another").is_err());
        assert_eq!(keys.key(&month).expect("there").id(), first);
        assert_eq!(fs::read_dir(&keys.folder).expect("listed").count(), 1, "nothing half-written");
    }
}
