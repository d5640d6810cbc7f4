//! A database that was set back to an older copy, by the real binary: the worker refuses it, `efface
//! restore` finds the way on, and no vendor is told twice what a repeat could harm.
#![cfg(unix)]

#[path = "house/mod.rs"]
#[allow(dead_code, reason = "each test binary uses its own part")]
mod house;
#[path = "house/play.rs"]
#[allow(dead_code, reason = "each test binary uses its own part")]
mod play;

use std::{
    fs,
    path::Path,
    process::{Child, Command},
    thread,
    time::Duration,
};

use efface_connector::{
    IdentifierKind,
    fake::{FakeServer, Tuning},
};
use house::House;
use play::{KEY, Play, serve};
use serde_json::Value;
use tempfile::TempDir;

const ERASE: [&str; 4] = ["--action", "erase", "--proof", "account login"];

/// Two vendors: what the one is told may be told again, what the other is told may not.
struct Scene {
    play: Play,
    mailing: FakeServer,
    outside: TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Scene {
    fn new() -> Self {
        let play = Play::new();
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let plugin = efface_registry::find("amplitude").expect("the vendor");
        let tuning = Tuning { key: KEY.into(), ..Tuning::default() };
        let start = FakeServer::start((plugin.fake)(), tuning, None);
        let mailing = runtime.block_on(start).expect("a server");
        let outside = TempDir::new().expect("a folder");
        let scene = Self { play, mailing, outside, runtime };
        scene.settings();
        for name in ["ada", "bob", "eve"] {
            let email = (IdentifierKind::Email, format!("{name}@example.org"));
            let user = (IdentifierKind::UserId, format!("user-{name}"));
            scene.play.server.fake().put(std::slice::from_ref(&email));
            scene.mailing.fake().put(&[email, user]);
        }
        for account in ["news", "events"] {
            scene.house().run(&["connector", "enable", account, "--yes"]).done();
        }
        scene
    }

    fn house(&self) -> &House {
        &self.play.house
    }

    fn settings(&self) {
        let path = self.house().path().join("efface.toml");
        let mut text = fs::read_to_string(&path).expect("settings");
        let folder = self.outside.path().join("checkpoints").display().to_string();
        for (key, value) in [
            ("cooling_off_hours = ", "0".to_owned()),
            ("verify_after_minutes = ", "0".to_owned()),
            ("forget_days = ", "0".to_owned()),
            ("#anchor_folder = ", format!("{folder:?}")),
        ] {
            let line = text.lines().find(|l| l.starts_with(key)).expect(key).to_owned();
            let key = key.trim_start_matches('#');
            text = text.replacen(&line, &format!("{key}{value}"), 1);
        }
        fs::write(path, text).expect("written");
        self.play
            .account(KEY, "accept_side_effects = [\"contacts_the_person\", \"blocks_reentry\"]");
        let settings = toml::to_string(&self.mailing.fake().settings(KEY)).expect("settings");
        self.house().append(&format!(
            "[accounts.events]\nconnector = \"amplitude\"\nbase_url = \"{}\"\nallow_loopback = true\nstand_in_time_scale = 0.0000001\naccept_side_effects = [\"mails_admins\"]\n[accounts.events.settings]\n{settings}",
            self.mailing.base_url()
        ));
    }

    fn file(&self, name: &str) -> String {
        let (email, user) = (format!("{name}@example.org"), format!("user-{name}"));
        let args = ["request", "file", "--json", "--email", &email, "--user-id", &user];
        let filed = self.house().run(&[&args[..], &ERASE[..]].concat()).done().json();
        filed["request"]["id"].as_str().expect("an id").to_owned()
    }

    fn release(&self, id: &str) {
        self.house().run(&["request", "release", id, "--yes"]).done();
    }

    fn shown(&self, id: &str) -> Value {
        self.house().run(&["request", "show", id, "--json"]).done().json()
    }

    fn task(&self, id: &str, account: &str) -> Value {
        let shown = self.shown(id);
        let tasks = shown["tasks"].as_array().expect("tasks").clone();
        tasks.into_iter().find(|t| t["account"] == account).unwrap_or_else(|| panic!("{shown}"))
    }

    fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let so = (0..400).any(|_| {
            thread::sleep(Duration::from_millis(50));
            is_so()
        });
        assert!(so, "{what}");
    }

