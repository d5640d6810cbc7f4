//! Scripted vendors: no network, a log of every call that arrived, and what was true there.

mod card;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use efface_connector::{
    Accepted, Answer, Call, Connector, ConnectorError, Found, Item, ItemAnswer, Memo, Method,
    Order, Prepared, Presence, Probe, Recalled, Receipt, Request, TaskAction,
};
use efface_core::{
    EvidenceLevel, IdentifierKind, TaskId, Timestamp, evidence::Evidence, manifest::EffectClass,
};
use serde_json::json;

pub use card::{SCRIPTS, Script, manifest};

use super::{
    executor::Yield,
    faults::{Kind, Side, between},
    mood::{ItemMood, Mood},
    run::{Process, World},
};

const HOUR: Duration = Duration::from_secs(3600);
/// How long a vendor that answers too late takes.
const LONG: Duration = Duration::from_secs(600);

/// One changing call as it arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub digest: String,
    /// To whom something was done.
    pub acted: Vec<TaskId>,
}

#[derive(Debug)]
struct Job {
    people: BTreeMap<TaskId, String>,
    done_at: Duration,
}

#[derive(Debug, Default)]
struct State {
    log: Vec<Arrived>,
    /// Who is gone, and from when on.
    gone: BTreeMap<String, Duration>,
    jobs: BTreeMap<String, Job>,
    /// Orders that came in, by their key: when first, and what was answered.
    keys: BTreeMap<String, (Duration, Answer)>,
    recalled: BTreeSet<TaskId>,
}

/// A vendor: one for all workers.
pub struct Vendor {
    pub script: Script,
    state: Mutex<State>,
}

