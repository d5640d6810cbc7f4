//! The checks of a pack. Each is made whatever became of the others, as far as it can be.

use std::collections::HashMap;

use efface_core::{
    journal::{About, Hash, Leaf, TaskChange, check_opening, leaf_hash},
    request::Request,
};
use serde::Deserialize;

use super::{
    Check, Failure, Finding, Opening, Pack, PackedLeaf, Report, Subject,
    history::{self, Record},
};
use crate::{
    Checkpoint, VerifierKey,
    checkpoint::Error,
    tree::{ProofError, verify_inclusion},
};

/// A leaf of the pack that could be read, with those items of it that could.
pub(super) struct Known<'a> {
    pub(super) packed: &'a PackedLeaf,
    pub(super) leaf: Leaf,
    pub(super) changes: Vec<TaskChange>,
}

#[derive(Deserialize)]
struct Stated {
    request: Request,
}

/// Holds a pack against the log's key.
#[must_use]
pub fn verify(pack: &Pack, key: &VerifierKey) -> Report {
    let mut checks = vec![];
    let mut check = |claim, finding| checks.push(Check { claim, finding });

    let opened = Checkpoint::open(&pack.checkpoint, key);
    let (signature, origin) = signed(&opened, key);
    check("the checkpoint is signed with the key", signature);
    check("the checkpoint is of the key's log", origin);

    let (known, unreadable) = read(pack);
    let all = || format!("{} leaves", pack.leaves.len());
    check("every leaf and item can be read", Finding::unless(unreadable, all));
    check("leaves stand in the journal's order, none twice", order(pack, &known));
    check("every leaf stands in the signed journal", inclusion(pack, opened.as_ref().ok()));
    check("every item shown stands in its leaf", items(&known));

    let mut standings = vec![];
    let mut subject = None;
    match serde_json::from_str::<Stated>(&pack.request) {
        Err(_) => {
            let why = "it has no member `request` that is a request";
            check("request.json is the request as its last leaf has it", Finding::fails(why));
            check(
                "the request's record is whole",
                Finding::CannotTell("request.json does not tell which request".into()),
            );
        }
        Ok(Stated { request }) => {
            let record = Record::of(&known, request.id);
            check(
                "request.json is the request as its last leaf has it",
                match record.last() {
                    Some((_, last)) if *last == request => Finding::Holds(request.id.to_string()),
                    Some((leaf, _)) => Finding::Fails(vec![Failure::at(
                        leaf,
                        "the request there differs from the one in request.json",
                    )]),
                    None => Finding::fails(format!("no leaf tells of request {}", request.id)),
                },
            );
            check("the request's record has no gap", record.request());
            let (finding, found) = history::tasks(&known, &record);
            check("the tasks' records have no gap", finding);
            standings = found;
            let (finding, found) = concerns(pack.opening.as_ref(), &record);
            check("the opening tells whom the request concerns", finding);
            subject = found;
        }
    }
    let mut report = Report { key: key.short(), checks, standings, subject };
    if !report.is_verified() {
        report.standings.clear();
        report.subject = None;
    }
    report
}

fn signed(opened: &Result<Checkpoint, Error>, key: &VerifierKey) -> (Finding, Finding) {
    match opened {
        Ok(checkpoint) => (
            Finding::Holds(key.short()),
            Finding::Holds(format!("{}, {} leaves", checkpoint.origin, checkpoint.size)),
        ),
        Err(error @ Error::OtherOrigin { .. }) => {
            (Finding::Holds(key.short()), Finding::fails(error.to_string()))
        }
        Err(error) => (
            Finding::fails(error.to_string()),
            Finding::CannotTell("its signature does not hold".into()),
        ),
    }
}

fn read(pack: &Pack) -> (Vec<Known<'_>>, Vec<Failure>) {
    let (mut known, mut failures) = (vec![], vec![]);
    for packed in &pack.leaves {
        let leaf = match Leaf::read(&packed.body) {
            Ok(leaf) => leaf,
            Err(error) => {
                failures.push(Failure::at(packed.index, error));
                continue;
            }
        };
        let mut changes = vec![];
        for item in &packed.items {
            match item.change(leaf.id) {
                Ok(change) => changes.push(change),
                Err(error) => failures.push(Failure::at(packed.index, error)),
            }
        }
        known.push(Known { packed, leaf, changes });
    }
    (known, failures)
}

