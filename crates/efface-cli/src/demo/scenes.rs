//! Eight named scenes: what was stopped, found, asked, not claimed, each with the command to look
//! closer.

use anyhow::Result;
use efface_core::{
    EvidenceLevel, Outcome, RequestId, TaskId,
    desk::{Choice, Reason, Subject},
    journal::Entry,
    task::TaskState,
};
use efface_store::RequestFilter;
use serde::Serialize;

use super::stage::{SECOND, Stage};
use crate::wiring::Context;

/// One scene.
#[derive(Clone, Debug, Serialize)]
pub struct Scene {
    pub name: &'static str,
    pub what: String,
    pub look_closer: String,
    /// Whether it really took place.
    pub seen: bool,
}

/// What was seen on the way.
#[derive(Default)]
pub struct Scenes {
    parked: Option<u32>,
    unknown_seen: u64,
    pub scenes: Vec<Scene>,
}

impl Scenes {
    /// Looks while the worker works: unknown outcomes, the parked lane (and decides on it).
    pub async fn look(&mut self, context: &Context, stage: &Stage) -> Result<()> {
        let counts = context.store.counts().await?;
        let unknown: u64 =
            counts.tasks.iter().filter(|(_, state, _)| state == "unknown").map(|(_, _, n)| n).sum();
        self.unknown_seen = self.unknown_seen.max(unknown);
        let Some(account) = stage.ceiling_account() else { return Ok(()) };
        for row in context.store.desk(true, 100).await? {
            if let (Subject::Account(id), Reason::CeilingReached { people }) =
                (&row.item.subject, &row.item.reason)
                && *id == account
            {
                self.parked = Some(*people);
                context
                    .store
                    .decide(row.item.id, Choice::Resume, "the preview was right", "demo")
                    .await?;
            }
        }
        Ok(())
    }

    /// Tells the scenes once everything is at rest.
    pub async fn tell(
        &mut self,
        context: &Context,
        stage: &Stage,
        refused: u64,
        receipt: &str,
    ) -> Result<()> {
        let config = stage.folder.join("efface.toml").display().to_string();
        let efface = |rest: String| format!("efface --config {config} {rest}");
        let desk = context.store.desk(true, 1_000).await?;
        let on_desk = |word: &str| desk.iter().find(|d| d.item.reason.word() == word);
        let show = |id: Option<RequestId>| {
            id.map_or_else(
                || efface("request list".into()),
                |id| efface(format!("request show {id}")),
            )
        };

        let mut scenes = vec![];
        let mut scene = |name, what: String, look_closer: String, seen: bool| {
            scenes.push(Scene { name, what, look_closer, seen })
        };
        scene(
            "Stopped at filing",
            format!(
                "{refused} rows were refused: a colleague, a role mailbox, a wildcard, `null`, a mistyped address; nothing of them was stored"
            ),
            format!("grep refused {receipt}"),
            refused > 0,
        );
        scene(
            "Stopped by the ceiling",
            match self.parked {
                Some(people) => format!(
                    "the lane of {} parked after {people} people in one day; a person resumed it",
                    stage.vendors.last().map_or("", |v| v.id)
                ),
                None => "no lane reached its daily ceiling".into(),
            },
            efface("desk list --all".into()),
            self.parked.is_some(),
        );
        let (repeated, lost) = unknown_history(context).await?;
        scene(
            "Found again",
            format!(
                "{repeated} order(s) lost their answer after the bytes had left; each was looked into before anything was repeated"
            ),
            lost.map_or_else(
                || efface("task list --state unknown".into()),
                |task| efface(format!("task show {task}")),
            ),
            repeated > 0 || self.unknown_seen > 0,
        );
        let second = desk.iter().find(|d| d.account.as_ref().is_some_and(|a| a.as_str() == SECOND));
        scene(
            "Asked once",
            "one account's key was refused: one entry on the desk, its people's tasks wait, failures unchanged".into(),
            efface(format!("connector show {SECOND}")),
            second.is_some(),
        );
        let nobody = on_desk("nobody_found");
        scene(
            "Asked, not closed",
            "no vendor knew one address: the request waits on the desk instead of closing as done (a typo?)".into(),
            show(nobody.and_then(|d| d.request)),
            nobody.is_some(),
        );
        let liar = on_desk("still_present");
        scene(
            "Not claimed",
            "a vendor confirmed an erasure three times and still showed the person; the task waits on the desk".into(),
            liar.and_then(|d| d.request).map_or_else(|| efface("desk list".into()), |id| efface(format!("request why {id}"))),
            liar.is_some(),
        );
        let shared = find_shared(context).await?;
        scene(
            "Shared, so it drives nothing",
            "two people filed the same telephone: from then on it drives no irreversible call, for neither".into(),
            show(shared),
            shared.is_some(),
        );
        let told = find_instructed(context).await?;
        scene(
            "Not called erased",
            "where a vendor only took the request on, the word is `instructed` and the evidence `accepted`, never `erased`".into(),
            show(told),
            told.is_some(),
        );
        self.scenes = scenes;
        Ok(())
    }
}

/// How many orders were ever unknown, and somebody of one of them, told by the journal.
async fn unknown_history(context: &Context) -> Result<(usize, Option<TaskId>)> {
    let journal = efface_store::journal_tail(&context.store).await?;
    let (mut count, mut somebody) = (0, None);
    for (body, items) in &journal {
        if body.contains("\"kind\":\"order_unknown\"") {
            count += 1;
            let entry = Entry::read(body, items)?;
            somebody = somebody.or_else(|| entry.changes.first().map(|change| change.task));
        }
    }
    Ok((count, somebody))
}

async fn find_shared(context: &Context) -> Result<Option<RequestId>> {
    find(context, |dossier, _| {
        dossier.identifiers.iter().any(|i| i.standing == efface_core::Standing::Shared)
    })
    .await
}

async fn find_instructed(context: &Context) -> Result<Option<RequestId>> {
    find(context, |_, states| {
        states.iter().any(|s| matches!(s, TaskState::Settled { outcome: Outcome::Instructed { .. }, evidence } if *evidence < EvidenceLevel::Confirmed))
    })
    .await
}

async fn find(
    context: &Context,
    fits: impl Fn(&efface_core::subject::Dossier, &[TaskState]) -> bool,
) -> Result<Option<RequestId>> {
    let mut after = None;
    loop {
        let page = context
            .store
            .requests(&RequestFilter { after, limit: 200, ..RequestFilter::default() })
            .await?;
        let Some(last) = page.last() else { return Ok(None) };
        after = Some(last.id);
        for request in &page {
            let dossier = context.store.dossier(request.id).await?;
            let states: Vec<TaskState> = context
                .store
                .request(request.id)
                .await?
                .tasks
                .into_iter()
                .map(|t| t.row.task.state)
                .collect();
            if fits(&dossier, &states) {
                return Ok(Some(request.id));
            }
        }
    }
}
