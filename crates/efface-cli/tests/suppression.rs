//! The suppression list by the real binary: add, check, list, carry elsewhere, tell an account that
//! came later, lift.

#[path = "house/mod.rs"]
#[allow(dead_code, reason = "each test binary uses its own part")]
mod house;
#[path = "house/play.rs"]
mod play;

use std::{fs, process::Command, time::Duration};

use efface_connector::IdentifierKind;
use house::House;
use play::{KEY, Play, serve};
use serde_json::Value;

const REASON: [&str; 4] = ["--scope", "marketing", "--reason", "asked at the fair"];
/// SHA-256 of ada@example.org.
const ADA: &str = "cfe00dde46ef942601ffafb9e2825e802858b460e586b8305b344c1eb826357d";

fn add(house: &House, who: &[&str]) -> String {
    let args = [&["suppression", "add", "--json"], who, &REASON[..]].concat();
    let added = house.run(&args).done().json();
    added["id"].as_str().expect("an id").to_owned()
}

fn entries(house: &House) -> Value {
    house.run(&["suppression", "list", "--json"]).done().json()["suppressions"].clone()
}

#[test]
fn people_are_put_on_the_list_found_there_and_taken_off_only_with_a_consent() {
    let house = House::new();
    let bare = ["suppression", "add", "--email", "ada@example.org", "--reason", "asked"];
    house.run(&bare).ends(2, &["--scope"]);
    house
        .run(&[&["suppression", "add", "--email", "*@example.org"], &REASON[..]].concat())
        .ends(3, &["email"]);
    let id = add(&house, &["--email", "ada@example.org", "--user-id", "U-7"]);
    assert_eq!(add(&house, &["--email", " ADA@example.org"]), id, "one entry for one person");

    let check = |args: &[&str]| house.run(&[&["suppression", "check"], args].concat());
    check(&["--email", "Ada@Example.org"]).ends(0, &["1,yes,marketing,added,"]);
    check(&["--email", "bob@example.org"]).ends(0, &["1,no,,,"]);
    check(&["--email-sha256", "canary"]).ends(2, &["64 hexadecimal digits"]);
    check(&["--email-sha256", ADA]).ends(0, &["1,yes,marketing"]);
    check(&[]).ends(2, &["nobody to look up"]);
    fs::write(
        house.path().join("people.csv"),
        "email,user_id\nbob@example.org,\n,U-7\nnobody,\nada@example.org,U-9\n",
    )
    .expect("written");
    let of_file = check(&["--file", "people.csv"]);
    of_file.ends(1, &["line 4: email is not an address", "2,no", "3,yes,marketing", "5,yes"]);
    assert!(!of_file.out.contains("example.org"), "{of_file:?}");

    let all = entries(&house);
    assert_eq!((all.as_array().map(Vec::len), &all[0]["state"]), (Some(1), &"in_force".into()));
    house.run(&["suppression", "lift", &id]).ends(2, &["--consent"]);
    house.run(&["suppression", "lift", &id, "--consent", "-"]).ends(3, &["consent reference"]);
    house.run(&["suppression", "lift", "canary", "--consent", "form 7"]).ends(4, &["entry"]);
    house
        .run(&["suppression", "lift", &id, "--consent", "form 7"])
        .ends(0, &["is lifted", "no account had been told"]);
    check(&["--email", "ada@example.org"]).ends(0, &["1,no"]);
    house.run(&["audit", "checkpoint"]).done();
    house.run(&["audit", "verify"]).done();
}

#[test]
fn the_list_is_carried_elsewhere_with_identifiers_only_when_asked_by_name() {
    let house = House::new();
    add(&house, &["--email", "ada@example.org", "--email", "ada@example.com"]);
    add(&house, &["--user-id", "U \"7\", old"]);
    let bare = house.run(&["suppression", "export"]).done();
    assert!(bare.out.contains("sealed") && !bare.out.contains("example"), "{bare:?}");
    house.run(&["suppression", "export", "--with-identifiers"]).ends(2, &["--scope"]);
    let people =
        house.run(&["suppression", "export", "--with-identifiers", "--scope", "marketing"]).done();
    assert!(people.out.starts_with("email,email_2,user_id\n"), "{people:?}");
    let database = rusqlite::Connection::open(house.path().join("efface.db")).expect("opens");
    let sql = "SELECT body FROM journal WHERE body LIKE '%were exported%'";
    let noted: String = database.query_row(sql, [], |row| row.get(0)).expect("it is on record");
    assert!(noted.contains("identifiers of 2 entries") && !noted.contains("example"), "{noted}");

    let other = House::new();
    fs::write(other.path().join("list.csv"), &people.out).expect("written");
    let import = [&["suppression", "import", "list.csv"], &REASON[..]].concat();
    other.run(&import).ends(0, &["2 added, 0 stood there already, 0 refused"]);
    other.run(&import).ends(0, &["0 added, 2 stood there already"]);
    for who in [["--email", "ada@example.com"], ["--user-id", "U \"7\", old"]] {
        let check = [&["suppression", "check"], &who[..]].concat();
        other.run(&check).ends(0, &["1,yes,marketing,imported"]);
    }
}

