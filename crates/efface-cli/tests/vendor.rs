//! The real binary against a vendor's stand-in: check, rehearse, enable, plan; and the service's
//! start and end.

#[path = "house/collector.rs"]
mod collector;
mod house;
#[path = "house/play.rs"]
mod play;

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
};

use collector::Collector;
use efface_connector::IdentifierKind;
use house::House;
use play::{KEY, Play, VENDOR, serve};
use tokio::runtime::Runtime;

#[test]
fn an_account_is_checked_rehearsed_and_made_live_only_with_its_side_effects_accepted() {
    let play = Play::new();
    let house = &play.house;
    play.account(KEY, "#accept");
    play.server.fake().put(&[(IdentifierKind::Email, "ada@example.org".into())]);

    house.run(&["connector", "check", "news"]).ends(0, &["acc1", "the key works"]);
    house.run(&["connector", "list"]).ends(0, &["news", "observe"]);
    let rehearsed =
        house.run(&["connector", "rehearse", "news", "--email", "ada@example.org", "--json"]);
    assert_eq!(rehearsed.done().json()[0]["presence"], "present");
    std::fs::write(house.path().join("people.csv"), "email\nada@example.org\nbob@example.org\n")
        .expect("written");
    house
        .run(&["connector", "rehearse", "news", "--file", "people.csv"])
        .ends(0, &["1 there, 1 not there"]);

    let plan =
        ["request", "plan", "--email", "ada@example.org", "--action", "erase", "--proof", "login"];
    house.run(&plan).ends(0, &["observe"]);
    let refused = house.run(&["connector", "enable", "news", "--yes"]);
    refused.ends(
        3,
        &["blocks_reentry", "accept_side_effects = [\"contacts_the_person\", \"blocks_reentry\"]"],
    );

    let path = house.path().join("efface.toml");
    let text = std::fs::read_to_string(&path).expect("settings");
    let accepted = "accept_side_effects = [\"contacts_the_person\", \"blocks_reentry\"]";
    std::fs::write(&path, text.replace("#accept\n", &format!("{accepted}\n"))).expect("written");
    let id = house.file(&["--action", "erase", "--proof", "login"]);
    house.run(&["connector", "enable", "news"]).ends(3, &["Play Ltd", "--yes", &id]);
    // shows whose account it is before it acts: nobody reading must not keep it from acting
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let unread = house.command(&["connector", "enable", "news", "--yes"]).stdout(writer).status();
    assert_eq!(unread.expect("runs").code(), Some(0));
    house.run(&["connector", "show", "news"]).ends(0, &["mode               live"]);
    house
        .run(&["connector", "enable", "news", "--yes", "--replan", &id])
        .ends(0, &["is live", "planned anew"]);
    house.run(&plan).ends(0, &["can act", "1 of 1 task can act"]);
    house.run(&["connector", "show", "news"]).ends(0, &["acc1", "live"]);
    let floor = [
        "connector",
        "floor",
        "news",
        "--action",
        "erase",
        "--level",
        "confirmed",
        "--reason",
        "enough",
    ];
    house.run(&[&floor[..], &["--review-on", "2999-01-01"]].concat()).ends(0, &["takes confirmed"]);
    house
        .run(&[&floor[..], &["--review-on", "2001-01-01"]].concat())
        .ends(2, &["not in the future"]);
    house.run(&["stop", "--all"]).ends(0, &["stopped 1 account: news"]);
    house.run(&["connector", "resume", "news"]).ends(0, &["goes on"]);
    house.run(&["connector", "resume", "news"]).ends(3, &["nothing holds"]);
    assert!(play.server.fake().holds(&IdentifierKind::Email, "ada@example.org"));
}

