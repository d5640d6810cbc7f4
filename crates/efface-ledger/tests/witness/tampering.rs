//! Every way to touch a pack that we could think of, and that each is noticed, at its place.

use efface_core::{
    EntryId,
    journal::{About, Entry, TaskChange},
    subject::Value,
};
use efface_ledger::{
    Pack, VerifierKey,
    pack::{PackedLeaf, Verdict, verify},
    tree::inclusion_proof,
};
use uuid::Uuid;

use crate::{
    checkpoints::{ORIGIN, signer},
    story::{HERS, Journal, ada, at, entries, journal},
    trees::{grown, hashes},
};

pub fn key() -> VerifierKey {
    signer(ORIGIN, 1).verifier().clone()
}

/// The failures with their leaf, in words; empty for a verified pack.
fn failures(pack: &Pack) -> Vec<String> {
    let report = verify(pack, &key());
    match report.verdict() {
        Verdict::Verified => vec![],
        Verdict::NotVerified(failures) => {
            assert!(report.standings.is_empty() && report.subject.is_none());
            assert!(report.to_string().contains("NOT VERIFIED"), "{report}");
            failures.into_iter().map(ToString::to_string).collect()
        }
    }
}

/// One change to Ada's good pack is found, in these words.
fn check(what: &str, change: impl FnOnce(&mut Pack), wanted: &str) {
    let mut pack = journal().pack(&HERS);
    change(&mut pack);
    let found = failures(&pack);
    assert!(found.iter().any(|f| f.contains(wanted)), "{what}: wanted {wanted:?} in {found:#?}");
}

fn flip(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} in {text}");
    text.replacen(from, to, 1)
}

#[test]
fn what_was_done_to_a_leaf_is_noticed() {
    let at_four = "leaf 4: the proof leads to another root";
    check(
        "a bit of a body",
        |p| p.leaves[2].body = flip(&p.leaves[2].body, "released", "releaseD"),
        at_four,
    );
    check("a space in a body", |p| p.leaves[2].body.push(' '), at_four);
    check("an unreadable body", |p| p.leaves[2].body.truncate(20), "leaf 4: journal entry");
    check("a bit of a proof", |p| p.leaves[2].proof[3][31] ^= 0x80, at_four);
    check(
        "a shorter proof",
        |p| p.leaves[2].proof.truncate(8),
        "leaf 4: the proof has 8 hashes where",
    );
    check(
        "a longer proof",
        |p| p.leaves[2].proof.push([0; 32]),
        "leaf 4: the proof has 10 hashes where",
    );
    check("no proof", |p| p.leaves[2].proof.clear(), "leaf 4: the proof has 0 hashes");
    check("another index", |p| p.leaves[2].index = 400, "leaf 400: index 400 lies outside");
    check(
        "a neighbour's index",
        |p| p.leaves[9].index = 12,
        "leaf 12: the proof leads to another root",
    );
}

#[test]
fn leaves_that_were_deleted_reordered_inserted_or_cut_off_are_noticed() {
    check(
        "the filing deleted",
        |p| drop(p.leaves.remove(0)),
        "leaf 3: the leaf of the request's filing is missing",
    );
    check(
        "a move deleted",
        |p| drop(p.leaves.remove(1)),
        "leaf 4: the request goes from version 1 to 3 in 1 moves",
    );
    check(
        "an order deleted",
        |p| drop(p.leaves.remove(4)),
        "leaf 7: task 00000000-0000-0000-0000-00000000000b goes from version 2 to 4",
    );
    check(
        "a block deleted",
        |p| drop(p.leaves.remove(6)),
        "leaf 9: task 00000000-0000-0000-0000-00000000000c goes from version 2 to 5",
    );
    check(
        "a last answer deleted",
        |p| drop(p.leaves.remove(8)),
        "leaf 11: the request is closed there, and the pack has task",
    );
    check(
        "the end deleted",
        |p| drop(p.leaves.pop()),
        "leaf 5: the request there differs from the one in request.json",
    );
    check("everything deleted", |p| p.leaves.clear(), "no leaf tells of");
    check("two reordered", |p| p.leaves.swap(3, 4), "leaf 5: it stands behind leaf 6");
    check(
        "indexes swapped",
        |p| {
            (p.leaves[1].index, p.leaves[2].index) = (4, 3);
            p.leaves.swap(1, 2);
        },
        "leaf 3: the proof leads to another root",
    );
    check(
        "one twice",
        |p| p.leaves.insert(2, p.leaves[1].clone()),
        "leaf 3: it is in the pack twice",
    );
    check(
        "one twice, elsewhere",
        |p| p.leaves.insert(2, PackedLeaf { index: 4, ..p.leaves[1].clone() }),
        "is that of leaf 3 too",
    );
    check(
        "one invented",
        |p| {
            let about = About::Note { text: "and all was well".into() };
            let body = Entry::new(EntryId(Uuid::from_u128(1)), at(0), "me", about, &[]).body;
            let proof = p.leaves[9].proof.clone();
            p.leaves.push(PackedLeaf { index: 12, body, proof, items: vec![] });
        },
        "leaf 12: the proof leads to another root",
    );
}

