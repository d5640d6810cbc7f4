//! Asking without changing: polls of receipts, look-ups, errands, and the key's first proof.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use efface_connector::{
    Answer, Call, ConnectorError, Item, ItemAnswer, NeedsPerson, Presence, Probe, Receipt, Right,
};
use efface_core::{
    AccountId, IdentifierKind, TaskId,
    desk::{Reason, Subject},
    evidence::Evidence,
    journal::About,
    order::StoredReceipt,
    retry::next_poll,
    task::{Event, Queue, Seen, TaskState},
};
use efface_store::{
    AccountRow, DueReceipt, DueTask, Errand, ErrandDone, ErrandKind, Error as StoreError, Unit,
};
use serde::Serialize;

use crate::{
    call::{Ended, guarded, item, wire_order},
    fleet::ConnectedAccount,
    lane::Lane,
    record::{AccountNews, Record},
};

/// The answer to a probe errand, as commands read it.
#[derive(Serialize)]
struct ProbeAnswer {
    ok: bool,
    account_id: Option<String>,
    account_name: Option<String>,
    may: Vec<(String, &'static str)>,
    key_expires: Option<efface_core::Timestamp>,
    evidence: Option<Evidence>,
    error: Option<String>,
}

/// The answer to one person of a rehearsal.
#[derive(Serialize)]
struct RehearsalAnswer {
    person: usize,
    presence: &'static str,
    records: u32,
    matched_by: Vec<String>,
    error: Option<String>,
}

impl Lane {
    fn keyed_by(&self, account: &AccountId) -> Vec<IdentifierKind> {
        self.store.directory().account(account).map(|a| a.keyed_by.clone()).unwrap_or_default()
    }

    /// Polls receipts that are due; how many calls were launched.
    pub(crate) async fn poll(
        self: &Arc<Self>,
        accounts: &HashMap<AccountId, AccountRow>,
        most: u32,
    ) -> Result<u32, StoreError> {
        if most == 0 {
            return Ok(0);
        }
        let now = self.hands.clock.now();
        let mut launched = 0;
        for due in self.store.due_receipts(&self.name, now, most).await? {
            let held = accounts
                .get(&due.receipt.account)
                .is_none_or(|row| row.condition.stands_in_the_way(now).is_some());
            if held {
                self.put_off(&due.receipt, Duration::from_secs(30)).await?;
                continue;
            }
            let Some(account) = self.members.get(&due.receipt.account).cloned() else { continue };
            if !self.soft().asking.insert(due.receipt.id.0) {
                continue;
            }
            launched += 1;
            let lane = self.clone();
            self.launch(async move {
                let id = due.receipt.id.0;
                lane.poll_one(due, account).await;
                lane.soft().asking.remove(&id);
            });
        }
        Ok(launched)
    }

    async fn put_off(&self, receipt: &StoredReceipt, wait: Duration) -> Result<(), StoreError> {
        let mut later = receipt.clone();
        later.next_poll = self.hands.clock.now().plus(wait);
        let unit =
            Unit { fence: Some(self.lease.clone()), receipts: vec![later], ..Unit::default() };
        self.store.commit(unit).await
    }

    async fn poll_one(&self, due: DueReceipt, account: Arc<ConnectedAccount>) {
        let DueReceipt { mut receipt, mut order, items } = due;
        if items.is_empty() {
            receipt.done = true;
            let unit = Unit {
                fence: Some(self.lease.clone()),
                receipts: vec![receipt],
                ..Unit::default()
            };
            self.report(self.store.commit(unit).await, "a finished receipt");
            return;
        }
        let keyed_by = self.keyed_by(&order.account);
        let wire = wire_order(&order, &items, &keyed_by);
        let body = Receipt { format: receipt.format, body: receipt.body.clone() };
        let call = Call::new(&account.http, self.hands.clock.now());
        let ended = guarded(
            &self.hands,
            self.options.call_timeout * 2,
            account.connector.poll(&call, &wire, &body),
        )
        .await;
        let exchanges = call.take_exchanges();
        let now = self.hands.clock.now();
        let condition = self.store.account(&order.account).await.ok();
        let mut record = Record::new(
            &self.hands,
            self.store.directory(),
            condition.as_ref().map(|c| &c.condition),
            &account.manifest,
            &self.lease,
        );
        receipt.polls += 1;
        let (still, evidence) = match ended {
            Ended::Answered(answer) => {
                self.poll_answer(&mut record, &mut order, &items, answer, &mut receipt)
            }
            Ended::Failed(error) => {
                let wait = poll_failed(&mut record, &error);
                receipt.next_poll = next_poll(
                    now,
                    wait.unwrap_or(receipt.poll_after),
                    receipt.polls,
                    self.hands.chance.number(),
                );
                (items.len(), vec![])
            }
            Ended::Panicked => {
                receipt.next_poll = now.plus(Duration::from_secs(3600));
                (items.len(), vec![])
            }
        };
        receipt.done = still == 0;
        if still > 0 && now > receipt.bound_at && !receipt.slow_told {
            receipt.slow_told = true;
            for due in &items {
                record.open_desk(Subject::Task(due.task.id), Reason::Slow, None);
            }
        }
        let changed = !record.changes.is_empty();
        if changed {
            record.exchanges(Some(&order), &order.account, exchanges);
        }
        let (failed, news) = (record.infrastructure_failed, record.news.take());
        // a poll that changes nothing writes one row and no journal
        let about = changed.then(|| About::ReceiptPolled { order: order.id, evidence });
        let (mut unit, _, _) = record.finish(about);
        unit.receipts.push(receipt);
        self.report(self.store.commit(unit).await, "a poll");
        self.account_heard(&order.account, news, failed).await;
    }

