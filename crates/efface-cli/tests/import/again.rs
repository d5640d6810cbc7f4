//! Imports repeated, killed and interrupted.

use super::*;

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

#[test]
fn a_wish_that_is_over_is_asked_anew_by_another_file_and_not_by_the_same_one() {
    let house = House::new();
    write(&house, "may.csv", "email\nada@example.org\n");
    let first = import_json(&house, &[&["may.csv"], &PROVED[..]].concat());
    assert_eq!(first["filed_new"], 1);
    let ada = receipt(&house, "may.csv.receipt.csv")[0].2.clone();
    house.run(&["request", "cancel", &ada]).done();
    let same = import_json(&house, &[&["may.csv"], &PROVED[..]].concat());
    assert_eq!((&same["filed_before"], &same["filed_before_over"]), (&1.into(), &1.into()));
    assert_eq!(same["release"], Value::Null);
    assert!(receipt(&house, "may.csv.receipt.csv")[0].3.contains("cancelled"), "the receipt tells");
    write(&house, "june.csv", "email\nada@example.org\nbob@example.org\n");
    let june = import_json(&house, &[&["june.csv"], &PROVED[..]].concat());
    assert_eq!((&june["filed_new"], &june["filed_before"]), (&2.into(), &0.into()));
    assert_ne!(receipt(&house, "june.csv.receipt.csv")[0].2, ada);
    assert_eq!(requests(&house), 3);
}

#[test]
fn a_proof_that_says_nothing_is_refused_at_every_door() {
    let house = House::new();
    let address = ["--email", "ada@example.org"];
    let file = ["request", "file", "--action", "erase", "--proof", " "];
    house.run(&[&file[..], &address].concat()).ends(3, &["proof", "says nothing"]);
    write(&house, "people.csv", "email,proof\nbob@example.org,no\neve@example.org,account login\n");
    let told = import_json(&house, &["people.csv", "--action", "erase"]);
    assert_eq!((&told["filed_new"], &told["refused"]), (&1.into(), &1.into()));
    let id = house.file(&["--action", "erase"]);
    house.run(&["request", "identify", &id, "--proof", "-"]).ends(3, &["says nothing"]);
}

#[test]
fn a_stop_that_meets_another_hold_says_that_it_adds_nothing() {
    let house = House::new();
    write(&house, "people.csv", "email\nada@example.org\nbob@example.org\n");
    let told = import_json(&house, &[&["people.csv"], &PROVED[..]].concat());
    let import = told["import"].as_str().expect("an id");
    let ada = receipt(&house, "people.csv.receipt.csv")[0].2.clone();
    house.run(&["request", "hold", &ada, "--reason", "litigation"]).done();
    house.run(&["stop", "--import", import]).ends(1, &["stopped 1 request", "adds nothing", &ada]);
    // the stop's own hold is no other
    house.run(&["request", "hold", &ada, "--end"]).done();
    house.run(&["stop", "--import", import]).ends(0, &["stopped 1 request"]);
    house.run(&["stop", "--import", import]).ends(0, &["stopped 0 requests"]);
}