#[test]
fn what_was_done_to_an_item_is_noticed() {
    // leaf 5: items 0 and 2 of 3 are hers
    let other_root = "leaf 5: item 0: the proof leads to another root";
    check(
        "a bit of an item",
        |p| {
            let line = &mut p.leaves[3].items[0].line;
            *line = flip(line, "cause gone", "cause gonE");
        },
        other_root,
    );
    check("a bit of its path", |p| p.leaves[3].items[0].path[0][0] ^= 1, other_root);
    check(
        "its path cut",
        |p| p.leaves[3].items[0].path.truncate(1),
        "leaf 5: item 0: the proof has 1 hashes",
    );
    check(
        "another place",
        |p| p.leaves[3].items[0].index = 1,
        "leaf 5: item 1: the proof leads to another root",
    );
    check(
        "a place that is none",
        |p| p.leaves[3].items[1].index = 9,
        "leaf 5: item 9: index 9 lies outside",
    );
    check(
        "another count",
        |p| p.leaves[3].items[0].of = 4,
        "leaf 5: item 0: its entry has 3 items, not 4",
    );
    check(
        "an item twice",
        |p| {
            let again = p.leaves[3].items[0].clone();
            p.leaves[3].items.insert(1, again);
        },
        "leaf 5: item 0: it is shown twice",
    );
    check(
        "items reordered",
        |p| p.leaves[3].items.swap(0, 1),
        "leaf 5: item 0: it is shown twice, or out of order",
    );
    check(
        "an item left out",
        |p| drop(p.leaves[3].items.remove(0)),
        "leaf 6: task 00000000-0000-0000-0000-00000000000b goes from version 1 to 3",
    );
    check(
        "a birth left out",
        |p| drop(p.leaves[0].items.remove(0)),
        "leaf 1: 2 tasks were planned at filing, and 1 are shown",
    );
    check("an unreadable item", |p| p.leaves[3].items[0].line.truncate(9), "leaf 5: journal entry");
    check(
        "an item where there are none",
        |p| {
            let item = p.leaves[3].items[0].clone();
            p.leaves[2].items.push(item);
        },
        "leaf 4: item 0: its entry has no items",
    );
    check(
        "another leaf's item",
        |p| {
            let item = p.leaves[4].items[0].clone();
            p.leaves[5].items[0] = item;
        },
        "leaf 7: item 1: the proof leads to another root",
    );
}

#[test]
fn a_whole_task_cannot_be_left_out() {
    check(
        "a task left out",
        |p| {
            for leaf in &mut p.leaves {
                leaf.items.retain(|item| !item.line.contains("00000000000c"));
            }
        },
        "leaf 1: 2 tasks were planned at filing, and 1 are shown",
    );
}

#[test]
fn other_peoples_leaves_and_tasks_are_not_hers() {
    let journal = journal();
    let mut pack = journal.pack(&HERS);
    pack.leaves.insert(1, journal.leaf(2));
    let found = failures(&pack);
    assert!(found[0].starts_with("leaf 2: it is about request"), "{found:?}");

    let mut pack = journal.pack(&HERS);
    let Entry { body, items, .. } = &entries()[2];
    let proof = inclusion_proof(&journal.shelf, 2, journal.frontier.size()).unwrap();
    pack.leaves.insert(1, PackedLeaf::new(2, proof, body, items, |_| true).unwrap());
    let found = failures(&pack);
    assert!(
        found[0].contains("leaf 2: task 00000000-0000-0000-0000-00000000000d is of request"),
        "{found:?}"
    );

    let mut pack = journal.pack(&HERS);
    let Entry { body, items, .. } = &entries()[5];
    pack.leaves[3] =
        PackedLeaf::new(5, pack.leaves[3].proof.clone(), body, items, |_| true).unwrap();
    let found = failures(&pack);
    assert!(
        found[0].contains(
            "leaf 5: the first leaf of task 00000000-0000-0000-0000-00000000000d is missing"
        ),
        "{found:?}"
    );
}

