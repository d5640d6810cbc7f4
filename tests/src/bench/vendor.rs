//! The benchmark's own vendor: one POST with a short JSON body, confirmed at once.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use efface_connector::{
    ActionCard, Answer, Call, Connector, ConnectorError, EffectClass, EvidenceLevel,
    IdentifierKind, ItemAnswer, ItemId, Latency, Lists, Manifest, Order, Pace, Prepared, Probe,
    Receipt, Request, Reversibility, Step, StepId, SuppressOrder, TaskAction,
};
use efface_core::evidence::Evidence;
use serde::{Deserialize, Serialize};

/// Speaks to the stub and counts the people confirmed.
pub struct BenchVendor {
    pub base: String,
    pub confirmed: Arc<AtomicU64>,
}

#[derive(Serialize)]
struct Person<'a> {
    id: ItemId,
    user: &'a str,
}

#[derive(Serialize)]
struct Erase<'a> {
    order: &'a str,
    reason: &'static str,
    people: Vec<Person<'a>>,
}

#[derive(Deserialize)]
struct Erased {
    status: String,
    job: String,
}

#[async_trait]
impl Connector for BenchVendor {
    fn prepare(
        &self,
        _now: efface_core::Timestamp,
        order: &Order,
    ) -> Result<Prepared, ConnectorError> {
        let people = order
            .items
            .iter()
            .map(|i| Person {
                id: i.id,
                user: i.first(&IdentifierKind::UserId).map_or("", |u| u.normal.expose()),
            })
            .collect();
        let body =
            Erase { order: &order.idempotency_key, reason: "the person asked for erasure", people };
        let request =
            Request::new(efface_connector::Method::POST, &self.base, "/erase").json(&body)?;
        Ok(Prepared::sends(request, order.items.iter().map(|i| i.id).collect()))
    }

    async fn submit(
        &self,
        call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        let reply = call.send(prepared.changing()?).await?;
        if !reply.is_2xx() {
            return Err(reply.failure());
        }
        let erased: Erased = reply.json()?;
        let evidence =
            Evidence::seen(format!("200 to erase: {}", erased.status)).reference(erased.job);
        let items =
            order.items.iter().map(|i| (i.id, ItemAnswer::Confirmed(evidence.clone()))).collect();
        self.confirmed.fetch_add(order.items.len() as u64, Ordering::Relaxed);
        Ok(Answer { items, accepted: vec![] })
    }

    async fn poll(&self, _: &Call<'_>, _: &Order, _: &Receipt) -> Result<Answer, ConnectorError> {
        Err(ConnectorError::permanent("nothing is ever polled"))
    }

    async fn probe(&self, _: &Call<'_>) -> Result<Probe, ConnectorError> {
        Ok(Probe {
            account_id: None,
            account_name: None,
            key_name: None,
            may: vec![],
            key_expires: None,
            evidence: Evidence::seen("no key is needed"),
        })
    }
}

/// The vendor's card, with `batch` people per call.
pub fn manifest(batch: u32) -> Manifest {
    Manifest {
        id: "bench",
        title: "Bench",
        category: "benchmark",
        actions: vec![ActionCard {
            action: TaskAction::Erase,
            steps: vec![Step {
                id: StepId::named("erase"),
                class: EffectClass::NaturallyIdempotent,
                batch_items: batch,
                batch_bytes: 1_000_000,
            }],
            keyed_by: vec![IdentifierKind::UserId],
            stops: None,
            side_effects: vec![],
            reversibility: Reversibility::Irreversible,
            latency: Latency::AT_ONCE,
            highest: EvidenceLevel::Confirmed,
            verified_by_look_up: false,
            tells_absence: true,
        }],
        suppress_order: SuppressOrder::Before,
        look_up: None,
        lists: Lists::Cannot("made up"),
        finds: false,
        recalls: false,
        receives: false,
        does_nothing_at: &[],
        pace: Pace { calls_per_second: PACE, calls_in_flight: 1024 },
        quota: None,
        hosts: &[],
        body_cap_bytes: 65_536,
        keeps: &[],
        scopes: &[],
        documentation: "none",
        read_on: "2026-11-22",
    }
}

/// So high that the pace never decides.
pub const PACE: f64 = 1_000_000.0;
