//! Filing: request, tags, tasks, leaf and follow-up in one transaction; duplicates, shared
//! identifiers and filing order are decided under it.

use std::collections::{BTreeSet, HashMap, HashSet};

use efface_core::{
    Identifier, LaneId, RequestId, Standing, Timestamp,
    desk::{DeskItem, Reason, Subject},
    ids::DeskId,
    journal::{About, Entry, TaskChange},
    plan::{Account, Wish, plan},
    request::{Request, RequestState},
    subject::{Dossier, same_person},
    task::{self, Cause, Rules, TaskState},
};
use efface_vault::WrappedKey;

use crate::{
    DeskOpen, Error, Filed, Filing, NewTag, NewTask, REQUESTS_LANE, RequestWrite, TaskWrite, Unit,
    hot::{Batch, Cell, Hot, Tx},
    sql::{
        Database, commit,
        rows::{self, task_columns},
        seal::{Sealed, Sealer},
    },
};

/// A filing with everything that can be made ready outside of the transaction.
pub(super) struct PreparedFiling {
    filing: Filing,
    tags: Vec<NewTag>,
    sealed: Sealed,
    entry: Entry,
    task_cells: Vec<Vec<Cell>>,
}

impl PreparedFiling {
    pub(super) fn weight(&self) -> usize {
        self.task_cells.len() + self.tags.len() + 2
    }
}

fn tags_of(sealer: &Sealer, request: RequestId, dossier: &Dossier) -> Vec<NewTag> {
    let mut seen = HashSet::new();
    let mut tags = vec![];
    for identifier in &dossier.identifiers {
        let tag = sealer.tag(identifier);
        if seen.insert(tag) {
            let proved = matches!(identifier.provenance, efface_core::Provenance::Proved { .. });
            tags.push(NewTag { request, tag, kind: identifier.kind.word(), drives: proved });
        }
    }
    tags
}

fn filing_entry(sealer: &Sealer, filing: &Filing, now: Timestamp) -> Result<Entry, Error> {
    let about = About::RequestFiled {
        request: Box::new(filing.request.clone()),
        commitments: sealer.commitments(&filing.dossier)?,
    };
    let births: Vec<TaskChange> =
        filing.tasks.iter().map(|t| TaskChange::birth(&t.task, "planned")).collect();
    Ok(Entry::new(rows::entry_id(now, sealer.chance()), now, &filing.actor, about, &births))
}

pub(super) fn prepare(
    sealer: &Sealer,
    filing: Filing,
    now: Timestamp,
) -> Result<PreparedFiling, Error> {
    let tags = tags_of(sealer, filing.request.id, &filing.dossier);
    let sealed = sealer.seal_new(filing.request.id, &filing.dossier)?;
    let entry = filing_entry(sealer, &filing, now)?;
    let task_cells =
        filing.tasks.iter().map(|t| rows::new_task_cells(t, now)).collect::<Result<_, _>>()?;
    Ok(PreparedFiling { filing, tags, sealed, entry, task_cells })
}

/// A request that shares a tag with the one being filed.
#[derive(Clone)]
struct Match {
    request: RequestId,
    drives: bool,
    controller: String,
    action: String,
    scope: Option<String>,
    open: bool,
}

/// Going to the desk and being planned asks no rule of account or action.
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
};

/// The key of the advisory lock that makes filings of all processes take turns on PostgreSQL.
const FILING_LOCK: i64 = 0x6566_6661_6365;

