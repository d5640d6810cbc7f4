//! Months' keys: files outside the database, without which its requests do not open.

mod common;

use efface_vault::{
    Context, Error, MasterKey, Month, MonthKey, MonthKeyFault, MonthKeys, Vault, WrappedRoots,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use common::{REQUEST, chance};

const FIELD: Context<'static> = Context { request_id: REQUEST, field: "dossier" };

#[derive(Clone, Default)]
struct Folder(Arc<Mutex<HashMap<Month, MonthKey>>>);

impl MonthKeys for Folder {
    fn key(&self, month: &Month) -> Result<MonthKey, Error> {
        let gone = Error::MonthKeyGone { month: month.to_string() };
        self.0.lock().expect("one thread").get(month).cloned().ok_or(gone)
    }
}

fn month(text: &str) -> Month {
    Month::parse(text).expect("a month")
}

fn folder(months: &[&str]) -> Folder {
    let folder = Folder::default();
    for (n, text) in (10..).zip(months) {
        let key = MonthKey::generate(month(text), &mut chance(n));
        folder.0.lock().expect("one thread").insert(month(text), key);
    }
    folder
}

fn made() -> (MasterKey, WrappedRoots) {
    let fill = &mut chance(1);
    let master = MasterKey::generate(fill);
    let (_, roots) = Vault::create(&master, fill);
    (master, roots)
}

fn opened(master: &MasterKey, roots: &WrappedRoots, folder: &Folder) -> Vault {
    Vault::open(master, roots).expect("opens").with_months(Box::new(folder.clone()))
}

#[test]
fn only_a_month_is_a_month() {
    assert_eq!(month("2026-11").as_str(), "2026-11");
    assert!(month("2026-09") < month("2026-11") && month("2025-12") < month("2026-01"));
    for wrong in
        ["", "2026", "2026-1", "2026-13", "2026-00", "26-11", "2026-11-01", "2026/11", "20 6-11"]
    {
        assert_eq!(Month::parse(wrong), Err(Error::MonthKey(MonthKeyFault::NoMonth)), "{wrong}");
    }
}

#[test]
fn a_file_opens_with_its_master_alone_and_no_character_of_it_may_change() {
    let (master, _) = made();
    let key = MonthKey::generate(month("2026-11"), &mut chance(2));
    let text = key.to_text(&master, &mut chance(3));
    let read = MonthKey::parse(&format!(" {text}\n"), &master).unwrap();
    assert_eq!((read.month(), read.id()), (key.month(), key.id()));
    assert!(!format!("{read:?}").contains(&text[60..]));
    let other = MasterKey::generate(&mut chance(9));
    assert!(matches!(MonthKey::parse(&text, &other), Err(Error::WrongMaster { .. })));
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(MonthKey::parse(&changed, &master).is_err(), "character {at}: {changed}");
    }
    for wrong in ["", "x", "efface-master-1:00:11", &text[..text.len() - 2]] {
        assert!(MonthKey::parse(wrong, &master).is_err(), "{wrong}");
    }
}

#[test]
fn a_request_is_wrapped_by_its_month_and_opens_while_that_is_there() {
    let (master, roots) = made();
    let folder = folder(&["2026-10", "2026-11"]);
    let vault = opened(&master, &roots, &folder);
    let (october, november) = (month("2026-10"), month("2026-11"));
    let (key, wrapped) = vault.new_request_key(&REQUEST, &october, &mut chance(4)).unwrap();
    assert!(wrapped.wrapped_by.starts_with("month:2026-10:"), "{}", wrapped.wrapped_by);
    let sealed = key.seal(&FIELD, b"ada@example.org", &mut chance(5));
    let carried = vault.wrap(&REQUEST, &key, &november, &mut chance(6)).unwrap();
    folder.0.lock().expect("one thread").remove(&october);
    // a process that has the key at hand is told to forget it
    assert!(vault.unwrap(&REQUEST, &wrapped).is_ok());
    vault.forget_month(&october);
    for vault in [&vault, &opened(&master, &roots, &folder)] {
        let gone = Error::MonthKeyGone { month: "2026-10".into() };
        assert_eq!(vault.unwrap(&REQUEST, &wrapped).map(drop), Err(gone.clone()));
        assert_eq!(vault.new_request_key(&REQUEST, &october, &mut chance(7)).map(drop), Err(gone));
        let key = vault.unwrap(&REQUEST, &carried).unwrap();
        assert_eq!(key.open(&FIELD, &sealed).unwrap().text(), Ok("ada@example.org"));
    }
    // another key of the same month is not the month's key
    let other = MonthKey::generate(october.clone(), &mut chance(8));
    folder.0.lock().expect("one thread").insert(october, other);
    let answer = opened(&master, &roots, &folder).unwrap(&REQUEST, &wrapped).map(drop);
    assert!(matches!(answer, Err(Error::OtherWrappingKey { .. })), "{answer:?}");
    // nor does it help to rename
    let renamed = efface_vault::WrappedKey { wrapped_by: carried.wrapped_by, ..wrapped };
    assert_eq!(vault.unwrap(&REQUEST, &renamed).map(drop), Err(Error::RequestKeyDamaged));
}

#[test]
fn what_the_master_wrapped_before_there_were_months_still_opens() {
    let (master, roots) = made();
    let before = Vault::open(&master, &roots).unwrap();
    let (_, wrapped) = before.new_request_key(&REQUEST, &month("2026-10"), &mut chance(4)).unwrap();
    assert!(wrapped.wrapped_by.starts_with("master:"));
    let folder = folder(&["2026-11"]);
    let vault = opened(&master, &roots, &folder);
    let key = vault.unwrap(&REQUEST, &wrapped).unwrap();
    let carried = vault.wrap(&REQUEST, &key, &month("2026-11"), &mut chance(5)).unwrap();
    assert!(vault.unwrap(&REQUEST, &carried).is_ok());
    assert!(before.unwrap(&REQUEST, &carried).is_err());
}

#[test]
fn roots_go_over_to_a_new_master_and_mean_the_same() {
    let (master, roots) = made();
    let next = MasterKey::generate(&mut chance(2));
    let anew = roots.rewrap(&master, &next, &mut chance(3)).unwrap();
    let (old, new) = (Vault::open(&master, &roots).unwrap(), Vault::open(&next, &anew).unwrap());
    assert_eq!(old.tag("email", "ada@example.org"), new.tag("email", "ada@example.org"));
    assert_eq!(old.digest(b"body"), new.digest(b"body"));
    let sealed = old.seal_general("note", b"x", &mut chance(4));
    assert_eq!(&*new.open_general("note", &sealed).unwrap(), b"x");
    assert!(matches!(Vault::open(&master, &anew), Err(Error::WrongMaster { .. })));
    assert!(matches!(anew.rewrap(&master, &next, &mut chance(5)), Err(Error::WrongMaster { .. })));
}
