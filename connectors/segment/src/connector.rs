//! The order of Segment's calls; what they say is in `wire`.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use efface_connector::{
    Accepted, Answer, Call, Connector, ConnectorError, Evidence, Found, IdentifierKind, Item,
    ItemAnswer, ItemId, NeedsPerson, Order, Prepared, Presence, Probe, Receipt, Right, TaskAction,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    manifest::{BATCH_BYTES, BATCH_IDS, PICK, READ_SUPPRESSED, REGULATE},
    people::{self, Before, Subject, Subjects},
    wire::{self, Regulation, Verdict, Wire},
};

/// Format of the receipt.
const FORMAT: u16 = 1;
/// The vendor's promise for its own stores.
const PROMISED: Duration = Duration::from_secs(30 * 86_400);
/// Room for the words around the ids of a regulation.
const WORDS_AROUND: usize = 256;
/// Pages of regulations read to find a lost one.
const MOST_PAGES: u32 = 30;
const HOUR: Duration = Duration::from_secs(3600);

pub struct Segment {
    pub wire: Wire,
    pub forwards: bool,
    pub own_systems: Vec<String>,
    pub suppression_pages: u32,
}

/// What is needed to ask again.
#[derive(Serialize, Deserialize)]
struct Ticket {
    regulation: String,
    kind: String,
}

#[async_trait]
impl Connector for Segment {
    fn prepare(&self, _now: Timestamp, order: &Order) -> Result<Prepared, ConnectorError> {
        if order.step != REGULATE {
            return Ok(Prepared::read_only(order.items.iter().map(|item| item.id).collect()));
        }
        let regulation = Regulation::of(order.action, self.forwards)?;
        let (items, ids) = fitting(order)?;
        Ok(Prepared::sends(self.wire.create(regulation, &ids)?, items))
    }

    async fn submit(
        &self,
        call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        if order.step == REGULATE {
            let id = wire::read_created(&call.send(prepared.changing()?).await?)?;
            return self.accepted(order, &id, "regulation accepted");
        }
        let items = if order.step == READ_SUPPRESSED {
            self.read_suppressed(call, order).await?
        } else if order.step == PICK {
            let picked = order.items.iter().map(|item| (item.id, picked(item)));
            picked.map(|(id, answer)| (id, answer.unwrap_or_else(ItemAnswer::Failed))).collect()
        } else {
            return Err(ConnectorError::permanent(format!("Segment has no step {}", order.step)));
        };
        Ok(Answer { items, accepted: vec![] })
    }

    async fn poll(
        &self,
        call: &Call<'_>,
        order: &Order,
        receipt: &Receipt,
    ) -> Result<Answer, ConnectorError> {
        let ticket: Ticket = receipt.read(FORMAT)?;
        let regulation = Regulation::of_word(&ticket.kind).ok_or_else(|| {
            ConnectorError::person("a stored receipt names a regulation nobody knows")
        })?;
        let reply = call.send(&self.wire.regulation(&ticket.regulation)).await?;
        let answer = match wire::read_regulation(&reply, &ticket.regulation)? {
            None => ItemAnswer::Failed(ConnectorError::person(format!(
                "Segment does not know the regulation {}; it keeps them for 90 days",
                ticket.regulation
            ))),
            Some(standing) => {
                let evidence =
                    Evidence::seen(wire::in_words(&standing)).reference(&ticket.regulation);
                match wire::judge(&standing, regulation, &self.own_systems) {
                    Verdict::StillGoing => {
                        ItemAnswer::StillGoing { poll_after: poll_after(regulation) }
                    }
                    Verdict::Done { forwarded: false } => ItemAnswer::Confirmed(evidence),
                    Verdict::Done { forwarded: true } => ItemAnswer::Confirmed(
                        evidence.forwarded().promised(
                            "deletions are passed on to destinations, which Segment cannot vouch for",
                        ),
                    ),
                    Verdict::Invalid => ItemAnswer::Failed(invalid(order, &ticket.regulation)),
                    Verdict::Unclear(why) => ItemAnswer::Failed(ConnectorError::person(format!(
                        "{why} ({}); look at the regulation {} in Segment",
                        evidence.what, ticket.regulation
                    ))),
                }
            }
        };
        let items = order.items.iter().map(|item| (item.id, with_prior(&answer, order, item)));
        Ok(Answer { items: items.collect(), accepted: vec![] })
    }

    async fn look_up(
        &self,
        call: &Call<'_>,
        items: &[Item],
    ) -> Result<Vec<(ItemId, Presence, Evidence)>, ConnectorError> {
        let mut seen = vec![];
        for item in items {
            let (presence, evidence) = self.profile_of(call, item).await?;
            seen.push((item.id, presence, evidence));
        }
        Ok(seen)
    }

