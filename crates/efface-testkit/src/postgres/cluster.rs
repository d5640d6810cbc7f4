//! The processes and the folder of one cluster: make, start, stop, kill, remove.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{Binaries, Options, PostgresError, StopMode, failed_at, random_hex, succeed};

const PAUSE: Duration = Duration::from_millis(20);
/// Times [`PAUSE`]: a minute, for a machine that is busy compiling.
const PATIENCE: u32 = 3_000;
/// A port is free when we ask and may be taken when the cluster starts.
const PORTS_TRIED: u32 = 4;

const WATCHDOG: &str = r#"
cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) || pid=
case "$pid" in
'' | *[!0-9]*) ;;
*)
    if { tr '\0' ' ' <"/proc/$pid/cmdline" || ps -o args= -p "$pid"; } 2>/dev/null | grep -qF "$1/data"; then
        kill -QUIT "$pid"
        turns=0
        while kill -0 "$pid" 2>/dev/null && [ "$turns" -lt 50 ]; do sleep 0.1; turns=$((turns + 1)); done
    fi
    ;;
esac
rm -rf "$1"
"#;

#[derive(Debug)]
pub(super) struct Cluster {
    binaries: Binaries,
    options: Options,
    folder: PathBuf,
    port: u16,
    runs_as: Option<User>,
    postmaster: Option<Child>,
    watchdog: Option<Child>,
}

/// Whom the processes belong to when we are root.
#[derive(Clone, Copy, Debug)]
struct User {
    uid: u32,
    gid: u32,
}

