//! Watches: those that begin when a request closes, the looks that are due, and those that nobody
//! could look at. A watch only looks; whoever is seen again is put before a person.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use efface_connector::{Call, Item, Presence};
use efface_core::{
    AccountId, DeskId, EntryId,
    desk::{DeskItem, Subject},
    evidence::Evidence,
    journal::{About, Entry},
    request::Request,
    task::Seen,
    watch::{self, Event, Watch},
};
use efface_store::{
    DeskOpen, DueFollowUp, DueWatch, EntryRow, Error as StoreError, FollowUp, NewWatch, Unit,
    WatchWrite,
};

use crate::{
    call::Ended,
    expiry::ASK_AGAIN,
    fleet::ConnectedAccount,
    hands::Hands,
    lane::{Accounts, Lane},
    look::seen,
    poll::poll_failed,
    record::Record,
    requests::RequestsLane,
};

/// A lane that found no watch due looks for one no sooner than this.
const WATCHES_EVERY: Duration = Duration::from_secs(1);

/// Adds to `unit` what an event makes of a watch, with its leaf; what the rules refuse is left out.
fn happen(unit: &mut Unit, hands: &Hands, watch: &Watch, event: &Event, because: Option<Evidence>) {
    let now = hands.clock.now();
    let moved = match watch::apply(watch, event, now) {
        Ok(moved) => moved,
        Err(refusal) => {
            tracing::warn!(task.id = %watch.task, %refusal, "look not applied");
            return;
        }
    };
    let about = About::WatchMoved {
        event: event.word().into(),
        watches: vec![moved.watch.clone()],
        because,
    };
    let entry = Entry::new(EntryId::new(now, &*hands.chance), now, "worker", about, &[]);
    unit.entries.push(EntryRow { entry, request: Some(watch.request) });
    if let Some(reason) = moved.desk {
        let item = DeskItem {
            id: DeskId::new(now, &*hands.chance),
            subject: Subject::Task(watch.task),
            reason,
            opened_at: now,
            closed: None,
        };
        unit.desk_opens.push(DeskOpen { item, sealed: None });
    }
    unit.watches.push(WatchWrite { read_version: watch.version, watch: moved.watch });
}

impl RequestsLane {
    /// Adds the watches of a request that closes.
    pub(crate) fn begin_watches(&self, unit: &mut Unit, due: &DueFollowUp, closed: &Request) {
        let now = self.hands.clock.now();
        let directory = self.store.directory();
        let days = directory.policy.watch;
        let mut begun = vec![];
        for row in &due.tasks {
            let Some((watchable, kinds)) = directory.watchable(&row.task) else { continue };
            let watch = watch::begin(&row.task, row.since, Some(watchable), days, now);
            begun.extend(watch.map(|watch| NewWatch { watch, lane: row.lane.clone(), kinds }));
        }
        let Some(ends) = begun.iter().filter_map(|b| b.watch.given_up_at()).max() else { return };
        let watches = begun.iter().map(|b| b.watch.clone()).collect();
        let about = About::WatchMoved { event: "watch begun".into(), watches, because: None };
        unit.entries.push(self.entry(about, &[], closed));
        unit.follow_ups.push(FollowUp { request: closed.id, due_at: ends });
        unit.new_watches = begun;
    }

    /// Ends the watches of a request that nobody could look at until long after their last day, and
    /// asks to be called again for the others. The clock must be believed: a key goes for good.
    pub(crate) async fn give_up_watches(&self, unit: &mut Unit, due: &DueFollowUp) {
        let now = self.hands.clock.now();
        let request = due.request.id;
        let goes_on = due.watches.iter().filter_map(|w| Some((w, w.given_up_at()?)));
        let (over, later): (Vec<_>, Vec<_>) = goes_on.partition(|(_, at)| *at <= now);
        unit.follow_ups
            .extend(later.iter().map(|(_, due_at)| FollowUp { request, due_at: *due_at }));
        if over.is_empty() {
            return;
        }
        if !self.clock_is_steady().await {
            unit.follow_ups.push(FollowUp { request, due_at: now.plus(ASK_AGAIN) });
            return;
        }
        for (watch, _) in over {
            happen(unit, &self.hands, watch, &Event::GivenUp, None);
        }
    }
}

