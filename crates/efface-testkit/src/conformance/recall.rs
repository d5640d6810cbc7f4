//! Taking back: what is recalled is not carried out, and nobody else is recalled with it.

use efface_connector::{
    Call, Item, Order, Recalled, Receipt, TaskAction,
    fake::{
        Stand,
        drive::{Drive, START},
    },
};

use super::{Kept, ends::CHANGING, ensure, not_applicable, rig::Rig};

pub(super) async fn run(rig: &mut Rig) {
    let kept = recalled(rig).await;
    rig.note(
        "recall",
        "who is recalled is not erased, and nobody is recalled along with them",
        kept,
    );
}

async fn recalled(rig: &mut Rig) -> Kept {
    if !rig.manifest.recalls {
        return not_applicable("nothing is taken back");
    }
    let mut tried = false;
    for action in CHANGING.into_iter().filter(|action| action.erases()) {
        let Some(card) = rig.manifest.action(action).cloned() else { continue };
        let together = card.steps.iter().all(|step| step.batch_items > 1);
        // one of two, both of two, and one alone
        let asked: &[&[u32]] = if together { &[&[1], &[1, 2]] } else { &[&[1]] };
        for asked in asked {
            tried |= one(rig, action, if together { &[1, 2] } else { &[1] }, asked).await?;
        }
    }
    if tried {
        asked_again(rig).await?;
    }
    ensure(tried, || "the card says that orders are taken back, and no order was".into())
}

/// A recall whose answer was lost is asked again, and the same is told: what was taken back is no
/// refusal now.
async fn asked_again(rig: &mut Rig) -> Kept {
    for action in CHANGING.into_iter().filter(|action| action.erases()) {
        if rig.manifest.action(action).is_none() {
            continue;
        }
        let stand = rig.stand().await?;
        stand.server.tune(|tuning| tuning.polls_until_done = u32::MAX);
        let people = vec![rig.ready(&stand, action, 1).await?];
        let mut drive = Drive::new(&stand)?;
        let Some((order, receipt)) = accepted(rig, &mut drive, action, people).await? else {
            continue;
        };
        for time in ["first", "second"] {
            let back = take_back(rig, &stand, &drive, &order, &receipt, &[1]).await?;
            ensure(back, || format!("{action}: not taken back the {time} time it was asked for"))?;
        }
        rig.hear(drive);
    }
    Ok(())
}

/// Sends `sent` in one order, asks for `asked` back, and polls to the end. Whether it was taken back.
async fn one(
    rig: &mut Rig,
    action: TaskAction,
    sent: &[u32],
    asked: &[u32],
) -> Result<bool, super::Broken> {
    let stand = rig.stand().await?;
    stand.server.tune(|tuning| tuning.polls_until_done = 3);
    let mut people = vec![];
    for n in sent {
        people.push(rig.ready(&stand, action, *n).await?);
    }
    let mut drive = Drive::new(&stand)?;
    let Some((order, receipt)) = accepted(rig, &mut drive, action, people).await? else {
        return Ok(false);
    };
    let taken_back = take_back(rig, &stand, &drive, &order, &receipt, asked).await?;
    for _ in 0..6 {
        // each poll brings the vendor's job forward; what it says is another sentence's matter
        drop(drive.poll(&order, &receipt).await?);
    }
    rig.hear(drive);
    for n in sent {
        let spared = taken_back && asked.contains(n);
        let held = rig.held(&stand, *n)?;
        ensure(held == spared, || {
            format!(
                "{action} of {sent:?}, {asked:?} taken back ({taken_back}): person {n} is held: {held}"
            )
        })?;
    }
    let whole = asked.len() == sent.len();
    ensure(taken_back || !whole, || format!("{action}: nothing at all was taken back"))?;
    Ok(taken_back)
}

async fn take_back(
    rig: &mut Rig,
    stand: &Stand,
    drive: &Drive<'_>,
    order: &Order,
    receipt: &Receipt,
    asked: &[u32],
) -> Result<bool, String> {
    let wanted: Vec<_> =
        asked.iter().map(|n| rig.person(*n).map(|p| p.id)).collect::<Result<_, _>>()?;
    let items: Vec<Item> = order.items.iter().filter(|i| wanted.contains(&i.id)).cloned().collect();
    let part = Order { items, ..order.clone() };
    let call = Call::new(&stand.http, START);
    let outcome = drive.connector()?.recall(&call, &part, receipt).await;
    rig.told.push(format!("{outcome:?}"));
    Ok(matches!(outcome, Ok(Recalled::Recalled(_))))
}

/// These people in one accepted order.
async fn accepted(
    rig: &Rig,
    drive: &mut Drive<'_>,
    action: TaskAction,
    people: Vec<Item>,
) -> Result<Option<(Order, Receipt)>, String> {
    let step = rig.manifest.action(action).and_then(|card| card.first_step()).ok_or("no step")?;
    let sent = drive.send(action, rig.scope(action), step, people).await?;
    let Ok(answer) = sent.outcome else { return Ok(None) };
    let Some(taken) = answer.accepted.into_iter().next() else { return Ok(None) };
    let Some(receipt) = taken.receipt else { return Ok(None) };
    let mut order = sent.order;
    for item in &mut order.items {
        item.memo =
            taken.items.iter().find(|(id, _)| *id == item.id).and_then(|(_, memo)| memo.clone());
    }
    Ok(Some((order, receipt)))
}
