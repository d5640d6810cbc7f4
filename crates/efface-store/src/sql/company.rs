//! Requests in company: who is the same person, who merely shares an identifier, whose task goes
//! first.

use std::collections::{BTreeSet, HashMap, HashSet};

use efface_core::{
    LaneId, RequestAction, RequestId, Standing, TaskId, Timestamp,
    desk::{DeskItem, Reason, Subject},
    ids::{DeskId, EntryId},
    journal::{About, Entry, TaskChange},
    plan::{Account, Wish, plan},
    request::Request,
    subject::{Dossier, same_person},
    task::{self, Cause, Rules, Task, TaskState},
};

use crate::{
    Directory, EntryRow, Error, NewTag, RequestWrite, TaskWrite, Unit, hot::Returned,
    sql::seal::Sealer,
};

/// A blind-index tag.
pub(crate) type Tag = [u8; 32];

/// A request that shares a tag with the one at hand.
#[derive(Clone)]
pub(crate) struct Known {
    pub tag: Tag,
    pub request: RequestId,
    /// Proved there.
    pub drives: bool,
    /// Known to belong to more than one person.
    pub shared: bool,
    pub controller: String,
    pub action: String,
    pub scope: Option<String>,
    pub open: bool,
    /// Planned over some accounts alone.
    pub partial: bool,
}

/// Requests by the tag they share.
pub(crate) type Matches = HashMap<Tag, Vec<Known>>;

/// Whether the word is that of a request that is not over.
pub(crate) fn is_open(state: &str) -> bool {
    matches!(state, "received" | "identified" | "released" | "running")
}

pub(crate) fn read_tag(bytes: Vec<u8>) -> Result<Tag, Error> {
    bytes.try_into().map_err(|_| Error::corrupt("tag", "wrong length"))
}

/// Reads what `MATCH_TAGS` found.
pub(crate) fn read_matches(found: &[Returned]) -> Result<Matches, Error> {
    let mut matches = Matches::new();
    for row in found {
        let scope = row.text(7)?;
        let state = row.text(8)?;
        let tag = read_tag(row.bytes(0)?)?;
        matches.entry(tag).or_default().push(Known {
            tag,
            request: RequestId(row.id(1)?),
            drives: row.int(3)? != 0,
            shared: row.int(4)? != 0,
            controller: row.text(5)?,
            action: row.text(6)?,
            scope: (!scope.is_empty()).then_some(scope),
            open: is_open(&state),
            partial: row.int(9)? != 0,
        });
    }
    Ok(matches)
}

/// The proved identifiers of `mine` met at other requests, each pair once.
pub(crate) fn pairs<'a>(
    own: RequestId,
    mine: &'a [NewTag],
    matches: &'a Matches,
) -> Vec<(&'a NewTag, &'a Known)> {
    let of = |tag: &'a NewTag| {
        let known = matches.get(&tag.tag).into_iter().flatten();
        known.filter(move |k| k.drives && k.request != own).map(move |k| (tag, k))
    };
    mine.iter().filter(|t| t.drives).flat_map(of).collect()
}

/// Whom a request met.
#[derive(Default)]
pub(crate) struct Met {
    /// Requests of the same person, oldest first.
    pub same: Vec<Known>,
    /// Tags that belong to more than one person.
    pub shared: HashSet<Tag>,
    /// Requests of the other persons.
    pub strangers: BTreeSet<RequestId>,
}

/// Tells the same person from a household. An identifier known to be shared speaks for nobody.
pub(crate) fn meet(
    mine: &[NewTag],
    met: &[(&NewTag, &Known)],
    theirs: &HashMap<RequestId, Vec<(String, Tag)>>,
) -> Met {
    let mut out = Met::default();
    let mut same: Vec<Known> = vec![];
    out.shared.extend(met.iter().filter(|(_, k)| k.shared).map(|(t, _)| t.tag));
    let personal = |tags: &[(String, Tag)]| -> Vec<(String, Tag)> {
        tags.iter().filter(|(_, tag)| !out.shared.contains(tag)).cloned().collect()
    };
    let mine: Vec<(String, Tag)> = mine.iter().map(|t| (t.kind.clone(), t.tag)).collect();
    let mine = personal(&mine);
    let mut newly_shared = vec![];
    for (tag, known) in met {
        let theirs = theirs.get(&known.request).map(|t| personal(t)).unwrap_or_default();
        if same_person(&mine, &theirs) {
            same.push((*known).clone());
        } else {
            newly_shared.push(tag.tag);
            out.strangers.insert(known.request);
        }
    }
    out.shared.extend(newly_shared);
    same.sort_by_key(|k| k.request);
    same.dedup_by_key(|k| k.request);
    out.same = same;
    out
}

/// Marks a dossier's shared identifiers; whether anything changed.
pub(crate) fn mark_shared(sealer: &Sealer, dossier: &mut Dossier, tags: &HashSet<Tag>) -> bool {
    let mut changed = false;
    for identifier in &mut dossier.identifiers {
        if identifier.standing == Standing::Personal && tags.contains(&sealer.tag(identifier)) {
            identifier.standing = Standing::Shared;
            changed = true;
        }
    }
    changed
}