fn order(pack: &Pack, known: &[Known<'_>]) -> Finding {
    let mut failures = vec![];
    for pair in pack.leaves.windows(2) {
        let (before, after) = (pair[0].index, pair[1].index);
        if before == after {
            failures.push(Failure::at(after, "it is in the pack twice"));
        } else if before > after {
            failures.push(Failure::at(after, format!("it stands behind leaf {before}")));
        }
    }
    let mut seen = HashMap::new();
    for Known { packed, leaf, .. } in known {
        if let Some(first) = seen.insert(leaf.id, packed.index) {
            let reason = format!("its entry {} is that of leaf {first} too", leaf.id);
            failures.push(Failure::at(packed.index, reason));
        }
    }
    let range = || match (pack.leaves.first(), pack.leaves.last()) {
        (Some(first), Some(last)) => format!("{} to {}", first.index, last.index),
        _ => "none".into(),
    };
    Finding::unless(failures, range)
}

fn inclusion(pack: &Pack, checkpoint: Option<&Checkpoint>) -> Finding {
    let Some(checkpoint) = checkpoint else {
        return Finding::CannotTell("no checkpoint holds that they could be held against".into());
    };
    let failures = pack.leaves.iter().filter_map(|leaf| {
        let hash = leaf_hash(leaf.body.as_bytes());
        verify_inclusion(&hash, leaf.index, checkpoint.size, &leaf.proof, &checkpoint.root)
            .err()
            .map(|error| Failure::at(leaf.index, error))
    });
    Finding::unless(failures.collect(), || format!("{} of {}", pack.leaves.len(), checkpoint.size))
}

fn items(known: &[Known<'_>]) -> Finding {
    let (mut failures, mut count) = (vec![], 0);
    for Known { packed, leaf, .. } in known {
        let mut last = None;
        for item in &packed.items {
            count += 1;
            let fault = match leaf.items {
                None => Some("its entry has no items".to_owned()),
                Some(tree) if tree.count != item.of => {
                    Some(format!("its entry has {} items, not {}", tree.count, item.of))
                }
                Some(tree) => in_entry(item.index, tree.count, &item.line, &item.path, &tree.root)
                    .err()
                    .map(|error| error.to_string()),
            };
            let late =
                (last >= Some(item.index)).then(|| "it is shown twice, or out of order".to_owned());
            last = Some(item.index);
            for fault in fault.into_iter().chain(late) {
                let reason = format!("item {}: {fault}", item.index);
                failures.push(Failure::at(packed.index, reason));
            }
        }
    }
    Finding::unless(failures, || format!("{count} items"))
}

fn in_entry(
    index: u32,
    count: u32,
    line: &str,
    path: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    verify_inclusion(&leaf_hash(line.as_bytes()), index.into(), count.into(), path, root)
}

fn concerns(opening: Option<&Opening>, record: &Record<'_>) -> (Finding, Option<Subject>) {
    let Some(opening) = opening else {
        return (Finding::NotClaimed("the pack has no opening".into()), None);
    };
    let fits = |about: &About| {
        let made = match about {
            About::RequestFiled { commitments, .. } | About::RequestMoved { commitments, .. } => {
                commitments.get(opening.position as usize)
            }
            _ => None,
        };
        made.filter(|made| made.kind == opening.kind).is_some_and(|made| {
            let mut hash = [0; 32];
            hex::decode_to_slice(&made.hash, &mut hash).is_ok()
                && check_opening(&hash, &opening.opening, &opening.kind, opening.value.expose())
        })
    };
    match record.leaves().find(|(_, about)| fits(about)) {
        Some((leaf, _)) => {
            let subject = Subject { kind: opening.kind.clone(), value: opening.value.clone() };
            let words = format!("by its {}, committed to in leaf {leaf}", opening.kind);
            (Finding::Holds(words), Some(subject))
        }
        None => (
            Finding::fails(format!(
                "no leaf of the request has a commitment to this {} at position {}",
                opening.kind, opening.position
            )),
            None,
        ),
    }
}
