//! The judge. It reads what the vendors logged and what the database holds, and asks no worker.

mod history;
mod lost;
mod words;

use std::collections::{BTreeMap, HashMap, HashSet};

use efface_connector::fake::LogLine;
use efface_core::{
    EvidenceLevel, OrderId, Outcome, RequestId, TaskId,
    journal::{About, Entry, ReadEntry},
    manifest::EffectClass,
    order::Order,
    task::{Task, TaskState},
};
use efface_store::{RequestView, SqlStore, Store as _, WhyLine};

pub use words::class_word;

use crate::peek::{Peek, StoredExchange};
use words::says_done;

/// A keyed digest, hex.
type Digest<'a> = dyn Fn(&[u8]) -> String + Send + Sync + 'a;

/// Everything there is to judge by.
pub struct Evidence<'a> {
    /// By vendor; the vendors' own words.
    pub logs: BTreeMap<String, Vec<LogLine>>,
    /// The keyed digest under the test's own key.
    pub digest: Box<Digest<'a>>,
    pub orders: Vec<Order>,
    pub exchanges: Vec<StoredExchange>,
    /// Orders of a time that the database has lost, which vendors saw all the same; one it still has
    /// stands here for what it was repeated then.
    pub lost_orders: Vec<Order>,
    pub journal: Vec<ReadEntry>,
    pub requests: Vec<(RequestView, Vec<WhyLine>)>,
    pub filed: usize,
    pub stored: usize,
    /// Whether every vendor held everybody: then none may say that it found nobody.
    pub all_are_held: bool,
}

impl Evidence<'_> {
    /// Reads everything once; `store` lends its key for the digests.
    ///
    /// # Panics
    /// When a filed request or an entry of the journal cannot be read.
    pub async fn gather<'a>(
        store: &'a SqlStore,
        peek: &Peek,
        logs: BTreeMap<String, Vec<LogLine>>,
        filed: &[RequestId],
    ) -> Evidence<'a> {
        let mut requests = vec![];
        for id in filed {
            let view = store.request(*id).await.expect("a filed request is there");
            requests.push((view, store.why(*id).await.expect("why")));
        }
        let tail = efface_store::journal_tail(store).await.expect("journal");
        let read = |(body, items): &(String, String)| Entry::read(body, items).expect("an entry");
        Evidence {
            logs,
            digest: Box::new(|bytes| store.digest(bytes)),
            orders: peek.orders().await,
            exchanges: peek.exchanges().await,
            lost_orders: vec![],
            journal: tail.iter().map(read).collect(),
            requests,
            filed: filed.len(),
            stored: usize::try_from(peek.request_count().await).unwrap_or(0),
            all_are_held: false,
        }
    }
}

/// What was counted on the way.
#[derive(Debug, Default)]
pub struct Tally {
    pub calls: usize,
    pub changing_calls: usize,
    pub orders: usize,
    /// Orders whose answer was lost at least once.
    pub unknown_orders: usize,
    /// By class: orders sent again, and calls a vendor saw again.
    pub repeats: BTreeMap<&'static str, (usize, usize)>,
    /// Settled tasks by outcome and evidence.
    pub outcomes: BTreeMap<(String, String), usize>,
    /// Tasks that wait for a person, by the reason's word.
    pub on_the_desk: BTreeMap<String, usize>,
    pub open_requests: usize,
    /// Tasks `not_found` because a lost order had done its work already.
    pub gone_when_asked_again: usize,
    /// Requests that were taken in and are not there.
    pub lost: usize,
    /// Tasks that say done and whose call no vendor saw, and calls no order stands for.
    pub without_call: usize,
    /// Orders and calls repeated beyond what their class allows.
    pub forbidden_repeats: usize,
}

/// The verdict: a sentence for each thing that must not be.
#[derive(Debug, Default)]
pub struct Verdict {
    pub faults: Vec<String>,
    pub tally: Tally,
}

/// Judges.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let seen = Seen::read(evidence);
    verdict.tally.calls = evidence.logs.values().map(Vec::len).sum();
    verdict.tally.orders = evidence.orders.len();
    verdict.nothing_is_lost(evidence);
    verdict.no_word_without_a_call(evidence, &seen);
    verdict.repeats_only_where_the_class_allows(evidence, &seen);
    verdict.orders_stay_as_they_were(evidence);
    verdict.nothing_is_regrouped(evidence);
    verdict.no_order_without_a_release_of_the_latest_plan(evidence);
    verdict.the_journal_tells_the_same(evidence);
    verdict
}

/// Judges by the store's own words alone: what follows from them, whatever any vendor saw.
#[must_use]
pub fn judge_history(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.orders_stay_as_they_were(evidence);
    verdict.nothing_is_regrouped(evidence);
    verdict.no_order_without_a_release_of_the_latest_plan(evidence);
    verdict.the_journal_tells_the_same(evidence);
    verdict
}

