//! Settings and manifest: what a vendor says of itself must build, and must be true.

use efface_connector::{
    Call, EvidenceLevel, Found, Inbound, Manifest, Order, Presence, Recalled, Receipt, Received,
    SuppressOrder, TaskAction,
    fake::drive::{Drive, START},
};
use serde_json::Value;

use super::{Kept, ensure, rig::Rig};

pub(super) async fn run(rig: &mut Rig) {
    let kept = example_builds(rig);
    rig.note("example", "the example settings build", kept);
    let kept = unknown_key(rig).await;
    rig.note("unknown-key", "an unknown setting is refused by name", kept);
    let kept = card(&rig.manifest.clone(), rig.plugin.id);
    rig.note("card", "the manifest is whole and does not contradict itself", kept);
    let kept = offers(rig).await;
    rig.note(
        "offers",
        "look-up, find, recall and callbacks are offered as the manifest says",
        kept,
    );
}

/// Secrets in the example are references; here they are the stand-in's own.
fn example_builds(rig: &Rig) -> Kept {
    let table: toml::Table =
        rig.plugin.example.parse().map_err(|e| format!("settings.example.toml: {e}"))?;
    let own = (rig.plugin.fake)().settings(efface_connector::fake::KEY);
    let mut settings = serde_json::to_value(table).map_err(|e| e.to_string())?;
    resolve(&mut settings, &own);
    let built = (rig.plugin.build)(&settings, None).map_err(|e| e.to_string())?;
    ensure(built.manifest.id == rig.plugin.id, || "another vendor's manifest".into())
}

fn resolve(settings: &mut Value, own: &Value) {
    let Value::Object(table) = settings else { return };
    let files: Vec<String> = table.keys().filter(|key| key.ends_with("_file")).cloned().collect();
    for key in files {
        if let Some(stem) = key.strip_suffix("_file").filter(|stem| !own[*stem].is_null()) {
            table.insert(stem.to_owned(), own[stem].clone());
            table.remove(&key);
        }
    }
    for (key, value) in table.iter_mut() {
        let reference = value.as_str().is_some_and(|text| text.starts_with("env:"));
        if reference {
            *value = own[key.as_str()].clone();
        } else if value.is_object() {
            resolve(value, &own[key.as_str()]);
        }
    }
}

async fn unknown_key(rig: &Rig) -> Kept {
    let stand = rig.stand().await?;
    let mut settings = stand.settings().clone();
    let table = settings.as_object_mut().ok_or("the settings are no table")?;
    table.insert("no_such_setting".into(), Value::from("x"));
    match (rig.plugin.build)(&settings, Some(&stand.server.base_url())) {
        Ok(_) => Err("it was taken".into()),
        Err(error) => ensure(error.key == "no_such_setting", || format!("refused as {error}")),
    }
}

fn card(m: &Manifest, id: &str) -> Kept {
    ensure(m.id == id, || format!("the manifest is called {}", m.id))?;
    ensure((m.title.len() > 1) && !m.category.is_empty(), || {
        "title or category is missing".into()
    })?;
    ensure(!m.actions.is_empty(), || "it offers nothing".into())?;
    ensure(!m.hosts.is_empty(), || "there are no hosts".into())?;
    ensure(m.hosts.iter().all(|host| !host.contains('/')), || "a host is a name alone".into())?;
    ensure(m.body_cap_bytes > 0, || "no answer could be read".into())?;
    let pace = m.pace.calls_per_second > 0.0 && m.pace.calls_in_flight > 0;
    ensure(pace, || "no call could be made".into())?;
    ensure(!m.keeps.is_empty(), || "it does not say what the vendor keeps".into())?;
    ensure(!m.scopes.is_empty(), || "it does not say which rights the key needs".into())?;
    ensure(m.documentation.starts_with("https://"), || "the documentation has no address".into())?;
    ensure(m.read_on.parse::<jiff::civil::Date>().is_ok(), || "read_on is no date".into())?;
    ensure(m.look_up.as_ref().is_none_or(|l| l.batch_items > 0 && !l.by.is_empty()), || {
        "the look-up takes nobody".into()
    })?;
    let both = m.action(TaskAction::EraseAndSuppress).is_some();
    ensure(both == (m.suppress_order == SuppressOrder::With), || {
        "erase_and_suppress and the suppress order `with` go together".into()
    })?;
    for card in &m.actions {
        let a = card.action;
        let once = m.actions.iter().filter(|other| other.action == a).count() == 1;
        ensure(once, || format!("{a} has two cards"))?;
        ensure(!card.steps.is_empty(), || format!("{a} has no steps"))?;
        ensure(!card.keyed_by.is_empty(), || format!("{a} is keyed by nothing"))?;
        for step in &card.steps {
            ensure(step.batch_items > 0 && step.batch_bytes > 0, || {
                format!("{a}/{}: an order of nobody", step.id)
            })?;
            let once = card.steps.iter().filter(|other| other.id == step.id).count() == 1;
            ensure(once, || format!("{a}: two steps are called {}", step.id))?;
        }
        let suppresses = matches!(a, TaskAction::Suppress | TaskAction::EraseAndSuppress);
        ensure(suppresses == card.stops.is_some() || a == TaskAction::Lift, || {
            format!("{a}: what it stops is said of a suppression, and of nothing else")
        })?;
        ensure(!card.verified_by_look_up || m.look_up.is_some(), || {
            format!("{a} would be verified by a look-up that is not offered")
        })?;
        let verified = card.highest == EvidenceLevel::Verified;
        ensure(verified == card.verified_by_look_up, || {
            format!("{a}: verified is reached by a look-up, and a look-up verifies")
        })?;
        let latency = card.latency;
        let rises = latency.typical <= latency.worst && latency.worst <= latency.bound;
        ensure(rises, || format!("{a}: typical, worst and bound do not rise"))?;
    }
    Ok(())
}

async fn offers(rig: &mut Rig) -> Kept {
    let stand = rig.stand().await?;
    rig.put(&stand, 1)?;
    let person = rig.person(1)?;
    let drive = Drive::new(&stand)?;
    let connector = drive.connector()?;
    let m = &rig.manifest;
    let call = || Call::new(&stand.http, START);

    let seen = connector.look_up(&call(), std::slice::from_ref(&person)).await;
    let seen = seen.map_err(|e| format!("look_up: {e}"))?;
    let tells = !matches!(seen.as_slice(), [(_, Presence::CannotTell, _)]);
    ensure(tells == m.look_up.is_some(), || format!("look_up: {seen:?}"))?;

    let card = m.actions.first().ok_or("no actions")?;
    let order = Order {
        action: card.action,
        scope: rig.scope(card.action),
        step: card.first_step().ok_or("no steps")?.clone(),
        items: vec![person],
        idempotency_key: "efface-1".into(),
        first_sent_at: START,
    };
    let found = connector.find(&call(), &order).await;
    let finds = !matches!(found, Ok(Found::CannotTell));
    ensure(!finds || m.finds, || format!("find: {found:?}"))?;
    let receipt = Receipt { format: 1, body: "{}".into() };
    let recalled = connector.recall(&call(), &order, &receipt).await;
    let recalls = !matches!(recalled, Ok(Recalled::NotOffered));
    ensure(recalls == m.recalls, || format!("recall: {recalled:?}"))?;
    let message = Inbound { headers: vec![], body: b"{}".to_vec(), received_at: START };
    let received = connector.receive(&call(), &message).await;
    let receives = !matches!(received, Ok(Received::NotOffered));
    ensure(receives == m.receives, || format!("receive: {received:?}"))
}
