//! The order of HubSpot's calls for finding and erasing; what they say is in `wire`.

use std::time::Duration;

use async_trait::async_trait;
use efface_connector::{
    Accepted, Answer, Call, Candidate, Connector, ConnectorError, Evidence, Identifier,
    IdentifierKind, Item, ItemAnswer, ItemId, Listed, NeedsPerson, Order, Page, Prepared, Presence,
    Probe, Receipt, Right, StepId, TaskAction, Timestamp, Value, shown,
};

use crate::{
    manifest::{DELETE, FIND, RESUBSCRIBE, SEARCH_BATCH, STATE, UNSUBSCRIBE, record_id},
    people::{Asked, Match, Record, Rules, add, decide},
    settings::Lift,
    walk::{self, Ended, Places, Records, Turns},
    wire::{self, Deleted, Search, Wire},
};

/// Most addresses in one search order: a person who brings more is asked for alone.
const MOST_ADDRESSES: usize = 40;
/// Pages of look-alikes that are read before giving up.
const MOST_PAGES: u32 = 10;
const A_DAY: Duration = Duration::from_secs(86_400);

pub struct HubSpot {
    pub wire: Wire,
    pub rules: Rules,
    pub business_units: Vec<u64>,
    pub purge_days: u16,
    pub lift: Option<Lift>,
}

#[async_trait]
impl Connector for HubSpot {
    fn prepare(&self, _now: Timestamp, order: &Order) -> Result<Prepared, ConnectorError> {
        if order.step == FIND {
            return Ok(Prepared::read_only(fitting(order)));
        }
        let item = only(order)?;
        let request = if order.step == STATE {
            return Ok(Prepared::read_only(vec![item.id]));
        } else if order.step == DELETE {
            self.wire.delete(&Records::of(item)?.next()?.id)?
        } else if order.step == UNSUBSCRIBE {
            let places = Places::of(item)?;
            let place = places.next()?;
            self.wire.unsubscribe(&place.address, place.unit)
        } else if order.step == RESUBSCRIBE {
            let turns = Turns::of(item)?;
            let turn = turns.next()?;
            self.wire.resubscribe(&turn.address, turn.subscription, self.lifting()?)?
        } else {
            return Err(no_step(&order.step));
        };
        Ok(Prepared::sends(request, vec![item.id]))
    }

    async fn submit(
        &self,
        call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        if order.step == FIND {
            return self.find_people(call, order).await;
        }
        let item = only(order)?;
        if order.step == DELETE {
            return self.delete_record(call, item, prepared).await;
        }
        let answer = if order.step == STATE {
            match order.action {
                TaskAction::Lift => self.state_before_lift(call, item).await?,
                _ => self.state_before_suppress(call, item).await?,
            }
        } else if order.step == UNSUBSCRIBE {
            self.unsubscribe(call, item, prepared).await?
        } else if order.step == RESUBSCRIBE {
            self.resubscribe(call, item, prepared).await?
        } else {
            return Err(no_step(&order.step));
        };
        Ok(Answer { items: vec![(item.id, answer)], accepted: vec![] })
    }

    async fn poll(
        &self,
        _call: &Call<'_>,
        _order: &Order,
        _receipt: &Receipt,
    ) -> Result<Answer, ConnectorError> {
        Err(ConnectorError::permanent("HubSpot gives no job: there is nothing to poll"))
    }

    async fn look_up(
        &self,
        call: &Call<'_>,
        items: &[Item],
    ) -> Result<Vec<(ItemId, Presence, Evidence)>, ConnectorError> {
        let asked: Vec<Asked> = items.iter().map(Asked::of).collect();
        let records = self.records(call, &asked).await?;
        let seen = |(n, item): (usize, &Item)| {
            let one = asked.get(n).filter(|one| !one.is_empty());
            let Some(one) = one else {
                let why = Evidence::seen("no e-mail address or record id to ask by");
                return (item.id, Presence::CannotTell, why);
            };
            let (presence, count) = match decide(&asked, n, &records, self.rules) {
                Match::Nobody => (Presence::Absent, 0),
                Match::Sure(mine) => {
                    let records = counted(mine.len());
                    (Presence::Present { records, matched_by: one.kinds() }, mine.len())
                }
                Match::Unsure(mine) => {
                    (Presence::Ambiguous { records: counted(mine.len()) }, mine.len())
                }
            };
            (item.id, presence, found(count))
        };
        Ok(items.iter().enumerate().map(seen).collect())
    }