    fn closes(&self, id: &str) {
        self.until("it closes", || self.shown(id)["request"]["state"] == "closed");
    }

    /// Calls that change somebody, as the vendors saw them.
    fn changes(&self) -> Vec<String> {
        let seen = |server: &FakeServer| -> Vec<String> {
            server.log().iter().flat_map(|line| line.effects.clone()).collect()
        };
        [seen(&self.play.server), seen(&self.mailing)].concat()
    }

    fn copy(&self, from: &Path, to: &Path) {
        for name in ["efface.db", "efface.db-wal", "efface.db-shm"] {
            match from.join(name).exists() {
                true => drop(fs::copy(from.join(name), to.join(name)).expect("copied")),
                false => drop(fs::remove_file(to.join(name))),
            }
        }
    }

    fn key(&self) -> String {
        self.house().run(&["audit", "key"]).done().out.trim().to_owned()
    }

    fn verified(&self, id: &str, key: &str) {
        let args = ["evidence", "export", id, "-o", "pack.zip", "--force"];
        self.house().run(&args).done();
        self.house().run(&["verify", "pack.zip", "--key", key]).ends(0, &["VERIFIED"]);
    }
}

fn stop(mut child: Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}

/// What stood when the copy was made, and what came after.
struct Story {
    scene: Scene,
    ada: String,
    bob: String,
    eve: String,
    dan: String,
    old_key: String,
    /// The database as it last stood.
    newest: TempDir,
}

/// Ada's request is over before the copy. After it Bob's ends and is forgotten, Eve's is sent, Dan's is
/// filed; then everything is set back.
fn set_back() -> Story {
    let scene = Scene::new();
    let (ada, bob, eve) = (scene.file("ada"), scene.file("bob"), scene.file("eve"));
    scene.release(&ada);
    let (child, _, _log) = serve(scene.house());
    scene.closes(&ada);
    stop(child);
    let copy = TempDir::new().expect("a folder");
    scene.copy(scene.house().path(), copy.path());

    let (child, _, _log) = serve(scene.house());
    scene.release(&bob);
    scene.closes(&bob);
    scene.house().run(&["request", "answered", &bob, "--notice", "letter 7"]).done();
    scene.until("Bob is forgotten", || {
        scene.house().run(&["request", "show", &bob, "--reveal"]).out.contains("forgotten")
    });
    scene.mailing.tune(|tuning| tuning.polls_until_done = 1_000_000);
    scene.release(&eve);
    scene.until("Eve is sent", || {
        scene.task(&eve, "events")["state"] == "waiting"
            && scene.task(&eve, "news")["state"] == "settled"
    });
    let dan = scene.file("dan");
    scene.house().run(&["connector", "pause", "news", "--reason", "a fire"]).done();
    stop(child);
    let old_key = scene.key();
    let newest = TempDir::new().expect("a folder");
    scene.copy(scene.house().path(), newest.path());
    scene.copy(copy.path(), scene.house().path());
    Story { scene, ada, bob, eve, dan, old_key, newest }
}

