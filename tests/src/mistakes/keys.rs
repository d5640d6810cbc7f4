//! The wrong account's key: refused, without the right, of an account without our lists, or that
//! answers as somebody else's account.

use std::collections::BTreeSet;

use efface_connector::fake::Fault;
use efface_core::{AccountId, RequestAction, desk::Reason};
use efface_store::Store as _;

use super::{
    COOLED, DAY, JUST_BEFORE,
    house::House,
    scene::Scene,
    table::{Kind, Played, Stop},
};
use crate::{
    vendors::person,
    world::{all_new, proved, released},
};

/// What is wrong with the key.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Unknown,
    MayNot,
    /// The vendor knows the key and none of the places in the settings.
    OtherPlaces,
    /// The vendor's own account id is not the pinned one.
    OtherAccount,
    /// The pinned account's key was replaced by another account's.
    Replaced,
    /// Good when the requests were released, revoked before they left.
    RevokedMeanwhile,
}

use Wrong::{MayNot, OtherAccount, OtherPlaces, Replaced, RevokedMeanwhile, Unknown};

const KEYS: [(&str, Wrong); 25] = [
    ("mailchimp", Unknown),
    ("hubspot", Unknown),
    ("sendgrid", Unknown),
    ("segment", Unknown),
    ("amplitude", Unknown),
    ("mixpanel", Unknown),
    ("mailchimp", MayNot),
    ("hubspot", MayNot),
    ("sendgrid", MayNot),
    ("segment", MayNot),
    ("amplitude", MayNot),
    ("mixpanel", MayNot),
    ("mailchimp", OtherPlaces),
    ("hubspot", OtherPlaces),
    ("mixpanel", OtherPlaces),
    ("mailchimp", OtherAccount),
    ("hubspot", OtherAccount),
    ("segment", OtherAccount),
    ("mailchimp", Replaced),
    ("mailchimp", RevokedMeanwhile),
    ("hubspot", RevokedMeanwhile),
    ("sendgrid", RevokedMeanwhile),
    ("segment", RevokedMeanwhile),
    ("amplitude", RevokedMeanwhile),
    ("mixpanel", RevokedMeanwhile),
];

/// How many there are.
#[must_use]
pub const fn keys() -> usize {
    KEYS.len()
}

/// Plays one.
///
/// # Panics
/// When a brake does not hold.
pub async fn play(n: usize) -> Played {
    let (vendor, wrong) = KEYS[n];
    let scene = Scene::open(House::build(&[vendor]).await).await;
    let fake = &scene.world.fakes[vendor];
    let account = AccountId::new(vendor).expect("name");
    if matches!(wrong, OtherAccount | Replaced) {
        let ours = if wrong == Replaced { "acc1" } else { "our-own-account" };
        let pinned = scene.world.store.enable_account(&account, Some(ours), "test");
        pinned.await.expect("enabled");
    }
    let people: Vec<_> = (0..5).map(person).collect();
    people.iter().for_each(|who| fake.fake().put(who));
    let held = fake.fake().people();
    let requests = people.into_iter().map(|who| {
        let who = who.into_iter().map(|(kind, text)| proved(kind, &text)).collect();
        released(RequestAction::Erase, who)
    });
    let filed = all_new(scene.world.store.file(requests.collect()).await);
    assert_eq!(filed.len(), 5);
    scene.release_is_now();
    let spoil = || match wrong {
        Unknown | RevokedMeanwhile => fake.tune(|t| t.key = "of-another-account".into()),
        MayNot => {
            let refusal = fake.fake().refusal(403);
            let (status, headers, body) = (refusal.status, refusal.headers, refusal.body);
            fake.faults().always(Some(Fault::Reply { status, headers, body }));
        }
        OtherPlaces => assert!(fake.fake().lose_place(), "{vendor} names places"),
        OtherAccount => {}
        Replaced => {
            let body = r#"{"account_id":"acc2","account_name":"Somebody Else"}"#.into();
            fake.faults().next([Fault::Reply { status: 200, headers: vec![], body }]);
        }
    };
    if wrong != RevokedMeanwhile {
        spoil();
    }
    let work = async {
        scene.at(JUST_BEFORE).await;
        let early = scene.irreversible().await;
        if wrong == RevokedMeanwhile {
            spoil();
        }
        scene
            .at_until(COOLED, &format!("{vendor} on the desk, {wrong:?}"), async || {
                !scene.accounts_on_the_desk().await.is_empty()
            })
            .await;
        scene.at(DAY * 2).await;
        scene.at(DAY * 5).await;
        early
    };
    let early = scene.world.while_working(work).await;
    let reached: BTreeSet<String> = scene.reached().into_values().flatten().collect();
    assert!(reached.is_empty(), "{vendor}, {wrong:?}: {reached:?}");
    assert_eq!(fake.fake().people(), held, "{vendor}, {wrong:?}");
    let desk = scene.accounts_on_the_desk().await;
    let told = |r: &Reason| match wrong {
        Unknown | RevokedMeanwhile => matches!(r, Reason::CredentialsRefused { status: 401 }),
        MayNot => matches!(r, Reason::CredentialsRefused { status: 403 }),
        OtherPlaces => matches!(r, Reason::SettingsWrong { .. }),
        OtherAccount => {
            matches!(r, Reason::OtherAccount { pinned, .. } if pinned == "our-own-account")
        }
        Replaced => {
            matches!(r, Reason::OtherAccount { answers_as, .. } if answers_as == "acc2")
        }
    };
    assert!(desk.len() == 1 && told(&desk[0]), "{vendor}, {wrong:?}: {desk:?}");
    let row = scene.world.store.account(&account).await.expect("account");
    assert_eq!(row.condition.ceiling.used, 0, "{vendor}, {wrong:?}: nobody was started");
    Played {
        kind: Kind::WrongKey,
        stop: Stop::Account,
        irreversible_before: early,
        reached_in_a_day: reached.len(),
        parked: false,
    }
}
