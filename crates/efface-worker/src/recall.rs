//! Taking back what was cancelled while it was out, where the vendor offers it. The call holds
//! exactly the people who are to be taken back; who is in the same job and was not cancelled is
//! never named.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use efface_connector::{Call, ConnectorError, Exchange, NeedsPerson, Recalled, Receipt};
use efface_core::{
    ReceiptId, TaskId, Timestamp,
    evidence::Evidence,
    journal::About,
    order::Order,
    task::{AskAgain, Event, Queue, Recall, TaskState, WaitsOn},
};
use efface_store::{AccountRow, DueReceipt, DueTask, Error as StoreError, Unit};

use crate::{
    call::{Ended, guarded, wire_order},
    fleet::ConnectedAccount,
    lane::{Accounts, Lane},
    poll::poll_failed,
    record::{AccountNews, Record},
};

/// Tasks looked at in one round.
const WINDOW: u32 = 500;
/// How often an answer is held against rows that moved under it.
const ATTEMPTS: u32 = 16;

/// One question to the vendor.
struct Asked {
    due: DueReceipt,
    /// Whom to take back.
    company: Vec<TaskId>,
    account: Arc<ConnectedAccount>,
}

/// An answer in the words of the store, and what it means for the account.
struct Told {
    unit: Unit,
    news: Option<AccountNews>,
    infrastructure_failed: bool,
}

impl Lane {
    /// Asks the vendor for what is wanted back; how many calls were launched.
    pub(crate) async fn recall(
        self: &Arc<Self>,
        accounts: &Accounts,
        most: u32,
    ) -> Result<u32, StoreError> {
        // read first: what ends between the two is seen by the query, what has not ended by this
        let out = self.soft().asking.clone();
        let wanted = self.store.due_tasks(&self.name, Queue::Recall, WINDOW).await?;
        if wanted.is_empty() {
            return Ok(0);
        }
        let mut receipts: BTreeMap<&_, BTreeSet<ReceiptId>> = BTreeMap::new();
        for task in &wanted {
            if let Some(receipt) = task.task.state.waits_on().filter(|r| !out.contains(&r.0)) {
                receipts.entry(&task.task.account).or_default().insert(receipt);
            }
        }
        let mut launched = 0;
        for (id, receipts) in receipts {
            let (Some(row), Some(account)) = (accounts.get(id), self.members.get(id)) else {
                continue;
            };
            if !self.may_recall(row, account).await? {
                continue;
            }
            let receipts: Vec<ReceiptId> = receipts.into_iter().collect();
            for due in self.store.receipts(&receipts).await? {
                if launched >= most {
                    return Ok(launched);
                }
                let company = company(&due.items, self.hands.clock.now());
                if company.is_empty() || !self.soft().asking.insert(due.receipt.id.0) {
                    continue;
                }
                launched += 1;
                let asked = Asked { due, company, account: account.clone() };
                let lane = self.clone();
                self.launch(move |out| async move {
                    let id = asked.due.receipt.id.0;
                    lane.recall_one(asked).await;
                    lane.soft().asking.remove(&id);
                    drop(out);
                });
            }
        }
        Ok(launched)
    }

    /// A stop or a pause keeps no recall back: it is a brake itself.
    async fn may_recall(
        self: &Arc<Self>,
        row: &AccountRow,
        account: &Arc<ConnectedAccount>,
    ) -> Result<bool, StoreError> {
        let now = self.hands.clock.now();
        if row.condition.stands_in_the_way_of_a_recall(now).is_some() {
            return Ok(false);
        }
        self.prove_key(row, account).await
    }

    async fn recall_one(&self, asked: Asked) {
        let Asked { due: DueReceipt { receipt, order, items }, company, account } = asked;
        let mut named: Vec<DueTask> =
            items.iter().filter(|i| company.contains(&i.task.id)).cloned().collect();
        let wire = wire_order(&order, &named, &self.keyed_by(&order.account));
        let body = Receipt { format: receipt.format, body: receipt.body.clone() };
        let call = Call::new(&account.http, self.hands.clock.now());
        // a vendor may be asked once for each person
        let people = u32::try_from(named.len()).unwrap_or(u32::MAX);
        let limit = self.options.call_timeout.saturating_mul(people.saturating_add(2));
        let ended =
            guarded(&self.hands, limit, account.connector.recall(&call, &wire, &body)).await;
        let exchanges = call.take_exchanges();
        self.take_calls(u32::try_from(exchanges.len().saturating_sub(1)).unwrap_or(u32::MAX));
        let mut moved = 0;
        while moved < ATTEMPTS {
            let answer = (ended.clone(), exchanges.clone());
            let told = self.tell_recall(&order, &named, company.len(), &account, answer).await;
            let written = match self.store.commit(told.unit).await {
                // somebody moved one of them meanwhile: the rules are asked again
                Err(StoreError::Stale { .. }) => {
                    moved += 1;
                    self.store.receipts(&[receipt.id]).await.map(|fresh| {
                        let items = fresh.into_iter().flat_map(|r| r.items);
                        named = items.filter(|i| company.contains(&i.task.id)).collect();
                        false
                    })
                }
                written => written.map(|()| true),
            };
            match written {
                Ok(false) => {}
                Err(error) if error.is_passing() && !self.lost.load(Ordering::Relaxed) => {
                    tracing::warn!(lane = %self.name, %error, "a recall waits for the database");
                    self.hands.runtime.sleep(Duration::from_millis(200)).await;
                }
                written => {
                    self.report(written.map(drop), "a recall");
                    let failed = told.infrastructure_failed;
                    self.account_heard(&order.account, told.news, failed).await;
                    return;
                }
            }
        }
        tracing::warn!(lane = %self.name, order = %order.id, "the answer to a recall could not be written: its people moved each time");
    }

