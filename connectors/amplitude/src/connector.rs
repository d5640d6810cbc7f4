//! The order of Amplitude's calls; what they say is in `wire`, what they mean in `jobs`.

use std::collections::BTreeSet;

use async_trait::async_trait;
use efface_connector::{
    Answer, Call, Connector, ConnectorError, Evidence, Found, IdentifierKind, Item, ItemAnswer,
    ItemId, Order, Prepared, Presence, Probe, Recalled, Receipt, Right, Timestamp,
};

use crate::{
    jobs::{self, Ticket},
    manifest::{DELETE, amplitude_id},
    people::{self, Ids, Known},
    wire::{self, Job, Match, Status, Wire},
};

/// Searched for by a probe; nobody is called so.
const NOBODY: &str = "efface-probe-of-nobody";

pub struct Amplitude {
    pub wire: Wire,
    pub requester: String,
}

#[async_trait]
impl Connector for Amplitude {
    fn prepare(&self, _now: Timestamp, order: &Order) -> Result<Prepared, ConnectorError> {
        if order.step != DELETE {
            return Err(ConnectorError::permanent(format!("Amplitude has no step {}", order.step)));
        }
        let mark = jobs::mark(&self.requester, order);
        let bare = self.wire.delete(&mark, &Ids::default())?;
        let overhead = bare.body_text().map_or(0, str::len);
        let (ids, people) = people::fitting(&order.items, overhead)?;
        Ok(Prepared::sends(self.wire.delete(&mark, &ids)?, people))
    }

    async fn submit(
        &self,
        call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        let taken = wire::read_taken(&call.send(prepared.changing()?).await?)?;
        jobs::taken(order, &taken, &jobs::mark(&self.requester, order))
    }

    async fn poll(
        &self,
        call: &Call<'_>,
        order: &Order,
        receipt: &Receipt,
    ) -> Result<Answer, ConnectorError> {
        let ticket = Ticket::read(receipt)?;
        let listed = self.listed(call, ticket.range(order.first_sent_at)).await?;
        jobs::standing(&order.items, &ticket, &listed, &jobs::mark(&self.requester, order))
    }

    async fn look_up(
        &self,
        call: &Call<'_>,
        items: &[Item],
    ) -> Result<Vec<(ItemId, Presence, Evidence)>, ConnectorError> {
        let mut seen = vec![];
        for item in items {
            let (presence, asked) = self.look(call, item).await?;
            let evidence = Evidence::seen(format!("user search by {asked} identifiers"));
            seen.push((item.id, presence, evidence));
        }
        Ok(seen)
    }

    async fn probe(&self, call: &Call<'_>) -> Result<Probe, ConnectorError> {
        self.listed(call, jobs::range_since(call.now())).await?;
        self.search(call, &IdentifierKind::UserId, NOBODY).await?;
        Ok(Probe {
            account_id: None,
            account_name: None,
            key_name: Some(self.wire.key_name()),
            may: vec![
                ("list deletion jobs".into(), Right::Yes),
                ("search users".into(), Right::Yes),
                ("delete users".into(), Right::CannotTell),
            ],
            key_expires: None,
            evidence: Evidence::seen(
                "200 to the list of deletion jobs and to a user search; Amplitude names no account",
            ),
        })
    }

    /// The order's key stands in every entry it made. Where none carries it nothing is told: the
    /// order may have come to nobody, or to people who were in the job already.
    async fn find(&self, call: &Call<'_>, order: &Order) -> Result<Found, ConnectorError> {
        let mark = jobs::mark(&self.requester, order);
        let listed = self.listed(call, jobs::range_since(order.first_sent_at)).await?;
        let ours: Vec<&Job> = listed.iter().filter(|job| jobs::bears(job, &mark)).collect();
        if ours.is_empty() {
            return Ok(Found::CannotTell);
        }
        let marked = jobs::marked(ours.iter().copied(), &mark);
        let mut answer = Answer::default();
        let mut accepted = vec![];
        for item in &order.items {
            match self.among(call, item, &marked).await? {
                Among::These(ids) => accepted.push((item.id, Known::memo(ids)?)),
                Among::Absent(asked) => {
                    let evidence = Evidence::seen("the order arrived, and a search finds nobody");
                    answer.items.push((item.id, ItemAnswer::NothingFound { asked, evidence }));
                }
                Among::Refused(error) => answer.items.push((item.id, ItemAnswer::Failed(error))),
                Among::Others(_) | Among::CannotTell => {}
            }
        }
        answer.accepted = jobs::accept(accepted, ours.into_iter(), &mark)?;
        Ok(Found::Arrived(answer))
    }