impl Cluster {
    /// The empty folder, its owner, and the watchdog that removes it when we are gone.
    pub(super) fn create(binaries: Binaries, options: Options) -> Result<Self, PostgresError> {
        let name = format!("efface-pg-{}-{}", process::id(), random_hex()?);
        let folder = base_folder().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(failed_at("make the cluster's folder", &folder))?;
        let mut cluster = Self {
            binaries,
            options,
            folder,
            port: 0,
            runs_as: None,
            postmaster: None,
            watchdog: None,
        };
        // A folder we made belongs to us: its owner tells whether we are root.
        let owner = fs::metadata(&cluster.folder)
            .map_err(failed_at("look at the cluster's folder", &cluster.folder))?;
        if owner.uid() == 0 {
            let user = user_for_root()?;
            cluster.runs_as = Some(user);
            cluster.give_away(&cluster.folder)?;
        }
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "sh"])
            .arg(&cluster.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(failed_at("start the watchdog of", &cluster.folder))?;
        cluster.watchdog = Some(watchdog);
        Ok(cluster)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Passwords, not trust: a loopback port is open to every user of the machine.
    pub(super) fn initialise(&self, password: &str) -> Result<(), PostgresError> {
        let secret = self.folder.join("password");
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&secret)
            .and_then(|mut file| file.write_all(password.as_bytes()))
            .map_err(failed_at("write", &secret))?;
        self.give_away(&secret)?;
        let mut command = self.command("initdb");
        command
            .args(["--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .args(["--auth=password", "--pwfile"])
            .arg(&secret)
            .arg("-D")
            .arg(self.data());
        succeed("initialise the cluster", command.output())?;
        fs::remove_file(&secret).map_err(failed_at("remove", &secret))
    }

    pub(super) fn launch_on_a_free_port(&mut self) -> Result<(), PostgresError> {
        let mut tried = 0;
        loop {
            self.port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .and_then(|listener| listener.local_addr())
                .map_err(failed_at("find a free port for", &self.folder))?
                .port();
            tried += 1;
            match self.launch() {
                Err(PostgresError::NotReady { .. }) if tried < PORTS_TRIED => {}
                other => return other,
            }
        }
    }

    pub(super) fn launch(&mut self) -> Result<(), PostgresError> {
        let log = self.log();
        let open = || OpenOptions::new().append(true).create(true).open(&log);
        let (out, err) =
            (open().map_err(failed_at("open", &log))?, open().map_err(failed_at("open", &log))?);
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        command.arg("-k").arg(&self.folder).stdout(out).stderr(err);
        for assignment in &self.options.settings {
            command.args(["-c", assignment]);
        }
        let mut postmaster = command.spawn().map_err(failed_at("start", &self.data()))?;
        for _ in 0..PATIENCE {
            if !matches!(postmaster.try_wait(), Ok(None)) {
                return Err(self.not_ready());
            }
            if self.is_ready(postmaster.id()) {
                self.postmaster = Some(postmaster);
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        end_now(&mut postmaster);
        Err(self.not_ready())
    }

    /// Asks through `pg_ctl`, waits, and kills what does not listen.
    pub(super) fn halt(&mut self, mode: StopMode) -> Result<(), PostgresError> {
        let Some(mut postmaster) = self.postmaster.take() else { return Ok(()) };
        let word = match mode {
            StopMode::Fast => "fast",
            StopMode::Immediate => "immediate",
        };
        let mut command = self.command("pg_ctl");
        command.args(["stop", "-W", "-m", word, "-D"]).arg(self.data());
        let asked = succeed("stop the cluster", command.output());
        if asked.is_ok() {
            for _ in 0..PATIENCE {
                if !matches!(postmaster.try_wait(), Ok(None)) {
                    return Ok(());
                }
                thread::sleep(PAUSE);
            }
        }
        // A postmaster that had ended before we asked is stopped as well.
        let had_ended = !matches!(postmaster.try_wait(), Ok(None));
        end_now(&mut postmaster);
        self.kill_the_rest()?;
        if had_ended { Ok(()) } else { asked.and(Err(self.not_ready())) }
    }

    pub(super) fn kill9(&mut self) -> Result<(), PostgresError> {
        if let Some(mut postmaster) = self.postmaster.take() {
            end_now(&mut postmaster);
        }
        self.kill_the_rest()
    }

    /// The folder and the watchdog, after the processes.
    pub(super) fn remove(&mut self) -> Result<(), PostgresError> {
        let removed = match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
        if let Some(mut watchdog) = self.watchdog.take() {
            // `wait` closes its standard input first, which is what it waits for.
            let _ = watchdog.wait();
        }
        removed.map_err(failed_at("remove the cluster", &self.folder))
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    #[cfg(test)]
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.binaries.command(program);
        command.current_dir(&self.folder);
        if let Some(user) = self.runs_as {
            // For root, `uid` also drops the supplementary groups.
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    fn give_away(&self, path: &Path) -> Result<(), PostgresError> {
        let Some(user) = self.runs_as else { return Ok(()) };
        chown(path, Some(user.uid), Some(user.gid)).map_err(failed_at("give away", path))
    }

    /// Line 1 of the lock file is the process, line 8 its status.
    fn is_ready(&self, pid: u32) -> bool {
        let Ok(text) = fs::read_to_string(self.data().join("postmaster.pid")) else { return false };
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
    }

    fn not_ready(&self) -> PostgresError {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        PostgresError::NotReady { log: lines[lines.len().saturating_sub(20)..].join("\n") }
    }

    /// A server process may finish a statement after its postmaster died: none may.
    fn kill_the_rest(&self) -> Result<(), PostgresError> {
        for _ in 0..PATIENCE {
            let left = processes_in(&self.data());
            if left.is_empty() {
                return Ok(());
            }
            // One of them may be gone by now, which `kill` calls a failure.
            let _ = Command::new("sh")
                .args(["-c", "kill -KILL \"$@\" 2>/dev/null", "sh"])
                .args(left)
                .status();
            thread::sleep(PAUSE);
        }
        Err(self.not_ready())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Nobody is left to tell; the watchdog tries once more when we end.
        let _ = self.halt(StopMode::Immediate);
        let _ = self.remove();
    }
}

fn end_now(child: &mut Child) {
    // Fails only for a process that has ended.
    let _ = child.kill();
    let _ = child.wait();
}

/// The processes at work in a folder. PostgreSQL works in its data folder, so this also finds those
/// whose parent is gone; where there is no `/proc` the list is empty.
pub(super) fn processes_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == folder))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// The temporary folder, unless the cluster's user could not come to it. Short, because the path of
/// a socket may have some hundred signs.
fn base_folder() -> PathBuf {
    let wanted = std::env::temp_dir();
    let open_to_all = wanted
        .ancestors()
        .all(|part| fs::metadata(part).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0));
    let fits = wanted.as_os_str().len() < 50;
    if open_to_all && fits { wanted } else { PathBuf::from("/tmp") }
}

fn user_for_root() -> Result<User, PostgresError> {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres", "nobody"]
        .iter()
        .find_map(|wanted| users.lines().find_map(|line| user_in(line, wanted)))
        .ok_or(PostgresError::NoUser)
}

fn user_in(line: &str, wanted: &str) -> Option<User> {
    let mut fields = line.split(':');
    if fields.next()? != wanted {
        return None;
    }
    let mut numbers = fields.skip(1);
    Some(User { uid: numbers.next()?.parse().ok()?, gid: numbers.next()?.parse().ok()? })
}
