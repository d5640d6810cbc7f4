//! Filing: all in one transaction, once per key, once per person.

use efface_core::{Identifier, RequestAction, Scope};
use efface_store::{Filed, NewRequest};
use futures::future::join_all;

use crate::common::*;

pub async fn filing_writes_request_tags_tasks_leaf_and_follow_up_together(bench: Bench) {
    let w = bench.world().await;
    let entries = w.raw.count("journal").await;
    let id = w.file_new(released(erase(vec![email("jane"), user("u-1")]))).await;
    for (table, rows) in
        [("request", 1), ("tag", 2), ("task", 3), ("journal", entries + 1), ("follow_up", 1)]
    {
        assert_eq!(w.raw.count(table).await, rows, "{table}");
    }
    assert_eq!(w.state(id).await, "released");
    for (at, state) in
        [("mail", "phase erase"), ("shop", "phase erase"), ("calls", "missing identifier")]
    {
        assert_eq!(stands(&w.task(id, at).await), state, "{at}");
    }
    let dossier = w.store.dossier(id).await.expect("opens");
    assert_eq!(dossier.identifiers, vec![email("jane"), user("u-1")]);
    assert_eq!(w.store.find_person(&email("jane")).await.expect("found"), vec![id]);
}

pub async fn a_filing_that_fails_in_the_middle_writes_nothing(bench: Bench) {
    let w = bench.world().await;
    w.raw
        .exec_each(
            "CREATE TRIGGER refuse BEFORE INSERT ON follow_up BEGIN SELECT RAISE(ABORT, 'refused'); END",
            "ALTER TABLE follow_up ADD CONSTRAINT refuse CHECK (seq < 0)",
        )
        .await;
    let entries = w.raw.count("journal").await;
    // in one group: what asks for no follow-up goes through alone
    let new = vec![released(erase(vec![email("jane")])), erase(vec![email("joan")])];
    let filed = w.store.file(new).await;
    assert!(filed[0].is_err() && filed[1].is_ok(), "{filed:?}");
    for (table, rows) in
        [("request", 1), ("tag", 1), ("task", 3), ("journal", entries + 1), ("follow_up", 0)]
    {
        assert_eq!(w.raw.count(table).await, rows, "{table}");
    }
}

fn keyed(name: &str, key: u8) -> NewRequest {
    NewRequest { filing_key: Some([key; 32]), ..erase(vec![email(name)]) }
}

pub async fn the_same_filing_key_files_once(bench: Bench) {
    let w = bench.world().await;
    let id = w.file_new(keyed("jane", 1)).await;
    assert_eq!(w.file(keyed("jane", 1)).await.expect("filed"), Filed::Before(id));
    let filed = w.store.file((0..20).map(|_| keyed("joan", 2)).collect()).await;
    let new: Vec<_> = filed.iter().filter(|f| matches!(f, Ok(Filed::New(_)))).collect();
    assert_eq!(new.len(), 1, "{filed:?}");
    assert!(filed.iter().all(|f| matches!(f, Ok(Filed::New(_) | Filed::Before(_)))), "{filed:?}");
    assert_eq!(w.raw.count("request").await, 2);
}

pub async fn the_same_filing_key_from_two_processes_at_once_files_once(bench: Bench) {
    let w = bench.world().await;
    let other = w.another().await;
    let filed = join_all((0..20).map(|n| {
        let store = if n % 2 == 0 { w.store.clone() } else { other.clone() };
        async move { store.file(vec![keyed("jane", 1)]).await.remove(0) }
    }))
    .await;
    let new: Vec<_> = filed.iter().filter(|f| matches!(f, Ok(Filed::New(_)))).collect();
    assert_eq!(new.len(), 1, "{filed:?}");
    assert!(filed.iter().all(|f| matches!(f, Ok(Filed::New(_) | Filed::Before(_)))), "{filed:?}");
}

pub async fn twenty_at_once_about_one_person_are_one_request_and_nineteen_duplicates(bench: Bench) {
    let w = bench.world().await;
    let other = w.another().await;
    let filed =
        join_all(
            (0..20).map(|n| {
                let store = if n % 2 == 0 { w.store.clone() } else { other.clone() };
                async move {
                    store.file(vec![erase(vec![email("jane")])]).await.remove(0).expect("filed")
                }
            }),
        )
        .await;
    let first = filed
        .iter()
        .find_map(|f| if let Filed::New(id) = f { Some(*id) } else { None })
        .expect("one is new");
    let duplicates =
        filed.iter().filter(|f| matches!(f, Filed::Duplicate { of, .. } if *of == first)).count();
    assert_eq!(duplicates, 19, "{filed:?}");
    assert_eq!(w.raw.count("task").await, 3, "duplicates have no tasks");
    assert_eq!(w.desk().await, vec![], "a duplicate that names nothing new needs nobody");
}

