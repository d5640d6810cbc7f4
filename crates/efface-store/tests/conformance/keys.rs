//! Months' keys: what is filed is sealed under its month's, what is open outlives it, what was
//! forgotten opens nowhere once it is destroyed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use efface_core::{
    EvidenceLevel, Outcome,
    request::{self, Event},
    task::{Task, TaskState},
    watch::{self, Days, Watchable},
};
use efface_store::{Connection, Error, NewWatch, RequestWrite, SqlStore, Store, Unit};
use efface_vault::{Error as VaultError, MasterKey, Month, MonthKey, MonthKeys, Vault};

use crate::common::*;

const DAY: Duration = Duration::from_secs(86_400);

/// A key folder without files.
#[derive(Clone, Default)]
struct Folder(Arc<Mutex<HashMap<Month, MonthKey>>>);

impl MonthKeys for Folder {
    fn key(&self, month: &Month) -> Result<MonthKey, VaultError> {
        let keys = self.0.lock().expect("one thread");
        keys.get(month).cloned().ok_or(VaultError::MonthKeyGone { month: month.to_string() })
    }
}

impl Folder {
    /// As a process does at its start.
    async fn ensure(&self, store: &SqlStore, chance: &Seeded) -> Result<(), Error> {
        for month in store.months_in_use()? {
            let made = MonthKey::generate(month.clone(), &mut |b| {
                efface_core::outside::Chance::fill(chance, b);
            });
            let key = self.0.lock().expect("one").entry(month.clone()).or_insert(made).clone();
            assert_eq!(store.claim_month(&month, &key.id(), "test").await?, key.id());
        }
        Ok(())
    }

    fn destroy(&self, month: &Month) {
        self.0.lock().expect("one thread").remove(month);
    }
}

/// A store whose vault has months' keys, over the bench's database.
async fn store(
    w: &World,
    folder: &Folder,
    master: &MasterKey,
    roots: &efface_vault::WrappedRoots,
) -> SqlStore {
    let vault = Vault::open(master, roots).expect("opens").with_months(Box::new(folder.clone()));
    let connection = Connection::connect(&w.bench.url, 4, false).await.expect("connects");
    let directory = w.store.directory().clone();
    SqlStore::open(connection, Arc::new(vault), directory, w.clock.clone(), w.chance.clone())
        .await
        .expect("store")
}

async fn wrapped_by(w: &World) -> Vec<String> {
    w.raw.texts("SELECT wrapped_by FROM request ORDER BY id").await
}

pub async fn a_destroyed_month_opens_nothing_and_what_is_open_outlives_it(bench: Bench) {
    let w = bench.world().await;
    let mut fill = |b: &mut [u8]| efface_core::outside::Chance::fill(&*w.chance, b);
    let master = MasterKey::generate(&mut fill);
    let (_, roots) = Vault::create(&master, &mut fill);
    let folder = Folder::default();
    let ours = store(&w, &folder, &master, &roots).await;
    // no key, no filing: nothing is sealed under the master instead
    let without = ours.file(vec![erase(vec![email("early")])]).await.remove(0);
    assert!(matches!(without, Err(Error::Vault(VaultError::MonthKeyGone { .. }))), "{without:?}");
    folder.ensure(&ours, &w.chance).await.expect("keys");
    let [month, _] = ours.months_in_use().expect("months");
    let id_of = |filed: Result<efface_store::Filed, Error>| match filed.expect("filed") {
        efface_store::Filed::New(id) => id,
        other => panic!("{other:?}"),
    };
    let open = id_of(ours.file(vec![erase(vec![email("open")])]).await.remove(0));
    let over = id_of(ours.file(vec![erase(vec![email("over")])]).await.remove(0));
    let backup = match w.raw {
        Raw::Sqlite(_) => w.raw.texts("SELECT hex(wrapped_key) FROM request ORDER BY id").await,
        Raw::Postgres(_) => {
            w.raw.texts("SELECT encode(wrapped_key, 'hex') FROM request ORDER BY id").await
        }
    };
    let name = format!("month:{month}:");
    assert!(wrapped_by(&w).await.iter().all(|by| by.starts_with(&name)));
    let refused = ours.destroy_month(&month, "test").await.expect_err("in use");
    assert!(refused.to_string().contains("is not over"), "{refused}");

    // one is over and forgotten; two months go by
    ours.cancel(over, "test").await.expect("cancelled");
    w.clock.advance(62 * DAY);
    forget(&ours, over).await;
    folder.ensure(&ours, &w.chance).await.expect("keys");
    let refused = ours.destroy_month(&month, "test").await.expect_err("still wraps");
    assert!(refused.to_string().contains("still wraps 1"), "{refused}");
    while ours.carry_over(&name).await.expect("carried") > 0 {}
    ours.destroy_month(&month, "test").await.expect("destroyed");
    ours.destroy_month(&month, "test").await.expect("again is nothing new");
    folder.destroy(&month);

    let fresh = store(&w, &folder, &master, &roots).await;
    assert!(!fresh.dossier(open).await.expect("opens").identifiers.is_empty());
    assert!(matches!(fresh.dossier(over).await, Err(Error::Forgotten(_))));
    // a copy of the database from before: its keys open with nothing that is left
    let vault = Vault::open(&master, &roots).expect("opens").with_months(Box::new(folder.clone()));
    let gone = efface_vault::WrappedKey {
        bytes: hex::decode(&backup[1]).expect("hex"),
        wrapped_by: format!("{name}{}", fresh.month_keys().await.expect("rows")[0].key_id),
    };
    let opened = vault.unwrap(over.bytes(), &gone).map(drop);
    assert_eq!(opened, Err(VaultError::MonthKeyGone { month: month.to_string() }));
    let rows = fresh.month_keys().await.expect("rows");
    assert_eq!((rows[0].wraps, rows[0].destroyed.is_some()), (0, true));
    let reclaimed = fresh.claim_month(&month, "another", "test").await.expect_err("refused");
    assert!(reclaimed.to_string().contains("was destroyed"), "{reclaimed}");
}

