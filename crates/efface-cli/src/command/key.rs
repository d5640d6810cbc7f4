//! `efface key`: the master key, the months' keys, their recovery copy, and their end.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::{Args as ClapArgs, Subcommand};
use efface_core::outside::Chance as _;
use efface_settings::VendorSecrets;
use efface_store::MonthKeyRow;
use efface_vault::{MasterKey, Month, WrappedRoots};
use serde_json::json;

use crate::{
    args::GlobalArgs,
    ask::confirm,
    exit::{Exit, Failure},
    print::{self, Table, say, when},
    wiring::{
        Context, KeyFolder, OsChance, connect, database_file,
        files::write_whole,
        keys::{self, MASTER_COPY, file_in},
        load_settings_with, safe,
    },
};

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make this month's and the next month's key, and the recovery copy of all keys
    Init(InitArgs),
    /// Which keys there are, where they lie, and what they still wrap
    Status(StatusArgs),
    /// Bring in a new master key
    Rotate(RotateArgs),
    /// Destroy a month's key: no backup of the database opens that month any more
    DestroyMonth(DestroyArgs),
}

/// `efface key init`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  EFFACE__VAULT__RECOVERY_FOLDER=/mnt/recovery/efface efface key init

Needs vault.recovery_folder, a folder on another disk or machine. Run again, it copies what is missing
there. Whoever has the folder and the database can read everything: keep it as safe as the database.")]
pub struct InitArgs {}

/// `efface key status`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  efface key status\n  efface key status --json")]
pub struct StatusArgs {}

/// `efface key rotate`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  efface key rotate --yes

Seals the roots and the months' keys anew, by a new master key that takes the place of the old one in
vault.master_key_file and in the recovery folder. What is sealed under them stays as it is. Cut short, it
goes on where it stopped when it is run again. Stop `efface serve` and `efface worker` before, or
start them again after: they hold the old key.")]
pub struct RotateArgs {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// `efface key destroy-month`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  efface key destroy-month 2026-01 --yes

What is not forgotten yet of that month is first carried over to this month's key. Then the key's file
and its recovery copy are written over and removed. From then on no backup of the database opens what
was forgotten of that month, whoever has the master key. Copies of the key folder that efface does not
know of are yours to remove; on flash storage and on file systems that copy on write, what was written
over may stay readable to whoever takes the medium apart.")]
pub struct DestroyArgs {
    /// The month in which the requests were filed (UTC), for example 2026-01
    month: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Carries a subcommand out.
///
/// # Errors
/// With what stood in the way.
pub async fn run(global: &GlobalArgs, command: Command) -> Result<Exit> {
    match command {
        Command::Init(_) => init(&Context::open_without_vendors(global).await?).await,
        Command::Status(_) => status(&Context::open_without_vendors(global).await?).await,
        Command::Rotate(args) => rotate(global, args.yes).await,
        Command::DestroyMonth(args) => {
            destroy(&Context::open_without_vendors(global).await?, &args).await
        }
    }
}

async fn init(context: &Context) -> Result<Exit> {
    let Some(recovery) = context.keys.recovery() else {
        return Err(Failure::refused("no recovery copy can be made: vault.recovery_folder is not set")
            .hint("set it to a folder on another disk or machine; what happens to this one must not happen to both")
            .into());
    };
    refuse_beside(context, recovery)?;
    if !recovery.is_dir() {
        fs::create_dir(recovery)
            .with_context(|| format!("cannot make the folder {}", recovery.display()))?;
        print::aside(format!("made {}; is the other disk mounted there?", recovery.display()));
    }
    context.keys.ensure(&context.store, &context.actor).await?;
    let master = recovery.join(MASTER_COPY);
    let text = context.settings.vault.master_key_text()?;
    match fs::read_to_string(&master) {
        Ok(there) if there.trim() == text.expose().trim() => {}
        Ok(_) => bail!(
            "{} is another master key and is not overwritten; move it away if it is not needed",
            master.display()
        ),
        Err(_) => write_whole(&master, format!("{}\n", text.expose().trim()).as_bytes(), false)
            .with_context(|| format!("cannot write {}", master.display()))?,
    }
    let months = KeyFolder::months_in(context.keys.folder())?;
    for month in &months {
        context.keys.copy(month)?;
    }
    if context.json {
        let months: Vec<&str> = months.iter().map(Month::as_str).collect();
        print::json(&json!({ "recovery_folder": recovery, "months": months }))?;
    } else {
        say!(
            "the master key and {} lie in {}",
            print::count(months.len(), "month's key"),
            recovery.display()
        );
    }
    Ok(Exit::Done)
}

/// A copy that shares the fate of what it copies is none.
fn refuse_beside(context: &Context, recovery: &Path) -> Result<()> {
    let whole = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        path.canonicalize().unwrap_or(path)
    };
    let vault = &context.settings.vault;
    let master = vault.master_key_file.as_deref().and_then(Path::parent);
    let database = database_file(&context.settings);
    let own =
        [Some(vault.key_folder.as_path()), master, database.as_deref().and_then(Path::parent)];
    if own.into_iter().flatten().any(|own| whole(own) == whole(recovery)) {
        return Err(Failure::refused(format!(
            "no copy was made: {} is where the keys or the database themselves lie",
            recovery.display()
        ))
        .hint("vault.recovery_folder belongs on another disk or machine")
        .into());
    }
    Ok(())
}

/// How a month's key stands at a place.
fn at(keys: &KeyFolder, folder: &Path, row: &MonthKeyRow) -> &'static str {
    if keys.opens(folder, &row.month, &row.key_id) {
        "there"
    } else if file_in(folder, &row.month).symlink_metadata().is_ok() {
        "unusable"
    } else {
        "missing"
    }
}

