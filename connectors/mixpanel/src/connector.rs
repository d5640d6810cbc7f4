//! The order of Mixpanel's calls; what they say is in `wire`.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use efface_connector::{
    Accepted, Answer, Call, Connector, ConnectorError, Evidence, IdentifierKind, Item, ItemAnswer,
    ItemId, Listed, NeedsPerson, Order, Page, Prepared, Presence, Probe, Recalled, Receipt, Right,
    Timestamp, Value, shown,
};
use serde::{Deserialize, Serialize};

use crate::{
    manifest::DELETE,
    people::{self, ids_of},
    profiles::{self, Seen},
    settings::Compliance,
    wire::{self, Cancelled, Profiles, Status, Wire},
};

const RECEIPT_FORMAT: u16 = 1;
const POLL_AFTER: Duration = Duration::from_secs(6 * 3600);
const DONE_WITHIN: Duration = Duration::from_secs(30 * 86_400);
const PROMISE: &str = "deleted within 30 days of the request";
/// Asked for by a probe; nobody is called so.
const NOBODY: &str = "efface-probe-of-nobody";

pub struct Mixpanel {
    pub wire: Wire,
    pub kinds: Vec<IdentifierKind>,
    pub ids_per_job: usize,
    pub key_expires: Option<Timestamp>,
}

/// What is kept to ask by.
#[derive(Serialize, Deserialize)]
struct Ticket {
    job: String,
    /// How many people the job holds: it can be taken back only for all of them.
    people: usize,
    /// By which law it was made, whatever the settings say later.
    law: Compliance,
}

#[async_trait]
impl Connector for Mixpanel {
    fn prepare(&self, _now: Timestamp, order: &Order) -> Result<Prepared, ConnectorError> {
        if order.step != DELETE {
            return Err(ConnectorError::permanent(format!("Mixpanel has no step {}", order.step)));
        }
        let overhead = self.wire.delete(&[])?.body_text().map_or(0, str::len);
        let (ids, people) = people::fitting(&order.items, &self.kinds, self.ids_per_job, overhead)?;
        Ok(Prepared::sends(self.wire.delete(&ids)?, people))
    }

    async fn submit(
        &self,
        call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        let job = wire::read_created(&call.send(prepared.changing()?).await?)?;
        let (sent, unsent): (Vec<&Item>, Vec<&Item>) =
            order.items.iter().partition(|item| !ids_of(item, &self.kinds).is_empty());
        let ticket = Ticket { job, people: sent.len(), law: self.wire.law() };
        let accepted = Accepted {
            items: sent.iter().map(|item| (item.id, None)).collect(),
            receipt: Some(Receipt::new(RECEIPT_FORMAT, &ticket)?),
            poll_after: POLL_AFTER,
            done_within: DONE_WITHIN,
            evidence: Evidence::seen("the deletion job was made")
                .reference(ticket.job)
                .promised(PROMISE),
        };
        let refused = |item: &Item| (item.id, ItemAnswer::Failed(people::no_id()));
        let items = unsent.into_iter().map(refused).collect();
        Ok(Answer { items, accepted: vec![accepted] })
    }

    async fn poll(
        &self,
        call: &Call<'_>,
        order: &Order,
        receipt: &Receipt,
    ) -> Result<Answer, ConnectorError> {
        let ticket: Ticket = receipt.read(RECEIPT_FORMAT)?;
        let status = wire::read_status(&call.send(&self.wire.status(&ticket.job)).await?)?;
        let items = order.items.iter().map(|item| (item.id, standing(status, &ticket))).collect();
        Ok(Answer { items, accepted: vec![] })
    }

    /// Profiles alone: events without a profile are not seen, so that this proves no erasure.
    async fn look_up(
        &self,
        call: &Call<'_>,
        items: &[Item],
    ) -> Result<Vec<(ItemId, Presence, Evidence)>, ConnectorError> {
        let Some(account) = self.wire.service_account() else {
            let why = || Evidence::seen("no service account is set up for look-ups");
            return Ok(items.iter().map(|i| (i.id, Presence::CannotTell, why())).collect());
        };
        let ids: BTreeSet<String> =
            items.iter().flat_map(|i| ids_of(i, &self.kinds)).map(|(_, id)| id).collect();
        let emails: BTreeSet<String> = items.iter().flat_map(profiles::emails_of).collect();
        let by_id = if ids.is_empty() {
            None
        } else {
            let ids: Vec<String> = ids.iter().cloned().collect();
            Some(self.profiles(call, &self.wire.profiles_of(account, &ids)?).await?)
        };
        let emails: Vec<String> = emails.into_iter().collect();
        let by_email = match wire::any_email(&emails) {
            Some(any) => Some(self.profiles(call, &self.wire.profiles_where(account, &any)).await?),
            None => None,
        };
        let seen = Seen { by_id: by_id.as_ref(), by_email: by_email.as_ref() };
        let strays = profiles::strays(&seen, &ids);
        let told = |item: &Item| {
            let presence = profiles::presence(item, &self.kinds, &seen, strays);
            let evidence = Evidence::seen("profiles asked for; events are not seen by this");
            (item.id, presence, evidence)
        };
        Ok(items.iter().map(told).collect())
    }

