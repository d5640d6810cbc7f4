//! From a vendor's answer to one unit of writes: outcomes, exchange evidence, journal, follow-ups.

use std::{collections::HashSet, time::Duration};

use efface_connector::{
    Answer, ConnectorError, EffectClass, Exchange, ItemAnswer, Manifest, Memo, NeedsPerson,
};
use efface_core::{
    DeskId, EntryId, LaneId, ReceiptId, Timestamp,
    account::{Condition, Credentials},
    desk::{DeskItem, Reason, Subject},
    evidence::Evidence,
    journal::{About, Entry, TaskChange},
    order::{Order, OrderState, StoredReceipt},
    subject::Value,
    task::{Answered, Effect, Event, apply},
};
use efface_store::{
    DeskClose, DeskOpen, Directory, DueTask, EntryRow, ExchangeRow, FollowUp, KeptBack, Lease,
    MemoWrite, REQUESTS_LANE, TaskWrite, Unit,
};
use serde::Serialize;

use crate::hands::Hands;

/// What an answer means for the account rather than for its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AccountNews {
    CredentialsRefused { status: u16 },
    SettingsWrong { detail: String },
    QuotaSpent { until: Timestamp },
}

/// A unit in the making, and what the lane should know beyond it.
pub(crate) struct Record<'a> {
    pub hands: &'a Hands,
    pub directory: &'a Directory,
    pub condition: Option<&'a Condition>,
    pub manifest: &'a Manifest,
    pub unit: Unit,
    pub changes: Vec<TaskChange>,
    pub evidence: Vec<Evidence>,
    pub news: Option<AccountNews>,
    /// Items of a refused order that should travel in smaller company next time.
    pub halve: Vec<efface_core::TaskId>,
    /// The vendor's machinery failed: counts for the breaker.
    pub infrastructure_failed: bool,
    /// How long a lost answer is waited for before it is looked into.
    pub look_after: Duration,
}

/// One candidate of a `choose` item as it is sealed for the desk.
#[derive(Serialize)]
struct Pick<'a> {
    step: &'a efface_core::manifest::StepId,
    memo: String,
}

pub(crate) fn memo_value(memo: &Memo) -> Value {
    Value::new(serde_json::to_string(memo).unwrap_or_default())
}

pub(crate) fn read_memo(value: Option<&Value>) -> Option<Memo> {
    value.and_then(|v| serde_json::from_str(v.expose()).ok())
}

impl<'a> Record<'a> {
    pub(crate) fn new(
        hands: &'a Hands,
        directory: &'a Directory,
        condition: Option<&'a Condition>,
        manifest: &'a Manifest,
        fence: &Lease,
    ) -> Self {
        Self {
            hands,
            directory,
            condition,
            manifest,
            unit: Unit { fence: Some(fence.clone()), ..Unit::default() },
            changes: vec![],
            evidence: vec![],
            news: None,
            halve: vec![],
            infrastructure_failed: false,
            look_after: Duration::ZERO,
        }
    }

    fn now(&self) -> Timestamp {
        self.hands.clock.now()
    }

    /// Applies an event to a task; what the rules refuse is dropped and kept as a late answer by
    /// the caller.
    pub(crate) fn happen(
        &mut self,
        due: &DueTask,
        event: &Event,
        because: Option<Evidence>,
    ) -> Option<&mut TaskWrite> {
        let rules = self.directory.rules(&due.task, self.condition);
        let now = self.now();
        let moved = match apply(&due.task, event, &rules, now, self.hands.chance.number()) {
            Ok(moved) => {
                let cause = |kept: &KeptBack| kept.cause(self.directory.phase_of_task(&due.task));
                moved.kept_back(due.kept_back.as_ref().map(cause))
            }
            Err(refusal) => {
                tracing::warn!(task.id = %due.task.id, %refusal, "answer not applied");
                return None;
            }
        };
        self.changes.push(TaskChange::of(&moved.task, event.word()).because(because));
        for effect in &moved.effects {
            match effect {
                Effect::OpenDesk(reason) => {
                    self.open_desk(Subject::Task(moved.task.id), reason.clone(), None)
                }
                Effect::CloseDesk => {
                    let subject = Subject::Task(moved.task.id);
                    self.unit.desk_closes.push(DeskClose {
                        subject,
                        reason: None,
                        by: "worker".into(),
                        how: "the task moved on".into(),
                        at: now,
                    });
                }
                Effect::FollowUp => {
                    self.unit
                        .follow_ups
                        .push(FollowUp { request: moved.task.request, due_at: now });
                    self.unit.wakes.extend(LaneId::new(REQUESTS_LANE));
                }
            }
        }
        let mut write = TaskWrite::new(due.task.version, moved.task);
        if write.task.state.is_settled() && due.memo.is_some() {
            write.memo = MemoWrite::Clear;
        }
        self.unit.tasks.push(write);
        self.unit.tasks.last_mut()
    }