#[test]
fn a_database_that_was_set_back_goes_on_and_tells_no_vendor_twice() {
    let Story { scene, ada, bob, eve, dan, old_key, newest } = set_back();
    let house = scene.house();
    let before = scene.changes();
    house.run(&["worker"]).ends(3, &["older than its last anchored checkpoint", "efface restore"]);
    house.run(&["restore", "--show"]).ends(4, &["never set back"]);
    house.run(&["restore", "--release"]).ends(3, &["no restoration waits"]);
    house.run(&["restore"]).ends(3, &["nothing was done", "--yes", "1 request filed", "1 ended"]);

    let told = house.run(&["restore", "--yes"]);
    told.ends(0, &["ended on record    1 request", "forgotten again    1 request", &dan]);
    told.ends(0, &["nothing is saved from", "account news: paused", "let every system that files"]);
    assert_eq!(scene.shown(&bob)["request"]["state"], "closed");
    house.run(&["request", "show", &bob, "--reveal"]).ends(0, &["forgotten"]);
    assert_eq!(scene.task(&eve, "events")["state"], "desk");
    assert_eq!(scene.task(&eve, "news")["state"], "blocked");
    house.run(&["desk", "list"]).ends(0, &["set_back"]);
    house.run(&["doctor"]).ends(0, &["warn  restore"]);
    house.run(&["restore", "--yes"]).ends(3, &["waits for its release"]);

    // nothing leaves before the release, whatever people do
    for brake in [&["connector", "resume", "news"][..], &["connector", "enable", "news", "--yes"]] {
        house.run(brake).ends(3, &["efface restore --release"]);
    }
    let (child, _, _log) = serve(house);
    scene.release(&eve);
    scene.until("Eve's task is ready", || scene.task(&eve, "news")["state"] == "ready");
    stop(child);
    assert_eq!(scene.changes(), before);

    house.run(&["restore", "--release"]).ends(0, &["by unauthenticated:"]);
    house.run(&["restore", "--release"]).ends(3, &["no restoration waits"]);
    let (child, _, _log) = serve(house);
    scene.until("Eve is asked for again", || scene.task(&eve, "news")["state"] == "settled");
    scene.release(&scene.file("zoe"));
    stop(child);
    assert_eq!(scene.task(&eve, "events")["state"], "desk");
    assert_eq!(scene.changes(), before, "nobody was there to be erased again");

    // both histories stand
    let new_key = scene.key();
    assert_ne!(new_key, old_key);
    house.run(&["audit", "verify"]).ends(0, &["as they were signed"]);
    house.run(&["audit", "status"]).ends(0, &["goes on from", &old_key]);
    scene.verified(&ada, &new_key);
    scene.verified(&bob, &new_key);
    scene.verified(&eve, &new_key);
    house.run(&["restore", "--yes"]).ends(3, &["not behind"]);
    let shown = house.run(&["restore", "--show", "--json"]).done().json();
    assert_eq!(shown["stage"], "released");
    assert_eq!(shown["restoration"]["before"], old_key.as_str());

    // the newest copy of the old log knows nothing of what the new one sent
    scene.copy(newest.path(), house.path());
    house.run(&["worker"]).ends(3, &["a checkpoint of another log"]);
    drop(scene.runtime);
}

#[test]
fn a_restoration_that_was_killed_goes_on_where_it_was() {
    let Story { scene, bob, eve, .. } = set_back();
    let house = scene.house();
    // killed later and later, until one comes through
    let mut after = Duration::from_millis(5);
    loop {
        let mut child = house.command(&["restore", "--yes"]).spawn().expect("starts");
        thread::sleep(after);
        after = after.mul_f64(1.6);
        if child.try_wait().expect("looked").is_some_and(|ended| ended.success()) {
            break;
        }
        child.kill().expect("killed");
        // it may have come through at the last moment
        if child.wait().expect("ended").success() {
            break;
        }
        let shown = house.run(&["restore", "--show", "--json"]);
        if shown.exit == 0 && shown.json()["stage"] == "applied" {
            break;
        }
    }
    let progress = house.run(&["restore", "--show", "--json"]).done().json()["progress"].clone();
    assert_eq!((&progress["ended"], &progress["forgotten"]), (&1.into(), &1.into()), "{progress}");
    assert_eq!(scene.shown(&bob)["request"]["state"], "closed");
    assert_eq!(scene.task(&eve, "events")["state"], "desk");
    house.run(&["restore", "--release"]).done();
    let (child, _, _log) = serve(house);
    stop(child);
    house.run(&["audit", "verify"]).ends(0, &["as they were signed"]);
    let key = scene.key();
    scene.verified(&bob, &key);
}

