//! The stand-ins' own state and logs against the evidence. What disagrees fails the demo.

use anyhow::Result;
use efface_core::{EvidenceLevel, Outcome, TaskAction, task::TaskState};
use efface_store::RequestFilter;

use super::{
    people::{Part, Person},
    stage::Stage,
};
use crate::wiring::Context;

/// One line for each disagreement.
pub async fn against_the_logs(
    context: &Context,
    stage: &Stage,
    people: &[Person],
) -> Result<Vec<String>> {
    let lied_about: Vec<&str> =
        people.iter().filter(|p| p.part == Part::LiedAbout).map(|p| p.email.as_str()).collect();
    let mut found = vec![];
    let mut after = None;
    loop {
        let page = context
            .store
            .requests(&RequestFilter { after, limit: 500, ..RequestFilter::default() })
            .await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for request in &page {
            let dossier = context.store.dossier(request.id).await?;
            let view = context.store.request(request.id).await?;
            for task in view.tasks {
                let TaskState::Settled { outcome, evidence } = &task.row.task.state else {
                    continue;
                };
                let Some(vendor) = stage.vendor_of(&task.row.task.account) else { continue };
                for identifier in &dossier.identifiers {
                    let value = identifier.normal.expose();
                    let is_held = vendor.server.fake().holds(&identifier.kind, value);
                    let is_liar = lied_about.contains(&value);
                    if matches!(outcome, Outcome::Erased) && is_held && !is_liar {
                        found.push(format!("{}: task {} says {} ({evidence}), and the stand-in still holds the person", vendor.id, task.row.task.id, outcome.word(task.row.task.action)));
                    }
                    let claims_suppressed = matches!(outcome, Outcome::Suppressed)
                        && task.row.task.action == TaskAction::Suppress;
                    let asked_by_this = identifier.drives()
                        && vendor.server.fake().suppresses(&identifier.kind, value);
                    if claims_suppressed && *evidence == EvidenceLevel::None && asked_by_this {
                        found.push(format!(
                            "{}: task {} claims a suppression without evidence",
                            vendor.id, task.row.task.id
                        ));
                    }
                }
            }
        }
    }
    for vendor in &stage.vendors {
        // whoever the stand-in erased must have been asked for: nobody else's data was touched
        let asked: Vec<String> = people
            .iter()
            .filter(|p| may_be_touched(p))
            .flat_map(|p| [p.email.to_lowercase(), p.user_id.clone()])
            .collect();
        for line in vendor.server.log() {
            for effect in line.effects.iter().filter(|e| e.starts_with("erased ")) {
                let who = effect.trim_start_matches("erased ");
                if who.contains('@') && !asked.iter().any(|a| a == who) {
                    found.push(format!(
                        "{}: call {} erased somebody nobody asked for",
                        vendor.id, line.n
                    ));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn may_be_touched(person: &Person) -> bool {
    match person.part {
        Part::Staff
        | Part::OwnDomain
        | Part::RoleMailbox
        | Part::Wildcard
        | Part::Placeholder
        | Part::BadEmail
        | Part::BadPhone
        | Part::Unproved
        | Part::SecondController => false,
        Part::Ordinary
        | Part::SharedPhone
        | Part::ParentForChild
        | Part::Typo
        | Part::Duplicate
        | Part::DuplicateWithMore
        | Part::LacksUserId
        | Part::LiedAbout => true,
    }
}
