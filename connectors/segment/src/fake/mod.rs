//! Segment as a server that remembers: profiles, a suppression list, and regulations that take a
//! while.

mod checks;
mod replies;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use efface_connector::{
    IdentifierKind,
    fake::{Excuse, Fake, FakeReply, FakeRequest, Tuning},
};
use serde_json::{Value, json};

use crate::wire::Regulation;
use replies::{Place, destinations, page, trouble};

pub use checks::checks;

const MOST_IDS: usize = 5_000;
const MOST_BYTES: usize = 4_000_000;
/// When every regulation was made: the stand-in has no clock, and this is later than any order.
const MADE_AT: &str = "2099-01-01T00:00:00.000Z";
const NOBODY_TOLD: &str =
    "Segment tells of a regulation as a whole, and nothing of one person in it";

pub fn start() -> Arc<dyn Fake> {
    Arc::new(Segment::default())
}

#[derive(Default)]
struct Segment {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Addresses by user id.
    profiles: BTreeMap<String, BTreeSet<String>>,
    suppressed: BTreeSet<String>,
    regulations: Vec<Made>,
}

/// A regulation.
struct Made {
    id: String,
    regulation: Regulation,
    subjects: Vec<String>,
    polls: u32,
    done: bool,
    fails: bool,
}

impl Segment {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fake for Segment {
    fn handle(&self, request: &FakeRequest, tuning: &Tuning) -> FakeReply {
        let mut state = self.state();
        if let ("GET", ["v1", "spaces", _, "collections", "users", "profiles", by, "metadata"]) =
            (request.method.as_str(), request.route().1.as_slice())
        {
            if request.basic() != Some((tuning.key.clone(), String::new())) {
                return replies::profile_trouble(401, "authentication_error");
            }
            return state.profile(by);
        }
        if request.bearer() != Some(&tuning.key) {
            return trouble(401, "unauthorized");
        }
        match (request.method.as_str(), request.route().1.as_slice()) {
            ("GET", []) => FakeReply::json(
                200,
                &json!({ "data": { "workspace": { "id": "ws1", "slug": "play", "name": "Play Ltd" } } }),
            ),
            ("POST", ["regulations"]) => state.create(request, tuning),
            ("GET", ["regulations"]) => state.list(request),
            ("GET", ["regulations", id]) => state.show(id, tuning),
            ("GET", ["suppressions"]) => state.suppressions(request),
            _ => trouble(404, "not-found"),
        }
    }

    fn settings(&self, key: &str) -> Value {
        json!({ "token": key, "profile_space": "play1", "profile_token": key })
    }

    fn put(&self, identifiers: &[(IdentifierKind, String)]) {
        let of = |wanted: IdentifierKind| {
            identifiers.iter().filter(move |(kind, _)| *kind == wanted).map(|(_, text)| text)
        };
        let mut state = self.state();
        for id in of(IdentifierKind::UserId) {
            let emails = of(IdentifierKind::Email).cloned();
            state.profiles.entry(id.clone()).or_default().extend(emails);
        }
    }

    fn holds(&self, kind: &IdentifierKind, value: &str) -> bool {
        let state = self.state();
        match kind {
            IdentifierKind::UserId => state.profiles.contains_key(value),
            IdentifierKind::Email => state.profiles.values().any(|emails| emails.contains(value)),
            _ => false,
        }
    }

    fn suppresses(&self, kind: &IdentifierKind, value: &str) -> bool {
        *kind == IdentifierKind::UserId && self.state().suppressed.contains(value)
    }

    fn people(&self) -> usize {
        self.state().profiles.len()
    }

    fn refusal(&self, status: u16) -> FakeReply {
        trouble(status, "forbidden")
    }

    fn excuses(&self) -> &'static [Excuse] {
        const fn excuse(sentence: &'static str) -> Excuse {
            Excuse { sentence, reason: NOBODY_TOLD }
        }
        const ALL: &[Excuse] = &[
            excuse("erase-absent"),
            excuse("erase-batch"),
            excuse("erase_and_suppress-absent"),
            excuse("erase_and_suppress-batch"),
            excuse("suppress-absent"),
            excuse("suppress-batch"),
        ];
        ALL
    }
}

