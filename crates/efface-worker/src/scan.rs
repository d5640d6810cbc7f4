//! Scans: a vendor's own list, page by page, held against the suppression list. Each page and how far
//! the scan has come are one unit, so that whoever is killed goes on with the page after the last one
//! written, and a page that is read twice puts nobody on the desk twice.

use std::collections::BTreeSet;

use efface_connector::{Call, ConnectorError, Listed, NeedsPerson};
use efface_core::{
    Identifier, Scope, SuppressionId,
    desk::Subject,
    journal::About,
    scan::{self, Event, Scan, Tally, Weight, weigh},
    subject::Value,
};
use efface_store::{Errand, ErrandDone, ErrandOn, Error as StoreError, ListHit, crash_point};
use serde::{Deserialize, Serialize};

use crate::{call::Ended, fleet::ConnectedAccount, lane::Lane, poll::poll_failed, record::Record};

/// How far a scan has come. Kept sealed: the vendor's own place may name somebody.
#[derive(Serialize, Deserialize)]
struct Progress {
    scan: Scan,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

/// A page as it was read.
struct Seen {
    hits: Vec<ListHit>,
    people: Vec<Vec<Identifier>>,
    next: Option<Value>,
}

impl Lane {
    /// Reads the next page of a scan; false when it is not due, or the account must wait.
    pub(crate) async fn scan(
        &self,
        errand: &Errand,
        scope: Scope,
        by: &str,
        account: &ConnectedAccount,
    ) -> Result<bool, StoreError> {
        let now = self.hands.clock.now();
        let Some(progress) = self.progress(errand, scope, by) else { return Ok(false) };
        let condition = self.condition(&errand.account).await;
        let held =
            condition.as_ref().is_some_and(|row| row.condition.stands_in_the_way(now).is_some());
        if held || progress.scan.next().is_none_or(|at| at > now) {
            return Ok(false);
        }
        let from = progress.from.map(Value::new);
        let turns = self.unpaid_turns();
        let call = Call::new(&account.http, now).in_turn(&turns);
        let work = account.connector.list(&call, from.as_ref());
        let ended = turns.guarded("list", self.options.call_timeout * 2, work).await;
        let exchanges = call.take_exchanges();
        let mut record = Record::new(
            &self.hands,
            self.store.directory(),
            condition.as_deref().map(|c| &c.condition),
            &account.manifest,
            &self.lease,
        );
        record.exchanges(None, &errand.account, exchanges);
        let mut found = BTreeSet::new();
        let (event, from) = match ended {
            Ended::Answered(Listed::Page(page)) => {
                let hits = self.store.list_hits(&errand.account, scope, &page.people).await;
                let same_place = |(a, b): (&Value, &Value)| a.expose() == b.expose();
                match hits {
                    Err(error) if error.is_passing() => return Err(error),
                    // what cannot be read keeps back this scan, and nothing else of the lane
                    Err(error) => (failed(&error.to_string()), from),
                    Ok(_) if page.next.as_ref().zip(from.as_ref()).is_some_and(same_place) => {
                        (failed("the vendor leads from this page to itself"), from)
                    }
                    Ok(hits) => {
                        let seen = Seen { hits, people: page.people, next: page.next };
                        let tally = put_before_a_person(&mut record, errand, &seen, &mut found);
                        (Event::Page { tally, more: seen.next.is_some() }, seen.next)
                    }
                }
            }
            Ended::Answered(Listed::NotOffered) => {
                (failed("the vendor offers no list of people"), from)
            }
            Ended::Failed(error) => {
                let retry_after = poll_failed(&mut record, &error);
                let (why, hopeless) = (error.to_string(), is_hopeless(&error));
                (Event::Failed { why, retry_after, hopeless }, from)
            }
            Ended::Panicked => (failed("the connector panicked"), from),
        };
        crash_point("scan-page-read");
        let scan = match scan::apply(&progress.scan, &event, self.hands.clock.now()) {
            Ok(scan) => scan,
            Err(refusal) => {
                tracing::warn!(account = %errand.account, %refusal, "page not counted");
                return Ok(false);
            }
        };
        let (lost, failed) = (record.news.take(), record.infrastructure_failed);
        let leaf = leaf(&scan, found);
        let (mut unit, _, _) = record.finish(leaf);
        if scan.next().is_some() {
            let progress = Progress { scan, from: from.map(|from| from.expose().to_owned()) };
            let text = serde_json::to_string(&progress).unwrap_or_default();
            unit.errands_on.push(ErrandOn { id: errand.id, progress: Value::new(text) });
        } else {
            let answer = serde_json::to_string(&scan).unwrap_or_default();
            unit.errands_done.push(ErrandDone { id: errand.id, answer });
        }
        self.store.commit(unit).await?;
        crash_point("scan-page-written");
        self.account_heard(&errand.account, lost, failed).await;
        Ok(true)
    }