#[test]
fn what_is_saved_nowhere_or_was_altered_is_told_and_held_back() {
    let Story { scene, bob, eve, .. } = set_back();
    let house = scene.house();
    let before = scene.changes();
    let folder = fs::read_dir(scene.outside.path().join("checkpoints")).expect("a folder");
    let mut saved: Vec<_> = folder.map(|entry| entry.expect("an entry").path()).collect();
    saved.retain(|path| path.extension().is_some_and(|ending| ending == "saved"));
    saved.sort();
    let newest = saved.last().expect("one");
    let text = fs::read_to_string(newest).expect("text");
    assert!(!text.contains("example.org") && !text.contains("user-"), "{text}");
    fs::write(newest, text.replace("\"forgotten\":true", "\"forgotten\":false")).expect("written");
    let told = house.run(&["restore", "--yes"]);
    told.ends(0, &["passed over", "altered", "nor of the leaves from", "ended on record    0"]);
    // of both it may have been sent
    for id in [&bob, &eve] {
        assert_eq!(scene.task(id, "events")["state"], "desk");
    }
    house.run(&["restore", "--release"]).done();
    let (child, _, _log) = serve(house);
    scene.release(&bob);
    scene.until("Bob is asked for", || scene.task(&bob, "news")["state"] == "settled");
    stop(child);
    assert_eq!(scene.changes(), before);
}

#[test]
fn a_database_that_is_not_behind_or_is_at_work_is_not_restored() {
    let scene = Scene::new();
    let house = scene.house();
    house.run(&["restore", "--yes"]).ends(1, &["anchor folder"]);
    scene.file("ada");
    let (child, _, _log) = serve(house);
    let placed = || house.run(&["audit", "status", "--json"]).done().json();
    scene.until("the leaves have their places", || placed()["without_position"] == 0);
    house.run(&["restore", "--yes"]).ends(1, &["a worker runs"]);
    stop(child);
    house.run(&["restore", "--yes"]).ends(3, &["not behind"]);
    house.run(&["restore", "--release"]).ends(3, &["no restoration waits"]);
}

#[test]
fn a_copy_from_before_the_log_began_sends_nothing_again() {
    let scene = Scene::new();
    let house = scene.house();
    let ada = scene.file("ada");
    scene.release(&ada);
    let copy = TempDir::new().expect("a folder");
    scene.copy(house.path(), copy.path());
    let (child, _, _log) = serve(house);
    scene.closes(&ada);
    stop(child);
    let before = scene.changes();
    scene.copy(copy.path(), house.path());
    house.run(&["worker"]).ends(3, &["a checkpoint of another log", "the newest copy"]);
    house.run(&["doctor"]).ends(1, &["fail  anchored log"]);
    assert_eq!(scene.changes(), before);
}

#[test]
fn entries_of_the_lost_time_are_known_again_and_lifted_ones_stay_lifted() {
    let scene = Scene::new();
    let house = scene.house();
    let add = |name: &str| -> String {
        let email = format!("{name}@example.org");
        let args = ["suppression", "add", "--json", "--email", &email, "--scope", "marketing"];
        let added = house.run(&[&args[..], &["--reason", "asked"]].concat()).done().json();
        added["id"].as_str().expect("an id").to_owned()
    };
    let check = |name: &str, answer: &str| {
        let email = format!("{name}@example.org");
        house.run(&["suppression", "check", "--email", &email]).ends(0, &[answer]);
    };
    let ada = add("ada");
    let (child, _, _log) = serve(house);
    stop(child);
    let copy = TempDir::new().expect("a folder");
    scene.copy(house.path(), copy.path());
    let bob = add("bob");
    house.run(&["suppression", "lift", &ada, "--consent", "form 7"]).done();
    let (child, _, _log) = serve(house);
    let placed = || house.run(&["audit", "status", "--json"]).done().json();
    scene.until("the leaves have their places", || placed()["without_position"] == 0);
    stop(child);
    scene.copy(copy.path(), house.path());
    check("ada", "1,yes,marketing");
    check("bob", "1,no");

    let told = house.run(&["restore", "--yes"]);
    told.ends(0, &["1 entry written again by its tags", "1 entry lifted again", &bob, "is lost"]);
    check("ada", "1,no");
    check("bob", "1,yes,marketing,added");
    let listed =
        house.run(&["suppression", "list", "--json"]).done().json()["suppressions"].clone();
    let of_bob = listed.as_array().expect("a list").iter().find(|e| e["id"] == *bob);
    assert_eq!(of_bob.expect("it is there")["kind"], "hash_only");
    house.run(&["restore", "--release"]).done();
    house.run(&["suppression", "lift", &bob, "--consent", "form 8"]).ends(0, &["is lifted"]);
    check("bob", "1,no");
    let (child, _, _log) = serve(house);
    stop(child);
    house.run(&["audit", "verify"]).ends(0, &["as they were signed"]);
}
