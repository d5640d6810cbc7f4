//! The real binary on SQLite: from an empty folder to a cancelled request, and what it says to
//! mistakes.

mod house;

use house::House;

const ERASE: [&str; 2] = ["--action", "erase"];
const PROVED: [&str; 4] = ["--action", "erase", "--proof", "account login"];

#[test]
fn init_writes_everything_once_and_overwrites_nothing() {
    let house = House::empty();
    house.run(&["request", "list"]).ends(1, &["there is no settings file", "efface init"]);
    let told = house.run(&["init"]).done();
    for part in
        ["efface.key", "somewhere safe", "time_zone", "connector check", "connector rehearse"]
    {
        assert!(told.out.contains(part), "{part}: {told:?}");
    }
    #[cfg(unix)]
    for file in ["efface.key", "efface.toml", "efface.db"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = house.path().join(file).metadata().expect(file).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    house.run(&["init"]).ends(3, &["efface.toml exists already", "hint:"]);
    std::fs::remove_file(house.path().join("efface.toml")).expect("removed");
    house.run(&["init"]).ends(3, &["efface.key exists already"]);
    assert!(!house.path().join("efface.toml").exists());
    house.run(&["migrate"]).ends(0, &["up to date"]);
}

#[test]
fn settings_are_checked_with_the_path_and_the_nearest_word() {
    let house = House::new();
    house.run(&["config", "check"]).ends(0, &["the settings fit"]);
    house.run(&["config", "show"]).ends(0, &["time_zone = \"Europe/Berlin\""]);
    house.append(
        "[accounts.a]\nconnector = \"mailchmp\"\n\
         [accounts.b]\nconnector = \"mailchimp\"\nkeyed_by = [\"phone\"]\n\
         accept_side_effects = [\"blocks_reentri\"]\nforwards_to = [\"nowhere\"]\n\
         [accounts.b.settings]\napi_key = \"k-us1\"\naudiences = []\n",
    );
    let checked = house.run(&["config", "check"]);
    checked.ends(
        1,
        &[
            "config: accounts.a.connector is `mailchmp`",
            "did you mean `mailchimp`?",
            "config: accounts.b.accept_side_effects",
            "did you mean `blocks_reentry`?",
            "config: accounts.b.forwards_to names `nowhere`",
            "config: accounts.b.settings.audiences",
        ],
    );
    house.run(&["request", "list"]).ends(1, &["accounts.a.connector"]);
    let wrong = house.command(&["config", "check"]).env("EFFACE__SERVER__LISTN", "x").output();
    let wrong = String::from_utf8(wrong.expect("runs").stderr).expect("text");
    assert!(wrong.contains("EFFACE__SERVER__LISTN"), "{wrong}");
}

#[test]
fn a_request_is_filed_found_explained_released_held_and_cancelled() {
    let house = House::new();
    let filed =
        house.run(&["request", "file", "--email", "ada@example.org", "--action", "erase"]).done();
    for part in ["received", "(provisional)", "next: record how", "no account is connected"] {
        assert!(filed.out.contains(part), "{part}: {filed:?}");
    }
    assert!(!filed.out.contains("ada@example.org"));
    let listed = house.run(&["request", "list", "--json"]).done().json();
    let id = listed["requests"][0]["id"].as_str().expect("an id").to_owned();
    let id = id.as_str();
    assert_eq!(listed["requests"][0]["due_is_provisional"], true);

    let found =
        house.run(&["request", "list", "--email", "ADA@example.org", "--json"]).done().json();
    assert_eq!(found["requests"][0]["id"], id);
    let other =
        house.run(&["request", "list", "--email", "bob@example.org", "--json"]).done().json();
    assert_eq!(other["requests"], serde_json::json!([]));

    let shown = house.run(&["request", "show", id, "--history"]).done();
    assert!(shown.out.contains("a…@e….org") && !shown.out.contains("ada@"), "{shown:?}");
    house.run(&["request", "show", id, "--reveal"]).ends(0, &["ada@example.org"]);

    house
        .run(&["request", "why", id])
        .ends(0, &["nothing proves who the person is", "request identify"]);
    house
        .run(&["request", "release", id, "--yes"])
        .ends(3, &["nothing proves", "request identify"]);
    house.run(&["request", "identify", id, "--proof", "account login"]).ends(0, &["identified"]);
    let asked = house.run(&["request", "release", id]);
    asked.ends(3, &["1 request would be released", "a…@e….org", "--yes"]);
    assert_eq!(state(&house, id), "identified");
    house
        .run(&["request", "release", id, "--yes"])
        .ends(0, &["released 1 request", "nothing irreversible is sent before"]);
    assert_eq!(state(&house, id), "released");
    house.run(&["request", "why", id]).ends(0, &["cools off"]);

    house.run(&["request", "hold", id, "--reason", "litigation"]).ends(0, &["is held"]);
    house.run(&["request", "hold", id, "--reason", "again"]).ends(3, &["held already"]);
    house.run(&["request", "hold", id, "--end"]).ends(0, &["not held any more"]);
    house.run(&["request", "cancel", id]).ends(0, &["cancelled; nothing was sent"]);
    house.run(&["request", "cancel", id]).ends(3, &["cancelled cannot be cancelled"]);
    house.run(&["request", "answered", id, "--notice", "mail"]).ends(0, &["answered"]);
    house.run(&["request", "list", "--state", "cancelled"]).ends(0, &[id, "answered"]);
}

#[test]
fn denial_amendment_duplicates_and_mistakes_keep_their_paper() {
    let house = House::new();
    let first = house.file(&PROVED);
    let again =
        house.run(&[&["request", "file", "--email", "ada@example.org"], &PROVED[..]].concat());
    again.ends(0, &["duplicate of", &first]);
    house.run(&["request", "amend", &first, "--user-id", "U-7"]).ends(0, &["amended"]);
    house.run(&["request", "show", &first]).ends(0, &["user_id", "U…"]);
    let sheet = house.run(&["request", "mark-in-error", &first, "--reason", "wrong person"]).done();
    for part in ["INCIDENT SHEET", "nothing was sent to any vendor", "request cancel"] {
        assert!(sheet.out.contains(part), "{part}: {sheet:?}");
    }
    house.run(&["request", "show", &first]).ends(0, &["in error", "held"]);
    let second = house.file(&["--action", "suppress", "--scope", "marketing"]);
    house
        .run(&["request", "deny", &second, "--code", "excessive", "--note", "the tenth this week"])
        .ends(0, &["denied"]);
}

#[test]
fn mistakes_are_told_with_their_exit_code_and_without_the_person() {
    let house = House::new();
    let (file, canary) = (["request", "file"], "canary.person@@example.org");
    let cases: [(Vec<&str>, i32, &str); 20] = [
        (
            vec!["request", "show", "nonsense"],
            4,
            "request nonsense does not exist; `efface request list` shows what does",
        ),
        (vec!["request", "show", "01930000-0000-7000-8000-000000000000"], 4, "does not exist"),
        (vec!["request", "release", "--all-of", "x", "--yes"], 4, "import x does not exist"),
        (vec!["task", "show", "x"], 4, "`efface task list` shows what does"),
        (vec!["desk", "show", "x"], 4, "`efface desk list` shows what does"),
        (vec!["connector", "check", "crm"], 4, "account crm does not exist"),
        (vec!["connector", "show", "mailchip"], 4, "did you mean `mailchimp`?"),
        (vec!["stop", "--account", "crm"], 4, "account crm does not exist"),
        (vec!["stop"], 2, "--all"),
        (vec!["request", "hold", "x"], 2, "--reason"),
        ([&file[..], &ERASE[..]].concat(), 2, "no identifier"),
        ([&file[..], &["--email", "ada@example.org"][..]].concat(), 2, "--action"),
        (
            [&file[..], &["--email", canary], &ERASE[..]].concat(),
            2,
            "--email: email is not an address",
        ),
        ([&file[..], &["--id", "canary.person"], &ERASE[..]].concat(), 2, "vendor:NAMESPACE=VALUE"),
        (
            [&file[..], &["--email", "a@example.org", "--received-on", "22.11.2026"], &ERASE[..]]
                .concat(),
            2,
            "YYYY-MM-DD",
        ),
        (
            [&file[..], &["--email", "a@example.org", "--received-on", "2026-02-30"], &ERASE[..]]
                .concat(),
            2,
            "YYYY-MM-DD",
        ),
        (
            [&file[..], &["--email", "a@example.org", "--received-on", "2999-01-01"], &ERASE[..]]
                .concat(),
            3,
            "lies in the future",
        ),
        ([&file[..], &["--email", "info@example.org"], &ERASE[..]].concat(), 3, "role mailbox"),
        (
            [&file[..], &["--email", "a@example.org", "--action", "suppress"]].concat(),
            3,
            "scope is required for suppress",
        ),
        (
            [&file[..], &["--email", "a@example.org", "--controller", "shop"], &ERASE[..]].concat(),
            1,
            "there is no controller `shop`",
        ),
    ];
    for (args, exit, part) in cases {
        let ran = house.run(&args);
        ran.ends(exit, &[part]);
        assert!(!ran.err.contains("canary"), "{ran:?}");
    }
    let told = house.run(&["request", "show", "nonsense", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told.err).expect("JSON");
    assert_eq!(told["exit"], 4);
    assert_eq!(
        house.run(&["request", "list", "--json"]).done().json()["requests"],
        serde_json::json!([])
    );
}

#[test]
fn another_key_opens_nothing() {
    let house = House::new();
    let other = House::new();
    std::fs::copy(other.path().join("efface.key"), house.path().join("efface.key"))
        .expect("copied");
    house.run(&["request", "list"]).ends(1, &["wrong master key"]);
    house.run(&["doctor"]).ends(1, &["fail  vault"]);
}

#[test]
fn the_small_commands_answer() {
    let house = House::new();
    house.run(&["doctor"]).ends(0, &["ok    settings", "warn  worker", "ok    vault"]);
    house.run(&["schedule", "list"]).ends(0, &["overdue_check", "database_tidy"]);
    for job in ["overdue_check", "desk_digest", "database_tidy"] {
        house.run(&["schedule", "run", job]).ends(0, &[job]);
    }
    let made = house.run(&["api-key", "create", "--name", "shop", "--json"]).done().json();
    let (id, key) = (made["id"].as_str().expect("id"), made["key"].as_str().expect("key"));
    assert_eq!(key.rsplit_once(&format!("{id}_")).map(|(_, secret)| secret.len()), Some(43));
    house.run(&["api-key", "list"]).ends(0, &[id, "shop"]);
    house.run(&["api-key", "revoke", key]).ends(0, &["revoked"]);
    house.run(&["api-key", "revoke", id]).ends(4, &["api-key list"]);
    house.run(&["connector", "list"]).ends(0, &["mailchimp", "no account is connected"]);
    house.run(&["connector", "show", "mailchimp"]).ends(0, &["blocks_reentry", "what it keeps"]);
    house.run(&["stop", "--all"]).ends(0, &["stopped 0 accounts", "nothing is out"]);
    house.run(&["desk", "list"]).ends(0, &["the desk is empty"]);
    house.run(&["completions", "bash"]).ends(0, &["_efface"]);
    house.run(&["--help"]).ends(0, &["Exit codes:"]);
}

fn state(house: &House, id: &str) -> String {
    let shown = house.run(&["request", "show", id, "--json"]).done().json();
    shown["request"]["state"].as_str().expect("a state").to_owned()
}