impl Lane {
    /// Looks of watches that are due; how many calls were launched. Nobody waits for them: they go
    /// when everything else has.
    pub(crate) async fn watch(
        self: &Arc<Self>,
        accounts: &Accounts,
        most: u32,
    ) -> Result<u32, StoreError> {
        let since_boot = self.hands.runtime.monotonic();
        let is_early =
            self.soft().no_watch_at.is_some_and(|at| since_boot.saturating_sub(at) < WATCHES_EVERY);
        if is_early || most == 0 {
            return Ok(0);
        }
        let now = self.hands.clock.now();
        // read first: an answer written between the two is seen by the query, one still out by this
        let out = self.soft().asking.clone();
        let mut launched = 0;
        for (id, account) in &self.members {
            let held =
                accounts.get(id).is_none_or(|row| row.condition.stands_in_the_way(now).is_some());
            let Some(card) = account.manifest.look_up.as_ref().filter(|_| !held) else { continue };
            if launched >= most {
                break;
            }
            let batch = card.batch_items.max(1);
            let window = (most - launched).saturating_mul(batch).clamp(1, 10_000);
            let mut due = self.store.due_watches(id, now, window).await?;
            due.retain(|d| !out.contains(&d.watch.task.0));
            for chunk in due.chunks(batch as usize) {
                if launched >= most {
                    break;
                }
                launched += 1;
                self.launch_watch(id, account, chunk.to_vec());
            }
        }
        self.soft().no_watch_at = (launched == 0).then_some(since_boot);
        Ok(launched)
    }

    fn launch_watch(
        self: &Arc<Self>,
        id: &AccountId,
        account: &Arc<ConnectedAccount>,
        chunk: Vec<DueWatch>,
    ) {
        self.soft().asking.extend(chunk.iter().map(|d| d.watch.task.0));
        let (lane, account, id) = (self.clone(), account.clone(), id.clone());
        self.launch(move |out| async move {
            lane.watch_at(&id, &chunk, &account).await;
            {
                let mut soft = lane.soft();
                chunk.iter().for_each(|d| {
                    soft.asking.remove(&d.watch.task.0);
                });
            }
            drop(out);
        });
    }

    /// A look whose answer is lost is due as before, and is asked again.
    async fn watch_at(&self, id: &AccountId, watches: &[DueWatch], account: &ConnectedAccount) {
        let item = |due: &DueWatch| Item {
            id: due.watch.task,
            generation: 1,
            identifiers: due.identifiers.clone(),
            memo: None,
            prior: None,
        };
        let items: Vec<Item> = watches.iter().map(item).collect();
        let turns = self.turns();
        let call = Call::new(&account.http, self.hands.clock.now()).in_turn(&turns);
        let work = account.connector.look_up(&call, &items);
        let ended = turns.guarded("look_up", self.options.call_timeout * 2, work).await;
        let exchanges = call.take_exchanges();
        let condition = self.condition(id).await;
        let mut record = Record::new(
            &self.hands,
            self.store.directory(),
            condition.as_deref().map(|c| &c.condition),
            &account.manifest,
            &self.lease,
        );
        record.exchanges(None, id, exchanges);
        let mut answers: BTreeMap<_, Vec<(Presence, Evidence)>> = BTreeMap::new();
        match ended {
            Ended::Answered(all) => {
                for (item, presence, evidence) in all {
                    answers.entry(item).or_default().push((presence, evidence));
                }
            }
            Ended::Failed(error) => {
                poll_failed(&mut record, &error);
            }
            Ended::Panicked => {}
        }
        for due in watches {
            // two answers for one person are no answer
            let (seen, because) = match answers.remove(&due.watch.task).as_deref() {
                Some([(presence, evidence)]) => (seen(presence), Some(evidence.clone())),
                Some(_) | None => (Seen::Failed, None),
            };
            happen(&mut record.unit, &self.hands, &due.watch, &Event::Looked { seen }, because);
        }
        let (failed, news) = (record.infrastructure_failed, record.news.take());
        let (unit, _, _) = record.finish(None);
        self.report(self.store.commit(unit).await, "a watch's look");
        self.account_heard(id, news, failed).await;
    }
}