/// Going to the desk asks no rule of account or action.
const NO_RULES: Rules = Rules {
    floor: efface_core::EvidenceLevel::None,
    verified_by_look_up: false,
    verify_after: std::time::Duration::ZERO,
    bound: std::time::Duration::ZERO,
    retry: efface_core::retry::RetryPolicy {
        base: std::time::Duration::ZERO,
        cap: std::time::Duration::ZERO,
        tries_before_desk: 0,
    },
    recalls: false,
};

/// A request of another person, as stored.
pub(crate) struct Stranger {
    pub request: Request,
    pub nobody_found_decided: bool,
    pub dossier: Dossier,
    pub tasks: Vec<Task>,
}

/// Who writes, and when.
pub(crate) struct Writing<'a> {
    pub sealer: &'a Sealer,
    pub now: Timestamp,
    pub actor: &'a str,
}

impl Writing<'_> {
    pub(crate) fn desk(&self, subject: Subject, reason: Reason) -> crate::DeskOpen {
        let id = DeskId::new(self.now, self.sealer.chance());
        let item = DeskItem { id, subject, reason, opened_at: self.now, closed: None };
        crate::DeskOpen { item, sealed: None }
    }

    /// What becomes of a request whose identifiers turned out shared: it is sealed anew, and unsent
    /// tasks that have no other identifier go to the desk. Nothing when it knew already.
    pub(crate) fn share(
        &self,
        unit: &mut Unit,
        mut stranger: Stranger,
        tags: &HashSet<Tag>,
        accounts: &[Account],
    ) -> Result<(), Error> {
        let request = &stranger.request;
        if request.state.is_over() || !mark_shared(self.sealer, &mut stranger.dossier, tags) {
            return Ok(());
        }
        let mut next = request.clone();
        next.version += 1;
        let identifiers = &stranger.dossier.identifiers;
        let fresh =
            plan(Wish { action: request.action, scope: request.scope, identifiers }, accounts);
        let starves = |task: &Task| {
            let planned =
                fresh.iter().find(|p| p.account == task.account && p.action == task.action);
            planned.is_some_and(|p| lacks_identifier(&p.state))
        };
        let mut changes = vec![];
        for task in &stranger.tasks {
            let unsent = matches!(task.state, TaskState::Blocked { .. } | TaskState::Ready { .. });
            if !unsent || lacks_identifier(&task.state) || !starves(task) {
                continue;
            }
            let event = task::Event::ToDesk { reason: Reason::SharedIdentifier };
            let moved = task::apply(task, &event, &NO_RULES, self.now, 0)?.task;
            changes.push(TaskChange::of(&moved, "identifier turned out shared"));
            unit.desk_opens.push(self.desk(Subject::Task(task.id), Reason::SharedIdentifier));
            unit.tasks.push(TaskWrite::new(task.version, moved));
        }
        let about = About::RequestMoved {
            event: "identifier shared".into(),
            after: Box::new(next.clone()),
            commitments: vec![],
        };
        let id = EntryId::new(self.now, self.sealer.chance());
        let entry = Entry::new(id, self.now, self.actor, about, &changes);
        unit.entries.push(EntryRow { entry, request: Some(request.id) });
        unit.requests.push(RequestWrite {
            read_version: request.version,
            request: next,
            nobody_found_decided: stranger.nobody_found_decided,
            dossier: Some(stranger.dossier),
        });
        Ok(())
    }
}

pub(crate) const fn lacks_identifier(state: &TaskState) -> bool {
    matches!(state, TaskState::Blocked { cause: Cause::MissingIdentifier { .. } })
}

/// The open tasks of one person's earlier requests, in the order in which they run.
#[derive(Default)]
pub(crate) struct Earlier {
    tasks: Vec<Task>,
}

impl Earlier {
    /// Adds a request's tasks; later requests are added later.
    pub(crate) fn add(&mut self, directory: &Directory, known: &Known, mut tasks: Vec<Task>) {
        let action = known.action.parse().unwrap_or(RequestAction::Erase);
        tasks.retain(|t| !t.state.is_settled());
        tasks.sort_by_key(|t| (directory.phase(t, action), t.id));
        self.tasks.append(&mut tasks);
    }

    /// What a task that waits for its phase waits for first: the last before it at its account.
    pub(crate) fn before(&self, account: &efface_core::AccountId) -> Option<&Task> {
        self.tasks.iter().rev().find(|t| t.account == *account)
    }

    /// `state`, or waiting for the task before.
    pub(crate) fn after(
        &self,
        account: &efface_core::AccountId,
        state: &TaskState,
        own: impl Fn(TaskId) -> bool,
    ) -> Option<TaskState> {
        if !matches!(state, TaskState::Blocked { cause: Cause::Phase(_) }) {
            return None;
        }
        let before = self.before(account)?;
        // two that wait for each other would wait for ever
        if matches!(before.state, TaskState::Blocked { cause: Cause::Dependency(upon) } if own(upon))
        {
            return None;
        }
        Some(TaskState::Blocked { cause: Cause::Dependency(before.id) })
    }
}

/// The lane that looks after requests.
pub(crate) fn requests_lane() -> Option<LaneId> {
    LaneId::new(crate::REQUESTS_LANE).ok()
}
