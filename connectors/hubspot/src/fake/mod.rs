//! HubSpot as a server that remembers: contacts with several addresses, subscriptions, and the
//! addresses it has blocked.

mod checks;
mod search;
mod suppression_checks;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use efface_connector::{
    IdentifierKind,
    fake::{Check, Fake, FakeReply, FakeRequest, Tuning},
};
use serde_json::{Value, json};

use crate::manifest::record_id;

pub fn checks() -> Vec<Check> {
    checks::checks().into_iter().chain(suppression_checks::checks()).collect()
}

pub fn start() -> Arc<dyn Fake> {
    Arc::new(HubSpot::default())
}

/// Types of mail; a new contact is subscribed to the first.
const SUBSCRIPTIONS: [u64; 2] = [101, 102];

#[derive(Default)]
struct HubSpot {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    contacts: Vec<Contact>,
    /// Subscribed types by address.
    subscribed: BTreeMap<String, BTreeSet<u64>>,
    /// Opted out of everything.
    opted_out: BTreeSet<String>,
    blocked: BTreeSet<String>,
    /// By the id of a record that was merged into another: the other's.
    merged: BTreeMap<u64, u64>,
    /// This version of the API is no more.
    withdrawn: bool,
    next_id: u64,
}

#[derive(Clone)]
struct Contact {
    id: u64,
    email: String,
    further: Vec<String>,
}

impl Contact {
    fn has(&self, address: &str) -> bool {
        self.email == address || self.further.iter().any(|one| one == address)
    }

    fn shown(&self) -> Value {
        let further = (!self.further.is_empty()).then(|| self.further.join(";"));
        json!({
            "id": self.id.to_string(),
            "properties": { "email": self.email, "hs_additional_emails": further },
            "archived": false,
        })
    }
}

impl HubSpot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fake for HubSpot {
    fn handle(&self, request: &FakeRequest, tuning: &Tuning) -> FakeReply {
        if request.bearer() != Some(tuning.key.as_str()) {
            return report(401, "INVALID_AUTHENTICATION");
        }
        let mut state = self.state();
        let (method, path) = request.route();
        if state.withdrawn {
            return report(404, "OBJECT_NOT_FOUND");
        }
        match (method, path.as_slice()) {
            ("GET", ["account-info", _, "details"]) => {
                FakeReply::json(200, &json!({ "portalId": 4_242_001, "accountType": "STANDARD" }))
            }
            (_, ["crm", "v3", "objects", "contacts", rest @ ..]) => {
                state.contacts(method, rest, request, tuning)
            }
            (_, ["crm", "objects", version, "contacts", rest @ ..]) if version.contains('-') => {
                state.contacts(method, rest, request, tuning)
            }
            (_, ["communication-preferences", _, "statuses", address, rest @ ..]) => {
                state.statuses(method, &address.to_lowercase(), rest, request, tuning)
            }
            _ => report(404, "OBJECT_NOT_FOUND"),
        }
    }

    fn settings(&self, key: &str) -> Value {
        json!({
            "access_token": key,
            "lift_legal_basis": "CONSENT_WITH_NOTICE",
            "lift_explanation": "asked to be mailed again",
        })
    }

    fn put(&self, identifiers: &[(IdentifierKind, String)]) {
        let addresses: Vec<String> = identifiers
            .iter()
            .filter(|(kind, _)| *kind == IdentifierKind::Email)
            .map(|(_, address)| address.to_lowercase())
            .collect();
        let ids = identifiers.iter().filter(|(kind, _)| *kind == record_id());
        let mut ids = ids.filter_map(|(_, id)| id.parse().ok());
        let Some((email, further)) = addresses.split_first() else { return };
        let mut state = self.state();
        state.next_id += 1;
        let id = ids.next().unwrap_or(9_000_000_000 + state.next_id);
        state.merged.extend(ids.map(|former| (former, id)));
        state.contacts.retain(|contact| contact.id != id && contact.email != *email);
        state.contacts.push(Contact { id, email: email.clone(), further: further.to_vec() });
        for address in &addresses {
            state.opted_out.remove(address);
            state.subscribed.insert(address.clone(), BTreeSet::from([SUBSCRIPTIONS[0]]));
        }
    }

    fn holds(&self, kind: &IdentifierKind, value: &str) -> bool {
        self.state().contacts.iter().any(|contact| named(contact, kind, value))
    }

    fn suppresses(&self, kind: &IdentifierKind, value: &str) -> bool {
        let state = self.state();
        let out = |address: &str| state.opted_out.contains(address);
        let address = value.to_lowercase();
        (*kind == IdentifierKind::Email && (out(&address) || state.blocked.contains(&address)))
            || state.contacts.iter().any(|c| named(c, kind, value) && out(&c.email))
    }

    fn people(&self) -> usize {
        self.state().contacts.len()
    }

    fn refusal(&self, status: u16) -> FakeReply {
        report(status, if status == 403 { "MISSING_SCOPES" } else { "INVALID_AUTHENTICATION" })
    }

    fn lose_place(&self) -> bool {
        self.state().withdrawn = true;
        true
    }

    fn sample(&self, kind: &IdentifierKind, n: u32) -> Option<String> {
        (*kind == record_id()).then(|| (77_415_000_200 + u64::from(n)).to_string())
    }
}

