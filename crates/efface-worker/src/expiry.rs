//! Requests that nobody proves: put before a person, then expired; and requests that are over: what is
//! personal of them is forgotten. The clock is asked twice, for none of it comes back.

use std::{sync::atomic::Ordering, time::Duration};

use efface_core::{
    Timestamp,
    desk::{Reason, Subject},
    journal::{About, TaskChange},
    request::{self, Forgetting, Unproved},
    task::Event,
};
use efface_store::{DeskClose, DueFollowUp, Error as StoreError, FollowUp, RequestWrite, Unit};

use crate::{requests::RequestsLane, steady::Clocks};

/// When a clock that stepped is asked again.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(3600);

impl RequestsLane {
    /// Adds to `unit` what follows for a request that waits for its proof.
    pub(crate) async fn unproved(
        &self,
        unit: &mut Unit,
        due: &DueFollowUp,
        stands: Unproved,
    ) -> Result<(), StoreError> {
        let request = due.request.id;
        let mut look_at = |due_at| unit.follow_ups.push(FollowUp { request, due_at });
        match stands {
            Unproved::Later(at) => look_at(at),
            Unproved::Told { expires_at } => look_at(expires_at),
            Unproved::Notice { expires_at } => {
                look_at(expires_at);
                self.notice(unit, due, expires_at)?;
            }
            Unproved::Over if self.clock_is_steady().await => self.expire(unit, due)?,
            Unproved::Over => look_at(self.hands.clock.now().plus(ASK_AGAIN)),
        }
        Ok(())
    }

    /// Puts it before a person, and remembers since when: it expires only after that has stood.
    fn notice(
        &self,
        unit: &mut Unit,
        due: &DueFollowUp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let event = request::Event::ProofMissed;
        let next = request::apply(&due.request, &event, self.hands.clock.now())?;
        self.desk(unit, due, &Reason::ProofMissing { expires_at });
        self.move_alone(unit, due, next, event.word(), &[]);
        Ok(())
    }

    fn expire(&self, unit: &mut Unit, due: &DueFollowUp) -> Result<(), StoreError> {
        let now = self.hands.clock.now();
        let event = request::Event::Expired;
        let next = request::apply(&due.request, &event, now)?;
        let mut changes = vec![];
        for row in due.tasks.iter().filter(|t| !t.task.state.is_settled()) {
            self.task(unit, &mut changes, row, &Event::Cancelled)?;
        }
        // whoever waits for one of these tasks is freed by the next look
        unit.follow_ups.push(FollowUp { request: next.id, due_at: now });
        unit.desk_closes.push(DeskClose {
            subject: Subject::Request(next.id),
            reason: None,
            by: "worker".into(),
            how: "the request expired".into(),
            at: now,
        });
        self.move_alone(unit, due, next, event.word(), &changes);
        Ok(())
    }

    /// What is personal of a request that is over goes when its time has come; the clock must be
    /// believed for that.
    pub(crate) async fn forget(
        &self,
        unit: &mut Unit,
        due: &DueFollowUp,
        forgetting: Forgetting,
    ) -> Result<(), StoreError> {
        let request = due.request.id;
        let now = self.hands.clock.now();
        match forgetting {
            Forgetting::Later(at) => unit.follow_ups.push(FollowUp { request, due_at: at }),
            Forgetting::Due if self.clock_is_steady().await => {
                let next = request::apply(&due.request, &request::Event::Forgotten, now)?;
                unit.forgets.push(request);
                self.ask_to_end(unit, &next);
                self.move_alone(unit, due, next, request::Event::Forgotten.word(), &[]);
            }
            Forgetting::Due => {
                unit.follow_ups.push(FollowUp { request, due_at: now.plus(ASK_AGAIN) });
            }
        }
        Ok(())
    }

    fn move_alone(
        &self,
        unit: &mut Unit,
        due: &DueFollowUp,
        next: request::Request,
        event: &str,
        changes: &[TaskChange],
    ) {
        let about = About::RequestMoved {
            event: event.into(),
            after: Box::new(next.clone()),
            commitments: vec![],
        };
        unit.entries.push(self.entry(about, changes, &due.request));
        unit.requests.push(RequestWrite {
            read_version: due.request.version,
            request: next,
            dossier: None,
            nobody_found_decided: due.nobody_found_decided,
        });
    }

    /// Reads the clocks when the worker first takes the lane.
    pub(crate) async fn set_clocks(&self) {
        while !self.stop.load(Ordering::Relaxed) && !self.lost.load(Ordering::Relaxed) {
            if let Some(clocks) = Clocks::read(&*self.store, &self.hands).await {
                // set once in a life
                let _ = self.clocks.set(clocks);
                return;
            }
            self.hands.runtime.sleep(Duration::from_secs(1)).await;
        }
    }

    pub(crate) async fn clock_is_steady(&self) -> bool {
        let now = Clocks::read(&*self.store, &self.hands).await;
        let (Some(start), Some(now)) = (self.clocks.get(), now) else { return false };
        let stepped = start.stepped(&now);
        if stepped {
            tracing::warn!(
                "the wall clock stepped since this worker started: nothing expires until it is restarted"
            );
        }
        !stepped
    }
}
