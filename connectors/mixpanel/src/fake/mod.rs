//! Mixpanel as a project that remembers: profiles with their events, and deletion jobs.

mod checks;
mod words;

use std::sync::{Arc, Mutex, PoisonError};

use efface_connector::{
    IdentifierKind,
    fake::{Excuse, Fake, FakeReply, FakeRequest, Tuning},
};
use serde_json::{Value, json};

use crate::manifest::distinct_id;

pub use checks::checks;

const TOKEN: &str = "play-project-token";
const PROJECT: u64 = 1_978_118;
const USERNAME: &str = "efface.play.mp-service-account";
const SESSION: &str = "1234567890-EXAMPL";
const PAGE: usize = 1000;
const NOT_TOLD: &str =
    "a deletion job takes any distinct id and never tells whether anybody was found by it";

pub fn start() -> Arc<dyn Fake> {
    Arc::new(Mixpanel::default())
}

#[derive(Default)]
struct Mixpanel {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    people: Vec<Person>,
    jobs: Vec<Job>,
    /// The project has been deleted.
    no_project: bool,
}

#[derive(Default)]
struct Person {
    /// The first is shown; the others are its aliases.
    ids: Vec<String>,
    email: Option<String>,
}

struct Job {
    distinct_ids: Vec<String>,
    polls: u32,
    fails: bool,
    end: Option<&'static str>,
}

impl Mixpanel {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fake for Mixpanel {
    fn handle(&self, request: &FakeRequest, tuning: &Tuning) -> FakeReply {
        let mut state = self.state();
        let (method, path) = request.route();
        match path.as_slice() {
            ["api", "app", "data-deletions", "v3.0", job @ ..] => {
                if request.bearer() != Some(tuning.key.as_str()) {
                    return self.refusal(401);
                }
                if state.no_project || request.query("token") != Some(TOKEN) {
                    return error(404, "unknown project");
                }
                match (method, job) {
                    ("POST", []) => state.create(&request.json(), tuning),
                    ("GET", [job]) => state.status(job, tuning),
                    ("DELETE", [job]) => state.cancel(job),
                    _ => error(405, "method not allowed"),
                }
            }
            ["api", "query", "engage"] if method == "POST" => {
                let pair = (USERNAME.to_owned(), tuning.key.clone());
                if request.basic() != Some(pair) {
                    return self.refusal(401);
                }
                if state.no_project || request.query("project_id") != Some(&PROJECT.to_string()) {
                    return error(404, "unknown project");
                }
                state.engage(&form(&request.body))
            }
            _ => FakeReply::empty(404),
        }
    }

    fn settings(&self, key: &str) -> Value {
        json!({
            "project_token": TOKEN,
            "oauth_token": key,
            "service_account": { "username": USERNAME, "secret": key, "project_id": PROJECT },
        })
    }

    fn put(&self, identifiers: &[(IdentifierKind, String)]) {
        let all = |kind: IdentifierKind| {
            let of_kind = identifiers.iter().filter(move |(k, _)| *k == kind);
            of_kind.map(|(_, value)| value.clone())
        };
        let kinds = [
            IdentifierKind::UserId,
            IdentifierKind::AnonymousId,
            IdentifierKind::DeviceId,
            distinct_id(),
        ];
        let ids = kinds.into_iter().flat_map(all).collect();
        let person = Person { ids, email: all(IdentifierKind::Email).next() };
        self.state().people.push(person);
    }

    fn holds(&self, kind: &IdentifierKind, value: &str) -> bool {
        let state = self.state();
        state.people.iter().any(|person| match kind {
            IdentifierKind::Email => person.email.as_deref() == Some(value),
            _ => person.ids.iter().any(|id| id == value),
        })
    }

    fn suppresses(&self, _kind: &IdentifierKind, _value: &str) -> bool {
        false
    }

    fn people(&self) -> usize {
        self.state().people.len()
    }

    fn refusal(&self, status: u16) -> FakeReply {
        error(status, "unauthorized")
    }

    fn lose_place(&self) -> bool {
        self.state().no_project = true;
        true
    }

    fn excuses(&self) -> &'static [Excuse] {
        &[
            Excuse { sentence: "erase-absent", reason: NOT_TOLD },
            Excuse { sentence: "erase-batch", reason: NOT_TOLD },
        ]
    }
}

impl State {
    fn create(&mut self, body: &Value, tuning: &Tuning) -> FakeReply {
        let ids: Option<Vec<String>> = body["distinct_ids"]
            .as_array()
            .map(|ids| ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect());
        let Some(distinct_ids) = ids.filter(|ids| (1..=1999).contains(&ids.len())) else {
            return error(400, "distinct_ids: 1 to 1999 texts");
        };
        let mut reply = FakeReply::empty(201);
        for person in self.people.iter().filter(|person| person.has_any(&distinct_ids)) {
            reply = reply.effect("accepted", person.shown());
        }
        let fails = tuning.fail_next_job;
        self.jobs.push(Job { distinct_ids, polls: 0, fails, end: None });
        let body = json!({ "status": "ok", "results": { "task_id": name(self.jobs.len()) } });
        FakeReply { effects: reply.effects, ..FakeReply::json(201, &body) }
    }

