//! How each action ends: for those who are there, for those who are not, and for both at once.

use efface_connector::{
    ActionCard, EvidenceLevel, SideEffect, TaskAction,
    fake::drive::{Drive, End},
};

use super::{Broken, Kept, ensure, not_applicable, rig::Rig};

/// The actions that change something.
pub(super) const CHANGING: [TaskAction; 4] =
    [TaskAction::Erase, TaskAction::EraseAndSuppress, TaskAction::Suppress, TaskAction::Lift];

pub(super) async fn run(rig: &mut Rig) {
    let offered: Vec<TaskAction> =
        CHANGING.into_iter().filter(|action| rig.manifest.action(*action).is_some()).collect();
    for action in &offered {
        let kept = ends_well(rig, *action).await;
        rig.note(format!("{action}"), format!("{action} ends well, and the vendor agrees"), kept);
        let kept = absent(rig, *action).await;
        rig.note(
            format!("{action}-absent"),
            format!("{action} of a stranger finds nobody and makes nobody"),
            kept,
        );
        let kept = batch(rig, *action).await;
        rig.note(
            format!("{action}-batch"),
            format!("{action}: a stranger among others spoils nobody"),
            kept,
        );
    }
    let kept = as_typed(rig).await;
    rig.note("as-typed", "an address the vendor holds as it was typed is found", kept);
    let kept = erase_again(rig).await;
    rig.note("erase-again", "a second erasure of the same person ends well", kept);
}

/// Whether a promise can be the end: nothing better is on the card, or a look-up comes after.
fn may_promise(card: &ActionCard) -> bool {
    !card.highest.reaches(EvidenceLevel::Confirmed) || card.verified_by_look_up
}

fn done(end: &End, card: &ActionCard) -> Kept {
    match end {
        End::Confirmed { .. } => Ok(()),
        End::Promised { .. } if may_promise(card) => Ok(()),
        other => Err(Broken::By(format!("it ended as {other:?}"))),
    }
}

/// A stranger is not found, or only told of; where a call makes the record, it also ends well.
fn strange(end: &End, card: &ActionCard) -> Kept {
    let makes = card.side_effects.contains(&SideEffect::CreatesRecordWhenAbsent);
    match end {
        End::NothingFound { .. } => Ok(()),
        End::Promised { .. } if may_promise(card) => Ok(()),
        End::Confirmed { .. } if makes => Ok(()),
        other => Err(Broken::By(format!("the stranger ended as {other:?}"))),
    }
}

async fn ends_well(rig: &mut Rig, action: TaskAction) -> Kept {
    let card = rig.manifest.action(action).ok_or("no card")?.clone();
    let stand = rig.stand().await?;
    let person = rig.ready(&stand, action, 1).await?;
    let end = rig.drive_one(&stand, action, person).await?;
    done(&end, &card)?;
    if action.erases() {
        ensure(!rig.held(&stand, 1)?, || "the vendor still holds the person".into())?;
    }
    if matches!(action, TaskAction::Suppress | TaskAction::EraseAndSuppress) {
        ensure(rig.suppressed(&stand, 1)?, || "the vendor does not suppress the person".into())?;
    }
    if action == TaskAction::Lift {
        ensure(!rig.suppressed(&stand, 1)?, || "the vendor still suppresses the person".into())?;
    }
    Ok(())
}

async fn absent(rig: &mut Rig, action: TaskAction) -> Kept {
    let card = rig.manifest.action(action).ok_or("no card")?.clone();
    let stand = rig.stand().await?;
    let person = rig.person(7)?;
    let end = rig.drive_one(&stand, action, person).await?;
    strange(&end, &card)?;
    let makes = card.side_effects.contains(&SideEffect::CreatesRecordWhenAbsent);
    let people = stand.fake().people();
    ensure(people == 0 || makes, || format!("{people} records were made"))
}

/// Two who are there around one who is not.
async fn batch(rig: &mut Rig, action: TaskAction) -> Kept {
    let card = rig.manifest.action(action).ok_or("no card")?.clone();
    if card.steps.iter().all(|step| step.batch_items == 1) {
        return not_applicable("every call takes one person");
    }
    let stand = rig.stand().await?;
    let first = rig.ready(&stand, action, 1).await?;
    let last = rig.ready(&stand, action, 3).await?;
    let ends = rig.drive(&stand, action, vec![first.clone(), rig.person(2)?, last.clone()]).await?;
    ensure(ends.len() == 3, || format!("{} ends for three people", ends.len()))?;
    for (id, end) in &ends {
        if *id == first.id || *id == last.id {
            done(end, &card)?;
        } else {
            strange(end, &card)?;
        }
    }
    if action.erases() {
        ensure(!rig.held(&stand, 1)? && !rig.held(&stand, 3)?, || "somebody was left".into())?;
    }
    Ok(())
}

/// The suite's people are typed with capitals; here the vendor holds them so.
async fn as_typed(rig: &mut Rig) -> Kept {
    let Some(card) = rig.manifest.action(TaskAction::Erase).cloned() else {
        return not_applicable("it does not erase");
    };
    let stand = rig.stand().await?;
    stand.fake().put(&rig.typed(1));
    let person = rig.person(1)?;
    let end = rig.drive_one(&stand, TaskAction::Erase, person).await?;
    done(&end, &card)?;
    let left = stand.fake().people();
    ensure(left == 0, || format!("{left} people are left"))
}

async fn erase_again(rig: &mut Rig) -> Kept {
    let Some(card) = rig.manifest.action(TaskAction::Erase).cloned() else {
        return not_applicable("it does not erase");
    };
    let stand = rig.stand().await?;
    rig.put(&stand, 1)?;
    let mut drive = Drive::new(&stand)?;
    for round in 0..2 {
        let ends = drive.run(TaskAction::Erase, None, vec![rig.person(1)?]).await?;
        let end = ends.first().map(|(_, end)| end).ok_or("no end")?;
        let again = round == 1 && matches!(end, End::NothingFound { .. });
        if !again {
            done(end, &card)?;
        }
    }
    rig.hear(drive);
    ensure(!rig.held(&stand, 1)?, || "the vendor holds the person".into())
}
