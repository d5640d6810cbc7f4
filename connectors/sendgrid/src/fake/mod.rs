//! SendGrid as a server that remembers: contacts, mail activity, suppressions, and deletion jobs.

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

pub use checks::checks;

/// Addresses under this domain are none to the vendor.
const NO_DOMAIN: &str = "@not.valid";

pub fn start() -> Arc<dyn Fake> {
    Arc::new(SendGrid::default())
}

#[derive(Default)]
struct SendGrid {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Lower-case address by contact id.
    contacts: BTreeMap<String, String>,
    /// Addresses as mail was sent to them.
    activity: BTreeSet<String>,
    /// Lower case.
    suppressed: BTreeSet<String>,
    jobs: BTreeMap<String, Job>,
    made: u32,
}

struct Job {
    ids: Vec<String>,
    polls: u32,
}

impl SendGrid {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fake for SendGrid {
    fn handle(&self, request: &FakeRequest, tuning: &Tuning) -> FakeReply {
        if request.bearer() != Some(tuning.key.as_str()) {
            return report(401, "authorization required", "");
        }
        let mut state = self.state();
        match request.route() {
            ("GET", path) if path == ["v3", "scopes"] => scopes(),
            ("POST", path) if path == ["v3", "marketing", "contacts", "search", "emails"] => {
                state.search(request)
            }
            ("DELETE", path) if path == ["v3", "marketing", "contacts"] => state.delete(request),
            ("GET", path) if path.starts_with(&["v3", "marketing", "contacts", "imports"]) => {
                state.job(path.last().copied().unwrap_or_default(), tuning)
            }
            ("POST", path) if path == ["v3", "recipients", "erasejob"] => {
                state.erase(request, tuning)
            }
            (method, path) if path.starts_with(&["v3", "asm", "suppressions", "global"]) => {
                state.suppression(method, path.get(4).copied(), request)
            }
            _ => report(404, "not found", ""),
        }
    }

    fn settings(&self, key: &str) -> Value {
        json!({ "api_key": key })
    }

    fn put(&self, identifiers: &[(IdentifierKind, String)]) {
        let mut state = self.state();
        for (kind, email) in identifiers {
            if *kind == IdentifierKind::Email {
                state.made += 1;
                let id = format!("contact-{}", state.made);
                state.contacts.insert(id, email.to_lowercase());
                state.activity.insert(email.clone());
            }
        }
    }

    fn holds(&self, kind: &IdentifierKind, value: &str) -> bool {
        let lower = value.to_lowercase();
        let state = self.state();
        let contact = state.contacts.values().any(|email| *email == lower);
        let active = state.activity.iter().any(|email| email.to_lowercase() == lower);
        *kind == IdentifierKind::Email && (contact || active)
    }

    fn suppresses(&self, kind: &IdentifierKind, value: &str) -> bool {
        *kind == IdentifierKind::Email && self.state().suppressed.contains(&value.to_lowercase())
    }

    fn people(&self) -> usize {
        let state = self.state();
        let active = state.activity.iter().map(|email| email.to_lowercase());
        let all: BTreeSet<String> = state.contacts.values().cloned().chain(active).collect();
        all.len()
    }

    fn refusal(&self, status: u16) -> FakeReply {
        report(status, "access forbidden", "")
    }
}

impl State {
    fn search(&self, request: &FakeRequest) -> FakeReply {
        let emails = strings(&request.json()["emails"]);
        if emails.is_empty() || emails.len() > 100 || emails.iter().any(|e| is_bad(e)) {
            return report(400, "email is invalid", "emails");
        }
        let mut result = serde_json::Map::new();
        let mut found = false;
        for email in emails {
            let lower = email.to_lowercase();
            let contact = self.contacts.iter().find(|(_, one)| **one == lower);
            let entry = match contact {
                Some((id, email)) => json!({ "contact": { "id": id, "email": email } }),
                None => json!({ "error": "contact not found" }),
            };
            found |= contact.is_some();
            result.insert(lower, entry);
        }
        if found {
            FakeReply::json(200, &json!({ "result": result }))
        } else {
            report(404, "no contacts found", "")
        }
    }

