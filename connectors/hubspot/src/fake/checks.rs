//! What HubSpot alone does when people are found and erased, beside the suite that all vendors share.

use std::time::Duration;

use efface_connector::{
    Answer, Call, ConnectorError, IdentifierKind, Item, ItemAnswer, Presence, Reply, Secret,
    SettingsError, TaskAction, Timestamp,
    fake::{
        Check, Fault, Golden, Stand,
        drive::{Drive, End, START},
        ensure, item,
    },
};
use serde_json::{Value, json};

use crate::{
    PLUGIN,
    manifest::{DELETE, FIND, record_id},
    settings::Settings,
    wire::{self, Deleted, Search, Wire},
};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";

pub fn checks() -> Vec<Check> {
    vec![
        Check {
            name: "requests and answers about contacts are those of the documentation",
            run: || Box::pin(async { golden() }),
        },
        Check {
            name: "settings that make no sense are refused by name",
            run: || Box::pin(async { settings() }),
        },
        Check {
            name: "a stranger is never put on the blocklist, however alike others look",
            run: || Box::pin(strangers()),
        },
        Check {
            name: "a deletion names the record id, never an address",
            run: || Box::pin(by_record_id()),
        },
        Check {
            name: "a person picks among several records, unless all are wanted",
            run: || Box::pin(several_records()),
        },
        Check {
            name: "a record with another main address is not taken for the person's unasked",
            run: || Box::pin(further_address()),
        },
        Check {
            name: "a record that answers to two people of an order is nobody's to delete",
            run: || Box::pin(two_people()),
        },
        Check {
            name: "a record that was merged is found by its old id",
            run: || Box::pin(merged()),
        },
        Check {
            name: "a 404 to a deletion counts only when the search finds nothing either",
            run: || Box::pin(not_there()),
        },
        Check {
            name: "a deletion is a promise until the purge is over",
            run: || Box::pin(promise()),
        },
        Check {
            name: "a search stays below the vendor's limits",
            run: || Box::pin(async { short_searches() }),
        },
        Check {
            name: "a spent day, ten crowded seconds and a crowded second are told apart",
            run: || Box::pin(async { limits() }),
        },
    ]
}

pub fn email(text: &str) -> (IdentifierKind, String) {
    (IdentifierKind::Email, text.to_owned())
}

pub fn person(n: u32, addresses: &[&str]) -> Result<Item, String> {
    let all: Vec<_> = addresses.iter().map(|text| (IdentifierKind::Email, *text)).collect();
    item(n, &all)
}

pub async fn end(stand: &Stand, action: TaskAction, person: Item) -> Result<End, String> {
    let scope = (action != TaskAction::Erase).then_some(efface_connector::Scope::Marketing);
    let ends = Drive::new(stand)?.run(action, scope, vec![person]).await?;
    ends.into_iter().next().map(|(_, end)| end).ok_or_else(|| "no end".into())
}

/// What the search says of people.
async fn found(stand: &Stand, people: Vec<Item>) -> Result<Answer, String> {
    let sent = Drive::new(stand)?.send(TaskAction::Erase, None, &FIND, people).await?;
    sent.outcome.map_err(|e| e.to_string())
}

fn deletions(stand: &Stand) -> Vec<String> {
    let log = stand.server.log();
    let lines = log.iter().filter(|line| line.path.ends_with("/gdpr-delete"));
    lines.map(|line| line.body.clone()).collect()
}

