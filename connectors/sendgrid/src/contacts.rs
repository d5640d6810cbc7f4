//! Erasing: marketing contacts by a polled job, then mail activity by a job nobody can ask about.

use std::{collections::BTreeMap, time::Duration};

use efface_connector::{
    Accepted, Answer, Call, ConnectorError, Evidence, IdentifierKind, Item, ItemAnswer, ItemId,
    Order, Prepared, Presence, Receipt,
};
use serde::{Deserialize, Serialize};

use crate::{
    connector::SendGrid,
    manifest::{
        ACTIVITY_PATIENCE, ACTIVITY_PROMISE, CONTACTS_AT_ONCE, DELETE_CONTACTS, ERASE_ACTIVITY,
        ERASE_BYTES, ERASED_AT_ONCE,
    },
    people::{self, Contacts},
    wire::{self, Contact, Job},
};

const RECEIPT_FORMAT: u16 = 1;
/// Deletions take minutes to hours.
const POLL_AFTER: Duration = Duration::from_secs(60);
const DELETED_WITHIN: Duration = Duration::from_secs(7 * 86_400);
/// What an erase job's body takes beside the addresses and their commas.
const FRAME: usize = "{\"email_addresses\":[]}".len();

#[derive(Serialize, Deserialize)]
struct DeletionJob {
    job: String,
}

impl SendGrid {
    pub(crate) fn prepare_find(&self, order: &Order) -> Prepared {
        let weight = |item: &Item| people::lower_case(item).len();
        Prepared::read_only(people::fitting(&order.items, at_once(CONTACTS_AT_ONCE), weight))
    }

    pub(crate) async fn find_contacts(
        &self,
        call: &Call<'_>,
        order: &Order,
    ) -> Result<Answer, ConnectorError> {
        let found = self.search(call, &order.items).await?;
        let mut items = vec![];
        for item in &order.items {
            items.push((item.id, self.after_find(found.get(&item.id))?));
        }
        Ok(Answer { items, accepted: vec![] })
    }

    fn after_find(&self, found: Option<&Vec<Contact>>) -> Result<ItemAnswer, ConnectorError> {
        let Some(found) = found.filter(|all| !all.contains(&Contact::Unclear)) else {
            return Ok(ItemAnswer::Failed(ConnectorError::unknown(
                "the contact search says nothing of an address it was asked for",
            )));
        };
        let mut ids: Vec<String> = vec![];
        for contact in found {
            match contact {
                Contact::Id(id) if !ids.contains(id) => ids.push(id.clone()),
                Contact::Id(_) | Contact::NotThere | Contact::Unclear => {}
            }
        }
        let evidence = Evidence::seen(format!("{} marketing contacts found", ids.len()));
        if ids.is_empty() {
            self.after_contacts(false, evidence)
        } else {
            let memo = people::memo(&Contacts { ids })?;
            Ok(ItemAnswer::Next { step: DELETE_CONTACTS, memo, evidence })
        }
    }

    /// On to the mail activity, where that is to be erased.
    fn after_contacts(
        &self,
        found: bool,
        evidence: Evidence,
    ) -> Result<ItemAnswer, ConnectorError> {
        if self.products.activity {
            let memo = people::memo(&Contacts::default())?;
            Ok(ItemAnswer::Next { step: ERASE_ACTIVITY, memo, evidence })
        } else if found {
            Ok(ItemAnswer::Confirmed(evidence))
        } else {
            Ok(ItemAnswer::NothingFound { asked: vec![IdentifierKind::Email], evidence })
        }
    }

    pub(crate) fn prepare_delete(&self, order: &Order) -> Result<Prepared, ConnectorError> {
        let mut found: BTreeMap<ItemId, Vec<String>> = BTreeMap::new();
        for item in &order.items {
            found.insert(item.id, people::read_memo::<Contacts>(item)?.ids);
        }
        let weight = |item: &Item| found.get(&item.id).map_or(0, Vec::len);
        let fits = people::fitting(&order.items, at_once(CONTACTS_AT_ONCE), weight);
        let mut ids: Vec<String> =
            fits.iter().filter_map(|id| found.get(id)).flatten().cloned().collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(Prepared::sends(self.wire.delete_contacts(&ids)?, fits))
    }

    pub(crate) async fn delete(
        &self,
        call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        let reply = call.send(prepared.changing()?).await?;
        let job = wire::read_accepted(&reply)?;
        let evidence = Evidence::seen("202 to the deletion of contacts").reference(&job);
        let taken = Accepted {
            items: order.items.iter().map(|item| (item.id, item.memo.clone())).collect(),
            receipt: Some(Receipt::new(RECEIPT_FORMAT, &DeletionJob { job })?),
            poll_after: POLL_AFTER,
            done_within: DELETED_WITHIN,
            evidence,
        };
        Ok(Answer { items: vec![], accepted: vec![taken] })
    }

    pub(crate) async fn poll_deletion(
        &self,
        call: &Call<'_>,
        order: &Order,
        receipt: &Receipt,
    ) -> Result<Answer, ConnectorError> {
        let DeletionJob { job } = receipt.read(RECEIPT_FORMAT)?;
        let reply = call.send(&self.wire.job(&job)).await?;
        let mut items = vec![];
        match wire::read_job(&reply)? {
            Job::Pending => {
                let going = ItemAnswer::StillGoing { poll_after: POLL_AFTER };
                items.extend(order.items.iter().map(|item| (item.id, going.clone())));
            }
            Job::Completed => {
                for item in &order.items {
                    let done = Evidence::seen("the deletion job is completed").reference(&job);
                    items.push((item.id, self.after_contacts(true, done)?));
                }
            }
            Job::Doubtful => {
                let found = self.search(call, &order.items).await?;
                for item in &order.items {
                    items.push((item.id, self.after_doubt(found.get(&item.id), &job)?));
                }
            }
        }
        Ok(Answer { items, accepted: vec![] })
    }

