//! What every sentence works with: made-up people, fresh stands, and an ear for what is told.

use efface_connector::{
    Answer, ConnectorError, Http, IdentifierKind, Item, ItemAnswer, ItemId, Manifest, Plugin,
    Scope, TaskAction,
    fake::{
        Stand, client,
        drive::{Drive, End},
        item,
    },
};

use super::{Kept, Report};

pub(crate) struct Rig {
    pub plugin: &'static Plugin,
    pub manifest: Manifest,
    /// Everything printable that came out of the connector.
    pub told: Vec<String>,
    kept: Vec<(String, String, Kept)>,
    http: Http,
}

impl Rig {
    pub async fn new(plugin: &'static Plugin) -> Result<Self, String> {
        let http = client(&(plugin.manifest)())?;
        let stand = Stand::lent(plugin, http.clone(), |_| ()).await?;
        let manifest = stand.build().map_err(|e| e.to_string())?.manifest;
        Ok(Self { plugin, manifest, told: vec![], kept: vec![], http })
    }

    pub fn note(&mut self, id: impl Into<String>, sentence: impl Into<String>, kept: Kept) {
        self.kept.push((id.into(), sentence.into(), kept));
    }

    pub fn report(self) -> Report {
        let excuses = (self.plugin.fake)().excuses();
        Report::new(self.plugin.id, self.kept, excuses)
    }

    pub async fn stand(&self) -> Result<Stand, String> {
        Stand::lent(self.plugin, self.http.clone(), |_| ()).await
    }

    /// Takes over what a drive was told.
    pub fn hear(&mut self, drive: Drive<'_>) {
        self.told.extend(drive.told);
        let exchanges = drive.exchanges.iter().filter_map(|e| serde_json::to_string(e).ok());
        self.told.extend(exchanges);
        let receipts = drive.receipts.iter().filter_map(|r| serde_json::to_string(r).ok());
        self.told.extend(receipts);
    }

