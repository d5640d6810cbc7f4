//! A private PostgreSQL cluster for tests: own folder, own port, gone when dropped.
//!
//! Only `std`, and synchronous, because two programs are built from this file: the test kit, and
//! xtask, which starts one cluster for a whole test run and hands its URL to the tests in
//! [`URL_VARIABLE`]. [`TempPostgres::shared`] uses that cluster, or starts one for this process.
//!
//! PostgreSQL refuses to run as root, so for root the cluster belongs to the `postgres` user (or
//! `nobody`). A small shell process outlives us if we are killed, stops the cluster and removes
//! its folder; it is also what cleans up after [`TempPostgres::shared`], which is never dropped.

// Named by path, so that the file means the same in both programs.
#[path = "postgres/cluster.rs"]
mod cluster;
#[cfg(test)]
#[path = "postgres/tests.rs"]
mod tests;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use cluster::Cluster;

/// Where a cluster that is already running is named for the tests of this run.
pub const URL_VARIABLE: &str = "EFFACE_TEST_POSTGRES_URL";
/// The oldest major version the store is written for.
pub const OLDEST_MAJOR: u32 = 15;

const PROGRAMS: [&str; 4] = ["initdb", "pg_ctl", "postgres", "psql"];
/// Why there is no cluster, or not in the state asked for.
#[derive(Debug)]
pub enum PostgresError {
    /// No folder holds the programs of a version that is new enough.
    Missing {
        looked_in: Vec<PathBuf>,
    },
    /// We are root and the machine has no user to run the cluster as.
    NoUser,
    File {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    Command {
        doing: &'static str,
        said: String,
    },
    NotReady {
        log: String,
    },
    /// The cluster was started by somebody else, who alone may stop it.
    NotOurs {
        asked: &'static str,
    },
}

impl fmt::Display for PostgresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { looked_in } => write!(
                f,
                "PostgreSQL {OLDEST_MAJOR} or newer ({}) in none of {looked_in:?}",
                PROGRAMS.join(", ")
            ),
            Self::NoUser => f.write_str("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`"),
            Self::File { doing, path, .. } => write!(f, "{doing}: {}", path.display()),
            Self::Command { doing, said } => write!(f, "{doing}: {said}"),
            Self::NotReady { log } => write!(f, "the cluster did not come up; its log ends:\n{log}"),
            Self::NotOurs { asked } => write!(f, "cannot {asked}: the cluster named by {URL_VARIABLE} belongs to the whole test run"),
        }
    }
}

impl std::error::Error for PostgresError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Missing { .. }
            | Self::NoUser
            | Self::Command { .. }
            | Self::NotReady { .. }
            | Self::NotOurs { .. } => None,
        }
    }
}

fn failed_at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PostgresError {
    move |source| PostgresError::File { doing, path: path.to_owned(), source }
}

/// The folder that holds the programs of one installed PostgreSQL.
#[derive(Clone, Debug)]
pub struct Binaries {
    pub folder: PathBuf,
    pub major: u32,
}

impl Binaries {
    /// The first fit version on `PATH`, else the newest where packages put it.
    pub fn find() -> Result<Self, PostgresError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "programs are found the way a shell finds them"
        )]
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let mut packaged: Vec<PathBuf> =
            ["/usr/lib/postgresql", "/usr/local/opt", "/opt/homebrew/opt", "/usr"]
                .iter()
                .filter_map(|parent| fs::read_dir(parent).ok())
                .flat_map(|entries| entries.flatten().map(|entry| entry.path().join("bin")))
                .filter(|folder| folder.join("initdb").is_file())
                .collect();
        packaged.sort();
        folders.extend(packaged.into_iter().rev());
        for folder in &folders {
            if PROGRAMS.iter().all(|program| folder.join(program).is_file())
                && let Some(major) = major_of(folder)
                && major >= OLDEST_MAJOR
            {
                return Ok(Self { folder: folder.clone(), major });
            }
        }
        Err(PostgresError::Missing { looked_in: folders })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        for name in [
            "PGHOST",
            "PGPORT",
            "PGUSER",
            "PGPASSWORD",
            "PGDATABASE",
            "PGDATA",
            "PGOPTIONS",
            "PGSERVICE",
            "PGSSLMODE",
        ] {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").stdin(Stdio::null());
        command
    }
}

fn major_of(folder: &Path) -> Option<u32> {
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let words = String::from_utf8(output.stdout).ok()?;
    let version = words
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    version.split(|sign: char| !sign.is_ascii_digit()).next()?.parse().ok()
}

/// How a cluster of its own is set up.
#[derive(Clone, Debug)]
pub struct Options {
    settings: Vec<String>,
}

impl Options {
    /// Forgets commits when the machine fails: for tests that never pull the plug.
    pub fn fast() -> Self {
        Self::with(&["fsync=off", "synchronous_commit=off", "full_page_writes=off"])
    }

