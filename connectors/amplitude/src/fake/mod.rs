//! Amplitude as a project that remembers: people, and one deletion job a day.
//!
//! The stand-in has no clock: its first job is scheduled for a fixed day, and each listing brings a
//! job one stage further, unless it is never to be done.

mod checks;

use std::sync::{Arc, Mutex, PoisonError};

use efface_connector::{
    IdentifierKind, Timestamp,
    fake::{Fake, FakeReply, FakeRequest, Tuning},
};
use serde_json::{Value, json};

use crate::{manifest::amplitude_id, wire::midnight};

pub use checks::checks;

const PROJECT: &str = "play-project";
/// 2026-12-18, thirty days after the clock of the checks.
const FIRST_DAY: Timestamp = Timestamp::from_millis(1_797_552_000_000);
const DAY: u64 = 86_400;
const SIX_MONTHS: u64 = 184;

pub fn start() -> Arc<dyn Fake> {
    Arc::new(Amplitude::default())
}

#[derive(Default)]
struct Amplitude {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    people: Vec<Person>,
    jobs: Vec<Job>,
}

#[derive(Default)]
struct Person {
    amplitude_id: u64,
    user_id: Option<String>,
    device_id: Option<String>,
}

#[derive(Default)]
struct Job {
    /// Amplitude id and requester.
    entries: Vec<(u64, String)>,
    polls: u32,
    done: bool,
    /// Dropped without a word: the vendor has none for failure.
    lost: bool,
}

impl Amplitude {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fake for Amplitude {
    fn handle(&self, request: &FakeRequest, tuning: &Tuning) -> FakeReply {
        let pair = (PROJECT.to_owned(), tuning.key.clone());
        if request.basic() != Some(pair) {
            return self.refusal(401);
        }
        let mut state = self.state();
        match request.route() {
            ("POST", path) if path == ["api", "2", "deletions", "users"] => {
                state.delete(&request.json(), tuning)
            }
            ("GET", path) if path == ["api", "2", "deletions", "users"] => {
                state.list(request, tuning)
            }
            ("DELETE", path)
                if path.len() == 6 && path[..4] == ["api", "2", "deletions", "users"] =>
            {
                state.take_out(path[4], path[5], tuning)
            }
            ("GET", path) if path == ["api", "2", "usersearch"] => {
                state.search(request.query("user").unwrap_or_default())
            }
            _ => FakeReply::empty(404),
        }
    }

    fn settings(&self, key: &str) -> Value {
        json!({ "api_key": PROJECT, "secret_key": key, "requester": "privacy@play.example" })
    }

    fn put(&self, identifiers: &[(IdentifierKind, String)]) {
        let mut state = self.state();
        let next = 700_000_001 + state.people.len() as u64;
        let of = |kind: &IdentifierKind| {
            identifiers.iter().find(|(k, _)| k == kind).map(|(_, value)| value.clone())
        };
        let own = of(&amplitude_id()).and_then(|id| id.parse().ok());
        state.people.push(Person {
            amplitude_id: own.unwrap_or(next),
            user_id: of(&IdentifierKind::UserId),
            device_id: of(&IdentifierKind::DeviceId),
        });
    }

    fn holds(&self, kind: &IdentifierKind, value: &str) -> bool {
        self.state().people.iter().any(|person| person.is(kind, value))
    }

    fn suppresses(&self, _kind: &IdentifierKind, _value: &str) -> bool {
        false
    }

    fn people(&self) -> usize {
        self.state().people.len()
    }

    fn sample(&self, kind: &IdentifierKind, n: u32) -> Option<String> {
        (*kind == amplitude_id()).then(|| format!("44547850{n:04}"))
    }
}

impl Person {
    fn is(&self, kind: &IdentifierKind, value: &str) -> bool {
        match kind {
            IdentifierKind::UserId => self.user_id.as_deref() == Some(value),
            IdentifierKind::DeviceId => self.device_id.as_deref() == Some(value),
            kind => *kind == amplitude_id() && self.amplitude_id.to_string() == value,
        }
    }

    fn shown(&self) -> Value {
        json!({ "user_id": self.user_id, "amplitude_id": self.amplitude_id })
    }

    fn is_any_of(&self, values: &[String]) -> bool {
        let has = |one: &Option<String>| one.as_ref().is_some_and(|one| values.contains(one));
        has(&self.user_id) || values.contains(&self.amplitude_id.to_string())
    }
}

impl Job {
    fn status(&self, tuning: &Tuning) -> &'static str {
        if tuning.unknown_status_word {
            "hibernating"
        } else if self.done {
            "done"
        } else if self.polls >= 2 && tuning.polls_until_done < u32::MAX {
            "submitted"
        } else {
            "staging"
        }
    }
}

impl State {
    fn delete(&mut self, body: &Value, tuning: &Tuning) -> FakeReply {
        let flag = |name: &str| body[name].is_null() || body[name].is_string();
        if !["ignore_invalid_id", "delete_from_org", "include_mapped_user_ids"]
            .iter()
            .all(|f| flag(f))
        {
            return FakeReply::empty(400);
        }
        let list = |name: &str| body[name].as_array().cloned().unwrap_or_default();
        let users = list("user_ids").into_iter().map(|id| (IdentifierKind::UserId, id));
        let own = list("amplitude_ids").into_iter().map(|id| (amplitude_id(), id));
        let asked: Vec<(IdentifierKind, Value)> = users.chain(own).collect();
        if asked.is_empty() || asked.len() > 100 {
            return FakeReply::empty(400);
        }
        let (mut found, mut invalid) = (vec![], vec![]);
        for (kind, id) in asked {
            let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
            match self.people.iter().position(|person| person.is(&kind, &text)) {
                Some(n) if !found.contains(&n) => found.push(n),
                Some(_) => {}
                None => invalid.push(id),
            }
        }
        if !invalid.is_empty() && body["ignore_invalid_id"] != "true" {
            return FakeReply::empty(400);
        }
        if found.is_empty() {
            return FakeReply::json(200, &json!([{ "invalid_ids": invalid }]));
        }
        let requester = body["requester"].as_str().unwrap_or_default();
        self.add(&found, requester, &invalid, tuning)
    }

