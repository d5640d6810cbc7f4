//! What SendGrid alone does, beside the suite that all vendors share.

use efface_connector::{
    Call, ConnectorError, IdentifierKind, Item, Memo, Order, Right, Scope, Secret, SuppressOrder,
    TaskAction,
    fake::{
        Check, Golden, Stand,
        drive::{Drive, End, START},
        ensure, item,
    },
};
use serde_json::{Value, json};

use crate::{
    PLUGIN,
    manifest::{ERASE_ACTIVITY, ERASE_BYTES},
    settings::{Region, Settings},
    wire::{self, Contact, Job, Wire},
};

const EMAIL: &str = "ada@example.com";

pub fn checks() -> Vec<Check> {
    vec![
        Check {
            name: "requests and answers are those of the documentation",
            run: || Box::pin(async { golden() }),
        },
        Check {
            name: "a key is known by its own id, never by its secret",
            run: || Box::pin(async { key_names() }),
        },
        Check { name: "region and products fit together", run: || Box::pin(async { products() }) },
        Check {
            name: "each product can be left out, and the card says what is left",
            run: || Box::pin(either_product()),
        },
        Check {
            name: "one bad address fails alone, and the others are erased",
            run: || Box::pin(one_bad_address()),
        },
        Check {
            name: "an erase job stays within the vendor's bounds, however many there are",
            run: || Box::pin(bounds()),
        },
        Check {
            name: "nobody can be deleted but by id",
            run: || Box::pin(async { never_everybody() }),
        },
        Check {
            name: "a plain erase suppresses nobody, and a suppression comes after",
            run: || Box::pin(erase_does_not_suppress()),
        },
        Check {
            name: "a lift releases only what efface suppressed",
            run: || Box::pin(lifts_only_its_own()),
        },
        Check {
            name: "a missing erase scope is a no, an undocumented one cannot be told",
            run: || Box::pin(probes()),
        },
    ]
}

fn person(n: u32, email: &str) -> Result<Item, String> {
    item(n, &[(IdentifierKind::Email, email)])
}

fn put(stand: &Stand, email: &str) {
    stand.fake().put(&[(IdentifierKind::Email, email.to_owned())]);
}

async fn end(stand: &Stand, action: TaskAction, person: Item) -> Result<End, String> {
    let scope = (action != TaskAction::Erase).then_some(Scope::Marketing);
    let ends = Drive::new(stand)?.run(action, scope, vec![person]).await?;
    ends.into_iter().next().map(|(_, end)| end).ok_or_else(|| "no end".into())
}

fn key_names() -> Result<(), String> {
    for (key, of, want) in [
        ("SG.id-1.secret", None, Some("id-1 ")),
        ("SG.id-1.another", None, Some("id-1 ")),
        ("SG.id-1.secret", Some("shop"), Some("id-1 shop")),
        ("SG..secret", None, None),
        ("SG.secret", None, None),
        ("SG.id-1.secret.more", None, None),
        ("an older key", None, None),
    ] {
        let on_behalf_of = of.map(str::to_owned);
        let name = Wire { api_key: Secret::new(key), on_behalf_of, ..wire() }.key_name();
        let name = name.as_ref().map(Secret::expose);
        ensure(name == want, format!("{key} of {of:?}: {name:?}"))?;
    }
    Ok(())
}

fn wire() -> Wire {
    Wire {
        base: "https://api.sendgrid.com".into(),
        api_key: Secret::new("SG.k"),
        on_behalf_of: None,
    }
}