    fn delete(&mut self, request: &FakeRequest) -> FakeReply {
        if request.query("delete_all_contacts").is_some() {
            // nothing of ours may ever ask for this
            self.contacts.clear();
            return FakeReply::json(202, &json!({ "job_id": "all" })).effect("erased", "everybody");
        }
        let ids: Vec<String> =
            request.query("ids").unwrap_or_default().split(',').map(str::to_owned).collect();
        if ids.len() > 100 {
            return report(400, "too many ids", "ids");
        }
        self.made += 1;
        let job = format!("job-{}", self.made);
        self.jobs.insert(job.clone(), Job { ids, polls: 0 });
        FakeReply::json(202, &json!({ "job_id": job }))
    }

    fn job(&mut self, id: &str, tuning: &Tuning) -> FakeReply {
        let Some(job) = self.jobs.get_mut(id) else { return report(404, "not found", "") };
        job.polls += 1;
        let done = job.polls >= tuning.polls_until_done;
        let mut reply = vec![];
        let status = if tuning.unknown_status_word {
            "hibernating"
        } else if !done {
            "pending"
        } else if tuning.fail_next_job {
            "failed"
        } else {
            for id in &job.ids {
                let Some(email) = self.contacts.get(id).cloned() else { continue };
                if !tuning.lies_about.contains(&email) {
                    self.contacts.remove(id);
                }
                reply.push(email);
            }
            "completed"
        };
        let body = json!({ "id": id, "status": status, "job_type": "delete", "results": {} });
        reply.into_iter().fold(FakeReply::json(200, &body), |r, email| r.effect("erased", email))
    }

    fn erase(&mut self, request: &FakeRequest, tuning: &Tuning) -> FakeReply {
        let emails = strings(&request.json()["email_addresses"]);
        if emails.is_empty() || emails.len() > 5000 || request.body.len() > 262_144 {
            return report(400, "email_addresses is not valid", "email_addresses");
        }
        if let Some(bad) = emails.iter().find(|email| is_bad(email)) {
            return report(400, &format!("Email_address {bad} is not valid"), "email_addresses");
        }
        self.made += 1;
        let job = format!("erase-{}", self.made);
        let mut reply = FakeReply::json(202, &json!({ "job_id": job }));
        for email in emails {
            let lies = tuning.lies_about.contains(&email);
            if !lies && self.activity.remove(&email) {
                reply = reply.effect("erased", email);
            }
        }
        reply
    }

    fn suppression(
        &mut self,
        method: &str,
        email: Option<&str>,
        request: &FakeRequest,
    ) -> FakeReply {
        match (method, email.map(str::to_lowercase)) {
            ("GET", Some(email)) if self.suppressed.contains(&email) => {
                FakeReply::json(200, &json!({ "recipient_email": email }))
            }
            ("GET", Some(_)) => FakeReply::json(200, &json!({})),
            ("DELETE", Some(email)) => {
                if self.suppressed.remove(&email) {
                    FakeReply::empty(204).effect("lifted", email)
                } else {
                    report(404, "not found", "")
                }
            }
            ("POST", None) => {
                let emails = strings(&request.json()["recipient_emails"]);
                if emails.iter().any(|email| is_bad(email)) {
                    return report(400, "recipient_emails is invalid", "recipient_emails");
                }
                let mut reply = FakeReply::json(201, &json!({ "recipient_emails": emails }));
                for email in emails {
                    self.suppressed.insert(email.to_lowercase());
                    reply = reply.effect("suppressed", email);
                }
                reply
            }
            _ => report(405, "method not allowed", ""),
        }
    }
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

fn is_bad(email: &str) -> bool {
    email.to_lowercase().ends_with(NO_DOMAIN)
}

fn scopes() -> FakeReply {
    FakeReply::json(
        200,
        &json!({ "scopes": [
            "recipients.erasejob.create",
            "recipients.erasejob.read",
            "marketing.read",
            "marketing.delete",
        ] }),
    )
}

fn report(status: u16, message: &str, field: &str) -> FakeReply {
    FakeReply::json(status, &json!({ "errors": [{ "message": message, "field": field }] }))
}
