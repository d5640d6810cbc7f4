//! One order: prepared, held against the contract, sent, and sent again where its class allows.

use efface_core::{Scope, TaskAction, manifest::StepId};

use super::{Drive, Sent};
use crate::{Answer, Call, ConnectorError, EffectClass, Found, Item, ItemId, Order, Prepared};

impl Drive<'_> {
    /// Prepares and sends one order, once.
    ///
    /// # Errors
    /// When what is prepared breaks the contract.
    pub async fn send(
        &mut self,
        action: TaskAction,
        scope: Option<Scope>,
        step: &StepId,
        items: Vec<Item>,
    ) -> Result<Sent, String> {
        self.orders += 1;
        let mut order = Order {
            action,
            scope,
            step: step.clone(),
            items,
            idempotency_key: format!("efface-{}", self.orders),
            first_sent_at: self.now,
        };
        let connector = self.connector()?;
        let prepared = match connector.prepare(self.now, &order) {
            Ok(prepared) => prepared,
            Err(error) => {
                self.tell(&error);
                let prepared = Prepared::read_only(vec![]);
                return Ok(Sent { order, prepared, outcome: Err(error) });
            }
        };
        self.tell(&prepared);
        self.sane(action, &order, &prepared)?;
        order.items.retain(|item| prepared.items.contains(&item.id));
        let outcome = self.submit(&order, &prepared).await?;
        Ok(Sent { order, prepared, outcome })
    }

    /// Sends a prepared order (again).
    ///
    /// # Errors
    /// When the stand's settings do not build.
    pub async fn submit(
        &mut self,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Result<Answer, ConnectorError>, String> {
        let connector = self.connector()?;
        let call = Call::new(&self.stand.http, self.now);
        let outcome = connector.submit(&call, order, prepared).await;
        self.keep(&call);
        self.tell(&outcome);
        Ok(outcome)
    }

    /// What the engine may do with a lost answer, by the step's class.
    pub(super) async fn resolve_unknown(
        &mut self,
        action: TaskAction,
        sent: Sent,
    ) -> Result<Sent, String> {
        let Err(ConnectorError::Unknown { .. }) = &sent.outcome else { return Ok(sent) };
        let class = self.manifest.action(action).and_then(|c| c.step(&sent.order.step));
        let tries = match class.map(|s| s.class) {
            Some(EffectClass::AtMostOnce) | None => 0,
            Some(EffectClass::Wasteful) => 1,
            Some(
                EffectClass::ReadOnly
                | EffectClass::NaturallyIdempotent
                | EffectClass::KeyIdempotent { .. },
            ) => 3,
        };
        let mut sent = sent;
        if self.manifest.finds {
            let connector = self.connector()?;
            let call = Call::new(&self.stand.http, self.now);
            let found = connector.find(&call, &sent.order).await;
            self.keep(&call);
            self.tell(&found);
            match found {
                Ok(Found::Arrived(answer)) => return Ok(Sent { outcome: Ok(answer), ..sent }),
                Ok(Found::NeverArrived) => {
                    let outcome = self.submit(&sent.order, &sent.prepared).await?;
                    return Ok(Sent { outcome, ..sent });
                }
                Ok(Found::CannotTell) | Err(_) => {}
            }
        }
        for _ in 0..tries {
            sent.outcome = self.submit(&sent.order, &sent.prepared).await?;
            if !matches!(sent.outcome, Err(ConnectorError::Unknown { .. })) {
                break;
            }
        }
        Ok(sent)
    }

    fn sane(&self, action: TaskAction, order: &Order, prepared: &Prepared) -> Result<(), String> {
        let step = self.manifest.action(action).and_then(|card| card.step(&order.step));
        let step = step.ok_or(format!("the card of {action} has no step {}", order.step))?;
        let known = |id: &ItemId| order.items.iter().any(|item| item.id == *id);
        let mut ids = prepared.items.clone();
        ids.sort_unstable();
        ids.dedup();
        if prepared.items.is_empty() || ids.len() != prepared.items.len() || !ids.iter().all(known)
        {
            return Err(format!("{}: an order of nobody, twice somebody, or strangers", step.id));
        }
        let changes = prepared.request.is_some();
        if changes && step.class == EffectClass::ReadOnly {
            return Err(format!("{}: a read-only step that prepares a changing request", step.id));
        }
        if !changes && step.class != EffectClass::ReadOnly {
            return Err(format!("{}: a changing step that prepares no request", step.id));
        }
        let bytes = prepared.request.as_ref().and_then(|r| r.body_text()).map_or(0, str::len);
        if bytes > usize::try_from(step.batch_bytes).unwrap_or(usize::MAX) {
            return Err(format!("{}: a body of {bytes} bytes, over its own limit", step.id));
        }
        Ok(())
    }
}