    /// Profiles alone, as a look-up.
    async fn list(&self, call: &Call<'_>, from: Option<&Value>) -> Result<Listed, ConnectorError> {
        let Some(account) = self.wire.service_account() else { return Ok(Listed::NotOffered) };
        let walk: Option<(String, u64)> = match from {
            Some(from) => Some(serde_json::from_str(from.expose()).map_err(|_| no_place())?),
            None => None,
        };
        let walk = walk.as_ref().map(|(session, page)| (session.as_str(), *page));
        let page = self.profiles(call, &self.wire.all_profiles(account, walk)).await?;
        let next = page.next.map(|next| serde_json::to_string(&next).map(Value::new));
        let identifiers = |profile: &wire::Profile| {
            // which of the kinds it is the vendor does not tell
            let ids = self.kinds.iter().filter_map(|k| shown(k.clone(), &profile.distinct_id));
            let email = profile.email.as_deref();
            ids.chain(email.and_then(|e| shown(IdentifierKind::Email, e))).collect()
        };
        let people = page.all.iter().map(identifiers).collect();
        Ok(Listed::Page(Page { people, next: next.transpose().map_err(|_| no_place())? }))
    }

    async fn probe(&self, call: &Call<'_>) -> Result<Probe, ConnectorError> {
        let sure = wire::read_no_job(&call.send(&self.wire.no_job()).await?)?;
        let deletes = if sure { Right::Yes } else { Right::CannotTell };
        let mut may = vec![("data deletions".to_owned(), deletes)];
        if let Some(account) = self.wire.service_account() {
            let request = self.wire.profiles_of(account, &[NOBODY.to_owned()])?;
            let queries = match self.profiles(call, &request).await {
                Ok(_) => Right::Yes,
                Err(ConnectorError::NeedsPerson(NeedsPerson::CredentialsRefused { .. })) => {
                    Right::No
                }
                Err(error) => return Err(error),
            };
            may.push(("query profiles (service account)".to_owned(), queries));
        }
        Ok(Probe {
            account_id: None,
            account_name: None,
            key_name: Some(self.wire.key_name()),
            may,
            key_expires: self.key_expires,
            evidence: Evidence::seen(
                "asked for the status of a job that does not exist; Mixpanel names no account",
            ),
        })
    }

    async fn recall(
        &self,
        call: &Call<'_>,
        order: &Order,
        receipt: &Receipt,
    ) -> Result<Recalled, ConnectorError> {
        let ticket: Ticket = receipt.read(RECEIPT_FORMAT)?;
        if order.items.len() < ticket.people {
            return Err(ConnectorError::person(
                "the job holds other people too, and Mixpanel takes back whole jobs only",
            ));
        }
        let reply = call.send(&self.wire.cancel(&ticket.job)).await?;
        let evidence = Evidence::seen(format!("{} to the cancellation", reply.status));
        if wire::read_cancelled(&reply)? == Cancelled::Done {
            return Ok(Recalled::Recalled(evidence.reference(ticket.job)));
        }
        // one that was cancelled before is refused like one that has started
        let status = wire::read_status(&call.send(&self.wire.status(&ticket.job)).await?)?;
        Ok(if status == Status::Revoked {
            let evidence = Evidence::seen("the deletion job is REVOKED");
            Recalled::Recalled(evidence.reference(ticket.job))
        } else {
            Recalled::TooLate(evidence.reference(ticket.job))
        })
    }
}

impl Mixpanel {
    async fn profiles(
        &self,
        call: &Call<'_>,
        request: &efface_connector::Request,
    ) -> Result<Profiles, ConnectorError> {
        wire::read_profiles(&call.send(request).await?)
    }
}

fn no_place() -> ConnectorError {
    ConnectorError::permanent("no place to go on from; begin the scan anew")
}

/// What a job's status means for each person in it.
fn standing(status: Status, ticket: &Ticket) -> ItemAnswer {
    let person = |why: &str| ItemAnswer::Failed(ConnectorError::person(why));
    match status {
        Status::Success => {
            let reach = match ticket.law {
                Compliance::Gdpr => "",
                Compliance::Ccpa => ", which reaches back one year",
            };
            let what = format!(
                "SUCCESS of the deletion job{reach}; whether anybody was found is not told"
            );
            ItemAnswer::Confirmed(Evidence::seen(what).reference(&ticket.job))
        }
        // the vendor's own "could not find out" is asked again
        Status::Going | Status::Unknown => ItemAnswer::StillGoing { poll_after: POLL_AFTER },
        Status::Failure => person(
            "Mixpanel's deletion job failed; check the distinct ids and retry, in smaller jobs if need be",
        ),
        Status::Revoked => person("the deletion job was cancelled at Mixpanel"),
        Status::NotFound => person("Mixpanel does not know the deletion job any more"),
    }
}
