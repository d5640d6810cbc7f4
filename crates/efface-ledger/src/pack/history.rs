//! Whether the record of a request is whole: from filing to the last leaf shown, no change is missing.
//!
//! The journal's own rules make that checkable. Each change of a request or task takes the next
//! version, and each version stands in exactly one leaf. Two exceptions are told by the leaf itself: a
//! request's move names each event (`started, closed` takes two versions), and a task that a vendor
//! blocked and that is ordered again takes the end of the block along.

use std::collections::BTreeMap;

use efface_core::{
    RequestId, TaskId,
    journal::{About, ReadEntry, Replay, TaskChange},
    request::{Request, RequestState},
    task::{Cause, Task, TaskState},
};

use super::{Failure, Finding, Standing, verify::Known};

/// The word of the one event that may come with another before it.
const ORDERED: &str = "ordered";

/// The leaves of one request, by its version.
pub(super) struct Record<'a> {
    id: RequestId,
    told: Vec<Told<'a>>,
    failures: Vec<Failure>,
}

struct Told<'a> {
    known: &'a Known<'a>,
    request: &'a Request,
}

impl<'a> Record<'a> {
    pub(super) fn of(known: &'a [Known<'a>], id: RequestId) -> Self {
        let (mut told, mut failures) = (vec![], watches(known));
        for known in known {
            let (About::RequestFiled { request, .. } | About::RequestMoved { after: request, .. }) =
                &known.leaf.about
            else {
                continue;
            };
            if request.id == id {
                told.push(Told { known, request });
            } else if known.packed.items.is_empty() {
                let reason = format!("it is about request {} alone, not {id}", request.id);
                failures.push(Failure::at(known.packed.index, reason));
            }
        }
        told.sort_by_key(|told| told.request.version);
        Self { id, told, failures }
    }

    pub(super) fn last(&self) -> Option<(u64, &'a Request)> {
        self.told.last().map(|told| (told.known.packed.index, told.request))
    }

    pub(super) fn leaves(&self) -> impl Iterator<Item = (u64, &'a About)> {
        self.told.iter().map(|told| (told.known.packed.index, &told.known.leaf.about))
    }

    /// Filed once, at first, and every version since.
    pub(super) fn request(&self) -> Finding {
        let mut failures = self.failures.clone();
        let mut before: Option<&Request> = None;
        for Told { known, request } in &self.told {
            let leaf = known.packed.index;
            match (&known.leaf.about, before) {
                (About::RequestFiled { .. }, None) => {}
                (About::RequestFiled { .. }, Some(_)) => {
                    failures.push(Failure::at(leaf, "the request is filed a second time"));
                }
                (_, None) => {
                    failures.push(Failure::at(leaf, "the leaf of the request's filing is missing"));
                }
                (about, Some(before)) => {
                    let moves = moves(about);
                    if before.version.checked_add(moves) != Some(request.version) {
                        let (from, to) = (before.version, request.version);
                        failures.push(Failure::at(leaf, format!(
                            "the request goes from version {from} to {to} in {moves} moves: a leaf is missing or is there twice"
                        )));
                    }
                }
            }
            before = Some(request);
        }
        if self.told.is_empty() {
            return Finding::fails(format!("no leaf tells of the filing of request {}", self.id));
        }
        let last = self.last().map_or_else(String::new, |(_, last)| last.state.describe());
        Finding::unless(failures, || {
            format!("{} leaves, from its filing to: {last}", self.told.len())
        })
    }
}

/// Each watch from its beginning: its versions follow one another.
fn watches(known: &[Known<'_>]) -> Vec<Failure> {
    let mut by_task: BTreeMap<TaskId, Vec<(u32, u64)>> = BTreeMap::new();
    for known in known {
        let About::WatchMoved { watches, .. } = &known.leaf.about else { continue };
        for watch in watches {
            let leaf = (watch.version, known.packed.index);
            by_task.entry(watch.task).or_default().push(leaf);
        }
    }
    let gap = |(task, mut leaves): (TaskId, Vec<(u32, u64)>)| {
        leaves.sort_unstable();
        let mut follow = (1..).zip(leaves);
        follow.find(|(next, (version, _))| version != next).map(|(next, (version, leaf))| {
            Failure::at(leaf, format!("the watch over task {task} has version {version} where {next} follows: a leaf is missing or is there twice"))
        })
    };
    by_task.into_iter().filter_map(gap).collect()
}

/// How many events a leaf about a request names.
fn moves(about: &About) -> u32 {
    match about {
        About::RequestMoved { event, .. } => {
            u32::try_from(event.split(", ").count()).unwrap_or(u32::MAX)
        }
        _ => 1,
    }
}

struct Change<'a> {
    known: &'a Known<'a>,
    change: &'a TaskChange,
}