    /// `people` were asked about; those of them who still wait are `named`.
    async fn tell_recall(
        &self,
        order: &Order,
        named: &[DueTask],
        people: usize,
        account: &ConnectedAccount,
        (ended, exchanges): (Ended<Recalled>, Vec<Exchange>),
    ) -> Told {
        let condition = self.condition(&order.account).await;
        let mut record = Record::new(
            &self.hands,
            self.store.directory(),
            condition.as_deref().map(|c| &c.condition),
            &account.manifest,
            &self.lease,
        );
        record.exchanges(Some(order), &order.account, exchanges);
        let (answer, again, evidence) = read(&mut record, ended, people);
        for due in named {
            let event = match again {
                None => Event::Recalled,
                Some(again) if is_answered(due, people) => Event::RecallFailed { again },
                // only along with others: it was asked in vain before, or is to be asked alone
                Some(_) => continue,
            };
            record.happen(due, &event, evidence.clone());
        }
        let infrastructure_failed = record.infrastructure_failed;
        let about = About::RecallAsked {
            order: order.id,
            answer: answer.into(),
            evidence: evidence.into_iter().collect(),
        };
        let (unit, news, _) = record.finish(Some(about));
        Told { unit, news, infrastructure_failed }
    }
}

/// What an answer means: in words, whether to ask again (`None`: it was taken back), and why.
fn read(
    record: &mut Record<'_>,
    ended: Ended<Recalled>,
    people: usize,
) -> (&'static str, Option<AskAgain>, Option<Evidence>) {
    let error = match ended {
        Ended::Answered(Recalled::Recalled(evidence)) => {
            return ("taken back", None, Some(evidence));
        }
        Ended::Answered(Recalled::TooLate(evidence)) => {
            return ("too late", Some(AskAgain::Never), Some(evidence));
        }
        Ended::Answered(Recalled::NotOffered) => {
            return ("not offered", Some(AskAgain::Never), None);
        }
        Ended::Panicked => ConnectorError::unknown("the connector panicked"),
        Ended::Failed(error) => error,
    };
    let retry_after = poll_failed(record, &error);
    let (answer, again) = match &error {
        ConnectorError::Permanent { .. }
        | ConnectorError::NeedsPerson(NeedsPerson::Other { .. }) => {
            let again = if people > 1 { AskAgain::Alone } else { AskAgain::Never };
            ("refused", again)
        }
        ConnectorError::NeedsPerson(
            NeedsPerson::CredentialsRefused { .. } | NeedsPerson::SettingsWrong { .. },
        )
        | ConnectorError::Retryable { .. }
        | ConnectorError::QuotaSpent { .. } => ("not asked", AskAgain::Later { retry_after }),
        ConnectorError::Unknown { .. } => ("no answer", AskAgain::Later { retry_after }),
    };
    (answer, Some(again), Some(Evidence::seen(error.to_string())))
}

fn recall_of(due: &DueTask) -> Option<Recall> {
    match due.task.state {
        TaskState::Waiting { on: WaitsOn::Receipt { recall, .. }, .. } => Some(recall),
        _ => None,
    }
}

/// Whether an answer about so many people answers the question about this one.
fn is_answered(due: &DueTask, people: usize) -> bool {
    matches!(recall_of(due), Some(Recall::Wanted { alone, .. }) if !alone || people == 1)
}

/// Whom the next question is about: everybody on the receipt who was cancelled, so that a job which
/// goes back whole can; else one who was refused among others, alone.
fn company(items: &[DueTask], now: Timestamp) -> Vec<TaskId> {
    let due = |alone_too: bool| move |i: &&DueTask| matches!(recall_of(i), Some(Recall::Wanted { at, alone, .. }) if at <= now && (alone_too || !alone));
    if items.iter().any(|i| due(false)(&i)) {
        return items.iter().filter(|i| i.task.cancel_marked).map(|i| i.task.id).collect();
    }
    items.iter().find(due(true)).map(|i| i.task.id).into_iter().collect()
}