/// Writes a group of filings; what became of each, and the lanes to wake.
pub(super) async fn write(
    tx: &mut Tx,
    database: &Database,
    sealer: &Sealer,
    filings: &[&PreparedFiling],
    now: Timestamp,
) -> Result<(Vec<Filed>, BTreeSet<LaneId>), Error> {
    if database.is_postgres() {
        tx.small("SELECT 1::int8 FROM pg_advisory_xact_lock($1)", &[Cell::from(FILING_LOCK)])
            .await?;
    }
    let mut known = known_filings(tx, filings).await?;
    let mut matches = match_tags(tx, filings).await?;
    let mut writer = Writer { tx, sealer, now, rows: Rows::default(), wakes: BTreeSet::new() };
    let mut filed = Vec::with_capacity(filings.len());
    for filing in filings {
        let before = filing.filing.filing_key.and_then(|key| known.get(&key).copied());
        if let Some(before) = before {
            filed.push(Filed::Before(before));
            continue;
        }
        let outcome = writer.one(filing, &matches).await?;
        if let Some(key) = filing.filing.filing_key {
            known.insert(key, filing.filing.request.id);
        }
        let request = &filing.filing.request;
        let is_new = matches!(outcome, Filed::New(_));
        for tag in filing.tags.iter().filter(|_| is_new) {
            matches.entry(tag.tag).or_default().push(Match {
                request: request.id,

                drives: tag.drives,
                controller: request.controller.to_string(),
                action: request.action.word().to_owned(),
                scope: request.scope.map(|s| s.word().to_owned()),
                open: true,
            });
        }
        filed.push(outcome);
    }
    let wakes = writer.finish().await?;
    Ok((filed, wakes))
}

async fn known_filings(
    tx: &mut Tx,
    filings: &[&PreparedFiling],
) -> Result<HashMap<[u8; 32], RequestId>, Error> {
    let mut batch = Batch::default();
    for key in filings.iter().filter_map(|f| f.filing.filing_key) {
        batch.push([Cell::from(&key)]);
    }
    let mut known = HashMap::new();
    for row in tx.run(Hot::KNOWN_FILINGS, &batch).await? {
        let key: [u8; 32] =
            row.bytes(0)?.try_into().map_err(|_| Error::corrupt("filing key", "wrong length"))?;
        known.insert(key, RequestId(row.id(1)?));
    }
    Ok(known)
}

async fn match_tags(
    tx: &mut Tx,
    filings: &[&PreparedFiling],
) -> Result<HashMap<[u8; 32], Vec<Match>>, Error> {
    let mut batch = Batch::default();
    let tags: BTreeSet<[u8; 32]> =
        filings.iter().flat_map(|f| f.tags.iter().map(|t| t.tag)).collect();
    for tag in &tags {
        batch.push([Cell::from(tag)]);
    }
    let mut matches: HashMap<[u8; 32], Vec<Match>> = HashMap::new();
    for row in tx.run(Hot::MATCH_TAGS, &batch).await? {
        let tag: [u8; 32] =
            row.bytes(0)?.try_into().map_err(|_| Error::corrupt("tag", "wrong length"))?;
        let scope = row.text(7)?;
        let state = row.text(8)?;
        matches.entry(tag).or_default().push(Match {
            request: RequestId(row.id(1)?),

            drives: row.int(3)? != 0,
            controller: row.text(5)?,
            action: row.text(6)?,
            scope: (!scope.is_empty()).then_some(scope),
            open: matches!(state.as_str(), "received" | "identified" | "released" | "running"),
        });
    }
    Ok(matches)
}

#[derive(Default)]
struct Rows {
    requests: Batch,
    tags: Batch,
    tasks: Batch,
    journal: Batch,
    follow_ups: Batch,
}

struct Writer<'a> {
    tx: &'a mut Tx,
    sealer: &'a Sealer,
    now: Timestamp,
    rows: Rows,
    wakes: BTreeSet<LaneId>,
}

