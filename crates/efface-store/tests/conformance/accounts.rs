//! The doors of an account.

use efface_core::{EvidenceLevel, TaskAction, account::Mode};
use efface_store::Store;
use futures::future::join_all;

use crate::common::*;

pub async fn accounts_begin_in_observe_and_go_live_by_name(bench: Bench) {
    let w = bench.observing().await;
    let mail = account("mail");
    assert_eq!(w.store.account(&mail).await.expect("account").condition.mode, Mode::Observe);
    let live = w.store.enable_account(&mail, Some("eu-1"), "ada").await.expect("live");
    assert_eq!((live.condition.mode, live.condition.pinned.as_deref()), (Mode::Live, Some("eu-1")));
    assert_eq!(w.store.account(&mail).await.expect("account"), live);
    let back = w.store.observe_account(&mail, "ada").await.expect("observing");
    assert_eq!((back.condition.mode, back.version), (Mode::Observe, live.version + 1));
    refused(
        w.store.enable_account(&account("none"), None, "ada").await,
        &["account none does not exist"],
    );
}

pub async fn pause_resume_and_stop_say_what_they_did(bench: Bench) {
    let w = bench.world().await;
    let mail = account("mail");
    refused(w.store.resume_account(&mail, "ada").await, &["nothing holds account mail back"]);
    w.store.pause_account(&mail, "maintenance", "ada").await.expect("paused");
    refused(w.store.pause_account(&mail, "again", "eve").await, &["mail", "paused already"]);
    let stopped = w.store.stop_accounts(None, "ada").await.expect("stopped").stopped;
    assert_eq!(stopped, ["calls", "far", "mail", "shop"]);
    let pause = w.store.account(&mail).await.expect("account").condition.pause.expect("paused");
    assert_eq!(pause.reason, "maintenance", "the first reason stands");
    w.store.resume_account(&mail, "ada").await.expect("resumed");
    assert_eq!(w.store.account(&mail).await.expect("account").condition.pause, None);
    refused(w.store.stop_accounts(Some(&account("none")), "ada").await, &["account none"]);
}

pub async fn a_floor_needs_a_reason_and_a_reachable_level(bench: Bench) {
    let w = bench.world().await;
    let mail = account("mail");
    let floor = async |action, level, reason| {
        w.store.set_floor(&mail, action, level, reason, "2027-01-01", "ada").await
    };
    refused(floor(TaskAction::Erase, EvidenceLevel::Accepted, " ").await, &["needs a reason"]);
    refused(
        floor(TaskAction::Erase, EvidenceLevel::Verified, "why").await,
        &["mail", "confirmed at most", "erase"],
    );
    refused(
        floor(TaskAction::Resolve, EvidenceLevel::Accepted, "why").await,
        &["mail offers no resolve"],
    );
    let row = floor(TaskAction::Erase, EvidenceLevel::Accepted, "they never confirm")
        .await
        .expect("lowered");
    assert_eq!(
        row.condition.floor(TaskAction::Erase, EvidenceLevel::Confirmed),
        EvidenceLevel::Accepted
    );
}

pub async fn a_start_does_not_undo_a_pause(bench: Bench) {
    let w = bench.world().await;
    // a second process starts with another ceiling, over and over, while a person pauses and resumes
    let mail = account("mail");
    let starts = (0..3u32).map(|n| {
        let mut directory = directory();
        directory.accounts[0].people_per_day = 200 + n;
        w.another_with(directory)
    });
    let pause = async {
        for _ in 0..2 {
            w.store.pause_account(&mail, "stop", "ada").await.expect("paused");
            assert!(
                w.store.account(&mail).await.expect("account").condition.pause.is_some(),
                "a start undid a pause"
            );
            w.store.resume_account(&mail, "ada").await.expect("resumed");
        }
        w.store.pause_account(&mail, "stop", "ada").await.expect("paused");
    };
    let (started, ()) = futures::future::join(join_all(starts), pause).await;
    assert!(
        started.iter().all(Result::is_ok),
        "{:?}",
        started.iter().filter_map(|s| s.as_ref().err()).collect::<Vec<_>>()
    );
    let row = w.store.account(&mail).await.expect("account");
    assert!(
        row.condition.pause.is_some() && row.condition.ceiling.people_per_day >= 200,
        "{row:?}"
    );
}

pub async fn two_people_change_an_account_and_both_changes_stand(bench: Bench) {
    let w = bench.world().await;
    let mail = account("mail");
    let before = w.store.account(&mail).await.expect("account").version;
    let floors = (0..6).map(|n| {
        let (store, mail) = (w.store.clone(), mail.clone());
        async move {
            let reason = format!("reason {n}");
            store
                .set_floor(
                    &mail,
                    TaskAction::Erase,
                    EvidenceLevel::Accepted,
                    &reason,
                    "2027-01-01",
                    "ada",
                )
                .await
        }
    });
    let (outcomes, paused) =
        futures::future::join(join_all(floors), w.store.pause_account(&mail, "stop", "eve")).await;
    paused.expect("paused");
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let row = w.store.account(&mail).await.expect("account");
    assert_eq!((row.condition.floors.len(), row.version), (6, before + 7));
    assert!(row.condition.pause.is_some());
}