#[cfg(unix)]
#[test]
fn a_cancellation_tells_the_same_json_whatever_was_sent() {
    let play = Play::new();
    let house = &play.house;
    let accepted = "accept_side_effects = [\"contacts_the_person\", \"blocks_reentry\"]";
    play.account(KEY, accepted);
    play.server.fake().put(&[(IdentifierKind::Email, "ada@example.org".into())]);
    house.run(&["connector", "enable", "news", "--yes"]).done();
    let before = house.file(&["--action", "erase", "--proof", "login"]);
    let cancelled = house.run(&["request", "cancel", &before, "--json"]).done().json();
    assert_eq!(cancelled["request"]["id"], *before);
    assert_eq!(cancelled["request"]["state"], "cancelled");
    assert_eq!(cancelled["out"], serde_json::json!([]));

    // told, and not yet looked for again: still out
    let path = house.path().join("efface.toml");
    let text = std::fs::read_to_string(&path).expect("settings");
    let hasty = text.replacen("\n[policy]\n", "\n[policy]\ncooling_off_hours = 0\n", 1);
    let hasty = hasty.replace("\ncooling_off_hours = 24", "");
    std::fs::write(&path, hasty).expect("written");
    let sent = house.file(&["--action", "erase", "--proof", "login"]);
    house.run(&["request", "release", &sent, "--yes"]).done();
    let (mut child, _, _log) = serve(house);
    let task =
        || house.run(&["request", "show", &sent, "--json"]).done().json()["tasks"][0].clone();
    let out = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        task()["state"] == "confirmed"
    });
    assert!(out, "{}", task());
    let cancelled = house.run(&["request", "cancel", &sent, "--json"]).done().json();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    child.wait().expect("ended");
    assert_eq!(cancelled["request"]["id"], *sent);
    assert_eq!(cancelled["request"]["state"], "running");
    assert_eq!(cancelled["out"][0]["account"], "news");
    assert_eq!(cancelled["out"][0]["cancel_marked"], true);
    house.run(&["request", "cancel", "--help"]).ends(0, &["--json", "`request`", "`out`"]);
}

#[test]
fn a_rehearsal_takes_the_file_of_the_import() {
    let play = Play::new();
    let house = &play.house;
    play.account(KEY, "");
    play.server.fake().put(&[(IdentifierKind::Email, "ada@example.org".into())]);
    let text = "E-Mail;Full name;action;proof\nada@example.org;A;erase;login\nnobody;B;erase;login\nbob@example.org;C;erase;login\n";
    std::fs::write(house.path().join("people.csv"), text).expect("written");
    let bare = ["connector", "rehearse", "news", "--file", "people.csv"];
    house.run(&bare).ends(1, &["`E-Mail`", "--map"]);
    let named = [&bare[..], &["--map", "E-Mail=email", "--ignore-column", "full name"]].concat();
    let ran = house.run(&named);
    ran.ends(1, &["line 3: email is not an address", "1 there, 1 not there", "line 4"]);
    let told = house.run(&[&named[..], &["--json"]].concat()).json();
    assert_eq!((&told[0]["line"], &told[1]["line"]), (&2.into(), &4.into()));
    assert_eq!(house.run(&["request", "list", "--json"]).json()["requests"], serde_json::json!([]));
}

#[test]
fn an_account_in_observe_is_explained_as_looking_only() {
    let play = Play::new();
    let house = &play.house;
    play.account(KEY, "");
    let id = house.file(&["--action", "erase", "--proof", "login"]);
    let reason = |n: usize| {
        let lines = house.run(&["request", "why", &id, "--json"]).done().json();
        lines[n]["reason"].as_str().expect("a reason").to_owned()
    };
    assert!(reason(0).contains("nothing will be changed"), "{}", reason(0));
    assert!(reason(1).contains("only looks the person up"), "{}", reason(1));
    assert!(reason(1).contains("once the request is released"), "{}", reason(1));
    house.run(&["request", "show", &id]).ends(0, &["account in observe: it will only look"]);
    house.run(&["request", "release", &id, "--yes"]).done();
    assert!(reason(1).contains("once the request has cooled off"), "{}", reason(1));
    house.run(&["request", "hold", &id, "--reason", "court"]).done();
    assert!(reason(1).starts_with("nothing is sent: on hold since"), "{}", reason(1));
    assert!(reason(1).ends_with(": court"), "{}", reason(1));
}

#[test]
fn a_vendor_that_cannot_be_reached_is_named_with_its_cause() {
    let house = House::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address").to_string();
    drop(taken);
    house.append(&format!(
        "[accounts.news]\nconnector = \"{VENDOR}\"\nbase_url = \"http://{address}\"\nallow_loopback = true\n[accounts.news.settings]\napi_key = \"k-us1\"\naudiences = [\"a1\"]"
    ));
    house
        .run(&["connector", "check", "news"])
        .ends(1, &[&format!("no connection to {address}"), "refused", "reachable"]);
}

