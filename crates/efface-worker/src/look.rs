//! Look-ups: is the person there, still there, there again?

use std::{collections::BTreeMap, sync::Arc};

use efface_connector::{Call, Item, Presence};
use efface_core::{
    AccountId,
    journal::About,
    task::{Event, Queue, Seen, TaskState},
};
use efface_store::{DueTask, Error as StoreError};

use crate::{
    call::{Ended, item},
    fleet::ConnectedAccount,
    lane::{Accounts, Lane},
    poll::poll_failed,
    record::Record,
};

impl Lane {
    /// Look-ups that are due; how many calls were launched.
    pub(crate) async fn look(
        self: &Arc<Self>,
        accounts: &Accounts,
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
        // read first: an answer written between the two is seen by the query, one still out by this
        let out = self.soft().asking.clone();
        let window = most.saturating_mul(largest).clamp(1, 10_000);
        // what no look-up can prove needs no call to end
        let due = self.due(Queue::LookUp, window, |_| true).await?;
        let mut by_account: BTreeMap<AccountId, Vec<DueTask>> = BTreeMap::new();
        for task in due {
            if !out.contains(&task.task.id.0) {
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
                self.launch(move |out| async move {
                    lane.look_at(&id, &chunk, &account).await;
                    {
                        let mut soft = lane.soft();
                        chunk.iter().for_each(|t| {
                            soft.asking.remove(&t.task.id.0);
                        });
                    }
                    drop(out);
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
                Some(id) => self.condition(&id).await,
                None => None,
            };
            let mut record = Record::new(
                &self.hands,
                directory,
                condition.as_deref().map(|c| &c.condition),
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
}

pub(crate) fn seen(presence: &Presence) -> Seen {
    match presence {
        Presence::Absent => Seen::Absent,
        Presence::Present { .. } => Seen::Present,
        Presence::Ambiguous { .. } => Seen::Ambiguous,
        Presence::CannotTell => Seen::CannotTell,
    }
}