#[test]
fn what_was_done_to_the_checkpoint_is_noticed() {
    check(
        "a bit of it",
        |p| p.checkpoint = flip(&p.checkpoint, "\n312\n", "\n313\n"),
        "it was altered",
    );
    check("nothing of it", |p| p.checkpoint.clear(), "the checkpoint cannot be read");
    check(
        "a foreign key",
        |p| p.checkpoint = signer(ORIGIN, 2).sign(312, &journal().frontier.root()),
        "the checkpoint is not signed by efface.example.org/log+",
    );
    check(
        "a foreign log",
        |p| p.checkpoint = signer("other.example.org", 1).sign(312, &journal().frontier.root()),
        "it is signed by other.example.org+",
    );
    check(
        "another tree",
        |p| p.checkpoint = signer(ORIGIN, 1).sign(312, &grown(&hashes(312)).0.root()),
        "leaf 1: the proof leads to another root",
    );
    check(
        "a smaller tree",
        |p| p.checkpoint = signer(ORIGIN, 1).sign(8, &journal().frontier.root()),
        "leaf 9: index 9 lies outside a tree of 8 leaves",
    );
    // without a checkpoint nothing is proven, and that is said
    let mut pack = journal().pack(&HERS);
    pack.checkpoint.clear();
    assert!(
        verify(&pack, &key())
            .to_string()
            .contains("open     every leaf stands in the signed journal")
    );
}

#[test]
fn what_was_done_to_request_or_opening_is_noticed() {
    check(
        "a wish",
        |p| p.request = flip(&p.request, "\"erase\"", "\"suppress\""),
        "leaf 11: the request there differs",
    );
    check(
        "another request",
        |p| {
            p.request = flip(
                &p.request,
                "00000000-0000-0000-0000-000000000002",
                "00000000-0000-0000-0000-000000000007",
            )
        },
        "no leaf tells of",
    );
    check("no request", |p| p.request = "{}".into(), "no member `request`");
    check("no JSON", |p| p.request.truncate(30), "no member `request`");
    let nobody = "no leaf of the request has a commitment to this";
    check(
        "another person",
        |p| p.opening.as_mut().unwrap().value = Value::new("eve@example.org"),
        nobody,
    );
    check("another kind", |p| p.opening.as_mut().unwrap().kind = "phone".into(), nobody);
    check("another position", |p| p.opening.as_mut().unwrap().position = 0, nobody);
    check("a position that is none", |p| p.opening.as_mut().unwrap().position = u32::MAX, nobody);
    check("another nonce", |p| p.opening.as_mut().unwrap().opening[0] ^= 1, nobody);
}

/// A log that signs what it should not: the record is held against the journal's own rules.
#[test]
fn a_signed_record_with_a_hole_is_no_record() {
    let with = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = entries();
        change(&mut entries);
        failures(&Journal::of(entries).pack(&HERS))
    };
    let moved = |event: &str| About::RequestMoved {
        event: event.into(),
        after: Box::new(ada()),
        commitments: vec![],
    };
    let entry = |n: u128, about| {
        Entry::new(EntryId(Uuid::from_u128(n)), at(0), "t", about, &[] as &[TaskChange])
    };
    // two events take two versions, and only two
    assert_eq!(with(&|_| {}), Vec::<String>::new());
    let found = with(&|e| e[11] = entry(1, moved("started, closed")));
    assert!(found[0].contains("from version 4 to 5 in 2 moves"), "{found:?}");
    let found = with(&|e| e[10] = entry(1, moved("closed")));
    assert!(found.iter().any(|f| f.contains("from version 5 to 5")), "{found:?}");
    let filed = || About::RequestFiled { request: Box::new(ada()), commitments: vec![] };
    let found = with(&|e| e[10] = entry(1, filed()));
    assert!(found.iter().any(|f| f.contains("filed a second time")), "{found:?}");
    // one version in two leaves
    let found = with(&|e| e[10] = Entry { id: EntryId(Uuid::from_u128(1)), ..e[9].clone() });
    assert!(found.iter().any(|f| f.contains("has version 5 twice")), "{found:?}");
}

#[test]
fn a_move_of_two_events_takes_two_versions() {
    let mut told = entries();
    let moved = About::RequestMoved {
        event: "started, closed".into(),
        after: Box::new(ada()),
        commitments: vec![],
    };
    // the leaf of the start becomes a plain move of the tasks
    let Entry { items, .. } = told[5].clone();
    let changes: Vec<TaskChange> =
        items.lines().map(|l| TaskChange::read(told[5].id, l).unwrap()).collect();
    told[5] = Entry::new(
        told[5].id,
        at(5),
        "t",
        About::TasksMoved { cause: "phase opened".into() },
        &changes,
    );
    told[11] = Entry::new(told[11].id, at(11), "t", moved, &[]);
    assert_eq!(failures(&Journal::of(told).pack(&HERS)), Vec::<String>::new());
}

#[test]
fn the_order_in_which_leaves_were_given_positions_is_not_the_order_of_versions() {
    let mut told = entries();
    told.swap(9, 10);
    assert_eq!(failures(&Journal::of(told).pack(&HERS)), Vec::<String>::new());
}