#[test]
fn a_vendors_own_list_is_scanned_and_who_stands_on_ours_goes_to_the_desk() {
    let play = Play::new();
    let house = &play.house;
    let scope = ["--scope", "all_processing", "--reason", "asked"];
    let who = ["suppression", "add", "--email", "ada@example.org"];
    house.run(&[&who[..], &scope[..]].concat()).done();
    house.run(&[&["suppression", "add", "--user-id", "U-7"], &scope[..]].concat()).done();
    for name in ["ada", "bob"] {
        let email = format!("{name}@example.org");
        play.server.fake().put(&[(IdentifierKind::Email, email)]);
    }
    play.account(KEY, "accept_side_effects = [\"contacts_the_person\", \"blocks_reentry\"]");
    house.run(&["connector", "show", "mailchimp"]).ends(0, &["in pages of 1000, by email"]);
    house.run(&["connector", "show", "sendgrid"]).ends(0, &["lists its people", "not in pages"]);
    let told = house.run(&["connector", "scan", "news", "--json"]).done();
    assert!(!told.out.contains("example.org"), "{told:?}");
    let told = told.json();
    assert_eq!((&told["complete"], &told["people"]), (&true.into(), &4.into()), "{told}");
    assert_eq!((&told["hits"], &told["opened"]), (&2.into(), &1.into()), "{told}");
    assert_eq!((&told["entries"], &told["entries_beyond"]), (&2.into(), &1.into()), "{told}");
    house
        .run(&["connector", "backfill", "news", "--scan"])
        .ends(0, &["2 on the desk already", "1 entry known by other kinds"]);
    let desk = house.run(&["desk", "list", "--json"]).done().json();
    assert_eq!(desk.as_array().map(Vec::len), Some(1), "{desk}");
    assert_eq!((&desk[0]["reason"], &desk[0]["account"]), (&"on_the_list".into(), &"news".into()));
    assert!(!desk.to_string().contains("ada@"), "{desk}");
    let id = desk[0]["id"].as_str().expect("an id");
    house.run(&["desk", "decide", id, "waive"]).ends(3, &["re-imported"]);
    house.run(&["desk", "decide", id, "re-imported", "--note", "May"]).ends(0, &["re-imported"]);
    house.run(&["connector", "pause", "news", "--reason", "vacation"]).done();
    house.run(&["connector", "scan", "news"]).ends(3, &["paused", "connector resume news"]);
    let calls = play.server.log();
    assert!(calls.iter().all(|line| line.method == "GET"), "a scan only looks");
}

#[cfg(unix)]
#[test]
fn an_account_that_is_connected_later_is_told_and_a_lift_gives_back() {
    let play = Play::new();
    let house = &play.house;
    let id = add(house, &["--email", "ada@example.org"]);
    add(house, &["--user-id", "U-7"]);
    play.server.fake().put(&[(IdentifierKind::Email, "ada@example.org".into())]);
    play.account(KEY, "accept_side_effects = [\"contacts_the_person\", \"blocks_reentry\"]");
    house
        .run(&["connector", "backfill", "news", "--dry-run"])
        .ends(3, &["only observes", "connector enable news"]);
    house.run(&["connector", "enable", "news", "--yes"]).done();
    house.run(&["suppression", "list", "--drift"]).ends(0, &["news (not_told)", &id]);
    house.run(&["suppression", "reconcile"]).ends(5, &["news", "--apply files 1 request"]);
    house
        .run(&["connector", "backfill", "news", "--dry-run"])
        .ends(0, &["1 entry to be told of at news", "1 without an identifier"]);
    house.run(&["connector", "backfill", "news"]).ends(3, &["--yes"]);
    let filed = house.run(&["connector", "backfill", "news", "--yes", "--json"]).done().json();
    assert_eq!((&filed["filed"], &filed["refused"]), (&1.into(), &0.into()), "{filed}");
    // a person releases them, as any import
    let import = filed["import"].as_str().expect("an import");
    house.run(&["request", "list", "--import", import]).ends(0, &["identified", "suppress"]);
    house.run(&["suppression", "reconcile"]).ends(5, &["news"]);
    house.run(&["request", "release", "--all-of", import, "--yes"]).done();
    let (mut child, _, _log) = serve(house);
    let observed = || -> String {
        let all = entries(house);
        let mine = all.as_array().expect("a list").iter().find(|e| e["id"] == *id);
        mine.expect("the entry")["accounts"][0]["observed"].as_str().unwrap_or_default().to_owned()
    };
    let until = |what: &dyn Fn() -> bool| {
        (0..400).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            what()
        })
    };
    let told = until(&|| matches!(observed().as_str(), "confirmed" | "verified"));
    let seen = observed();
    let begun =
        house.run(&["suppression", "lift", &id, "--consent", "form 7", "--json"]).done().json();
    let lifted = until(&|| {
        entries(house)
            .as_array()
            .is_some_and(|all| all.iter().any(|e| e["id"] == *id && e["state"] == "lifted"))
    });
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    child.wait().expect("ended");
    assert!(told, "{seen}");
    assert_eq!(begun["lifted"], false, "an account was told: {begun}");
    let request = begun["request"].as_str().expect("a request").to_owned();
    assert!(lifted, "{}", house.run(&["request", "show", &request]).out);
}
