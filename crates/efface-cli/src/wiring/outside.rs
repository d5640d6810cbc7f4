//! The real clock, the operating system's chance, and who and where we are.

use std::{fs, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use efface_core::{
    Timestamp,
    outside::{Chance, Clock},
};

/// The wall clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }
}

/// The operating system's random bytes: keys and nonces are made of them, and a machine that is
/// brought back from a snapshot must not make the same ones again.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsChance;

impl Chance for OsChance {
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            // a key or id from anything else would be worse than no efface at all
            crate::print::aside(format!(
                "error: the operating system gives no random bytes: {error}"
            ));
            std::process::exit(1);
        }
    }
}

/// The environment as the settings take it; what is not text cannot be a setting.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Who acts, as it is recorded until users exist.
#[must_use]
pub fn actor() -> String {
    format!("unauthenticated: {}", user())
}

#[cfg(unix)]
fn user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.or_else(|| variable("USER")).unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(not(unix))]
fn user() -> String {
    variable("USERNAME").unwrap_or_else(|| "unknown".into())
}

fn variable(name: &str) -> Option<String> {
    let found = environment().into_iter().find(|(n, _)| n == name);
    found.map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// The name of this machine; a worker without a name of its own takes it.
#[cfg(unix)]
#[must_use]
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
#[must_use]
pub fn host() -> String {
    variable("COMPUTERNAME").unwrap_or_else(|| "localhost".into())
}

/// Bytes that may still be written where `path` lies.
#[cfg(unix)]
#[must_use]
pub fn free_bytes(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

#[cfg(not(unix))]
#[must_use]
pub fn free_bytes(_path: &Path) -> Option<u64> {
    None
}

/// Who may do what with a file, as `chmod` counts it.
#[cfg(unix)]
#[must_use]
pub fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
#[must_use]
pub fn mode(_path: &Path) -> Option<u32> {
    None
}

/// Writes a file that must not be there yet, readable by its owner alone, down to the disk.
///
/// # Errors
/// When it is there, or cannot be written.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || -> std::io::Result<()> {
        let mut file = options.open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
