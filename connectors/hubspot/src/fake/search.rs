//! The search of the stand-in, with the vendor's limits and its generosity.

use efface_connector::fake::{FakeReply, FakeRequest};
use serde_json::{Value, json};

use super::{Contact, report};

/// A small page, so that pages are turned.
const PAGE: usize = 3;

pub fn answer(contacts: &[Contact], body: &Value) -> FakeReply {
    let groups: Vec<&Value> = body["filterGroups"].as_array().into_iter().flatten().collect();
    let too_long = body.to_string().chars().count() > 3000;
    if groups.is_empty() || groups.len() > 5 || too_long {
        return report(400, "VALIDATION_ERROR");
    }
    let mut found: Vec<&Contact> = vec![];
    for contact in contacts {
        let any = groups.iter().any(|group| {
            let mut filters = group["filters"].as_array().into_iter().flatten();
            filters.all(|filter| fits(contact, filter))
        });
        if any {
            found.push(contact);
        }
    }
    let from = body["after"].as_str().and_then(|after| after.parse().ok()).unwrap_or(0);
    let shown: Vec<Value> = found.iter().skip(from).take(PAGE).map(|c| c.shown()).collect();
    let mut page = json!({ "total": found.len(), "results": shown });
    if found.len() > from + PAGE {
        page["paging"] = json!({ "next": { "after": (from + PAGE).to_string() } });
    }
    FakeReply::json(200, &page)
}

/// All contacts in pages, by record id.
pub fn list(contacts: &[Contact], request: &FakeRequest) -> FakeReply {
    let number = |name: &str| request.query(name).and_then(|text| text.parse::<u64>().ok());
    let most = number("limit").unwrap_or(10);
    if most > 100 {
        return report(400, "VALIDATION_ERROR");
    }
    let from = number("after").unwrap_or(0);
    let mut all: Vec<&Contact> = contacts.iter().filter(|c| c.id >= from).collect();
    all.sort_by_key(|contact| contact.id);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let shown: Vec<Value> = all.iter().take(most).map(|c| c.shown()).collect();
    let mut page = json!({ "results": shown });
    if let Some(next) = all.get(most) {
        page["paging"] = json!({ "next": { "after": next.id.to_string() } });
    }
    FakeReply::json(200, &page)
}

fn fits(contact: &Contact, filter: &Value) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let values: Vec<String> = match filter["values"].as_array() {
        Some(values) => values.iter().map(text).collect(),
        None => vec![text(&filter["value"])],
    };
    match (filter["propertyName"].as_str(), filter["operator"].as_str()) {
        // the address is found among the further ones too
        (Some("email"), Some("IN" | "EQ")) => values.iter().any(|value| contact.has(value)),
        (Some("hs_object_id"), Some("IN" | "EQ")) => values.contains(&contact.id.to_string()),
        // a token is enough: whoever shares a domain comes along
        (Some("hs_additional_emails"), Some("CONTAINS_TOKEN")) => values.iter().any(|value| {
            contact.further.iter().any(|one| one == value || domain(one) == domain(value))
        }),
        _ => false,
    }
}

fn domain(address: &str) -> Option<&str> {
    address.split_once('@').map(|(_, domain)| domain)
}