impl Vendor {
    pub fn new(script: Script) -> Self {
        Self { script, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every changing call that arrived.
    pub fn log(&self) -> Vec<Arrived> {
        self.state().log.clone()
    }

    /// Nine of ten people are known here.
    fn held(&self, person: &str) -> bool {
        let sum: u32 = person.bytes().chain(self.script.name().bytes()).map(u32::from).sum();
        !sum.is_multiple_of(10)
    }

    fn is_present(&self, person: &str, now: Duration) -> bool {
        self.held(person) && self.state().gone.get(person).is_none_or(|at| *at > now)
    }
}

/// One worker's connector to a vendor.
pub struct Scripted {
    pub vendor: Arc<Vendor>,
    pub world: Arc<World>,
    pub process: Process,
}

fn person(item: &Item) -> String {
    item.first(&IdentifierKind::Email).map_or_else(String::new, |i| i.normal.expose().to_owned())
}

fn seen(words: &str) -> Evidence {
    Evidence::seen(words).reference("ref-1")
}

impl Scripted {
    /// The call leaves: its number, its time on the way, and the mood it meets.
    async fn arrive(&self) -> (Mood, Option<Kind>) {
        let fault = self.world.fault(Side::Vendor);
        match fault {
            Some(Kind::KillBefore) => {
                self.world.kill(self.process);
                pending::<()>().await;
            }
            Some(Kind::FreezeBefore) => {
                self.world.freeze(self.process);
                Yield::default().await;
            }
            _ => {}
        }
        let way = self.world.way();
        self.world.time.sleep(way).await;
        (self.world.mood(), fault)
    }

    /// The answer comes back, or not.
    async fn come_back<T>(
        &self,
        mood: Mood,
        fault: Option<Kind>,
        answer: T,
    ) -> Result<T, ConnectorError> {
        match mood {
            Mood::LostAfter => return Err(ConnectorError::unknown("connection lost")),
            Mood::TooLate => self.world.time.sleep(LONG).await,
            // without the hook's noise
            Mood::PanicsAfter => std::panic::resume_unwind(Box::new("after")),
            _ => {}
        }
        match fault {
            Some(Kind::KillAfter) => {
                self.world.kill(self.process);
                pending::<()>().await;
            }
            Some(Kind::FreezeAfter) => {
                self.world.freeze(self.process);
                Yield::default().await;
            }
            _ => {}
        }
        Ok(answer)
    }

    fn refused(&self, mood: Mood) -> Result<(), ConnectorError> {
        if mood == Mood::PanicsBefore {
            std::panic::resume_unwind(Box::new("before"));
        }
        let now = self.world.now();
        match self.world.dice(|dice| mood.refusal(dice, now)) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Carries an order out, or says again what was said of its key.
    fn act(&self, order: &Order) -> (Answer, Vec<TaskId>) {
        let now = self.world.time.now();
        let first = self.vendor.state().keys.get(&order.idempotency_key).cloned();
        if let Some((at, answer)) = first
            && let EffectClass::KeyIdempotent { key_lifetime } = self.class(order)
            && now < at + key_lifetime
        {
            return (answer, vec![]);
        }
        let takes_on = matches!(self.vendor.script, Script::Batch | Script::Promise);
        let (answer, acted) = if order.action == TaskAction::Erase && takes_on {
            self.take_on(order)
        } else {
            self.do_at_once(order)
        };
        let told = (now, answer.clone());
        self.vendor.state().keys.entry(order.idempotency_key.clone()).or_insert(told);
        (answer, acted)
    }

    fn do_at_once(&self, order: &Order) -> (Answer, Vec<TaskId>) {
        let now = self.world.time.now();
        let (mut answer, mut acted) = (Answer::default(), vec![]);
        for item in &order.items {
            let who = person(item);
            let mood = self.world.item_mood();
            let evidence = || seen("200 done");
            let told = match mood {
                ItemMood::Blocks => ItemAnswer::Blocked {
                    reason: "open ticket".into(),
                    hint: "wait".into(),
                    recheck_after: self.world.dice(|d| between(d, HOUR, HOUR * 48)),
                },
                ItemMood::Fails => ItemAnswer::Failed(ConnectorError::permanent("bad_record")),
                ItemMood::LeavesOut => ItemAnswer::NotSent,
                ItemMood::Fine | ItemMood::Silent | ItemMood::Twice => {
                    if order.action == TaskAction::Erase && !self.vendor.is_present(&who, now) {
                        let asked = vec![IdentifierKind::Email];
                        ItemAnswer::NothingFound { asked, evidence: seen("404") }
                    } else {
                        acted.push(item.id);
                        if order.action == TaskAction::Erase {
                            self.vendor.state().gone.entry(who).or_insert(now);
                        }
                        ItemAnswer::Confirmed(evidence())
                    }
                }
            };
            match mood {
                ItemMood::Silent => {}
                ItemMood::Twice => {
                    answer.items.push((item.id, told.clone()));
                    answer.items.push((item.id, told));
                }
                _ => answer.items.push((item.id, told)),
            }
        }
        (answer, acted)
    }

    fn class(&self, order: &Order) -> EffectClass {
        let card = manifest(self.vendor.script);
        card.action(order.action)
            .and_then(|c| c.step(&order.step))
            .map_or(EffectClass::AtMostOnce, |s| s.class)
    }

    /// Takes people on, to be erased some day.
    fn take_on(&self, order: &Order) -> (Answer, Vec<TaskId>) {
        let done_at = self.world.time.now() + self.world.dice(|d| between(d, HOUR, HOUR * 60));
        let people: BTreeMap<TaskId, String> =
            order.items.iter().map(|i| (i.id, person(i))).collect();
        let acted = people.keys().copied().collect();
        let mut state = self.vendor.state();
        for who in people.values() {
            state.gone.entry(who.clone()).or_insert(done_at);
        }
        state.jobs.insert(order.idempotency_key.clone(), Job { people, done_at });
        drop(state);
        (self.accepted(&order.items, &order.idempotency_key), acted)
    }

    fn accepted(&self, items: &[Item], job: &str) -> Answer {
        let receipt = Receipt { format: 1, body: job.to_owned() };
        let accepted = Accepted {
            items: items.iter().map(|i| (i.id, None)).collect(),
            receipt: (self.vendor.script == Script::Batch).then_some(receipt),
            poll_after: HOUR,
            done_within: HOUR * 48,
            evidence: seen("202 accepted"),
        };
        Answer { items: vec![], accepted: vec![accepted] }
    }

    fn search(&self, order: &Order) -> Answer {
        let now = self.world.time.now();
        let look = |item: &Item| {
            let who = person(item);
            if self.vendor.is_present(&who, now) {
                let memo = Memo::new(1, &who).expect("a memo");
                let step = card::DELETE;
                ItemAnswer::Next { step, memo, evidence: seen("found") }
            } else {
                ItemAnswer::NothingFound {
                    asked: vec![IdentifierKind::Email],
                    evidence: seen("404"),
                }
            }
        };
        Answer { items: order.items.iter().map(|i| (i.id, look(i))).collect(), accepted: vec![] }
    }
}

#[async_trait]
impl Connector for Scripted {
    fn prepare(&self, _now: Timestamp, order: &Order) -> Result<Prepared, ConnectorError> {
        let all: Vec<TaskId> = order.items.iter().map(|i| i.id).collect();
        if order.step == card::SEARCH {
            return Ok(Prepared::read_only(all));
        }
        if order.step == card::DELETE {
            // the step before left the vendor's own name of the person
            for item in &order.items {
                let memo = item.memo.as_ref();
                let memo = memo.ok_or_else(|| ConnectorError::permanent("no_memo"))?;
                memo.read::<String>(1)?;
            }
        }
        // two fit into a call, whatever the card says
        let fits = if self.vendor.script == Script::Keyed { 2 } else { all.len() };
        let people: Vec<_> = order
            .items
            .iter()
            .take(fits)
            .map(|i| json!({ "id": i.id, "who": person(i) }))
            .collect();
        let body =
            json!({ "key": order.idempotency_key, "step": order.step.as_str(), "people": people });
        let request =
            Request::new(Method::POST, "https://vendor.example", "/people").json(&body)?;
        Ok(Prepared::sends(request, all.into_iter().take(fits).collect()))
    }

    async fn submit(
        &self,
        _call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        let (mood, fault) = self.arrive().await;
        if prepared.request.is_none() {
            self.refused(mood)?;
            return self.come_back(mood, fault, self.search(order)).await;
        }
        let digest = self.world.http.digest(prepared.changing()?);
        if !self.world.store.has_order(&digest) {
            let name = self.vendor.script.name();
            self.world.wrong(format!("{name} was called before its order was written"));
        }
        let at = {
            let mut state = self.vendor.state();
            state.log.push(Arrived { digest, acted: vec![] });
            state.log.len() - 1
        };
        self.refused(mood)?;
        let (answer, acted) = self.act(order);
        self.vendor.state().log[at].acted = acted;
        self.come_back(mood, fault, answer).await
    }

    async fn poll(
        &self,
        _call: &Call<'_>,
        order: &Order,
        receipt: &Receipt,
    ) -> Result<Answer, ConnectorError> {
        let (mood, fault) = self.arrive().await;
        self.refused(mood)?;
        let now = self.world.time.now();
        let told: Vec<_> = {
            let state = self.vendor.state();
            let job = state.jobs.get(&receipt.body);
            let one = |item: &Item| {
                let job = job.filter(|job| job.people.contains_key(&item.id))?;
                Some(if state.recalled.contains(&item.id) {
                    ItemAnswer::Failed(ConnectorError::permanent("taken back"))
                } else if now >= job.done_at {
                    ItemAnswer::Confirmed(seen("job done"))
                } else {
                    ItemAnswer::StillGoing { poll_after: HOUR }
                })
            };
            order.items.iter().filter_map(|i| Some((i.id, one(i)?))).collect()
        };
        let quiet = |told: &(TaskId, ItemAnswer)| {
            !matches!(told.1, ItemAnswer::Confirmed(_)) || self.world.item_mood() == ItemMood::Fine
        };
        let items = told.into_iter().filter(quiet).collect();
        self.come_back(mood, fault, Answer { items, accepted: vec![] }).await
    }

    async fn look_up(
        &self,
        _call: &Call<'_>,
        items: &[Item],
    ) -> Result<Vec<(TaskId, Presence, Evidence)>, ConnectorError> {
        let (mood, fault) = self.arrive().await;
        self.refused(mood)?;
        let now = self.world.time.now();
        let present = || Presence::Present { records: 1, matched_by: vec![IdentifierKind::Email] };
        let look = |item: &Item| {
            let is_present = self.vendor.is_present(&person(item), now);
            let presence = match (self.world.item_mood(), is_present) {
                (ItemMood::Blocks, _) => Presence::CannotTell,
                (ItemMood::Fails, _) => Presence::Ambiguous { records: 2 },
                // lies
                (ItemMood::Twice, true) | (ItemMood::Fine, false) => Presence::Absent,
                (ItemMood::Twice, false) | (ItemMood::Fine, true) => present(),
                (ItemMood::Silent | ItemMood::LeavesOut, _) => return None,
            };
            Some((item.id, presence, seen("looked")))
        };
        let answers = items.iter().filter_map(look).collect();
        self.come_back(mood, fault, answers).await
    }

    async fn probe(&self, _call: &Call<'_>) -> Result<Probe, ConnectorError> {
        let (mood, fault) = self.arrive().await;
        self.refused(mood)?;
        let probe = Probe {
            account_id: None,
            account_name: None,
            key_name: None,
            may: vec![],
            key_expires: None,
            evidence: seen("a key"),
        };
        self.come_back(mood, fault, probe).await
    }

    async fn find(&self, _call: &Call<'_>, order: &Order) -> Result<Found, ConnectorError> {
        let (mood, fault) = self.arrive().await;
        self.refused(mood)?;
        let told = self.vendor.state().keys.get(&order.idempotency_key).cloned();
        let found = match (self.world.item_mood(), told) {
            (ItemMood::Blocks, _) => Found::CannotTell,
            (_, None) => Found::NeverArrived,
            (_, Some((_, answer))) => Found::Arrived(answer),
        };
        self.come_back(mood, fault, found).await
    }

    async fn recall(
        &self,
        _call: &Call<'_>,
        order: &Order,
        receipt: &Receipt,
    ) -> Result<Recalled, ConnectorError> {
        let (mood, fault) = self.arrive().await;
        self.refused(mood)?;
        let now = self.world.time.now();
        let recalled = {
            let mut state = self.vendor.state();
            let is_early = state.jobs.get(&receipt.body).is_some_and(|job| now < job.done_at);
            if is_early {
                for item in &order.items {
                    state.recalled.insert(item.id);
                    state.gone.remove(&person(item));
                }
                Recalled::Recalled(seen("taken back"))
            } else {
                Recalled::TooLate(seen("done already"))
            }
        };
        self.come_back(mood, fault, recalled).await
    }
}

/// The best evidence a script can give.
pub const fn highest(script: Script) -> EvidenceLevel {
    match script {
        Script::Batch | Script::Promise => EvidenceLevel::Verified,
        Script::Plain | Script::Once | Script::Steps | Script::Keyed => EvidenceLevel::Confirmed,
    }
}
