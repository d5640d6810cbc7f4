//! Checks of whole walks.

use efface_connector::{
    Call, ConnectorError, EvidenceLevel, IdentifierKind, Item, ItemAnswer, Order, Presence,
    SideEffect, TaskAction,
    fake::{
        Fault, Stand,
        drive::{Drive, End, START},
        ensure, item,
    },
};
use serde_json::{Value, json};

use super::{end, person, posted, put, scope, start};
use crate::{
    PLUGIN,
    manifest::{BATCH_BYTES, BATCH_IDS, READ_SUPPRESSED, REGULATE},
};

const ERASE_BOTH: TaskAction = TaskAction::EraseAndSuppress;

async fn forwarding() -> Result<Stand, String> {
    Stand::with(&PLUGIN, |settings| settings["forward_to_destinations"] = json!(true)).await
}

pub async fn narrowest() -> Result<(), String> {
    for (forwards, action, want) in [
        (false, TaskAction::Erase, "DELETE_INTERNAL"),
        (false, ERASE_BOTH, "SUPPRESS_WITH_DELETE_INTERNAL"),
        (false, TaskAction::Suppress, "SUPPRESS_ONLY"),
        (true, TaskAction::Erase, "DELETE_ONLY"),
        (true, ERASE_BOTH, "SUPPRESS_WITH_DELETE"),
        (true, TaskAction::Suppress, "SUPPRESS_ONLY"),
    ] {
        let stand = if forwards { forwarding().await? } else { start().await? };
        put(&stand, 1);
        end(&stand, action, person(1)?).await?;
        let bodies = posted(&stand);
        let asked = bodies.len() == 1 && bodies[0].contains(&format!("\"{want}\""));
        ensure(asked, format!("{action}: {bodies:?}"))?;
    }
    Ok(())
}

pub async fn forwarded() -> Result<(), String> {
    for action in [TaskAction::Erase, ERASE_BOTH] {
        for (stand, forwards) in [(start().await?, false), (forwarding().await?, true)] {
            let manifest = stand.build().map_err(|e| e.to_string())?.manifest;
            let card = manifest.action(action).ok_or("no card")?;
            let effects = [SideEffect::CostsMoney, SideEffect::ForwardsToDestinations];
            let told = effects.iter().all(|effect| card.side_effects.contains(effect));
            ensure(told == forwards, format!("{action}: {:?}", card.side_effects))?;
            let confirms = card.highest.reaches(EvidenceLevel::Confirmed);
            ensure(confirms != forwards, format!("{action}: {}", card.highest))?;
            put(&stand, 1);
            let end = end(&stand, action, person(1)?).await?;
            let End::Confirmed { evidence, .. } = end else { return Err(format!("{end:?}")) };
            ensure(evidence.forwarded == forwards, format!("{action}: {evidence:?}"))?;
        }
    }
    Ok(())
}

/// Also what the shared suite cannot try here: a stranger spoils nobody.
pub async fn batches() -> Result<(), String> {
    for action in [TaskAction::Erase, ERASE_BOTH, TaskAction::Suppress] {
        let stand = start().await?;
        put(&stand, 1);
        put(&stand, 3);
        let people = vec![person(1)?, person(2)?, person(3)?];
        let ends = Drive::new(&stand)?.run(action, scope(action), people).await?;
        let all = ends.iter().all(|(_, end)| matches!(end, End::Confirmed { .. }));
        ensure(all && ends.len() == 3, format!("{action}: {ends:?}"))?;
        ensure(posted(&stand).len() == 1, format!("{action}: more than one regulation"))?;
        let left = stand.fake().people();
        ensure(left == if action.erases() { 0 } else { 2 }, format!("{action}: {left} left"))?;
    }
    let stand = start().await?;
    let connector = Drive::new(&stand)?.connector()?;
    // each of these is two bytes in JSON
    let long = "\"".repeat(500);
    for (people, text, fits) in [(6_000, "user", 5_000), (5_000, "user", 5_000), (9_000, &long, 0)]
    {
        let items: Result<Vec<Item>, String> = (0..people)
            .map(|n| item(n, &[(IdentifierKind::UserId, &format!("{text}{n}"))]))
            .collect();
        let order = Order {
            action: TaskAction::Erase,
            scope: None,
            step: REGULATE,
            items: items?,
            idempotency_key: "efface-1".into(),
            first_sent_at: START,
        };
        let prepared = connector.prepare(START, &order).map_err(|e| e.to_string())?;
        let bytes = prepared.changing().map_err(|e| e.to_string())?.body_text().map_or(0, str::len);
        let most = usize::try_from(BATCH_BYTES).unwrap_or(0);
        ensure(bytes <= most, format!("{people}: {bytes} bytes"))?;
        let sent = prepared.items.len();
        let as_wanted = if fits == 0 { bytes + 1_000 > most } else { sent == fits };
        ensure(as_wanted, format!("{people}: {sent} people, {bytes} bytes"))?;
        ensure(
            sent <= usize::try_from(BATCH_IDS).unwrap_or(0),
            "more ids than a regulation takes",
        )?;
    }
    let order = Order {
        action: TaskAction::Erase,
        scope: None,
        step: REGULATE,
        items: vec![item(1, &[(IdentifierKind::Email, "ada@example.com")])?],
        idempotency_key: "efface-1".into(),
        first_sent_at: START,
    };
    let nobody = connector.prepare(START, &order);
    ensure(matches!(nobody, Err(ConnectorError::NeedsPerson(_))), format!("{nobody:?}"))
}

