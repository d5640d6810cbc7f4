//! The journal read from its beginning tells what is stored.

use std::collections::HashMap;

use super::{About, Born, Error, ReadEntry, TaskChange};
use crate::{RequestId, TaskId, request::Request, task::Task};

/// State rebuilt from the journal alone.
#[derive(Debug, Default)]
pub struct Replay {
    pub tasks: HashMap<TaskId, Task>,
    pub requests: HashMap<RequestId, Request>,
}

impl Replay {
    /// Takes one entry. Entries of one task must come in the order of its versions; between
    /// different tasks any order will do.
    ///
    /// # Errors
    /// [`Error::Gap`] when a task's versions do not follow.
    pub fn take(&mut self, entry: ReadEntry) -> Result<(), Error> {
        match entry.about {
            About::RequestFiled { request, .. } | About::RequestMoved { after: request, .. } => {
                let known = self.requests.get(&request.id).map_or(0, |r| r.version);
                if request.version >= known {
                    self.requests.insert(request.id, *request);
                }
            }
            About::OrderSent { .. }
            | About::OrderAnswered { .. }
            | About::OrderUnknown { .. }
            | About::ReceiptPolled { .. }
            | About::RecallWanted { .. }
            | About::RecallAsked { .. }
            | About::LookedUp { .. }
            | About::LateAnswer { .. }
            | About::TasksMoved { .. }
            | About::AccountChanged { .. }
            | About::DeskClosed { .. }
            | About::WatchMoved { .. }
            | About::RecordEnded { .. }
            | About::ImportTaken { .. }
            | About::KeyChanged { .. }
            | About::SuppressionMoved { .. }
            | About::ListScanned { .. }
            | About::LogBegun { .. }
            | About::Restored { .. }
            | About::Note { .. } => {}
        }
        for change in entry.changes {
            let id = change.task;
            let task = match (change.born.clone(), self.tasks.get(&id)) {
                (Some(born), None) => after(&change, born),
                (None, Some(known)) if change.version > known.version => {
                    let born = Born {
                        request: known.request,
                        account: known.account.clone(),
                        action: known.action,
                        scope: known.scope,
                    };
                    after(&change, born)
                }
                (_, known) => {
                    return Err(Error::Gap {
                        task: id,
                        from: known.map_or(0, |t| t.version),
                        to: change.version,
                    });
                }
            };
            self.tasks.insert(id, task);
        }
        Ok(())
    }
}

fn after(change: &TaskChange, born: Born) -> Task {
    Task {
        id: change.task,
        request: born.request,
        account: born.account,
        action: born.action,
        scope: born.scope,
        generation: change.generation,
        version: change.version,
        step: change.step.clone(),
        failures: change.failures,
        evidence: change.evidence,
        sent: change.sent,
        cancel_marked: change.cancel_marked,
        state: change.state.clone(),
    }
}
