//! A tiny driver: carries one action for given people to its end, on a made-up clock.
//!
//! It does what the engine does, without the engine's memory: steps, batches, receipts, one try
//! after another. The connector is built anew for every call and each memo and receipt goes through
//! JSON, so that nothing can rest in the connector's own memory.

mod end;
mod send;
mod take;

use std::{collections::VecDeque, time::Duration};

use efface_core::{Scope, TaskAction, Timestamp, manifest::StepId};
use serde::{Serialize, de::DeserializeOwned};

use super::Stand;
use crate::{
    Answer, Call, Connector, ConnectorError, Exchange, Item, ItemAnswer, ItemId, Manifest, Order,
    Prepared, Receipt,
};

pub use end::End;

/// 2026-11-18T11:06:40Z
pub const START: Timestamp = Timestamp::from_millis(1_795_000_000_000);

/// One order, sent once.
#[derive(Clone, Debug)]
pub struct Sent {
    pub order: Order,
    pub prepared: Prepared,
    pub outcome: Result<Answer, ConnectorError>,
}

struct Ready {
    item: Item,
    step: StepId,
    failures: u32,
    /// Largest order it may be in.
    most: usize,
}

struct Waiting {
    order: Order,
    receipt: Receipt,
}

/// Carries actions to their end against one stand.
pub struct Drive<'a> {
    stand: &'a Stand,
    manifest: Manifest,
    now: Timestamp,
    rounds: u32,
    orders: u32,
    /// Everything that came out of the connector in printable form.
    pub told: Vec<String>,
    pub exchanges: Vec<Exchange>,
    /// Receipts given out.
    pub receipts: Vec<Receipt>,
}

impl<'a> Drive<'a> {
    /// # Errors
    /// When the stand's settings do not build.
    pub fn new(stand: &'a Stand) -> Result<Self, String> {
        let manifest = stand.build().map_err(|e| e.to_string())?.manifest;
        Ok(Self {
            stand,
            manifest,
            now: START,
            rounds: 200,
            orders: 0,
            told: vec![],
            exchanges: vec![],
            receipts: vec![],
        })
    }

    /// At most so many orders and polls.
    #[must_use]
    pub fn rounds(mut self, most: u32) -> Self {
        self.rounds = most;
        self
    }

    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// To the end of every person's task.
    ///
    /// # Errors
    /// When the connector breaks the contract (an unknown step, an order without items …).
    pub async fn run(
        &mut self,
        action: TaskAction,
        scope: Option<Scope>,
        people: Vec<Item>,
    ) -> Result<Vec<(ItemId, End)>, String> {
        let first = self.first_step(action)?;
        self.run_from(action, scope, people, &first).await
    }

    /// To the end, from `step` on, with the memos the people bring.
    ///
    /// # Errors
    /// When the connector breaks the contract.
    pub async fn run_from(
        &mut self,
        action: TaskAction,
        scope: Option<Scope>,
        people: Vec<Item>,
        step: &StepId,
    ) -> Result<Vec<(ItemId, End)>, String> {
        let (_, ends) = self.walk(action, scope, people, step, None).await?;
        Ok(ends)
    }

    fn first_step(&self, action: TaskAction) -> Result<StepId, String> {
        let card = self.manifest.action(action).ok_or(format!("no card for {action}"))?;
        card.first_step().cloned().ok_or(format!("{action} has no steps"))
    }

    /// Up to `step`: the people who stand there, memos and all.
    ///
    /// # Errors
    /// When the connector breaks the contract or nobody gets there.
    pub async fn until(
        &mut self,
        action: TaskAction,
        scope: Option<Scope>,
        people: Vec<Item>,
        step: &StepId,
    ) -> Result<Vec<Item>, String> {
        let first = self.first_step(action)?;
        let (there, ends) = self.walk(action, scope, people, &first, Some(step)).await?;
        if there.is_empty() {
            let words: Vec<String> = ends.iter().map(|(_, end)| format!("{end:?}")).collect();
            return Err(format!("nobody reached the step {step}: {}", words.join(", ")));
        }
        Ok(there)
    }

    async fn walk(
        &mut self,
        action: TaskAction,
        scope: Option<Scope>,
        people: Vec<Item>,
        start: &StepId,
        stop: Option<&StepId>,
    ) -> Result<(Vec<Item>, Vec<(ItemId, End)>), String> {
        let mut ready: VecDeque<Ready> = people
            .into_iter()
            .map(|item| Ready { item, step: start.clone(), failures: 0, most: usize::MAX })
            .collect();
        let mut waiting: VecDeque<Waiting> = VecDeque::new();
        let mut there = vec![];
        let mut ends = vec![];
        for _ in 0..self.rounds {
            if let Some(stop) = stop {
                let (at, on) = ready.into_iter().partition(|r: &Ready| r.step == *stop);
                ready = on;
                let at: VecDeque<Ready> = at;
                there.extend(at.into_iter().map(|r| r.item));
            }
            if ready.is_empty() {
                let Some(wait) = waiting.pop_front() else { break };
                self.poll_once(wait, &mut ready, &mut waiting, &mut ends).await?;
                continue;
            }
            let group = self.group(action, &mut ready)?;
            self.send_group(action, scope, group, &mut ready, &mut waiting, &mut ends).await?;
        }
        let unfinished = |item: Item, step| (item.id, End::Unfinished { step });
        ends.extend(ready.into_iter().map(|r| unfinished(r.item, r.step)));
        for wait in waiting {
            let step = wait.order.step.clone();
            ends.extend(wait.order.items.into_iter().map(|i| unfinished(i, step.clone())));
        }
        Ok((there, ends))
    }

