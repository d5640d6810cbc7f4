//! What Mailchimp alone does, beside the suite that all vendors share.

use efface_connector::{
    ConnectorError, IdentifierKind, Item, ItemAnswer, Scope, Secret, TaskAction,
    fake::{
        Check, Fault, Golden, Stand,
        drive::{Drive, End},
        ensure, item,
    },
};
use serde_json::json;

use crate::{
    PLUGIN,
    manifest::{DELETE, FIND, INVITE, UNSUBSCRIBE},
    settings::Settings,
    walk::hash,
    wire::{self, Changed, Wire},
};

const EMAIL: &str = "ada@example.com";
const AUDIENCE: &str = "a1b2c3d4e5";

pub fn checks() -> Vec<Check> {
    vec![
        Check {
            name: "requests and answers are those of the documentation",
            run: || Box::pin(async { golden() }),
        },
        Check {
            name: "the data centre comes from the key, and from nowhere else than a data centre",
            run: || Box::pin(async { data_center() }),
        },
        Check {
            name: "a 403 without a report is a busy vendor, not a refused key",
            run: || Box::pin(bare_403()),
        },
        Check {
            name: "a delete refused with 405 counts only when the member is gone",
            run: || Box::pin(refused_with_405()),
        },
        Check {
            name: "an answer that shows another status is no suppression",
            run: || Box::pin(another_status()),
        },
        Check {
            name: "a suppression never makes a record and keeps the status before",
            run: || Box::pin(suppression_and_lift()),
        },
        Check {
            name: "a lift leaves alone who was unsubscribed before, or came back since",
            run: || Box::pin(lifts_only_its_own()),
        },
    ]
}

fn ada() -> Result<Item, String> {
    item(1, &[(IdentifierKind::Email, "Ada@Example.com")])
}

async fn stand_with_ada() -> Result<Stand, String> {
    let stand = Stand::start(&PLUGIN).await?;
    stand.fake().put(&[(IdentifierKind::Email, EMAIL.to_owned())]);
    Ok(stand)
}

async fn end(stand: &Stand, action: TaskAction, person: Item) -> Result<End, String> {
    let scope = (action != TaskAction::Erase).then_some(Scope::Marketing);
    let ends = Drive::new(stand)?.run(action, scope, vec![person]).await?;
    ends.into_iter().next().map(|(_, end)| end).ok_or_else(|| "no end".into())
}

fn golden() -> Result<(), String> {
    let wire = Wire::new("https://us1.api.mailchimp.com".into(), Secret::new("k-us1"));
    let hash = hash(EMAIL);
    let said = |error: ConnectorError| error.to_string();

    let find = Golden::read(include_str!("../../golden/find.json"))?;
    find.matches(&wire.member(AUDIENCE, &hash))?;
    ensure(wire::read_member(&find.reply()) == Ok(Some("subscribed".into())), "find: not read")?;

    let members = Golden::read(include_str!("../../golden/members.json"))?;
    members.matches(&wire.members(AUDIENCE, 1000))?;
    let page = wire::read_members(&members.reply()).map_err(said)?;
    ensure(page.members.len() == 1 && page.total_items == 1001, "members: not read")?;

    let delete = Golden::read(include_str!("../../golden/delete.json"))?;
    delete.matches(&wire.delete(AUDIENCE, &hash))?;
    ensure(wire::read_deleted(&delete.reply()) == Ok(Changed::Done), "delete: not read")?;

    let gone = Golden::read(include_str!("../../golden/not-found.json"))?;
    ensure(wire::read_deleted(&gone.reply()) == Ok(Changed::NotThere), "not found: not read")?;

    let unsubscribe = Golden::read(include_str!("../../golden/unsubscribe.json"))?;
    unsubscribe.matches(&wire.set_status(AUDIENCE, &hash, "unsubscribed").map_err(said)?)?;
    let read = wire::read_set(&unsubscribe.reply(), "unsubscribed");
    ensure(read == Ok(Changed::Done), "unsubscribe: not read")?;

    let invite = Golden::read(include_str!("../../golden/invite.json"))?;
    invite.matches(&wire.set_status(AUDIENCE, &hash, "pending").map_err(said)?)?;
    let read = wire::read_set(&invite.reply(), "pending");
    ensure(
        read == Err(ConnectorError::permanent("member_in_compliance_state")),
        "a refused invitation: not read",
    )?;

    let account = Golden::read(include_str!("../../golden/account.json"))?;
    account.matches(&wire.account())?;
    let read = wire::read_account(&account.reply()).map_err(said)?;
    ensure(read.account_id == "8d3a3db4d97663a9074efcc16", "account: not read")
}

fn data_center() -> Result<(), String> {
    for (settings, want) in [
        (
            json!({ "api_key": "abc-us19", "audiences": ["a1"] }),
            Some("https://us19.api.mailchimp.com"),
        ),
        (
            json!({ "api_key": "abc", "data_center": "us2", "audiences": ["a1"] }),
            Some("https://us2.api.mailchimp.com"),
        ),
        (json!({ "api_key": "abc", "audiences": ["a1"] }), None),
        (json!({ "api_key": "abc-evil.example/us1", "audiences": ["a1"] }), None),
        (json!({ "api_key": "abc-us", "audiences": ["a1"] }), None),
        (json!({ "api_key": "abc-us1", "audiences": [] }), None),
        (json!({ "api_key": "abc-us1", "audiences": ["a/../b"] }), None),
    ] {
        let base = Settings::read(&settings).and_then(|s| s.base(None)).ok();
        ensure(base.as_deref() == want, format!("{want:?} became {base:?}"))?;
    }
    Ok(())
}

