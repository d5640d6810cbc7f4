//! Errands of people (probes, rehearsals, scans), the key's first proof, and what a call means for its
//! account.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use efface_connector::{Call, ConnectorError, Item, NeedsPerson, Presence, Probe, Right, Secret};
use efface_core::{
    AccountId, IdentifierKind, TaskId, account::Breaker, desk::Reason, evidence::Evidence,
};
use efface_store::{
    AccountRow, Errand, ErrandDone, ErrandKind, Error as StoreError, Unit, crash_point,
};
use serde::Serialize;

use crate::{
    call::Ended,
    fleet::ConnectedAccount,
    lane::Lane,
    record::{AccountNews, Record},
};

/// How often an owner that only runs errands looks for one when nothing rings.
const ERRANDS_EVERY: Duration = Duration::from_secs(1);
/// So many hexadecimal digits of a digest tell keys apart.
const PIN_DIGITS: usize = 24;

/// The answer to a probe errand, as commands read it.
#[derive(Serialize)]
struct ProbeAnswer {
    ok: bool,
    account_id: Option<String>,
    account_name: Option<String>,
    /// What is pinned when the account is enabled.
    pin: Option<String>,
    may: Vec<(String, &'static str)>,
    key_expires: Option<efface_core::Timestamp>,
    evidence: Option<Evidence>,
    error: Option<String>,
}

/// The answer to one person of a rehearsal.
#[derive(Serialize)]
struct RehearsalAnswer {
    person: usize,
    presence: &'static str,
    records: u32,
    matched_by: Vec<String>,
    error: Option<String>,
}

impl Lane {
    /// Before the first changing call of this life the key is asked who it is.
    pub(crate) async fn prove_key(
        self: &Arc<Self>,
        row: &AccountRow,
        account: &Arc<ConnectedAccount>,
    ) -> Result<bool, StoreError> {
        if self.soft().proved.contains(&row.id) {
            return Ok(true);
        }
        let (ended, _) = self.probe(account).await;
        match ended {
            Ended::Answered(probe) => {
                let answers_as = self.pin(account, &probe);
                if let (Some(pinned), Some(answers_as)) = (&row.condition.pinned, answers_as)
                    && *pinned != answers_as
                {
                    let mut condition = row.condition.clone();
                    condition.settings_wrong = Some(format!(
                        "the key is of another account than the one that was enabled, or another key; if that is meant: efface connector enable {}",
                        row.id
                    ));
                    let reason = Reason::OtherAccount { pinned: pinned.clone(), answers_as };
                    self.write_condition(
                        row,
                        condition,
                        "the key answers as another account",
                        Some(reason),
                    )
                    .await?;
                    return Ok(false);
                }
                self.soft().proved.insert(row.id.clone());
                Ok(true)
            }
            Ended::Failed(ConnectorError::NeedsPerson(person)) => {
                let news = match person {
                    NeedsPerson::CredentialsRefused { status } => {
                        AccountNews::CredentialsRefused { status }
                    }
                    NeedsPerson::SettingsWrong { detail } => AccountNews::SettingsWrong { detail },
                    NeedsPerson::Other { reason } => AccountNews::SettingsWrong { detail: reason },
                };
                self.account_heard(&row.id, Some(news), false).await;
                Ok(false)
            }
            Ended::Failed(error) => {
                self.account_heard(&row.id, None, error.is_infrastructure()).await;
                self.hands.runtime.sleep(Duration::from_millis(500)).await;
                Ok(false)
            }
            Ended::Panicked => Ok(false),
        }
    }

    async fn probe(
        &self,
        account: &Arc<ConnectedAccount>,
    ) -> (Ended<Probe>, Vec<efface_connector::Exchange>) {
        let turns = self.unpaid_turns();
        let call = Call::new(&account.http, self.hands.clock.now()).in_turn(&turns);
        let work = account.connector.probe(&call);
        let ended = turns.guarded("probe", self.options.call_timeout * 2, work).await;
        (ended, call.take_exchanges())
    }

