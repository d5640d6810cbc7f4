//! The suppression list: what ends there, what a lift gets back from it, who is found, who is told.

use efface_core::{
    Identifier, RequestAction, RequestId, Scope, SuppressionId, TaskAction,
    request::{self, Event},
    subject::Value,
    suppression::{Desired, Kind, Observed, Reason},
    task::{Answered, Queue},
};
use efface_store::{
    Added, Asked, Error, Filed, LiftBegun, MemoWrite, NewRequest, NewSuppression, Pushed,
    RequestWrite, Store, SuppressionFilter, SuppressionView, TaskWrite, Unit,
};

use crate::common::*;

async fn entries(w: &World) -> Vec<SuppressionView> {
    let filter = SuppressionFilter { limit: 100, ..SuppressionFilter::default() };
    w.store.suppressions(&filter).await.expect("entries")
}

async fn only_entry(w: &World) -> SuppressionView {
    let mut all = entries(w).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn observed(view: &SuppressionView, at: &str) -> (Observed, bool) {
    let found = view.accounts.iter().find(|a| a.account == account(at)).expect("an account");
    (found.observed, found.drifts)
}

fn somebody(identifiers: Vec<Identifier>) -> NewSuppression {
    NewSuppression {
        controller: controller("default"),
        scope: Scope::Marketing,
        identifiers,
        reason: Reason::Added,
        note: Some("asked at the fair".into()),
        legal_basis: None,
        expires_at: None,
        by: "ada".into(),
    }
}

/// Suppressed at `mail`, where `prior` stood before, and closed.
async fn suppressed(w: &World, who: Vec<Identifier>, prior: &str) -> RequestId {
    let id = w.start(suppress(who)).await;
    told(w, id, prior).await;
    id
}

/// The task at `mail` ends well and keeps `prior`; the request closes.
async fn told(w: &World, id: RequestId, prior: &str) {
    let task = w.task(id, "mail").await;
    w.order(None, std::slice::from_ref(&task), 1).await.expect("ordered");
    let before = w.now_of(task.id).await;
    let (mut unit, mut changes) = (Unit::default(), vec![]);
    let event =
        efface_core::task::Event::Answered { answer: Answered::Confirmed { forwarded: false } };
    w.happen(&mut unit, &mut changes, &before, &event).expect("confirmed");
    unit.tasks[0].prior = Some(Value::new(prior));
    unit.tasks[0].memo = MemoWrite::Clear;
    w.store.commit(unit).await.expect("written");
    w.follow().await;
    assert_eq!(w.state(id).await, "closed");
}

/// As the `requests` lane does it.
async fn forget(w: &World, id: RequestId) {
    let before = w.store.request(id).await.expect("request").request;
    let request = request::apply(&before, &Event::Forgotten, w.now()).expect("over");
    let write = RequestWrite {
        read_version: before.version,
        request,
        dossier: None,
        nobody_found_decided: false,
    };
    let unit = Unit { requests: vec![write], forgets: vec![id], ..Unit::default() };
    w.store.commit(unit).await.expect("forgotten");
}

async fn prior_of(w: &World, lift: RequestId) -> Option<String> {
    let due = w.store.due_tasks(&account("mail"), Queue::Submit, 10).await.expect("due");
    let found = due.into_iter().find(|d| d.task.request == lift).expect("the lift is due");
    assert_eq!(found.task.action, TaskAction::Lift);
    found.prior.map(|p| p.expose().to_owned())
}

fn verdicts(found: &[Vec<efface_store::Verdict>]) -> Vec<Vec<(Scope, Reason)>> {
    found.iter().map(|v| v.iter().map(|v| (v.scope, v.reason)).collect()).collect()
}

pub async fn a_suppress_that_closes_leaves_a_sealed_entry_and_an_erasure_a_hash(bench: Bench) {
    let w = bench.world().await;
    let id = suppressed(&w, vec![email("jane"), user("u-1")], "subscribed").await;
    let view = only_entry(&w).await;
    assert_eq!((view.entry.kind, view.entry.source), (Kind::Sealed, Some(id)));
    assert_eq!(observed(&view, "mail"), (Observed::Confirmed, false));
    assert_eq!(observed(&view, "shop"), (Observed::Unsupported, false));
    let kept = w.store.listed_person(view.entry.id).await.expect("opens");
    assert_eq!(kept, [email("jane"), user("u-1")]);
    let noted = w.store.request(id).await.expect("request").request;
    let listed = noted.listed.expect("the request knows its entry");
    assert_eq!((listed.entry, listed.noted_at.is_some()), (view.entry.id, true));

    let erased = w.start(erase(vec![email("carl")])).await;
    w.finish(erased).await;
    w.finish(erased).await;
    assert_eq!(w.state(erased).await, "closed");
    let hash = entries(&w).await.into_iter().find(|v| v.entry.source == Some(erased));
    let hash = hash.expect("an entry");
    assert_eq!((hash.entry.kind, hash.entry.reason), (Kind::HashOnly, Reason::Erased));
    assert_eq!(w.store.listed_person(hash.entry.id).await.expect("reads"), []);
    assert_eq!(w.raw.number("SELECT count(*) FROM suppression WHERE sealed IS NULL").await, 1);
    // both stand in the journal, and the record of each request stays whole
    let told: Vec<String> = efface_store::journal_tail(&w.store)
        .await
        .expect("journal")
        .into_iter()
        .map(|(body, _)| body)
        .filter(|body| body.contains("\"suppression_moved\""))
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
}

pub async fn the_same_wish_again_renews_its_entry_and_the_first_state_stays(bench: Bench) {
    let w = bench.world().await;
    suppressed(&w, vec![email("jane")], "as it was").await;
    suppressed(&w, vec![email("jane"), user("u-1")], "unsubscribed already").await;
    let view = only_entry(&w).await;
    assert_eq!(view.entry.version, 2);
    let kept = w.store.listed_person(view.entry.id).await.expect("opens");
    assert_eq!(kept, [email("jane"), user("u-1")]);
    let lift = w.start(wish(RequestAction::Lift, vec![email("jane")])).await;
    assert_eq!(prior_of(&w, lift).await.as_deref(), Some("as it was"));
    // by that door the vendor is told, and the list stands: nobody brought a consent
    w.carry(w.task(lift, "mail").await.id, Answered::Confirmed { forwarded: false }).await;
    w.finish(lift).await;
    let view = only_entry(&w).await;
    assert_eq!(view.entry.state.word(), "in_force");
    assert_eq!(observed(&view, "mail"), (Observed::NotTold, true));
}

pub async fn a_forgotten_request_is_lifted_from_its_entry(bench: Bench) {
    let w = bench.world().await;
    let id = suppressed(&w, vec![email("jane")], "subscribed to two lists").await;
    suppressed(&w, vec![email("john")], "johns state").await;
    forget(&w, id).await;
    assert!(matches!(w.store.dossier(id).await, Err(Error::Forgotten(_))));
    let view = entries(&w).await.into_iter().find(|v| v.entry.source == Some(id)).expect("entry");
    let refused = w.store.lift(view.entry.id, "  ", "ada").await.expect_err("no consent");
    assert!(refused.to_string().contains("consent"), "{refused}");
    let begun = w.store.lift(view.entry.id, "form 7", "ada").await.expect("lifts");
    let LiftBegun::By(lift) = begun else { panic!("{begun:?}") };
    let again = w.store.lift(view.entry.id, "form 8", "ada").await.expect_err("under way");
    assert!(again.to_string().contains("under way"), "{again}");
    let asked = Asked::Plain(email("jane"));
    let still = w
        .store
        .check_list(&controller("default"), std::slice::from_ref(&asked))
        .await
        .expect("reads");
    assert_eq!(still[0].len(), 1, "it stands until the lift has closed");
    w.follow().await;
    assert_eq!(prior_of(&w, lift).await.as_deref(), Some("subscribed to two lists"));
    w.finish(lift).await;
    assert_eq!(w.state(lift).await, "closed");
    let lifted = w.store.suppression(view.entry.id).await.expect("entry");
    assert_eq!(lifted.entry.state.word(), "lifted");
    assert_eq!(lifted.entry.desired(w.now()), Desired::NotSuppressed);
    assert_eq!(lifted.drift(), 0);
    assert_eq!(w.store.listed_person(view.entry.id).await.expect("reads"), [], "nothing is kept");
    let found = w.store.check_list(&controller("default"), &[asked]).await.expect("reads");
    assert_eq!(found, [vec![]]);
}

pub async fn a_lift_where_nobody_was_told_is_done_at_once_and_a_cancelled_one_leaves_the_entry(
    bench: Bench,
) {
    let w = bench.world().await;
    let Added::New(untold) = w.store.suppress(somebody(vec![email("ed")])).await.expect("added")
    else {
        panic!("new")
    };
    let before = w.raw.count("request").await;
    assert_eq!(w.store.lift(untold, "form 1", "ada").await.expect("lifted"), LiftBegun::AtOnce);
    assert_eq!(w.raw.count("request").await, before, "nothing was filed");
    let state = w.store.suppression(untold).await.expect("entry").entry.state;
    assert_eq!(state.word(), "lifted");
    refused(w.store.lift(untold, "form 1", "ada").await, &["lifted already"]);

    suppressed(&w, vec![email("jane")], "before").await;
    let view = entries(&w).await.into_iter().find(|v| v.entry.id != untold).expect("entry");
    let LiftBegun::By(lift) = w.store.lift(view.entry.id, "form 7", "ada").await.expect("asked")
    else {
        panic!("by a request")
    };
    w.store.cancel(lift, "ada").await.expect("cancelled");
    w.follow().await;
    let state = w.store.suppression(view.entry.id).await.expect("entry").entry.state;
    assert_eq!(state.word(), "in_force");
    w.store.lift(view.entry.id, "form 7", "ada").await.expect("asked again");
}

pub async fn a_check_finds_by_address_and_by_hash_and_nobody_of_another_controller(bench: Bench) {
    let w = bench.world().await;
    suppressed(&w, vec![email("jane"), user("u-1")], "before").await;
    let erased = w.start(erase(vec![email("carl")])).await;
    w.finish(erased).await;
    w.finish(erased).await;
    let ending = NewSuppression {
        expires_at: Some(w.now().plus(COOLING)),
        ..somebody(vec![email("expires")])
    };
    w.store.suppress(ending).await.expect("added");
    let asked = [
        Asked::Plain(stated(typed_email(" JANE@example.org"))),
        Asked::hashed(&email("jane")).expect("a hash"),
        Asked::Plain(user("u-1")),
        Asked::hashed(&email("carl")).expect("a hash"),
        Asked::Plain(email("nobody")),
        Asked::Plain(email("expires")),
    ];
    let leaves = w.raw.count("journal").await;
    let found = w.store.check_list(&controller("default"), &asked).await.expect("reads");
    let (requested, erased) =
        ((Scope::Marketing, Reason::Requested), (Scope::AllProcessing, Reason::Erased));
    let want = [
        vec![requested],
        vec![requested],
        vec![requested],
        vec![erased],
        vec![],
        vec![(Scope::Marketing, Reason::Added)],
    ];
    assert_eq!(verdicts(&found), want);
    let other = w.store.check_list(&controller("second"), &asked).await.expect("reads");
    assert!(other.iter().all(Vec::is_empty), "{other:?}");
    assert_eq!(w.raw.count("journal").await, leaves, "a look leaves nothing");
    w.clock.advance(COOLING);
    let late = w.store.check_list(&controller("default"), &asked).await.expect("reads");
    assert!(late[5].is_empty(), "it has ended");
}

pub async fn an_account_that_goes_live_later_is_told_by_the_ordinary_doors(bench: Bench) {
    let w = bench.observing().await;
    let jane = w.store.suppress(somebody(vec![stated(email("jane"))])).await.expect("added").id();
    let by_phone = w.store.suppress(somebody(vec![phone(3)])).await.expect("added").id();
    let again = w.store.suppress(somebody(vec![email("jane")])).await.expect("known");
    assert_eq!(again, Added::Before(jane));
    let view = async |id: SuppressionId| w.store.suppression(id).await.expect("entry");
    assert_eq!(observed(&view(jane).await, "mail"), (Observed::NotTold, false), "it only observes");
    w.store.enable_account(&account("mail"), Some("pinned"), "test").await.expect("live");
    w.clock.advance(COOLING);
    assert_eq!(observed(&view(jane).await, "mail"), (Observed::NotTold, true));
    let reachable = |v: &SuppressionView| {
        v.accounts.iter().find(|a| a.account == account("mail")).is_some_and(|a| a.reachable)
    };
    assert!(reachable(&view(jane).await));
    assert!(!reachable(&view(by_phone).await), "mail is keyed by addresses");

    let import = w.store.begin_import("backfill", "backfill 1", "ada").await.expect("import");
    let at_mail = [account("mail")];
    let pushed = w.store.push_entry(jane, &at_mail, Some(import), "ada").await.expect("filed");
    let Pushed::Filed(id) = pushed else { panic!("{pushed:?}") };
    assert_eq!(w.state(id).await, "identified", "many at once wait for a person's release");
    let tasks = w.tasks(id).await;
    assert_eq!(tasks.len(), 1, "one account alone: {tasks:?}");
    assert_eq!(observed(&view(jane).await, "mail"), (Observed::Told, false), "under way");
    w.store.release(id, "ada").await.expect("released");
    w.follow().await;
    told(&w, id, "subscribed").await;
    assert_eq!(observed(&view(jane).await, "mail"), (Observed::Confirmed, false));
    assert_eq!(entries(&w).await.len(), 2, "no further entry");
    // given up, it is not told again
    let other = w.store.suppress(somebody(vec![email("max")])).await.expect("added").id();
    let Pushed::Filed(id) =
        w.store.push_entry(other, &at_mail, Some(import), "ada").await.expect("filed")
    else {
        panic!("new")
    };
    w.store.cancel(id, "ada").await.expect("cancelled");
    w.follow().await;
    assert_eq!(observed(&view(other).await, "mail"), (Observed::NotTold, true));
}

pub async fn what_was_filed_for_one_account_stands_for_no_whole_wish(bench: Bench) {
    let w = bench.world().await;
    suppressed(&w, vec![email("jane")], "before").await;
    let entry = only_entry(&w).await.entry.id;
    let at_mail = [account("mail")];
    let import = w.store.begin_import("backfill", "backfill 1", "ada").await.expect("import");
    let first = w.store.push_entry(entry, &at_mail, Some(import), "ada").await.expect("filed");
    assert!(matches!(first, Pushed::Filed(_)));
    let again = w.store.push_entry(entry, &at_mail, Some(import), "ada").await.expect("filed");
    assert!(matches!(again, Pushed::UnderWay(_)), "{again:?}");
    let whole = w.file(NewRequest { ..suppress(vec![email("jane")]) }).await.expect("filed");
    assert!(matches!(whole, Filed::New(_)), "{whole:?}");
}

pub async fn an_entry_that_changed_meanwhile_refuses_the_whole_unit(bench: Bench) {
    let w = bench.world().await;
    let id = suppressed(&w, vec![email("jane")], "before").await;
    let entry = only_entry(&w).await.entry;
    let task = w.task(id, "mail").await;
    let listing = |read_version| efface_store::Listing {
        read_version,
        entry: efface_core::suppression::Suppression { version: read_version + 1, ..entry.clone() },
        from: None,
        identifiers: vec![],
        tags: vec![],
        stands: vec![],
        is_empty: false,
    };
    let mut after = task.clone();
    after.version += 1;
    let unit = |read_version| Unit {
        listings: vec![listing(read_version)],
        tasks: vec![TaskWrite::new(task.version, after.clone())],
        ..Unit::default()
    };
    let stale = w.store.commit(unit(7)).await.expect_err("another version");
    assert!(matches!(stale, Error::Stale { .. }), "{stale}");
    assert_eq!(w.now_of(task.id).await.version, task.version);
    w.store.commit(unit(1)).await.expect("the version that stands");
}
