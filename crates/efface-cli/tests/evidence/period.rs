//! The packs of a period, and those of a sample that whoever checks has drawn.

use std::{fs, path::Path};

use super::{PROVED, house::House, key};

/// Files requests received on these days of January 2026; their ids.
fn filed_on(house: &House, days: &[u32]) -> Vec<String> {
    let one = |day: &u32| {
        let (address, day) = (format!("p{day}@person.example"), format!("2026-01-{day:02}"));
        let args = ["request", "file", "--email", &address, "--received-on", &day, "--json"];
        let told = house.run(&[&args[..], &PROVED].concat()).done().json();
        told["request"]["id"].as_str().expect("an id").to_owned()
    };
    days.iter().map(one).collect()
}

fn rows(list: &Path) -> Vec<csv::StringRecord> {
    let mut read = csv::Reader::from_path(list).expect("a list");
    read.records().map(|r| r.expect("a row")).collect()
}

#[test]
fn the_packs_of_a_period_are_those_received_in_it_and_each_verifies() {
    let house = House::new();
    let ids = filed_on(&house, &[3, 10, 20, 31]);
    let export = ["evidence", "export", "--from", "2026-01-10", "--to", "2026-01-31", "-o", "out"];
    house.run(&export).ends(0, &["3 requests received", "3 packs"]);
    let list = rows(&house.path().join("out/population.csv"));
    let listed: Vec<&str> = list.iter().map(|r| &r[0]).collect();
    assert_eq!(listed, ids[1..]);
    let text = fs::read_to_string(house.path().join("out/population.csv")).expect("text");
    assert!(!text.contains("person.example"), "the list names nobody");
    let packs: Vec<String> =
        ids[1..].iter().map(|id| format!("out/packs/efface-evidence-{id}.zip")).collect();
    let key = key(&house);
    let verify = |packs: &[String], more: &[&str]| {
        let mut args = vec!["verify"];
        args.extend(packs.iter().map(String::as_str));
        args.extend(["--key", &key]);
        house.run(&[&args, more].concat())
    };
    verify(&packs, &[]).ends(0, &["3 of 3 packs verified"]);
    // one that is spoilt keeps none of the others from being looked at
    fs::write(house.path().join(&packs[0]), "spoilt").expect("written");
    verify(&packs, &[]).ends(1, &["NOT VERIFIED  out/packs", "2 of 3 packs verified"]);
    let told = verify(&packs, &["--json"]);
    assert_eq!((told.exit, told.json()["packs"][0]["verified"].clone()), (1, false.into()));
    house.run(&export).ends(3, &["out is not empty", "--force"]);
    house.run(&[&export[..], &["--force"]].concat()).done();
    verify(&packs, &[]).ends(0, &["3 of 3 packs verified"]);
}

#[test]
fn a_sample_can_be_drawn_again_by_anybody_from_the_list_and_the_seed() {
    let house = House::new();
    let ids = filed_on(&house, &[1, 2, 3, 4, 5, 6]);
    let sample = |seed: &str, folder: &str| {
        let args = ["evidence", "sample", "--from", "2026-01-01", "--to", "2026-01-31", "--n", "2"];
        house.run(&[&args[..], &["--seed", seed, "-o", folder, "--json"]].concat()).done().json()
    };
    let told = sample("4711", "one");
    assert_eq!(told["population"], 6);
    // from what stands in the folder alone
    let mut lots: Vec<(String, String)> = rows(&house.path().join("one/population.csv"))
        .iter()
        .map(|r| (r[9].to_owned(), r[0].to_owned()))
        .collect();
    assert_eq!(lots.len(), ids.len());
    lots.sort();
    let smallest: Vec<&str> = lots.iter().take(2).map(|(_, id)| id.as_str()).collect();
    let drawn: Vec<&str> =
        told["drawn"].as_array().expect("a draw").iter().filter_map(|d| d.as_str()).collect();
    assert_eq!(drawn, smallest);
    assert_eq!(fs::read_dir(house.path().join("one/packs")).expect("packs").count(), 2);
    assert_eq!(sample("4711", "again")["drawn"], told["drawn"]);
    assert_ne!(sample("4712", "other")["drawn"], told["drawn"]);
}

#[test]
fn a_period_that_is_none_is_refused_before_anything_is_written() {
    let house = House::new();
    let cases: [(&[&str], i32, &str); 6] = [
        (&["export", "--from", "2026-02-01", "--to", "2026-01-01"], 2, "is before --from"),
        (&["export", "--from", "2026-02-01"], 2, "--to"),
        (&["export", "--from", "yesterday", "--to", "2026-01-01"], 2, "--from"),
        (&["export"], 2, "name a REQUEST, or a period"),
        (&["sample", "--from", "2026-01-01", "--to", "2026-02-01", "--seed", "1"], 2, "--n"),
        (
            &["sample", "--from", "2026-01-01", "--to", "2026-02-01", "--n", "0", "--seed", "1"],
            2,
            "--n",
        ),
    ];
    for (args, exit, part) in cases {
        house.run(&[&["evidence"], args].concat()).ends(exit, &[part]);
    }
    let left = fs::read_dir(house.path()).expect("a folder").filter_map(Result::ok);
    let left = left.filter(|e| e.file_name().to_string_lossy().starts_with("efface-evidence"));
    assert_eq!(left.count(), 0);
}
