//! Accepted orders: what a poll may say, and what it must never be taken for.

use efface_connector::{
    Order, Receipt, TaskAction,
    fake::{
        Stand,
        drive::{Drive, End},
    },
};

use super::{
    Broken, Kept,
    ends::CHANGING,
    ensure,
    faults::{CASES, Want},
    lost::at,
    not_applicable,
    rig::Rig,
};

pub(super) async fn run(rig: &mut Rig) {
    let kept = restart(rig).await;
    rig.note("restart", "an accepted order is polled to its end after a restart", kept);
    let kept = failing_job(rig).await;
    rig.note("failing-job", "a job that fails is no success", kept);
    let kept = unknown_word(rig).await;
    rig.note("unknown-word", "a status word nobody knows is no success", kept);
    let kept = polled_faults(rig).await;
    rig.note("polled-faults", "what goes wrong while polling is no success", kept);
}

/// Actions that hand out receipts.
async fn polled(rig: &mut Rig) -> Result<Vec<TaskAction>, Broken> {
    let mut polled = vec![];
    for action in CHANGING {
        if rig.manifest.action(action).is_none() {
            continue;
        }
        let stand = rig.stand().await?;
        let person = rig.ready(&stand, action, 1).await?;
        let mut drive = Drive::new(&stand)?;
        drive.run(action, rig.scope(action), vec![person]).await?;
        if !drive.receipts.is_empty() {
            polled.push(action);
        }
        rig.hear(drive);
    }
    if polled.is_empty() {
        return Err(Broken::NotApplicable("nothing is polled".into()));
    }
    Ok(polled)
}

/// The driver builds the connector anew for every call and puts receipts through JSON.
async fn restart(rig: &mut Rig) -> Kept {
    for action in polled(rig).await? {
        let stand = rig.stand().await?;
        stand.server.tune(|tuning| tuning.polls_until_done = 3);
        let person = rig.ready(&stand, action, 1).await?;
        let end = rig.drive_one(&stand, action, person).await?;
        let good = matches!(end, End::Confirmed { .. } | End::Promised { .. });
        ensure(good, || format!("{action}: {end:?}"))?;
    }
    Ok(())
}

async fn failing_job(rig: &mut Rig) -> Kept {
    for action in polled(rig).await? {
        let stand = rig.stand().await?;
        let person = rig.ready(&stand, action, 1).await?;
        stand.server.tune(|tuning| tuning.fail_next_job = true);
        let mut drive = Drive::new(&stand)?.rounds(30);
        let ends = drive.run(action, rig.scope(action), vec![person]).await?;
        rig.hear(drive);
        no_good_end(action, &ends)?;
    }
    Ok(())
}

async fn unknown_word(rig: &mut Rig) -> Kept {
    for action in polled(rig).await? {
        let stand = rig.stand().await?;
        let person = rig.ready(&stand, action, 1).await?;
        stand.server.tune(|tuning| tuning.unknown_status_word = true);
        let mut drive = Drive::new(&stand)?.rounds(30);
        let ends = drive.run(action, rig.scope(action), vec![person]).await?;
        rig.hear(drive);
        no_good_end(action, &ends)?;
    }
    Ok(())
}

fn no_good_end<I>(action: TaskAction, ends: &[(I, End)]) -> Kept {
    match ends.iter().find(|(_, end)| end.is_good()) {
        Some((_, end)) => Err(Broken::By(format!("{action} ended as {end:?}"))),
        None => Ok(()),
    }
}

/// The faults of the sending calls, shown to the first poll.
async fn polled_faults(rig: &mut Rig) -> Kept {
    let mut tried = false;
    for action in CHANGING {
        let Some(card) = rig.manifest.action(action).cloned() else { continue };
        for step in &card.steps {
            for case in CASES {
                let faults = (case.fault)(rig, efface_connector::Timestamp::default()).len();
                for which in 0..faults {
                    let stand = rig.stand().await?;
                    let Some((mut drive, order, receipt)) =
                        accepted(rig, &stand, action, &step.id).await?
                    else {
                        continue;
                    };
                    tried = true;
                    let later = drive.now().plus(std::time::Duration::from_secs(60));
                    let fault = (case.fault)(rig, later).swap_remove(which);
                    stand.server.faults().next([fault.clone()]);
                    let outcome = drive.poll(&order, &receipt).await?;
                    rig.hear(drive);
                    let want = match case.want {
                        // asking again is always right while polling
                        Want::Unknown => Want::NoSuccess,
                        other => other,
                    };
                    want.check(&outcome, &[]).map_err(|broken| match broken {
                        Broken::By(why) => {
                            Broken::By(format!("{action}/{}, {fault:?}: {why}", step.id))
                        }
                        other @ Broken::NotApplicable(_) => other,
                    })?;
                }
            }
        }
    }
    if tried { Ok(()) } else { not_applicable("nothing is polled") }
}

/// An order that was accepted with a receipt at this step.
async fn accepted<'s>(
    rig: &mut Rig,
    stand: &'s Stand,
    action: TaskAction,
    step: &efface_connector::StepId,
) -> Result<Option<(Drive<'s>, Order, Receipt)>, String> {
    let (mut drive, people) = at(rig, stand, action, step).await?;
    let sent = drive.send(action, rig.scope(action), step, people).await?;
    let Ok(answer) = sent.outcome else { return Ok(None) };
    let Some(taken) = answer.accepted.into_iter().next() else { return Ok(None) };
    let Some(receipt) = taken.receipt else { return Ok(None) };
    let mut order = sent.order;
    order.items.retain(|item| taken.items.iter().any(|(id, _)| *id == item.id));
    for item in &mut order.items {
        if let Some((_, Some(memo))) = taken.items.iter().find(|(id, _)| *id == item.id) {
            item.memo = Some(memo.clone());
        }
    }
    Ok(Some((drive, order, receipt)))
}
