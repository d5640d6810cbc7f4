//! Canaries: people, keys and mistakes that are met nowhere else go through the whole of efface, the
//! real binary at its most talkative; afterwards every byte it left behind is searched for them.
//!
//! What the operator typed (the import file) is not searched, nor what a command prints on purpose:
//! `--reveal`, `api-key create`, and the operator's own reference, which `request show` tells.

pub mod house;
pub mod people;
pub mod search;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use efface_core::outside::Clock as _;
use efface_testkit::postgres::Binaries;
use serde_json::{Value, json};

use self::{
    house::House,
    people::{People, Person, REFERENCE},
    search::{Find, Search},
};
use crate::{
    peek::Peek,
    world::{WallClock, stopwatch},
};

/// How many come by the API; the rest stands in a file.
const BY_API: usize = 10;
const PATIENCE: Duration = Duration::from_secs(250);
const GLANCE: Duration = Duration::from_millis(100);

/// Plays the whole story and searches what it left behind.
///
/// # Panics
/// When a canary is found.
pub async fn run(database_url: Option<&str>, worker: &str, count: u32) {
    let people = People::new(count);
    let house = House::build(database_url, worker, &people).await;
    let sqlite = format!("sqlite://{}", house.path().join("efface.db").display());
    let url = database_url.unwrap_or(&sqlite);

    let key = house.run_in_secret(&["api-key", "create", "--name", "canaries", "--json"]).ends(0);
    let key = key.json()["key"].as_str().expect("a key").to_owned();
    let import = import(&house, &people);
    let (served, address) = house.serve("serve.log");
    let api = Api { address: &address, key: &key, house: &house };
    file_by_api(&api, &people);
    let _ = house.run(&["request", "release", "--all-of", &import, "--yes", "--json"]).ends(0);
    let peek = Peek::at(url).await;
    // killed in the middle of its work: what a process leaves behind when it cannot tidy up
    until_closed(&peek, count / 4).await;
    drop(served);
    let (served, address) = house.serve("serve-again.log");
    read_by_api(&Api { address: &address, key: &key, house: &house }, &people);
    until_closed(&peek, count * 6 / 10).await;
    read_by_command(&house, &people);
    let closed = closed(&peek).await;
    let asked: u64 = house.vendors.iter().map(|(_, server)| server.calls()).sum();
    served.stop();
    let _ = house.run(&["doctor"]);
    let _ = house.run(&["worker", "--no-such-flag", &people.all[0].email]).ends(2);

    let mut search = Search::of(&people.canaries(&key));
    prove_the_search(&house, &people, &mut search);
    let mut found = search.below(house.path());
    if let Some(url) = database_url {
        found.extend(dumped(&mut search, url));
        found.extend(on_disk(&mut search, &peek).await);
    }
    found.retain(|find| find.canary != REFERENCE || !find.place.contains("/said/"));
    println!(
        "{count} people, {closed} requests closed, {asked} calls to {} vendors; {} patterns sought in {} files and rows, {} bytes: {} finds",
        house.vendors.len(),
        search.patterns(),
        search.files,
        search.bytes,
        found.len()
    );
    expect_none(&mut found);
}

fn expect_none(found: &mut [Find]) {
    found.sort();
    let shown: Vec<String> = found
        .iter()
        .take(60)
        .map(|f| format!("{} ({}) in {}", f.canary, f.disguise, f.place))
        .collect();
    assert!(found.is_empty(), "{} finds:\n{}", found.len(), shown.join("\n"));
}

/// The same search over what is known to hold them finds them.
fn prove_the_search(house: &House, people: &People, search: &mut Search) {
    let typed = fs::read(house.outside.path().join("people.csv")).expect("the file");
    let found = search.in_bytes("the import file", &typed);
    assert!(found.len() >= 3 * (people.all.len() - BY_API), "{}", found.len());
    let revealed = house.run_in_secret(&["request", "list", "--limit", "1", "--json"]).json();
    let id = revealed["requests"][0]["id"].as_str().or(revealed[0]["id"].as_str());
    let id = id.expect("an id").to_owned();
    let shown = house.run_in_secret(&["request", "show", &id, "--reveal"]).ends(0);
    assert!(!search.in_bytes("--reveal", shown.out.as_bytes()).is_empty(), "{shown:?}");
}

