//! `efface request import` by the real binary on SQLite: good files, every kind of bad one, a file
//! imported twice, and one cut off in the middle.

mod house;

use std::{
    fs::{self, File},
    io::{BufWriter, Read as _, Write as _},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use house::{House, Ran};
use serde_json::Value;

const PROVED: [&str; 4] = ["--action", "erase", "--proof", "account login"];

fn write(house: &House, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = house.path().join(name);
    fs::write(&path, content).expect("written");
    path
}

/// Changes a number of the settings file `efface init` wrote.
fn set(house: &House, key: &str, number: u32) {
    let path = house.path().join("efface.toml");
    let before = fs::read_to_string(&path).expect("settings");
    let changed = before.lines().map(|line| {
        if line.starts_with(&format!("{key} = ")) {
            format!("{key} = {number}")
        } else {
            line.to_owned()
        }
    });
    fs::write(path, changed.collect::<Vec<_>>().join("\n")).expect("written");
}

fn import(house: &House, more: &[&str]) -> Ran {
    let mut args = vec!["request", "import"];
    args.extend(more);
    house.run(&args)
}

fn import_json(house: &House, more: &[&str]) -> Value {
    let mut args = more.to_vec();
    args.push("--json");
    import(house, &args).json()
}

/// `(line, outcome, request, reason)` of every row.
fn receipt(house: &House, name: &str) -> Vec<(u64, String, String, String)> {
    let mut rows = vec![];
    let mut reader = csv::Reader::from_path(house.path().join(name)).expect("a receipt");
    assert_eq!(reader.headers().expect("a header"), vec!["line", "outcome", "request", "reason"]);
    for row in reader.deserialize() {
        rows.push(row.expect("a row of four cells"));
    }
    rows
}

fn outcomes(house: &House, name: &str) -> Vec<(u64, String)> {
    receipt(house, name).into_iter().map(|(line, outcome, _, _)| (line, outcome)).collect()
}

/// How many requests the database holds.
fn requests(house: &House) -> usize {
    let (mut count, mut after) = (0, None::<String>);
    loop {
        let mut args = vec!["request", "list", "--json", "--limit", "1000"];
        args.extend(after.as_deref().map(|a| ["--after", a]).into_iter().flatten());
        let page = house.run(&args).done().json();
        count += page["requests"].as_array().expect("a list").len();
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return count,
        }
    }
}

fn with_accounts() -> House {
    let house = House::new();
    house.append(
        "[accounts.mail-eu]\nconnector = \"mailchimp\"\n[accounts.mail-eu.settings]\n\
         api_key = \"0123456789abcdef0123456789abcdef-us21\"\naudiences = [\"a1b2c3d4e5\"]\n",
    );
    house
}

