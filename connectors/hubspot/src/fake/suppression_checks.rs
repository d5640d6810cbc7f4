//! What HubSpot alone does when people are opted out and subscribed again.

use efface_connector::{
    ConnectorError, IdentifierKind, Item, ItemAnswer, Memo, Reply, Scope, Secret, TaskAction,
    fake::{
        Check, Fault, Golden, Stand,
        drive::{Drive, End},
        ensure,
    },
};
use serde_json::{Value, json};

use super::checks::{email, end, person};
use crate::{
    PLUGIN,
    manifest::{RESUBSCRIBE, STATE, UNSUBSCRIBE},
    settings::{LegalBasis, Lift},
    wire::{self, Wire},
};

const ADA: &str = "ada@example.com";
const FURTHER: &str = "countess@example.net";
const SCOPE: Option<Scope> = Some(Scope::Marketing);

pub fn checks() -> Vec<Check> {
    vec![
        Check {
            name: "requests and answers about preferences are those of the documentation",
            run: || Box::pin(async { golden() }),
        },
        Check {
            name: "an unfinished, failed or unknown answer is no opt-out",
            run: || Box::pin(async { doubtful_answers() }),
        },
        Check {
            name: "an opt-out covers every address of the record, and each business unit",
            run: || Box::pin(every_address()),
        },
        Check {
            name: "who is opted out already is left alone, and not subscribed by a lift",
            run: || Box::pin(opted_out_before()),
        },
        Check {
            name: "a lift is offered only with a legal basis and its explanation",
            run: || Box::pin(lift_by_settings()),
        },
        Check {
            name: "a lift gives back what efface ended, and nothing to those who came back or left",
            run: || Box::pin(lifts_only_its_own()),
        },
        Check {
            name: "a lift that leaves the opt-out in place goes to a person",
            run: || Box::pin(opt_out_stays()),
        },
    ]
}

fn golden() -> Result<(), String> {
    let wire = Wire::new("https://api.hubapi.com".into(), Secret::new("k"), "v3");
    let said = |error: ConnectorError| error.to_string();

    let out = Golden::read(include_str!("../../golden/opted-out.json"))?;
    out.matches(&wire.opted_out(ADA, Some(7)))?;
    ensure(wire::read_opted_out(&out.reply()) == Ok(true), "opt-out: not read")?;

    let statuses = Golden::read(include_str!("../../golden/statuses.json"))?;
    statuses.matches(&wire.statuses(ADA, None))?;
    ensure(wire::read_statuses(&statuses.reply()) == Ok(vec![123]), "statuses: not read")?;

    let unsubscribe = Golden::read(include_str!("../../golden/unsubscribe.json"))?;
    unsubscribe.matches(&wire.unsubscribe(ADA, None))?;
    ensure(wire::read_unsubscribed(&unsubscribe.reply()) == Ok(()), "unsubscribe: not read")?;
    ensure(wire::read_opted_out(&unsubscribe.reply()) == Ok(false), "no results: not read")?;

    let resubscribe = Golden::read(include_str!("../../golden/resubscribe.json"))?;
    let lift = Lift {
        legal_basis: LegalBasis::ConsentWithNotice,
        explanation: "objection withdrawn".into(),
    };
    resubscribe.matches(&wire.resubscribe(ADA, 123, &lift).map_err(said)?)?;
    let reply = resubscribe.reply();
    ensure(wire::read_resubscribed(&reply, 123) == Ok(()), "resubscribe: not read")?;
    ensure(wire::read_resubscribed(&reply, 124).is_err(), "another subscription was taken")
}

fn doubtful_answers() -> Result<(), String> {
    for body in [
        json!({ "status": "PENDING", "results": [] }),
        json!({ "status": "PROCESSING", "results": [] }),
        json!({ "status": "CANCELED", "results": [] }),
        json!({ "status": "HIBERNATING", "results": [] }),
        json!({ "status": "COMPLETE", "results": [], "numErrors": 1 }),
        json!({ "status": "COMPLETE", "results": [], "errors": [{ "message": "no" }] }),
        json!({ "status": "COMPLETE", "results": [{ "status": "SUBSCRIBED" }] }),
        json!({ "status": "COMPLETE", "results": [{ "status": "HIBERNATING" }] }),
        json!({ "status": "COMPLETE" }),
    ] {
        let read = wire::read_unsubscribed(&Reply::made_up(200, &[], &body.to_string()));
        ensure(read.is_err(), format!("{body} was taken for an opt-out"))?;
    }
    Ok(())
}

fn opt_outs(stand: &Stand) -> Vec<String> {
    let log = stand.server.log();
    let lines = log.iter().filter(|line| line.method == "POST" && line.path.contains("-all"));
    lines.map(|line| line.path.clone()).collect()
}

async fn suppress(stand: &Stand, person: Item) -> Result<Memo, String> {
    match end(stand, TaskAction::Suppress, person).await? {
        End::Confirmed { prior: Some(prior), .. } => Ok(prior),
        other => Err(format!("suppress: {other:?}")),
    }
}

