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