async fn status(context: &Context) -> Result<Exit> {
    let rows = context.store.month_keys().await?;
    let by_master = context.store.wrapped_by_master().await?;
    let here = |row: &MonthKeyRow| at(&context.keys, context.keys.folder(), row);
    let copy = |row: &MonthKeyRow| match context.keys.recovery() {
        Some(folder) => at(&context.keys, folder, row),
        None => "no folder set",
    };
    if context.json {
        let months: Vec<_> = rows
            .iter()
            .map(|row| {
                let (at, by) = row.destroyed.clone().unzip();
                json!({
                    "month": row.month.as_str(), "key": row.key_id, "made_at": row.made_at,
                    "wraps_keys": row.wraps, "file": here(row), "recovery_copy": copy(row),
                    "destroyed_at": at, "destroyed_by": by,
                })
            })
            .collect();
        print::json(&json!({ "wrapped_by_master": by_master, "months": months }))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["month", "key", "wraps", "file", "recovery copy", "destroyed"]);
    for row in &rows {
        let destroyed = row.destroyed.as_ref();
        table.row([
            row.month.to_string(),
            row.key_id.clone(),
            print::count(usize::try_from(row.wraps).unwrap_or(usize::MAX), "key"),
            here(row).to_owned(),
            copy(row).to_owned(),
            destroyed.map_or_else(String::new, |(at, by)| format!("{} by {by}", when(*at))),
        ]);
    }
    table.print("no month has a key yet; the first request that is filed makes one")?;
    if by_master > 0 {
        say!(
            "\n{by_master} older request keys are wrapped by the master itself; `efface key rotate` carries them over"
        );
    }
    Ok(Exit::Done)
}

