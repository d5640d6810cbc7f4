//! What Amplitude alone does, beside the suite that all vendors share.

use std::time::Duration;

use efface_connector::{
    Answer, Call, ConnectorError, IdentifierKind, Item, ItemAnswer, Order, Presence, Recalled,
    Receipt, Reply, Secret, TaskAction,
    fake::{
        Check, Fault, Golden, Stand,
        drive::{Drive, START},
        ensure, item,
    },
};
use serde_json::json;

use crate::{
    PLUGIN,
    jobs::{JobName, Ticket, range_since, standing},
    manifest::{DELETE, amplitude_id},
    people::{Ids, Known},
    settings::Settings,
    wire::{self, Status, Wire},
};

const REQUESTER: &str = "privacy@example.com efface-1";

pub fn checks() -> Vec<Check> {
    vec![
        Check {
            name: "requests and answers are those of the documentation",
            run: || Box::pin(async { golden() }),
        },
        Check {
            name: "the region chooses the host, and a key with a colon is refused",
            run: || Box::pin(async { settings() }),
        },
        Check {
            name: "a search counts only the identifier that was asked for",
            run: || Box::pin(async { searches() }),
        },
        Check {
            name: "a success without a day, with an error or with a new status word is no success",
            run: || Box::pin(async { odd_answers() }),
        },
        Check {
            name: "a hundred ids go into one request, and not one more",
            run: || Box::pin(hundred()),
        },
        Check {
            name: "an id that is no number fails its person and no other",
            run: || Box::pin(no_number()),
        },
        Check {
            name: "a lost answer is found by the order's key, and nobody is mailed twice",
            run: || Box::pin(lost_answer()),
        },
        Check {
            name: "a person taken out of the job by hand is not told as deleted",
            run: || Box::pin(taken_out_by_hand()),
        },
        Check {
            name: "a finished job confirms only whom it names",
            run: || Box::pin(async { finished() }),
        },
        Check {
            name: "a recall whose answer was lost is asked again and tells the same",
            run: || Box::pin(recall_again()),
        },
        Check {
            name: "a recall works while the job is staging and comes too late afterwards",
            run: || Box::pin(recall()),
        },
        Check {
            name: "a device that others use too is ambiguous",
            run: || Box::pin(shared_device()),
        },
    ]
}

fn said(error: ConnectorError) -> String {
    error.to_string()
}

fn person(n: u32) -> Result<Item, String> {
    item(n, &[(IdentifierKind::UserId, &format!("user-{n}"))])
}

async fn stand_with(people: u32) -> Result<Stand, String> {
    let stand = Stand::start(&PLUGIN).await?;
    for n in 1..=people {
        stand.fake().put(&[(IdentifierKind::UserId, format!("user-{n}"))]);
    }
    Ok(stand)
}

fn people(n: u32) -> Result<Vec<Item>, String> {
    (1..=n).map(person).collect()
}

fn wire() -> Wire {
    Wire::new("https://amplitude.com".into(), Secret::new("a"), Secret::new("b"))
}

fn golden() -> Result<(), String> {
    let wire = wire();
    let delete = Golden::read(include_str!("../../golden/delete.json"))?;
    let ids = Ids { user_ids: vec!["user_1".into()], amplitude_ids: vec![123_123, 543_221] };
    delete.matches(&wire.delete(REQUESTER, &ids).map_err(said)?)?;
    let taken = wire::read_taken(&delete.reply()).map_err(said)?;
    let entries: Vec<u64> = taken.jobs[0].entries.iter().map(|e| e.amplitude_id).collect();
    ensure(taken.jobs.len() == 1 && entries == [123_123, 77_001], "delete: job not read")?;
    ensure(taken.invalid == ["543221"], "delete: invalid ids not read")?;

    let jobs = Golden::read(include_str!("../../golden/jobs.json"))?;
    let (from, to) = range_since(START);
    jobs.matches(&wire.jobs(from, to))?;
    let listed = wire::read_jobs(&jobs.reply()).map_err(said)?;
    let statuses: Vec<Status> = listed.iter().map(|job| job.status).collect();
    ensure(statuses == [Status::Done, Status::Staging], "jobs: statuses not read")?;
    ensure(listed[0].app.as_deref() == Some("10000000"), "jobs: project not read")?;

    let out = Golden::read(include_str!("../../golden/take-out.json"))?;
    out.matches(&wire.take_out(44_547_850_078, "2026-12-18"))?;
    wire::read_taken_out(&out.reply(), 44_547_850_078).map_err(said)?;
    ensure(wire::read_taken_out(&out.reply(), 7).is_err(), "somebody else was taken out")?;

    let user = IdentifierKind::UserId;
    let found = Golden::read(include_str!("../../golden/search.json"))?;
    found.matches(&wire.search("myusername"))?;
    let found = wire::read_search(&found.reply(), &user, "myusername").map_err(said)?;
    ensure(found.is_some_and(|f| f.len() == 1), "search: match not read")?;
    let nobody = Golden::read(include_str!("../../golden/search-nobody.json"))?;
    nobody.matches(&wire.search("nobody"))?;
    let nobody = wire::read_search(&nobody.reply(), &user, "nobody").map_err(said)?;
    ensure(nobody.is_some_and(|f| f.is_empty()), "search: nobody not read")
}

