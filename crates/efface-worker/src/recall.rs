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
    account::Condition,
    evidence::Evidence,
    journal::About,
    order::{AskedBack, Order, StoredReceipt},
    task::{AskAgain, Event, Queue, Recall, Task, TaskState, WaitsOn},
};
use efface_store::{AccountRow, DueReceipt, DueTask, Error as StoreError, Unit};

use crate::{
    call::{Ended, wire_order},
    fleet::ConnectedAccount,
    lane::{Accounts, Lane},
    poll::poll_failed,
    record::{AccountNews, Record},
};

/// Tasks looked at in one round.
const WINDOW: u32 = 500;
/// How often an answer is held against rows that moved under it.
const ATTEMPTS: u32 = 16;
/// The word for an answer that was lost.
const NO_ANSWER: &str = "no answer";

/// One question to the vendor.
struct Asked {
    due: DueReceipt,
    /// Whom to take back.
    company: Vec<TaskId>,
    account: Arc<ConnectedAccount>,
}

/// How a question ended: whom it was about, and what came back.
struct Ending<'a> {
    receipt: &'a StoredReceipt,
    order: &'a Order,
    named: &'a [DueTask],
    /// So many people were asked about.
    people: usize,
    answer: (Ended<Recalled>, Vec<Exchange>),
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
        let now = self.hands.clock.now();
        let may = |c: &Condition| c.stands_in_the_way_of_a_recall(now).is_none();
        let wanted = self.due(Queue::Recall, WINDOW, may).await?;
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
        if let Err(error) = self.intend(&receipt, &order, &company).await {
            self.report(Err(error), "the wish to take people back");
            return;
        }
        let wire = wire_order(&order, &named, &self.keyed_by(&order.account));
        let body = Receipt { format: receipt.format, body: receipt.body.clone() };
        let turns = self.turns();
        let call = Call::new(&account.http, self.hands.clock.now()).in_turn(&turns);
        // a vendor may be asked once for each person
        let people = u32::try_from(named.len()).unwrap_or(u32::MAX);
        let limit = self.options.call_timeout.saturating_mul(people.saturating_add(2));
        let ended =
            turns.guarded("recall", limit, account.connector.recall(&call, &wire, &body)).await;
        let exchanges = call.take_exchanges();
        let mut moved = 0;
        while moved < ATTEMPTS {
            let ending = Ending {
                receipt: &receipt,
                order: &order,
                named: &named,
                people: company.len(),
                answer: (ended.clone(), exchanges.clone()),
            };
            let told = self.tell_recall(ending, &account).await;
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

    /// Written before the vendor is asked: whoever comes after a worker that is lost meanwhile knows
    /// that the answer is missing.
    async fn intend(
        &self,
        receipt: &StoredReceipt,
        order: &Order,
        company: &[TaskId],
    ) -> Result<(), StoreError> {
        let Some(account) = self.members.get(&receipt.account) else { return Ok(()) };
        let mut marked = receipt.clone();
        let before = marked.asked_back.take().map(|asked| asked.people).unwrap_or_default();
        let in_doubt = company.iter().filter(|id| before.contains(id)).count();
        let mut people = before;
        people
            .extend(company.iter().filter(|id| !people.contains(id)).copied().collect::<Vec<_>>());
        marked.asked_back = Some(AskedBack { at: self.hands.clock.now(), people });
        let about = About::RecallWanted {
            order: order.id,
            people: u32::try_from(company.len()).unwrap_or(u32::MAX),
            in_doubt: u32::try_from(in_doubt).unwrap_or(u32::MAX),
        };
        let record =
            Record::new(&self.hands, self.store.directory(), None, &account.manifest, &self.lease);
        let (mut unit, _, _) = record.finish(Some(about));
        unit.receipts.push(marked);
        self.store.commit(unit).await
    }

    /// Those of the people asked about who still wait are `named`.
    async fn tell_recall(&self, ending: Ending<'_>, account: &ConnectedAccount) -> Told {
        let Ending { receipt, order, named, people, answer: (ended, exchanges) } = ending;
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
        let lost = answer == NO_ANSWER;
        // of whom an answer was lost before
        let before: BTreeSet<TaskId> =
            receipt.asked_back.iter().flat_map(|asked| &asked.people).copied().collect();
        let mut in_doubt = before.clone();
        for due in named {
            let id = due.task.id;
            let event = match again {
                None => Event::Recalled,
                Some(again) if is_answered(due, people) => {
                    Event::RecallFailed { again, in_doubt: lost || before.contains(&id) }
                }
                // only along with others: it was asked in vain before, or is to be asked alone
                Some(_) => continue,
            };
            let moved = record.happen(due, &event, evidence.clone());
            match moved.map(|write| recall_of(&write.task)) {
                // asked again later; whether this question did something is not known
                Some(Some(Recall::Wanted { .. })) if lost => in_doubt.insert(id),
                Some(Some(Recall::Wanted { .. })) | None => false,
                // over: from here on the task itself says how it stands
                Some(_) => in_doubt.remove(&id),
            };
        }
        let at = self.hands.clock.now();
        let mut told = receipt.clone();
        if in_doubt.is_empty() && told.asked_back.is_some() {
            // nobody polled meanwhile
            told.next_poll = told.next_poll.min(at);
        }
        let people = in_doubt.into_iter().collect::<Vec<_>>();
        told.asked_back = (!people.is_empty()).then_some(AskedBack { at, people });
        let infrastructure_failed = record.infrastructure_failed;
        let about = About::RecallAsked {
            order: order.id,
            answer: answer.into(),
            evidence: evidence.into_iter().collect(),
        };
        let (mut unit, news, _) = record.finish(Some(about));
        unit.receipts.push(told);
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
        ConnectorError::Unknown { .. } => (NO_ANSWER, AskAgain::Later { retry_after }),
    };
    (answer, Some(again), Some(Evidence::seen(error.to_string())))
}

/// Whether a question about somebody on the receipt is open: its answer was lost, and the vendor is
/// to be asked again. What it says of the job meanwhile is no answer to that.
pub(crate) fn is_open(due: &DueReceipt) -> bool {
    let asked = due.receipt.asked_back.as_ref();
    let wanted = |i: &DueTask| matches!(recall_of(&i.task), Some(Recall::Wanted { .. }));
    asked.is_some_and(|a| due.items.iter().any(|i| wanted(i) && a.people.contains(&i.task.id)))
}

fn recall_of(task: &Task) -> Option<Recall> {
    match task.state {
        TaskState::Waiting { on: WaitsOn::Receipt { recall, .. }, .. } => Some(recall),
        _ => None,
    }
}

/// Whether an answer about so many people answers the question about this one.
fn is_answered(due: &DueTask, people: usize) -> bool {
    matches!(recall_of(&due.task), Some(Recall::Wanted { alone, .. }) if !alone || people == 1)
}

/// Whom the next question is about: everybody on the receipt who was cancelled, so that a job which
/// goes back whole can; else one who was refused among others, alone.
fn company(items: &[DueTask], now: Timestamp) -> Vec<TaskId> {
    let due = |alone_too: bool| move |i: &&DueTask| matches!(recall_of(&i.task), Some(Recall::Wanted { at, alone, .. }) if at <= now && (alone_too || !alone));
    if items.iter().any(|i| due(false)(&i)) {
        return items.iter().filter(|i| i.task.cancel_marked).map(|i| i.task.id).collect();
    }
    items.iter().find(due(true)).map(|i| i.task.id).into_iter().collect()
}
