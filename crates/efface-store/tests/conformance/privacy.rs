//! Nothing personal in any column, in no disguise; on SQLite not in the file or its log either.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use efface_core::{
    Identifier, IdentifierKind, RequestAction,
    desk::{Reason, Subject},
    subject::{Requester, Value},
    task::{Answered, Event},
};
use efface_store::{
    Asked, ErrandDone, ErrandKind, KeptAnswer, MemoWrite, NewRequest, NewSuppression, Store,
    TaskWrite, Unit,
};
use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::common::*;

/// What is put in, at every door; each is found nowhere.
const SECRETS: [&str; 9] = [
    "Canary.One+x@Example.ORG",
    "+442079460901",
    "user/canary 2",
    "Contact.Canary@example.net",
    "the canary's own note",
    "reference-canary-3",
    "memo-canary-4",
    "prior-canary-5",
    "answer-canary-6",
];

fn forms(text: &str) -> Vec<(String, Vec<u8>)> {
    let lower = text.to_lowercase();
    let url = |t: &str| url::form_urlencoded::byte_serialize(t.as_bytes()).collect::<String>();
    let mut all = vec![];
    for form in [text, lower.as_str()] {
        for (how, disguise) in [
            ("plain", form.to_owned()),
            ("URL-encoded", url(form)),
            ("hex", hex::encode(form)),
            ("base64", STANDARD_NO_PAD.encode(form)),
            ("URL-safe base64", URL_SAFE_NO_PAD.encode(form)),
            ("MD5", hex::encode(Md5::digest(form))),
            ("SHA-256", hex::encode(Sha256::digest(form))),
        ] {
            all.push((how.to_owned(), disguise.into_bytes()));
        }
        all.push(("raw MD5".into(), Md5::digest(form).to_vec()));
        all.push(("raw SHA-256".into(), Sha256::digest(form).to_vec()));
    }
    all
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

fn canary() -> Vec<Identifier> {
    let proved = email("x").provenance;
    let parse =
        |kind, text| Identifier::parse(kind, text, proved.clone(), None).expect("identifier");
    vec![
        parse(IdentifierKind::Email, SECRETS[0]),
        parse(IdentifierKind::Phone, SECRETS[1]),
        parse(IdentifierKind::UserId, SECRETS[2]),
    ]
}

/// Through every door that takes something personal.
async fn live(w: &World) {
    let requester = Requester {
        relation: efface_core::subject::Relation::AuthorisedAgent,
        contact: Some(Value::new(SECRETS[3])),
        language: Some("en".into()),
        authority: Some(SECRETS[4].into()),
    };
    let full = |action| NewRequest {
        requester: requester.clone(),
        note: Some(SECRETS[4].into()),
        external_reference: Some(SECRETS[5].into()),
        channel: Some("plain-channel".into()),
        filing_key: Some(
            w.store.filing_key(&controller("default"), &format!("{}{action}", SECRETS[0])),
        ),
        ..wish(action, canary())
    };
    let id = w.start(full(RequestAction::Erase)).await;
    w.file(NewRequest { filing_key: None, ..full(RequestAction::Erase) }).await.expect("duplicate");
    w.file(full(RequestAction::EraseAndSuppress)).await.expect("in company");
    w.file(erase(vec![email("neighbour"), canary().remove(1)])).await.expect("shares the phone");
    let task = w.task(id, "mail").await;
    let mut after = task.clone();
    after.version += 1;
    let write = TaskWrite {
        memo: MemoWrite::Set(Value::new(SECRETS[6])),
        prior: Some(Value::new(SECRETS[7])),
        ..TaskWrite::new(task.version, after)
    };
    w.store.commit(Unit { tasks: vec![write], ..Unit::default() }).await.expect("written");
    w.order(None, &[w.now_of(task.id).await], 1).await.expect("ordered");
    let (mut unit, mut changes) = (Unit::default(), vec![]);
    let answer = Answered::Choose { candidates: vec!["c…".into()] };
    w.happen(&mut unit, &mut changes, &w.now_of(task.id).await, &Event::Answered { answer })
        .expect("asked");
    unit.desk_opens[0].sealed = Some((id, Value::new(SECRETS[6])));
    unit.desk_opens.push(w.desk_open(Subject::Request(id), Reason::NobodyFound));
    w.store.commit(unit).await.expect("on the desk");
    w.store.amend(id, vec![user("another canary")], Some(&proof()), "ada").await.expect("amended");
    let errand = w
        .store
        .send_errand(&account("mail"), &ErrandKind::Rehearse, &[canary()])
        .await
        .expect("sent");
    let done = vec![ErrandDone { id: errand, answer: SECRETS[8].into() }];
    w.store.commit(Unit { errands_done: done, ..Unit::default() }).await.expect("answered");
    let kept = KeptAnswer {
        key: SECRETS[0].into(),
        body_hash: [3; 32],
        status: 200,
        answer: SECRETS[8].into(),
    };
    w.store.keep_answers(&[kept]).await.expect("kept");
    w.store.find_person(&canary()[0]).await.expect("found");
    let new = NewSuppression {
        controller: controller("default"),
        scope: efface_core::Scope::Marketing,
        identifiers: canary(),
        reason: efface_core::suppression::Reason::Added,
        note: None,
        legal_basis: None,
        expires_at: None,
        by: "ada".into(),
    };
    w.store.suppress(new).await.expect("on the list");
    let asked = canary().into_iter().map(Asked::Plain).chain(Asked::hashed(&canary()[0]));
    let asked: Vec<Asked> = asked.collect();
    let found = w.store.check_list(&controller("default"), &asked).await.expect("checked");
    assert!(found.iter().all(|v| v.len() == 1), "{found:?}");
    listed_with_its_prior(w).await;
    w.follow().await;
    w.store.cancel(id, "ada").await.expect("cancelled");
}

/// What stood before a suppress goes over to the entry.
async fn listed_with_its_prior(w: &World) {
    let id = w.start(suppress(vec![email("listed.person"), user("listed canary")])).await;
    let task = w.task(id, "mail").await;
    w.order(None, &[w.now_of(task.id).await], 1).await.expect("ordered");
    let (mut unit, mut changes) = (Unit::default(), vec![]);
    let answer = Answered::Confirmed { forwarded: false };
    w.happen(&mut unit, &mut changes, &w.now_of(task.id).await, &Event::Answered { answer })
        .expect("confirmed");
    unit.tasks[0].prior = Some(Value::new(SECRETS[7]));
    w.store.commit(unit).await.expect("written");
    w.follow().await;
    assert_eq!(
        w.raw.number("SELECT count(*) FROM suppression_account WHERE prior IS NOT NULL").await,
        1
    );
}

pub async fn nothing_personal_stands_in_any_column_or_file(bench: Bench) {
    let w = bench.world().await;
    live(&w).await;
    let mut places = w.raw.dump().await;
    assert!(places.len() > 15, "every table: {}", places.len());
    if !w.bench.is_postgres() {
        for entry in std::fs::read_dir(w.bench.folder.path()).expect("folder") {
            let path = entry.expect("entry").path();
            places.push((path.display().to_string(), std::fs::read(&path).expect("file")));
        }
        assert!(
            places.iter().any(|(name, bytes)| name.ends_with("-wal") && !bytes.is_empty()),
            "the log is looked at too"
        );
    }
    // the search itself finds what is there
    assert!(places.iter().any(|(_, bytes)| holds(bytes, b"plain-channel")));
    for secret in SECRETS.iter().chain(&[
        "another canary",
        "neighbour@example.org",
        "listed canary",
        "listed.person@example.org",
    ]) {
        for (how, disguise) in forms(secret) {
            for (place, bytes) in &places {
                assert!(!holds(bytes, &disguise), "{secret} stands in {place}, {how}");
            }
        }
    }
}