impl State {
    fn create(&mut self, request: &FakeRequest, tuning: &Tuning) -> FakeReply {
        let body = request.json();
        let regulation = body["regulationType"].as_str().and_then(Regulation::of_word);
        let subjects: Vec<String> =
            serde_json::from_value(body["subjectIds"].clone()).unwrap_or_default();
        let fits = (1..=MOST_IDS).contains(&subjects.len()) && request.body.len() <= MOST_BYTES;
        let Some(regulation) = regulation.filter(|_| fits && body["subjectType"] == "USER_ID")
        else {
            return trouble(422, "validation");
        };
        let id = format!("reg{}", self.regulations.len() + 1);
        let told = subjects.clone();
        self.regulations.push(Made {
            id: id.clone(),
            regulation,
            subjects,
            polls: 0,
            done: false,
            fails: tuning.fail_next_job,
        });
        let reply = FakeReply::json(200, &json!({ "data": { "regulateId": id } }))
            .header("x-ratelimit-remaining", "109999")
            .header("x-ratelimit-reset", "Thu, 31 Dec 2099 23:59:59 GMT");
        told.into_iter().fold(reply, |reply, id| reply.effect("accepted", id))
    }

    /// Each time it is asked for, a regulation comes nearer to its end.
    fn show(&mut self, id: &str, tuning: &Tuning) -> FakeReply {
        let Self { profiles, suppressed, regulations } = self;
        let Some(made) = regulations.iter_mut().find(|made| made.id == id) else {
            return trouble(404, "not-found");
        };
        made.polls += 1;
        let ends = made.polls >= tuning.polls_until_done;
        let mut effects = vec![];
        if ends && !made.done && !made.fails {
            made.done = true;
            for id in &made.subjects {
                effects.extend(carry_out(made.regulation, id, profiles, suppressed, tuning));
            }
        }
        let word = match (ends, made.fails) {
            (false, _) if made.polls == 1 => "INITIALIZED",
            (false, _) => "RUNNING",
            (true, true) => "INVALID",
            (true, false) if tuning.unknown_status_word => "PONDERING",
            (true, false) => "FINISHED",
        };
        let body = json!({ "data": { "regulation": {
            "id": made.id,
            "workspaceId": "ws1",
            "overallStatus": word,
            "createdAt": MADE_AT,
            "streamStatus": destinations(made.regulation, word),
        } } });
        effects
            .into_iter()
            .fold(FakeReply::json(200, &body), |reply, (what, who)| reply.effect(what, who))
    }

    fn list(&self, request: &FakeRequest) -> FakeReply {
        let word = |made: &Made| if made.done { "FINISHED" } else { "RUNNING" };
        let all: Vec<Value> = self
            .regulations
            .iter()
            .rev()
            .map(|made| {
                json!({
                    "id": made.id,
                    "subjectType": "USER_ID",
                    "subjects": made.subjects,
                    "status": word(made),
                    "createdAt": MADE_AT,
                    "regulationType": made.regulation.word(),
                })
            })
            .collect();
        page(
            request,
            &all,
            |entries, pagination| json!({ "data": { "regulations": entries, "pagination": pagination } }),
        )
    }

    fn suppressions(&self, request: &FakeRequest) -> FakeReply {
        let all: Vec<Value> = self.suppressed.iter().map(|id| json!(id)).collect();
        page(request, &all, |ids, pagination| {
            let suppressed = json!([{ "subjectType": "USER_ID", "subjectIds": ids }]);
            json!({ "data": { "suppressed": suppressed, "pagination": pagination } })
        })
    }

    fn profile(&self, by: &str) -> FakeReply {
        let there = match Place::of(by) {
            Some(Place::UserId(id)) => self.profiles.contains_key(id),
            Some(Place::Email(email)) => {
                self.profiles.values().any(|emails| emails.contains(email))
            }
            None => return replies::profile_trouble(400, "invalid_request_error"),
        };
        if there {
            FakeReply::json(200, &json!({ "metadata": { "created_at": MADE_AT } }))
        } else {
            replies::profile_trouble(404, "not_found")
        }
    }
}

/// What a finished regulation has done to one id.
fn carry_out(
    regulation: Regulation,
    id: &str,
    profiles: &mut BTreeMap<String, BTreeSet<String>>,
    suppressed: &mut BTreeSet<String>,
    tuning: &Tuning,
) -> Vec<(&'static str, String)> {
    let mut effects = vec![];
    if regulation.deletes() {
        if !tuning.lies_about.iter().any(|lie| lie == id) {
            profiles.remove(id);
        }
        effects.push(("erased", id.to_owned()));
    }
    match regulation {
        Regulation::SuppressOnly
        | Regulation::SuppressWithDelete
        | Regulation::SuppressWithDeleteInternal => {
            suppressed.insert(id.to_owned());
            effects.push(("suppressed", id.to_owned()));
        }
        Regulation::Unsuppress => {
            suppressed.remove(id);
            effects.push(("lifted", id.to_owned()));
        }
        Regulation::DeleteInternal | Regulation::DeleteOnly => {}
    }
    effects
}
