//! Global suppressions: set where there is none, lifted where efface set them.

use efface_connector::{
    Answer, Call, ConnectorError, Evidence, IdentifierKind, Item, ItemAnswer, Order, Prepared,
};

use crate::{
    connector::SendGrid,
    manifest::{RELEASE, SUPPRESS, SUPPRESSED_AT_ONCE},
    people::{self, Addresses, Prior},
    wire,
};

impl SendGrid {
    /// First step of a suppress: which addresses are suppressed already?
    pub(crate) async fn check_suppress(
        &self,
        call: &Call<'_>,
        order: &Order,
    ) -> Result<Answer, ConnectorError> {
        let mut items = vec![];
        for item in &order.items {
            let all = people::addresses(item);
            let there = self.suppressed(call, &all).await?;
            let todo: Vec<String> = all.into_iter().filter(|a| !there.contains(a)).collect();
            let evidence = Evidence::seen(format!(
                "{} addresses suppressed before, {} not",
                there.len(),
                todo.len()
            ));
            let answer = if todo.is_empty() {
                let prior = people::memo(&Prior { added: vec![] })?;
                ItemAnswer::ConfirmedWithPrior { evidence, prior }
            } else {
                let memo = people::memo(&Addresses { todo, done: vec![] })?;
                ItemAnswer::Next { step: SUPPRESS, memo, evidence }
            };
            items.push((item.id, answer));
        }
        Ok(Answer { items, accepted: vec![] })
    }

    /// First step of a lift: which of the addresses that efface added are still suppressed?
    pub(crate) async fn check_lift(
        &self,
        call: &Call<'_>,
        order: &Order,
    ) -> Result<Answer, ConnectorError> {
        let mut items = vec![];
        for item in &order.items {
            let added = match &item.prior {
                Some(prior) => people::read::<Prior>(prior)?.added,
                None => vec![],
            };
            let todo = self.suppressed(call, &added).await?;
            let evidence = Evidence::seen(format!(
                "{} of {} addresses suppressed by efface are still suppressed",
                todo.len(),
                added.len()
            ));
            let answer = if todo.is_empty() {
                ItemAnswer::NothingFound { asked: vec![IdentifierKind::Email], evidence }
            } else {
                let memo = people::memo(&Addresses { todo, done: vec![] })?;
                ItemAnswer::Next { step: RELEASE, memo, evidence }
            };
            items.push((item.id, answer));
        }
        Ok(Answer { items, accepted: vec![] })
    }

    pub(crate) fn prepare_suppress(&self, order: &Order) -> Result<Prepared, ConnectorError> {
        let mut todo = std::collections::BTreeMap::new();
        for item in &order.items {
            todo.insert(item.id, people::read_memo::<Addresses>(item)?.todo);
        }
        let most = usize::try_from(SUPPRESSED_AT_ONCE).unwrap_or(usize::MAX);
        let weight = |item: &Item| todo.get(&item.id).map_or(0, Vec::len);
        let fits = people::fitting(&order.items, most, weight);
        let emails: Vec<String> =
            fits.iter().filter_map(|id| todo.get(id)).flatten().cloned().collect();
        Ok(Prepared::sends(self.wire.suppress(&emails)?, fits))
    }

    pub(crate) async fn suppress(
        &self,
        call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        let reply = call.send(prepared.changing()?).await?;
        let suppressed = wire::read_suppressed(&reply)?;
        let mut items = vec![];
        for item in &order.items {
            let added = people::read_memo::<Addresses>(item)?.todo;
            let all = added.iter().all(|address| suppressed.contains(&address.to_lowercase()));
            // whom the answer leaves out is left out here too: unknown, and asked again
            if all {
                let evidence =
                    Evidence::seen(format!("201, {} addresses suppressed globally", added.len()));
                let prior = people::memo(&Prior { added })?;
                items.push((item.id, ItemAnswer::ConfirmedWithPrior { evidence, prior }));
            }
        }
        Ok(Answer { items, accepted: vec![] })
    }

    pub(crate) fn prepare_release(&self, order: &Order) -> Result<Prepared, ConnectorError> {
        let item = only(order)?;
        let addresses: Addresses = people::read_memo(item)?;
        let next = addresses.todo.first();
        let next =
            next.ok_or_else(|| ConnectorError::permanent("no address is left to release"))?;
        Ok(Prepared::sends(self.wire.release(next), vec![item.id]))
    }

    pub(crate) async fn release(
        &self,
        call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        let item = only(order)?;
        let mut addresses: Addresses = people::read_memo(item)?;
        if addresses.todo.is_empty() {
            return Err(ConnectorError::permanent("no address is left to release"));
        }
        let reply = call.send(prepared.changing()?).await?;
        // it was there at the check: gone now is as good as released
        wire::read_released(&reply)?;
        addresses.done.push(addresses.todo.remove(0));
        let evidence = Evidence::seen(format!(
            "{} to the release; {} of {} addresses released",
            reply.status,
            addresses.done.len(),
            addresses.done.len() + addresses.todo.len()
        ));
        let answer = if addresses.todo.is_empty() {
            ItemAnswer::Confirmed(evidence)
        } else {
            ItemAnswer::Next { step: RELEASE, memo: people::memo(&addresses)?, evidence }
        };
        Ok(Answer { items: vec![(item.id, answer)], accepted: vec![] })
    }

    /// Which of the addresses are globally suppressed, in their order.
    async fn suppressed(
        &self,
        call: &Call<'_>,
        addresses: &[String],
    ) -> Result<Vec<String>, ConnectorError> {
        let mut there = vec![];
        for address in addresses {
            let reply = call.send(&self.wire.suppression(address)).await?;
            if wire::read_suppression(&reply, address)? {
                there.push(address.clone());
            }
        }
        Ok(there)
    }
}

/// The one item of an order of one.
fn only(order: &Order) -> Result<&Item, ConnectorError> {
    order.items.first().ok_or_else(|| ConnectorError::permanent("an order of nobody"))
}
