//! A whole journal against a checkpoint: whole, or what was done to it and where.

use efface_core::journal::Entry;
use efface_ledger::{
    Checkpoint,
    log::{self, Discrepancy, Kind, Verdict},
    tree::{Error, TileId},
};

use crate::{
    checkpoints::ORIGIN,
    story::{Journal, entries, journal},
    trees::Shelf,
};

fn signed(journal: &Journal) -> Checkpoint {
    let root = journal.frontier.root();
    Checkpoint { origin: ORIGIN.into(), size: journal.frontier.size(), root }
}

fn bodies(entries: &[Entry]) -> impl Iterator<Item = Result<String, Error>> {
    entries.iter().map(|entry| Ok(entry.body.clone()))
}

#[test]
fn what_was_done_to_a_journal_is_told_with_its_place() {
    let journal = journal();
    let last = journal.entries.len() - 1;
    let check = |change: &dyn Fn(&mut Vec<Entry>), kind, first: Option<u64>| {
        let mut touched = entries();
        change(&mut touched);
        let found = touched.len() as u64;
        let verdict = log::verify(bodies(&touched), signed(journal), Some(&journal.shelf)).unwrap();
        let wanted = Discrepancy { kind, found, signed: 312, first, stored_hold: Some(true) };
        assert_eq!(verdict, Verdict::Differs(wanted), "{verdict}");
        if let Some(first) = first {
            assert!(
                verdict.to_string().ends_with(&format!("(first at leaf {first})")),
                "{verdict}"
            );
        }
        // without the stored hashes it is noticed as well
        let blind = log::verify(bodies(&touched), signed(journal), None::<&Shelf>).unwrap();
        let kind = if found < 312 { Kind::Fewer } else { Kind::Other };
        let wanted = Discrepancy { kind, found, signed: 312, first: None, stored_hold: None };
        assert_eq!(blind, Verdict::Differs(wanted), "{blind}");
    };
    for at in [0, 7, 255, 256, last] {
        let altered = |e: &mut Vec<Entry>| e[at].body = e[at].body.replace("tester", "testeR");
        check(&altered, Kind::Altered, Some(at as u64));
        check(
            &|e| e.insert(at, Entry { body: "new".into(), ..e[0].clone() }),
            Kind::Inserted,
            Some(at as u64),
        );
        if at < last {
            check(&|e| drop(e.remove(at)), Kind::Deleted, Some(at as u64));
            check(&|e| e.swap(at, at + 1), Kind::Reordered, Some(at as u64));
        }
    }
    check(&|e| e.truncate(311), Kind::Truncated, None);
    check(&|e| e.truncate(9), Kind::Truncated, None);
    check(&Vec::clear, Kind::Truncated, None);
    check(&|e| e.swap(3, 200), Kind::Altered, Some(3));
}

#[test]
fn a_journal_is_whole_and_its_unsigned_tail_is_told() {
    let journal = journal();
    let (all, tiles) = (bodies(&journal.entries), Some(&journal.shelf));
    let verdict = log::verify(all, signed(journal), tiles).unwrap();
    assert_eq!(verdict, Verdict::Whole { signed: 312, unsigned: 0 });
    let older = Journal::of(entries()[..300].to_vec());
    for tiles in [Some(&journal.shelf), Some(&older.shelf), None] {
        let verdict = log::verify(bodies(&journal.entries), signed(&older), tiles).unwrap();
        assert_eq!(verdict, Verdict::Whole { signed: 300, unsigned: 12 });
        assert!(verdict.to_string().contains("12 more are not signed yet"), "{verdict}");
    }
    let empty = Journal::of(vec![]);
    let verdict = log::verify(bodies(&[]), signed(&empty), None::<&Shelf>).unwrap();
    assert_eq!(verdict, Verdict::Whole { signed: 0, unsigned: 0 });
    // somebody else's tail: nothing is said about what nobody signed
    let mut touched = entries();
    touched[305].body = "new".into();
    let verdict = log::verify(bodies(&touched), signed(&older), Some(&journal.shelf)).unwrap();
    assert_eq!(verdict, Verdict::Whole { signed: 300, unsigned: 12 });
}

#[test]
fn stored_hashes_are_believed_no_further_than_they_reach() {
    let journal = journal();
    // the leaves are whole, a stored hash is not
    let mut shelf = journal.shelf.clone();
    shelf.get_mut(&TileId { level: 0, index: 1 }).unwrap()[4][0] ^= 1;
    let verdict = log::verify(bodies(&journal.entries), signed(journal), Some(&shelf)).unwrap();
    let wanted = Discrepancy {
        kind: Kind::StoredHashes,
        found: 312,
        signed: 312,
        first: Some(260),
        stored_hold: Some(false),
    };
    assert_eq!(verdict, Verdict::Differs(wanted));
    // leaves and hashes were rewritten together: the signed root still differs
    let mut touched = entries();
    touched[7].body = "rewritten".into();
    let rewritten = Journal::of(touched);
    let verdict =
        log::verify(bodies(&rewritten.entries), signed(journal), Some(&rewritten.shelf)).unwrap();
    let wanted = Discrepancy {
        kind: Kind::Other,
        found: 312,
        signed: 312,
        first: None,
        stored_hold: Some(false),
    };
    assert_eq!(verdict, Verdict::Differs(wanted));
    assert!(matches!(
        log::verify(bodies(&entries()), signed(journal), Some(&Shelf::new())),
        Err(Error::Tile { .. })
    ));
}