    /// Applies a poll's answer; how many items still wait on this receipt, and the evidence.
    fn poll_answer(
        &self,
        record: &mut Record<'_>,
        order: &mut efface_core::order::Order,
        items: &[DueTask],
        answer: Answer,
        receipt: &mut StoredReceipt,
    ) -> (usize, Vec<Evidence>) {
        let now = self.hands.clock.now();
        let going: Vec<(TaskId, Duration)> = answer
            .items
            .iter()
            .filter_map(|(id, a)| match a {
                ItemAnswer::StillGoing { poll_after } => Some((*id, *poll_after)),
                _ => None,
            })
            .collect();
        let definite: Vec<_> = answer
            .items
            .into_iter()
            .filter(|(_, a)| !matches!(a, ItemAnswer::StillGoing { .. }))
            .collect();
        let spoken: Vec<TaskId> = definite
            .iter()
            .map(|(id, _)| *id)
            .chain(answer.accepted.iter().flat_map(|a| a.items.iter().map(|(id, _)| *id)))
            .collect();
        // whom the vendor does not mention goes on waiting: silence is no answer
        let silent = items.iter().filter(|i| !spoken.contains(&i.task.id)).count();
        let named: Vec<DueTask> =
            items.iter().filter(|i| spoken.contains(&i.task.id)).cloned().collect();
        if !named.is_empty() {
            let state = order.state;
            record.answer(order, &named, Answer { items: definite, accepted: answer.accepted });
            order.state = state;
        }
        let told = going.iter().map(|(_, wait)| self.store.directory().scaled(&order.account, *wait)).min();
        let wish = told.unwrap_or(receipt.poll_after);
        receipt.poll_after = wish;
        receipt.next_poll = next_poll(now, wish, receipt.polls, self.hands.chance.number());
        (silent, std::mem::take(&mut record.evidence))
    }

    fn report(&self, written: Result<(), StoreError>, what: &str) {
        if let Err(error) = written {
            tracing::warn!(lane = %self.name, %error, what, "not written; it is due again");
        }
    }

    /// Look-ups that are due; how many calls were launched.
    pub(crate) async fn look(
        self: &Arc<Self>,
        accounts: &HashMap<AccountId, AccountRow>,
        most: u32,
    ) -> Result<u32, StoreError> {
        if most == 0 {
            return Ok(0);
        }
        let now = self.hands.clock.now();
        let largest = self
            .members
            .values()
            .filter_map(|m| m.manifest.look_up.as_ref().map(|l| l.batch_items))
            .max()
            .unwrap_or(1);
        let due = self
            .store
            .due_tasks(&self.name, Queue::LookUp, most.saturating_mul(largest).clamp(1, 10_000))
            .await?;
        let mut by_account: BTreeMap<AccountId, Vec<DueTask>> = BTreeMap::new();
        for task in due {
            let free = !self.soft().asking.contains(&task.task.id.0);
            if free {
                by_account.entry(task.task.account.clone()).or_default().push(task);
            }
        }
        let mut launched = 0;
        for (id, tasks) in by_account {
            let Some(account) = self.members.get(&id).cloned() else { continue };
            let tasks = self.settle_without_look(&account, tasks).await?;
            let held =
                accounts.get(&id).is_none_or(|row| row.condition.stands_in_the_way(now).is_some());
            let Some(card) = account.manifest.look_up.clone().filter(|_| !held) else { continue };
            for chunk in tasks.chunks(card.batch_items.max(1) as usize) {
                if launched >= most {
                    return Ok(launched);
                }
                launched += 1;
                self.soft().asking.extend(chunk.iter().map(|t| t.task.id.0));
                let (lane, chunk, account, id) =
                    (self.clone(), chunk.to_vec(), account.clone(), id.clone());
                self.launch(async move {
                    lane.look_at(&id, &chunk, &account).await;
                    let mut soft = lane.soft();
                    chunk.iter().for_each(|t| {
                        soft.asking.remove(&t.task.id.0);
                    });
                });
            }
        }
        Ok(launched)
    }