    /// What an account is known again by: the vendor's own id, else a digest under our key of what
    /// names the vendor's.
    fn pin(&self, account: &ConnectedAccount, probe: &Probe) -> Option<String> {
        let digest = |name: &Secret| {
            let text = format!("key name\n{}\n{}", account.manifest.id, name.expose());
            let mut digest = self.store.digest(text.as_bytes());
            digest.truncate(PIN_DIGITS);
            format!("key:{digest}")
        };
        probe.account_id.clone().or_else(|| probe.key_name.as_ref().map(digest))
    }

    /// Writes what a call meant for its account: credentials, settings, quota, breaker.
    pub(crate) async fn account_heard(
        &self,
        id: &AccountId,
        news: Option<AccountNews>,
        infrastructure_failed: bool,
    ) {
        if news.is_none() && !infrastructure_failed && self.still_healthy(id) {
            return;
        }
        for _ in 0..5 {
            let Ok(row) = self.store.account(id).await else { return };
            let now = self.hands.clock.now();
            let (mut condition, desk) = match &news {
                Some(news) => Record::account_news(&row.condition, news, now),
                None => (row.condition.clone(), None),
            };
            let breaker = {
                let mut soft = self.soft();
                soft.breakers.entry(id.clone()).or_default().count(
                    row.condition.breaker,
                    infrastructure_failed,
                    now,
                )
            };
            if let Some(next) = breaker {
                tracing::warn!(account = %id, breaker = ?next, "breaker");
                condition.breaker = next;
            }
            if condition == row.condition {
                return;
            }
            let change = news.as_ref().map_or_else(|| "breaker".to_owned(), |n| format!("{n:?}"));
            match self.write_condition(&row, condition, &change, desk).await {
                Ok(()) => return,
                Err(StoreError::Stale { .. }) => {}
                Err(error) => {
                    tracing::warn!(account = %id, %error, "the account's condition could not be written");
                    return;
                }
            }
        }
    }

    /// Counts a good call of an account whose breaker is closed and stays so; false, and nothing
    /// counted, where more is to be done.
    fn still_healthy(&self, id: &AccountId) -> bool {
        let is_closed =
            self.known_account(id).is_some_and(|row| row.condition.breaker == Breaker::Closed);
        if !is_closed {
            return false;
        }
        let now = self.hands.clock.now();
        let mut soft = self.soft();
        let window = soft.breakers.entry(id.clone()).or_default();
        let mut counted = window.clone();
        let stays = counted.count(Breaker::Closed, false, now).is_none();
        if stays {
            *window = counted;
        }
        stays
    }

    /// The account as known, else as stored.
    pub(crate) async fn condition(&self, id: &AccountId) -> Option<Arc<AccountRow>> {
        match self.known_account(id) {
            Some(row) => Some(row),
            None => self.store.account(id).await.ok().map(Arc::new),
        }
    }

    /// Answers what people ask until stopped, and sends nothing else: orders that are out or due wait
    /// for the lane's next owner.
    pub(crate) async fn run_errands(self: &Arc<Self>) {
        while !self.over() {
            match self.errands().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(StoreError::LaneLost { .. }) => {
                    self.lost.store(true, Ordering::Relaxed);
                    return;
                }
                Err(error) => {
                    tracing::warn!(lane = %self.name, %error, "errands wait for the database");
                }
            }
            tokio::select! {
                biased;
                () = self.bell.notified() => {}
                () = self.hands.runtime.sleep(ERRANDS_EVERY) => {}
            }
        }
    }

    /// Runs what people asked of this lane.
    pub(crate) async fn errands(self: &Arc<Self>) -> Result<bool, StoreError> {
        let mut busy = false;
        for errand in self.store.due_errands(&self.name).await? {
            let Some(account) = self.members.get(&errand.account).cloned() else { continue };
            let answer = match &errand.kind {
                ErrandKind::Probe => self.probe_errand(&account).await,
                ErrandKind::Rehearse => self.rehearse(&errand, &account).await,
                // one page at a time, so that the lane's work goes on beside it
                ErrandKind::Scan { scope, by } => {
                    busy |= self.scan(&errand, *scope, by, &account).await?;
                    continue;
                }
            };
            busy = true;
            crash_point("errand-asked");
            let done = ErrandDone { id: errand.id, answer };
            let unit = Unit {
                fence: Some(self.lease.clone()),
                errands_done: vec![done],
                ..Unit::default()
            };
            self.store.commit(unit).await?;
        }
        Ok(busy)
    }