pub async fn a_duplicate_that_names_more_brings_a_desk_item(bench: Bench) {
    let w = bench.world().await;
    let first = w.file_new(erase(vec![email("jane")])).await;
    let filed = w.file(erase(vec![email("jane"), user("u-1")])).await.expect("filed");
    let Filed::Duplicate { id, of } = filed else { panic!("{filed:?}") };
    assert_eq!((of, w.state(id).await), (first, "duplicate"));
    assert_eq!(w.desk().await, vec![("request".into(), "needs_person".into())]);
    let item = w.store.desk_row(w.desk_item("needs_person").await).await.expect("item");
    assert_eq!(item.request, Some(first));
    assert!(
        item.item.reason.sentence().contains(&id.to_string()),
        "{}",
        item.item.reason.sentence()
    );
}

pub async fn what_differs_in_action_scope_or_controller_or_follows_a_closed_one_is_no_duplicate(
    bench: Bench,
) {
    let w = bench.world().await;
    let jane = || vec![email("jane")];
    let first = w.file_new(suppress(jane())).await;
    w.file_new(NewRequest { scope: Some(Scope::Collection), ..suppress(jane()) }).await;
    w.file_new(erase(jane())).await;
    w.file_new(of_controller("second", suppress(jane()))).await;
    let again = w.file(suppress(jane())).await.expect("filed");
    assert!(matches!(again, Filed::Duplicate { of, .. } if of == first), "{again:?}");
    w.store.cancel(first, "tester").await.expect("cancelled");
    w.file_new(suppress(jane())).await;
    // what nothing proves is nobody's duplicate
    w.file_new(unproved(erase(jane()))).await;
}

pub async fn an_identifier_told_and_proved_counts_as_proved(bench: Bench) {
    let w = bench.world().await;
    let identifiers: Vec<Identifier> = vec![stated(typed_email("Jane@Example.org")), email("jane")];
    let first = w.file_new(NewRequest { proof: None, ..erase(identifiers) }).await;
    let filed = w.file(erase(vec![email("jane")])).await.expect("filed");
    assert!(matches!(filed, Filed::Duplicate { of, .. } if of == first), "{filed:?}");
}

pub async fn the_brakes_at_the_door_refuse_and_say_why(bench: Bench) {
    let w = bench.world().await;
    let plain = |identifiers| {
        NewRequest::new(controller("default"), RequestAction::Erase, identifiers, "the filer")
    };
    let scoped = |scope| NewRequest { scope, ..suppress(vec![email("jane")]) };
    for (new, parts) in [
        (plain(vec![]), vec!["no identifier"]),
        (scoped(None), vec!["scope is required for suppress", "marketing"]),
        (
            NewRequest { scope: Some(Scope::Marketing), ..plain(vec![email("jane")]) },
            vec!["scope does not go with erase"],
        ),
        (
            of_controller("third", plain(vec![email("jane")])),
            vec!["controller third", "known: default, second"],
        ),
        (plain(vec![typed_email("boss@acme.example")]), vec!["email", "controller's own domains"]),
        (plain(vec![typed_email("support@example.org")]), vec!["role mailbox", "second person"]),
        (plain(vec![user("null")]), vec!["user_id", "placeholder"]),
        (suppress(vec![user("%")]), vec!["pattern"]),
        (released(unproved(plain(vec![email("jane")]))), vec!["release needs a proof"]),
        (
            NewRequest {
                received_on: Some(jiff::civil::date(2099, 1, 1)),
                ..plain(vec![email("jane")])
            },
            vec!["2099-01-01"],
        ),
    ] {
        refused(w.file(new).await, &parts);
    }
    assert_eq!(w.raw.count("request").await, 0);
    // what can be lifted again may concern a role
    w.file_new(suppress(vec![typed_email("support@example.org")])).await;
}

pub async fn one_refusal_spoils_no_other(bench: Bench) {
    let w = bench.world().await;
    let filed = w
        .store
        .file(vec![
            erase(vec![email("ann")]),
            erase(vec![user("0")]),
            keyed("ben", 1),
            keyed("ben", 1),
            erase(vec![email("cay")]),
        ])
        .await;
    let words: Vec<&str> = filed
        .iter()
        .map(|f| match f {
            Ok(Filed::New(_)) => "new",
            Ok(Filed::Before(_)) => "before",
            Ok(Filed::Duplicate { .. }) => "duplicate",
            Err(_) => "refused",
        })
        .collect();
    assert_eq!(words, ["new", "refused", "new", "before", "new"]);
}

pub async fn planning_without_filing_writes_nothing(bench: Bench) {
    let w = bench.world().await;
    let before = w.raw.count("journal").await;
    let planned = w.store.plan(&erase(vec![email("jane")])).await.expect("planned");
    let at: Vec<&str> = planned.iter().map(|p| p.account.as_str()).collect();
    assert_eq!(at, ["mail", "shop", "calls"]);
    assert_eq!((w.raw.count("request").await, w.raw.count("journal").await), (0, before));
    refused(w.store.plan(&erase(vec![])).await, &["no identifier"]);
}