    /// A promise that no look-up can prove ends as it stands.
    async fn settle_without_look(
        &self,
        account: &ConnectedAccount,
        tasks: Vec<DueTask>,
    ) -> Result<Vec<DueTask>, StoreError> {
        let directory = self.store.directory();
        let (blind, rest): (Vec<DueTask>, Vec<DueTask>) = tasks.into_iter().partition(|t| {
            let proves = directory.rules(&t.task, None).verified_by_look_up
                && account.manifest.look_up.is_some();
            !proves
        });
        if !blind.is_empty() {
            let row = blind.first().map(|t| t.task.account.clone());
            let condition = match row {
                Some(id) => self.store.account(&id).await.ok(),
                None => None,
            };
            let mut record = Record::new(
                &self.hands,
                directory,
                condition.as_ref().map(|c| &c.condition),
                &account.manifest,
                &self.lease,
            );
            for due in &blind {
                let event = if matches!(due.task.state, TaskState::Waiting { .. }) {
                    Event::PromiseDue
                } else {
                    Event::Looked { seen: Seen::CannotTell }
                };
                record.happen(due, &event, None);
            }
            let (unit, _, _) = record.finish(Some(About::TasksMoved {
                cause: "the promised date has come and no look-up is offered".into(),
            }));
            self.store.commit(unit).await?;
        }
        Ok(rest)
    }

    async fn look_at(&self, id: &AccountId, tasks: &[DueTask], account: &ConnectedAccount) {
        let keyed_by = self.keyed_by(id);
        let items: Vec<Item> = tasks.iter().map(|t| item(t, &keyed_by)).collect();
        let call = Call::new(&account.http, self.hands.clock.now());
        let ended = guarded(
            &self.hands,
            self.options.call_timeout * 2,
            account.connector.look_up(&call, &items),
        )
        .await;
        let exchanges = call.take_exchanges();
        let condition = self.store.account(id).await.ok();
        let mut record = Record::new(
            &self.hands,
            self.store.directory(),
            condition.as_ref().map(|c| &c.condition),
            &account.manifest,
            &self.lease,
        );
        record.exchanges(None, id, exchanges);
        match ended {
            Ended::Answered(answers) => {
                for due in tasks {
                    // two answers for one person are no answer
                    let mut mine = answers.iter().filter(|(item, _, _)| *item == due.task.id);
                    let (seen, evidence) = match (mine.next(), mine.next()) {
                        (Some((_, presence, evidence)), None) => {
                            (seen(presence), Some(evidence.clone()))
                        }
                        _ => (Seen::Failed, None),
                    };
                    record.happen(due, &Event::Looked { seen }, evidence);
                }
            }
            Ended::Failed(error) => {
                poll_failed(&mut record, &error);
                for due in tasks {
                    record.happen(due, &Event::Looked { seen: Seen::Failed }, None);
                }
            }
            Ended::Panicked => {
                for due in tasks {
                    record.happen(due, &Event::Looked { seen: Seen::Failed }, None);
                }
            }
        }
        let (failed, news) = (record.infrastructure_failed, record.news.take());
        let (unit, _, _) =
            record.finish(Some(About::LookedUp { account: id.to_string(), evidence: vec![] }));
        self.report(self.store.commit(unit).await, "a look-up");
        self.account_heard(id, news, failed).await;
    }