fn golden() -> Result<(), String> {
    let said = |error: ConnectorError| error.to_string();
    let wire = wire();
    let two = [EMAIL.to_owned(), "joan@example.com".to_owned()];

    let search = Golden::read(include_str!("../../golden/search.json"))?;
    search.matches(&wire.search(&two).map_err(said)?)?;
    let read = wire::read_search(&search.reply(), &two).map_err(said)?;
    let want = [Contact::Id("asdf-Jkl-zxCvBNm".into()), Contact::NotThere];
    ensure(read == want, format!("search: {read:?}"))?;

    let none = Golden::read(include_str!("../../golden/search-none.json"))?;
    let read = wire::read_search(&none.reply(), &two).map_err(said)?;
    ensure(read == [Contact::NotThere, Contact::NotThere], format!("none: {read:?}"))?;

    let delete = Golden::read(include_str!("../../golden/delete-contacts.json"))?;
    let ids = ["asdf-Jkl-zxCvBNm".to_owned(), "asdf-Jkl-qWeRTy".to_owned()];
    delete.matches(&wire.delete_contacts(&ids).map_err(said)?)?;
    let job = wire::read_accepted(&delete.reply()).map_err(said)?;

    let poll = Golden::read(include_str!("../../golden/job.json"))?;
    poll.matches(&wire.job(&job))?;
    ensure(wire::read_job(&poll.reply()) == Ok(Job::Completed), "job: not read")?;

    let erase = Golden::read(include_str!("../../golden/erase.json"))?;
    erase.matches(&wire.erase(&two).map_err(said)?)?;
    let job = wire::read_accepted(&erase.reply()).map_err(said)?;
    ensure(job == "12a975bd-c742-4713-8f47-cb3ae4e56c74", "erase: not read")?;

    let bad = Golden::read(include_str!("../../golden/erase-bad-address.json"))?;
    let named = wire::read_culprits(&bad.reply(), &two);
    ensure(named == Some(vec![two[1].clone()]), format!("bad address: {named:?}"))?;

    let suppress = Golden::read(include_str!("../../golden/suppress.json"))?;
    suppress.matches(&wire.suppress(&two).map_err(said)?)?;
    let read = wire::read_suppressed(&suppress.reply()).map_err(said)?;
    ensure(read == two, format!("suppress: {read:?}"))?;

    let not = Golden::read(include_str!("../../golden/not-suppressed.json"))?;
    not.matches(&wire.suppression(EMAIL))?;
    ensure(wire::read_suppression(&not.reply(), EMAIL) == Ok(false), "suppression: not read")?;

    let release = Golden::read(include_str!("../../golden/release.json"))?;
    release.matches(&wire.release(EMAIL))?;
    ensure(wire::read_released(&release.reply()) == Ok(true), "release: not read")
}

fn products() -> Result<(), String> {
    for (settings, want) in [
        (json!({ "api_key": "k" }), Ok((true, true))),
        (json!({ "api_key": "k", "region": "eu" }), Ok((false, true))),
        (json!({ "api_key": "k", "email_activity": false }), Ok((true, false))),
        (
            json!({ "api_key": "k", "region": "eu", "marketing_contacts": true }),
            Err("marketing_contacts"),
        ),
        (json!({ "api_key": "k", "on_behalf_of": "a\nb" }), Err("on_behalf_of")),
        (json!({ "api_key": "k", "region": "mars" }), Err("mars")),
    ] {
        let got = Settings::read(&settings)
            .and_then(|s| s.products())
            .map(|p| (p.contacts, p.activity))
            .map_err(|e| e.key);
        ensure(got == want.map_err(str::to_owned), format!("{settings}: {got:?}"))?;
    }
    ensure(Region::Eu.host() == "https://api.eu.sendgrid.com", "the EU host")
}

async fn either_product() -> Result<(), String> {
    let only = |contacts: bool, activity: bool| {
        move |settings: &mut Value| {
            settings["marketing_contacts"] = contacts.into();
            settings["email_activity"] = activity.into();
        }
    };
    let stand = Stand::with(&PLUGIN, only(true, false)).await?;
    put(&stand, EMAIL);
    let done = end(&stand, TaskAction::Erase, person(1, EMAIL)?).await?;
    ensure(matches!(done, End::Confirmed { .. }), format!("contacts alone: {done:?}"))?;
    let none = end(&stand, TaskAction::Erase, person(2, "joan@example.com")?).await?;
    ensure(matches!(none, End::NothingFound { .. }), format!("contacts alone: {none:?}"))?;

    let stand = Stand::with(&PLUGIN, only(false, true)).await?;
    let done = end(&stand, TaskAction::Erase, person(1, EMAIL)?).await?;
    ensure(matches!(done, End::Promised { .. }), format!("activity alone: {done:?}"))?;
    let card = stand.build().map_err(|e| e.to_string())?.manifest;
    ensure(card.look_up.is_none(), "activity alone cannot be looked up")?;

    let stand = Stand::with(&PLUGIN, only(false, false)).await?;
    let card = stand.build().map_err(|e| e.to_string())?.manifest;
    ensure(card.action(TaskAction::Erase).is_none(), "with neither there is nothing to erase")
}

async fn one_bad_address() -> Result<(), String> {
    let stand = Stand::with(&PLUGIN, |s| s["marketing_contacts"] = false.into()).await?;
    put(&stand, EMAIL);
    let people =
        vec![person(1, EMAIL)?, person(2, "Bob@not.valid")?, person(3, "joan@example.com")?];
    let bad = people[1].id;
    let mut drive = Drive::new(&stand)?;
    let ends = drive.run(TaskAction::Erase, None, people).await?;
    for (id, end) in &ends {
        let right = if *id == bad {
            matches!(end, End::Failed(ConnectorError::Permanent { .. }))
        } else {
            matches!(end, End::Promised { .. })
        };
        ensure(right, format!("{end:?}"))?;
    }
    let leaked = drive.told.iter().any(|text| text.to_lowercase().contains("not.valid"));
    ensure(!leaked, "the refused address was told")?;
    let log = stand.server.log();
    let erased =
        log.iter().any(|line| line.effects.iter().any(|e| *e == format!("erased {EMAIL}")));
    ensure(ends.len() == 3 && erased, "somebody is left")
}