fn golden() -> Result<(), String> {
    let base = "https://api.hubapi.com";
    let wire = Wire::new(base.into(), Secret::new("k"), "v3");
    let said = |error: ConnectorError| error.to_string();
    let only = |searches: Vec<Search>| match <[Search; 1]>::try_from(searches) {
        Ok([search]) => Ok(search),
        Err(searches) => Err(format!("{} searches", searches.len())),
    };

    let search = Golden::read(include_str!("../../golden/search.json"))?;
    let exact = only(Search::exact(&[ADA.into()], &["430001".into()]))?;
    search.matches(&wire.search(&exact, "0").map_err(said)?)?;
    let (records, next) = wire::read_page(&search.reply()).map_err(said)?;
    let addresses: Vec<&String> = records.iter().flat_map(|r| r.addresses()).collect();
    let want = [ADA, "ada.lovelace@example.org", "countess@example.net"];
    ensure(addresses == want && next.as_deref() == Some("100"), "search: not read")?;

    let further = Golden::read(include_str!("../../golden/search-further.json"))?;
    let token = only(Search::further(&[ADA.into()]))?;
    further.matches(&wire.search(&token, "0").map_err(said)?)?;
    let (records, next) = wire::read_page(&further.reply()).map_err(said)?;
    ensure(records.is_empty() && next.is_none(), "nobody: not read")?;

    let record = Golden::read(include_str!("../../golden/record.json"))?;
    record.matches(&wire.record("430000"))?;
    let read = wire::read_record(&record.reply()).map_err(said)?;
    ensure(read.is_some_and(|r| r.id == "430001" && r.further.is_empty()), "record: not read")?;

    let list = Golden::read(include_str!("../../golden/list.json"))?;
    list.matches(&wire.list(Some("430002")))?;
    let (records, next) = wire::read_list(&list.reply()).map_err(said)?;
    let addresses = records.iter().flat_map(|r| r.addresses()).count();
    ensure(addresses == 2 && next.as_deref() == Some("430003"), "list: not read")?;

    let delete = Golden::read(include_str!("../../golden/delete.json"))?;
    delete.matches(&wire.delete("430001").map_err(said)?)?;
    ensure(wire::read_deleted(&delete.reply()) == Ok(Deleted::TakenOn), "delete: not read")?;

    let gone = Golden::read(include_str!("../../golden/not-found.json"))?;
    ensure(wire::read_deleted(&gone.reply()) == Ok(Deleted::NotThere), "not found: not read")?;

    let account = Golden::read(include_str!("../../golden/account.json"))?;
    account.matches(&wire.account())?;
    ensure(wire::read_account(&account.reply()) == Ok(123_456), "account: not read")?;

    let dated = Wire::new(base.into(), Secret::new("k"), "2026-03");
    let path = |request: efface_connector::Request| request.url().map(|url| url.path().to_owned());
    let delete = dated.delete("1").and_then(path).map_err(said)?;
    ensure(delete == "/crm/objects/2026-03/contacts/gdpr-delete", delete)?;
    let state = path(dated.opted_out("a", None)).map_err(said)?;
    ensure(state == "/communication-preferences/2026-03/statuses/a/unsubscribe-all", state)
}

fn settings() -> Result<(), String> {
    for (more, key) in [
        (json!({}), None),
        (json!({ "api_version": "2026-09" }), None),
        (json!({ "api_version": "v3/../v1" }), Some("api_version")),
        (json!({ "purge_days": 29 }), Some("purge_days")),
        (json!({ "lift_legal_basis": "NON_GDPR" }), Some("lift_explanation")),
        (json!({ "lift_explanation": "asked" }), Some("lift_legal_basis")),
        (
            json!({ "lift_legal_basis": "NON_GDPR", "lift_explanation": " " }),
            Some("lift_explanation"),
        ),
    ] {
        let mut table = json!({ "access_token": "k" });
        if let (Some(table), Some(more)) = (table.as_object_mut(), more.as_object()) {
            table.extend(more.clone());
        }
        let refused = Settings::read(&table).err().map(|SettingsError { key, .. }| key);
        ensure(refused.as_deref() == key, format!("{key:?} became {refused:?}"))?;
    }
    Ok(())
}

async fn strangers() -> Result<(), String> {
    let stand = Stand::start(&PLUGIN).await?;
    for n in 0..8 {
        let [main, further] = [format!("m{n}@example.org"), format!("f{n}@example.com")];
        stand.fake().put(&[email(&main), email(&further)]);
    }
    let ended = end(&stand, TaskAction::Erase, person(1, &[ADA])?).await?;
    ensure(matches!(ended, End::NothingFound { .. }), format!("{ended:?}"))?;
    ensure(deletions(&stand).is_empty(), "a stranger was deleted")?;
    ensure(!stand.fake().suppresses(&IdentifierKind::Email, ADA), "a stranger was blocked")?;
    ensure(stand.fake().people() == 8, "somebody who only looks alike is gone")
}

async fn by_record_id() -> Result<(), String> {
    let stand = Stand::start(&PLUGIN).await?;
    stand.fake().put(&[email(ADA), (record_id(), "430001".into())]);
    end(&stand, TaskAction::Erase, person(1, &["Ada@Example.com"])?).await?;
    let bodies: Vec<Value> =
        deletions(&stand).iter().filter_map(|b| serde_json::from_str(b).ok()).collect();
    ensure(bodies == [json!({ "objectId": "430001" })], format!("{bodies:?}"))
}