async fn destroy(context: &Context, args: &DestroyArgs) -> Result<Exit> {
    let month = Month::parse(args.month.trim())
        .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", args.month)))?;
    context.store.ended_month(&month).await?;
    confirm(
        &format!("Destroy the key of {month}, here and in the recovery folder, for good?"),
        args.yes,
    )?;
    context.keys.need_recovery().map_err(|error| Failure::refused(error.to_string()))?;
    context.keys.ensure(&context.store, &context.actor).await?;
    let mut carried = 0;
    loop {
        let some = context.store.carry_over(&format!("month:{month}:")).await?;
        if some == 0 {
            break;
        }
        carried += some;
    }
    context.store.destroy_month(&month, &context.actor).await?;
    let removed = context.keys.destroy(&month)?;
    if context.json {
        print::json(&json!({
            "month": month.as_str(), "carried_over": carried, "files_removed": removed,
        }))?;
    } else {
        say!(
            "the key of {month} is destroyed: {} carried over to this month's key, {} removed",
            print::count(usize::try_from(carried).unwrap_or(usize::MAX), "request key"),
            print::count(removed, "file")
        );
    }
    Ok(Exit::Done)
}

/// What a rotation works on.
struct Rotation {
    file: PathBuf,
    next_file: PathBuf,
    recovery: Option<PathBuf>,
}

async fn rotate(global: &GlobalArgs, yes: bool) -> Result<Exit> {
    let settings = load_settings_with(global, VendorSecrets::LeftAlone)?;
    let by_file =
        settings.vault.master_key_file.clone().filter(|_| settings.vault.master_key.is_none());
    let Some(file) = by_file else {
        return Err(Failure::refused("the master key comes by value or reference, and only a file can be replaced")
            .hint("set vault.master_key_file for the rotation, or replace the key where it is kept afterwards")
            .into());
    };
    let recovery = settings.vault.recovery_folder.clone();
    let rotation = Rotation { next_file: keys::next(&file), file, recovery };
    confirm("Bring in a new master key? Every process needs a restart afterwards.", yes)?;
    let connection = connect(&settings, false).await?;
    connection.check_schema().await?;
    let master = safe::master_key(&settings)?;
    let old_id = master.id();
    let roots_text =
        connection.meta(safe::ROOTS).await?.context("the database holds no keys yet")?;
    let roots: WrappedRoots = serde_json::from_str(&roots_text)
        .context("the database's row `vault_roots` cannot be read")?;
    let folder = KeyFolder::of(&settings, master);
    folder.need_recovery().map_err(|error| Failure::refused(error.to_string()))?;
    let begun = rotation.begun()?;
    if roots.wrapped_by == old_id {
        refuse_while_workers_live(&Context::open_without_vendors(global).await?).await?;
        // what the master wraps itself goes over to a month's key, while this master opens those
        let context = Context::open_without_vendors(global).await?;
        if begun.is_none() {
            context.keys.ensure(&context.store, &context.actor).await?;
        }
        while context.store.carry_over("master:").await? > 0 {}
    } else if begun.as_ref().is_none_or(|next| next.id() != roots.wrapped_by) {
        return Err(Failure::refused(format!(
            "nothing was done: the database's keys are wrapped by master {}, and {} is {old_id}",
            roots.wrapped_by,
            rotation.file.display()
        ))
        .hint("the key was rotated on another machine: copy the master key and the key folder from there")
        .into());
    }
    let next = rotation.next_master()?;
    let places: Vec<&Path> =
        rotation.recovery.iter().map(PathBuf::as_path).chain([folder.folder()]).collect();
    for place in &places {
        for month in KeyFolder::months_in(place)? {
            folder.opens_by_either(place, &month, &next)?;
        }
    }
    let mut resealed = 0;
    for place in &places {
        for month in KeyFolder::months_in(place)? {
            resealed += usize::from(folder.reseal(place, &month, &next)?);
        }
    }
    if roots.wrapped_by != next.id() {
        let master = safe::master_key(&settings)?;
        let anew = roots.rewrap(&master, &next, &mut |bytes| OsChance.fill(bytes))?;
        let anew = serde_json::to_string(&anew).context("the roots cannot be written down")?;
        if !connection.replace_meta(safe::ROOTS, &roots_text, &anew).await? {
            bail!("somebody else rotated the key meanwhile; look with `efface key status`");
        }
    }
    rotation.put_in_place()?;
    // what a process left behind that was killed while it wrote a key
    for place in places {
        keys::remove_half_written(place)?;
    }
    keys::remove_half_written(rotation.file.parent().unwrap_or(Path::new(".")))?;
    let context = Context::open_without_vendors(global).await?;
    let change = format!("rotated, {old_id} to {}", next.id());
    context.store.note_key("master", &change, &context.actor).await?;
    if global.json {
        print::json(&json!({ "from": old_id, "to": next.id(), "months_resealed": resealed }))?;
    } else {
        say!(
            "the master key is now {} (it was {old_id}); {} sealed anew",
            next.id(),
            print::count(resealed, "month's file")
        );
        say!(
            "Start `efface serve` and `efface worker` again, and renew your own copies of {}.",
            rotation.file.display()
        );
    }
    Ok(Exit::Done)
}

