//! The order of SendGrid's calls; what they say is in `wire`.

use async_trait::async_trait;
use efface_connector::{
    Answer, Call, Connector, ConnectorError, Evidence, Item, ItemId, Order, Prepared, Presence,
    Probe, Receipt, TaskAction, Timestamp,
};

use crate::{
    manifest::{CHECK, DELETE_CONTACTS, ERASE_ACTIVITY, FIND, RELEASE, SUPPRESS},
    settings::Products,
    wire::{self, Wire},
};

/// Rights in people's words, the scopes behind them, and whether the vendor documents those names.
const ERASE_RIGHT: (&str, &[&str], bool) =
    ("erase mail activity", &["recipients.erasejob.create"], true);
const CONTACT_RIGHT: (&str, &[&str], bool) =
    ("find and delete marketing contacts", &["marketing.read", "marketing.delete"], false);
const SUPPRESS_RIGHT: (&str, &[&str], bool) = (
    "read, set and lift global suppressions",
    &[
        "asm.suppressions.global.read",
        "asm.suppressions.global.create",
        "asm.suppressions.global.delete",
    ],
    false,
);

pub struct SendGrid {
    pub wire: Wire,
    pub products: Products,
}

#[async_trait]
impl Connector for SendGrid {
    fn prepare(&self, _now: Timestamp, order: &Order) -> Result<Prepared, ConnectorError> {
        match &order.step {
            step if *step == FIND => Ok(self.prepare_find(order)),
            step if *step == DELETE_CONTACTS => self.prepare_delete(order),
            step if *step == ERASE_ACTIVITY => self.prepare_erase(order),
            step if *step == CHECK => Ok(Prepared::read_only(ids(&order.items))),
            step if *step == SUPPRESS => self.prepare_suppress(order),
            step if *step == RELEASE => self.prepare_release(order),
            step => Err(no_step(step)),
        }
    }

    async fn submit(
        &self,
        call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        match &order.step {
            step if *step == FIND => self.find_contacts(call, order).await,
            step if *step == DELETE_CONTACTS => self.delete(call, order, prepared).await,
            step if *step == ERASE_ACTIVITY => self.erase(call, order, prepared).await,
            step if *step == CHECK && order.action == TaskAction::Lift => {
                self.check_lift(call, order).await
            }
            step if *step == CHECK => self.check_suppress(call, order).await,
            step if *step == SUPPRESS => self.suppress(call, order, prepared).await,
            step if *step == RELEASE => self.release(call, order, prepared).await,
            step => Err(no_step(step)),
        }
    }

    async fn poll(
        &self,
        call: &Call<'_>,
        order: &Order,
        receipt: &Receipt,
    ) -> Result<Answer, ConnectorError> {
        self.poll_deletion(call, order, receipt).await
    }

    async fn look_up(
        &self,
        call: &Call<'_>,
        items: &[Item],
    ) -> Result<Vec<(ItemId, Presence, Evidence)>, ConnectorError> {
        if self.products.contacts {
            return self.look_up_contacts(call, items).await;
        }
        let why = || Evidence::seen("nothing can be asked about mail activity");
        Ok(items.iter().map(|item| (item.id, Presence::CannotTell, why())).collect())
    }

    async fn probe(&self, call: &Call<'_>) -> Result<Probe, ConnectorError> {
        let mut wanted = vec![SUPPRESS_RIGHT];
        if self.products.activity {
            wanted.push(ERASE_RIGHT);
        }
        if self.products.contacts {
            wanted.push(CONTACT_RIGHT);
        }
        let reply = call.send(&self.wire.scopes()).await?;
        Ok(Probe {
            account_id: None,
            account_name: None,
            key_name: self.wire.key_name(),
            may: wire::read_scopes(&reply, &wanted)?,
            key_expires: None,
            evidence: Evidence::seen("the scopes that the vendor lists for the key"),
        })
    }
}

pub(crate) fn ids(items: &[Item]) -> Vec<ItemId> {
    items.iter().map(|item| item.id).collect()
}

fn no_step(step: &efface_connector::StepId) -> ConnectorError {
    ConnectorError::permanent(format!("SendGrid has no step {step}"))
}