async fn several_records() -> Result<(), String> {
    let both = || person(1, &[ADA, BOB]);
    let stand = Stand::start(&PLUGIN).await?;
    stand.fake().put(&[email(ADA)]);
    stand.fake().put(&[email(BOB)]);
    let answer = found(&stand, vec![both()?]).await?;
    let Some((_, ItemAnswer::Choose { candidates, .. })) = answer.items.into_iter().next() else {
        return Err("nobody was asked".into());
    };
    let labels: Vec<&str> = candidates.iter().map(|c| c.label.as_str()).collect();
    ensure(labels.len() == 3 && labels[2] == "all 2 records", format!("{labels:?}"))?;
    let tells = labels.iter().any(|label| label.contains(ADA) || label.contains(BOB));
    ensure(!tells && labels[0].contains("a…@e….com"), format!("{labels:?}"))?;
    ensure(deletions(&stand).is_empty(), "deleted before a person chose")?;

    let picked = Item { memo: Some(candidates[0].memo.clone()), ..both()? };
    let mut drive = Drive::new(&stand)?;
    drive.run_from(TaskAction::Erase, None, vec![picked], &candidates[0].step).await?;
    let holds = |address| stand.fake().holds(&IdentifierKind::Email, address);
    ensure(!holds(ADA) && holds(BOB), "not just the record that was picked is gone")?;

    let all = |settings: &mut Value| settings["several_records"] = "all".into();
    let stand = Stand::with(&PLUGIN, all).await?;
    stand.fake().put(&[email(ADA)]);
    stand.fake().put(&[email(BOB)]);
    let ended = end(&stand, TaskAction::Erase, both()?).await?;
    ensure(matches!(ended, End::Promised { .. }), format!("{ended:?}"))?;
    ensure(stand.fake().people() == 0 && deletions(&stand).len() == 2, "a record is left")
}

async fn further_address() -> Result<(), String> {
    let stand = Stand::start(&PLUGIN).await?;
    stand.fake().put(&[email(BOB), email(ADA)]);
    let ended = end(&stand, TaskAction::Erase, person(1, &[ADA])?).await?;
    ensure(matches!(ended, End::Choose { candidates: 1 }), format!("{ended:?}"))?;
    let connector = Drive::new(&stand)?.connector()?;
    let seen = connector.look_up(&Call::new(&stand.http, START), &[person(1, &[ADA])?]).await;
    let ambiguous = matches!(seen.as_deref(), Ok([(_, Presence::Ambiguous { records: 1 }, _)]));
    ensure(ambiguous, format!("{seen:?}"))?;
    let ended = end(&stand, TaskAction::Erase, person(1, &[ADA, BOB])?).await?;
    ensure(matches!(ended, End::Promised { .. }), format!("both addresses: {ended:?}"))?;

    let same = |settings: &mut Value| {
        settings["secondary_address"] = "same_person".into();
        settings["several_records"] = "all".into();
    };
    let stand = Stand::with(&PLUGIN, same).await?;
    stand.fake().put(&[email(BOB), email(ADA)]);
    let ended = end(&stand, TaskAction::Erase, person(1, &[ADA])?).await?;
    ensure(matches!(ended, End::Promised { .. }), format!("same person: {ended:?}"))
}

async fn two_people() -> Result<(), String> {
    for change in
        [|_: &mut Value| (), |s: &mut Value| s["secondary_address"] = "same_person".into()]
    {
        let stand = Stand::with(&PLUGIN, change).await?;
        stand.fake().put(&[email(BOB), email(ADA)]);
        let answer = found(&stand, vec![person(1, &[ADA])?, person(2, &[BOB])?]).await?;
        let asked = |(_, a): &(_, ItemAnswer)| matches!(a, ItemAnswer::Choose { .. });
        ensure(answer.items.iter().all(asked), format!("{answer:?}"))?;
    }
    Ok(())
}