async fn bounds() -> Result<(), String> {
    let stand = Stand::with(&PLUGIN, |s| s["marketing_contacts"] = false.into()).await?;
    let connector = Drive::new(&stand)?.connector()?;
    for (number, length) in [(6000, 5), (5000, 60)] {
        let padding = "x".repeat(length);
        let items = (0..number)
            .map(|n| person(n, &format!("{padding}{n}@example.com")))
            .collect::<Result<Vec<Item>, String>>()?;
        let order = Order {
            action: TaskAction::Erase,
            scope: None,
            step: ERASE_ACTIVITY,
            items,
            idempotency_key: "k".into(),
            first_sent_at: START,
        };
        let prepared = connector.prepare(START, &order).map_err(|e| e.to_string())?;
        let body = prepared.request.as_ref().and_then(|r| r.body_text()).unwrap_or_default();
        let most = usize::try_from(ERASE_BYTES).unwrap_or(0);
        let fits = body.len() <= most && prepared.items.len() <= 5000;
        let full = prepared.items.len() == 5000 || body.len() > most - 1000;
        let told = format!("{} people in {} bytes", prepared.items.len(), body.len());
        ensure(fits && full, told)?;
    }
    Ok(())
}

fn never_everybody() -> Result<(), String> {
    for ids in [vec![], vec![String::new()], vec!["a&delete_all_contacts=true".to_owned()]] {
        ensure(wire().delete_contacts(&ids).is_err(), format!("{ids:?} made a request"))?;
    }
    Ok(())
}

async fn erase_does_not_suppress() -> Result<(), String> {
    let stand = Stand::start(&PLUGIN).await?;
    put(&stand, EMAIL);
    end(&stand, TaskAction::Erase, person(1, EMAIL)?).await?;
    ensure(!stand.fake().suppresses(&IdentifierKind::Email, EMAIL), "the erase suppressed")?;
    end(&stand, TaskAction::Suppress, person(1, EMAIL)?).await?;
    ensure(stand.fake().suppresses(&IdentifierKind::Email, EMAIL), "not suppressed after")?;
    let order = (PLUGIN.manifest)().suppress_order;
    ensure(order == SuppressOrder::After, format!("{order}"))
}

async fn prior(stand: &Stand) -> Result<Memo, String> {
    match end(stand, TaskAction::Suppress, person(1, EMAIL)?).await? {
        End::Confirmed { prior: Some(prior), .. } => Ok(prior),
        other => Err(format!("no prior was kept: {other:?}")),
    }
}

async fn lifts_only_its_own() -> Result<(), String> {
    let stand = Stand::start(&PLUGIN).await?;
    let ours = prior(&stand).await?;
    let theirs = prior(&stand).await?;
    let lift = |prior: Memo| person(1, EMAIL).map(|p| Item { prior: Some(prior), ..p });
    let left = end(&stand, TaskAction::Lift, lift(theirs)?).await?;
    ensure(matches!(left, End::NothingFound { .. }), format!("there before: {left:?}"))?;
    ensure(stand.fake().suppresses(&IdentifierKind::Email, EMAIL), "somebody else's was lifted")?;
    let lifted = end(&stand, TaskAction::Lift, lift(ours)?).await?;
    ensure(matches!(lifted, End::Confirmed { .. }), format!("ours: {lifted:?}"))?;
    ensure(!stand.fake().suppresses(&IdentifierKind::Email, EMAIL), "ours was not lifted")
}

async fn probes() -> Result<(), String> {
    let wanted: [(&str, &[&str], bool); 3] =
        [("a", &["x.read"], true), ("b", &["y.read"], true), ("c", &["z.read"], false)];
    let golden = Golden::read(include_str!("../../golden/scopes.json"))?;
    golden.matches(&wire().scopes())?;
    let read = wire::read_scopes(&golden.reply(), &wanted).map_err(|e| e.to_string())?;
    let rights: Vec<Right> = read.into_iter().map(|(_, right)| right).collect();
    let want = [Right::No, Right::No, Right::CannotTell];
    ensure(rights == want, format!("{rights:?}"))?;

    let stand = Stand::start(&PLUGIN).await?;
    let connector = Drive::new(&stand)?.connector()?;
    let call = Call::new(&stand.http, START);
    let probe = connector.probe(&call).await.map_err(|e| e.to_string())?;
    let erase = probe.may.iter().find(|(words, _)| words == "erase mail activity");
    ensure(erase.is_some_and(|(_, right)| *right == Right::Yes), format!("{:?}", probe.may))
}