/// Each task from its birth to the last change shown, every task planned at filing, and none open in a
/// request that is closed.
pub(super) fn tasks(known: &[Known<'_>], record: &Record<'_>) -> (Finding, Vec<Standing>) {
    let mut failures = all_births(record);
    let mut by_task: BTreeMap<TaskId, Vec<Change<'_>>> = BTreeMap::new();
    for known in known {
        for change in &known.changes {
            by_task.entry(change.task).or_default().push(Change { known, change });
        }
    }
    let mut standings = vec![];
    for (task, mut changes) in by_task {
        changes.sort_by_key(|c| c.change.version);
        match one_task(task, &changes, record.id) {
            Ok(standing) => standings.push(standing),
            Err(failure) => failures.push(failure),
        }
    }
    if let Some((leaf, Request { state: RequestState::Closed { .. }, .. })) = record.last() {
        let open = standings.iter().filter(|s| !s.task.state.is_settled());
        failures.extend(open.map(|standing| {
            let id = standing.task.id;
            let reason = format!("the request is closed there, and the pack has task {id} still open: a leaf is missing");
            Failure::at(leaf, reason)
        }));
    }
    let count = standings.len();
    (Finding::unless(failures, || format!("{count} tasks, each from its first day")), standings)
}

/// All items of the filing are births of this request's tasks: none may be left out.
fn all_births(record: &Record<'_>) -> Vec<Failure> {
    let filings = record
        .told
        .iter()
        .filter(|told| matches!(told.known.leaf.about, About::RequestFiled { .. }));
    filings
        .filter_map(|told| {
            let planned = told.known.leaf.items.map_or(0, |tree| tree.count) as usize;
            let shown = told.known.packed.items.len();
            (shown != planned).then(|| {
                let reason =
                    format!("{planned} tasks were planned at filing, and {shown} are shown");
                Failure::at(told.known.packed.index, reason)
            })
        })
        .collect()
}

fn one_task(task: TaskId, changes: &[Change<'_>], request: RequestId) -> Result<Standing, Failure> {
    let mut replay = Replay::default();
    let mut last = None;
    for Change { known, change } in changes {
        let leaf = known.packed.index;
        let before = replay.tasks.get(&task);
        match (before, &change.born) {
            (None, None) => {
                return Err(Failure::at(leaf, format!("the first leaf of task {task} is missing")));
            }
            (None, Some(born)) if born.request != request => {
                let reason = format!("task {task} is of request {}, not {request}", born.request);
                return Err(Failure::at(leaf, reason));
            }
            (None, Some(_)) => {}
            (Some(before), _) => follows(before, change).map_err(|r| Failure::at(leaf, r))?,
        }
        let entry = ReadEntry {
            id: known.leaf.id,
            at: known.leaf.at,
            actor: String::new(),
            about: About::Note { text: String::new() },
            changes: vec![(*change).clone()],
        };
        replay.take(entry).map_err(|error| Failure::at(leaf, error))?;
        last = Some((leaf, known.leaf.at));
    }
    match (replay.tasks.remove(&task), last) {
        (Some(task), Some((leaf, since))) => Ok(Standing { task, since, leaf }),
        _ => Err(Failure { leaf: None, reason: format!("task {task} has no leaf") }),
    }
}

/// Whether a change is the next one.
fn follows(before: &Task, change: &TaskChange) -> Result<(), String> {
    let (from, to) = (before.version, change.version);
    let blocked = matches!(before.state, TaskState::Blocked { cause: Cause::Vendor { .. } });
    let steps = if blocked && change.event == ORDERED { 2 } else { 1 };
    if from.checked_add(steps) == Some(to) {
        return Ok(());
    }
    let id = before.id;
    Err(if from == to {
        format!("task {id} has version {to} twice")
    } else {
        format!("task {id} goes from version {from} to {to}: a leaf is missing")
    })
}