async fn merged() -> Result<(), String> {
    let stand = Stand::start(&PLUGIN).await?;
    let ids = ["430001", "430000"].map(|id| (record_id(), id.to_owned()));
    stand.fake().put(&[&[email(ADA)], &ids[..]].concat());
    let ended = end(&stand, TaskAction::Erase, item(1, &[(record_id(), "430000")])?).await?;
    ensure(matches!(ended, End::Promised { .. }), format!("{ended:?}"))?;
    ensure(stand.fake().people() == 0, "the record it became is left")?;
    let ended = end(&stand, TaskAction::Erase, item(1, &[(record_id(), "no-id")])?).await?;
    ensure(matches!(ended, End::Failed(_)), format!("no record id: {ended:?}"))
}

async fn not_there() -> Result<(), String> {
    let not_found = Golden::read(include_str!("../../golden/not-found.json"))?.reply();
    let body = String::from_utf8_lossy(not_found.body()).into_owned();
    for (gone, taken_on) in [(false, false), (true, true)] {
        let stand = Stand::start(&PLUGIN).await?;
        stand.fake().put(&[email(ADA)]);
        let mut drive = Drive::new(&stand)?;
        let there = drive.until(TaskAction::Erase, None, vec![person(1, &[ADA])?], &DELETE).await?;
        if gone {
            end(&stand, TaskAction::Erase, person(1, &[ADA])?).await?;
        }
        stand.server.faults().next([Fault::Reply {
            status: 404,
            headers: vec![],
            body: body.clone(),
        }]);
        let sent = drive.send(TaskAction::Erase, None, &DELETE, there).await?;
        let accepted = sent.outcome.as_ref().is_ok_and(|answer| !answer.accepted.is_empty());
        ensure(accepted == taken_on, format!("gone {gone}: {:?}", sent.outcome))?;
    }
    Ok(())
}

async fn promise() -> Result<(), String> {
    let stand = Stand::with(&PLUGIN, |settings| settings["purge_days"] = 45.into()).await?;
    stand.fake().put(&[email(ADA)]);
    let ended = end(&stand, TaskAction::Erase, person(1, &[ADA])?).await?;
    let End::Promised { evidence, done_within } = ended else {
        return Err(format!("{ended:?}"));
    };
    ensure(evidence.promise.is_some(), "the vendor's promise is not told")?;
    ensure(done_within == Duration::from_secs(45 * 86_400), format!("{done_within:?}"))
}

fn short_searches() -> Result<(), String> {
    let wire = Wire::new("https://api.hubapi.com".into(), Secret::new("k"), "v3");
    let addresses: Vec<String> =
        (0..40).map(|n| format!("{}{n:02}@example.com", "x".repeat(240))).collect();
    let ids: Vec<String> = (0..150).map(|n| format!("77415000{n:03}")).collect();
    let searches = [Search::exact(&addresses, &ids), Search::further(&addresses)].concat();
    let mut told = String::new();
    for search in &searches {
        let request = wire.search(search, "0").map_err(|e| e.to_string())?;
        let body = request.body_text().unwrap_or_default();
        ensure(body.chars().count() < 3000, format!("{} characters", body.len()))?;
        told.push_str(body);
    }
    let missing = |one: &&String| told.matches(one.as_str()).count() == 0;
    let left_out = addresses.iter().chain(&ids).filter(missing).count();
    ensure(left_out == 0, format!("{left_out} were left out"))
}

fn limits() -> Result<(), String> {
    let seconds = |n| Some(Duration::from_secs(n));
    let wait = |policy: &str, headers: &[(&str, &str)]| {
        let body = json!({ "status": "error", "policyName": policy }).to_string();
        wire::read_account(&Reply::made_up(429, headers, &body)).err()
    };
    for (policy, headers, want) in [
        ("TEN_SECONDLY_ROLLING", vec![("retry-after", "1")], seconds(10)),
        ("TEN_SECONDLY_ROLLING", vec![("retry-after", "17")], seconds(17)),
        ("SECONDLY", vec![], seconds(1)),
        ("", vec![], seconds(10)),
    ] {
        let error = wait(policy, &headers);
        let right = matches!(&error, Some(ConnectorError::Retryable { retry_after, .. }) if *retry_after == want);
        ensure(right, format!("{policy}: {error:?}"))?;
    }
    let daily = Golden::read(include_str!("../../golden/limited-daily.json"))?.reply();
    let spent = wire::read_account(&daily).err();
    let tomorrow: Timestamp = daily.received_at().plus(Duration::from_secs(86_400));
    let want = Some(ConnectorError::QuotaSpent { until: Some(tomorrow) });
    ensure(spent == want, format!("{spent:?}"))
}