/// One vendor's calls by their digest: how often each came, and whether it changed a person.
struct Seen<'a> {
    by_vendor: HashMap<&'a str, HashMap<String, Calls<'a>>>,
}

#[derive(Default)]
struct Calls<'a> {
    lines: Vec<&'a LogLine>,
}

impl Calls<'_> {
    fn is_changing(&self) -> bool {
        self.lines.iter().any(|line| line.method != "GET")
    }
}

impl<'a> Seen<'a> {
    fn read(evidence: &'a Evidence<'_>) -> Self {
        let mut by_vendor: HashMap<&str, HashMap<String, Calls<'_>>> = HashMap::new();
        for (vendor, lines) in &evidence.logs {
            let calls = by_vendor.entry(vendor).or_default();
            for line in lines {
                let input = format!("{} {}\n{}", line.method, line.path, line.body);
                let digest = (evidence.digest)(input.as_bytes());
                calls.entry(digest).or_default().lines.push(line);
            }
        }
        Self { by_vendor }
    }

    fn count(&self, vendor: &str, digest: &str) -> usize {
        self.by_vendor.get(vendor).and_then(|c| c.get(digest)).map_or(0, |c| c.lines.len())
    }
}

/// Whether a call only took something back, for an order with somebody whose request was cancelled.
fn may_be_taken_back(evidence: &Evidence<'_>, vendor: &str, digest: &str, line: &LogLine) -> bool {
    let cancelled = |order: &OrderId| {
        let order = evidence.orders.iter().find(|o| o.id == *order);
        let tasks = evidence.requests.iter().flat_map(|(v, _)| &v.tasks).map(|t| &t.row.task);
        let mut marked = tasks.filter(|t| t.cancel_marked);
        order.is_some_and(|o| marked.any(|t| o.items.contains(&t.id)))
    };
    let mut mine =
        evidence.exchanges.iter().filter(|e| e.request_digest.as_deref() == Some(digest));
    // a call whose answer was lost with its worker has left its wish alone
    let mut wanted = evidence.journal.iter().filter_map(|entry| match &entry.about {
        About::RecallWanted { order, .. } => Some(order),
        _ => None,
    });
    let at_vendor = |id: &&OrderId| {
        evidence.orders.iter().any(|o| o.id == **id && o.account.as_str() == vendor)
    };
    line.effects.iter().all(|effect| effect.starts_with("recalled "))
        && (mine.any(|e| e.order.as_ref().is_some_and(cancelled))
            || wanted.any(|id| at_vendor(&id) && cancelled(id)))
}

impl Verdict {
    fn fault(&mut self, words: impl Into<String>) {
        // the first ones tell the story
        if self.faults.len() < 50 {
            self.faults.push(words.into());
        }
    }

    fn nothing_is_lost(&mut self, evidence: &Evidence<'_>) {
        if evidence.stored != evidence.filed || evidence.requests.len() != evidence.filed {
            self.tally.lost += evidence.filed.abs_diff(evidence.stored).max(1);
            self.fault(format!(
                "{} requests were filed and {} are stored",
                evidence.filed, evidence.stored
            ));
        }
        for (view, why) in &evidence.requests {
            let id = view.request.id;
            let is_over = view.request.state.is_over();
            self.tally.open_requests += usize::from(!is_over);
            if !is_over && why.is_empty() {
                self.fault(format!("request {id} is open and nobody can say why"));
            }
            for task in view.tasks.iter().map(|t| &t.row.task) {
                let told = why.iter().any(|line| line.task == Some(task.id));
                match &task.state {
                    TaskState::Settled { outcome, evidence: level } => {
                        if evidence.all_are_held && *outcome == Outcome::NotFound {
                            self.who_was_held_is_not_found(evidence, task);
                        }
                        let key = (outcome.word(task.action).into(), level.word().into());
                        *self.tally.outcomes.entry(key).or_default() += 1;
                    }
                    TaskState::Desk { reason } if told => {
                        *self.tally.on_the_desk.entry(reason.word().into()).or_default() += 1;
                    }
                    // behind a task that waits for a person
                    TaskState::Blocked { .. } if told => {
                        *self.tally.on_the_desk.entry("(behind another)".into()).or_default() += 1;
                    }
                    TaskState::Blocked { .. }
                    | TaskState::Desk { .. }
                    | TaskState::Ready { .. }
                    | TaskState::Sending { .. }
                    | TaskState::Unknown { .. }
                    | TaskState::Waiting { .. }
                    | TaskState::Confirmed { .. } => {
                        let word = task.state.word();
                        self.fault(format!(
                            "task {} at {} came to rest as {word}",
                            task.id, task.account
                        ));
                    }
                }
                if is_over && !task.state.is_settled() {
                    self.fault(format!("request {id} is over and its task {} is not", task.id));
                }
            }
        }
    }