async fn bare_403() -> Result<(), String> {
    let stand = stand_with_ada().await?;
    let mut drive = Drive::new(&stand)?;
    let there = drive.until(TaskAction::Erase, None, vec![ada()?], &DELETE).await?;
    stand.server.faults().next([Fault::status(403)]);
    let sent = drive.send(TaskAction::Erase, None, &DELETE, there).await?;
    let busy = matches!(sent.outcome, Err(ConnectorError::Retryable { retry_after: Some(_), .. }));
    ensure(busy, format!("{:?}", sent.outcome))
}

async fn refused_with_405() -> Result<(), String> {
    let refusal = || Fault::Reply { status: 405, headers: vec![], body: "{}".into() };
    for (gone, want) in [(false, "failed"), (true, "confirmed")] {
        let stand = stand_with_ada().await?;
        let mut drive = Drive::new(&stand)?;
        let there = drive.until(TaskAction::Erase, None, vec![ada()?], &DELETE).await?;
        if gone {
            // an order whose answer was lost has deleted both memberships before
            end(&stand, TaskAction::Erase, ada()?).await?;
        }
        stand.server.faults().next([refusal()]);
        let sent = drive.send(TaskAction::Erase, None, &DELETE, there).await?;
        let answer = sent.outcome.map_err(|e| e.to_string())?.items;
        let word = match answer.first().map(|(_, answer)| answer) {
            Some(ItemAnswer::Failed(_)) => "failed",
            Some(ItemAnswer::Confirmed(_) | ItemAnswer::Next { .. }) => "confirmed",
            _ => "something else",
        };
        ensure(word == want, format!("gone {gone}: {answer:?}"))?;
    }
    Ok(())
}

async fn another_status() -> Result<(), String> {
    for (action, step) in [(TaskAction::Suppress, &UNSUBSCRIBE), (TaskAction::Suppress, &FIND)] {
        let stand = stand_with_ada().await?;
        let mut drive = Drive::new(&stand)?;
        let scope = Some(Scope::Marketing);
        let there = drive.until(action, scope, vec![ada()?], step).await?;
        stand.server.tune(|tuning| tuning.unknown_status_word = true);
        let sent = drive.send(action, scope, step, there).await?;
        let failed = match &sent.outcome {
            Err(ConnectorError::Unknown { .. }) => true,
            Ok(answer) => matches!(answer.items[..], [(_, ItemAnswer::Failed(_))]),
            Err(_) => false,
        };
        ensure(failed, format!("{step}: {:?}", sent.outcome))?;
    }
    Ok(())
}

async fn suppression_and_lift() -> Result<(), String> {
    let stand = Stand::start(&PLUGIN).await?;
    let absent = end(&stand, TaskAction::Suppress, ada()?).await?;
    ensure(matches!(absent, End::NothingFound { .. }), format!("{absent:?}"))?;
    ensure(stand.fake().people() == 0, "a record was made in order to suppress")?;

    let stand = stand_with_ada().await?;
    let End::Confirmed { prior: Some(prior), .. } =
        end(&stand, TaskAction::Suppress, ada()?).await?
    else {
        return Err("no prior was kept".into());
    };
    let lifted = Item { prior: Some(prior), ..ada()? };
    let lifted = end(&stand, TaskAction::Lift, lifted).await?;
    ensure(matches!(lifted, End::Confirmed { .. }), format!("{lifted:?}"))?;
    let statuses: Vec<String> = stand
        .server
        .log()
        .iter()
        .filter(|line| line.method == "PATCH")
        .map(|line| line.body.clone())
        .collect();
    let count = |status: &str| statuses.iter().filter(|body| body.contains(status)).count();
    ensure(count("unsubscribed") == 2 && count("pending") == 2, format!("{statuses:?}"))?;
    ensure(count("\"subscribed\"") == 0, "a lift subscribed somebody")
}

async fn lifts_only_its_own() -> Result<(), String> {
    let stand = stand_with_ada().await?;
    let first = end(&stand, TaskAction::Suppress, ada()?).await?;
    let second = end(&stand, TaskAction::Suppress, ada()?).await?;
    let (End::Confirmed { prior: Some(first), .. }, End::Confirmed { prior: Some(second), .. }) =
        (first, second)
    else {
        return Err("no prior was kept".into());
    };
    let none = end(&stand, TaskAction::Lift, Item { prior: Some(second), ..ada()? }).await?;
    ensure(matches!(none, End::NothingFound { .. }), format!("unsubscribed before: {none:?}"))?;

    stand.fake().put(&[(IdentifierKind::Email, EMAIL.to_owned())]);
    let back = end(&stand, TaskAction::Lift, Item { prior: Some(first), ..ada()? }).await?;
    ensure(matches!(back, End::NothingFound { .. }), format!("came back: {back:?}"))?;
    let invited = stand.server.log().iter().any(|line| line.body.contains("pending"));
    ensure(!invited, format!("{INVITE} went out"))
}