    async fn list(&self, call: &Call<'_>, from: Option<&Value>) -> Result<Listed, ConnectorError> {
        let reply = call.send(&self.wire.list(from.map(Value::expose))).await?;
        let (records, next) = wire::read_list(&reply)?;
        let identifiers = |record: &Record| -> Vec<Identifier> {
            let addresses = record.addresses().filter_map(|a| shown(IdentifierKind::Email, a));
            addresses.chain(shown(record_id(), &record.id)).collect()
        };
        let people = records.iter().map(identifiers).collect();
        Ok(Listed::Page(Page { people, next: next.map(Value::new) }))
    }

    async fn probe(&self, call: &Call<'_>) -> Result<Probe, ConnectorError> {
        let portal = wire::read_account(&call.send(&self.wire.account()).await?)?;
        // no record has this id: asking costs nothing and shows nothing
        let mut read = Right::Yes;
        for search in Search::exact(&[], &["0".into()]) {
            match wire::read_page(&call.send(&self.wire.search(&search, "0")?).await?) {
                Ok(_) => {}
                Err(ConnectorError::NeedsPerson(NeedsPerson::CredentialsRefused { .. })) => {
                    read = Right::No;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Probe {
            account_id: Some(portal.to_string()),
            account_name: None,
            key_name: None,
            may: vec![
                ("crm.objects.contacts.read".into(), read),
                ("crm.objects.contacts.write".into(), Right::CannotTell),
                ("communication_preferences.read_write".into(), Right::CannotTell),
            ],
            key_expires: None,
            evidence: Evidence::seen("200 to the account's details, then a search for nobody"),
        })
    }
}

impl HubSpot {
    /// First step: which records are the person's, and nobody else's.
    async fn find_people(&self, call: &Call<'_>, order: &Order) -> Result<Answer, ConnectorError> {
        let next = match order.action {
            TaskAction::Erase => DELETE,
            TaskAction::Suppress => STATE,
            TaskAction::EraseAndSuppress
            | TaskAction::Lift
            | TaskAction::Resolve
            | TaskAction::LookUp => return Err(no_step(&order.step)),
        };
        // an opt-out can be taken back, so that it need not ask which of a person's own records
        let several = self.rules.several || order.action == TaskAction::Suppress;
        let rules = Rules { several, ..self.rules };
        let asked: Vec<Asked> = order.items.iter().map(Asked::of).collect();
        let records = self.records(call, &asked).await?;
        let mut items = vec![];
        for (n, (item, one)) in order.items.iter().zip(&asked).enumerate() {
            let answer = match decide(&asked, n, &records, rules) {
                _ if one.is_empty() => ItemAnswer::Failed(ConnectorError::person(
                    "no e-mail address or record id to ask by",
                )),
                Match::Nobody => {
                    ItemAnswer::NothingFound { asked: one.kinds(), evidence: found(0) }
                }
                Match::Sure(mine) => ItemAnswer::Next {
                    step: next.clone(),
                    memo: walk::keep(&Records::new(&mine))?,
                    evidence: found(mine.len()),
                },
                Match::Unsure(mine) => ItemAnswer::Choose {
                    candidates: candidates(&mine, one, &next)?,
                    evidence: found(mine.len()),
                },
            };
            items.push((item.id, answer));
        }
        Ok(Answer { items, accepted: vec![] })
    }

    /// Deletes one record, then the next. The end is a promise: HubSpot tells of no purge.
    async fn delete_record(
        &self,
        call: &Call<'_>,
        item: &Item,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        let mut walk = Records::of(item)?;
        let reply = call.send(prepared.changing()?).await?;
        let ended = match wire::read_deleted(&reply)? {
            Deleted::TakenOn => Ended::Done,
            Deleted::NotThere => {
                self.surely_gone(call, &walk.next()?.id).await?;
                Ended::Gone
            }
        };
        let more = walk.end(ended);
        let evidence = Evidence::seen(format!(
            "{} to gdpr-delete; {} of {} records taken on, {} gone already",
            reply.status,
            walk.count(Ended::Done),
            walk.records.len(),
            walk.count(Ended::Gone),
        ));
        if more {
            let answer = ItemAnswer::Next { step: DELETE, memo: walk::keep(&walk)?, evidence };
            return Ok(Answer { items: vec![(item.id, answer)], accepted: vec![] });
        }
        let until_purged = A_DAY * u32::from(self.purge_days);
        let accepted = Accepted {
            items: vec![(item.id, None)],
            receipt: None,
            poll_after: until_purged,
            done_within: until_purged,
            evidence: evidence.promised("permanent purge within 30 days of the deletion"),
        };
        Ok(Answer { items: vec![], accepted: vec![accepted] })
    }

    /// A 404 says the same of a record and of a path, so that the search has to agree.
    async fn surely_gone(&self, call: &Call<'_>, id: &str) -> Result<(), ConnectorError> {
        let asked = Asked { addresses: vec![], ids: vec![id.to_owned()] };
        let mut records = vec![];
        for search in Search::exact(&asked.addresses, &asked.ids) {
            self.pages(call, &search, std::slice::from_ref(&asked), &mut records).await?;
        }
        if records.is_empty() {
            return Ok(());
        }
        Err(ConnectorError::Retryable {
            what: "the vendor knows no such record to delete, yet finds it".into(),
            retry_after: Some(Duration::from_secs(60)),
        })
    }

    /// All records that answer to any of those asked for, held against them exactly.
    pub(crate) async fn records(
        &self,
        call: &Call<'_>,
        asked: &[Asked],
    ) -> Result<Vec<Record>, ConnectorError> {
        let (mut addresses, mut ids) = (vec![], vec![]);
        for one in asked {
            one.addresses.iter().cloned().for_each(|address| add(&mut addresses, address));
            one.ids.iter().cloned().for_each(|id| add(&mut ids, id));
        }
        let mut records: Vec<Record> = vec![];
        for search in Search::exact(&addresses, &ids) {
            self.pages(call, &search, asked, &mut records).await?;
        }
        // an address belongs to one record: those already seen are not asked for as further ones
        addresses.retain(|address| !records.iter().any(|r| r.addresses().any(|a| a == address)));
        for search in Search::further(&addresses) {
            self.pages(call, &search, asked, &mut records).await?;
        }
        ids.retain(|id| !records.iter().any(|record| record.id == *id));
        for id in ids {
            // a search does not know the ids of records that were merged; a reading does
            let reply = call.send(&self.wire.record(&id)).await?;
            let Some(record) = wire::read_record(&reply)? else { continue };
            match records.iter_mut().find(|known| known.id == record.id) {
                Some(known) => known.former.push(id),
                None => records.push(Record { former: vec![id], ..record }),
            }
        }
        Ok(records)
    }

    /// Reads every page of a search and keeps what is asked for, not what only resembles it.
    async fn pages(
        &self,
        call: &Call<'_>,
        search: &Search,
        asked: &[Asked],
        records: &mut Vec<Record>,
    ) -> Result<(), ConnectorError> {
        let mut after = "0".to_owned();
        for _ in 0..MOST_PAGES {
            let reply = call.send(&self.wire.search(search, &after)?).await?;
            let (page, next) = wire::read_page(&reply)?;
            for record in page {
                let wanted = asked.iter().any(|one| record.answers(one));
                if wanted && !records.iter().any(|known| known.id == record.id) {
                    records.push(record);
                }
            }
            let Some(next) = next else { return Ok(()) };
            after = next;
        }
        Err(ConnectorError::permanent("too_many_records_resemble_the_address"))
    }

    pub(crate) fn lifting(&self) -> Result<&Lift, ConnectorError> {
        self.lift
            .as_ref()
            .ok_or_else(|| ConnectorError::settings("lift_legal_basis: a lift needs a legal basis"))
    }
}

/// Those who fit in one search order: by number, and by the addresses they bring.
fn fitting(order: &Order) -> Vec<ItemId> {
    let mut addresses = 0;
    let fits = |item: &&Item| {
        let brings = Asked::of(item).addresses.len();
        let first = addresses == 0;
        addresses += brings.max(1);
        first || addresses <= MOST_ADDRESSES
    };
    let most = usize::try_from(SEARCH_BATCH).unwrap_or(1);
    order.items.iter().take(most).take_while(fits).map(|item| item.id).collect()
}

/// The one item of an order of a step that takes one.
fn only(order: &Order) -> Result<&Item, ConnectorError> {
    order.items.first().ok_or_else(|| ConnectorError::permanent("an order of nobody"))
}

/// Each record, and all of them at once: a person picks.
fn candidates(
    records: &[&Record],
    asked: &Asked,
    step: &StepId,
) -> Result<Vec<Candidate>, ConnectorError> {
    let mut all = vec![];
    for record in records {
        let memo = walk::keep(&Records::new(&[record]))?;
        all.push(Candidate { label: record.label(asked), step: step.clone(), memo });
    }
    if records.len() > 1 {
        let memo = walk::keep(&Records::new(records))?;
        let label = format!("all {} records", records.len());
        all.push(Candidate { label, step: step.clone(), memo });
    }
    Ok(all)
}

fn counted(records: usize) -> u32 {
    u32::try_from(records).unwrap_or(u32::MAX)
}

fn found(records: usize) -> Evidence {
    Evidence::seen(format!("{records} contact records found by search"))
}

fn no_step(step: &StepId) -> ConnectorError {
    ConnectorError::permanent(format!("HubSpot has no step {step} for this action"))
}