    pub(crate) fn open_desk(
        &mut self,
        subject: Subject,
        reason: Reason,
        sealed: Option<(efface_core::RequestId, Value)>,
    ) {
        let now = self.now();
        let id = DeskId::new(now, &*self.hands.chance);
        self.unit.desk_opens.push(DeskOpen {
            item: DeskItem { id, subject, reason, opened_at: now, closed: None },
            sealed,
        });
    }

    pub(crate) fn exchanges(
        &mut self,
        order: Option<&Order>,
        account: &efface_core::AccountId,
        exchanges: Vec<Exchange>,
    ) {
        for exchange in exchanges {
            self.unit.exchanges.push(ExchangeRow {
                order: order.map(|o| o.id),
                account: account.clone(),
                at: exchange.started_at,
                status: exchange.status,
                body: serde_json::to_string(&exchange).unwrap_or_default(),
            });
        }
    }

    /// Adds the one journal entry of this unit and hands the unit over.
    pub(crate) fn finish(
        mut self,
        about: Option<About>,
    ) -> (Unit, Option<AccountNews>, Vec<efface_core::TaskId>) {
        if let Some(about) = about {
            let now = self.now();
            let id = EntryId::new(now, &*self.hands.chance);
            let changes = std::mem::take(&mut self.changes);
            self.unit.entries.push(EntryRow::from(Entry::new(id, now, "worker", about, &changes)));
        }
        (self.unit, self.news, self.halve)
    }

    /// The answer to an order, item by item; an item in neither list, or in both, is Unknown.
    pub(crate) fn answer(&mut self, order: &mut Order, items: &[DueTask], answer: Answer) {
        let accepted_ids: Vec<_> =
            answer.accepted.iter().flat_map(|a| a.items.iter().map(|(id, _)| *id)).collect();
        let mut seen = HashSet::new();
        let mut twice: HashSet<_> = HashSet::new();
        for id in answer.items.iter().map(|(id, _)| *id).chain(accepted_ids) {
            if !seen.insert(id) {
                twice.insert(id);
            }
        }
        let find = |id| items.iter().find(|i| i.task.id == id && !twice.contains(&id));
        for accepted in answer.accepted {
            let done_within = self.directory.scaled(&order.account, accepted.done_within);
            let poll_after = self.directory.scaled(&order.account, accepted.poll_after);
            let done_by = self.now().plus(done_within);
            let receipt = accepted
                .receipt
                .as_ref()
                .map(|body| self.receipt(order, body, poll_after, done_within));
            for (id, memo) in &accepted.items {
                let Some(due) = find(*id) else { continue };
                let answer = match receipt {
                    Some(receipt) => Answered::AcceptedWithReceipt { receipt },
                    None => Answered::AcceptedOnPromise { done_by },
                };
                if let (Some(write), Some(memo)) = (
                    self.happen(due, &Event::Answered { answer }, Some(accepted.evidence.clone())),
                    memo,
                ) {
                    write.memo = MemoWrite::Set(memo_value(memo));
                }
            }
            self.evidence.push(accepted.evidence);
        }
        for (id, answer) in answer.items {
            if let Some(due) = find(id) {
                self.item(due, answer);
            }
        }
        let unknown: Vec<&DueTask> = items
            .iter()
            .filter(|i| !seen.contains(&i.task.id) || twice.contains(&i.task.id))
            .collect();
        self.settle_order(order, &unknown);
    }