    async fn recall(
        &self,
        call: &Call<'_>,
        order: &Order,
        receipt: &Receipt,
    ) -> Result<Recalled, ConnectorError> {
        let ticket = Ticket::read(receipt)?;
        let mark = jobs::mark(&self.requester, order);
        let listed = self.listed(call, ticket.range(order.first_sent_at)).await?;
        let ours = ticket.taken_into(&listed, &mark);
        if ours.is_empty() {
            return Err(ConnectorError::person(
                "no deletion job at Amplitude carries this order's name; look for it there",
            ));
        }
        if ours.iter().any(|job| job.status != Status::Staging) {
            return Ok(Recalled::TooLate(Evidence::seen("the deletion job is no longer staging")));
        }
        let marked = jobs::marked(ours.iter().copied(), &mark);
        // in no job at all: an earlier recall, or somebody there, took them out
        let entries = listed.iter().flat_map(|job| &job.entries);
        let named: BTreeSet<u64> = entries.map(|entry| entry.amplitude_id).collect();
        let (mut out, mut out_before) = (BTreeSet::new(), 0);
        for item in &order.items {
            let known = Known::of(item)?;
            if !known.is_empty() && known.is_disjoint(&named) {
                out_before += 1;
                continue;
            }
            match self.among(call, item, &marked).await? {
                Among::These(ids) => out.extend(ids),
                Among::Others(ids) if ids.is_disjoint(&named) => out_before += 1,
                Among::Others(_) | Among::Absent(_) | Among::Refused(_) | Among::CannotTell => {
                    return Err(ConnectorError::person(
                        "not everybody of this order can be told apart in Amplitude's job",
                    ));
                }
            }
        }
        for job in ours {
            let here = job.entries.iter().map(|entry| entry.amplitude_id);
            for id in here.filter(|id| out.contains(id)) {
                wire::read_taken_out(&call.send(&self.wire.take_out(id, &job.day)).await?, id)?;
            }
        }
        Ok(Recalled::Recalled(Evidence::seen(format!(
            "{} records taken out of the deletion job; {out_before} people were in it no longer",
            out.len()
        ))))
    }
}

/// Which of an order's entries are one person's.
enum Among {
    These(BTreeSet<u64>),
    /// A search finds the person, by ids that are none of the order's entries.
    Others(BTreeSet<u64>),
    /// The person is not there at all, asked for by these kinds.
    Absent(Vec<IdentifierKind>),
    Refused(ConnectorError),
    CannotTell,
}

impl Amplitude {
    async fn listed(
        &self,
        call: &Call<'_>,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<Job>, ConnectorError> {
        wire::read_jobs(&call.send(&self.wire.jobs(from, to)).await?)
    }

    async fn search(
        &self,
        call: &Call<'_>,
        kind: &IdentifierKind,
        asked: &str,
    ) -> Result<Option<Vec<Match>>, ConnectorError> {
        wire::read_search(&call.send(&self.wire.search(asked)).await?, kind, asked)
    }

    /// Finds one person's entries among those of the order; searches only where it must.
    async fn among(
        &self,
        call: &Call<'_>,
        item: &Item,
        marked: &BTreeSet<u64>,
    ) -> Result<Among, ConnectorError> {
        let ids = match Ids::of(item) {
            Ok(ids) => ids,
            Err(error) => return Ok(Among::Refused(error)),
        };
        let mut mine: BTreeSet<u64> = Known::of(item)?;
        mine.extend(&ids.amplitude_ids);
        mine.retain(|id| marked.contains(id));
        let (mut absent, mut sure, mut others) = (true, true, BTreeSet::new());
        if mine.is_empty() {
            let own = ids.amplitude_ids.iter().map(|id| (amplitude_id(), id.to_string()));
            let users = ids.user_ids.iter().map(|user| (IdentifierKind::UserId, user.clone()));
            for (kind, asked) in users.chain(own) {
                let Some(found) = self.search(call, &kind, &asked).await? else {
                    (absent, sure) = (false, false);
                    continue;
                };
                absent &= found.is_empty();
                let (ours, theirs): (BTreeSet<u64>, BTreeSet<u64>) =
                    found.iter().map(|one| one.amplitude_id).partition(|id| marked.contains(id));
                mine.extend(ours);
                others.extend(theirs);
            }
        }
        Ok(if !mine.is_empty() {
            Among::These(mine)
        } else if absent {
            Among::Absent(ids.kinds())
        } else if sure {
            Among::Others(others)
        } else {
            Among::CannotTell
        })
    }

    /// Everything a search shows of one person, and by how many identifiers it was asked.
    async fn look(
        &self,
        call: &Call<'_>,
        item: &Item,
    ) -> Result<(Presence, usize), ConnectorError> {
        let (mut records, mut matched_by) = (BTreeSet::new(), vec![]);
        let (mut asked, mut sure, mut others) = (0, true, false);
        let own_user = |user: &str| {
            let mut users = item.of_kind(&IdentifierKind::UserId).peekable();
            users.peek().is_none() || users.any(|own| own.typed.expose() == user)
        };
        for kind in [IdentifierKind::UserId, IdentifierKind::DeviceId, amplitude_id()] {
            for identifier in item.of_kind(&kind) {
                asked += 1;
                let found = self.search(call, &kind, identifier.typed.expose()).await?;
                let Some(found) = found else {
                    sure = false;
                    continue;
                };
                if !found.is_empty() && !matched_by.contains(&kind) {
                    matched_by.push(kind.clone());
                }
                // a device may be another person's too
                others |= kind == IdentifierKind::DeviceId
                    && found.iter().any(|m| m.user_id.as_deref().is_some_and(|u| !own_user(u)));
                records.extend(found.iter().map(|one| one.amplitude_id));
            }
        }
        let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let presence = if others {
            Presence::Ambiguous { records: count }
        } else if count > 0 {
            Presence::Present { records: count, matched_by }
        } else if asked > 0 && sure {
            Presence::Absent
        } else {
            Presence::CannotTell
        };
        Ok((presence, asked))
    }
}