    /// Only where an answer was lost may the vendor have done its work before it was asked again; and
    /// where a person sent a task again, which others of its request had not waited for.
    fn who_was_held_is_not_found(&mut self, evidence: &Evidence<'_>, task: &Task) {
        let frozen: HashSet<OrderId> = evidence
            .journal
            .iter()
            .filter_map(|entry| match &entry.about {
                About::OrderUnknown { order, .. } => Some(*order),
                _ => None,
            })
            .collect();
        let lost = |order: &Order| frozen.contains(&order.id);
        let mine = evidence.orders.iter().filter(|order| order.items.contains(&task.id));
        let mut changing = mine.filter(|order| order.class != EffectClass::ReadOnly);
        let changes = evidence.journal.iter().flat_map(|entry| &entry.changes);
        let mut mine = changes.filter(|change| change.task == task.id);
        let is_decided = mine.any(|change| change.event == "retried by a person");
        if changing.any(lost) || is_decided {
            self.tally.gone_when_asked_again += 1;
        } else {
            self.fault(format!(
                "task {} at {}: not_found, and the person was there",
                task.id, task.account
            ));
        }
    }

    fn no_word_without_a_call(&mut self, evidence: &Evidence<'_>, seen: &Seen<'_>) {
        let mut exchanged: HashMap<OrderId, Vec<&str>> = HashMap::new();
        for exchange in &evidence.exchanges {
            if let (Some(order), Some(digest)) = (exchange.order, &exchange.request_digest) {
                exchanged.entry(order).or_default().push(digest);
            }
        }
        let mut orders: HashMap<TaskId, Vec<&Order>> = HashMap::new();
        for order in evidence.orders.iter().filter(|o| o.class != EffectClass::ReadOnly) {
            for item in &order.items {
                orders.entry(*item).or_default().push(order);
            }
        }
        for task in evidence.requests.iter().flat_map(|(v, _)| &v.tasks).map(|t| &t.row.task) {
            let TaskState::Settled { outcome, evidence: level } = &task.state else { continue };
            if !says_done(outcome) {
                continue;
            }
            let vendor = task.account.as_str();
            let carried = orders.get(&task.id).is_some_and(|mine| {
                mine.iter().any(|order| {
                    let arrived = seen.count(vendor, &order.body_digest) > 0;
                    let kept = exchanged.get(&order.id).into_iter().flatten();
                    arrived && kept.into_iter().any(|digest| seen.count(vendor, digest) > 0)
                })
            });
            let told = carried || lost::is_told(evidence, seen, &exchanged, task);
            if !told && *level != EvidenceLevel::Attested {
                self.tally.without_call += 1;
                let word = outcome.word(task.action);
                self.fault(format!(
                    "task {} at {vendor} is {word} by a call the vendor never saw",
                    task.id
                ));
            }
        }
    }

    fn repeats_only_where_the_class_allows(&mut self, evidence: &Evidence<'_>, seen: &Seen<'_>) {
        let mut orders: HashMap<(&str, &str), Vec<&Order>> = HashMap::new();
        for order in evidence.orders.iter().chain(&evidence.lost_orders) {
            orders.entry((order.account.as_str(), &order.body_digest)).or_default().push(order);
            if order.repeats > 0 {
                self.tally.repeats.entry(class_word(order.class)).or_default().0 += 1;
            }
            let most = match order.class {
                EffectClass::AtMostOnce => 0,
                EffectClass::Wasteful => 1,
                EffectClass::ReadOnly
                | EffectClass::NaturallyIdempotent
                | EffectClass::KeyIdempotent { .. } => u32::MAX,
            };
            if order.repeats > most {
                self.tally.forbidden_repeats += 1;
                let class = class_word(order.class);
                self.fault(format!(
                    "order {} is {class} and was repeated {} times",
                    order.id, order.repeats
                ));
            }
        }
        for (vendor, calls) in &seen.by_vendor {
            for (digest, calls) in calls {
                if !calls.is_changing() {
                    continue;
                }
                let times = calls.lines.len();
                let Some(mine) = orders.get(&(*vendor, digest.as_str())) else {
                    // a look by POST; what changes anybody needs an order
                    let harms = |l: &&&LogLine| {
                        !l.effects.is_empty() && !may_be_taken_back(evidence, vendor, digest, l)
                    };
                    if let Some(line) = calls.lines.iter().find(harms) {
                        self.tally.without_call += 1;
                        self.fault(format!(
                            "{vendor} did {:?} without a committed order",
                            line.effects
                        ));
                    }
                    continue;
                };
                self.tally.changing_calls += times;
                let allowed: usize = mine.iter().map(|o| 1 + o.repeats as usize).sum();
                if times > allowed {
                    self.tally.forbidden_repeats += 1;
                    let ids: Vec<String> = mine.iter().map(|o| o.id.to_string()).collect();
                    self.fault(format!("{vendor} was called {times} times for {ids:?}, which were sent {allowed} times"));
                }
                if let Some(first) = mine.first() {
                    let again = self.tally.repeats.entry(class_word(first.class)).or_default();
                    again.1 += times.saturating_sub(mine.len());
                }
            }
        }
    }
}
