//! A folder in which the real binary lives, beside vendors who fail, fall silent and repeat what
//! they were told.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use efface_connector::fake::{FakeServer, Fault, Tuning};
use tempfile::TempDir;

use super::people::People;
use crate::{faults::home::inline, faults::process::efface, world::stopwatch};

/// A stand-in's day is a sixth of a second.
const TIME_SCALE: f64 = 0.000_002;
/// Small companies: a lost order puts few people before a person.
const PEOPLE_PER_CALL: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// # Panics
    /// When it ended otherwise.
    #[track_caller]
    #[must_use]
    pub fn ends(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{self:?}");
        self
    }

    /// # Panics
    /// When standard output is no JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// What is searched, what is not, and who lives there.
pub struct House {
    /// Everything efface writes: searched.
    pub inside: TempDir,
    /// What an operator typed: not searched.
    pub outside: TempDir,
    program: PathBuf,
    environment: Vec<(String, String)>,
    pub vendors: Vec<(&'static str, FakeServer)>,
    said: std::cell::Cell<u32>,
}

impl House {
    /// Writes settings, key and database, and starts every vendor's stand-in.
    ///
    /// # Panics
    /// When any part cannot be built, here and below: this is a test's wiring.
    pub async fn build(database_url: Option<&str>, worker: &str, people: &People) -> Self {
        let inside = tempfile::tempdir().expect("a folder");
        let outside = tempfile::tempdir().expect("a folder");
        for folder in ["said", "tmp", "anchor"] {
            fs::create_dir(inside.path().join(folder)).expect("a folder");
        }
        let at = |name: &str| inside.path().join(name).display().to_string();
        let mut environment: Vec<(String, String)> = [
            ("TMPDIR", at("tmp").as_str()),
            ("EFFACE__LOG__FILTER", "trace"),
            ("EFFACE__LOG__FORMAT", "json"),
            ("EFFACE__LEDGER__ANCHOR_FOLDER", at("anchor").as_str()),
            ("EFFACE__SERVER__LISTEN", "127.0.0.1:0"),
            ("EFFACE__WORKER__NAME", worker),
            ("EFFACE__WORKER__CALL_TIMEOUT_SECONDS", "2"),
            ("EFFACE__WORKER__LEASE_SECONDS", "10"),
            ("EFFACE__WORKER__DRAIN_SECONDS", "5"),
            ("EFFACE__POLICY__COOLING_OFF_HOURS", "0"),
            ("EFFACE__POLICY__VERIFY_AFTER_MINUTES", "0"),
            ("EFFACE__POLICY__RETRY__BASE_SECONDS", "1"),
            ("EFFACE__POLICY__RETRY__CAP_HOURS", "1"),
            ("EFFACE__CONTROLLERS__DEFAULT__DEFAULT_PHONE_REGION", "GB"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        if let Some(url) = database_url {
            environment.push(("EFFACE__DATABASE__URL".into(), url.into()));
        }
        let mut house = Self {
            inside,
            outside,
            program: efface(),
            environment,
            vendors: vec![],
            said: std::cell::Cell::default(),
        };
        let _ = house.run(&["init", "--time-zone", "Europe/Berlin"]).ends(0);
        house.connect(people).await;
        house
    }

    async fn connect(&mut self, people: &People) {
        let mut sections = String::new();
        for plugin in efface_registry::PLUGINS {
            let vendor = plugin.id;
            let key = people.key(vendor);
            let tuning = Tuning { key: key.clone(), ..Tuning::default() };
            let server = FakeServer::start((plugin.fake)(), tuning, None).await.expect("a vendor");
            people.all.iter().for_each(|person| server.fake().put(&person.identifiers()));
            // the settings name the secrets, and the environment holds them
            let mut settings = server.fake().settings(&key);
            for (name, value) in settings.as_object_mut().expect("a table") {
                self.take_secrets(vendor, name, value, &key);
            }
            let effects: Vec<_> = (plugin.manifest)().side_effects().into_iter().collect();
            let accepted: Vec<&str> = effects.iter().map(|s| s.word()).collect();
            sections += &format!(
                "\n[accounts.{vendor}]\nconnector = {vendor:?}\nbase_url = {:?}\n\
                 allow_loopback = true\nstand_in_time_scale = {TIME_SCALE}\n\
                 daily_ceiling_people = 1000000\ncalls_per_second = 1000.0\n\
                 batch_items = {PEOPLE_PER_CALL}\n\
                 accept_side_effects = {accepted:?}\nsettings = {}\n",
                server.base_url(),
                inline(&settings),
            );
            self.vendors.push((vendor, server));
        }
        let file = self.inside.path().join("efface.toml");
        let before = fs::read_to_string(&file).expect("settings");
        fs::write(file, before + &sections).expect("settings");
        for (vendor, _) in &self.vendors {
            let _ = self.run(&["connector", "enable", vendor, "--yes"]).ends(0);
        }
        self.vendors.iter().for_each(|(_, server)| misbehave(server, people));
    }

    fn take_secrets(&mut self, vendor: &str, name: &str, value: &mut serde_json::Value, key: &str) {
        match value {
            serde_json::Value::String(text) if text.contains(key) => {
                let variable = format!("SECRET_{vendor}_{name}").to_uppercase();
                self.environment.push((variable.clone(), text.clone()));
                *text = format!("env:{variable}");
            }
            serde_json::Value::Object(fields) => {
                for (below, value) in fields {
                    self.take_secrets(vendor, &format!("{name}_{below}"), value, key);
                }
            }
            _ => {}
        }
    }

    pub fn path(&self) -> &Path {
        self.inside.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        command.env_remove("EFFACE_CONFIG").envs(self.environment.iter().cloned());
        command
    }

    /// Runs a command; what it says is kept to be searched.
    pub fn run(&self, args: &[&str]) -> Ran {
        let ran = self.run_in_secret(args);
        self.keep(&format!("{}\n{}", ran.out, ran.err));
        ran
    }

    /// Runs a command that prints a secret on purpose.
    pub fn run_in_secret(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().expect("the binary runs");
        Ran {
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Keeps what was said.
    pub fn keep(&self, said: &str) {
        let n = self.said.replace(self.said.get() + 1);
        fs::write(self.path().join(format!("said/{n}")), said).expect("kept");
    }

    /// Starts the API with a worker; it and its address.
    pub fn serve(&self, log: &str) -> (Served, String) {
        let path = self.path().join(log);
        let file = File::options().create(true).append(true).open(&path).expect("a log");
        let mut command = self.command(&["serve"]);
        command.stdout(file.try_clone().expect("a log")).stderr(file);
        let mut served = Served { child: command.spawn().expect("serve starts") };
        let end = stopwatch() + PATIENCE;
        loop {
            let lines = BufReader::new(File::open(&path).expect("the log")).lines();
            let listening = lines.map_while(Result::ok).find(|l| l.contains("\"listening\""));
            if let Some(line) = listening {
                let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                return (served, line["address"].as_str().expect("an address").to_owned());
            }
            let ended = served.child.try_wait().expect("its status");
            assert!(ended.is_none() && stopwatch() < end, "serve does not come up: {ended:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A running `efface serve`; killed when dropped.
pub struct Served {
    child: Child,
}

impl Drop for Served {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    /// Asks it to stop (SIGTERM) and waits for its end.
    ///
    /// # Panics
    /// When it ends otherwise than asked.
    pub fn stop(mut self) {
        let asked = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(asked.expect("kill runs").success(), "it cannot be asked to stop");
        let ended = self.child.wait().expect("its end");
        assert!(ended.success(), "asked to stop it ended with {ended}");
    }
}

/// Fails, falls silent, breaks off, and repeats in its answers whom it was asked about.
fn misbehave(server: &FakeServer, people: &People) {
    let echo: Arc<str> = people.told().into();
    let repeated = |status: u16| Fault::Reply {
        status,
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("x-request-id".into(), people.all[0].email.clone()),
            ("request-id".into(), people.all[0].user_id.clone()),
            ("location".into(), format!("https://evil.test/{}", people.all[0].email)),
        ],
        body: echo.to_string(),
    };
    let troubles = [
        repeated(500),
        repeated(400),
        Fault::SilenceAfter,
        repeated(422),
        Fault::BreakAfter,
        repeated(200),
        Fault::GarbageAfter,
        Fault::limited("retry-after", "0"),
    ];
    // none so often that an account is left alone for it
    server.faults().next_changing(troubles.into_iter().flat_map(|trouble| [Fault::None, trouble]));
}
