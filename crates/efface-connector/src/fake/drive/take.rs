//! Sorting an answer: who is ready again, who waits, who is at the end.

use std::{collections::VecDeque, time::Duration};

use super::{Drive, End, Ready, Waiting, through_json};
use crate::{Accepted, Answer, ConnectorError, Item, ItemAnswer, ItemId, Order};

/// Tries of one item that definitely came to nothing.
const MOST_FAILURES: u32 = 5;

impl Drive<'_> {
    pub(super) fn take(
        &mut self,
        order: &Order,
        answer: Answer,
        people: Vec<Ready>,
        ready: &mut VecDeque<Ready>,
        waiting: &mut VecDeque<Waiting>,
        ends: &mut Vec<(ItemId, End)>,
    ) -> Result<(), String> {
        let mut polled: Vec<Vec<Item>> = answer.accepted.iter().map(|_| vec![]).collect();
        for one in people {
            let id = one.item.id;
            let told: Vec<&ItemAnswer> =
                answer.items.iter().filter(|(i, _)| *i == id).map(|(_, a)| a).collect();
            let taken: Vec<usize> = (0..answer.accepted.len())
                .filter(|n| answer.accepted[*n].items.iter().any(|(i, _)| *i == id))
                .collect();
            match (told.as_slice(), taken.as_slice()) {
                ([answer], []) => self.one(one, answer, ready, ends)?,
                ([], [n]) => match &answer.accepted[*n] {
                    Accepted { receipt: None, evidence, done_within, .. } => {
                        let evidence = evidence.clone();
                        ends.push((id, End::Promised { evidence, done_within: *done_within }));
                    }
                    accepted @ Accepted { receipt: Some(_), .. } => {
                        let memo = accepted.items.iter().find(|(i, _)| *i == id);
                        let memo = memo.and_then(|(_, memo)| memo.clone());
                        let item = Item { memo: memo.or(one.item.memo.clone()), ..one.item };
                        polled[*n].push(item);
                    }
                },
                _ => ends.push((id, End::Unknown("in neither list, or in both".into()))),
            }
        }
        for (accepted, items) in answer.accepted.into_iter().zip(polled) {
            let Some(receipt) = accepted.receipt.filter(|_| !items.is_empty()) else { continue };
            self.receipts.push(receipt.clone());
            self.now = self.now.plus(accepted.poll_after);
            let order = Order { items, ..order.clone() };
            waiting.push_back(Waiting { order, receipt: through_json(&receipt)? });
        }
        Ok(())
    }

    fn one(
        &mut self,
        one: Ready,
        answer: &ItemAnswer,
        ready: &mut VecDeque<Ready>,
        ends: &mut Vec<(ItemId, End)>,
    ) -> Result<(), String> {
        let end = match answer {
            ItemAnswer::Next { step, memo, .. } => {
                let item = Item { memo: Some(through_json(memo)?), ..one.item };
                ready.push_back(Ready { item, step: step.clone(), ..one });
                return Ok(());
            }
            ItemAnswer::NotSent => {
                again(one, ConnectorError::permanent("left out again and again"), ready, ends);
                return Ok(());
            }
            ItemAnswer::Failed(error) => {
                self.failed(one, error.clone(), ready, ends);
                return Ok(());
            }
            ItemAnswer::Confirmed(evidence) => {
                End::Confirmed { evidence: evidence.clone(), prior: None }
            }
            ItemAnswer::ConfirmedWithPrior { evidence, prior } => {
                End::Confirmed { evidence: evidence.clone(), prior: Some(through_json(prior)?) }
            }
            ItemAnswer::NothingFound { evidence, .. } => {
                End::NothingFound { evidence: evidence.clone() }
            }
            ItemAnswer::Discovered { .. } => End::Discovered,
            ItemAnswer::Choose { candidates, .. } => End::Choose { candidates: candidates.len() },
            ItemAnswer::Blocked { reason, .. } => End::Blocked { reason: reason.clone() },
            ItemAnswer::StillGoing { .. } => {
                End::Unknown("still going, but nothing was accepted".into())
            }
        };
        ends.push((one.item.id, end));
        Ok(())
    }

    pub(super) fn failed(
        &mut self,
        one: Ready,
        error: ConnectorError,
        ready: &mut VecDeque<Ready>,
        ends: &mut Vec<(ItemId, End)>,
    ) {
        match error {
            ConnectorError::Retryable { retry_after, .. } => {
                self.now = self.now.plus(retry_after.unwrap_or(Duration::from_secs(60)));
                again(one, error, ready, ends);
            }
            ConnectorError::Unknown { what, .. } => ends.push((one.item.id, End::Unknown(what))),
            ConnectorError::Permanent { .. }
            | ConnectorError::NeedsPerson(_)
            | ConnectorError::QuotaSpent { .. } => ends.push((one.item.id, End::Failed(error))),
        }
    }
}

/// Ready for another try; after too many, `error` is the end.
fn again(
    one: Ready,
    error: ConnectorError,
    ready: &mut VecDeque<Ready>,
    ends: &mut Vec<(ItemId, End)>,
) {
    if one.failures < MOST_FAILURES {
        ready.push_back(Ready { failures: one.failures + 1, ..one });
    } else {
        ends.push((one.item.id, End::Failed(error)));
    }
}
