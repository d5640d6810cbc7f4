//! Mailchimp as a server that remembers: audiences, members, and the addresses it will not take back.

mod checks;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use efface_connector::{
    IdentifierKind,
    fake::{Fake, FakeReply, FakeRequest, Tuning},
};
use serde_json::{Value, json};

use crate::walk::hash;

pub use checks::checks;

const AUDIENCES: [&str; 2] = ["a1b2c3d4e5", "f6a7b8c9d0"];

pub fn start() -> Arc<dyn Fake> {
    Arc::new(Mailchimp::default())
}

#[derive(Default)]
struct Mailchimp {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By audience and hash.
    members: BTreeMap<(String, String), Member>,
    /// Deleted for good: cannot be imported again.
    forgotten: BTreeSet<String>,
    /// The audiences have been deleted.
    no_audiences: bool,
}

struct Member {
    email: String,
    status: String,
}

impl Mailchimp {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fake for Mailchimp {
    fn handle(&self, request: &FakeRequest, tuning: &Tuning) -> FakeReply {
        let key = format!("{}-us1", tuning.key);
        if request.basic().is_none_or(|(_, password)| password != key) {
            return problem(401, "API Key Invalid");
        }
        let mut state = self.state();
        match request.route() {
            ("GET", path) if path == ["3.0"] => {
                FakeReply::json(200, &json!({ "account_id": "acc1", "account_name": "Play Ltd" }))
            }
            ("GET", path) if path.len() == 3 && path[1] == "lists" => {
                if state.knows(path[2]) {
                    FakeReply::json(200, &json!({ "id": path[2] }))
                } else {
                    problem(404, "Resource Not Found")
                }
            }
            ("GET", path) if path.len() == 4 && path[1] == "lists" && path[3] == "members" => {
                if state.knows(path[2]) {
                    state.members(path[2], request)
                } else {
                    problem(404, "Resource Not Found")
                }
            }
            (method, path) if path.len() >= 5 && path[1] == "lists" && path[3] == "members" => {
                if !state.knows(path[2]) {
                    return problem(404, "Resource Not Found");
                }
                state.member(method, path[2], path[4], &path[5..], request, tuning)
            }
            _ => problem(404, "Resource Not Found"),
        }
    }

    fn settings(&self, key: &str) -> Value {
        json!({ "api_key": format!("{key}-us1"), "audiences": AUDIENCES })
    }

    fn put(&self, identifiers: &[(IdentifierKind, String)]) {
        let mut state = self.state();
        for (kind, email) in identifiers {
            if *kind != IdentifierKind::Email {
                continue;
            }
            for audience in AUDIENCES {
                let member = Member { email: email.clone(), status: "subscribed".into() };
                state.members.insert((audience.to_owned(), hash(email)), member);
            }
        }
    }

    fn holds(&self, kind: &IdentifierKind, value: &str) -> bool {
        let hash = hash(value);
        *kind == IdentifierKind::Email && self.state().members.keys().any(|(_, h)| *h == hash)
    }

    /// No audience mails the person, and not because none knows them.
    fn suppresses(&self, kind: &IdentifierKind, value: &str) -> bool {
        let hash = hash(value);
        let state = self.state();
        let of_person = || state.members.iter().filter(|((_, h), _)| *h == hash);
        let mailed = of_person().any(|(_, m)| m.status == "subscribed" || m.status == "pending");
        let known = of_person().next().is_some() || state.forgotten.contains(&hash);
        *kind == IdentifierKind::Email && known && !mailed
    }

    fn people(&self) -> usize {
        self.state().members.keys().map(|(_, hash)| hash).collect::<BTreeSet<_>>().len()
    }

    fn refusal(&self, status: u16) -> FakeReply {
        problem(status, "User Does Not Have Access")
    }

    fn lose_place(&self) -> bool {
        self.state().no_audiences = true;
        true
    }
}

impl State {
    fn knows(&self, audience: &str) -> bool {
        !self.no_audiences && AUDIENCES.contains(&audience)
    }

    fn members(&self, audience: &str, request: &FakeRequest) -> FakeReply {
        let number = |name| request.query(name).and_then(|text| text.parse::<usize>().ok());
        let most = number("count").unwrap_or(10);
        if most > 1000 {
            return problem(400, "Invalid Resource");
        }
        let all = self.members.iter().filter(|((place, _), _)| place == audience);
        let all: Vec<Value> = all.map(|(_, m)| json!({ "email_address": m.email })).collect();
        let from = number("offset").unwrap_or(0);
        let shown: Vec<&Value> = all.iter().skip(from).take(most).collect();
        FakeReply::json(200, &json!({ "members": shown, "total_items": all.len() }))
    }

    fn member(
        &mut self,
        method: &str,
        audience: &str,
        hash: &str,
        action: &[&str],
        request: &FakeRequest,
        tuning: &Tuning,
    ) -> FakeReply {
        let place = (audience.to_owned(), hash.to_owned());
        let Some(member) = self.members.get_mut(&place) else {
            return problem(404, "Resource Not Found");
        };
        let drifted = |status: &str| {
            if tuning.unknown_status_word { "hibernating" } else { status }.to_owned()
        };
        match (method, action) {
            ("GET", []) => FakeReply::json(200, &json!({ "status": drifted(&member.status) })),
            ("PATCH", []) => {
                let wanted = request.json()["status"].as_str().unwrap_or_default().to_owned();
                if wanted == "subscribed" && member.status == "unsubscribed" {
                    return problem(400, "Member In Compliance State");
                }
                member.status.clone_from(&wanted);
                let what = if wanted == "unsubscribed" { "suppressed" } else { "lifted" };
                FakeReply::json(200, &json!({ "status": drifted(&wanted) }))
                    .effect(what, member.email.clone())
            }
            ("POST", ["actions", "delete-permanent"]) => {
                let email = member.email.clone();
                if !tuning.lies_about.contains(&email) {
                    self.members.remove(&place);
                    self.forgotten.insert(hash.to_owned());
                }
                FakeReply::empty(204).effect("erased", email)
            }
            _ => problem(405, "Method Not Allowed"),
        }
    }
}

fn problem(status: u16, title: &str) -> FakeReply {
    FakeReply::json(
        status,
        &json!({ "type": "about:blank", "title": title, "status": status, "detail": "" }),
    )
}
