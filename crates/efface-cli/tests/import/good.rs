//! Files that are read.

use super::*;

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
fn a_person_whose_request_is_open_already_is_a_duplicate() {
    let house = House::new();
    let first = house.file(&PROVED);
    write(&house, "people.csv", "email\nADA@example.org\n");
    let told = import_json(&house, &[&["people.csv"], &PROVED[..]].concat());
    assert_eq!((&told["filed"], &told["duplicates"]), (&1.into(), &1.into()));
    assert_eq!(told["release"], Value::Null);
    let rows = receipt(&house, "people.csv.receipt.csv");
    assert_eq!(rows[0].1, "duplicate");
    assert!(rows[0].3.contains(&first), "{rows:?}");
}