/// A person whom efface has suppressed, with what it kept.
async fn suppressed(stand: &Stand, action: TaskAction) -> Result<Item, String> {
    let end = end(stand, action, person(1)?).await?;
    let End::Confirmed { prior: Some(prior), .. } = end else {
        return Err(format!("no prior was kept: {end:?}"));
    };
    Ok(Item { prior: Some(prior), ..person(1)? })
}

pub async fn lifts() -> Result<(), String> {
    let listed = |stand: &Stand| stand.fake().suppresses(&IdentifierKind::UserId, "user-1");
    for action in [TaskAction::Suppress, ERASE_BOTH] {
        let stand = start().await?;
        let ours = suppressed(&stand, action).await?;
        // a second one finds the person suppressed already, and has nothing of its own to lift
        let theirs = suppressed(&stand, action).await?;
        let lifted = end(&stand, TaskAction::Lift, theirs).await?;
        ensure(matches!(lifted, End::NothingFound { .. }), format!("{action}: {lifted:?}"))?;
        ensure(listed(&stand), "somebody else's suppression was lifted")?;
        let lifted = end(&stand, TaskAction::Lift, ours).await?;
        ensure(matches!(lifted, End::Confirmed { .. }), format!("{action}: {lifted:?}"))?;
        ensure(!listed(&stand), "the suppression was not lifted")?;
        let never = end(&stand, TaskAction::Lift, person(1)?).await?;
        ensure(matches!(never, End::NothingFound { .. }), format!("{action}: {never:?}"))?;
    }
    let stand = Stand::with(&PLUGIN, |settings| settings["suppression_pages"] = json!(0)).await?;
    let unread = suppressed(&stand, TaskAction::Suppress).await?;
    let lifted = end(&stand, TaskAction::Lift, unread).await?;
    let asks = matches!(lifted, End::Failed(ConnectorError::NeedsPerson(_)));
    ensure(asks && listed(&stand), format!("{lifted:?}"))
}

pub async fn pages() -> Result<(), String> {
    let page = |id: &str, next: &str| Fault::Reply {
        status: 200,
        headers: vec![],
        body: json!({ "data": {
            "suppressed": [{ "subjectType": "USER_ID", "subjectIds": [id] }],
            "pagination": { "current": "c", "next": next },
        } })
        .to_string(),
    };
    let action = TaskAction::Suppress;
    for (pages, replies, calls, lifts) in [
        // the third page is the stand-in's own, and the last
        (20, vec![page("a", "1"), page("b", "2")], 3, true),
        (2, vec![page("a", "1"), page("b", "2")], 2, false),
        (20, vec![page("user-1", "1")], 1, false),
        (20, vec![page("a", "1"), page("b", "1")], 2, false),
    ] {
        let stand =
            Stand::with(&PLUGIN, |settings| settings["suppression_pages"] = json!(pages)).await?;
        stand.server.faults().next(replies);
        let sent = Drive::new(&stand)?
            .send(action, scope(action), &READ_SUPPRESSED, vec![person(1)?])
            .await?;
        let answer = sent.outcome.map_err(|e| e.to_string())?;
        let [(_, ItemAnswer::Next { memo, .. })] = answer.items.as_slice() else {
            return Err(format!("{answer:?}"));
        };
        ensure(stand.server.calls() == calls, format!("{} calls", stand.server.calls()))?;
        let kept = Item { prior: Some(memo.clone()), ..person(1)? };
        let lifted = end(&stand, TaskAction::Lift, kept).await?;
        let confirmed = matches!(lifted, End::Confirmed { .. });
        ensure(confirmed == lifts, format!("{pages} pages, {calls} calls: {lifted:?}"))?;
    }
    Ok(())
}