    fn job(&mut self, wanted: &str) -> Option<&mut Job> {
        let at = (1..=self.jobs.len()).find(|n| name(*n) == wanted)?;
        self.jobs.get_mut(at - 1)
    }

    fn status(&mut self, wanted: &str, tuning: &Tuning) -> FakeReply {
        let answer = |word: &str, ids: &[String]| {
            let job = json!({
                "tracking_id": wanted, "status": word, "requesting_user": "ops@play.example",
                "compliance_type": "GDPR", "project_id": PROJECT,
                "date_requested": "2026-11-18T11:06:40", "distinct_ids": ids,
            });
            FakeReply::json(200, &json!({ "status": "ok", "results": job }))
        };
        let Some(job) = self.job(wanted) else { return answer("NOT_FOUND", &[]) };
        job.polls += 1;
        let ids = job.distinct_ids.clone();
        if tuning.unknown_status_word {
            return answer("HIBERNATING", &ids);
        }
        if let Some(end) = job.end {
            return answer(end, &ids);
        }
        if job.polls < tuning.polls_until_done {
            return answer(job.stage(), &ids);
        }
        let end = if job.fails { "FAILURE" } else { "SUCCESS" };
        job.end = Some(end);
        let mut reply = answer(end, &ids);
        if end == "SUCCESS" {
            for person in self.people.iter().filter(|person| person.has_any(&ids)) {
                reply = reply.effect("erased", person.shown());
            }
            let lied_about = |person: &Person| person.has_any(&tuning.lies_about);
            self.people.retain(|person| !person.has_any(&ids) || lied_about(person));
        }
        reply
    }

    fn cancel(&mut self, wanted: &str) -> FakeReply {
        match self.job(wanted) {
            Some(job) if job.end.is_none() && job.stage() != "STARTED" => {
                job.end = Some("REVOKED");
                FakeReply::empty(204).effect("recalled", wanted)
            }
            Some(_) => error(405, "the deletion has started"),
            None => error(404, "unknown task"),
        }
    }

    fn engage(&self, form: &[(String, String)]) -> FakeReply {
        let field = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let found: Vec<&Person> = if let Some(ids) = field("distinct_ids") {
            let Ok(ids) = serde_json::from_str::<Vec<String>>(ids) else {
                return error(400, "distinct_ids: no JSON array");
            };
            self.people.iter().filter(|person| person.has_any(&ids)).collect()
        } else if let Some(expression) = field("where") {
            let asked = expression
                .split(" or ")
                .map(|one| one.strip_prefix(r#"properties["$email"] == ""#)?.strip_suffix('"'));
            let Some(asked) = asked.collect::<Option<Vec<&str>>>() else {
                return error(400, "where: no expression");
            };
            let has = |p: &&Person| p.email.as_deref().is_some_and(|email| asked.contains(&email));
            self.people.iter().filter(has).collect()
        } else {
            self.people.iter().collect()
        };
        let page: usize = match (field("page").map(str::parse), field("session_id")) {
            (None, None) => 0,
            (Some(Ok(page)), Some(SESSION)) => page,
            _ => return error(400, "page: of no session"),
        };
        let of_page = found.iter().skip(page * PAGE).take(PAGE);
        let rows: Vec<Value> = of_page.map(|person| person.row()).collect();
        let body = json!({
            "page": page, "page_size": PAGE, "session_id": SESSION, "status": "ok",
            "total": found.len(), "results": rows,
        });
        FakeReply::json(200, &body)
    }
}

impl Person {
    fn has_any(&self, ids: &[String]) -> bool {
        self.ids.iter().any(|id| ids.contains(id))
    }

    fn shown(&self) -> &str {
        self.ids.first().map_or("nobody", String::as_str)
    }

    fn row(&self) -> Value {
        let email = self.email.as_ref().map(|email| json!({ "$email": email }));
        json!({ "$distinct_id": self.shown(), "$properties": email.unwrap_or_else(|| json!({})) })
    }
}

impl Job {
    fn stage(&self) -> &'static str {
        match self.polls {
            0 | 1 => "PENDING",
            2 => "STAGING",
            _ => "STARTED",
        }
    }
}

/// The id of the n-th job.
fn name(n: usize) -> String {
    format!("15839627344719{n:05}")
}

fn error(status: u16, why: &str) -> FakeReply {
    FakeReply::json(status, &json!({ "status": "error", "error": why }))
}

/// A form's fields (application/x-www-form-urlencoded).
fn form(body: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    };
    body.split('&').map(pair).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = vec![];
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let hex: String = bytes.by_ref().take(2).map(char::from).collect();
                out.extend(u8::from_str_radix(&hex, 16));
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