fn import(house: &House, people: &People) -> String {
    let cell = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut file = String::from("email,phone,user_id,note\n");
    for (n, person) in people.all.iter().skip(BY_API).enumerate() {
        let Person { email, phone, user_id } = person;
        let row = [email, phone, user_id, &people.note()].map(|text| cell(text)).join(",");
        file += &format!("{row}\n");
        if n == 3 {
            // twice
            file += &format!("{row}\n");
        }
    }
    let [email, phone, user_id] = people.mistyped();
    for row in [
        format!("{},,,", cell(&email)),
        format!(",{},,", cell(&phone)),
        format!(",,{},", cell(&user_id)),
        format!("{},{},{},x,y,z", cell(&email), cell(&phone), cell(&user_id)),
        ",,,".to_owned(),
    ] {
        file += &format!("{row}\n");
    }
    let path = house.outside.path().join("people.csv");
    fs::write(&path, file).expect("the file");
    let path = path.display().to_string();
    let receipt = house.path().join("receipt.csv").display().to_string();
    let args = ["request", "import", &path, "--action", "erase", "--proof", "account login"];
    let _ = house.run(&[&args[..], &["--dry-run"]].concat()).ends(1);
    let imported = house.run(&[&args[..], &["--receipt", &receipt, "--json"]].concat()).ends(1);
    let again = house.path().join("receipt-again.csv").display().to_string();
    let _ = house.run(&[&args[..], &["--receipt", &again]].concat()).ends(1);
    let imported = imported.json();
    assert!(imported["refused"].as_u64() >= Some(4), "{imported}");
    imported["import"].as_str().expect("an import").to_owned()
}

/// The API as a caller uses it; what it answers is kept.
struct Api<'a> {
    address: &'a str,
    key: &'a str,
    house: &'a House,
}

impl Api<'_> {
    fn call(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let Self { address, key, .. } = self;
        let mut stream = TcpStream::connect(address).expect("the API");
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        self.house.keep(&answer);
        let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        (status, body.unwrap_or_default())
    }

    #[track_caller]
    fn expect(&self, status: u16, method: &str, path: &str, body: &Value) -> Value {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let (got, answer) = self.call(method, path, &text);
        assert_eq!(got, status, "{method} {path}: {answer}");
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }
}

fn wish(person: &Person, people: &People) -> Value {
    json!({
        "action": "erase",
        "identifiers": [
            { "kind": "email", "value": person.email },
            { "kind": "phone", "value": person.phone },
            { "kind": "user_id", "value": person.user_id },
        ],
        "proof": { "how": "account login" },
        "external_reference": people.reference(),
        "note": people.note(),
        "release": true,
    })
}

fn file_by_api(api: &Api<'_>, people: &People) {
    for person in people.all.iter().take(BY_API) {
        api.expect(201, "POST", "/v1/requests", &wish(person, people));
    }
    // once more, and everything that can be mistyped
    let first = &people.all[0];
    api.expect(200, "POST", "/v1/requests", &wish(first, people));
    let [email, phone, user_id] = people.mistyped();
    for (kind, value) in
        [("email", &email), ("phone", &phone), ("user_id", &user_id), (&email, &email)]
    {
        let mut body = wish(first, people);
        body["identifiers"][0] = json!({ "kind": kind, "value": value });
        api.expect(422, "POST", "/v1/requests", &body);
    }
    let (status, _) =
        api.call("POST", "/v1/requests", &format!("{{\"action\":\"{}\"", first.email));
    assert!((400..500).contains(&status), "{status}");
    for field in ["action", "scope", "proof", "received_on", "controller"] {
        let mut body = wish(first, people);
        body[field] = json!(first.email);
        let (status, said) = api.call("POST", "/v1/requests", &body.to_string());
        assert!((400..500).contains(&status), "{field}: {status} {said}");
    }
    let mut body = wish(first, people);
    body[&first.email] = json!(first.user_id);
    let (status, said) = api.call("POST", "/v1/requests", &body.to_string());
    assert!((400..500).contains(&status), "{status} {said}");
    api.call(
        "POST",
        "/v1/requests/batch",
        &json!([wish(first, people), { "x": email }]).to_string(),
    );
}

