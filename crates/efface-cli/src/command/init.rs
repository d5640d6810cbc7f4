//! `efface init`: settings, key, database. It never overwrites anything.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Args as ClapArgs;
use efface_core::outside::Chance as _;
use efface_settings::{DEFAULT_FILE, Settings};
use efface_vault::MasterKey;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::{
    args::GlobalArgs,
    exit::{Exit, Failure},
    print::{self, say},
    wiring::{
        OsChance, SETTINGS_FILE, connect, database_file, load_settings, outside,
        outside::write_private, safe,
    },
};

const AFTER: &str = "\
Examples:
  efface init --time-zone Europe/Berlin
  efface init --dir privacy --time-zone America/New_York

Writes efface.toml (every setting with its default, explained), efface.key (readable by you alone)
and the database. Nothing that exists is overwritten.";

/// `efface init`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Where to write
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// The zone in which your deadlines are counted, by its IANA name
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    time_zone: Option<String>,
}

fn zone(text: &str) -> Result<String, String> {
    match TimeZone::get(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("not an IANA time zone such as Europe/Paris or America/New_York".into()),
    }
}

/// # Errors
/// When something is there already or cannot be written.
pub async fn run(global: &GlobalArgs, args: &Args) -> Result<Exit> {
    let dir = &args.dir;
    fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
    std::env::set_current_dir(dir).with_context(|| format!("cannot enter {}", dir.display()))?;
    let file = global.config.clone().unwrap_or_else(|| PathBuf::from(SETTINGS_FILE));
    refuse_existing(&file, "settings")?;
    // what the settings say is relative to their own folder
    let expected = Settings::defaults_at(&file, outside::environment())?;
    let key_file = expected.vault.master_key_file.clone();
    if let Some(key_file) = &key_file {
        refuse_existing(key_file, "key")?;
    }
    let database = database_file(&expected);
    if let Some(database) = &database {
        refuse_existing(database, "database")?;
    }
    if let Some(key_file) = &key_file {
        let key = MasterKey::generate(&mut |bytes| OsChance.fill(bytes));
        write_private(key_file, &key.to_text())?;
    }
    write_private(&file, &settings_text(args.time_zone.as_deref()))?;
    if let Some(database) = &database {
        // an empty file is an empty database; made here so that it belongs to its owner alone
        write_private(database, "")?;
    }

    let global = GlobalArgs { config: Some(file.clone()), json: global.json };
    let settings = load_settings(&global)?;
    let made = make_database(&settings).await;
    made.context("the settings and the key were written, the database was not made; `efface migrate` tries again")?;
    if global.json {
        print::json(&json!({
            "settings": file, "key": key_file, "database": database, "time_zone": args.time_zone,
        }))?;
    } else {
        tell(args, &file, key_file.as_deref(), database.as_deref())?;
    }
    Ok(Exit::Done)
}

async fn make_database(settings: &Settings) -> Result<()> {
    let connection = connect(settings, true).await?;
    connection.migrate().await?;
    safe::open_or_create(&connection, &safe::master_key(settings)?, &OsChance).await?;
    Ok(())
}

fn refuse_existing(path: &Path, what: &str) -> Result<()> {
    // a dangling link counts: writing would follow it
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let shown = path.display();
    Err(Failure::refused(format!("{shown} exists already and is not overwritten"))
        .hint(format!(
            "start from the {what} you have (`efface doctor`), or choose another folder with --dir"
        ))
        .into())
}

/// The commented defaults, with the zone filled in where it was given.
fn settings_text(time_zone: Option<&str>) -> String {
    let Some(zone) = time_zone else { return DEFAULT_FILE.to_owned() };
    let filled = format!("time_zone = \"{zone}\"");
    let lines = DEFAULT_FILE
        .lines()
        .map(|line| if line.starts_with("#time_zone = ") { filled.as_str() } else { line });
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

fn tell(args: &Args, file: &Path, key: Option<&Path>, database: Option<&Path>) -> Result<()> {
    let shown = file.display();
    say!("wrote {shown} (every setting with its default)");
    if let Some(key) = key {
        say!("wrote {} (the master key, readable by you alone)", key.display());
    }
    match database {
        Some(database) => say!("made  {}", database.display()),
        None => say!("made  the schema in the configured database"),
    }
    if let Some(key) = key {
        say!(
            "\nCopy {} somewhere safe, apart from the database's backups. Without it nothing in the\ndatabase can be read again, by anybody.",
            key.display()
        );
    }
    say!("\nNext steps");
    let mut steps = vec![];
    if args.dir != Path::new(".") {
        steps.push(format!("cd {}", args.dir.display()));
    }
    if args.time_zone.is_none() {
        steps.push(format!(
            "set controllers.default.time_zone in {shown}: deadlines are counted in your days"
        ));
    }
    steps.push("efface connector list                      which vendors can be connected".into());
    steps.push(format!("efface connector example NAME >> {shown}\n     adds an account; fill in its key. It begins in observe mode: it looks, and changes nothing"));
    steps.push(
        "efface connector check ACCOUNT             does the key work, and what may it do?".into(),
    );
    steps.push("efface connector rehearse ACCOUNT --email you@example.org\n     would it find a person? (look-ups only)".into());
    steps.push(
        "efface connector enable ACCOUNT            makes it live, once you accept what it does"
            .into(),
    );
    steps.push("efface serve                               the API and the worker".into());
    for (n, step) in (1..).zip(&steps) {
        say!("  {n}. {step}");
    }
    Ok(())
}
