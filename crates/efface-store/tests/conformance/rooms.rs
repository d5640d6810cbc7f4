//! The room the memory stands in: other processes, other versions, missing rights.

use efface_core::RequestId;
use efface_store::{Connection, Error, Filed, Store};
use futures::future::join_all;

use crate::common::*;

pub async fn a_second_process_writes_too_and_nothing_is_lost(bench: Bench) {
    let w = bench.world().await;
    let other = w.another().await;
    let filers = (0..8).map(|n| {
        let store = if n % 2 == 0 { w.store.clone() } else { other.clone() };
        async move {
            let mut ids: Vec<RequestId> = vec![];
            for m in 0..10 {
                match store
                    .file(vec![erase(vec![email(&format!("p{n}x{m}"))])])
                    .await
                    .remove(0)
                    .expect("filed")
                {
                    Filed::New(id) => ids.push(id),
                    other => panic!("{other:?}"),
                }
                let id = ids[ids.len() - 1];
                store.release(id, "ada").await.expect("released");
                store.hold(id, "wait", "ada").await.expect("held");
            }
            ids
        }
    });
    let lanes = async {
        for n in 0..20 {
            let owner = if n % 2 == 0 { &w.store } else { &other };
            let taken =
                owner.take_lanes("one", &[lane("mail")], common_ttl()).await.expect("lanes");
            let leases: Vec<_> = taken.into_iter().map(|(l, _)| l).collect();
            owner.renew(&leases, common_ttl()).await.expect("renewed");
        }
    };
    let (ids, ()) = futures::future::join(join_all(filers), lanes).await;
    let ids: Vec<RequestId> = ids.concat();
    assert_eq!((ids.len(), w.raw.count("request").await, w.raw.count("task").await), (80, 80, 240));
    for id in ids {
        let view = w.store.request(id).await.expect("request").request;
        assert!(view.hold.is_some() && view.version == 4, "{view:?}");
    }
    if !w.bench.is_postgres() {
        assert_eq!(w.raw.texts("PRAGMA integrity_check").await, ["ok"]);
    }
}

fn common_ttl() -> efface_store::LeaseTerms {
    crate::common::lane::TTL
}

pub async fn two_processes_may_make_the_schema_at_once(bench: Bench) {
    let first = Connection::connect(&bench.url, 2, true).await.expect("connects");
    let mut others = vec![first];
    for _ in 0..3 {
        others.push(Connection::connect(&bench.url, 2, true).await.expect("connects"));
    }
    let made = join_all(others.iter().map(Connection::migrate)).await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    others[0].check_schema().await.expect("there");
    let stands =
        join_all(others.iter().zip(["a", "b", "c", "d"]).map(|(c, v)| c.claim_meta("who", v)))
            .await;
    let stands: Vec<String> = stands.into_iter().map(|s| s.expect("claimed")).collect();
    assert!(stands.iter().all(|s| *s == stands[0]), "{stands:?}");
}

pub async fn a_newer_schema_is_named(bench: Bench) {
    let w = bench.world().await;
    w.raw
        .exec("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 0)")
        .await;
    let connection = Connection::connect(&w.bench.url, 2, false).await.expect("connects");
    for refused in [connection.check_schema().await, connection.migrate().await.map(drop)] {
        let error = refused.expect_err("newer");
        assert!(
            matches!(&error, Error::NewerSchema { found, .. } if found == "m9999_later"),
            "{error}"
        );
        let told = error.to_string();
        let ours = efface_migrations::names().pop().expect("one");
        assert!(told.contains("m9999_later") && told.contains(&ours), "{told}");
    }
}

pub async fn a_database_without_schema_is_named(bench: Bench) {
    let connection = Connection::connect(&bench.url, 2, true).await.expect("connects");
    let error = connection.check_schema().await.expect_err("empty");
    assert!(matches!(error, Error::NoSchema), "{error}");
    assert!(error.to_string().contains("efface migrate"));
    assert!(connection.migrate().await.expect("made") > 0);
    assert_eq!(connection.migrate().await.expect("made"), 0);
}

pub async fn a_read_only_database_says_so(bench: Bench) {
    let w = bench.world().await;
    let url = if w.bench.is_postgres() {
        let name = w.raw.texts("SELECT current_database()::text").await.remove(0);
        w.raw.exec(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
        w.bench.url.clone()
    } else {
        format!("{}?mode=ro", w.bench.url)
    };
    let connection = match Connection::connect(&url, 2, false).await {
        Ok(connection) => connection,
        // SQLite's log needs a right to write from the first moment
        Err(error) => {
            assert!(matches!(error, Error::ReadOnly(_)) && !w.bench.is_postgres(), "{error:?}");
            return assert!(error.to_string().contains("cannot be written"), "{error}");
        }
    };
    let error = connection.claim_meta("who", "me").await.expect_err("read-only");
    assert!(matches!(error, Error::ReadOnly(_)), "{error:?}");
    assert!(error.to_string().contains("cannot be written"), "{error}");
    let store = efface_store::SqlStore::open(
        connection,
        w.vault.clone(),
        directory(),
        w.clock.clone(),
        w.chance.clone(),
    );
    let store = store.await.expect("reading is allowed");
    let filed = store.file(vec![erase(vec![email("jane")]), erase(vec![email("john")])]).await;
    for error in filed.into_iter().map(|f| f.expect_err("refused")) {
        assert!(matches!(error, Error::ReadOnly(_)), "{error:?}");
    }
    assert!(matches!(store.prove_writable().await, Err(Error::ReadOnly(_))));
    store.counts().await.expect("reads");
}

pub async fn a_missing_database_is_named(bench: Bench) {
    let missing = if bench.is_postgres() {
        let (server, _) = bench.url.rsplit_once('/').expect("url");
        format!("{server}/no_such_database")
    } else {
        format!("sqlite://{}", bench.folder.path().join("no/such.db").display())
    };
    let error =
        Connection::connect(&missing, 2, false).await.map(drop).expect_err("missing").to_string();
    let parts: &[&str] = if bench.is_postgres() {
        &["cannot connect to PostgreSQL", "no_such_database"]
    } else {
        &["no/such.db", "efface init"]
    };
    for part in parts {
        assert!(error.contains(part), "{error}");
    }
    for (wrong, part) in
        [("mysql://x", "sqlite:// or postgres://"), ("postgres://[", "not a valid postgres:// URL")]
    {
        let error =
            Connection::connect(wrong, 2, false).await.map(drop).expect_err("wrong").to_string();
        assert!(error.contains(part), "{error}");
    }
}

pub async fn a_migration_that_was_cut_short_can_be_run_again(bench: Bench) {
    let connection = Connection::connect(&bench.url, 2, true).await.expect("connects");
    let raw = Raw::open(&bench.url).await;
    // the last table stands in the way: the whole migration is taken back
    raw.exec("CREATE TABLE schedule (job TEXT)").await;
    assert!(connection.migrate().await.is_err());
    raw.exec("DROP TABLE schedule").await;
    let all = efface_migrations::names().len();
    assert_eq!(connection.migrate().await.expect("made"), all);
    connection.check_schema().await.expect("there");
}
