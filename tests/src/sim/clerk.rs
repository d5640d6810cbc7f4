//! The people: they file, cancel, hold, and decide what lies on the desk.

use std::{sync::Arc, time::Duration};

use efface_core::{
    Identifier, IdentifierKind, Provenance, RequestAction, RequestId, Scope,
    desk::{Choice, DeskItem, Subject},
};
use efface_store::{Error, NewRequest, Proof};

use super::{
    faults::{between, pick},
    run::World,
};
use crate::world::controller;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// The desk is looked at so often.
const LOOKS: Duration = Duration::from_secs(2 * 3600);

/// Spawns everybody. New requests come in the first two thirds of the time.
pub fn begin(world: &Arc<World>, until: Duration) {
    let people = world.dice(|dice| dice.between(2, 9));
    for n in 0..people {
        let (at, again) = world
            .dice(|dice| (between(dice, Duration::ZERO, until * 2 / 3), dice.between(0, 3) == 0));
        let one = world.clone();
        let story = async move {
            one.time.sleep(at).await;
            story(&one, n).await;
            if again {
                one.time.sleep(HOUR).await;
                story(&one, n).await;
            }
        };
        world.time.spawn(0, Box::pin(story));
    }
    let desk = world.clone();
    world.time.spawn(
        0,
        Box::pin(async move {
            loop {
                desk.time.sleep(LOOKS).await;
                work(&desk);
            }
        }),
    );
}

/// A refusal by the rules is an answer; anything else is not.
fn took(world: &World, what: &str, done: Result<(), Error>) {
    match done {
        Ok(()) | Err(Error::Refused(_) | Error::Task(_) | Error::Request(_)) => {}
        Err(error) => {
            world.wrong(format!("{what}: {error}"));
        }
    }
}

async fn story(world: &World, n: u64) {
    let (action, proved, turn) = world.dice(|dice| {
        let actions = [
            RequestAction::Erase,
            RequestAction::Erase,
            RequestAction::Erase,
            RequestAction::EraseAndSuppress,
            RequestAction::Suppress,
        ];
        (pick(&actions, dice), dice.between(0, 9) != 0, dice.between(0, 9))
    });
    let proof = Provenance::Proved { how: "account login".into(), by: "clerk".into() };
    let provenance = if proved { proof } else { Provenance::Stated };
    let address = format!("person{n}@example.org");
    let who = Identifier::parse(IdentifierKind::Email, &address, provenance, None);
    let new = NewRequest {
        scope: action.needs_scope().then_some(Scope::Marketing),
        proof: proved.then(|| Proof { how: "account login".into(), by: "clerk".into() }),
        release_by: proved.then(|| "clerk".into()),
        ..NewRequest::new(controller(), action, vec![who.expect("an address")], "clerk")
    };
    let id = match world.store.file(new) {
        Ok(id) => id,
        Err(error) => return took(world, "filing", Err(error)),
    };
    world.filed.lock().expect("a list").push(id);
    change_of_mind(world, id, turn).await;
}

async fn change_of_mind(world: &World, id: RequestId, turn: u64) {
    let soon = |most| world.dice(|dice| between(dice, Duration::ZERO, most));
    match turn {
        0 | 1 => {
            world.time.sleep(soon(DAY * 4)).await;
            took(world, "cancel", world.store.cancel(id));
        }
        2 | 3 => {
            world.time.sleep(soon(DAY * 3)).await;
            took(world, "hold", world.store.hold(id));
            world.time.sleep(soon(DAY * 6)).await;
            took(world, "end of hold", world.store.end_hold(id));
        }
        _ => {}
    }
}

fn work(world: &World) {
    for item in world.store.open_desk() {
        let choices = item.reason.choices();
        let choice = choose(world, &item, choices);
        if choice == Choice::Resume
            && let Subject::Account(account) = &item.subject
        {
            let key = (account.clone(), world.now().utc_date());
            *world.resumed.lock().expect("a list").entry(key).or_default() += 1;
        }
        took(world, "the desk", world.store.decide(&item, choice));
    }
}

fn choose(world: &World, item: &DeskItem, choices: &[Choice]) -> Choice {
    let many = world.is_calm() && world.now().since(item.opened_at) > DAY * 10;
    // told three times that somebody is still there, a person believes it done or lets it be
    let wanted = world.dice(|dice| match dice.between(0, 9) {
        0 | 1 => Choice::Waive,
        2 => Choice::Attest,
        _ if many => Choice::Waive,
        _ => Choice::Retry,
    });
    if choices.contains(&wanted) {
        wanted
    } else {
        choices.first().copied().unwrap_or(Choice::Dismiss)
    }
}
