//! What Mixpanel alone does, beside the suite that all vendors share.

use efface_connector::{
    Call, ConnectorError, IdentifierKind, Item, ItemAnswer, Order, Presence, Probe, Recalled,
    Receipt, Right, TaskAction,
    fake::{
        Check, Fault, Stand,
        drive::{Drive, End, START},
        ensure, item,
    },
};
use serde_json::{Value, json};

use super::words;
use crate::{
    PLUGIN,
    manifest::{DELETE, distinct_id},
};

pub fn checks() -> Vec<Check> {
    vec![
        Check {
            name: "requests and answers are those of the documentation",
            run: || Box::pin(async { words::golden() }),
        },
        Check {
            name: "settings choose host, law, keys and limits, and bad ones are refused by name",
            run: || Box::pin(async { words::settings() }),
        },
        Check {
            name: "only SUCCESS is success, and a success that calls itself an error is none",
            run: || Box::pin(async { words::job_words() }),
        },
        Check {
            name: "an address that cannot be quoted is not asked for",
            run: || Box::pin(async { words::quoting() }),
        },
        Check {
            name: "a stranger among others is told as done, and spoils nobody",
            run: || Box::pin(stranger()),
        },
        Check { name: "a job holds no more ids than it may", run: || Box::pin(limits()) },
        Check {
            name: "a job made by the law that reaches back one year says so",
            run: || Box::pin(ccpa()),
        },
        Check {
            name: "a failed or revoked job goes to a person, for everybody in it",
            run: || Box::pin(failed_and_revoked()),
        },
        Check {
            name: "a job is taken back for all its people or for none, and not once it started",
            run: || Box::pin(recall()),
        },
        Check {
            name: "without a service account no look-up is offered",
            run: || Box::pin(no_look_up()),
        },
        Check {
            name: "a look-up by an alias, or one that finds two records, says so",
            run: || Box::pin(aliases()),
        },
        Check {
            name: "a probe tells the token's last day, and reads every answer to a job of nobody",
            run: || Box::pin(probes()),
        },
    ]
}

pub fn said(error: ConnectorError) -> String {
    error.to_string()
}

fn person(n: u32) -> Result<Item, String> {
    item(n, &[(IdentifierKind::UserId, &format!("user-{n}"))])
}

async fn stand_with(people: u32, change: impl FnOnce(&mut Value)) -> Result<Stand, String> {
    let stand = Stand::with(&PLUGIN, change).await?;
    for n in 1..=people {
        stand.fake().put(&[
            (IdentifierKind::UserId, format!("user-{n}")),
            (distinct_id(), format!("alias-{n}")),
            (IdentifierKind::Email, format!("user-{n}@example.com")),
        ]);
    }
    Ok(stand)
}

async fn stranger() -> Result<(), String> {
    let stand = stand_with(2, |_| ()).await?;
    let people = vec![person(1)?, person(7)?, person(2)?];
    let ends = Drive::new(&stand)?.run(TaskAction::Erase, None, people).await?;
    let confirmed = ends.iter().filter(|(_, end)| end.word() == "confirmed").count();
    ensure(confirmed == 3 && stand.fake().people() == 0, format!("{ends:?}"))?;
    let jobs = stand.server.log().iter().filter(|line| line.method == "POST").count();
    ensure(jobs == 1, format!("{jobs} jobs"))
}