async fn every_address() -> Result<(), String> {
    let units = |settings: &mut Value| settings["business_units"] = json!([0, 7]);
    let stand = Stand::with(&PLUGIN, units).await?;
    stand.fake().put(&[email(ADA), email(FURTHER)]);
    suppress(&stand, person(1, &[ADA])?).await?;
    let paths = opt_outs(&stand);
    let count = |part: &str| paths.iter().filter(|path| path.contains(part)).count();
    ensure(paths.len() == 4 && count("countess") == 2, format!("{paths:?}"))?;
    ensure(count("businessUnitId=0") == 2 && count("businessUnitId=7") == 2, format!("{paths:?}"))?;

    let absent = end(&stand, TaskAction::Suppress, person(2, &["x@example.org"])?).await?;
    ensure(matches!(absent, End::NothingFound { .. }), format!("{absent:?}"))?;
    ensure(opt_outs(&stand).len() == 4, "a stranger was opted out")
}

async fn opted_out_before() -> Result<(), String> {
    let stand = Stand::start(&PLUGIN).await?;
    stand.fake().put(&[email(ADA)]);
    suppress(&stand, person(1, &[ADA])?).await?;
    let second = suppress(&stand, person(1, &[ADA])?).await?;
    ensure(opt_outs(&stand).len() == 1, "opted out twice")?;
    let lifted = Item { prior: Some(second), ..person(1, &[ADA])? };
    let none = end(&stand, TaskAction::Lift, lifted).await?;
    ensure(matches!(none, End::NothingFound { .. }), format!("{none:?}"))
}

async fn lift_by_settings() -> Result<(), String> {
    let without = |settings: &mut Value| {
        if let Some(table) = settings.as_object_mut() {
            table.remove("lift_legal_basis");
            table.remove("lift_explanation");
        }
    };
    let stand = Stand::with(&PLUGIN, without).await?;
    let lifts =
        |stand: &Stand| stand.build().map(|b| b.manifest.action(TaskAction::Lift).is_some());
    ensure(lifts(&stand) == Ok(false), "a lift is offered without a legal basis")?;
    let stand = Stand::start(&PLUGIN).await?;
    ensure(lifts(&stand) == Ok(true), "no lift is offered")
}

async fn lifts_only_its_own() -> Result<(), String> {
    let stand = Stand::start(&PLUGIN).await?;
    stand.fake().put(&[email(ADA)]);
    let prior = suppress(&stand, person(1, &[ADA])?).await?;
    let lifted = || Ok::<_, String>(Item { prior: Some(prior.clone()), ..person(1, &[ADA])? });
    let ended = end(&stand, TaskAction::Lift, lifted()?).await?;
    ensure(matches!(ended, End::Confirmed { .. }), format!("{ended:?}"))?;
    let log = stand.server.log();
    let given: Vec<&str> = log
        .iter()
        .filter(|line| line.body.contains("SUBSCRIBED"))
        .map(|line| line.body.as_str())
        .collect();
    ensure(given.len() == 1 && given[0].contains("101"), format!("{given:?}"))?;

    // back by themselves: nothing is left to give
    let ended = end(&stand, TaskAction::Lift, lifted()?).await?;
    ensure(matches!(ended, End::NothingFound { .. }), format!("came back: {ended:?}"))?;

    suppress(&stand, person(1, &[ADA])?).await?;
    end(&stand, TaskAction::Erase, person(1, &[ADA])?).await?;
    let ended = end(&stand, TaskAction::Lift, lifted()?).await?;
    ensure(matches!(ended, End::NothingFound { .. }), format!("erased since: {ended:?}"))?;
    ensure(!stand.fake().holds(&IdentifierKind::Email, ADA), "a lift made a record")
}

async fn opt_out_stays() -> Result<(), String> {
    let stand = Stand::start(&PLUGIN).await?;
    stand.fake().put(&[email(ADA)]);
    let prior = suppress(&stand, person(1, &[ADA])?).await?;
    let person = Item { prior: Some(prior), ..person(1, &[ADA])? };
    let mut drive = Drive::new(&stand)?;
    let there = drive.until(TaskAction::Lift, SCOPE, vec![person], &RESUBSCRIBE).await?;
    let still = json!({ "status": "COMPLETE", "results": [{ "status": "UNSUBSCRIBED" }] });
    let still = Fault::Reply { status: 200, headers: vec![], body: still.to_string() };
    stand.server.faults().next([Fault::None, still]);
    let sent = drive.send(TaskAction::Lift, SCOPE, &RESUBSCRIBE, there).await?;
    let items = sent.outcome.map_err(|e| e.to_string())?.items;
    let to_a_person =
        matches!(items[..], [(_, ItemAnswer::Failed(ConnectorError::NeedsPerson(_)))]);
    ensure(to_a_person, format!("{items:?}"))?;

    // and a word nobody knows is success at no step
    for step in [&STATE, &UNSUBSCRIBE] {
        let stand = Stand::start(&PLUGIN).await?;
        stand.fake().put(&[email(ADA)]);
        let mut drive = Drive::new(&stand)?;
        let ada = super::checks::person(1, &[ADA])?;
        let there = drive.until(TaskAction::Suppress, SCOPE, vec![ada], step).await?;
        stand.server.tune(|tuning| tuning.unknown_status_word = true);
        let sent = drive.send(TaskAction::Suppress, SCOPE, step, there).await?;
        let unknown = matches!(sent.outcome, Err(ConnectorError::Unknown { .. }));
        ensure(unknown, format!("{step}: {:?}", sent.outcome))?;
    }
    Ok(())
}