pub async fn an_entry_of_the_list_outlives_its_month(bench: Bench) {
    let w = bench.world().await;
    let mut fill = |b: &mut [u8]| efface_core::outside::Chance::fill(&*w.chance, b);
    let master = MasterKey::generate(&mut fill);
    let (_, roots) = Vault::create(&master, &mut fill);
    let folder = Folder::default();
    let ours = store(&w, &folder, &master, &roots).await;
    folder.ensure(&ours, &w.chance).await.expect("keys");
    let [month, _] = ours.months_in_use().expect("months");
    let new = efface_store::NewSuppression {
        controller: controller("default"),
        scope: efface_core::Scope::Marketing,
        identifiers: vec![email("jane")],
        reason: efface_core::suppression::Reason::Added,
        note: None,
        legal_basis: None,
        expires_at: None,
        by: "test".into(),
    };
    let id = ours.suppress(new).await.expect("added").id();
    assert_eq!(ours.wrapped_by_master().await.expect("counts"), 0);
    w.clock.advance(62 * DAY);
    folder.ensure(&ours, &w.chance).await.expect("keys");
    let refused = ours.destroy_month(&month, "test").await.expect_err("still wraps");
    assert!(refused.to_string().contains("still wraps 1"), "{refused}");
    let mut rounds = 0;
    while ours.carry_over(&format!("month:{month}:")).await.expect("carried") > 0 {
        rounds += 1;
    }
    assert_eq!(rounds, 1, "it is carried over once");
    ours.destroy_month(&month, "test").await.expect("destroyed");
    folder.destroy(&month);
    let fresh = store(&w, &folder, &master, &roots).await;
    assert_eq!(fresh.listed_person(id).await.expect("opens"), [email("jane")]);
    // one that lay under the master itself is counted, so that a rotation takes it along
    w.raw.exec("UPDATE suppression SET wrapped_by = 'master:0000'").await;
    assert_eq!(fresh.wrapped_by_master().await.expect("counts"), 1);
}

/// As the `requests` lane does it.
async fn forget(store: &SqlStore, id: efface_core::RequestId) {
    let before = store.request(id).await.expect("request").request;
    let next = request::apply(&before, &Event::Forgotten, store.now()).expect("over");
    let unit = Unit {
        requests: vec![RequestWrite {
            read_version: before.version,
            request: next,
            dossier: None,
            nobody_found_decided: false,
        }],
        forgets: vec![id],
        ..Unit::default()
    };
    store.commit(unit).await.expect("forgotten");
}

pub async fn two_processes_that_make_a_months_key_agree_on_one(bench: Bench) {
    let w = bench.world().await;
    let other = w.another().await;
    let [month, next] = w.store.months_in_use().expect("months");
    assert!(month < next);
    let (one, two) = tokio::join!(
        w.store.claim_month(&month, "aaaa", "one"),
        other.claim_month(&month, "bbbb", "two")
    );
    let (one, two) = (one.expect("told"), two.expect("told"));
    assert_eq!(one, two);
    assert_eq!(w.store.month_keys().await.expect("rows")[0].key_id, one);
}

pub async fn a_watchs_key_counts_for_its_month_and_is_carried_over(bench: Bench) {
    let w = bench.world().await;
    let mut fill = |b: &mut [u8]| efface_core::outside::Chance::fill(&*w.chance, b);
    let master = MasterKey::generate(&mut fill);
    let (_, roots) = Vault::create(&master, &mut fill);
    let folder = Folder::default();
    let ours = store(&w, &folder, &master, &roots).await;
    folder.ensure(&ours, &w.chance).await.expect("keys");
    let [month, _] = ours.months_in_use().expect("months");
    let filed = ours.file(vec![erase(vec![email("over")])]).await.remove(0).expect("filed");
    let efface_store::Filed::New(id) = filed else { panic!("{filed:?}") };
    let row = ours.request(id).await.expect("request").tasks.remove(0).row;
    let state = TaskState::Settled { outcome: Outcome::Erased, evidence: EvidenceLevel::Verified };
    let erased = Task { state, ..row.task };
    let bound = Some(Watchable { bound: Duration::ZERO });
    let watch = watch::begin(&erased, ours.now(), bound, Days::DEFAULT, ours.now()).expect("begun");
    let new = NewWatch { watch: watch.clone(), lane: row.lane, kinds: vec![] };
    ours.commit(Unit { new_watches: vec![new], ..Unit::default() }).await.expect("begun");
    ours.cancel(id, "test").await.expect("cancelled");
    w.clock.advance(62 * DAY);
    forget(&ours, id).await;
    folder.ensure(&ours, &w.chance).await.expect("keys");
    assert_eq!(ours.month_keys().await.expect("rows")[0].wraps, 1);
    ours.destroy_month(&month, "test").await.expect_err("the watch still looks");
    while ours.carry_over(&format!("month:{month}:")).await.expect("carried") > 0 {}
    ours.destroy_month(&month, "test").await.expect("destroyed");
    folder.destroy(&month);
    let fresh = store(&w, &folder, &master, &roots).await;
    let due = fresh.due_watches(&watch.account, fresh.now(), 9).await.expect("opens").remove(0);
    assert_eq!(due.watch, watch);
    assert!(due.identifiers.iter().all(efface_core::Identifier::drives));
    assert_eq!(due.identifiers.len(), 1);
}
