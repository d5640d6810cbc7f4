//! A vendor's key is revoked in the middle of the work and restored: the account stops with one
//! question to a person, the others go on, and nothing is lost.

use std::time::Duration;

use efface_core::{
    AccountId,
    desk::{Reason, Subject},
};

use crate::{
    faults::{Figures, Setting, Stage, Ways},
    vendors::{KEY, Word},
};

/// Whose key it is, in turn.
const WHOSE: [&str; 3] = ["mailchimp", "sendgrid", "mixpanel"];

pub(super) async fn play(setting: Setting) -> Figures {
    let mut figures = Figures::default();
    for n in 0..setting.trials(1, 9) {
        if setting.time_is_up() {
            break;
        }
        figures.add(run(&setting, WHOSE[n % WHOSE.len()]).await);
    }
    figures.note("takeover: from the key's end to the question on the desk");
    figures
}

async fn run(setting: &Setting, vendor: &str) -> Figures {
    let mut figures = Figures { trials: 1, ..Figures::default() };
    let ways = Ways { people: setting.people(30, 60), people_per_call: 1, ..Ways::default() };
    let mut stage = Stage::build(setting, ways).await;
    let store = stage.store().await;
    let account = AccountId::new(vendor).expect("name");
    let mut worker = stage.worker(1);
    stage.until_called(&mut [&mut worker]).await;
    let key = |key: &str| Word::Key { vendor: vendor.into(), key: key.into() };
    stage.vendors.behave(&key("another key"));
    let asked = async || {
        let desk = store.desk(true, 100).await.expect("desk");
        let mine = desk.iter().filter(|row| row.item.subject == Subject::Account(account.clone()));
        mine.clone().for_each(|row| {
            let refused = matches!(row.item.reason, Reason::CredentialsRefused { .. });
            assert!(refused, "{:?}", row.item);
        });
        let count = mine.count();
        assert!(count < 2, "one question for the account: {desk:?}");
        count == 1
    };
    let most = Duration::from_secs(60);
    figures.takeovers.push(stage.until("question", &mut [&mut worker], most, asked).await);
    // everybody else goes on to the end, and the account leaves its people waiting
    let peek = stage.peek().await;
    let others = format!(
        "SELECT count(*) FROM task WHERE account <> '{vendor}' AND state IN ('ready', 'sending', 'unknown', 'waiting', 'confirmed')"
    );
    let done = async || peek.number(&others).await == 0;
    stage.until("end of the others", &mut [&mut worker], Duration::from_secs(90), done).await;
    assert!(asked().await, "the question stands until it is answered");
    stage.vendors.behave(&key(KEY));
    store.resume_account(&account, "test").await.expect("resumed");
    stage.finish(vec![worker], &mut figures).await;
    assert_eq!(figures.forbidden_repeats, 0);
    figures
}