    fn receipt(
        &mut self,
        order: &Order,
        body: &efface_connector::Receipt,
        poll_after: Duration,
        done_within: Duration,
    ) -> ReceiptId {
        let now = self.now();
        let id = ReceiptId::new(now, &*self.hands.chance);
        let bound = self.manifest.action(order.action).map_or(done_within, |card| {
            self.directory.scaled(&order.account, card.latency.bound).max(done_within)
        });
        self.unit.new_receipts.push(StoredReceipt {
            id,
            order: order.id,
            lane: order.lane.clone(),
            account: order.account.clone(),
            format: body.format,
            body: body.body.clone(),
            polls: 0,
            poll_after,
            next_poll: efface_core::retry::next_poll(
                now,
                poll_after,
                0,
                self.hands.chance.number(),
            ),
            bound_at: now.plus(bound),
            slow_told: false,
            done: false,
            asked_back: None,
        });
        id
    }

    fn item(&mut self, due: &DueTask, answer: ItemAnswer) {
        let now = self.now();
        let answered = |answer| Event::Answered { answer };
        match answer {
            ItemAnswer::Confirmed(evidence) => {
                self.happen(
                    due,
                    &answered(Answered::Confirmed { forwarded: evidence.forwarded }),
                    Some(evidence),
                );
            }
            ItemAnswer::ConfirmedWithPrior { evidence, prior } => {
                let event = answered(Answered::Confirmed { forwarded: evidence.forwarded });
                if let Some(write) = self.happen(due, &event, Some(evidence)) {
                    write.prior = Some(memo_value(&prior));
                }
            }
            ItemAnswer::NothingFound { evidence, .. } => {
                self.happen(due, &answered(Answered::NothingFound), Some(evidence));
            }
            ItemAnswer::Next { step, memo, evidence } => {
                if let Some(write) =
                    self.happen(due, &answered(Answered::Next { step }), Some(evidence))
                {
                    write.memo = MemoWrite::Set(memo_value(&memo));
                }
            }
            ItemAnswer::StillGoing { .. } => {
                self.happen(due, &answered(Answered::StillGoing), None);
            }
            ItemAnswer::Discovered { evidence, .. } => {
                self.happen(due, &answered(Answered::Discovered), Some(evidence));
            }
            ItemAnswer::Choose { candidates, evidence } => {
                let labels: Vec<String> = candidates.iter().map(|c| c.label.clone()).collect();
                let picks: Vec<Pick<'_>> = candidates
                    .iter()
                    .map(|c| Pick {
                        step: &c.step,
                        memo: serde_json::to_string(&c.memo).unwrap_or_default(),
                    })
                    .collect();
                let sealed = Value::new(serde_json::to_string(&picks).unwrap_or_default());
                if self
                    .happen(due, &answered(Answered::Choose { candidates: labels }), Some(evidence))
                    .is_some()
                    && let Some(open) = self.unit.desk_opens.last_mut()
                {
                    open.sealed = Some((due.task.request, sealed));
                }
            }
            ItemAnswer::Blocked { reason, hint, recheck_after } => {
                let answer = Answered::Blocked {
                    blocker: reason,
                    hint,
                    recheck_at: now.plus(self.directory.scaled(&due.task.account, recheck_after)),
                };
                self.happen(due, &answered(answer), None);
            }
            ItemAnswer::NotSent => {
                self.happen(due, &answered(Answered::NotDone), None);
            }
            ItemAnswer::Failed(error) => self.item_failed(due, &error),
        }
    }

    /// The vendor named this person: its refusal is definite, whoever else was in the order.
    fn item_failed(&mut self, due: &DueTask, error: &ConnectorError) {
        let answer = self.class(error, 1);
        let event = answer.map_or(Event::OutcomeUnknown, |answer| Event::Answered { answer });
        self.happen(due, &event, Some(Evidence::seen(error.to_string())));
    }

