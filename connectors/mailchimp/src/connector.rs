//! The order of Mailchimp's calls; what they say is in `wire`.

use async_trait::async_trait;
use efface_connector::{
    Answer, Call, Connector, ConnectorError, Evidence, IdentifierKind, Item, ItemAnswer, ItemId,
    Listed, Order, Page, Prepared, Presence, Probe, Receipt, Request, Right, StepId, TaskAction,
    Timestamp, Value, shown,
};
use serde::{Deserialize, Serialize};

use crate::{
    manifest::{DELETE, FIND, INVITE, UNSUBSCRIBE},
    walk::{self, Ended, Place, Walk},
    wire::{self, Changed, Wire},
};

const UNSUBSCRIBED: &str = "unsubscribed";
/// The person is asked by mail and stays unsubscribed until they agree.
const PENDING: &str = "pending";
/// The statuses that get marketing mail, or are about to.
const MAILED: [&str; 2] = ["subscribed", PENDING];
/// The statuses that get none.
const NOT_MAILED: [&str; 4] = [UNSUBSCRIBED, "cleaned", "archived", "transactional"];

pub struct Mailchimp {
    pub wire: Wire,
    pub audiences: Vec<String>,
}

/// Where a walk through the audiences stands.
#[derive(Serialize, Deserialize)]
struct Cursor {
    audience: String,
    offset: u64,
    /// Members when the page before was read: whoever left since has moved the others forward.
    #[serde(default)]
    members: u64,
}

#[async_trait]
impl Connector for Mailchimp {
    fn prepare(&self, _now: Timestamp, order: &Order) -> Result<Prepared, ConnectorError> {
        let item = only(order)?;
        if order.step == FIND {
            return Ok(Prepared::read_only(vec![item.id]));
        }
        let walk = Walk::of(item)?;
        let place =
            walk.next().ok_or_else(|| ConnectorError::permanent("no place is left to walk"))?;
        Ok(Prepared::sends(self.change(&order.step, place)?, vec![item.id]))
    }

    async fn submit(
        &self,
        call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        let item = only(order)?;
        let answer = if order.step == FIND {
            self.find_person(call, order, item).await?
        } else {
            self.change_place(call, order, item, prepared.changing()?).await?
        };
        Ok(Answer { items: vec![(item.id, answer)], accepted: vec![] })
    }

    async fn poll(
        &self,
        _call: &Call<'_>,
        _order: &Order,
        _receipt: &Receipt,
    ) -> Result<Answer, ConnectorError> {
        Err(ConnectorError::permanent("Mailchimp answers at once: there is nothing to poll"))
    }

    async fn look_up(
        &self,
        call: &Call<'_>,
        items: &[Item],
    ) -> Result<Vec<(ItemId, Presence, Evidence)>, ConnectorError> {
        let mut known = vec![];
        let mut seen = vec![];
        for item in items {
            let hashes = walk::hashes(item);
            if hashes.is_empty() {
                let why = Evidence::seen("no e-mail address to ask by");
                seen.push((item.id, Presence::CannotTell, why));
                continue;
            }
            let places = self.places(call, &self.everywhere(&hashes), &mut known).await?;
            let evidence = Evidence::seen(found_in(places.len(), self.audiences.len()));
            let presence = match u32::try_from(places.len()).unwrap_or(u32::MAX) {
                0 => Presence::Absent,
                records => Presence::Present { records, matched_by: vec![IdentifierKind::Email] },
            };
            seen.push((item.id, presence, evidence));
        }
        Ok(seen)
    }

    async fn list(&self, call: &Call<'_>, from: Option<&Value>) -> Result<Listed, ConnectorError> {
        let first =
            self.audiences.first().map(|id| Cursor { audience: id.clone(), offset: 0, members: 0 });
        let at = match from {
            Some(from) => serde_json::from_str(from.expose()).ok(),
            None => first,
        };
        let at = at.ok_or_else(|| ConnectorError::permanent("no place to go on from"))?;
        let known = self.audiences.iter().position(|id| *id == at.audience);
        let known = known.ok_or_else(|| {
            ConnectorError::permanent("the audience left the settings; begin the scan anew")
        })?;
        let reply = call.send(&self.wire.members(&at.audience, at.offset)).await?;
        let page = wire::read_members(&reply)?;
        let gone = at.members.saturating_sub(page.total_items).min(at.offset);
        if gone > 0 {
            let back = Cursor { offset: at.offset - gone, members: page.total_items, ..at };
            let next = serde_json::to_string(&back).map(Value::new);
            let next =
                next.map_err(|_| ConnectorError::permanent("the place cannot be encoded"))?;
            return Ok(Listed::Page(Page { people: vec![], next: Some(next) }));
        }
        let seen = at.offset + u64::try_from(page.members.len()).unwrap_or(u64::MAX);
        if page.members.is_empty() && seen < page.total_items {
            return Err(ConnectorError::unknown("the vendor counts members that it does not show"));
        }
        let next = if seen < page.total_items {
            Some(Cursor { offset: seen, members: page.total_items, ..at })
        } else {
            let next = self.audiences.get(known + 1);
            next.map(|id| Cursor { audience: id.clone(), offset: 0, members: 0 })
        };
        let next = next.map(|next| serde_json::to_string(&next).map(Value::new)).transpose();
        let next = next.map_err(|_| ConnectorError::permanent("the place cannot be encoded"))?;
        let one = |m: &wire::Address| shown(IdentifierKind::Email, &m.email_address);
        let people = page.members.iter().map(|m| one(m).into_iter().collect()).collect();
        Ok(Listed::Page(Page { people, next }))
    }

