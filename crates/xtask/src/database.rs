//! One PostgreSQL cluster for a whole test run, and the programs it takes.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::postgres::{Binaries, OLDEST_MAJOR, Options, PostgresError, TempPostgres, URL_VARIABLE};
use crate::shell;

/// The URL the tests are given, and what must live as long as they run.
pub struct Cluster {
    pub url: String,
    own: Option<TempPostgres>,
}

impl Cluster {
    /// The one named in the environment, else one of our own.
    pub fn start() -> Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "this is the wiring of the test run")]
        let named = std::env::var(URL_VARIABLE).ok();
        if let Some(url) = named {
            eprintln!("PostgreSQL: the cluster named by {URL_VARIABLE}");
            return Ok(Self { url, own: None });
        }
        let binaries = binaries()?;
        eprintln!(
            "PostgreSQL: a temporary cluster, version {} from {}",
            binaries.major,
            binaries.folder.display()
        );
        let own = TempPostgres::start_with(Options::fast()).context("cannot start PostgreSQL")?;
        Ok(Self { url: own.url().to_owned(), own: Some(own) })
    }

    pub fn stop(self) -> Result<()> {
        match self.own {
            Some(own) => own.stop().context("cannot stop PostgreSQL"),
            None => Ok(()),
        }
    }
}

fn binaries() -> Result<Binaries> {
    match Binaries::find() {
        Err(PostgresError::Missing { .. }) if may_install() => install()?,
        other => return other.context(HOW_TO_INSTALL),
    }
    Binaries::find().with_context(|| {
        format!("the packages of this system bring no PostgreSQL {OLDEST_MAJOR} or newer")
    })
}

const HOW_TO_INSTALL: &str = "the tests need the programs initdb, pg_ctl, postgres and psql of PostgreSQL 15 or newer; \
    install them (Debian, Ubuntu: `apt-get install postgresql`; Fedora: `dnf install postgresql-server`; \
    macOS: `brew install postgresql@17`), or set EFFACE_TEST_POSTGRES_URL to a running cluster";

fn may_install() -> bool {
    let is_root = shell::answer(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    is_root && shell::succeeds(Command::new("apt-get").arg("--version"))
}

fn install() -> Result<()> {
    eprintln!("PostgreSQL is missing: installing the package `postgresql`");
    if let Err(error) = package("postgresql") {
        bail!("{error}; {HOW_TO_INSTALL}");
    }
    Ok(())
}

fn package(name: &str) -> Result<()> {
    shell::run(Command::new("apt-get").args(["update", "-q"]))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-q", "-y", "--no-install-recommends", name]);
    shell::run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

/// What shifts the wall clock of one process: without it one scene of the fault harness is not played.
pub fn see_to_the_clock() {
    if is_there("libfaketime") {
        return;
    }
    if may_install() {
        eprintln!("libfaketime is missing: installing the package `libfaketime`");
        match package("libfaketime") {
            Ok(()) => return,
            Err(error) => eprintln!("warning: {error}"),
        }
    }
    eprintln!(
        "warning: libfaketime is missing (Debian, Ubuntu: `apt-get install libfaketime`): the scene `clock` of the fault harness is not played"
    );
}

/// Whether its folder lies where Linux systems keep it.
fn is_there(name: &str) -> bool {
    let beside = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = beside.map(|folder| folder.path()).collect();
    folders.extend(["/usr/lib".into(), "/usr/lib64".into()]);
    folders.iter().any(|f| f.join("faketime").join(format!("{name}MT.so.1")).is_file())
}
