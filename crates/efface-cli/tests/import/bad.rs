//! Files and rows that are refused, and with which words.

use super::*;

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
    check("blank.csv", b"\n \n", erase, 1, &["line 2: the line of column names is blank"]);
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
        assert!(polls > 1 && most > 0 && most < 96 * 1024, "{name}: {most} KiB");
    }
}