    /// Keeps what it acknowledged: for crash tests and for measuring.
    pub fn durable() -> Self {
        Self::with(&["fsync=on", "synchronous_commit=on", "full_page_writes=on"])
    }

    /// One more server setting, as `name=value`.
    pub fn setting(mut self, assignment: impl Into<String>) -> Self {
        self.settings.push(assignment.into());
        self
    }

    fn with(durability: &[&str]) -> Self {
        let always = [
            "listen_addresses=127.0.0.1",
            "timezone=UTC",
            "max_connections=200",
            "dynamic_shared_memory_type=mmap",
        ];
        Self {
            settings: always
                .iter()
                .chain(durability)
                .map(|assignment| (*assignment).to_owned())
                .collect(),
        }
    }
}

/// How a running cluster is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Rolls back what is open and ends in good order.
    Fast,
    /// Ends at once; the next start recovers from the log.
    Immediate,
}

/// A cluster for tests: our own, or the one of the whole run.
#[derive(Debug)]
pub struct TempPostgres {
    binaries: Binaries,
    url: String,
    cluster: Option<Cluster>,
}

impl TempPostgres {
    /// A cluster with PostgreSQL's own promises: [`Options::durable`].
    pub fn start() -> Result<Self, PostgresError> {
        Self::start_with(Options::durable())
    }

    pub fn durable() -> Result<Self, PostgresError> {
        Self::start_with(Options::durable())
    }

    pub fn fast() -> Result<Self, PostgresError> {
        Self::start_with(Options::fast())
    }

    pub fn start_with(options: Options) -> Result<Self, PostgresError> {
        let binaries = Binaries::find()?;
        let mut cluster = Cluster::create(binaries.clone(), options)?;
        let password = random_hex()?;
        cluster.initialise(&password)?;
        cluster.launch_on_a_free_port()?;
        let url = format!("postgres://postgres:{password}@127.0.0.1:{}/postgres", cluster.port());
        Ok(Self { binaries, url, cluster: Some(cluster) })
    }

    /// The cluster of the whole test run, else one for this process. Ask it for a fresh database.
    pub fn shared() -> Result<&'static Self, PostgresError> {
        static SHARED: OnceLock<TempPostgres> = OnceLock::new();
        if let Some(found) = SHARED.get() {
            return Ok(found);
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the test run names its cluster in the environment"
        )]
        let named = std::env::var(URL_VARIABLE).ok();
        let made = match named {
            Some(url) => Self { binaries: Binaries::find()?, url, cluster: None },
            None => Self::fast()?,
        };
        Ok(SHARED.get_or_init(|| made))
    }

    /// The maintenance database `postgres`, as its superuser. It holds a password made for this run.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A fresh, empty database; it goes with the cluster.
    pub fn create_database(&self) -> Result<String, PostgresError> {
        let name = format!("t_{}", random_hex()?);
        let mut command = self.binaries.command("psql");
        command.args([
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            &self.url,
            "-c",
            &format!("CREATE DATABASE {name}"),
        ]);
        succeed("create a database", command.output())?;
        Ok(database_url(&self.url, &name))
    }

    /// Stops (if it runs) and starts again on the same port: the URLs stay good.
    pub fn restart(&mut self, mode: StopMode) -> Result<(), PostgresError> {
        let cluster = self.own("restart")?;
        cluster.halt(mode)?;
        cluster.launch()
    }

    /// As a power cut: every process of the cluster is killed. [`Self::restart`] brings it back.
    pub fn kill9(&mut self) -> Result<(), PostgresError> {
        self.own("kill")?.kill9()
    }

    /// Stops in good order and removes the folder; for the cluster of the whole run, lets go of it.
    pub fn stop(mut self) -> Result<(), PostgresError> {
        let Some(mut cluster) = self.cluster.take() else { return Ok(()) };
        cluster.halt(StopMode::Fast)?;
        cluster.remove()
    }

    fn own(&mut self, asked: &'static str) -> Result<&mut Cluster, PostgresError> {
        self.cluster.as_mut().ok_or(PostgresError::NotOurs { asked })
    }
}

fn database_url(url: &str, name: &str) -> String {
    let (address, query) =
        url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    let server = address.rsplit_once('/').map_or(address, |(server, _)| server);
    query.map_or_else(|| format!("{server}/{name}"), |query| format!("{server}/{name}?{query}"))
}

fn succeed(doing: &'static str, ran: io::Result<Output>) -> Result<(), PostgresError> {
    let output = ran.map_err(|error| PostgresError::Command { doing, said: error.to_string() })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(PostgresError::Command { doing, said })
}

/// Sixteen signs nobody guesses: names of databases and passwords of one run.
fn random_hex() -> Result<String, PostgresError> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0_u8; 8];
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(failed_at("read randomness", source))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