    async fn probe(&self, call: &Call<'_>) -> Result<Probe, ConnectorError> {
        let workspace = wire::read_workspace(&call.send(&self.wire.workspace()).await?)?;
        let listed = call.send(&self.wire.regulations(1, None)).await?;
        let mut may =
            vec![("list regulations".to_owned(), right(wire::read_listed(&listed).map(|_| ()))?)];
        // nobody's id: whether or not such a profile is there, an answer shows that the token works
        if let Some(request) = self.wire.profile_by_user_id("efface-probe") {
            let profile = wire::read_profile(&call.send(&request).await?).map(|_| ());
            may.push(("read profiles of the space".to_owned(), right(profile)?));
        }
        may.push(("create regulations".to_owned(), Right::CannotTell));
        Ok(Probe {
            account_id: Some(workspace.id),
            account_name: Some(workspace.name),
            key_name: None,
            may,
            key_expires: None,
            evidence: Evidence::seen("200 to the workspace, then its regulations asked for"),
        })
    }

    async fn find(&self, call: &Call<'_>, order: &Order) -> Result<Found, ConnectorError> {
        if order.step != REGULATE {
            return Ok(Found::CannotTell);
        }
        let regulation = Regulation::of(order.action, self.forwards)?;
        let mut ids = vec![];
        for item in &order.items {
            ids.extend(people::regulated(order.action, item)?);
        }
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let request = self.wire.regulations(wire::REGULATIONS_A_PAGE, cursor.as_deref());
            let page = wire::read_listed(&call.send(&request).await?)?;
            let ours =
                |listed: &wire::Listed| listed.answers(regulation, &ids, order.first_sent_at);
            if let Some(listed) = page.entries.iter().find(|listed| ours(listed)) {
                let what = "regulation found in the workspace's list";
                return self.accepted(order, &listed.id, what).map(Found::Arrived);
            }
            // the last page, or one that comes again because the cursor is not understood
            if page.next.is_none() || page.next == cursor {
                break;
            }
            cursor = page.next;
        }
        // not listed is not the same as never taken: nothing says how soon the list shows it
        Ok(Found::CannotTell)
    }
}

impl Segment {
    /// All items of an order, taken on with one regulation.
    fn accepted(&self, order: &Order, id: &str, what: &str) -> Result<Answer, ConnectorError> {
        let regulation = Regulation::of(order.action, self.forwards)?;
        let ticket = Ticket { regulation: id.to_owned(), kind: regulation.word().to_owned() };
        let accepted = Accepted {
            items: order.items.iter().map(|item| (item.id, item.memo.clone())).collect(),
            receipt: Some(Receipt::new(FORMAT, &ticket)?),
            poll_after: poll_after(regulation),
            done_within: PROMISED,
            evidence: Evidence::seen(format!("{what} ({})", regulation.word()))
                .reference(id)
                .promised("done within 30 days in Segment's own systems"),
        };
        Ok(Answer { items: vec![], accepted: vec![accepted] })
    }

    /// First step of a suppression: who of these is suppressed already.
    async fn read_suppressed(
        &self,
        call: &Call<'_>,
        order: &Order,
    ) -> Result<Vec<(ItemId, ItemAnswer)>, ConnectorError> {
        let wanted: BTreeSet<String> = order.items.iter().flat_map(people::user_ids).collect();
        let mut listed: BTreeSet<String> = BTreeSet::new();
        let mut whole = false;
        let mut cursor: Option<String> = None;
        for _ in 0..self.suppression_pages {
            let reply = call.send(&self.wire.suppressions(cursor.as_deref())).await?;
            let page = wire::read_suppressed(&reply)?;
            listed.extend(page.entries.into_iter().filter(|id| wanted.contains(id)));
            whole = page.next.is_none();
            if whole || listed.len() == wanted.len() || page.next == cursor {
                break;
            }
            cursor = page.next;
        }
        let before = |id: &String| match (listed.contains(id), whole) {
            (true, _) => Before::Listed,
            (false, true) => Before::NotListed,
            (false, false) => Before::NotKnown,
        };
        let evidence = Evidence::seen(if whole {
            "the suppression list was read to its end"
        } else {
            "the suppression list was not read to its end"
        });
        let mut answers = vec![];
        for item in &order.items {
            let subject = |id: String| Subject { before: before(&id), id };
            let subjects: Vec<Subject> = people::user_ids(item).into_iter().map(subject).collect();
            let answer = if subjects.is_empty() {
                ItemAnswer::Failed(people::no_user_id())
            } else {
                next(&Subjects { subjects }, evidence.clone())?
            };
            answers.push((item.id, answer));
        }
        Ok(answers)
    }