impl Writer<'_> {
    async fn finish(self) -> Result<BTreeSet<LaneId>, Error> {
        let Self { tx, rows, wakes, .. } = self;
        flush(tx, rows).await?;
        Ok(wakes)
    }

    /// Writes what is gathered, so that a read in this transaction sees it.
    async fn flush(&mut self) -> Result<(), Error> {
        flush(self.tx, std::mem::take(&mut self.rows)).await
    }

    async fn one(
        &mut self,
        prepared: &PreparedFiling,
        matches: &HashMap<[u8; 32], Vec<Match>>,
    ) -> Result<Filed, Error> {
        let met: Vec<(&NewTag, &Match)> = prepared
            .tags
            .iter()
            .flat_map(|t| {
                matches
                    .get(&t.tag)
                    .into_iter()
                    .flatten()
                    .filter(|m| t.drives && m.drives)
                    .map(move |m| (t, m))
            })
            .collect();
        if met.is_empty() {
            self.gather(prepared);
            return Ok(Filed::New(prepared.filing.request.id));
        }
        // a request gathered but not yet written may be among those met
        self.flush().await?;
        let mut same: Vec<&Match> = vec![];
        let mut shared: Vec<([u8; 32], RequestId)> = vec![];
        for (tag, found) in met {
            let strangers = self.tags_of(found.request).await?;
            let mine: Vec<(String, [u8; 32])> =
                prepared.tags.iter().map(|t| (t.kind.clone(), t.tag)).collect();
            if same_person(&mine, &strangers) {
                same.push(found);
            } else {
                shared.push((tag.tag, found.request));
            }
        }
        let request = &prepared.filing.request;
        let first = same
            .iter()
            .filter(|m| m.open && m.controller == request.controller.as_str())
            .find(|m| {
                m.action == request.action.word()
                    && m.scope.as_deref() == request.scope.map(efface_core::Scope::word)
            });
        if let Some(first) = first {
            return self.duplicate(prepared, first.request).await;
        }
        self.with_company(prepared, &same, &shared).await
    }

    /// The common case: nobody met.
    fn gather(&mut self, prepared: &PreparedFiling) {
        let filing = &prepared.filing;
        self.push_request(&filing.request, prepared, &prepared.sealed.dossier);
        for tag in &prepared.tags {
            self.rows.tags.push([
                Cell::from(&tag.tag),
                tag.request.bytes().into(),
                tag.kind.as_str().into(),
                tag.drives.into(),
            ]);
        }
        for cells in &prepared.task_cells {
            self.rows.tasks.push(cells.clone());
        }
        self.rows.journal.push(rows::entry_cells(&prepared.entry, Some(filing.request.id)));
        self.ask_for_follow_up(&filing.request);
    }

    fn push_request(&mut self, request: &Request, prepared: &PreparedFiling, dossier: &[u8]) {
        let body = rows::encode("request", request).unwrap_or_default();
        self.rows.requests.push([
            request.id.bytes().into(),
            request.version.into(),
            request.controller.as_str().into(),
            request.action.word().into(),
            Cell::Text(Some(request.scope.map(|s| s.word().to_owned()).unwrap_or_default())),
            request.state.word().into(),
            request.due_at.millis().into(),
            request.filed_at.millis().into(),
            Cell::Bytes(request.import.map(|i| i.bytes().to_vec())),
            Cell::Bytes(prepared.filing.filing_key.map(|k| k.to_vec())),
            body.into(),
            dossier.to_vec().into(),
            prepared.sealed.wrapped.bytes.clone().into(),
            prepared.sealed.wrapped.wrapped_by.as_str().into(),
        ]);
    }

    fn ask_for_follow_up(&mut self, request: &Request) {
        if let RequestState::Released { cooling_until, .. } = request.state {
            self.rows.follow_ups.push([
                request.id.bytes().into(),
                cooling_until.millis().into(),
                1i64.into(),
            ]);
            if let Ok(lane) = LaneId::new(REQUESTS_LANE) {
                self.wakes.insert(lane);
            }
        }
    }

    async fn tags_of(&mut self, request: RequestId) -> Result<Vec<(String, [u8; 32])>, Error> {
        let found = self
            .tx
            .small(
                "SELECT kind, tag FROM tag WHERE request_id = $1",
                &[Cell::from(request.bytes())],
            )
            .await?;
        found
            .iter()
            .map(|r| {
                Ok((
                    r.text(0)?,
                    r.bytes(1)?.try_into().map_err(|_| Error::corrupt("tag", "wrong length"))?,
                ))
            })
            .collect()
    }

    /// Same person, action, scope and controller, first still open: kept as a duplicate. What it
    /// tells beyond the first is a matter for the desk of the first: identifiers are added by a
    /// named person (`request amend`), never behind a release.
    async fn duplicate(
        &mut self,
        prepared: &PreparedFiling,
        of: RequestId,
    ) -> Result<Filed, Error> {
        let filing = &prepared.filing;
        let mut request = filing.request.clone();
        request.state = RequestState::Duplicate { of };
        let known: HashSet<[u8; 32]> =
            self.tags_of(of).await?.into_iter().map(|(_, tag)| tag).collect();
        let brings_more = prepared.tags.iter().any(|t| !known.contains(&t.tag));
        let about = About::RequestFiled {
            request: Box::new(request.clone()),
            commitments: self.sealer.commitments(&filing.dossier)?,
        };
        let entry = Entry::new(
            rows::entry_id(self.now, self.sealer.chance()),
            self.now,
            &filing.actor,
            about,
            &[],
        );
        self.push_request(&request, prepared, &prepared.sealed.dossier);
        self.rows.journal.push(rows::entry_cells(&entry, Some(request.id)));
        if brings_more {
            let reason = Reason::NeedsPerson {
                reason: format!(
                    "duplicate request {} names further identifiers of the same person; add them with `efface request amend {of}`",
                    request.id
                ),
            };
            let unit = Unit {
                desk_opens: vec![self.desk(Subject::Request(of), reason)],
                ..Unit::default()
            };
            self.write_unit(unit, &HashMap::new()).await?;
        }
        Ok(Filed::Duplicate { id: request.id, of })
    }

    fn desk(&self, subject: Subject, reason: Reason) -> DeskOpen {
        let id = DeskId::new(self.now, self.sealer.chance());
        DeskOpen {
            item: DeskItem { id, subject, reason, opened_at: self.now, closed: None },
            sealed: None,
        }
    }

    async fn write_unit(
        &mut self,
        unit: Unit,
        keys: &HashMap<RequestId, WrappedKey>,
    ) -> Result<(), Error> {
        let prepared = commit::prepare_with(self.sealer, unit, keys, self.now)?;
        commit::write(self.tx, &prepared).await
    }

    /// Other requests of the same person go first at each account; identifiers met at a stranger
    /// are shared from now on, for both.
    async fn with_company(
        &mut self,
        prepared: &PreparedFiling,
        same: &[&Match],
        shared: &[([u8; 32], RequestId)],
    ) -> Result<Filed, Error> {
        let mut filing = prepared.filing.clone();
        let mut dossier_bytes = prepared.sealed.dossier.clone();
        if !shared.is_empty() {
            let tags: HashSet<[u8; 32]> = shared.iter().map(|(tag, _)| *tag).collect();
            self.mark_shared(&mut filing.dossier, &tags);
            replan(
                &mut filing.tasks,
                filing.request.action,
                filing.request.scope,
                &filing.dossier.identifiers,
                &filing.accounts,
            );
            let key = self.sealer.key(filing.request.id, &prepared.sealed.wrapped)?;
            dossier_bytes = self.sealer.seal_dossier(&key, filing.request.id, &filing.dossier)?;
            let strangers: BTreeSet<RequestId> = shared.iter().map(|(_, r)| *r).collect();
            for stranger in strangers {
                self.share_with(stranger, &tags, &filing.accounts, &filing.actor).await?;
            }
        }
        for found in same.iter().filter(|m| m.open) {
            let earlier = self.tasks_of(found.request).await?;
            for new in &mut filing.tasks {
                let before =
                    earlier.iter().find(|e| e.account == new.task.account && !e.state.is_settled());
                if let (Some(before), false) = (before, new.task.state.is_settled()) {
                    new.task.state = TaskState::Blocked { cause: Cause::Dependency(before.id) };
                }
            }
        }
        let entry = filing_entry(self.sealer, &filing, self.now)?;
        self.push_request(&filing.request, prepared, &dossier_bytes);
        for tag in &prepared.tags {
            self.rows.tags.push([
                Cell::from(&tag.tag),
                tag.request.bytes().into(),
                tag.kind.as_str().into(),
                tag.drives.into(),
            ]);
        }
        for new in &filing.tasks {
            self.rows.tasks.push(rows::new_task_cells(new, self.now)?);
        }
        self.rows.journal.push(rows::entry_cells(&entry, Some(filing.request.id)));
        self.ask_for_follow_up(&filing.request);
        Ok(Filed::New(filing.request.id))
    }

    fn mark_shared(&self, dossier: &mut Dossier, tags: &HashSet<[u8; 32]>) {
        for identifier in &mut dossier.identifiers {
            if tags.contains(&self.sealer.tag(identifier)) {
                identifier.standing = Standing::Shared;
            }
        }
    }

    async fn tasks_of(
        &mut self,
        request: RequestId,
    ) -> Result<Vec<efface_core::task::Task>, Error> {
        let sql = concat!("SELECT ", task_columns!(), " FROM task t WHERE t.request_id = $1");
        let found = self.tx.small(sql, &[Cell::from(request.bytes())]).await?;
        found.iter().map(|r| Ok(rows::read_task(r)?.task)).collect()
    }

    /// The stranger's request learns that an identifier is shared: unsent tasks that have no other
    /// go to the desk.
    async fn share_with(
        &mut self,
        stranger: RequestId,
        tags: &HashSet<[u8; 32]>,
        accounts: &[Account],
        actor: &str,
    ) -> Result<(), Error> {
        let cells = [Cell::from(stranger.bytes())];
        let found = self.tx.small("SELECT body, sealed, wrapped_key, wrapped_by, nobody_found_decided FROM request WHERE id = $1", &cells).await?;
        let Some(row) = found.first() else { return Ok(()) };
        let request = rows::read_request(&row.text(0)?)?;
        if request.state.is_over() {
            return Ok(());
        }
        let wrapped = WrappedKey { bytes: row.bytes(2)?, wrapped_by: row.text(3)? };
        let key = self.sealer.key(stranger, &wrapped)?;
        let mut dossier = self.sealer.open_dossier(&key, stranger, &row.bytes(1)?)?;
        self.mark_shared(&mut dossier, tags);
        let mut next = request.clone();
        next.version += 1;
        let wish = Wish {
            action: request.action,
            scope: request.scope,
            identifiers: &dossier.identifiers,
        };
        let fresh = plan(wish, accounts);
        let mut unit = Unit::default();
        let mut changes = vec![];
        for task in self.tasks_of(stranger).await? {
            let unsent = matches!(task.state, TaskState::Blocked { .. } | TaskState::Ready { .. });
            let starves = fresh.iter().any(|p| {
                p.account == task.account
                    && p.action == task.action
                    && matches!(
                        p.state,
                        TaskState::Blocked { cause: Cause::MissingIdentifier { .. } }
                    )
            });
            if unsent
                && starves
                && !matches!(
                    task.state,
                    TaskState::Blocked { cause: Cause::MissingIdentifier { .. } }
                )
            {
                let event = task::Event::ToDesk { reason: Reason::SharedIdentifier };
                let moved = task::apply(&task, &event, &NO_RULES, self.now, 0)?.task;
                changes.push(TaskChange::of(&moved, "identifier turned out shared"));
                unit.desk_opens.push(self.desk(Subject::Task(task.id), Reason::SharedIdentifier));
                unit.tasks.push(TaskWrite::new(task.version, moved));
            }
        }
        let about = About::RequestMoved {
            event: "identifier shared".into(),
            after: Box::new(next.clone()),
            commitments: vec![],
        };
        let entry = Entry::new(
            rows::entry_id(self.now, self.sealer.chance()),
            self.now,
            actor,
            about,
            &changes,
        );
        unit.entries.push(crate::EntryRow { entry, request: Some(stranger) });
        unit.requests.push(RequestWrite {
            read_version: request.version,
            request: next,
            dossier: Some(dossier),
            nobody_found_decided: row.int(4)? != 0,
        });
        self.write_unit(unit, &HashMap::from([(stranger, wrapped)])).await
    }
}

/// Plans anew for identifiers whose standing changed; ids stay.
fn replan(
    tasks: &mut [NewTask],
    action: efface_core::RequestAction,
    scope: Option<efface_core::Scope>,
    identifiers: &[Identifier],
    accounts: &[Account],
) {
    let fresh = plan(Wish { action, scope, identifiers }, accounts);
    for new in tasks {
        if let Some(planned) =
            fresh.iter().find(|p| p.account == new.task.account && p.action == new.task.action)
        {
            new.task.state = planned.state.clone();
            new.task.step = planned.step.clone();
        }
    }
}

async fn flush(tx: &mut Tx, rows: Rows) -> Result<(), Error> {
    for (hot, batch) in [
        (Hot::INSERT_REQUESTS, &rows.requests),
        (Hot::INSERT_TAGS, &rows.tags),
        (Hot::INSERT_TASKS, &rows.tasks),
        (Hot::INSERT_JOURNAL, &rows.journal),
        (Hot::UPSERT_FOLLOW_UPS, &rows.follow_ups),
    ] {
        tx.run(hot, batch).await?;
    }
    Ok(())
}