    /// The job ended with errors: each person is done exactly if no contact is left.
    fn after_doubt(
        &self,
        found: Option<&Vec<Contact>>,
        job: &str,
    ) -> Result<ItemAnswer, ConnectorError> {
        let gone = |all: &Vec<Contact>| all.iter().all(|contact| *contact == Contact::NotThere);
        if found.is_some_and(gone) {
            let what = "the deletion job ended with errors, and the contact is gone";
            self.after_contacts(true, Evidence::seen(what).reference(job))
        } else {
            Ok(ItemAnswer::Failed(ConnectorError::permanent("contact_deletion_failed")))
        }
    }

    pub(crate) fn prepare_erase(&self, order: &Order) -> Result<Prepared, ConnectorError> {
        let bytes =
            |item: &Item| people::addresses(item).iter().map(|a| json_length(a) + 1).sum::<usize>();
        let most = at_once(ERASE_BYTES) - FRAME;
        let by_bytes = people::fitting(&order.items, most, bytes);
        let all = |item: &Item| people::addresses(item).len();
        let by_number = people::fitting(&order.items, at_once(ERASED_AT_ONCE), all);
        let fits = if by_bytes.len() < by_number.len() { by_bytes } else { by_number };
        let mut emails: Vec<String> = vec![];
        for item in order.items.iter().filter(|item| fits.contains(&item.id)) {
            emails.extend(people::addresses(item));
        }
        Ok(Prepared::sends(self.wire.erase(&emails)?, fits))
    }

    pub(crate) async fn erase(
        &self,
        call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        let reply = call.send(prepared.changing()?).await?;
        let sent: Vec<String> = order.items.iter().flat_map(people::addresses).collect();
        if let Some(culprits) = wire::read_culprits(&reply, &sent) {
            return Ok(refused(&order.items, &culprits));
        }
        let job = wire::read_accepted(&reply)?;
        let evidence = Evidence::seen("202 to the erasure of mail activity")
            .reference(job)
            .promised(ACTIVITY_PROMISE);
        let taken = Accepted {
            items: order.items.iter().map(|item| (item.id, None)).collect(),
            receipt: None,
            poll_after: Duration::ZERO,
            done_within: ACTIVITY_PATIENCE,
            evidence,
        };
        Ok(Answer { items: vec![], accepted: vec![taken] })
    }

    pub(crate) async fn look_up_contacts(
        &self,
        call: &Call<'_>,
        items: &[Item],
    ) -> Result<Vec<(ItemId, Presence, Evidence)>, ConnectorError> {
        let found = self.search(call, items).await?;
        Ok(items.iter().map(|item| presence(item.id, found.get(&item.id))).collect())
    }

    /// Searches the contacts of all `items`, in as many calls as their addresses take.
    async fn search(
        &self,
        call: &Call<'_>,
        items: &[Item],
    ) -> Result<BTreeMap<ItemId, Vec<Contact>>, ConnectorError> {
        let asked: Vec<(ItemId, String)> = items
            .iter()
            .flat_map(|item| people::lower_case(item).into_iter().map(|email| (item.id, email)))
            .collect();
        let mut found: BTreeMap<ItemId, Vec<Contact>> = BTreeMap::new();
        for group in asked.chunks(at_once(CONTACTS_AT_ONCE)) {
            let mut emails: Vec<String> = group.iter().map(|(_, email)| email.clone()).collect();
            emails.dedup();
            let reply = call.send(&self.wire.search(&emails)?).await?;
            let contacts = wire::read_search(&reply, &emails)?;
            for (id, email) in group {
                let at = emails.iter().position(|one| one == email);
                let contact = at.and_then(|at| contacts.get(at)).cloned();
                found.entry(*id).or_default().push(contact.unwrap_or(Contact::Unclear));
            }
        }
        Ok(found)
    }
}

/// The named are refused; nothing was done for the others either, and they go again.
fn refused(items: &[Item], culprits: &[String]) -> Answer {
    let answer = |item: &Item| {
        let named = people::addresses(item).iter().any(|address| culprits.contains(address));
        if named {
            ItemAnswer::Failed(ConnectorError::permanent("address_refused"))
        } else {
            ItemAnswer::NotSent
        }
    };
    Answer { items: items.iter().map(|item| (item.id, answer(item))).collect(), accepted: vec![] }
}

fn presence(id: ItemId, found: Option<&Vec<Contact>>) -> (ItemId, Presence, Evidence) {
    let Some(found) = found.filter(|all| !all.contains(&Contact::Unclear)) else {
        let why = Evidence::seen("the contact search says nothing of this person");
        return (id, Presence::CannotTell, why);
    };
    let mut ids: Vec<&str> = found
        .iter()
        .filter_map(|contact| match contact {
            Contact::Id(id) => Some(id.as_str()),
            Contact::NotThere | Contact::Unclear => None,
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let evidence = Evidence::seen(format!("{} marketing contacts found", ids.len()));
    match u32::try_from(ids.len()).unwrap_or(u32::MAX) {
        0 => (id, Presence::Absent, evidence),
        records => {
            let matched_by = vec![IdentifierKind::Email];
            (id, Presence::Present { records, matched_by }, evidence)
        }
    }
}

/// How many bytes a text takes inside a JSON string.
fn json_length(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX / 8, |json| json.len())
}

fn at_once(most: u32) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX)
}