async fn limits() -> Result<(), String> {
    // each quote takes two bytes
    let long = "\"".repeat(499);
    for (ids_per_job, each, text, most, least) in [
        (1999, 1, "u", 1999, 1999),
        (1999, 2, "u", 999, 999),
        (10, 3, "u", 3, 3),
        (1999, 2, &long, 525, 515),
    ] {
        let set = |all: &mut Value| all["ids_per_job"] = json!(ids_per_job);
        let stand = stand_with(0, set).await?;
        let items = (1..=2000)
            .map(|n| {
                let ids: Vec<String> = (0..each).map(|k| format!("{text}{n}-{k}")).collect();
                let ids: Vec<_> = ids.iter().map(|i| (IdentifierKind::UserId, &**i)).collect();
                item(n, &ids)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let order = Order {
            action: TaskAction::Erase,
            scope: None,
            step: DELETE,
            items,
            idempotency_key: "efface-1".into(),
            first_sent_at: START,
        };
        let prepared = Drive::new(&stand)?.connector()?.prepare(START, &order).map_err(said)?;
        let fits = prepared.items.len();
        let right = (least..=most).contains(&fits);
        ensure(right, format!("{fits} people of {each} ids, {least} to {most} wanted"))?;
        let bytes = prepared.changing().map_err(said)?.body_text().map_or(0, str::len);
        ensure(bytes <= 1_048_576, format!("{bytes} bytes"))?;
    }
    let stand = stand_with(1, |_| ()).await?;
    let anonymous = item(2, &[(IdentifierKind::AnonymousId, "a")])?;
    let mut drive = Drive::new(&stand)?;
    let ends = drive.run(TaskAction::Erase, None, vec![anonymous.clone(), person(1)?]).await?;
    for (id, end) in ends {
        let want = if id == anonymous.id { "failed" } else { "confirmed" };
        ensure(end.word() == want, format!("{end:?} instead of {want}"))?;
    }
    Ok(())
}

/// A job of these people as the vendor took it on.
async fn accepted(drive: &mut Drive<'_>, people: Vec<Item>) -> Result<(Order, Receipt), String> {
    let sent = drive.send(TaskAction::Erase, None, &DELETE, people).await?;
    let taken = sent.outcome.map_err(said)?.accepted.into_iter().next().ok_or("nobody taken")?;
    Ok((sent.order, taken.receipt.ok_or("no receipt")?))
}

async fn failed_and_revoked() -> Result<(), String> {
    for revoked in [false, true] {
        let stand = stand_with(2, |_| ()).await?;
        stand.server.tune(|tuning| {
            tuning.fail_next_job = !revoked;
            tuning.polls_until_done = 1;
        });
        let mut drive = Drive::new(&stand)?;
        let (order, receipt) = accepted(&mut drive, vec![person(1)?, person(2)?]).await?;
        if revoked {
            let call = Call::new(&stand.http, START);
            drive.connector()?.recall(&call, &order, &receipt).await.map_err(said)?;
        }
        let answer = drive.poll(&order, &receipt).await?.map_err(said)?;
        let person = |answer: &ItemAnswer| {
            matches!(answer, ItemAnswer::Failed(ConnectorError::NeedsPerson(_)))
        };
        let all = answer.items.len() == 2 && answer.items.iter().all(|(_, a)| person(a));
        ensure(all && stand.fake().people() == 2, format!("{:?}", answer.items))?;
    }
    Ok(())
}

async fn ccpa() -> Result<(), String> {
    for law in ["GDPR", "CCPA"] {
        let stand = stand_with(1, |all| all["compliance_type"] = json!(law)).await?;
        let built = stand.build().map_err(|e| e.to_string())?;
        let kept = built.manifest.keeps.iter().any(|keeps| keeps.contains("previous year"));
        let ends = Drive::new(&stand)?.run(TaskAction::Erase, None, vec![person(1)?]).await?;
        let Some((_, End::Confirmed { evidence, .. })) = ends.first() else {
            return Err(format!("{ends:?}"));
        };
        let says = evidence.what.contains("one year");
        ensure(says == (law == "CCPA") && kept == says, format!("{law}: {evidence}"))?;
    }
    Ok(())
}

async fn recall() -> Result<(), String> {
    for (polls, of_all, want) in [(0, true, "recalled"), (0, false, "refused"), (3, true, "late")] {
        let stand = stand_with(2, |_| ()).await?;
        stand.server.tune(|tuning| tuning.polls_until_done = 9);
        let mut drive = Drive::new(&stand)?;
        let (mut order, receipt) = accepted(&mut drive, vec![person(1)?, person(2)?]).await?;
        for _ in 0..polls {
            drive.poll(&order, &receipt).await?.map_err(said)?;
        }
        if !of_all {
            order.items.pop();
        }
        let call = Call::new(&stand.http, START);
        let got = match drive.connector()?.recall(&call, &order, &receipt).await {
            Ok(Recalled::Recalled(_)) => "recalled",
            Ok(Recalled::TooLate(_)) => "late",
            Ok(Recalled::NotOffered) => "not offered",
            Err(_) => "refused",
        };
        ensure(got == want, format!("after {polls} polls: {got} instead of {want}"))?;
        // asked once more, as after an answer that was lost
        let again = drive.connector()?.recall(&call, &order, &receipt).await;
        let same = matches!(again, Ok(Recalled::Recalled(_))) == (want == "recalled");
        ensure(same, format!("after {polls} polls, asked again: {again:?}"))?;
    }
    Ok(())
}

async fn no_look_up() -> Result<(), String> {
    let without = |all: &mut Value| {
        if let Some(table) = all.as_object_mut() {
            table.remove("service_account");
        }
    };
    let stand = stand_with(1, without).await?;
    let built = stand.build().map_err(|e| e.to_string())?;
    ensure(built.manifest.look_up.is_none(), "the card offers it")?;
    let call = Call::new(&stand.http, START);
    let seen = built.connector.look_up(&call, &[person(1)?]).await.map_err(said)?;
    let cannot = matches!(seen.as_slice(), [(_, Presence::CannotTell, _)]);
    ensure(cannot && stand.server.calls() == 0, format!("{seen:?}"))
}

async fn aliases() -> Result<(), String> {
    let stand = stand_with(2, |_| ()).await?;
    let connector = Drive::new(&stand)?.connector()?;
    let mail = |n: u32| format!("user-{n}@example.com");
    for (ids, want) in [
        (vec![(distinct_id(), "alias-1".to_owned())], "cannot tell"),
        (vec![(IdentifierKind::Email, mail(1))], "present"),
        (
            vec![(IdentifierKind::UserId, "user-1".into()), (IdentifierKind::Email, mail(1))],
            "present",
        ),
        (
            vec![(IdentifierKind::UserId, "user-1".into()), (IdentifierKind::Email, mail(2))],
            "ambiguous",
        ),
        (
            vec![(IdentifierKind::UserId, "user-9".into()), (IdentifierKind::Email, mail(9))],
            "absent",
        ),
        (vec![(IdentifierKind::Phone, "+442079460100".into())], "cannot tell"),
    ] {
        let ids: Vec<_> = ids.iter().map(|(kind, text)| (kind.clone(), text.as_str())).collect();
        let call = Call::new(&stand.http, START);
        let seen = connector.look_up(&call, &[item(1, &ids)?]).await.map_err(said)?;
        let got = match seen.first().map(|(_, presence, _)| presence) {
            Some(Presence::Present { .. }) => "present",
            Some(Presence::Absent) => "absent",
            Some(Presence::Ambiguous { .. }) => "ambiguous",
            Some(Presence::CannotTell) => "cannot tell",
            None => "nothing",
        };
        ensure(got == want, format!("{ids:?}: {got} instead of {want}"))?;
    }
    Ok(())
}

async fn probes() -> Result<(), String> {
    let expires = |all: &mut Value| all["token_expires_on"] = json!("2027-11-21");
    let stand = stand_with(0, expires).await?;
    let own = |status: u16| Fault::Reply {
        status,
        headers: vec![],
        body: r#"{"status":"error","error":"no such task"}"#.into(),
    };
    for (fault, want) in [
        (Fault::None, Some(Right::Yes)),
        (own(404), Some(Right::CannotTell)),
        (own(400), Some(Right::CannotTell)),
        (Fault::status(404), None),
        (own(403), None),
    ] {
        stand.server.faults().next([fault.clone()]);
        let call = Call::new(&stand.http, START);
        let probe: Option<Probe> = Drive::new(&stand)?.connector()?.probe(&call).await.ok();
        let deletes = probe.as_ref().map(|probe| probe.may[0].1);
        ensure(deletes == want, format!("{fault:?}: {probe:?}"))?;
        let until = probe.and_then(|probe| probe.key_expires).map(|at| at.utc_date());
        let told = want.is_none() || until.as_deref() == Some("2027-11-21");
        ensure(told, format!("the token ends {until:?}"))?;
    }
    Ok(())
}