    async fn profile_of(
        &self,
        call: &Call<'_>,
        item: &Item,
    ) -> Result<(Presence, Evidence), ConnectorError> {
        if !self.wire.looks_up() {
            let evidence = Evidence::seen("no Unify space is set up to ask in");
            return Ok((Presence::CannotTell, evidence));
        }
        let mut asked = 0;
        let mut matched_by = vec![];
        for kind in [IdentifierKind::UserId, IdentifierKind::Email] {
            for text in people::texts(item, &kind) {
                let request = if kind == IdentifierKind::Email {
                    self.wire.profile_by_email(&text)
                } else {
                    self.wire.profile_by_user_id(&text)
                };
                let Some(request) = request else { continue };
                asked += 1;
                let there = wire::read_profile(&call.send(&request).await?)?;
                if there && !matched_by.contains(&kind) {
                    matched_by.push(kind.clone());
                }
            }
        }
        let found = matched_by.len();
        let evidence = Evidence::seen(format!(
            "profiles of the space asked by {asked} ids, {found} kinds met"
        ));
        let presence = match (asked, found) {
            (0, _) => Presence::CannotTell,
            (_, 0) => Presence::Absent,
            // two ids of one person meet one profile, or two: the answers do not say which
            (_, _) => Presence::Present { records: 1, matched_by },
        };
        Ok((presence, evidence))
    }
}

/// The people whose ids fit into one regulation, and these ids.
fn fitting(order: &Order) -> Result<(Vec<ItemId>, Vec<String>), ConnectorError> {
    let most = usize::try_from(BATCH_IDS).unwrap_or(usize::MAX);
    let mut room = usize::try_from(BATCH_BYTES).unwrap_or(usize::MAX) - WORDS_AROUND;
    let (mut items, mut all) = (vec![], vec![]);
    let mut left_out = None;
    for item in &order.items {
        let ids = match people::regulated(order.action, item) {
            Ok(ids) => ids,
            Err(error) => {
                left_out = Some(error);
                continue;
            }
        };
        let bytes: usize = ids.iter().map(|id| bytes_of(id)).sum();
        if all.len() + ids.len() > most || bytes > room {
            left_out = Some(ConnectorError::permanent("more user ids than a regulation takes"));
            continue;
        }
        room -= bytes;
        items.push(item.id);
        all.extend(ids);
    }
    match left_out {
        Some(error) if items.is_empty() => Err(error),
        Some(_) | None => Ok((items, all)),
    }
}

/// A text as JSON, with a comma.
fn bytes_of(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX, |json| json.len() + 1)
}

/// First step of a lift: only what efface suppressed.
fn picked(item: &Item) -> Result<ItemAnswer, ConnectorError> {
    let mut prior = match &item.prior {
        Some(prior) => Subjects::read(prior)?,
        None => Subjects { subjects: vec![] },
    };
    if prior.any(Before::NotKnown) {
        return Err(ConnectorError::person(
            "it was not read whether the person was suppressed before efface did so; lift by hand",
        ));
    }
    prior.subjects.retain(|subject| subject.before == Before::NotListed);
    if prior.subjects.is_empty() {
        let evidence = Evidence::seen("efface suppressed nobody by these ids");
        return Ok(ItemAnswer::NothingFound { asked: vec![IdentifierKind::UserId], evidence });
    }
    let ids = prior.subjects.len();
    next(&prior, Evidence::seen(format!("{ids} user ids that efface suppressed")))
}

fn next(subjects: &Subjects, evidence: Evidence) -> Result<ItemAnswer, ConnectorError> {
    Ok(ItemAnswer::Next { step: REGULATE, memo: subjects.memo()?, evidence })
}

/// A confirmed suppression keeps what was there before, for an honest lift.
fn with_prior(answer: &ItemAnswer, order: &Order, item: &Item) -> ItemAnswer {
    match (answer, order.action, &item.memo) {
        (
            ItemAnswer::Confirmed(evidence),
            TaskAction::Suppress | TaskAction::EraseAndSuppress,
            Some(prior),
        ) => ItemAnswer::ConfirmedWithPrior { evidence: evidence.clone(), prior: prior.clone() },
        (other, _, _) => other.clone(),
    }
}

/// Refused: for one person that is definite. For several Segment does not say whose id it is, and a
/// batch that was taken and refused later is not sent again as it was.
fn invalid(order: &Order, id: &str) -> ConnectorError {
    if order.items.len() == 1 {
        ConnectorError::permanent("regulation_invalid")
    } else {
        ConnectorError::person(format!(
            "Segment calls the regulation {id} of {} people INVALID and does not say because of whom",
            order.items.len()
        ))
    }
}

/// Suppressions are mostly done within a day, deletions within weeks.
fn poll_after(regulation: Regulation) -> Duration {
    if regulation.deletes() { HOUR } else { HOUR / 2 }
}

/// What a try says of a right: a refusal is an answer, trouble is not.
fn right(tried: Result<(), ConnectorError>) -> Result<Right, ConnectorError> {
    match tried {
        Ok(()) => Ok(Right::Yes),
        Err(ConnectorError::NeedsPerson(NeedsPerson::CredentialsRefused { .. })) => Ok(Right::No),
        Err(error) => Err(error),
    }
}