    /// What an error means for one task; `None` when the outcome is not known.
    fn class(&mut self, error: &ConnectorError, company: usize) -> Option<Answered> {
        self.infrastructure_failed |= error.is_infrastructure();
        match error {
            ConnectorError::Retryable { retry_after, .. } => {
                Some(Answered::RetryLater { retry_after: *retry_after })
            }
            // several, and the culprit is unnamed: they are told apart in smaller orders
            ConnectorError::Permanent { .. } if company > 1 => Some(Answered::NotDone),
            ConnectorError::Permanent { code } => Some(Answered::Refused { code: code.clone() }),
            ConnectorError::NeedsPerson(NeedsPerson::CredentialsRefused { status }) => {
                self.news = Some(AccountNews::CredentialsRefused { status: *status });
                Some(Answered::AccountRefused)
            }
            ConnectorError::NeedsPerson(NeedsPerson::SettingsWrong { detail }) => {
                self.news = Some(AccountNews::SettingsWrong { detail: detail.clone() });
                Some(Answered::AccountRefused)
            }
            ConnectorError::NeedsPerson(NeedsPerson::Other { reason }) => {
                Some(Answered::NeedsPerson { reason: reason.clone() })
            }
            ConnectorError::QuotaSpent { until } => {
                let until = until.unwrap_or_else(|| self.now().plus(Duration::from_secs(3600)));
                self.news = Some(AccountNews::QuotaSpent { until });
                Some(Answered::AccountRefused)
            }
            ConnectorError::Unknown { status: Some(status), .. }
                if self.manifest.does_nothing_at.contains(status) =>
            {
                Some(Answered::RetryLater { retry_after: None })
            }
            ConnectorError::Unknown { .. } => None,
        }
    }

    /// A whole order failed.
    pub(crate) fn order_failed(
        &mut self,
        order: &mut Order,
        items: &[DueTask],
        error: &ConnectorError,
    ) {
        let answer = match self.class(error, items.len()) {
            // a read changes nothing: its lost answer is a failure like another
            None if order.class == EffectClass::ReadOnly => {
                Some(Answered::RetryLater { retry_after: None })
            }
            other => other,
        };
        let refused_together =
            matches!((&answer, error), (Some(Answered::NotDone), ConnectorError::Permanent { .. }));
        if refused_together {
            self.halve = items.iter().map(|i| i.task.id).collect();
        }
        match answer {
            Some(answer) => {
                let event = Event::Answered { answer };
                for due in items {
                    self.happen(due, &event, Some(Evidence::seen(error.to_string())));
                }
                order.state = OrderState::Answered;
            }
            None => {
                let all: Vec<&DueTask> = items.iter().collect();
                self.settle_order(order, &all);
            }
        }
    }

    /// Ends an order, or freezes it when some of its items are unknown.
    fn settle_order(&mut self, order: &mut Order, unknown: &[&DueTask]) {
        if unknown.is_empty() {
            order.state = OrderState::Answered;
            return;
        }
        let now = self.now();
        for due in unknown {
            if !matches!(due.task.state, efface_core::task::TaskState::Unknown { .. }) {
                self.happen(due, &Event::OutcomeUnknown, None);
            }
        }
        order.state = OrderState::Unknown { since: now, look_at: now.plus(self.look_after) };
    }

    /// Writes what an answer means for the account.
    pub(crate) fn account_news(
        condition: &Condition,
        news: &AccountNews,
        now: Timestamp,
    ) -> (Condition, Option<Reason>) {
        let mut next = condition.clone();
        let reason = match news {
            AccountNews::CredentialsRefused { status } => {
                next.credentials = Credentials::Refused { since: now, status: *status };
                Some(Reason::CredentialsRefused { status: *status })
            }
            AccountNews::SettingsWrong { detail } => {
                next.settings_wrong = Some(detail.clone());
                Some(Reason::SettingsWrong { detail: detail.clone() })
            }
            AccountNews::QuotaSpent { until } => {
                next.quota_until = Some(*until);
                None
            }
        };
        (next, reason)
    }
}