    /// Into the job that is still staging, or a new one.
    fn add(
        &mut self,
        found: &[usize],
        requester: &str,
        invalid: &[Value],
        tuning: &Tuning,
    ) -> FakeReply {
        let open = |job: &Job| !job.done && !job.lost && job.polls < 2;
        if !self.jobs.last().is_some_and(open) {
            self.jobs.push(Job { lost: tuning.fail_next_job, ..Job::default() });
        }
        let at = self.jobs.len() - 1;
        let day = day(at);
        let job = &mut self.jobs[at];
        let mut reply = FakeReply::empty(200);
        let mut entries = vec![];
        for n in found {
            let person = &self.people[*n];
            if !job.entries.iter().any(|(id, _)| *id == person.amplitude_id) {
                job.entries.push((person.amplitude_id, requester.to_owned()));
            }
            let mut entry = shown(person.amplitude_id, requester);
            entry["user_id"] = json!(person.user_id);
            entries.push(entry);
            let who = person.user_id.clone().unwrap_or_else(|| person.amplitude_id.to_string());
            reply = reply.effect("accepted", who);
        }
        let body = json!([{
            "day": day, "status": job.status(tuning), "active_scrub_done_date": null,
            "amplitude_ids": entries, "invalid_ids": invalid,
        }]);
        FakeReply { effects: reply.effects, ..FakeReply::json(200, &body) }
    }

    fn list(&mut self, request: &FakeRequest, tuning: &Tuning) -> FakeReply {
        let bound = |name: &str| midnight(request.query(name)?);
        let (Some(from), Some(to)) = (bound("start_day"), bound("end_day")) else {
            return FakeReply::empty(400);
        };
        if from > to || to.since(from).as_secs() > SIX_MONTHS * DAY {
            return FakeReply::empty(400);
        }
        let mut erased = vec![];
        let mut listed = vec![];
        for (n, job) in self.jobs.iter_mut().enumerate().filter(|(_, job)| !job.lost) {
            job.polls += 1;
            if !job.done && job.polls >= tuning.polls_until_done && !tuning.unknown_status_word {
                job.done = true;
                erased.extend(job.entries.iter().map(|(id, _)| *id));
            }
            let entries: Vec<Value> =
                job.entries.iter().map(|(id, requester)| shown(*id, requester)).collect();
            listed.push(json!({
                "day": day(n), "status": job.status(tuning), "amplitude_ids": entries,
            }));
        }
        let mut reply = FakeReply::json(200, &Value::from(listed));
        for person in self.people.iter().filter(|person| erased.contains(&person.amplitude_id)) {
            let who = person.user_id.clone().unwrap_or_else(|| person.amplitude_id.to_string());
            reply = reply.effect("erased", who);
        }
        self.people.retain(|person| {
            !erased.contains(&person.amplitude_id) || person.is_any_of(&tuning.lies_about)
        });
        reply
    }

    fn take_out(&mut self, id: &str, from: &str, tuning: &Tuning) -> FakeReply {
        for (n, job) in self.jobs.iter_mut().enumerate().filter(|(n, _)| day(*n) == from) {
            let at = job.entries.iter().position(|(one, _)| one.to_string() == id);
            if let Some(at) = at.filter(|_| job.status(tuning) == "staging" && day(n) == from) {
                let (id, requester) = job.entries.remove(at);
                return FakeReply::json(200, &shown(id, &requester))
                    .effect("recalled", id.to_string());
            }
        }
        FakeReply::empty(400)
    }

    fn search(&self, asked: &str) -> FakeReply {
        let answer = |how: &str, found: Vec<&Person>| {
            let matches: Vec<Value> = found.into_iter().map(Person::shown).collect();
            FakeReply::json(200, &json!({ "matches": matches, "type": how }))
        };
        let all = |keep: &dyn Fn(&Person) -> bool| {
            self.people.iter().filter(|person| keep(person)).collect::<Vec<_>>()
        };
        let user_or_device = all(&|p| {
            p.is(&IdentifierKind::UserId, asked) || p.is(&IdentifierKind::DeviceId, asked)
        });
        let own = all(&|p| p.is(&amplitude_id(), asked));
        let prefix =
            all(&|p| !asked.is_empty() && p.user_id.as_ref().is_some_and(|u| u.starts_with(asked)));
        if !user_or_device.is_empty() {
            answer("match_user_or_device_id", user_or_device)
        } else if !own.is_empty() {
            answer("match_amplitude_id", own)
        } else if !prefix.is_empty() {
            answer("match_user_prefix", prefix)
        } else {
            answer("nomatch", vec![])
        }
    }
}

/// The day of the n-th job.
fn day(n: usize) -> String {
    FIRST_DAY.plus(std::time::Duration::from_secs(n as u64 * DAY)).utc_date()
}

fn shown(amplitude_id: u64, requester: &str) -> Value {
    json!({ "amplitude_id": amplitude_id, "requested_on_day": "2026-11-18", "requester": requester })
}
