//! Filing: request, tags, tasks, leaf and follow-up in one transaction; duplicates, shared
//! identifiers and filing order are decided under it.

mod in_company;

use std::collections::{BTreeSet, HashMap, HashSet, hash_map::Entry as Slot};

use efface_core::{
    ImportId, LaneId, RequestId, Timestamp,
    desk::{Reason, Subject},
    journal::{About, Entry, TaskChange},
    request::{self, Forgetting, Request, RequestState},
    subject::Dossier,
};
use efface_vault::WrappedKey;

use crate::{
    Directory, Error, Filed, Filing, NewTag, Unit,
    hot::{Batch, Cell, Gathered, Hot, Tx},
    sql::{
        commit,
        company::{self, Known, Matches, Met, Tag, Writing},
        rows,
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

/// A dossier's tags, each once; one proved anywhere counts as proved.
pub(crate) fn tags_of(sealer: &Sealer, request: RequestId, dossier: &Dossier) -> Vec<NewTag> {
    let mut tags: Vec<NewTag> = vec![];
    for identifier in &dossier.identifiers {
        let tag = sealer.tag(identifier);
        let drives = matches!(identifier.provenance, efface_core::Provenance::Proved { .. });
        match tags.iter_mut().find(|t| t.tag == tag) {
            Some(known) => known.drives |= drives,
            None => {
                let kind = identifier.kind.word();
                tags.push(NewTag { request, tag, kind, drives, shared: false });
            }
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
    let sealed = sealer.seal_new(filing.request.id, &filing.dossier, now)?;
    let entry = filing_entry(sealer, &filing, now)?;
    let task_cells =
        filing.tasks.iter().map(|t| rows::new_task_cells(t, now)).collect::<Result<_, _>>()?;
    Ok(PreparedFiling { filing, tags, sealed, entry, task_cells })
}

/// The key of the advisory lock that makes filings of all processes take turns on PostgreSQL.
const FILING_LOCK: i64 = 0x6566_6661_6365;

/// Lets filings, and whatever else adds a proved identifier, take turns. SQLite has one writer anyway.
pub(super) async fn take_turn(tx: &mut Tx<'_>) -> Result<(), Error> {
    if matches!(tx, Tx::Postgres(_)) {
        tx.small("SELECT 1::int8 FROM pg_advisory_xact_lock($1)", &[Cell::from(FILING_LOCK)])
            .await?;
    }
    Ok(())
}

/// What a group of filings is written with.
pub(super) struct Desk<'a> {
    pub sealer: &'a Sealer,
    pub directory: &'a Directory,
    pub now: Timestamp,
}

/// Writes a group of filings; what became of each, and the lanes to wake.
pub(super) async fn write(
    tx: &mut Tx<'_>,
    desk: &Desk<'_>,
    filings: &[&PreparedFiling],
) -> Result<(Vec<Filed>, BTreeSet<LaneId>), Error> {
    take_turn(tx).await?;
    let mut known = known_filings(tx, filings).await?;
    let mut matches = match_tags(tx, filings).await?;
    let mut writer = Writer { tx, desk, rows: Rows::default(), wakes: BTreeSet::new() };
    let mut filed = Vec::with_capacity(filings.len());
    for filing in filings {
        let before = filing.filing.filing_key.and_then(|key| known.get(&key).copied());
        if let Some(before) = before {
            if before.absorbs(&filing.filing.request) {
                filed.push(Filed::Before(before.request));
                continue;
            }
            writer.give_up_key(before.request).await?;
        }
        let outcome = writer.one(filing, &mut matches).await?;
        if let Some(key) = filing.filing.filing_key {
            let request = &filing.filing.request;
            let before = Before { request: request.id, import: request.import, is_open: true };
            known.insert(key, before);
        }
        filed.push(outcome);
    }
    let Writer { tx, rows, wakes, .. } = writer;
    flush(tx, rows).await?;
    Ok((filed, wakes))
}

/// Who was filed under the same key.
#[derive(Clone, Copy)]
struct Before {
    request: RequestId,
    import: Option<ImportId>,
    is_open: bool,
}

impl Before {
    /// Whether filing it again asks for nothing new: the same import, or the same caller, repeats
    /// itself, or the wish is still open. Once it is over, another file asks anew.
    fn absorbs(&self, again: &Request) -> bool {
        self.is_open || self.import == again.import
    }
}

async fn known_filings(
    tx: &mut Tx<'_>,
    filings: &[&PreparedFiling],
) -> Result<HashMap<[u8; 32], Before>, Error> {
    let mut batch = Batch::default();
    for key in filings.iter().filter_map(|f| f.filing.filing_key) {
        batch.push([Cell::from(&key)]);
    }
    let mut known = HashMap::new();
    for row in tx.run(Hot::KNOWN_FILINGS, &batch).await? {
        let key: [u8; 32] =
            row.bytes(0)?.try_into().map_err(|_| Error::corrupt("filing key", "wrong length"))?;
        let import = row.opt_bytes(3)?.map(|b| uuid::Uuid::from_slice(&b)).transpose();
        let before = Before {
            request: RequestId(row.id(1)?),
            import: import.map_err(|e| Error::corrupt("import id", e))?.map(ImportId),
            is_open: company::is_open(&row.text(2)?),
        };
        known.insert(key, before);
    }
    Ok(known)
}

async fn match_tags(tx: &mut Tx<'_>, filings: &[&PreparedFiling]) -> Result<Matches, Error> {
    let mut batch = Batch::default();
    let tags: BTreeSet<Tag> = filings.iter().flat_map(|f| f.tags.iter().map(|t| t.tag)).collect();
    for tag in &tags {
        batch.push([Cell::from(tag)]);
    }
    company::read_matches(&tx.run(Hot::MATCH_TAGS, &batch).await?)
}

#[derive(Default)]
struct Rows {
    requests: Batch,
    tags: Batch,
    shared: Batch,
    tasks: Batch,
    journal: Batch,
    follow_ups: Batch,
}

struct Writer<'a, 't> {
    tx: &'a mut Tx<'t>,
    desk: &'a Desk<'a>,
    rows: Rows,
    wakes: BTreeSet<LaneId>,
}

impl Writer<'_, '_> {
    /// Writes what is gathered, so that a read in this transaction sees it.
    async fn flush(&mut self) -> Result<(), Error> {
        flush(self.tx, std::mem::take(&mut self.rows)).await
    }

    /// A request that is over leaves its filing key to the one that asks anew.
    async fn give_up_key(&mut self, over: RequestId) -> Result<(), Error> {
        let sql = "UPDATE request SET filing_key = NULL WHERE id = $1 RETURNING id";
        self.tx.small(sql, &[Cell::from(over.bytes())]).await?;
        Ok(())
    }

    async fn one(
        &mut self,
        prepared: &PreparedFiling,
        matches: &mut Matches,
    ) -> Result<Filed, Error> {
        let request = &prepared.filing.request;
        let pairs = company::pairs(request.id, &prepared.tags, matches);
        let met = if pairs.is_empty() {
            Met::default()
        } else {
            // a request gathered but not yet written may be among those met
            self.flush().await?;
            let mut theirs = HashMap::new();
            for (_, known) in &pairs {
                if let Slot::Vacant(vacant) = theirs.entry(known.request) {
                    vacant.insert(self.tags_of(known.request).await?);
                }
            }
            company::meet(&prepared.tags, &pairs, &theirs)
        };
        let first = met.same.iter().find(|m| {
            // what was filed for some accounts alone stands for no wish over all of them
            m.open
                && (!m.partial || request.is_partial())
                && m.controller == request.controller.as_str()
                && m.action == request.action.word()
                && m.scope.as_deref() == request.scope.map(efface_core::Scope::word)
        });
        if let Some(first) = first {
            return self.duplicate(prepared, first.request).await;
        }
        if met.same.is_empty() && met.shared.is_empty() {
            self.gather(prepared);
        } else {
            self.with_company(prepared, &met).await?;
        }
        for tag in &prepared.tags {
            let known = matches.entry(tag.tag).or_default();
            let shared = met.shared.contains(&tag.tag);
            known.iter_mut().for_each(|k| k.shared |= shared);
            known.push(Known {
                tag: tag.tag,
                request: request.id,
                drives: tag.drives,
                shared,
                controller: request.controller.to_string(),
                action: request.action.word().to_owned(),
                scope: request.scope.map(|s| s.word().to_owned()),
                open: true,
                partial: request.is_partial(),
            });
        }
        Ok(Filed::New(request.id))
    }

    /// The common case: nobody met.
    fn gather(&mut self, prepared: &PreparedFiling) {
        let filing = &prepared.filing;
        self.push_request(&filing.request, prepared, &prepared.sealed.dossier);
        self.push_tags(&prepared.tags, &HashSet::new());
        for cells in &prepared.task_cells {
            self.rows.tasks.push(cells.clone());
        }
        self.rows.journal.push(rows::entry_cells(&prepared.entry, Some(filing.request.id)));
        self.ask_for_follow_up(&filing.request);
    }

    fn push_tags(&mut self, tags: &[NewTag], shared: &HashSet<Tag>) {
        for tag in tags {
            let shared = tag.shared || shared.contains(&tag.tag);
            self.rows.tags.push(rows::tag_cells(&NewTag { shared, ..tag.clone() }));
        }
    }

    fn push_request(&mut self, request: &Request, prepared: &PreparedFiling, dossier: &[u8]) {
        let body = rows::encode("request", request).unwrap_or_default();
        self.rows.requests.push([
            request.id.bytes().into(),
            request.version.into(),
            request.controller.as_str().into(),
            Cell::word(request.action.word()),
            Cell::word(request.scope.map_or("", |s| s.word())),
            Cell::word(request.state.word()),
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
            self.follow_up(request.id, cooling_until);
        } else if request.state == RequestState::Received {
            let patience = self.desk.directory.policy.expire_unproved;
            self.follow_up(request.id, request::notice_at(request.filed_at, patience));
        } else if let Some(Forgetting::Later(at)) =
            request::forgetting(request, self.desk.directory.policy.keeping, self.desk.now)
        {
            self.follow_up(request.id, at);
        }
    }

    fn follow_up(&mut self, request: RequestId, at: Timestamp) {
        self.rows.follow_ups.push([request.bytes().into(), at.millis().into(), 1i64.into()]);
        self.wakes.extend(company::requests_lane());
    }

    async fn tags_of(&mut self, request: RequestId) -> Result<Vec<(String, Tag)>, Error> {
        let sql = "SELECT kind, tag FROM tag WHERE request_id = $1";
        let found = self.tx.small(sql, &[Cell::from(request.bytes())]).await?;
        found.iter().map(|r| Ok((r.text(0)?, company::read_tag(r.bytes(1)?)?))).collect()
    }

    fn writing<'a>(&self, filing: &'a Filing) -> Writing<'a>
    where
        Self: 'a,
    {
        Writing { sealer: self.desk.sealer, now: self.desk.now, actor: &filing.actor }
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
        let known: HashSet<Tag> = self.tags_of(of).await?.into_iter().map(|(_, tag)| tag).collect();
        let brings_more = prepared.tags.iter().any(|t| !known.contains(&t.tag));
        let about = About::RequestFiled {
            request: Box::new(request.clone()),
            commitments: self.desk.sealer.commitments(&filing.dossier)?,
        };
        let entry = Entry::new(
            rows::entry_id(self.desk.now, self.desk.sealer.chance()),
            self.desk.now,
            &filing.actor,
            about,
            &[],
        );
        self.push_request(&request, prepared, &prepared.sealed.dossier);
        self.ask_for_follow_up(&request);
        self.rows.journal.push(rows::entry_cells(&entry, Some(request.id)));
        if brings_more {
            let reason = Reason::NeedsPerson {
                reason: format!(
                    "duplicate request {} names further identifiers of the same person; add them with `efface request amend {of}`",
                    request.id
                ),
            };
            let unit = Unit {
                desk_opens: vec![self.writing(filing).desk(Subject::Request(of), reason)],
                ..Unit::default()
            };
            self.write_unit(unit, &HashMap::new()).await?;
        }
        Ok(Filed::Duplicate { id: request.id, of })
    }

    async fn write_unit(
        &mut self,
        unit: Unit,
        keys: &HashMap<RequestId, WrappedKey>,
    ) -> Result<(), Error> {
        let prepared = commit::prepare_with(self.desk.sealer, unit, keys, self.desk.now)?;
        commit::write(self.tx, &prepared).await
    }
}

async fn flush(tx: &mut Tx<'_>, rows: Rows) -> Result<(), Error> {
    for (hot, batch) in [
        (Hot::INSERT_REQUESTS, &rows.requests),
        (Hot::INSERT_TAGS, &rows.tags),
        (Hot::SHARE_TAGS, &rows.shared),
        (Hot::INSERT_TASKS, &rows.tasks),
        (Hot::INSERT_JOURNAL, &rows.journal),
        (Hot::UPSERT_FOLLOW_UPS, &rows.follow_ups),
    ] {
        tx.count(hot, &Gathered::of([batch])).await?;
    }
    Ok(())
}
