//! The main job: file, release, fan out, vendor really done, evidence.

use std::time::Duration;

use efface_core::{
    IdentifierKind, RequestAction,
    journal::{Entry, Replay},
};
use efface_tests::world::{Plan, World, all_new, proved, released};

async fn twenty_people(url: &str, vendors: &[&'static str]) {
    let world = World::build(Plan::new(url, vendors)).await;
    let mut requests = vec![];
    for n in 0..20 {
        let ids = vec![
            (IdentifierKind::Email, format!("person{n}@example.com")),
            (IdentifierKind::UserId, format!("user-{n}")),
        ];
        for fake in world.fakes.values() {
            fake.fake().put(&ids);
        }
        requests.push(released(
            RequestAction::Erase,
            ids.into_iter().map(|(k, v)| proved(k, &v)).collect(),
        ));
    }
    let ids = all_new(world.store.file(requests).await);
    let (closed, open) = world.run_until_closed(Duration::from_secs(30)).await;
    for id in &ids {
        for line in world.store.why(*id).await.expect("why") {
            println!("{line:?}");
        }
    }
    println!("{:?}", world.store.outcomes().await.expect("outcomes"));
    assert_eq!((closed, open), (20, 0));
    for (vendor, fake) in &world.fakes {
        assert_eq!(fake.fake().people(), 0, "{vendor} still holds somebody");
    }
    // the journal alone gives the stored state
    let mut replay = Replay::default();
    for (body, items) in efface_store::journal_tail(&world.store).await.expect("journal") {
        replay.take(Entry::read(&body, &items).expect("reads")).expect("replays");
    }
    for id in ids {
        let view = world.store.request(id).await.expect("request");
        assert_eq!(replay.requests.get(&id), Some(&view.request));
        for task in view.tasks {
            assert_eq!(replay.tasks.get(&task.row.task.id), Some(&task.row.task));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_people_are_erased_at_mailchimp_on_sqlite() {
    let folder = tempfile::tempdir().expect("folder");
    let url = format!("sqlite://{}", folder.path().join("t.db").display());
    twenty_people(&url, &["mailchimp"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_people_are_erased_at_every_vendor_on_postgresql() {
    let cluster = efface_testkit::postgres::TempPostgres::shared().expect("PostgreSQL");
    let url = cluster.create_database().expect("database");
    twenty_people(&url, &["mailchimp", "sendgrid"]).await;
}
