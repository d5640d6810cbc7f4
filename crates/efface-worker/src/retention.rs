//! Records of requests that are over and forgotten end when their months are.

use std::time::Duration;

use efface_core::{
    journal::About,
    request::{self, Request},
};
use efface_store::{DueFollowUp, Error as StoreError, FollowUp, InTheWay, RecordEnd, Unit};

use crate::{expiry::ASK_AGAIN, requests::RequestsLane};

/// When a record that something stands in the way of is asked for again.
const LATER: Duration = Duration::from_secs(86_400);

/// The owner of the `ledger` lane gives new leaves their positions within a second.
const PLACED_IN: Duration = Duration::from_secs(5);

impl RequestsLane {
    /// Asks to be called when the record of a request ends, if it ends by itself.
    pub(crate) fn ask_to_end(&self, unit: &mut Unit, request: &Request) {
        if let Some(due_at) = request::ends_at(request, &self.store.directory().records) {
            unit.follow_ups.push(FollowUp { request: request.id, due_at });
        }
    }

    /// Ends the record of a request when its time has come; the clock must be believed for that.
    pub(crate) async fn end_record(
        &self,
        unit: &mut Unit,
        due: &DueFollowUp,
    ) -> Result<(), StoreError> {
        let now = self.hands.clock.now();
        let id = due.request.id;
        let ends = request::ends_at(&due.request, &self.store.directory().records);
        if ends.is_none_or(|at| now < at) {
            self.ask_to_end(unit, &due.request);
            return Ok(());
        }
        let mut later =
            |wait| unit.follow_ups.push(FollowUp { request: id, due_at: now.plus(wait) });
        if due.watches.iter().any(|w| w.next().is_some()) {
            later(LATER);
            return Ok(());
        }
        let record = self.store.record_of(id).await?;
        match record.in_the_way {
            None => {}
            Some(InTheWay::Desk) => {
                later(LATER);
                return Ok(());
            }
            Some(InTheWay::Unplaced) => {
                later(PLACED_IN);
                return Ok(());
            }
        }
        if !self.clock_is_steady().await {
            later(ASK_AGAIN);
            return Ok(());
        }
        let about = About::RecordEnded { request: id, entries: record.entries.clone() };
        unit.entries.push(self.entry(about, &[], &due.request));
        unit.ends.push(RecordEnd {
            request: due.request.clone(),
            entries: record.entries,
            at: now,
        });
        Ok(())
    }
}