    /// Nothing when the account left the settings, or what is stored cannot be read.
    fn progress(&self, errand: &Errand, scope: Scope, by: &str) -> Option<Progress> {
        if let Some(progress) = &errand.progress {
            return serde_json::from_str(progress.expose())
                .inspect_err(|_| tracing::warn!(errand = %errand.id, "a scan cannot be read"))
                .ok();
        }
        let controller = self.store.directory().account(&errand.account)?.controller.clone();
        let now = self.hands.clock.now();
        let scan = Scan::begin(errand.account.clone(), controller, scope, by, now);
        Some(Progress { scan, from: None })
    }
}

fn failed(why: &str) -> Event {
    Event::Failed { why: why.into(), retry_after: None, hopeless: true }
}

/// Whether asking again cannot help. A key or setting that is wrong may be put right: the account says
/// so, and the scan waits with it.
fn is_hopeless(error: &ConnectorError) -> bool {
    match error {
        ConnectorError::Permanent { .. }
        | ConnectorError::NeedsPerson(NeedsPerson::Other { .. }) => true,
        ConnectorError::Retryable { .. }
        | ConnectorError::Unknown { .. }
        | ConnectorError::QuotaSpent { .. }
        | ConnectorError::NeedsPerson(
            NeedsPerson::CredentialsRefused { .. } | NeedsPerson::SettingsWrong { .. },
        ) => false,
    }
}

/// Weighs the hits of a page; `found` takes the entries whose people go to the desk.
fn put_before_a_person(
    record: &mut Record<'_>,
    errand: &Errand,
    seen: &Seen,
    found: &mut BTreeSet<SuppressionId>,
) -> Tally {
    let now = record.hands.clock.now();
    let people = u64::try_from(seen.people.len()).unwrap_or(u64::MAX);
    let nameless = seen.people.iter().filter(|person| person.is_empty()).count();
    let not_comparable = u64::try_from(nameless).unwrap_or(u64::MAX);
    let mut tally = Tally { people, not_comparable, ..Tally::default() };
    for hit in &seen.hits {
        let entry = hit.known.entry.id;
        // two records of one person on one page are one item
        let weight = match weigh(&hit.known, now) {
            Weight::News(_) if found.contains(&entry) => Weight::OnDesk,
            weight => weight,
        };
        tally.hit(weight);
        if let Weight::News(sighting) = weight {
            found.insert(entry);
            let who = seen.people.get(hit.person).map_or(&[][..], Vec::as_slice);
            let shown = who.iter().map(|i| format!("{} {}", i.kind, i.masked())).collect();
            let subject = Subject::Listed { entry, account: errand.account.clone() };
            record.open_desk(subject, sighting.reason(shown), None);
        }
    }
    tally
}

/// Every page that puts somebody on the desk has a leaf, and so has the end.
fn leaf(scan: &Scan, found: BTreeSet<SuppressionId>) -> Option<About> {
    if scan.next().is_some() && found.is_empty() {
        return None;
    }
    let event = format!("scan against the suppression list {}", scan.state.word());
    Some(About::ListScanned {
        event,
        scan: Box::new(scan.clone()),
        found: found.into_iter().collect(),
    })
}
