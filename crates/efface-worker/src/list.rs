//! What a request that is over leaves on the suppression list, written with its end.

use std::sync::PoisonError;

use efface_core::{
    SuppressionId,
    journal::About,
    request::{self, Request},
    suppression::{after, concerns_the_list},
};
use efface_store::{Error as StoreError, Listing, OnList, Unit};

use crate::requests::{Looked, RequestsLane};

impl RequestsLane {
    /// What the list says of those who are over. One about whose person another goes first is left out:
    /// its follow-up stands, and is taken again when the other is written.
    pub(crate) async fn read_list(
        &self,
        looked: Vec<Looked>,
        failed: &mut Option<StoreError>,
    ) -> Result<Vec<(Looked, Option<OnList>)>, StoreError> {
        let concerned = |one: &Looked| {
            concerns_the_list(one.stands()) && one.tasks.iter().all(|t| t.state.is_settled())
        };
        let (mut asking, others): (Vec<_>, Vec<_>) = looked.into_iter().partition(concerned);
        {
            let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
            asking.sort_by_key(|one| failing.contains(&one.due.request.id));
        }
        let mut out: Vec<_> = others.into_iter().map(|one| (one, None)).collect();
        let stand: Vec<Request> = asking.iter().map(|one| one.stands().clone()).collect();
        let known = match stand.is_empty() {
            true => vec![],
            false => self.on_list(&stand, failed).await?,
        };
        let told = asking.into_iter().zip(known);
        out.extend(told.filter(|(_, k)| matches!(k, Some(OnList::Absent | OnList::Entry(_)))));
        Ok(out)
    }

    /// All at once; where an entry cannot be read, one by one, so that it keeps back its own alone.
    async fn on_list(
        &self,
        stand: &[Request],
        failed: &mut Option<StoreError>,
    ) -> Result<Vec<Option<OnList>>, StoreError> {
        match self.store.on_list(stand).await {
            Ok(known) => return Ok(known.into_iter().map(Some).collect()),
            Err(error) if error.is_passing() => return Err(error),
            Err(_) => {}
        }
        let mut out = Vec::with_capacity(stand.len());
        for one in stand {
            out.push(match self.store.on_list(std::slice::from_ref(one)).await {
                Ok(mut known) => known.pop(),
                Err(error) => {
                    *failed = Some(error);
                    None
                }
            });
        }
        Ok(out)
    }

    /// Adds to `unit` what a request that is over leaves; the request's own move takes it along.
    pub(crate) fn list(
        &self,
        unit: &mut Unit,
        looked: &mut Looked,
        known: &OnList,
    ) -> Result<(), StoreError> {
        let now = self.hands.clock.now();
        let known = match known {
            OnList::Entry(entry) => Some(&**entry),
            OnList::Absent | OnList::AfterAnother => None,
        };
        let new_id = || SuppressionId::new(now, &*self.hands.chance);
        let Some(noted) = after(looked.stands(), &looked.tasks, known, now, new_id) else {
            return Ok(());
        };
        let event = request::Event::Listed { entry: noted.entry.id };
        let next = request::apply(looked.stands(), &event, now)?;
        let about = About::SuppressionMoved {
            event: noted.event.into(),
            entry: Box::new(noted.entry.clone()),
            accounts: noted.stands.clone(),
        };
        unit.entries.push(self.entry(about, &[], &looked.due.request));
        unit.listings.push(Listing::after(&next, noted));
        let words = match looked.moved.take() {
            Some((words, _)) => format!("{words}, {}", event.word()),
            None => event.word().to_owned(),
        };
        looked.moved = Some((words, next));
        Ok(())
    }
}