fn settings() -> Result<(), String> {
    let with = |region: &str, key: &str| {
        let all = json!({ "api_key": key, "secret_key": "s", "requester": "r", "region": region });
        Settings::read(&all).ok().map(|settings| settings.region.base())
    };
    for (region, key, want) in [
        ("us", "k", Some("https://amplitude.com")),
        ("eu", "k", Some("https://analytics.eu.amplitude.com")),
        ("in", "k", None),
        ("us", "k:l", None),
        ("us", " ", None),
    ] {
        ensure(with(region, key) == want, format!("{region} with {key:?}"))?;
    }
    Ok(())
}

fn searches() -> Result<(), String> {
    let one = r#"[{"user_id":"42","amplitude_id":7}]"#;
    let (user, device) = (IdentifierKind::UserId, IdentifierKind::DeviceId);
    let own = amplitude_id();
    for (how, matches, kind, asked, want) in [
        ("match_user_or_device_id", one, &user, "42", "1"),
        ("match_user_or_device_id", one, &device, "d", "1"),
        ("match_user_or_device_id", one, &user, "d", "cannot tell"),
        ("match_user_or_device_id", one, &own, "42", "cannot tell"),
        ("match_amplitude_id", one, &own, "7", "1"),
        ("match_amplitude_id", one, &user, "7", "cannot tell"),
        ("match_user_prefix", one, &user, "4", "0"),
        ("match_user_prefix", one, &own, "4", "0"),
        ("nomatch", "[]", &user, "42", "0"),
        ("nomatch", one, &user, "42", "error"),
        ("match_by_horoscope", one, &user, "42", "error"),
        ("match_by_horoscope", "[]", &user, "42", "error"),
        ("match_amplitude_id", r#"[{"user_id":"42"}]"#, &own, "7", "error"),
    ] {
        let body = format!(r#"{{"type":"{how}","matches":{matches}}}"#);
        let got = match wire::read_search(&Reply::made_up(200, &[], &body), kind, asked) {
            Ok(Some(found)) => found.len().to_string(),
            Ok(None) => "cannot tell".into(),
            Err(_) => "error".into(),
        };
        ensure(got == want, format!("{how} of {matches} for {kind} {asked}: {got}, not {want}"))?;
    }
    let spent = wire::read_search(&Reply::made_up(429, &[], ""), &user, "42").err();
    let patient = matches!(spent, Some(ConnectorError::Retryable { retry_after: Some(wait), .. })
        if wait >= Duration::from_secs(600));
    ensure(patient, "a spent hourly quota is asked again at once")
}

fn odd_answers() -> Result<(), String> {
    for (body, good) in [
        (r#"{"day":"2026-12-18","status":"Staging","amplitude_ids":[]}"#, true),
        (r#"[{"day":"2026-12-18","status":"staging","amplitude_ids":[],"app":"1"}]"#, true),
        (r#"[{"invalid_ids":["u"]}]"#, true),
        (r#"[{"day":"soon","status":"staging","invalid_ids":["u"]}]"#, false),
        (r#"[{"day":"2026-12-18","status":"hibernating","amplitude_ids":[]}]"#, false),
        (r#"{"error":"too busy","invalid_ids":[]}"#, false),
        (r#"{"status":"staging"}"#, false),
        ("\"ok\"", false),
        ("{}", false),
    ] {
        let read = wire::read_taken(&Reply::made_up(200, &[], body)).is_ok();
        ensure(read == good, format!("{body} was taken: {read}"))?;
    }
    Ok(())
}

async fn hundred() -> Result<(), String> {
    let stand = stand_with(0).await?;
    let connector = Drive::new(&stand)?.connector()?;
    for (each, want) in [(1, 100), (3, 33)] {
        let items = (1..=101)
            .map(|n| {
                let ids: Vec<String> = (0..each).map(|k| format!("u{n}-{k}")).collect();
                let ids: Vec<_> = ids.iter().map(|i| (IdentifierKind::UserId, &**i)).collect();
                item(n, &ids)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let fits = connector.prepare(START, &order(items)).map_err(said)?.items.len();
        ensure(fits == want, format!("{fits} people of {each} ids each"))?;
    }
    Ok(())
}

fn order(items: Vec<Item>) -> Order {
    Order {
        action: TaskAction::Erase,
        scope: None,
        step: DELETE,
        items,
        idempotency_key: "efface-1".into(),
        first_sent_at: START,
    }
}

async fn no_number() -> Result<(), String> {
    let stand = stand_with(1).await?;
    let mut drive = Drive::new(&stand)?;
    let bad = item(2, &[(amplitude_id(), "seven")])?;
    let ends = drive.run(TaskAction::Erase, None, vec![bad.clone(), person(1)?]).await?;
    for (id, end) in ends {
        let want = if id == bad.id { "failed" } else { "confirmed" };
        ensure(end.word() == want, format!("{end:?} instead of {want}"))?;
    }
    Ok(())
}

fn posts(stand: &Stand) -> usize {
    stand.server.log().iter().filter(|line| line.method == "POST").count()
}

async fn lost_answer() -> Result<(), String> {
    let stand = stand_with(2).await?;
    stand.server.faults().next([Fault::SilenceAfter]);
    let mut drive = Drive::new(&stand)?;
    let ends = drive.run(TaskAction::Erase, None, people(3)?).await?;
    let words: Vec<&str> = ends.iter().map(|(_, end)| end.word()).collect();
    let confirmed = words.iter().filter(|word| **word == "confirmed").count();
    ensure(confirmed == 2 && words.contains(&"nothing found"), format!("{words:?}"))?;
    ensure(posts(&stand) == 1, format!("{} requests", posts(&stand)))
}

/// An order of these people as the vendor took it on, with memos and receipt.
async fn accepted(drive: &mut Drive<'_>, items: Vec<Item>) -> Result<(Order, Receipt), String> {
    let sent = drive.send(TaskAction::Erase, None, &DELETE, items).await?;
    let answer: Answer = sent.outcome.map_err(said)?;
    let taken = answer.accepted.into_iter().next().ok_or("nobody was taken on")?;
    let receipt = taken.receipt.ok_or("no receipt")?;
    let mut order = sent.order;
    for item in &mut order.items {
        item.memo = taken.items.iter().find(|(id, _)| *id == item.id).and_then(|(_, m)| m.clone());
    }
    let ticket = Ticket::read(&receipt).map_err(said)?;
    ensure(ticket.jobs.len() == 1 && !receipt.body.contains("7000000"), receipt.body.clone())?;
    Ok((order, receipt))
}

async fn taken_out_by_hand() -> Result<(), String> {
    let stand = stand_with(2).await?;
    stand.server.tune(|tuning| tuning.polls_until_done = 1);
    let mut drive = Drive::new(&stand)?;
    let (order, receipt) = accepted(&mut drive, people(2)?).await?;
    let day = &Ticket::read(&receipt).map_err(said)?.jobs[0].day;
    let stand_in = Wire::new(
        stand.server.base_url(),
        Secret::new("play-project"),
        Secret::new(efface_connector::fake::KEY),
    );
    let call = Call::new(&stand.http, START);
    call.send(&stand_in.take_out(700_000_001, day)).await.map_err(said)?;
    let answer = drive.poll(&order, &receipt).await?.map_err(said)?;
    let of = |n: usize| answer.items.iter().find(|(id, _)| *id == order.items[n].id);
    let first = matches!(of(0), Some((_, ItemAnswer::Failed(ConnectorError::NeedsPerson(_)))));
    let second = matches!(of(1), Some((_, ItemAnswer::Confirmed(_))));
    ensure(first && second, format!("{:?}", answer.items))
}

fn finished() -> Result<(), String> {
    let entry = |id: u64, requester: &str| wire::Entry {
        amplitude_id: id,
        requester: Some(requester.to_owned()),
        user_id: None,
    };
    let job = |status, entries| wire::Job { day: "2026-12-18".into(), app: None, status, entries };
    let known = |ids: &[u64]| Known::memo(ids.iter().copied().collect()).map_err(said);
    let (mark, other) = ("privacy efface-1", "privacy efface-2");
    for (status, taken, here, memo, want) in [
        (Status::Done, 1, vec![entry(7, mark)], known(&[7])?, "confirmed"),
        // somebody else's entry names the person as well
        (Status::Done, 0, vec![entry(7, other)], known(&[7])?, "confirmed"),
        (Status::Done, 1, vec![], known(&[7])?, "person"),
        (Status::Done, 2, vec![entry(8, mark)], known(&[7])?, "person"),
        (Status::Done, 2, vec![entry(7, mark)], known(&[7, 8])?, "person"),
        // ids never told: the order is whole, or somebody of it is missing
        (Status::Done, 2, vec![entry(7, mark), entry(8, mark)], None, "confirmed"),
        (Status::Done, 2, vec![entry(7, mark), entry(9, other)], None, "person"),
        (Status::Done, 2, vec![], None, "person"),
        (Status::Done, 0, vec![entry(9, other)], None, "person"),
        (Status::Submitted, 2, vec![], None, "going"),
        (Status::Submitted, 1, vec![], known(&[7])?, "person"),
    ] {
        let person = Item { memo: memo.clone(), ..person(1)? };
        let name = JobName { day: "2026-12-18".into(), app: None };
        let ticket = Ticket { jobs: vec![name], entries: taken };
        let listed = [job(status, here)];
        let answer = standing(&[person], &ticket, &listed, mark).map_err(said)?;
        let got = match answer.items.as_slice() {
            [(_, ItemAnswer::Confirmed(_))] => "confirmed",
            [(_, ItemAnswer::Failed(ConnectorError::NeedsPerson(_)))] => "person",
            [(_, ItemAnswer::StillGoing { .. })] => "going",
            _ => "something else",
        };
        let about = format!("{status:?} job of {} entries, {taken} taken", listed[0].entries.len());
        ensure(got == want, format!("{about}, {memo:?}: {got}, not {want}"))?;
    }
    Ok(())
}

async fn recall_again() -> Result<(), String> {
    for mapped in [true, false] {
        let stand = stand_with(3).await?;
        stand.server.tune(|tuning| tuning.polls_until_done = u32::MAX);
        let mut drive = Drive::new(&stand)?;
        let (mut order, receipt) = accepted(&mut drive, people(3)?).await?;
        if !mapped {
            order.items.iter_mut().for_each(|item| item.memo = None);
        }
        // one of three, then the other two: the job is empty in the end
        let mut rest = order.clone();
        let first = Order { items: vec![rest.items.remove(0)], ..order.clone() };
        for part in [&first, &first, &rest] {
            let call = Call::new(&stand.http, START);
            let outcome = drive.connector()?.recall(&call, part, &receipt).await.map_err(said)?;
            let back = matches!(outcome, Recalled::Recalled(_));
            ensure(back, format!("mapped {mapped}: {outcome:?}"))?;
        }
        let out = stand.server.log().iter().filter(|line| line.method == "DELETE").count();
        ensure(out == 3, format!("mapped {mapped}: {out} taken out"))?;
    }
    Ok(())
}

async fn recall() -> Result<(), String> {
    for late in [false, true] {
        let stand = stand_with(2).await?;
        stand.server.tune(|tuning| tuning.polls_until_done = 9);
        let mut drive = Drive::new(&stand)?;
        let (order, receipt) = accepted(&mut drive, people(2)?).await?;
        if late {
            drive.poll(&order, &receipt).await?.map_err(said)?;
            drive.poll(&order, &receipt).await?.map_err(said)?;
        }
        let call = Call::new(&stand.http, START);
        let outcome = drive.connector()?.recall(&call, &order, &receipt).await.map_err(said)?;
        let right = match &outcome {
            Recalled::Recalled(_) => !late,
            Recalled::TooLate(_) => late,
            Recalled::NotOffered => false,
        };
        let out = stand.server.log().iter().filter(|line| line.method == "DELETE").count();
        ensure(right && out == if late { 0 } else { 2 }, format!("late {late}: {outcome:?}"))?;
        let ends = drive.run(TaskAction::Erase, None, vec![]).await?;
        ensure(ends.is_empty() && stand.fake().people() == 2, "somebody was deleted")?;
    }
    Ok(())
}

async fn shared_device() -> Result<(), String> {
    let stand = Stand::start(&PLUGIN).await?;
    let device = (IdentifierKind::DeviceId, "tablet".to_owned());
    stand.fake().put(&[(IdentifierKind::UserId, "user-2".into()), device]);
    let asked =
        item(1, &[(IdentifierKind::UserId, "user-1"), (IdentifierKind::DeviceId, "tablet")])?;
    let call = Call::new(&stand.http, START);
    let seen = Drive::new(&stand)?.connector()?.look_up(&call, &[asked]).await.map_err(said)?;
    let ambiguous = matches!(seen.as_slice(), [(_, Presence::Ambiguous { records: 1 }, _)]);
    ensure(ambiguous, format!("{seen:?}"))
}