    /// Before the first changing call of this life the key is asked who it is.
    pub(crate) async fn prove_key(
        self: &Arc<Self>,
        row: &AccountRow,
        account: &Arc<ConnectedAccount>,
    ) -> Result<bool, StoreError> {
        if self.soft().proved.contains(&row.id) {
            return Ok(true);
        }
        let (ended, _) = self.probe(account).await;
        self.take_calls(1);
        match ended {
            Ended::Answered(probe) => {
                if let (Some(pinned), Some(answers_as)) = (&row.condition.pinned, &probe.account_id)
                    && pinned != answers_as
                {
                    let mut condition = row.condition.clone();
                    condition.settings_wrong = Some(
                        "the key belongs to another account than the one that was enabled".into(),
                    );
                    let reason = Reason::OtherAccount {
                        pinned: pinned.clone(),
                        answers_as: answers_as.clone(),
                    };
                    self.write_condition(
                        row,
                        condition,
                        "the key answers as another account",
                        Some(reason),
                    )
                    .await?;
                    return Ok(false);
                }
                self.soft().proved.insert(row.id.clone());
                Ok(true)
            }
            Ended::Failed(ConnectorError::NeedsPerson(person)) => {
                let news = match person {
                    NeedsPerson::CredentialsRefused { status } => {
                        AccountNews::CredentialsRefused { status }
                    }
                    NeedsPerson::SettingsWrong { detail } => AccountNews::SettingsWrong { detail },
                    NeedsPerson::Other { reason } => AccountNews::SettingsWrong { detail: reason },
                };
                self.account_heard(&row.id, Some(news), false).await;
                Ok(false)
            }
            Ended::Failed(error) => {
                self.account_heard(&row.id, None, error.is_infrastructure()).await;
                self.hands.runtime.sleep(Duration::from_millis(500)).await;
                Ok(false)
            }
            Ended::Panicked => Ok(false),
        }
    }

    async fn probe(
        &self,
        account: &Arc<ConnectedAccount>,
    ) -> (Ended<Probe>, Vec<efface_connector::Exchange>) {
        let call = Call::new(&account.http, self.hands.clock.now());
        let ended =
            guarded(&self.hands, self.options.call_timeout * 2, account.connector.probe(&call))
                .await;
        (ended, call.take_exchanges())
    }

    /// Writes what a call meant for its account: credentials, settings, quota, breaker.
    pub(crate) async fn account_heard(
        &self,
        id: &AccountId,
        news: Option<AccountNews>,
        infrastructure_failed: bool,
    ) {
        for _ in 0..5 {
            let Ok(row) = self.store.account(id).await else { return };
            let now = self.hands.clock.now();
            let (mut condition, desk) = match &news {
                Some(news) => Record::account_news(&row.condition, news, now),
                None => (row.condition.clone(), None),
            };
            let breaker = {
                let mut soft = self.soft();
                soft.breakers.entry(id.clone()).or_default().count(
                    row.condition.breaker,
                    infrastructure_failed,
                    now,
                )
            };
            if let Some(next) = breaker {
                tracing::warn!(account = %id, breaker = ?next, "breaker");
                condition.breaker = next;
            }
            if condition == row.condition {
                return;
            }
            let change = news.as_ref().map_or_else(|| "breaker".to_owned(), |n| format!("{n:?}"));
            match self.write_condition(&row, condition, &change, desk).await {
                Ok(()) => return,
                Err(StoreError::Stale { .. }) => {}
                Err(error) => {
                    tracing::warn!(account = %id, %error, "the account's condition could not be written");
                    return;
                }
            }
        }
    }

    /// Runs what people asked of this lane.
    pub(crate) async fn errands(self: &Arc<Self>) -> Result<bool, StoreError> {
        let mut busy = false;
        for errand in self.store.due_errands(&self.name).await? {
            let Some(account) = self.members.get(&errand.account).cloned() else { continue };
            busy = true;
            let answer = match errand.kind {
                ErrandKind::Probe => self.probe_errand(&account).await,
                ErrandKind::Rehearse => self.rehearse(&errand, &account).await,
            };
            let done = ErrandDone { id: errand.id, answer };
            let unit = Unit {
                fence: Some(self.lease.clone()),
                errands_done: vec![done],
                ..Unit::default()
            };
            self.store.commit(unit).await?;
        }
        Ok(busy)
    }

    async fn probe_errand(&self, account: &Arc<ConnectedAccount>) -> String {
        let (ended, _) = self.probe(account).await;
        let nothing = ProbeAnswer {
            ok: false,
            account_id: None,
            account_name: None,
            may: vec![],
            key_expires: None,
            evidence: None,
            error: None,
        };
        let answer = match ended {
            Ended::Answered(probe) => ProbeAnswer {
                ok: true,
                account_id: probe.account_id,
                account_name: probe.account_name,
                may: probe.may.into_iter().map(|(what, right)| (what, right_word(right))).collect(),
                key_expires: probe.key_expires,
                evidence: Some(probe.evidence),
                error: None,
            },
            Ended::Failed(error) => ProbeAnswer { error: Some(error.to_string()), ..nothing },
            Ended::Panicked => {
                ProbeAnswer { error: Some("the connector panicked".into()), ..nothing }
            }
        };
        serde_json::to_string(&answer).unwrap_or_default()
    }