#[cfg(unix)]
#[test]
fn a_killed_worker_is_told_apart_from_a_living_one() {
    let house = House::new();
    let (mut child, _, log) = serve(&house);
    let doctor = || house.run(&["doctor"]).done().out;
    let at_work = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        doctor().contains("at work on")
    });
    assert!(at_work, "{}", doctor());
    child.kill().expect("killed");
    child.wait().expect("ended");
    let told = doctor();
    for part in ["warn  worker", "is not running", "lease", "it was killed", "efface worker"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let logged: String = std::io::BufRead::lines(log).map_while(Result::ok).collect();
    assert!(!logged.contains("tokio_cron_scheduler"), "{logged}");
}

#[test]
fn a_demonstrations_database_takes_no_account_of_a_real_vendor() {
    let play = Play::new();
    let house = &play.house;
    play.account(KEY, "");
    let url = format!("sqlite://{}", house.path().join("efface.db").display());
    Runtime::new().expect("a runtime").block_on(async {
        let connection = efface_store::Connection::connect(&url, 1, false).await.expect("opens");
        connection.claim_meta("demo", "test").await.expect("marked");
    });
    house.run(&["connector", "list"]).ends(0, &["news"]);
    let settings = toml::to_string(&play.server.fake().settings("k-us1")).expect("settings");
    house.append(&format!(
        "[accounts.real]\nconnector = \"{VENDOR}\"\n[accounts.real.settings]\n{settings}"
    ));
    for args in [&["worker"][..], &["serve"], &["request", "list"]] {
        let refused = house.run(args);
        refused.ends(
            1,
            &[
                "accounts.real",
                "efface demo",
                "connect real accounts to a database of your own: efface init",
            ],
        );
        assert!(!refused.err.contains("accounts.news"), "{refused:?}");
    }
}

#[test]
fn a_wrong_key_is_told_as_such() {
    let play = Play::new();
    play.account("wrong", "");
    play.house.run(&["connector", "check", "news"]).ends(1, &["refuses the key", "hint:"]);
}

#[cfg(unix)]
#[test]
fn the_service_answers_and_ends_when_told_to() {
    let house = House::new();
    let (mut child, address, mut log) = serve(&house);
    let mut stream = TcpStream::connect(&address).expect("connected");
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let second = house.command(&["worker"]).output().expect("runs");
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.code() == Some(1) && told.contains("SQLite has one writer"), "{told}");

    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    let mut rest = String::new();
    log.read_to_string(&mut rest).expect("the rest of the log");
    assert_eq!(child.wait().expect("ended").code(), Some(0), "{rest}");
    assert!(rest.contains("stopping") && rest.contains("stopped"), "{rest}");
}

#[cfg(unix)]
#[test]
fn traces_of_calls_go_to_the_collector_and_name_nobody() {
    let play = Play::new();
    let (house, collector) = (&play.house, Collector::start());
    play.account(KEY, "");
    let key = house.path().join("collector.key");
    std::fs::write(&key, "Bearer c0llector").expect("written");
    let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, own).expect("its owner's alone");
    let path = house.path().join("efface.toml");
    let text = std::fs::read_to_string(&path).expect("settings");
    let to = format!(
        "sample_ratio = 1.0\notlp_endpoint = \"{}\"\notlp_authorization_file = \"collector.key\"",
        collector.endpoint
    );
    std::fs::write(&path, text.replace("sample_ratio = 1.0", &to)).expect("written");
    let (mut child, _, _log) = serve(house);
    house
        .run(&["connector", "rehearse", "news", "--email", "ada@example.org"])
        .ends(0, &["1 not there"]);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    // whatever was not sent is sent at the end
    assert_eq!(child.wait().expect("ended").code(), Some(0));
    let heard = collector.heard();
    for part in
        ["POST /v1/traces", "Bearer c0llector", "vendor call", "look_up", "answered", "news"]
    {
        assert!(heard.contains(part), "{part}: {heard}");
    }
    for secret in ["ada", KEY, "example.org"] {
        assert!(!heard.contains(secret), "{secret}: {heard}");
    }
}

#[test]
fn a_taken_port_is_told_with_the_setting() {
    let house = House::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address").to_string();
    let ran =
        house.command(&["serve"]).env("EFFACE__SERVER__LISTEN", &address).output().expect("runs");
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{told}");
    assert!(told.contains("server.listen") && told.contains("taken"), "{told}");
}