pub async fn forgotten() -> Result<(), String> {
    let report = r#"{"errors":[{"type":"not-found","message":"Resource not found."}]}"#;
    let stand = start().await?;
    let mut drive = Drive::new(&stand)?;
    let sent = drive.send(TaskAction::Erase, None, &REGULATE, vec![person(1)?]).await?;
    let answer = sent.outcome.map_err(|e| e.to_string())?;
    let receipt = answer.accepted.first().and_then(|a| a.receipt.clone()).ok_or("no receipt")?;
    for (body, is_report) in [(report, true), ("<html>", false), ("{\"errors\":[]}", false)] {
        let gone = Fault::Reply { status: 404, headers: vec![], body: body.to_owned() };
        stand.server.faults().next([gone]);
        let outcome = drive.poll(&sent.order, &receipt).await?;
        let told = match &outcome {
            Ok(answer) => matches!(
                answer.items.as_slice(),
                [(_, ItemAnswer::Failed(ConnectorError::NeedsPerson(_)))]
            ),
            Err(_) => false,
        };
        ensure(told == is_report, format!("{body}: {outcome:?}"))?;
    }
    Ok(())
}

pub async fn invalid() -> Result<(), String> {
    for (people, is_definite) in [(1, true), (3, false)] {
        let stand = start().await?;
        stand.server.tune(|tuning| tuning.fail_next_job = true);
        let several = (1..=people).map(person).collect::<Result<Vec<Item>, String>>()?;
        let ends = Drive::new(&stand)?.run(TaskAction::Erase, None, several).await?;
        let as_wanted = ends.iter().all(|(_, end)| match end {
            End::Failed(ConnectorError::Permanent { .. }) => is_definite,
            End::Failed(ConnectorError::NeedsPerson(_)) => !is_definite,
            _ => false,
        });
        ensure(as_wanted && posted(&stand).len() == 1, format!("{people}: {ends:?}"))?;
    }
    Ok(())
}

pub async fn look_up() -> Result<(), String> {
    let without = |settings: &mut Value| {
        if let Some(table) = settings.as_object_mut() {
            table.retain(|key, _| !key.starts_with("profile_"));
        }
    };
    let plain = Stand::with(&PLUGIN, without).await?.build().map_err(|e| e.to_string())?;
    ensure(plain.manifest.look_up.is_none(), "a look-up is offered without a space")?;
    let stand = start().await?;
    let built = stand.build().map_err(|e| e.to_string())?;
    ensure(built.manifest.look_up.is_some(), "no look-up is offered with a space")?;
    stand.fake().put(&[
        (IdentifierKind::UserId, "ada-1".into()),
        (IdentifierKind::Email, "ada@example.com".into()),
    ]);
    let people = [
        item(1, &[(IdentifierKind::UserId, "ada-1")])?,
        item(2, &[(IdentifierKind::Email, "Ada@Example.com")])?,
        item(3, &[(IdentifierKind::UserId, "grace-2")])?,
        item(4, &[(IdentifierKind::Phone, "+442079460101")])?,
    ];
    let call = Call::new(&stand.http, START);
    let seen = built.connector.look_up(&call, &people).await.map_err(|e| e.to_string())?;
    let by = |kind| Presence::Present { records: 1, matched_by: vec![kind] };
    let want = [
        by(IdentifierKind::UserId),
        by(IdentifierKind::Email),
        Presence::Absent,
        Presence::CannotTell,
    ];
    let presences: Vec<&Presence> = seen.iter().map(|(_, presence, _)| presence).collect();
    ensure(presences == want.iter().collect::<Vec<_>>(), format!("{seen:?}"))?;
    let shown = format!("{seen:?} {:?}", call.take_exchanges());
    let silent = !shown.contains("ada-1") && !shown.to_lowercase().contains("example.com");
    ensure(silent, format!("an id is shown: {shown}"))?;
    for fault in [
        Fault::status(500),
        Fault::Reply { status: 404, headers: vec![], body: "<html>".into() },
        Fault::Reply { status: 200, headers: vec![], body: "{}".into() },
    ] {
        stand.server.faults().next([fault.clone()]);
        let seen = built.connector.look_up(&call, &people[2..3]).await;
        ensure(seen.is_err(), format!("{fault:?}: {seen:?}"))?;
    }
    let probe = built.connector.probe(&call).await.map_err(|e| e.to_string())?;
    ensure(probe.may.len() == 3, format!("{probe:?}"))
}
