//! The suite itself: a vendor that takes everything for success must break its sentences.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use efface_connector::{
    ActionCard, Answer, Built, Call, Connector, ConnectorError, EffectClass, Evidence,
    EvidenceLevel, IdentifierKind, Item, ItemAnswer, ItemId, Latency, Lists, LookUpCard, Manifest,
    Method, Order, Pace, Plugin, Prepared, Presence, Probe, Receipt, Request, Reversibility,
    SettingsError, Step, StepId, SuppressOrder, TaskAction, Timestamp,
    fake::{Excuse, Fake, FakeReply, FakeRequest, Tuning},
};
use serde_json::{Value, json};

use super::{Report, Verdict, suite, table};

const LIAR: Plugin = Plugin {
    id: "liar",
    manifest,
    example: "key = 1\n",
    build,
    fake: || Arc::new(Nobody::default()),
};

fn manifest() -> Manifest {
    Manifest {
        id: "liar",
        title: "Liar",
        category: "test",
        actions: vec![ActionCard {
            action: TaskAction::Erase,
            steps: vec![Step {
                id: StepId::named("delete"),
                class: EffectClass::NaturallyIdempotent,
                batch_items: 1,
                batch_bytes: 100,
            }],
            keyed_by: vec![IdentifierKind::Email],
            stops: None,
            side_effects: vec![],
            reversibility: Reversibility::Irreversible,
            latency: Latency::AT_ONCE,
            highest: EvidenceLevel::Verified,
            verified_by_look_up: true,
            tells_absence: true,
        }],
        suppress_order: SuppressOrder::With,
        look_up: Some(LookUpCard { batch_items: 10, by: vec![IdentifierKind::Email] }),
        lists: Lists::Cannot("made up"),
        finds: false,
        recalls: true,
        receives: false,
        does_nothing_at: &[],
        pace: Pace { calls_per_second: 1.0, calls_in_flight: 1 },
        quota: None,
        hosts: &["liar.test"],
        body_cap_bytes: 1000,
        keeps: &["everything"],
        scopes: &["none"],
        documentation: "https://liar.test/",
        read_on: "2026-11-22",
    }
}

fn build(settings: &Value, base: Option<&str>) -> Result<Built, SettingsError> {
    if settings["key"].is_number() {
        return Err(SettingsError::new("key", "is no text"));
    }
    let base = base.unwrap_or("https://liar.test").to_owned();
    Ok(Built { connector: Box::new(Liar { base }), manifest: manifest() })
}

struct Liar {
    base: String,
}

#[async_trait]
impl Connector for Liar {
    fn prepare(&self, _now: Timestamp, order: &Order) -> Result<Prepared, ConnectorError> {
        let email = order.items[0].identifiers[0].normal.expose();
        let request = Request::new(Method::DELETE, &self.base, &format!("/people/{email}"));
        Ok(Prepared::sends(request, vec![order.items[0].id]))
    }

    async fn submit(
        &self,
        call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        // whatever came back, it is called done
        let _ = call.send(prepared.changing()?).await;
        let done = ItemAnswer::Confirmed(Evidence::seen("sent"));
        Ok(Answer { items: vec![(order.items[0].id, done)], accepted: vec![] })
    }

    async fn poll(
        &self,
        _call: &Call<'_>,
        _order: &Order,
        _receipt: &Receipt,
    ) -> Result<Answer, ConnectorError> {
        Ok(Answer::default())
    }

    async fn look_up(
        &self,
        _call: &Call<'_>,
        items: &[Item],
    ) -> Result<Vec<(ItemId, Presence, Evidence)>, ConnectorError> {
        Ok(items.iter().map(|i| (i.id, Presence::Absent, Evidence::seen("surely"))).collect())
    }

    async fn probe(&self, _call: &Call<'_>) -> Result<Probe, ConnectorError> {
        Ok(Probe {
            account_id: None,
            account_name: None,
            key_name: None,
            may: vec![],
            key_expires: None,
            evidence: Evidence::seen("surely"),
        })
    }
}

/// Holds whoever was put there, and erases nobody.
#[derive(Default)]
struct Nobody {
    people: Mutex<Vec<String>>,
}

impl Fake for Nobody {
    fn handle(&self, _request: &FakeRequest, _tuning: &Tuning) -> FakeReply {
        FakeReply::empty(204)
    }

    fn settings(&self, key: &str) -> Value {
        json!({ "key": key })
    }

    fn put(&self, identifiers: &[(IdentifierKind, String)]) {
        self.people.lock().unwrap().extend(identifiers.iter().map(|(_, text)| text.clone()));
    }

    fn holds(&self, _kind: &IdentifierKind, value: &str) -> bool {
        self.people.lock().unwrap().iter().any(|one| one == value)
    }

    fn suppresses(&self, _kind: &IdentifierKind, _value: &str) -> bool {
        false
    }

    fn people(&self) -> usize {
        self.people.lock().unwrap().len()
    }

    fn excuses(&self) -> &'static [Excuse] {
        &[
            Excuse { sentence: "erase-absent", reason: "the vendor says 204 to anything" },
            Excuse { sentence: "privacy", reason: "no excuse" },
            Excuse { sentence: "steps", reason: "not needed" },
            Excuse { sentence: "no-such", reason: "misspelt" },
        ]
    }
}

fn verdict<'r>(report: &'r Report, id: &str) -> Option<&'r Verdict> {
    report.rows.iter().find(|row| row.id == id).map(|row| &row.verdict)
}

#[tokio::test]
async fn a_vendor_that_takes_everything_for_success_is_caught() {
    let report = suite(&LIAR).await;
    let told = table(std::slice::from_ref(&report));
    for id in [
        "example",
        "unknown-key",
        "card",
        "offers",
        "erase",
        "as-typed",
        "erase-again",
        "refused-401",
        "refused-403",
        "limited",
        "server-error",
        "broken-off",
        "unreadable",
        "foreign-404",
        "bad-request",
        "recall",
        "probe",
        "look-up",
        "look-up-erased",
        "look-up-faults",
        "privacy",
        "steps",
        "no-such",
    ] {
        assert!(matches!(verdict(&report, id), Some(Verdict::Fails(_))), "{id}\n{told}");
    }
    let excused = verdict(&report, "erase-absent");
    assert_eq!(excused, Some(&Verdict::Excused("the vendor says 204 to anything")), "{told}");
    assert!(report.results().any(|(_, result)| result.is_err()));
}