    async fn probe(&self, call: &Call<'_>) -> Result<Probe, ConnectorError> {
        let account = wire::read_account(&call.send(&self.wire.account()).await?)?;
        let mut may = vec![];
        for audience in &self.audiences {
            let there = wire::read_audience(&call.send(&self.wire.audience(audience)).await?)?;
            let right = if there { Right::Yes } else { Right::No };
            may.push((format!("read the audience {audience}"), right));
        }
        may.push(("delete contacts for good".into(), Right::CannotTell));
        Ok(Probe {
            account_id: Some(account.account_id),
            account_name: Some(account.account_name),
            key_name: None,
            may,
            key_expires: None,
            evidence: Evidence::seen("200 to the API root, then each audience asked for"),
        })
    }
}

impl Mailchimp {
    /// The changing request of a step for one place.
    fn change(&self, step: &StepId, place: &Place) -> Result<Request, ConnectorError> {
        let Place { audience, hash, .. } = place;
        if *step == DELETE {
            Ok(self.wire.delete(audience, hash))
        } else if *step == UNSUBSCRIBE {
            self.wire.set_status(audience, hash, UNSUBSCRIBED)
        } else if *step == INVITE {
            self.wire.set_status(audience, hash, PENDING)
        } else {
            Err(ConnectorError::permanent(format!("Mailchimp has no step {step}")))
        }
    }

    /// First step: where is the person, and in which status.
    async fn find_person(
        &self,
        call: &Call<'_>,
        order: &Order,
        item: &Item,
    ) -> Result<ItemAnswer, ConnectorError> {
        let mut candidates = self.everywhere(&walk::hashes(item));
        if order.action == TaskAction::Lift {
            // only what efface changed, whatever the settings say today
            candidates = match &item.prior {
                Some(prior) => places_of(&Walk::read(prior)?),
                None => vec![],
            };
        } else if candidates.is_empty() {
            return Err(ConnectorError::person("no e-mail address to ask by"));
        }
        let asked = candidates.len();
        let places = self.places(call, &candidates, &mut vec![]).await?;
        let evidence = Evidence::seen(found_in(places.len(), asked));
        let walk = Walk { places };
        match order.action {
            TaskAction::Suppress => Ok(start_suppress(walk, evidence)?),
            TaskAction::Lift => Ok(start_lift(walk, evidence)?),
            TaskAction::Erase | TaskAction::EraseAndSuppress => {
                go_on(walk, DELETE, evidence, nothing_found)
            }
            TaskAction::Resolve | TaskAction::LookUp => {
                Err(ConnectorError::permanent("Mailchimp has no such action"))
            }
        }
    }

    /// Later steps: one place, then the next.
    async fn change_place(
        &self,
        call: &Call<'_>,
        order: &Order,
        item: &Item,
        request: &Request,
    ) -> Result<ItemAnswer, ConnectorError> {
        let mut walk = Walk::of(item)?;
        let place = walk.next().cloned();
        let place = place.ok_or_else(|| ConnectorError::permanent("no place is left to walk"))?;
        let reply = call.send(request).await?;
        let changed = if order.step == DELETE {
            wire::read_deleted(&reply)?
        } else if order.step == UNSUBSCRIBE {
            wire::read_set(&reply, UNSUBSCRIBED)?
        } else {
            wire::read_set(&reply, PENDING)?
        };
        walk.end(match changed {
            Changed::Done => Ended::Done,
            Changed::NotThere => {
                self.audience_is_there(call, &place.audience, &mut vec![]).await?;
                Ended::Gone
            }
            Changed::NotNow => {
                if !self
                    .places(call, &[(place.audience, place.hash)], &mut vec![])
                    .await?
                    .is_empty()
                {
                    return Ok(ItemAnswer::Failed(ConnectorError::permanent(
                        "delete_refused_in_this_state",
                    )));
                }
                Ended::Gone
            }
        });
        let evidence = Evidence::seen(format!(
            "{} to {}; {} of {} memberships changed, {} gone already",
            reply.status,
            order.step,
            walk.count(Ended::Done),
            walk.places.len(),
            walk.count(Ended::Gone),
        ));
        let suppresses = order.action == TaskAction::Suppress;
        go_on(walk, order.step.clone(), evidence, |walk, evidence| {
            if suppresses {
                Ok(ItemAnswer::ConfirmedWithPrior { evidence, prior: walk.memo()? })
            } else {
                Ok(ItemAnswer::Confirmed(evidence))
            }
        })
    }