fn named(contact: &Contact, kind: &IdentifierKind, value: &str) -> bool {
    (*kind == IdentifierKind::Email && contact.has(&value.to_lowercase()))
        || (*kind == record_id() && contact.id.to_string() == value)
}

impl State {
    fn contacts(
        &mut self,
        method: &str,
        path: &[&str],
        request: &FakeRequest,
        tuning: &Tuning,
    ) -> FakeReply {
        match (method, path) {
            ("POST", ["search"]) => search::answer(&self.contacts, &request.json()),
            ("GET", []) => search::list(&self.contacts, request),
            ("POST", ["gdpr-delete"]) => self.delete(&request.json(), tuning),
            ("GET", [id]) => {
                let id = id.parse().unwrap_or(0);
                let id = self.merged.get(&id).copied().unwrap_or(id);
                match self.contacts.iter().find(|contact| contact.id == id) {
                    Some(contact) => FakeReply::json(200, &contact.shown()),
                    None => report(404, "OBJECT_NOT_FOUND"),
                }
            }
            _ => report(405, "METHOD_NOT_ALLOWED"),
        }
    }

    fn delete(&mut self, body: &Value, tuning: &Tuning) -> FakeReply {
        let id = body["objectId"].as_str().unwrap_or_default().to_owned();
        let by_address = body["idProperty"] == "email";
        let found = self.contacts.iter().position(|contact| {
            if by_address { contact.has(&id.to_lowercase()) } else { contact.id.to_string() == id }
        });
        let Some(n) = found else {
            if by_address {
                // a stranger is blocked for good, and the answer is the same
                self.blocked.insert(id.to_lowercase());
                return FakeReply::empty(204).effect("blocklisted", id);
            }
            return report(404, "OBJECT_NOT_FOUND");
        };
        let contact = self.contacts[n].clone();
        let lies = |one: &String| tuning.lies_about.contains(one);
        if !lies(&contact.email) && !lies(&contact.id.to_string()) {
            self.contacts.remove(n);
            for address in contact.further.iter().chain([&contact.email]) {
                self.blocked.insert(address.clone());
                self.subscribed.remove(address);
                self.opted_out.remove(address);
            }
        }
        FakeReply::empty(204).effect("erased", contact.email)
    }

    fn statuses(
        &mut self,
        method: &str,
        address: &str,
        path: &[&str],
        request: &FakeRequest,
        tuning: &Tuning,
    ) -> FakeReply {
        let channel = request.query("channel");
        match (method, path) {
            ("GET" | "POST", ["unsubscribe-all"]) if channel != Some("EMAIL") => {
                report(400, "VALIDATION_ERROR")
            }
            ("GET", ["unsubscribe-all"]) => {
                let out = self.opted_out.contains(address);
                let results = out.then(|| json!({ "status": "UNSUBSCRIBED", "channel": "EMAIL" }));
                answer(results.into_iter().collect(), tuning)
            }
            ("POST", ["unsubscribe-all"]) => {
                self.opted_out.insert(address.to_owned());
                self.subscribed.remove(address);
                answer(vec![], tuning).effect("suppressed", address)
            }
            ("GET", []) if channel == Some("EMAIL") => {
                let results = SUBSCRIPTIONS.iter().map(|id| self.status(address, *id)).collect();
                answer(results, tuning)
            }
            ("POST", []) => {
                let body = request.json();
                let id = body["subscriptionId"].as_u64().unwrap_or_default();
                let grounds = body["legalBasis"].is_string()
                    && body["legalBasisExplanation"].is_string()
                    && body["statusState"] == "SUBSCRIBED";
                if !grounds || !SUBSCRIPTIONS.contains(&id) {
                    return report(400, "VALIDATION_ERROR");
                }
                self.opted_out.remove(address);
                self.subscribed.entry(address.to_owned()).or_default().insert(id);
                answer(vec![self.status(address, id)], tuning).effect("lifted", address)
            }
            _ => report(405, "METHOD_NOT_ALLOWED"),
        }
    }

    fn status(&self, address: &str, id: u64) -> Value {
        let on = self.subscribed.get(address).is_some_and(|ids| ids.contains(&id));
        let off = self.opted_out.contains(address);
        let word = match (on, off) {
            (true, _) => "SUBSCRIBED",
            (false, true) => "UNSUBSCRIBED",
            (false, false) => "NOT_SPECIFIED",
        };
        json!({ "subscriptionId": id, "status": word, "channel": "EMAIL" })
    }
}

fn answer(results: Vec<Value>, tuning: &Tuning) -> FakeReply {
    let status = if tuning.unknown_status_word { "HIBERNATING" } else { "COMPLETE" };
    FakeReply::json(
        200,
        &json!({
            "status": status,
            "results": results,
            "startedAt": "2026-11-18T11:06:40Z",
            "completedAt": "2026-11-18T11:06:40Z",
        }),
    )
}

fn report(status: u16, category: &str) -> FakeReply {
    FakeReply::json(
        status,
        &json!({
            "status": "error",
            "message": "see category",
            "correlationId": "aeb5f871-7f07-4993-9211-075dc63e7cbf",
            "category": category,
        }),
    )
}