    async fn probe_errand(&self, account: &Arc<ConnectedAccount>) -> String {
        let (ended, _) = self.probe(account).await;
        let nothing = ProbeAnswer {
            ok: false,
            account_id: None,
            account_name: None,
            pin: None,
            may: vec![],
            key_expires: None,
            evidence: None,
            error: None,
        };
        let answer = match ended {
            Ended::Answered(probe) => ProbeAnswer {
                ok: true,
                pin: self.pin(account, &probe),
                account_id: probe.account_id,
                account_name: probe.account_name,
                may: probe.may.into_iter().map(|(what, right)| (what, right_word(right))).collect(),
                key_expires: probe.key_expires,
                evidence: Some(probe.evidence),
                error: None,
            },
            Ended::Failed(error) => ProbeAnswer { error: Some(error.to_string()), ..nothing },
            Ended::Panicked => {
                ProbeAnswer { error: Some("the connector panicked".into()), ..nothing }
            }
        };
        serde_json::to_string(&answer).unwrap_or_default()
    }

    async fn rehearse(&self, errand: &Errand, account: &Arc<ConnectedAccount>) -> String {
        let now = self.hands.clock.now();
        let batch = account.manifest.look_up.as_ref().map_or(1, |l| l.batch_items.max(1)) as usize;
        let keyed_by = self.keyed_by(&errand.account);
        let mut answers: Vec<RehearsalAnswer> = vec![];
        for (n, chunk) in errand.people.chunks(batch).enumerate() {
            let items: Vec<Item> = chunk
                .iter()
                .map(|people| {
                    let mut identifiers = people.clone();
                    identifiers.retain(|i| keyed_by.is_empty() || keyed_by.contains(&i.kind));
                    Item {
                        id: TaskId::new(now, &*self.hands.chance),
                        generation: 1,
                        identifiers,
                        memo: None,
                        prior: None,
                    }
                })
                .collect();
            let turns = self.unpaid_turns();
            let call = Call::new(&account.http, self.hands.clock.now()).in_turn(&turns);
            let work = account.connector.look_up(&call, &items);
            let ended = turns.guarded("look_up", self.options.call_timeout * 2, work).await;
            for (m, item) in items.iter().enumerate() {
                let person = n * batch + m;
                let failed = |error: String| RehearsalAnswer {
                    person,
                    presence: "failed",
                    records: 0,
                    matched_by: vec![],
                    error: Some(error),
                };
                answers.push(match &ended {
                    Ended::Answered(all) => match all.iter().find(|(id, _, _)| *id == item.id) {
                        Some((_, presence, _)) => rehearsal(person, presence),
                        None => failed("the vendor did not mention this person".into()),
                    },
                    Ended::Failed(error) => failed(error.to_string()),
                    Ended::Panicked => failed("the connector panicked".into()),
                });
            }
        }
        serde_json::to_string(&answers).unwrap_or_default()
    }
}

fn right_word(right: Right) -> &'static str {
    match right {
        Right::Yes => "yes",
        Right::No => "no",
        Right::CannotTell => "cannot tell",
    }
}

fn rehearsal(person: usize, presence: &Presence) -> RehearsalAnswer {
    let (word, records, matched_by) = match presence {
        Presence::Absent => ("absent", 0, vec![]),
        Presence::Present { records, matched_by } => {
            ("present", *records, matched_by.iter().map(IdentifierKind::word).collect())
        }
        Presence::Ambiguous { records } => ("ambiguous", *records, vec![]),
        Presence::CannotTell => ("cannot tell", 0, vec![]),
    };
    RehearsalAnswer { person, presence: word, records, matched_by, error: None }
}