    /// Every audience with every address.
    fn everywhere(&self, hashes: &[String]) -> Vec<(String, String)> {
        let pair = |audience: &String| {
            hashes.iter().map(|hash| (audience.clone(), hash.clone())).collect::<Vec<_>>()
        };
        self.audiences.iter().flat_map(pair).collect()
    }

    /// Which of the candidates are memberships. `known` holds the audiences seen to exist.
    async fn places(
        &self,
        call: &Call<'_>,
        candidates: &[(String, String)],
        known: &mut Vec<String>,
    ) -> Result<Vec<Place>, ConnectorError> {
        let mut places = vec![];
        for (audience, hash) in candidates {
            let reply = call.send(&self.wire.member(audience, hash)).await?;
            match wire::read_member(&reply)? {
                Some(status) => places.push(Place {
                    audience: audience.clone(),
                    hash: hash.clone(),
                    status,
                    ended: None,
                }),
                None => self.audience_is_there(call, audience, known).await?,
            }
        }
        Ok(places)
    }

    /// "Not found" has the same words for a person and for an audience: so the audience is asked for
    /// before a person counts as absent.
    async fn audience_is_there(
        &self,
        call: &Call<'_>,
        audience: &str,
        known: &mut Vec<String>,
    ) -> Result<(), ConnectorError> {
        if known.iter().any(|one| one == audience) {
            return Ok(());
        }
        if !wire::read_audience(&call.send(&self.wire.audience(audience)).await?)? {
            return Err(ConnectorError::settings(format!(
                "audiences: the vendor knows no audience {audience}"
            )));
        }
        known.push(audience.to_owned());
        Ok(())
    }
}

/// The one item of an order: every step takes one.
fn only(order: &Order) -> Result<&Item, ConnectorError> {
    order.items.first().ok_or_else(|| ConnectorError::permanent("an order of nobody"))
}

fn places_of(walk: &Walk) -> Vec<(String, String)> {
    let changed = walk.places.iter().filter(|place| place.ended == Some(Ended::Done));
    changed.map(|place| (place.audience.clone(), place.hash.clone())).collect()
}

fn found_in(found: usize, asked: usize) -> String {
    format!("{found} memberships in {asked} places asked")
}

/// On to the next place; with none left, to the end.
fn go_on(
    walk: Walk,
    step: StepId,
    evidence: Evidence,
    end: impl FnOnce(Walk, Evidence) -> Result<ItemAnswer, ConnectorError>,
) -> Result<ItemAnswer, ConnectorError> {
    if walk.next().is_some() {
        Ok(ItemAnswer::Next { step, memo: walk.memo()?, evidence })
    } else {
        end(walk, evidence)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one of the ends that go_on takes")]
fn nothing_found(_walk: Walk, evidence: Evidence) -> Result<ItemAnswer, ConnectorError> {
    Ok(ItemAnswer::NothingFound { asked: vec![IdentifierKind::Email], evidence })
}

/// Leaves alone what gets no mail; keeps what is changed for a lift.
fn start_suppress(mut walk: Walk, evidence: Evidence) -> Result<ItemAnswer, ConnectorError> {
    if walk.places.is_empty() {
        return nothing_found(walk, evidence);
    }
    let known = |place: &Place| {
        MAILED.contains(&place.status.as_str()) || NOT_MAILED.contains(&place.status.as_str())
    };
    if !walk.places.iter().all(known) {
        return Ok(ItemAnswer::Failed(ConnectorError::person(
            "a membership has a status this connector does not know; look at it at the vendor",
        )));
    }
    walk.places.retain(|place| MAILED.contains(&place.status.as_str()));
    go_on(walk, UNSUBSCRIBE, evidence, |walk, evidence| {
        let what = format!("{}; none of them gets marketing mail", evidence.what);
        Ok(ItemAnswer::ConfirmedWithPrior {
            evidence: Evidence { what, ..evidence },
            prior: walk.memo()?,
        })
    })
}

/// Invites only where the person still is as efface left them.
fn start_lift(mut walk: Walk, evidence: Evidence) -> Result<ItemAnswer, ConnectorError> {
    walk.places.retain(|place| place.status == UNSUBSCRIBED);
    go_on(walk, INVITE, evidence, |walk, evidence| {
        let what = format!("{}; nothing is as efface left it", evidence.what);
        nothing_found(walk, Evidence { what, ..evidence })
    })
}
