//! Look-ups and probes: seeing what is there, and never more than was seen.

use efface_connector::{
    Call, Connector, ConnectorError, Evidence, Item, ItemId, NeedsPerson, Presence, Secret,
    TaskAction,
    fake::{
        Fault, KEY, Stand,
        drive::{Drive, START},
    },
};

use super::{
    Broken, Kept, ensure,
    faults::{limits, refusal, reply},
    not_applicable,
    rig::Rig,
};

type Seen = Result<Vec<(ItemId, Presence, Evidence)>, ConnectorError>;

pub(super) async fn run(rig: &mut Rig) {
    let kept = probe(rig).await;
    rig.note("probe", "a probe tells who we are, and a refused key from a working one", kept);
    let kept = sees(rig).await;
    rig.note("look-up", "a look-up sees who is there and who is not", kept);
    let kept = erased(rig).await;
    rig.note(
        "look-up-erased",
        "after an erasure a look-up sees nobody, unless the vendor lied",
        kept,
    );
    let kept = faults(rig).await;
    rig.note("look-up-faults", "a look-up that goes wrong never sees an absence", kept);
}

async fn probe(rig: &mut Rig) -> Kept {
    let stand = rig.stand().await?;
    let connector = connector(&stand)?;
    let call = Call::new(&stand.http, START);
    let first = connector.probe(&call).await.map_err(|e| format!("probe: {e}"))?;
    let second = connector.probe(&call).await.map_err(|e| format!("probe: {e}"))?;
    hear(rig, &call, &first);
    ensure(first.account_id == second.account_id, || "it answers as two accounts".into())?;
    ensure(first.key_name == second.key_name, || "its key has two names".into())?;
    let secret = |name: &Secret| name.expose().contains(KEY);
    ensure(!first.key_name.as_ref().is_some_and(secret), || "its key's name is the key".into())?;
    for (fault, refused) in [
        (refusal(rig, 401), true),
        (reply(200, "<html>welcome</html>"), false),
        (Fault::status(500), false),
    ] {
        stand.server.faults().always(Some(fault));
        let outcome = connector.probe(&call).await;
        hear(rig, &call, &outcome);
        let as_wanted = match &outcome {
            Err(ConnectorError::NeedsPerson(NeedsPerson::CredentialsRefused { .. })) => refused,
            Err(_) => !refused,
            Ok(_) => false,
        };
        ensure(as_wanted, || format!("{outcome:?}"))?;
    }
    Ok(())
}

async fn sees(rig: &mut Rig) -> Kept {
    let Some(card) = rig.manifest.look_up.clone() else {
        return not_applicable("it offers no look-up");
    };
    let stand = rig.stand().await?;
    rig.put(&stand, 1)?;
    let mut people = vec![rig.person(1)?, rig.person(2)?];
    if card.batch_items >= 3 {
        rig.put(&stand, 3)?;
        people.push(rig.person(3)?);
    }
    let mut seen = vec![];
    for group in people.chunks(usize::try_from(card.batch_items).unwrap_or(usize::MAX)) {
        let outcome = look(rig, &stand, group).await?;
        seen.extend(outcome.map_err(|e| format!("look_up: {e}"))?);
    }
    ensure(seen.len() == people.len(), || format!("{} answers", seen.len()))?;
    for (n, person) in people.iter().enumerate() {
        let presence = seen.iter().find(|(id, _, _)| *id == person.id).map(|(_, p, _)| p);
        let right = match presence {
            Some(Presence::Present { records, matched_by }) => {
                n != 1 && *records > 0 && !matched_by.is_empty()
            }
            Some(Presence::Absent) => n == 1,
            Some(Presence::Ambiguous { .. } | Presence::CannotTell) | None => false,
        };
        ensure(right, || format!("person {}: {presence:?}", n + 1))?;
    }
    Ok(())
}

async fn erased(rig: &mut Rig) -> Kept {
    let verifies = |card: &efface_connector::ActionCard| card.verified_by_look_up;
    if !rig.manifest.action(TaskAction::Erase).is_some_and(verifies) {
        return not_applicable("no look-up verifies an erasure");
    }
    for lies in [false, true] {
        let stand = rig.stand().await?;
        rig.put(&stand, 1)?;
        if lies {
            let normal = rig.person(1)?.identifiers;
            let normal: Vec<String> = normal.iter().map(|i| i.normal.expose().to_owned()).collect();
            stand.server.tune(|tuning| tuning.lies_about = normal);
        }
        let person = rig.person(1)?;
        rig.drive(&stand, TaskAction::Erase, vec![person]).await?;
        let person = rig.person(1)?;
        let seen = look(rig, &stand, &[person]).await?.map_err(|e| format!("look_up: {e}"))?;
        let presence = seen.first().map(|(_, presence, _)| presence);
        let right = match presence {
            Some(Presence::Absent) => !lies,
            Some(Presence::Present { .. }) => lies,
            Some(Presence::Ambiguous { .. } | Presence::CannotTell) | None => false,
        };
        ensure(right, || format!("with a vendor that lies ({lies}): {presence:?}"))?;
    }
    Ok(())
}

async fn faults(rig: &mut Rig) -> Kept {
    if rig.manifest.look_up.is_none() {
        return not_applicable("it offers no look-up");
    }
    let mut cases = vec![
        refusal(rig, 401),
        refusal(rig, 403),
        Fault::status(500),
        Fault::BreakAfter,
        Fault::GarbageAfter,
        Fault::SilenceAfter,
        reply(404, "<html>nothing here</html>"),
        reply(400, "{}"),
    ];
    cases.extend(limits(START));
    for fault in cases {
        let stand = rig.stand().await?;
        rig.put(&stand, 1)?;
        stand.server.faults().always(Some(fault.clone()));
        let person = rig.person(1)?;
        let seen = look(rig, &stand, &[person]).await?;
        no_absence(&seen, &format!("{fault:?}"))?;
    }
    let stand = rig.stand().await?;
    if stand.fake().lose_place() {
        let person = rig.person(1)?;
        let seen = look(rig, &stand, &[person]).await?;
        no_absence(&seen, "project or list lost")?;
    }
    Ok(())
}

fn no_absence(seen: &Seen, place: &str) -> Kept {
    let Ok(all) = seen else { return Ok(()) };
    let cannot_tell = all.iter().all(|(_, presence, _)| *presence == Presence::CannotTell);
    if cannot_tell { Ok(()) } else { Err(Broken::By(format!("{place}: {seen:?}"))) }
}

fn connector(stand: &Stand) -> Result<Box<dyn Connector>, String> {
    Drive::new(stand)?.connector()
}

async fn look(rig: &mut Rig, stand: &Stand, people: &[Item]) -> Result<Seen, String> {
    let connector = connector(stand)?;
    let call = Call::new(&stand.http, START);
    let seen = connector.look_up(&call, people).await;
    hear(rig, &call, &seen);
    Ok(seen)
}

fn hear(rig: &mut Rig, call: &Call<'_>, told: &impl std::fmt::Debug) {
    rig.told.push(format!("{told:?}"));
    rig.told.push(format!("{:?}", call.take_exchanges()));
}