    /// Every kind of identifier the vendor can be asked by.
    pub fn kinds(&self) -> Vec<IdentifierKind> {
        let cards = self.manifest.actions.iter().flat_map(|card| &card.keyed_by);
        let look_up = self.manifest.look_up.iter().flat_map(|card| &card.by);
        let mut kinds: Vec<IdentifierKind> = cards.chain(look_up).cloned().collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// The `n`-th person's identifiers as typed.
    pub fn typed(&self, n: u32) -> Vec<(IdentifierKind, String)> {
        let fake = (self.plugin.fake)();
        let text = |kind: &IdentifierKind| fake.sample(kind, n).unwrap_or_else(|| canary(kind, n));
        self.kinds().into_iter().map(|kind| (kind.clone(), text(&kind))).collect()
    }

    pub fn person(&self, n: u32) -> Result<Item, String> {
        let typed = self.typed(n);
        let typed: Vec<(IdentifierKind, &str)> =
            typed.iter().map(|(kind, text)| (kind.clone(), text.as_str())).collect();
        item(n, &typed)
    }

    /// Puts the `n`-th person there under the normal form of every identifier.
    pub fn put(&self, stand: &Stand, n: u32) -> Result<(), String> {
        let person = self.person(n)?;
        let normal: Vec<(IdentifierKind, String)> = person
            .identifiers
            .iter()
            .map(|i| (i.kind.clone(), i.normal.expose().to_owned()))
            .collect();
        stand.fake().put(&normal);
        Ok(())
    }

    pub fn held(&self, stand: &Stand, n: u32) -> Result<bool, String> {
        let person = self.person(n)?;
        Ok(person.identifiers.iter().any(|i| stand.fake().holds(&i.kind, i.normal.expose())))
    }

    pub fn suppressed(&self, stand: &Stand, n: u32) -> Result<bool, String> {
        let person = self.person(n)?;
        Ok(person.identifiers.iter().any(|i| stand.fake().suppresses(&i.kind, i.normal.expose())))
    }

    /// The scope under which an action is asked for.
    pub fn scope(&self, action: TaskAction) -> Option<Scope> {
        let card = match action {
            TaskAction::Lift => self.manifest.action(TaskAction::Suppress),
            _ => self.manifest.action(action),
        };
        let effect = card.and_then(|card| card.stops)?;
        Scope::ALL.iter().copied().find(|scope| effect.fits(*scope))
    }

    /// A person who is there and, for a lift, suppressed by us.
    pub async fn ready(
        &mut self,
        stand: &Stand,
        action: TaskAction,
        n: u32,
    ) -> Result<Item, String> {
        self.put(stand, n)?;
        let person = self.person(n)?;
        if action != TaskAction::Lift || self.manifest.action(TaskAction::Suppress).is_none() {
            return Ok(person);
        }
        let end = self.drive(stand, TaskAction::Suppress, vec![person.clone()]).await?;
        match end.into_iter().next() {
            Some((_, End::Confirmed { prior, .. })) => Ok(Item { prior, ..person }),
            Some((_, End::Promised { .. })) => Ok(person),
            other => Err(format!("the suppression before the lift: {other:?}")),
        }
    }

    /// Carries people to the end and hears what is told.
    pub async fn drive(
        &mut self,
        stand: &Stand,
        action: TaskAction,
        people: Vec<Item>,
    ) -> Result<Vec<(ItemId, End)>, String> {
        let mut drive = Drive::new(stand)?;
        let ends = drive.run(action, self.scope(action), people).await;
        self.hear(drive);
        ends
    }

    /// The same for one person.
    pub async fn drive_one(
        &mut self,
        stand: &Stand,
        action: TaskAction,
        person: Item,
    ) -> Result<End, String> {
        let ends = self.drive(stand, action, vec![person]).await?;
        match <[(ItemId, End); 1]>::try_from(ends) {
            Ok([(_, end)]) => Ok(end),
            Err(ends) => Err(format!("{} ends for one person", ends.len())),
        }
    }
}

/// A value nobody has: wherever it is found, it leaked.
fn canary(kind: &IdentifierKind, n: u32) -> String {
    match kind {
        IdentifierKind::Email => format!("Canary.{n}.Ada+x@Example.com"),
        IdentifierKind::Phone => format!("+44207946{:04}", 100 + n),
        IdentifierKind::UserId => format!("Canary/User+{n}"),
        IdentifierKind::AnonymousId => format!("Canary/Anon+{n}"),
        IdentifierKind::DeviceId => format!("0ca7a12e-0000-4000-8000-{n:012}"),
        IdentifierKind::AdvertisingId => format!("0ca7a12e-1111-4111-8111-{n:012}"),
        IdentifierKind::Vendor(namespace) => format!("Canary-{namespace}-{n}"),
    }
}

/// The error of an order of one person, wherever it stands.
pub(crate) fn error_of(outcome: &Result<Answer, ConnectorError>) -> Option<&ConnectorError> {
    match outcome {
        Err(error) => Some(error),
        Ok(answer) => match answer.items.as_slice() {
            [(_, ItemAnswer::Failed(error))] => Some(error),
            _ => None,
        },
    }
}

/// Whether an outcome says, of anybody, that something was done, found or taken on.
pub(crate) fn is_success(outcome: &Result<Answer, ConnectorError>) -> bool {
    let Ok(answer) = outcome else { return false };
    !answer.accepted.is_empty() || answer.items.iter().any(|(_, item)| is_good(item))
}

fn is_good(answer: &ItemAnswer) -> bool {
    match answer {
        ItemAnswer::Confirmed(_)
        | ItemAnswer::ConfirmedWithPrior { .. }
        | ItemAnswer::NothingFound { .. }
        | ItemAnswer::Next { .. }
        | ItemAnswer::Discovered { .. }
        | ItemAnswer::Choose { .. } => true,
        ItemAnswer::StillGoing { .. }
        | ItemAnswer::Blocked { .. }
        | ItemAnswer::Failed(_)
        | ItemAnswer::NotSent => false,
    }
}

/// An outcome in words that are the same whenever it means the same.
pub(crate) fn gist(outcome: &Result<Answer, ConnectorError>) -> String {
    let Ok(answer) = outcome else { return format!("{outcome:?}") };
    let mut words: Vec<String> = answer
        .items
        .iter()
        .map(|(id, item)| match item {
            ItemAnswer::Confirmed(_) | ItemAnswer::ConfirmedWithPrior { .. } => {
                format!("{id} confirmed")
            }
            ItemAnswer::NothingFound { .. } => format!("{id} nothing found"),
            ItemAnswer::Next { step, .. } => format!("{id} next {step}"),
            ItemAnswer::Discovered { identifiers, .. } => {
                format!("{id} discovered {}", identifiers.len())
            }
            ItemAnswer::Choose { candidates, .. } => format!("{id} choose {}", candidates.len()),
            ItemAnswer::StillGoing { .. } => format!("{id} still going"),
            ItemAnswer::Blocked { reason, .. } => format!("{id} blocked {reason}"),
            ItemAnswer::Failed(error) => format!("{id} failed {error}"),
            ItemAnswer::NotSent => format!("{id} not sent"),
        })
        .collect();
    for accepted in &answer.accepted {
        let polled = if accepted.receipt.is_some() { "receipt" } else { "promise" };
        words.extend(accepted.items.iter().map(|(id, _)| format!("{id} accepted with {polled}")));
    }
    words.sort_unstable();
    words.join(", ")
}
