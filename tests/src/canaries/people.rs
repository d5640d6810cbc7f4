//! The canaries: people, keys and mistyped people who are met nowhere else.

use efface_core::{IdentifierKind, outside::Chance as _};
use serde_json::json;

use super::search::Canary;
use crate::world::OsChance;

/// The name of the operator's reference among the canaries.
pub const REFERENCE: &str = "the operator's reference";

/// One person.
pub struct Person {
    pub email: String,
    pub phone: String,
    pub user_id: String,
}

impl Person {
    #[must_use]
    pub fn identifiers(&self) -> Vec<(IdentifierKind, String)> {
        vec![
            (IdentifierKind::Email, self.email.clone()),
            (IdentifierKind::Phone, self.phone.clone()),
            (IdentifierKind::UserId, self.user_id.clone()),
        ]
    }
}

/// All of them, marked by a word of this run.
pub struct People {
    pub all: Vec<Person>,
    mark: String,
}

impl People {
    /// # Panics
    /// When there are more than numbers for them.
    #[must_use]
    pub fn new(count: u32) -> Self {
        assert!(count <= 1000, "the numbers kept free for plays end");
        let mut chance = [0; 6];
        OsChance.fill(&mut chance);
        let mark: String = chance.iter().map(|b| char::from(b'a' + b % 26)).collect();
        let person = |n: u32| Person {
            email: format!("Canary.{n:04}+{mark}@leak-{mark}.example"),
            // numbers that belong to nobody
            phone: format!("+4420794{n:05}", n = 60_000 + n),
            user_id: format!("uid/canary {n:04} {mark}"),
        };
        Self { all: (0..count).map(person).collect(), mark }
    }

    /// A vendor's key.
    #[must_use]
    pub fn key(&self, vendor: &str) -> String {
        format!("CanaryKey-{vendor}-{}", self.mark)
    }

    /// Somebody whose address, number or id was mistyped.
    #[must_use]
    pub fn mistyped(&self) -> [String; 3] {
        let mark = &self.mark;
        [
            format!("mistyped.{mark}@@leak.example"),
            format!("+44 mistyped {mark}"),
            format!("mistyped-{mark}-{}", "x".repeat(600)),
        ]
    }

    /// The words of a free text.
    #[must_use]
    pub fn note(&self) -> String {
        format!("a note of canary {}", self.mark)
    }

    /// The operator's own reference, kept sealed.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("reference of canary {}", self.mark)
    }

    /// A vendor's answer that repeats whom it was asked about, wherever a reader might look.
    #[must_use]
    pub fn told(&self) -> String {
        let whom: Vec<&str> = self
            .all
            .iter()
            .take(20)
            .flat_map(|p| [p.email.as_str(), &p.phone, &p.user_id])
            .collect();
        let all = whom.join(", ");
        let keys: Vec<String> =
            efface_registry::PLUGINS.iter().map(|plugin| self.key(plugin.id)).collect();
        json!({
            "error": all, "message": all, "title": whom[0], "detail": all, "code": whom[2],
            "status": whom[0], "category": whom[2], "reason": all, "type": whom[0], "id": whom[0],
            "correlationId": whom[2], "errors": [{ "message": all, "field": whom[0], "type": whom[2] }],
            "context": { "key": keys }, "data": { "regulateId": whom[0], "status": whom[0] },
            "results": { "tracking_id": whom[0] }, "task_id": whom[2], "job_id": whom[0],
        })
        .to_string()
    }

    /// Everything that must be found nowhere.
    #[must_use]
    pub fn canaries(&self, api_key: &str) -> Vec<Canary> {
        let canary = |name: String, text: &str| Canary { name, text: text.into(), digests: true };
        let mut all = vec![
            canary("the note".into(), &self.note()),
            canary(REFERENCE.into(), &self.reference()),
        ];
        for (n, person) in self.all.iter().enumerate() {
            let local = person.email.split('@').next().unwrap_or_default();
            all.extend([
                canary(format!("the address of person {n}"), &person.email),
                canary(format!("the local part of person {n}"), local),
                canary(format!("the number of person {n}"), &person.phone),
                canary(format!("the bare number of person {n}"), &person.phone[1..]),
                canary(format!("the user id of person {n}"), &person.user_id),
            ]);
        }
        for (n, text) in self.mistyped().iter().enumerate() {
            all.push(canary(format!("mistyped value {n}"), text));
        }
        for plugin in efface_registry::PLUGINS {
            all.push(canary(format!("the key at {}", plugin.id), &self.key(plugin.id)));
        }
        // known to the database by its digest, which is how it is known again
        let name = "the API key".to_owned();
        all.push(Canary { name, text: api_key.to_owned(), digests: false });
        all
    }
}
