//! Orders sent twice, and orders whose answer was lost.

use efface_connector::{
    EffectClass, Item, StepId, TaskAction,
    fake::{
        Fault, Stand,
        drive::{Drive, End},
    },
};

use super::{
    Broken, Kept,
    ends::CHANGING,
    ensure, not_applicable,
    rig::{Rig, gist},
};

/// A step of an action, and how many calls it takes.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub action: TaskAction,
    pub step: StepId,
    pub class: EffectClass,
    pub calls: u64,
}

pub(super) async fn run(rig: &mut Rig) {
    let kept = spots(rig).await.map(|_| ()).map_err(Broken::By);
    rig.note("steps", "every step on the card is walked for a person who is there", kept);
    let Ok(spots) = spots(rig).await else { return };
    let kept = twice(rig, &spots).await;
    rig.note("twice", "an idempotent order sent twice ends the same", kept);
    let kept = lost(rig, &spots).await;
    rig.note("lost-answer", "a lost answer ends as the order would have ended", kept);
}

/// Every step of every action, as a person who is there walks them.
pub(super) async fn spots(rig: &mut Rig) -> Result<Vec<Spot>, String> {
    let mut spots = vec![];
    for action in CHANGING {
        let Some(card) = rig.manifest.action(action).cloned() else { continue };
        for step in &card.steps {
            let stand = rig.stand().await?;
            let (mut drive, people) = at(rig, &stand, action, &step.id)
                .await
                .map_err(|why| format!("{action}/{}: {why}", step.id))?;
            let before = stand.server.calls();
            drive.send(action, rig.scope(action), &step.id, people).await?;
            let calls = stand.server.calls() - before;
            let (step, class) = (step.id.clone(), step.class);
            spots.push(Spot { action, step, class, calls });
            rig.hear(drive);
        }
    }
    Ok(spots)
}

/// A person who stands at a step.
pub(super) async fn at<'s>(
    rig: &mut Rig,
    stand: &'s Stand,
    action: TaskAction,
    step: &StepId,
) -> Result<(Drive<'s>, Vec<Item>), String> {
    let person = rig.ready(stand, action, 1).await?;
    let mut drive = Drive::new(stand)?;
    let people = drive.until(action, rig.scope(action), vec![person], step).await?;
    Ok((drive, people))
}

async fn twice(rig: &mut Rig, spots: &[Spot]) -> Kept {
    let mut tried = false;
    for spot in spots {
        match spot.class {
            EffectClass::ReadOnly
            | EffectClass::NaturallyIdempotent
            | EffectClass::KeyIdempotent { .. } => {}
            EffectClass::Wasteful | EffectClass::AtMostOnce => continue,
        }
        tried = true;
        let stand = rig.stand().await?;
        let (mut drive, people) = at(rig, &stand, spot.action, &spot.step).await?;
        let first = drive.send(spot.action, rig.scope(spot.action), &spot.step, people).await?;
        let second = drive.submit(&first.order, &first.prepared).await?;
        let (once, again) = (gist(&first.outcome), gist(&second));
        rig.hear(drive);
        ensure(once == again, || {
            format!("{}/{}: first {once}, then {again}", spot.action, spot.step)
        })?;
    }
    if tried { Ok(()) } else { not_applicable("no step may be repeated") }
}

async fn lost(rig: &mut Rig, spots: &[Spot]) -> Kept {
    for spot in spots {
        let clean = walk(rig, spot, None).await?;
        for nth in 0..spot.calls {
            let after = walk(rig, spot, Some(nth)).await?;
            let place = format!("{}/{}, call {}", spot.action, spot.step, nth + 1);
            let frozen = spot.class == EffectClass::AtMostOnce && !rig.manifest.finds;
            if frozen {
                let unknown = matches!(after, End::Unknown(_));
                ensure(unknown, || {
                    format!("{place}: a step made at most once went on: {after:?}")
                })?;
            } else {
                ensure(after.word() == clean.word(), || {
                    format!("{place}: {after:?} instead of {}", clean.word())
                })?;
            }
        }
    }
    Ok(())
}

/// Walks to the end from a step on, whose `lost`-th answer never comes.
async fn walk(rig: &mut Rig, spot: &Spot, lost: Option<u64>) -> Result<End, String> {
    let stand = rig.stand().await?;
    let (mut drive, people) = at(rig, &stand, spot.action, &spot.step).await?;
    if let Some(nth) = lost {
        let before = (0..nth).map(|_| Fault::None);
        stand.server.faults().next(before.chain([Fault::SilenceAfter]));
    }
    let scope = rig.scope(spot.action);
    let ends = drive.run_from(spot.action, scope, people, &spot.step).await;
    rig.hear(drive);
    ends?.into_iter().next().map(|(_, end)| end).ok_or_else(|| "no end".into())
}