#[test]
fn a_file_is_filed_receipted_and_waits_for_release() {
    let house = with_accounts();
    write(
        &house,
        "people.csv",
        "Email,User ID,note\nada@example.org,u-1,\"two\nlines\"\nbob@example.org,,\nnobody,,\nsupport@example.org,,\nada@example.org,u-1,\"two\nlines\"\nAda@example.org,u-1,\n",
    );
    let ran = import(&house, &[&["people.csv"], &PROVED[..]].concat());
    ran.ends(
        1,
        &[
            "line 5: email is not an address",
            "line 6: email is a role mailbox",
            "rows     6",
            "4 (2 new, 1 duplicate, 1 filed before)",
            "people.csv.receipt.csv",
            "a…@e….org",
            "mail-eu",
            "efface request release --all-of ",
        ],
    );
    let rows = receipt(&house, "people.csv.receipt.csv");
    let told: Vec<(u64, &str)> = rows.iter().map(|r| (r.0, r.1.as_str())).collect();
    assert_eq!(
        told,
        [
            (2, "filed"),
            (4, "filed"),
            (5, "refused"),
            (6, "refused"),
            (7, "filed before"),
            (9, "duplicate")
        ]
    );
    assert_eq!(rows[0].2, rows[4].2, "an identical row is the same request");
    let text = fs::read_to_string(house.path().join("people.csv.receipt.csv")).expect("a receipt");
    for personal in ["ada", "bob", "nobody", "u-1", "example.org"] {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
    assert_eq!(requests(&house), 3);
    let state = house.run(&["request", "show", &rows[0].2, "--json"]).done().json();
    assert_eq!(state["request"]["state"], "identified");
}

#[test]
fn the_printed_command_releases_exactly_the_import() {
    let house = with_accounts();
    write(&house, "people.csv", "email\nada@example.org\nbob@example.org\n");
    let told = import_json(&house, &[&["people.csv"], &PROVED[..]].concat());
    assert_eq!((&told["await_release"], &told["rows"]), (&2.into(), &2.into()));
    assert_eq!(told["accounts"][0]["looks_only"], 2);
    assert_eq!(told["sample"].as_array().map(Vec::len), Some(2));
    let command = told["release"].as_str().expect("a command");
    let mut args: Vec<&str> = command.split(' ').skip(1).collect();
    args.push("--yes");
    house.run(&args).ends(0, &["released 2 requests"]);
    let again = import_json(&house, &[&["people.csv"], &PROVED[..]].concat());
    assert_eq!((&again["await_release"], &again["release"]), (&0.into(), &Value::Null));
    assert_eq!(again["import"], told["import"]);
}

#[test]
fn suppressions_of_an_import_wait_for_release_too() {
    let house = with_accounts();
    write(
        &house,
        "out.csv",
        "email,action,scope,proof\nada@example.org,Suppress,marketing,account login\nbob@example.org,suppress,marketing,\n",
    );
    let told = import_json(&house, &["out.csv"]);
    assert_eq!((&told["await_release"], &told["await_proof"]), (&1.into(), &1.into()));
    let rows = receipt(&house, "out.csv.receipt.csv");
    for (row, state) in rows.iter().zip(["identified", "received"]) {
        let shown = house.run(&["request", "show", &row.2, "--json"]).done().json();
        assert_eq!(shown["request"]["state"], state);
    }
}

#[test]
fn every_form_of_a_good_file_is_read() {
    let house = House::new();
    let check = |name: &str, content: &[u8], more: &[&str], rows: u64| {
        write(&house, name, content);
        let told = import_json(&house, &[&[name], more, &PROVED[..]].concat());
        assert_eq!((&told["rows"], &told["refused"]), (&rows.into(), &0.into()), "{name}: {told}");
    };
    check("bom.csv", b"\xef\xbb\xbfemail,language\na1@example.org,de\n", &[], 1);
    check(
        "semicolon.csv",
        b"E-Mail;Name\r\na2@example.org;\"Ada; L\"\r\n\r\na3@example.org;B\r\n",
        &["--map", "E-Mail=email", "--ignore-column", "name"],
        2,
    );
    check("tabs.tsv", b"email\tphone\na4@example.org\t+442079460958", &[], 1);
    check("pipe.csv", b"email|email_2\na5@example.org|a6@example.org\n", &["--delimiter", "|"], 1);
    check("rows.ndjson", b"{\"email\":\"a7@example.org\",\"user_id\":7}\n\n{\"email\":\"a8@example.org\",\"vendor:hubspot\":\"51\"}", &[], 2);
    check("rows.txt", b"\xef\xbb\xbf{\"email\":\"a9@example.org\"}\n", &["--format", "ndjson"], 1);
    check("cr.csv", b"email\ra10@example.org\ra11@example.org", &[], 2);
}

#[test]
fn standard_input_is_read_and_its_repetition_recognised() {
    let house = House::new();
    let run = |text: &str| {
        let mut args = vec!["request", "import", "-", "--json"];
        args.extend(PROVED);
        let mut child = house
            .command(&args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        serde_json::from_slice::<Value>(&output.stdout).expect("json")
    };
    let first = run("email\nada@example.org\nbob@example.org\n");
    let name = first["receipt"].as_str().expect("a receipt");
    assert_eq!(name, format!("import-{}.receipt.csv", first["import"].as_str().expect("an id")));
    assert_eq!(receipt(&house, name).len(), 2);
    let second = run("{\"email\":\"ada@example.org\"}\n{\"email\":\"eve@example.org\"}\n");
    assert_eq!((&second["filed_new"], &second["filed_before"]), (&1.into(), &1.into()));
    assert_eq!(second["filed_before_by"][0], first["import"]);
}

#[test]
fn a_file_wrong_as_a_whole_stores_nothing() {
    let house = House::new();
    let check = |name: &str, content: &[u8], more: &[&str], exit: i32, parts: &[&str]| {
        write(&house, name, content);
        import(&house, &[&[name], more].concat()).ends(exit, parts);
        assert!(!house.path().join(format!("{name}.receipt.csv")).exists(), "{name}");
    };
    let erase: &[&str] = &["--action", "erase"];
    check("empty.csv", b"", erase, 1, &["empty.csv, line 1: the file is empty"]);
    check("blank.csv", b"\n \n", erase, 1, &["line 1"]);
    check("bom.csv", b"\xef\xbb\xbf", erase, 1, &["line 1: the file is empty"]);
    check("head.csv", b"email\n", erase, 1, &["holds no rows"]);
    check(
        "wrong.csv",
        b"emial\nada@example.org\n",
        erase,
        1,
        &["line 1", "`emial`", "did you mean `email`?"],
    );
    check(
        "more.csv",
        b"email,colour\nada@example.org,red\n",
        erase,
        1,
        &["`colour`", "--ignore-column 'colour'"],
    );
    check("mapless.csv", b"E-Mail\nada@example.org\n", erase, 1, &["--map 'E-Mail=email'"]);
    check(
        "headless.csv",
        b"ada@example.org\nbob@example.org\n",
        erase,
        1,
        &["column 1 is not called anything"],
    );
    check(
        "noaction.csv",
        b"email\nada@example.org\n",
        &[],
        1,
        &["no column `action` and no --action"],
    );
    check("noscope.csv", b"email\nada@example.org\n", &["--action", "suppress"], 1, &["--scope"]);
    check("utf16.csv", b"\xff\xfee\0m\0a\0i\0l\0\n\0", erase, 1, &["UTF-16"]);
    check(
        "latin.csv",
        b"email,str\xe4\xdfe\nada@example.org,x\n",
        erase,
        1,
        &["line 1", "not UTF-8"],
    );
    check("quote.csv", b"\"email\nada@example.org\n", erase, 1, &["line 1", "never closes"]);
    check(
        "list.ndjson",
        b"[{\"email\":\"ada@example.org\"}]\n",
        erase,
        1,
        &["line 1: this is a JSON array"],
    );
    check(
        "list2.ndjson",
        b"email\nada@example.org\n",
        erase,
        1,
        &["line 1: this is not a JSON object"],
    );
    check("people.xlsx", b"PK\x03\x04", erase, 2, &["--format"]);
    check(
        "map.csv",
        b"email\nada@example.org\n",
        &["--map", "x=emial"],
        2,
        &["did you mean `email`?"],
    );
    import(&house, &["nowhere.csv"]).ends(4, &["nowhere.csv cannot be read"]);
    import(&house, &[".", "--format", "csv"]).ends(1, &["is a folder"]);
    assert_eq!(requests(&house), 0);
}

#[test]
fn bad_rows_are_refused_one_by_one_with_line_and_reason() {
    let house = House::new();
    set(&house, "max_line_bytes", 256);
    let long = "x".repeat(300);
    let text = format!(
        "email,user_id,action,received_on\n\
         ok1@example.org,,erase,\n\
         ragged@example.org,,erase\n\
         ragged@example.org,,erase,,\n\
         not-an-address,,erase,\n\
         two@example.org;three@example.org,,erase,\n\
         ,,erase,\n\
         a@example.org,,remove,\n\
         a@example.org,,suppress,\n\
         a@example.org,,erase,2999-01-01\n\
         a@example.org,,erase,01/02/2026\n\
         {long},,erase,\n\
         *@example.org,,erase,\n\
         ,null,erase,\n\
         ok2@example.org,,erase,\n"
    );
    let mut bytes = text.into_bytes();
    bytes.extend(b"caf\xe9@example.org,,erase,\nok3@example.org,,erase,\n\"open@example.org,,erase,\nlost@example.org,,erase,\n");
    write(&house, "bad.csv", bytes);
    let want: &[(u64, &str)] = &[
        (2, ""),
        (3, "has 3 cells where the header has 4 columns"),
        (4, "has 5 cells"),
        (5, "email is not an address"),
        (6, "one bare value per cell"),
        (7, "no identifier"),
        (8, "action is none of"),
        (9, "scope is required for suppress"),
        (10, "lies in the future"),
        (11, "YYYY-MM-DD"),
        (12, "is longer than 256 bytes"),
        (13, "email is a pattern"),
        (14, "user_id is a placeholder"),
        (15, ""),
        (16, "is not UTF-8 in cell 1"),
        (17, ""),
        (18, "never closes; everything up to line"),
    ];
    // a dry run tells all of them and files nothing
    let dry = import(&house, &["bad.csv", "--dry-run"]);
    for (line, part) in want {
        let told = dry.out.lines().find(|l| l.starts_with(&format!("line {line}: ")));
        assert_eq!(told.is_some(), !part.is_empty(), "line {line}: {dry:?}");
        assert!(told.unwrap_or_default().contains(part), "line {line}: {told:?}");
    }
    dry.ends(1, &["rows     17", "good     3", "refused  14"]);
    assert_eq!(requests(&house), 0);
    assert!(!house.path().join("bad.csv.receipt.csv").exists());

    let ran = import(&house, &["bad.csv", "--limit-errors", "2"]);
    assert_eq!(
        ran.out.matches("\nline ").count() + usize::from(ran.out.starts_with("line ")),
        2,
        "{ran:?}"
    );
    ran.ends(1, &["… and 12 more refused rows", "refused  14"]);
    let rows = receipt(&house, "bad.csv.receipt.csv");
    assert_eq!(rows.len(), want.len());
    for ((line, outcome, _, reason), (at, part)) in rows.iter().zip(want) {
        assert_eq!(line, at);
        assert_eq!(outcome, if part.is_empty() { "filed" } else { "refused" }, "line {at}");
        assert!(reason.contains(part), "line {at}: {reason}");
        assert!(!reason.contains("example.org"), "line {at}: {reason}");
    }
    assert_eq!(requests(&house), 3);
}

#[test]
fn bad_objects_are_refused_one_by_one_too() {
    let house = House::new();
    set(&house, "max_line_bytes", 256);
    let long = "x".repeat(300);
    write(
        &house,
        "bad.ndjson",
        format!(
            "{{\"email\":\"ok1@example.org\"}}\n{{\"email\":\"x@example.org\"\n{{\"emial\":\"x@example.org\"}}\n\
         {{\"email\":[\"a@example.org\"]}}\n{{\"note\":\"{long}\"}}\n[]\n{{}}\n{{\"email\":\"ok2@example.org\"}}"
        ),
    );
    import(&house, &[&["bad.ndjson"], &PROVED[..]].concat())
        .ends(1, &["did you mean `email`?", "refused  6"]);
    let told = outcomes(&house, "bad.ndjson.receipt.csv");
    let filed: Vec<u64> = told.iter().filter(|(_, o)| o == "filed").map(|(l, _)| *l).collect();
    assert_eq!((told.len(), filed), (8, vec![1, 8]));
}

/// The most memory a process has held, in KiB.
#[cfg(target_os = "linux")]
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(target_os = "linux")]
#[test]
fn a_line_of_a_hundred_megabytes_is_refused_in_little_memory() {
    let house = House::new();
    for (name, beginning, end, exit, part) in [
        ("head.csv", "", "", 1, "line 1: the header is longer than 65536 bytes"),
        (
            "row.csv",
            "email\nok@example.org\n",
            "\nok2@example.org\n",
            1,
            "line 3: is longer than 65536 bytes",
        ),
        (
            "quote.csv",
            "email\nok@example.org\n\"",
            "",
            1,
            "line 3: opens a quoted cell that never closes",
        ),
        (
            "row.ndjson",
            "{\"email\":\"ok@example.org\"}\n",
            "",
            1,
            "line 2: is longer than 65536 bytes",
        ),
    ] {
        let mut file = BufWriter::new(File::create(house.path().join(name)).expect("a file"));
        file.write_all(beginning.as_bytes()).expect("written");
        let block = vec![b'x'; 1 << 20];
        (0..100).for_each(|_| file.write_all(&block).expect("written"));
        file.write_all(end.as_bytes()).expect("written");
        drop(file);
        let args = [&["request", "import", name][..], &PROVED[..]].concat();
        let mut child = house
            .command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let (mut most, mut polls) = (0, 0);
        let status = loop {
            most = most.max(peak(child.id()).unwrap_or(0));
            polls += 1;
            match child.try_wait().expect("a child") {
                Some(status) => break status,
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        let (mut out, mut err) = (String::new(), String::new());
        child.stdout.take().map(|mut o| o.read_to_string(&mut out));
        child.stderr.take().map(|mut e| e.read_to_string(&mut err));
        assert_eq!(status.code(), Some(exit), "{name}: {out}{err}");
        assert!(out.contains(part) || err.contains(part), "{name}: {out}{err}");
        assert!(polls > 1 && most > 0 && most < 64 * 1024, "{name}: {most} KiB");
    }
}

#[test]
fn a_repeated_import_files_nothing_twice() {
    let house = House::new();
    let rows: String = (0..500).map(|n| format!("person{n}@example.org\n")).collect();
    write(&house, "people.csv", format!("email\n{rows}"));
    let first = import_json(&house, &[&["people.csv"], &PROVED[..]].concat());
    assert_eq!(first["filed_new"], 500);
    let second = import_json(&house, &[&["people.csv"], &PROVED[..]].concat());
    assert_eq!((&second["filed_new"], &second["filed_before"]), (&0.into(), &500.into()));
    assert_eq!((&second["import"], &second["await_release"]), (&first["import"], &500.into()));
    assert_eq!(second["actions"], first["actions"]);
    let told = outcomes(&house, "people.csv.receipt.csv");
    assert!(told.len() == 500 && told.iter().all(|(_, o)| o == "filed before"));
    assert_eq!(requests(&house), 500);
}

/// Starts an import, waits until its receipt has grown and hands it to `end`.
fn begun(house: &House, receipt_lines: usize) -> std::process::Child {
    let args = [&["request", "import", "people.csv"][..], &PROVED[..]].concat();
    let child = house
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let receipt = house.path().join("people.csv.receipt.csv");
    let mut patience = 30_000;
    while fs::read_to_string(&receipt).unwrap_or_default().lines().count() < receipt_lines {
        patience -= 1;
        assert!(patience > 0, "nothing was filed");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

fn many(house: &House, rows: usize) {
    set(house, "batch_rows", 50);
    let people: String = (0..rows).map(|n| format!("person{n}@example.org\n")).collect();
    write(house, "people.csv", format!("email\n{people}"));
}

#[test]
fn a_killed_import_goes_on_where_it_was() {
    let house = House::new();
    many(&house, 5000);
    for lines in [2, 500, 1500] {
        let mut child = begun(&house, lines);
        child.kill().expect("killed");
        child.wait().expect("gone");
        let now = requests(&house);
        assert!(now > 0 && now < 5000, "{now}");
    }
    let told = import_json(&house, &[&["people.csv"], &PROVED[..]].concat());
    assert_eq!(
        (&told["rows"], &told["refused"], &told["await_release"]),
        (&5000.into(), &0.into(), &5000.into())
    );
    assert!(told["filed_before"].as_u64().is_some_and(|n| n > 0), "{told}");
    assert_eq!(receipt(&house, "people.csv.receipt.csv").len(), 5000);
    assert_eq!(requests(&house), 5000);
}

#[cfg(unix)]
#[test]
fn an_interrupted_import_closes_its_receipt_and_says_how_to_go_on() {
    let house = House::new();
    many(&house, 5000);
    let child = begun(&house, 100);
    let killed =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.is_ok_and(|s| s.success()));
    let output = child.wait_with_output().expect("it ends");
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("interrupted:") && out.contains("repeat the same command"), "{out}");
    let rows = receipt(&house, "people.csv.receipt.csv");
    assert!(rows.len() < 5000 && rows.len() == requests(&house), "{}", rows.len());
}

#[test]
fn the_receipt_is_written_over_nothing_else() {
    let house = House::new();
    write(&house, "people.csv", "email\nada@example.org\n");
    write(&house, "precious.txt", "precious");
    let args =
        |receipt: &'static str| [&["people.csv", "--receipt", receipt], &PROVED[..]].concat();
    import(&house, &args("people.csv")).ends(2, &["over the file itself"]);
    import(&house, &args("precious.txt")).ends(3, &["not a receipt"]);
    import(&house, &args("no/such/folder.csv"))
        .ends(1, &["cannot be written", "nothing was filed"]);
    assert_eq!(requests(&house), 0);
    import(&house, &args("mine.csv")).ends(0, &["mine.csv"]);
    import(&house, &args("mine.csv")).ends(0, &["mine.csv", "1 filed before"]);
    assert_eq!(
        fs::read_to_string(house.path().join("precious.txt")).ok().as_deref(),
        Some("precious")
    );
}
