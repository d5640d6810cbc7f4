//! What a request that is over leaves on the suppression list, written with its end.

use efface_core::{
    SuppressionId,
    journal::About,
    request::{self, Request},
    suppression::{after, concerns_the_list},
    task::Task,
};
use efface_store::{DueFollowUp, Error as StoreError, Listing, Unit};

use crate::requests::RequestsLane;

impl RequestsLane {
    /// Adds to `unit` what a request that is over leaves; the request's own move takes it along.
    pub(crate) async fn list(
        &self,
        unit: &mut Unit,
        due: &DueFollowUp,
        tasks: &[Task],
        moved: &mut Option<(String, Request)>,
    ) -> Result<(), StoreError> {
        let stands = moved.as_ref().map_or(&due.request, |(_, next)| next);
        if !concerns_the_list(stands) || !tasks.iter().all(|t| t.state.is_settled()) {
            return Ok(());
        }
        let now = self.hands.clock.now();
        let known = self.store.entry_for(stands).await?;
        let new_id = || SuppressionId::new(now, &*self.hands.chance);
        let Some(noted) = after(stands, tasks, known.as_ref(), now, new_id) else {
            return Ok(());
        };
        let event = request::Event::Listed { entry: noted.entry.id };
        let next = request::apply(stands, &event, now)?;
        let about = About::SuppressionMoved {
            event: noted.event.into(),
            entry: Box::new(noted.entry.clone()),
            accounts: noted.stands.clone(),
        };
        unit.entries.push(self.entry(about, &[], &due.request));
        unit.listings.push(Listing::after(&next, noted));
        let words = match moved.take() {
            Some((words, _)) => format!("{words}, {}", event.word()),
            None => event.word().to_owned(),
        };
        *moved = Some((words, next));
        Ok(())
    }
}
