//! The order of HubSpot's calls for opting out and for giving subscriptions back.

use efface_connector::{
    Call, ConnectorError, Evidence, IdentifierKind, Item, ItemAnswer, Prepared,
};

use crate::{
    connector::HubSpot,
    manifest::{RESUBSCRIBE, UNSUBSCRIBE},
    people::{Asked, add},
    walk::{self, Place, Places, Records, Turn, Turns},
    wire,
};

impl HubSpot {
    /// What each address is subscribed to now: the prior of the suppression. Addresses that are
    /// opted out already are left as they are.
    pub(crate) async fn state_before_suppress(
        &self,
        call: &Call<'_>,
        item: &Item,
    ) -> Result<ItemAnswer, ConnectorError> {
        let mut addresses = vec![];
        for held in Records::of(item)?.records {
            held.addresses.into_iter().for_each(|address| add(&mut addresses, address));
        }
        let mut places = vec![];
        let mut asked = 0_usize;
        for address in addresses {
            for unit in self.units() {
                asked += 1;
                if self.is_opted_out(call, &address, unit).await? {
                    continue;
                }
                let reply = call.send(&self.wire.statuses(&address, unit)).await?;
                let subscribed = wire::read_statuses(&reply)?;
                places.push(Place { address: address.clone(), unit, subscribed, done: false });
            }
        }
        let evidence = Evidence::seen(format!(
            "{asked} opt-outs asked for, {} of them set already",
            asked - places.len()
        ));
        let open = !places.is_empty();
        let memo = walk::keep(&Places { places })?;
        Ok(if open {
            ItemAnswer::Next { step: UNSUBSCRIBE, memo, evidence }
        } else {
            ItemAnswer::ConfirmedWithPrior { evidence, prior: memo }
        })
    }

    /// Opts one address out, then the next.
    pub(crate) async fn unsubscribe(
        &self,
        call: &Call<'_>,
        item: &Item,
        prepared: &Prepared,
    ) -> Result<ItemAnswer, ConnectorError> {
        let mut walk = Places::of(item)?;
        let reply = call.send(prepared.changing()?).await?;
        wire::read_unsubscribed(&reply)?;
        let more = walk.end();
        let done = walk.places.iter().filter(|place| place.done).count();
        let evidence = Evidence::seen(format!(
            "{} COMPLETE to unsubscribe-all; {done} of {} opt-outs set",
            reply.status,
            walk.places.len(),
        ));
        let memo = walk::keep(&walk)?;
        Ok(if more {
            ItemAnswer::Next { step: UNSUBSCRIBE, memo, evidence }
        } else {
            ItemAnswer::ConfirmedWithPrior { evidence, prior: memo }
        })
    }

    /// What efface ended and is still ended, for people who are still there.
    pub(crate) async fn state_before_lift(
        &self,
        call: &Call<'_>,
        item: &Item,
    ) -> Result<ItemAnswer, ConnectorError> {
        self.lifting()?;
        let ended: Vec<Place> = match &item.prior {
            Some(prior) => walk::read::<Places>(Some(prior))?.places,
            None => vec![],
        };
        let ended: Vec<Place> = ended.into_iter().filter(|place| place.done).collect();
        let mut asked = Asked::default();
        ended.iter().for_each(|place| add(&mut asked.addresses, place.address.clone()));
        let records = self.records(call, &[asked]).await?;
        let mut turns = vec![];
        for place in &ended {
            let there = records.iter().any(|r| r.addresses().any(|a| *a == place.address));
            // who is not opted out any more has come back, and chose for themselves
            if !there || !self.is_opted_out(call, &place.address, place.unit).await? {
                continue;
            }
            let reply = call.send(&self.wire.statuses(&place.address, place.unit)).await?;
            let now = wire::read_statuses(&reply)?;
            let lost = place.subscribed.iter().filter(|id| !now.contains(id));
            turns.extend(lost.map(|subscription| Turn {
                address: place.address.clone(),
                unit: place.unit,
                subscription: *subscription,
                done: false,
            }));
        }
        let evidence = Evidence::seen(format!(
            "{} opt-outs by efface, {} subscriptions to give back",
            ended.len(),
            turns.len()
        ));
        if turns.is_empty() {
            let asked = vec![IdentifierKind::Email];
            return Ok(ItemAnswer::NothingFound { asked, evidence });
        }
        Ok(ItemAnswer::Next { step: RESUBSCRIBE, memo: walk::keep(&Turns { turns })?, evidence })
    }

    /// Gives one subscription back, then the next; at the end the opt-out itself must be over.
    pub(crate) async fn resubscribe(
        &self,
        call: &Call<'_>,
        item: &Item,
        prepared: &Prepared,
    ) -> Result<ItemAnswer, ConnectorError> {
        let mut walk = Turns::of(item)?;
        let subscription = walk.next()?.subscription;
        let reply = call.send(prepared.changing()?).await?;
        wire::read_resubscribed(&reply, subscription)?;
        let more = walk.end();
        let done = walk.turns.iter().filter(|turn| turn.done).count();
        let evidence = Evidence::seen(format!(
            "{} COMPLETE; {done} of {} subscriptions given back",
            reply.status,
            walk.turns.len(),
        ));
        if more {
            let memo = walk::keep(&walk)?;
            return Ok(ItemAnswer::Next { step: RESUBSCRIBE, memo, evidence });
        }
        let mut places: Vec<(&str, Option<u64>)> = vec![];
        for turn in &walk.turns {
            if !places.contains(&(&turn.address, turn.unit)) {
                places.push((&turn.address, turn.unit));
            }
        }
        for (address, unit) in places {
            if self.is_opted_out(call, address, unit).await? {
                return Ok(ItemAnswer::Failed(ConnectorError::person(
                    "the vendor took the subscription and still shows the person as opted out of \
                     everything; only the person can end that, on their preferences page",
                )));
            }
        }
        Ok(ItemAnswer::Confirmed(evidence))
    }

    async fn is_opted_out(
        &self,
        call: &Call<'_>,
        address: &str,
        unit: Option<u64>,
    ) -> Result<bool, ConnectorError> {
        wire::read_opted_out(&call.send(&self.wire.opted_out(address, unit)).await?)
    }

    /// The business units to opt out in; without any the vendor's own default.
    fn units(&self) -> Vec<Option<u64>> {
        if self.business_units.is_empty() {
            vec![None]
        } else {
            self.business_units.iter().copied().map(Some).collect()
        }
    }
}
