//! Checks of finding a regulation whose answer was lost.

use efface_connector::{
    Call, Found, Order, TaskAction,
    fake::{
        Fault, Stand,
        drive::{Drive, End, START},
        ensure,
    },
};
use serde_json::{Value, json};

use super::{end, person, posted, put, start};
use crate::manifest::REGULATE;

pub async fn lost() -> Result<(), String> {
    for fault in [Fault::SilenceAfter, Fault::BreakAfter, Fault::GarbageAfter] {
        let stand = start().await?;
        put(&stand, 1);
        stand.server.faults().next([fault]);
        let end = end(&stand, TaskAction::Erase, person(1)?).await?;
        ensure(matches!(end, End::Confirmed { .. }), format!("{end:?}"))?;
        ensure(posted(&stand).len() == 1, "the regulation was made twice")?;
    }
    let stand = start().await?;
    stand.server.faults().next([Fault::SilenceBefore]);
    end(&stand, TaskAction::Erase, person(1)?).await?;
    ensure(posted(&stand).len() == 1, "the order that never arrived was not sent again, once")
}

fn listed(change: impl FnOnce(&mut Value)) -> Fault {
    let mut entry = json!({
        "id": "reg9",
        "subjectType": "USER_ID",
        "subjects": ["user-2", "user-1"],
        "status": "RUNNING",
        "createdAt": START.to_string(),
        "regulationType": "DELETE_INTERNAL",
    });
    change(&mut entry);
    page(&[entry], &json!({ "current": "c" }))
}

fn page(entries: &[Value], pagination: &Value) -> Fault {
    let body = json!({ "data": { "regulations": entries, "pagination": pagination } });
    Fault::Reply { status: 200, headers: vec![], body: body.to_string() }
}

fn order() -> Result<Order, String> {
    Ok(Order {
        action: TaskAction::Erase,
        scope: None,
        step: REGULATE,
        items: vec![person(1)?, person(2)?],
        idempotency_key: "efface-1".into(),
        first_sent_at: START,
    })
}

async fn find(stand: &Stand) -> Result<Found, String> {
    let connector = Drive::new(stand)?.connector()?;
    let call = Call::new(&stand.http, START);
    connector.find(&call, &order()?).await.map_err(|e| e.to_string())
}

pub async fn others() -> Result<(), String> {
    let stand = start().await?;
    for (fault, is_ours) in [
        (listed(|_| ()), true),
        (listed(|entry| entry["createdAt"] = json!("2026-11-18T11:06:38Z")), false),
        (listed(|entry| entry["createdAt"] = json!("yesterday")), false),
        (listed(|entry| entry["regulationType"] = json!("SUPPRESS_ONLY")), false),
        (listed(|entry| entry["regulationType"] = json!("DELETE_EVERYTHING")), false),
        (listed(|entry| entry["subjectType"] = json!("OBJECT_ID")), false),
        (listed(|entry| entry["subjects"] = json!(["user-1"])), false),
        (listed(|entry| entry["subjects"] = json!(["user-1", "user-2", "user-3"])), false),
        (listed(|entry| entry["subjects"] = Value::Null), false),
        (listed(|entry| entry["id"] = json!("../../etc")), false),
    ] {
        stand.server.faults().next([fault.clone()]);
        let found = find(&stand).await?;
        let as_wanted = match &found {
            Found::Arrived(answer) => is_ours && answer.accepted.len() == 1,
            Found::CannotTell => !is_ours,
            Found::NeverArrived => false,
        };
        ensure(as_wanted, format!("{fault:?}: {found:?}"))?;
    }
    Ok(())
}

pub async fn circle() -> Result<(), String> {
    let stand = start().await?;
    let again = page(&[], &json!({ "current": "c", "next": "c" }));
    stand.server.faults().always(Some(again));
    let found = find(&stand).await?;
    let calls = stand.server.calls();
    ensure(matches!(found, Found::CannotTell) && calls == 2, format!("{calls} calls: {found:?}"))
}