fn read_by_api(api: &Api<'_>, people: &People) {
    let first = &people.all[0];
    let search = json!({ "identifier": { "kind": "email", "value": first.email } });
    let found = api.expect(200, "POST", "/v1/requests/search", &search);
    let id = found["requests"][0]["id"].as_str().expect("found").to_owned();
    for path in [
        "/openapi.json".to_owned(),
        "/metrics".to_owned(),
        "/healthz".to_owned(),
        "/readyz".to_owned(),
        "/v1/requests?limit=200".to_owned(),
        "/v1/tasks?limit=200".to_owned(),
        "/v1/desk?limit=200".to_owned(),
        "/v1/accounts".to_owned(),
        format!("/v1/requests/{id}"),
        format!("/v1/requests/{id}/why"),
    ] {
        let (status, said) = api.call("GET", &path, "");
        assert!((200..300).contains(&status), "{path}: {status} {said}");
    }
    // identifiers where none belong
    let typed = efface_connector::encode_path(&first.email);
    for path in [
        format!("/v1/requests/{typed}"),
        format!("/v1/requests?email={typed}"),
        format!("/v1/requests?state={typed}"),
        format!("/v1/tasks/{typed}"),
        format!("/{typed}"),
    ] {
        let (status, said) = api.call("GET", &path, "");
        assert!((400..500).contains(&status), "{path}: {status} {said}");
    }
}

fn read_by_command(house: &House, people: &People) {
    let listed = house.run(&["request", "list", "--limit", "1000", "--json"]).ends(0).json();
    let rows = listed["requests"].as_array().or(listed.as_array()).expect("requests").clone();
    let ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
    assert!(ids.len() >= people.all.len(), "{}", ids.len());
    let folder = house.path().display().to_string();
    for id in ids.iter().take(5) {
        for args in [
            &["request", "show", id, "--exchanges", "--history"][..],
            &["request", "show", id, "--exchanges", "--history", "--json"],
            &["request", "why", id],
            &["evidence", "export", id, "-o", &format!("{folder}/{id}.zip")],
        ] {
            let _ = house.run(args).ends(0);
        }
    }
    let first = &people.all[0];
    for args in [
        &["request", "list"][..],
        &["request", "list", "--email", &first.email],
        &["request", "plan", "--email", &first.email, "--action", "erase"],
        &["request", "plan", "--email", &first.email, "--action", "erase", "--json"],
        &["desk", "list"],
        &["desk", "list", "--json"],
        &["connector", "list"],
        &["connector", "rehearse", "mailchimp", "--email", &first.email, "--json"],
        &["config", "show"],
        &["audit", "status"],
        &["audit", "checkpoint"],
        &["audit", "verify"],
        &["doctor"],
        &["api-key", "list"],
        // mistakes
        &["request", "show", "0193ffff"],
        &["request", "file", "--email", &people.mistyped()[0], "--action", "erase"],
        &["request", "file", "--phone", &people.mistyped()[1], "--action", "erase"],
        &["request", "file", "--email", &first.email, "--action", "erase"],
        &["connector", "show", "nobody"],
    ] {
        let ran = house.run(args);
        assert!((0..=5).contains(&ran.exit), "{args:?}: {ran:?}");
    }
}

async fn closed(peek: &Peek) -> i64 {
    peek.count("request WHERE state = 'closed'").await
}

/// Waits until so many requests have come to their end; whoever met a refusal waits for a person.
async fn until_closed(peek: &Peek, enough: u32) {
    let end = stopwatch() + PATIENCE;
    while closed(peek).await < i64::from(enough) {
        let moving = peek.moving(WallClock.now().millis()).await;
        if stopwatch() > end {
            let desk = peek.count("task WHERE state = 'desk'").await;
            let closed = closed(peek).await;
            panic!(
                "{closed} of {enough} came to their end; {moving} go on, {desk} wait for a person"
            );
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// Everything PostgreSQL tells of the database.
fn dumped(search: &mut Search, url: &str) -> Vec<Find> {
    let program = Binaries::find().expect("PostgreSQL").folder.join("pg_dump");
    let dump = Command::new(program).args(["--inserts", "-d", url]).output().expect("pg_dump runs");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let text = String::from_utf8_lossy(&dump.stdout).into_owned();
    assert!(text.contains("INSERT INTO public.journal"), "the dump holds the journal");
    // bytes are dumped in hex
    search.in_bytes("the dump", text.as_bytes())
}

/// The cluster's own files, its log ahead of writing among them, where we may read them.
async fn on_disk(search: &mut Search, peek: &Peek) -> Vec<Find> {
    peek.execute("CHECKPOINT").await;
    let folder = peek.text("SHOW data_directory").await;
    let folder = std::path::PathBuf::from(folder);
    match fs::read_dir(&folder) {
        Ok(_) => search.below(&folder),
        Err(error) => {
            println!("{} is not ours to read: {error}", folder.display());
            vec![]
        }
    }
}