/// A worker reads months' keys as it needs them, by the master it was started with.
async fn refuse_while_workers_live(context: &Context) -> Result<()> {
    let leases = context.store.leases().await?;
    let Some(until) = leases.iter().map(|(_, _, until)| *until).max() else { return Ok(()) };
    let mut owners: Vec<&str> = leases.iter().map(|(_, owner, _)| owner.as_str()).collect();
    owners.sort_unstable();
    owners.dedup();
    let message = format!("nothing was done: {} holds lanes, by the old key", owners.join(", "));
    let hint = format!(
        "stop `efface serve` and `efface worker` everywhere; the lanes of one that was killed are free at {}",
        when(until)
    );
    Err(Failure::refused(message).hint(hint).into())
}

impl Rotation {
    fn recovery_next(&self) -> Option<PathBuf> {
        self.recovery.as_deref().map(|folder| keys::next(&folder.join(MASTER_COPY)))
    }

    /// The next key of a rotation that was cut short.
    fn begun(&self) -> Result<Option<MasterKey>> {
        match fs::read_to_string(&self.next_file) {
            Ok(text) => Ok(Some(MasterKey::parse(&text)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.begun_elsewhere(),
            Err(error) => {
                Err(error).with_context(|| format!("cannot read {}", self.next_file.display()))
            }
        }
    }

    /// It was lost here, and its copy was not.
    fn begun_elsewhere(&self) -> Result<Option<MasterKey>> {
        let copy = self.recovery_next().and_then(|copy| fs::read_to_string(copy).ok());
        let Some(text) = copy else { return Ok(None) };
        let key = MasterKey::parse(&text)?;
        write_whole(&self.next_file, text.as_bytes(), false)
            .with_context(|| format!("cannot write {}", self.next_file.display()))?;
        Ok(Some(key))
    }

    /// The key that is coming in: of a rotation that was cut short, or a new one. Its copy lies in the
    /// recovery folder before anything is sealed by it.
    fn next_master(&self) -> Result<MasterKey> {
        let shown = self.next_file.display();
        let text = match fs::read_to_string(&self.next_file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = MasterKey::generate(&mut |bytes| OsChance.fill(bytes));
                let text = key.to_text();
                write_whole(&self.next_file, format!("{}\n", &*text).as_bytes(), false)
                    .with_context(|| format!("cannot write {shown}"))?;
                text.to_string()
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        };
        if let Some(copy) = self.recovery_next() {
            write_whole(&copy, format!("{}\n", text.trim()).as_bytes(), true)
                .with_context(|| format!("cannot write {}", copy.display()))?;
        }
        MasterKey::parse(&text).with_context(|| format!("{shown} is no master key"))
    }

    fn put_in_place(&self) -> Result<()> {
        if let (Some(next), Some(folder)) = (self.recovery_next(), &self.recovery) {
            fs::rename(&next, folder.join(MASTER_COPY))
                .with_context(|| format!("cannot rename {}", next.display()))?;
        }
        fs::rename(&self.next_file, &self.file)
            .with_context(|| format!("cannot rename {}", self.next_file.display()))
    }
}
