//! Polling receipts: what a vendor has taken on, asked again until it ends.

use std::{sync::Arc, time::Duration};

use efface_connector::{Answer, Call, ConnectorError, ItemAnswer, NeedsPerson, Receipt};
use efface_core::{
    AccountId, IdentifierKind, TaskId,
    desk::{Reason, Subject},
    evidence::Evidence,
    journal::About,
    order::StoredReceipt,
    retry::next_poll,
};
use efface_store::{DueReceipt, DueTask, Error as StoreError, Unit, crash_point};

use crate::{
    call::{Ended, wire_order},
    fleet::ConnectedAccount,
    lane::{Accounts, Lane},
    recall,
    record::{AccountNews, Record},
};

impl Lane {
    /// Polls receipts that are due; how many calls were launched.
    pub(crate) async fn poll(
        self: &Arc<Self>,
        accounts: &Accounts,
        most: u32,
    ) -> Result<u32, StoreError> {
        if most == 0 {
            return Ok(0);
        }
        let now = self.hands.clock.now();
        let mut launched = 0;
        // read first: an answer written between the two is seen by the query, one still out by this
        let out = self.soft().asking.clone();
        for due in self.store.due_receipts(&self.name, now, most).await? {
            if out.contains(&due.receipt.id.0) {
                continue;
            }
            let held = accounts
                .get(&due.receipt.account)
                .is_none_or(|row| row.condition.stands_in_the_way(now).is_some());
            if held || recall::is_open(&due) {
                self.put_off(&due.receipt, Duration::from_secs(30)).await?;
                continue;
            }
            let Some(account) = self.members.get(&due.receipt.account).cloned() else { continue };
            if !self.soft().asking.insert(due.receipt.id.0) {
                continue;
            }
            launched += 1;
            let lane = self.clone();
            self.launch(move |out| async move {
                let id = due.receipt.id.0;
                lane.poll_one(due, account).await;
                lane.soft().asking.remove(&id);
                drop(out);
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
        let turns = self.turns();
        let call = Call::new(&account.http, self.hands.clock.now()).in_turn(&turns);
        let work = account.connector.poll(&call, &wire, &body);
        let ended = turns.guarded("poll", self.options.call_timeout * 2, work).await;
        let exchanges = call.take_exchanges();
        let now = self.hands.clock.now();
        let condition = self.condition(&order.account).await;
        let mut record = Record::new(
            &self.hands,
            self.store.directory(),
            condition.as_deref().map(|c| &c.condition),
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
        let about = changed.then_some(About::ReceiptPolled { order: order.id, evidence });
        let (mut unit, _, _) = record.finish(about);
        unit.receipts.push(receipt);
        crash_point("poll-before-commit");
        self.report(self.store.commit(unit).await, "a poll");
        crash_point("poll-after-commit");
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
        // a poll that could not find out about somebody has told nothing of them
        let tells_nothing = |answer: &ItemAnswer| {
            matches!(
                answer,
                ItemAnswer::StillGoing { .. } | ItemAnswer::Failed(ConnectorError::Unknown { .. })
            )
        };
        let definite: Vec<_> =
            answer.items.into_iter().filter(|(_, a)| !tells_nothing(a)).collect();
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
        let told = going
            .iter()
            .map(|(_, wait)| self.store.directory().scaled(&order.account, *wait))
            .min();
        let wish = told.unwrap_or(receipt.poll_after);
        receipt.poll_after = wish;
        receipt.next_poll = next_poll(now, wish, receipt.polls, self.hands.chance.number());
        (silent, std::mem::take(&mut record.evidence))
    }

    pub(crate) fn report(&self, written: Result<(), StoreError>, what: &str) {
        if let Err(error) = written {
            tracing::warn!(lane = %self.name, %error, what, "not written; it is due again");
        }
    }

    pub(crate) fn keyed_by(&self, account: &AccountId) -> Vec<IdentifierKind> {
        self.store.directory().account(account).map(|a| a.keyed_by.clone()).unwrap_or_default()
    }
}

/// What a failed question means: the account's news, and how long to wait where the vendor says.
pub(crate) fn poll_failed(record: &mut Record<'_>, error: &ConnectorError) -> Option<Duration> {
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
