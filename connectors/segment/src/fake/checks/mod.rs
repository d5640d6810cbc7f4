//! What Segment alone does, beside the suite that all vendors share.

mod finding;
mod walks;
mod words;

use efface_connector::{
    IdentifierKind, Item, Scope, TaskAction,
    fake::{
        Check, Stand,
        drive::{Drive, End},
        item,
    },
};

use crate::PLUGIN;

pub fn checks() -> Vec<Check> {
    vec![
        Check {
            name: "requests and answers are those of the documentation",
            run: || Box::pin(async { words::golden() }),
        },
        Check {
            name: "settings that contradict themselves are refused, and a region has its hosts",
            run: || Box::pin(async { words::settings() }),
        },
        Check {
            name: "a regulation is judged by its entries, not by its overall word alone",
            run: || Box::pin(async { words::judged() }),
        },
        Check {
            name: "a spent quota is told from too many requests",
            run: || Box::pin(async { words::quota() }),
        },
        Check {
            name: "every action asks for the narrowest regulation, unless destinations are wanted",
            run: || Box::pin(walks::narrowest()),
        },
        Check {
            name: "what a destination finished is passed on, and never confirmed",
            run: || Box::pin(walks::forwarded()),
        },
        Check {
            name: "many people go into one regulation, up to its ids and bytes",
            run: || Box::pin(walks::batches()),
        },
        Check {
            name: "a lift undoes only what efface suppressed, and asks where it cannot know",
            run: || Box::pin(walks::lifts()),
        },
        Check {
            name: "the suppression list is read over all its pages, and no further than set",
            run: || Box::pin(walks::pages()),
        },
        Check {
            name: "a regulation that Segment forgot needs a person",
            run: || Box::pin(walks::forgotten()),
        },
        Check {
            name: "an invalid regulation of several people is not made again by itself",
            run: || Box::pin(walks::invalid()),
        },
        Check {
            name: "a look-up is offered with a Unify space alone, and sees its profiles",
            run: || Box::pin(walks::look_up()),
        },
        Check {
            name: "a regulation whose answer was lost is found and not made twice",
            run: || Box::pin(finding::lost()),
        },
        Check {
            name: "an older regulation, another type or other people are not taken for a lost one",
            run: || Box::pin(finding::others()),
        },
        Check {
            name: "a list that turns in a circle is left",
            run: || Box::pin(finding::circle()),
        },
    ]
}

fn person(n: u32) -> Result<Item, String> {
    item(n, &[(IdentifierKind::UserId, &format!("user-{n}"))])
}

fn put(stand: &Stand, n: u32) {
    stand.fake().put(&[(IdentifierKind::UserId, format!("user-{n}"))]);
}

fn scope(action: TaskAction) -> Option<Scope> {
    (action != TaskAction::Erase).then_some(Scope::Collection)
}

async fn start() -> Result<Stand, String> {
    Stand::start(&PLUGIN).await
}

async fn end(stand: &Stand, action: TaskAction, person: Item) -> Result<End, String> {
    let ends = Drive::new(stand)?.run(action, scope(action), vec![person]).await?;
    ends.into_iter().next().map(|(_, end)| end).ok_or_else(|| "no end".into())
}

/// The bodies of the regulations that were asked for.
fn posted(stand: &Stand) -> Vec<String> {
    let log = stand.server.log();
    log.into_iter().filter(|line| line.method == "POST").map(|line| line.body).collect()
}
