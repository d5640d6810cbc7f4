//! The list of people, page by page: everybody is in it, and a page that goes wrong is not the last.

use std::collections::BTreeSet;

use efface_connector::{
    Call, ConnectorError, Listed, Lists,
    fake::{
        Fault, Stand,
        drive::{Drive, START},
    },
};

use super::{
    Broken, Kept, ensure,
    faults::{limits, refusal, reply},
    not_applicable,
    rig::Rig,
};

/// More pages than any stand-in has.
const MOST_PAGES: u32 = 100;

pub(super) async fn run(rig: &mut Rig) {
    let kept = offered(rig).await;
    rig.note("list-offered", "a list of people is offered as the manifest says", kept);
    let kept = everybody(rig).await;
    rig.note("list", "a list shows everybody, in pages no larger than told", kept);
    let kept = faults(rig).await;
    rig.note("list-faults", "a page that goes wrong is never the last", kept);
}

async fn offered(rig: &mut Rig) -> Kept {
    let stand = rig.stand().await?;
    let listed = page(rig, &stand, None).await?;
    let offers = !matches!(listed, Ok(Listed::NotOffered));
    match &rig.manifest.lists {
        Lists::InPages(card) => {
            ensure(offers, || "none is offered".into())?;
            ensure(card.page_items > 0 && !card.by.is_empty(), || "a list of nobody".into())
        }
        Lists::Cannot(why) => {
            ensure(!offers, || format!("{listed:?}"))?;
            ensure(!why.is_empty(), || "it does not say why there is none".into())
        }
    }
}

async fn everybody(rig: &mut Rig) -> Kept {
    let Some(card) = rig.manifest.lists.card().cloned() else {
        return not_applicable("it offers no list of people");
    };
    let stand = rig.stand().await?;
    // some more than one page
    let people = card.page_items + 3;
    for n in 1..=people {
        rig.put(&stand, n)?;
    }
    let (mut from, mut shown, mut pages) = (None, BTreeSet::new(), 0);
    loop {
        let listed = page(rig, &stand, from.as_ref()).await?;
        let Ok(Listed::Page(page)) = listed else {
            return Err(Broken::By(format!("page {pages}: {listed:?}")));
        };
        pages += 1;
        let size = u32::try_from(page.people.len()).unwrap_or(u32::MAX);
        ensure(size <= card.page_items, || format!("a page of {size}"))?;
        for one in page.people.iter().flatten() {
            ensure(card.by.contains(&one.kind), || format!("{} is not on the card", one.kind))?;
            shown.insert((one.kind.word(), one.normal.expose().to_owned()));
        }
        from = page.next;
        if from.is_none() {
            break;
        }
        ensure(pages < MOST_PAGES, || "it does not end".into())?;
    }
    ensure(pages > 1, || "there was one page alone".into())?;
    // of several ids of one kind a vendor may show one
    let missing = (1..=people).filter(|n| {
        let person = rig.person(*n).map(|p| p.identifiers).unwrap_or_default();
        !person.iter().any(|i| shown.contains(&(i.kind.word(), i.normal.expose().to_owned())))
    });
    let missing = missing.count();
    ensure(missing == 0, || format!("{missing} of {people} are not shown"))
}

async fn faults(rig: &mut Rig) -> Kept {
    if rig.manifest.lists.card().is_none() {
        return not_applicable("it offers no list of people");
    }
    let mut cases = vec![
        refusal(rig, 401),
        refusal(rig, 403),
        Fault::status(500),
        Fault::BreakAfter,
        Fault::GarbageAfter,
        reply(200, "<html>welcome</html>"),
        reply(200, "{}"),
        reply(404, "<html>nothing here</html>"),
        reply(400, "{}"),
    ];
    cases.extend(limits(START));
    for fault in cases {
        let stand = rig.stand().await?;
        rig.put(&stand, 1)?;
        stand.server.faults().always(Some(fault.clone()));
        let listed = page(rig, &stand, None).await?;
        ensure(listed.is_err(), || format!("{fault:?}: {listed:?}"))?;
    }
    let stand = rig.stand().await?;
    if stand.fake().lose_place() {
        let listed = page(rig, &stand, None).await?;
        ensure(listed.is_err(), || format!("project or list lost: {listed:?}"))?;
    }
    Ok(())
}

async fn page(
    rig: &mut Rig,
    stand: &Stand,
    from: Option<&efface_connector::Value>,
) -> Result<Result<Listed, ConnectorError>, String> {
    let connector = Drive::new(stand)?.connector()?;
    let call = Call::new(&stand.http, START);
    let listed = connector.list(&call, from).await;
    rig.told.push(format!("{listed:?}"));
    rig.told.push(format!("{:?}", call.take_exchanges()));
    Ok(listed)
}