    async fn rehearse(&self, errand: &Errand, account: &Arc<ConnectedAccount>) -> String {
        let now = self.hands.clock.now();
        let batch = account.manifest.look_up.as_ref().map_or(1, |l| l.batch_items.max(1)) as usize;
        let keyed_by = self.keyed_by(&errand.account);
        let mut answers: Vec<RehearsalAnswer> = vec![];
        for (n, chunk) in errand.people.chunks(batch).enumerate() {
            let items: Vec<Item> = chunk
                .iter()
                .map(|people| {
                    let mut identifiers = people.clone();
                    identifiers.retain(|i| keyed_by.is_empty() || keyed_by.contains(&i.kind));
                    Item {
                        id: TaskId::new(now, &*self.hands.chance),
                        generation: 1,
                        identifiers,
                        memo: None,
                        prior: None,
                    }
                })
                .collect();
            let call = Call::new(&account.http, self.hands.clock.now());
            let ended = guarded(
                &self.hands,
                self.options.call_timeout * 2,
                account.connector.look_up(&call, &items),
            )
            .await;
            for (m, item) in items.iter().enumerate() {
                let person = n * batch + m;
                let failed = |error: String| RehearsalAnswer {
                    person,
                    presence: "failed",
                    records: 0,
                    matched_by: vec![],
                    error: Some(error),
                };
                answers.push(match &ended {
                    Ended::Answered(all) => match all.iter().find(|(id, _, _)| *id == item.id) {
                        Some((_, presence, _)) => rehearsal(person, presence),
                        None => failed("the vendor did not mention this person".into()),
                    },
                    Ended::Failed(error) => failed(error.to_string()),
                    Ended::Panicked => failed("the connector panicked".into()),
                });
            }
        }
        serde_json::to_string(&answers).unwrap_or_default()
    }
}

fn right_word(right: Right) -> &'static str {
    match right {
        Right::Yes => "yes",
        Right::No => "no",
        Right::CannotTell => "cannot tell",
    }
}

fn rehearsal(person: usize, presence: &Presence) -> RehearsalAnswer {
    let (word, records, matched_by) = match presence {
        Presence::Absent => ("absent", 0, vec![]),
        Presence::Present { records, matched_by } => {
            ("present", *records, matched_by.iter().map(IdentifierKind::word).collect())
        }
        Presence::Ambiguous { records } => ("ambiguous", *records, vec![]),
        Presence::CannotTell => ("cannot tell", 0, vec![]),
    };
    RehearsalAnswer { person, presence: word, records, matched_by, error: None }
}

fn seen(presence: &Presence) -> Seen {
    match presence {
        Presence::Absent => Seen::Absent,
        Presence::Present { .. } => Seen::Present,
        Presence::Ambiguous { .. } => Seen::Ambiguous,
        Presence::CannotTell => Seen::CannotTell,
    }
}

/// What a failed question means: the account's news, and how long to wait where the vendor says.
fn poll_failed(record: &mut Record<'_>, error: &ConnectorError) -> Option<Duration> {
    record.infrastructure_failed |= error.is_infrastructure();
    match error {
        ConnectorError::Retryable { retry_after, .. } => *retry_after,
        ConnectorError::NeedsPerson(NeedsPerson::CredentialsRefused { status }) => {
            record.news = Some(AccountNews::CredentialsRefused { status: *status });
            None
        }
        ConnectorError::NeedsPerson(NeedsPerson::SettingsWrong { detail }) => {
            record.news = Some(AccountNews::SettingsWrong { detail: detail.clone() });
            None
        }
        ConnectorError::NeedsPerson(NeedsPerson::Other { .. })
        | ConnectorError::Permanent { .. }
        | ConnectorError::Unknown { .. } => None,
        ConnectorError::QuotaSpent { until } => {
            let now = record.hands.clock.now();
            let until = until.unwrap_or_else(|| now.plus(Duration::from_secs(3600)));
            record.news = Some(AccountNews::QuotaSpent { until });
            Some(until.since(now))
        }
    }
}