    /// The next people for one order, from the front.
    fn group(&self, action: TaskAction, ready: &mut VecDeque<Ready>) -> Result<Vec<Ready>, String> {
        let Some(front) = ready.front() else { return Ok(vec![]) };
        let step = front.step.clone();
        let card = self.manifest.action(action).ok_or("no card")?;
        let known = card.step(&step).ok_or(format!("the card of {action} has no step {step}"))?;
        let most = usize::try_from(known.batch_items).unwrap_or(usize::MAX).min(front.most);
        let mut group = vec![];
        let mut rest = VecDeque::new();
        for one in ready.drain(..) {
            if one.step == step && group.len() < most {
                group.push(one);
            } else {
                rest.push_back(one);
            }
        }
        *ready = rest;
        Ok(group)
    }

    async fn send_group(
        &mut self,
        action: TaskAction,
        scope: Option<Scope>,
        mut group: Vec<Ready>,
        ready: &mut VecDeque<Ready>,
        waiting: &mut VecDeque<Waiting>,
        ends: &mut Vec<(ItemId, End)>,
    ) -> Result<(), String> {
        let Some(step) = group.first().map(|r| r.step.clone()) else { return Ok(()) };
        let items: Vec<Item> = group.iter().map(|r| r.item.clone()).collect();
        let sent = self.send(action, scope, &step, items).await?;
        // what did not fit stays ready
        let (fits, rest): (Vec<Ready>, Vec<Ready>) =
            group.drain(..).partition(|r| sent.order.items.iter().any(|i| i.id == r.item.id));
        ready.extend(rest);
        let sent = self.resolve_unknown(action, sent).await?;
        match sent.outcome {
            Ok(answer) => self.take(&sent.order, answer, fits, ready, waiting, ends),
            Err(ConnectorError::Permanent { .. }) if fits.len() > 1 => {
                let most = fits.len() / 2;
                ready.extend(fits.into_iter().map(|r| Ready { most, ..r }));
                Ok(())
            }
            Err(error) => {
                for one in fits {
                    self.failed(one, error.clone(), ready, ends);
                }
                Ok(())
            }
        }
    }

    /// Polls an accepted order, once, a minute later.
    ///
    /// # Errors
    /// When the stand's settings do not build.
    pub async fn poll(
        &mut self,
        order: &Order,
        receipt: &Receipt,
    ) -> Result<Result<Answer, ConnectorError>, String> {
        self.now = self.now.plus(Duration::from_secs(60));
        let connector = self.connector()?;
        let call = Call::new(&self.stand.http, self.now);
        let outcome = connector.poll(&call, order, receipt).await;
        self.keep(&call);
        self.tell(&outcome);
        Ok(outcome)
    }

    async fn poll_once(
        &mut self,
        wait: Waiting,
        ready: &mut VecDeque<Ready>,
        waiting: &mut VecDeque<Waiting>,
        ends: &mut Vec<(ItemId, End)>,
    ) -> Result<(), String> {
        let outcome = self.poll(&wait.order, &wait.receipt).await?;
        match outcome {
            Ok(answer) => {
                let step = &wait.order.step;
                let still = |i: &ItemId| {
                    answer.items.iter().any(|(id, a)| {
                        id == i && matches!(a, ItemAnswer::StillGoing { .. } | ItemAnswer::NotSent)
                    })
                };
                let (open, told): (Vec<Item>, Vec<Item>) =
                    wait.order.items.iter().cloned().partition(|item| still(&item.id));
                let told = told
                    .into_iter()
                    .map(|item| Ready { item, step: step.clone(), failures: 0, most: usize::MAX })
                    .collect();
                let order = wait.order.clone();
                self.take(&order, answer, told, ready, waiting, ends)?;
                if !open.is_empty() {
                    let order = Order { items: open, ..wait.order };
                    waiting.push_back(Waiting { order, receipt: wait.receipt });
                }
            }
            // asked in vain: the receipt is asked again
            Err(ConnectorError::Retryable { .. } | ConnectorError::Unknown { .. }) => {
                waiting.push_back(wait);
            }
            Err(error) => {
                let failed = |item: Item| (item.id, End::Failed(error.clone()));
                ends.extend(wait.order.items.into_iter().map(failed));
            }
        }
        Ok(())
    }

    /// The connector, as after a restart.
    ///
    /// # Errors
    /// When the stand's settings do not build.
    pub fn connector(&self) -> Result<Box<dyn Connector>, String> {
        Ok(self.stand.build().map_err(|e| e.to_string())?.connector)
    }

    fn keep(&mut self, call: &Call<'_>) {
        self.exchanges.extend(call.take_exchanges());
    }

    fn tell(&mut self, what: &impl std::fmt::Debug) {
        self.told.push(format!("{what:?}"));
    }
}

fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> Result<T, String> {
    let text = serde_json::to_string(value).map_err(|e| e.to_string())?;
    serde_json::from_str(&text).map_err(|e| e.to_string())
}
