//! Contacts: searching, reading, deleting for good.

use efface_connector::{ConnectorError, Method, Reply, Request};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Wire, failure, is_report};
use crate::{manifest::LIST_PAGE, people::Record};

/// What is read of a contact.
const PROPERTIES: [&str; 2] = ["email", "hs_additional_emails"];
/// Most records on one page of answers.
const PAGE: u32 = 100;
/// A search of more than 3,000 characters is refused; this leaves room for what stands around.
const VALUES_CHARS: usize = 2_400;
/// Most values of one `IN`.
const MOST_VALUES: usize = 100;
/// Most alternatives ("filter groups") of one search.
const MOST_GROUPS: usize = 5;

/// The alternatives of one search.
#[derive(Clone, Debug, PartialEq)]
pub struct Search(Vec<Value>);

impl Search {
    /// For main addresses and record ids, in as few searches as the vendor's limits allow.
    pub fn exact(addresses: &[String], ids: &[String]) -> Vec<Self> {
        let of = |property: &'static str, all: &[String]| {
            all.iter().map(|value| (property, value.clone())).collect::<Vec<_>>()
        };
        let mut searches = vec![];
        let (mut part, mut chars): (Vec<(&str, String)>, usize) = (vec![], 0);
        for (property, value) in [of("email", addresses), of("hs_object_id", ids)].concat() {
            let more = value.chars().count() + 3;
            if !part.is_empty() && (chars + more > VALUES_CHARS || part.len() == MOST_VALUES) {
                searches.push(Self::one_of(&std::mem::take(&mut part)));
                chars = 0;
            }
            chars += more;
            part.push((property, value));
        }
        if !part.is_empty() {
            searches.push(Self::one_of(&part));
        }
        searches
    }

    fn one_of(part: &[(&str, String)]) -> Self {
        let mut groups = vec![];
        for property in ["email", "hs_object_id"] {
            let values: Vec<&String> =
                part.iter().filter(|(p, _)| *p == property).map(|(_, value)| value).collect();
            if !values.is_empty() {
                let filter =
                    json!({ "propertyName": property, "operator": "IN", "values": values });
                groups.push(json!({ "filters": [filter] }));
            }
        }
        Self(groups)
    }

    /// For further addresses; what comes back may only resemble them.
    pub fn further(addresses: &[String]) -> Vec<Self> {
        let group = |address: &String| {
            json!({ "filters": [{
                "propertyName": "hs_additional_emails",
                "operator": "CONTAINS_TOKEN",
                "value": address,
            }] })
        };
        let part = |part: &[String]| Self(part.iter().map(group).collect());
        addresses.chunks(MOST_GROUPS).map(part).collect()
    }
}

impl Wire {
    /// One page of a search, from `after` on.
    pub fn search(&self, search: &Search, after: &str) -> Result<Request, ConnectorError> {
        self.request(Method::POST, &format!("{}/search", self.contacts)).json(&json!({
            "filterGroups": search.0,
            "properties": PROPERTIES,
            "limit": PAGE,
            "after": after,
            "sorts": [],
        }))
    }

    /// One page of all contacts, from `after` on.
    pub fn list(&self, after: Option<&str>) -> Request {
        let request = self
            .request(Method::GET, &self.contacts)
            .query("limit", LIST_PAGE.to_string())
            .query("properties", PROPERTIES.join(","))
            .query("archived", "false");
        match after {
            Some(after) => request.query("after", after),
            None => request,
        }
    }

    pub fn record(&self, id: &str) -> Request {
        self.request(Method::GET, &format!("{}/{{record}}", self.contacts))
            .path("record", id)
            .query("properties", PROPERTIES.join(","))
    }

    /// By record id. By address the vendor would block one that it does not know.
    pub fn delete(&self, id: &str) -> Result<Request, ConnectorError> {
        self.request(Method::POST, &format!("{}/gdpr-delete", self.contacts))
            .json(&json!({ "objectId": id }))
    }
}

#[derive(Deserialize)]
struct Contact {
    id: String,
    properties: Properties,
}

#[derive(Deserialize)]
struct Properties {
    email: Option<String>,
    hs_additional_emails: Option<String>,
}

impl From<Contact> for Record {
    fn from(contact: Contact) -> Self {
        let address = |text: &str| Some(text.trim().to_lowercase()).filter(|a| !a.is_empty());
        let further = contact.properties.hs_additional_emails.unwrap_or_default();
        Self {
            id: contact.id,
            main: contact.properties.email.as_deref().and_then(address),
            further: further.split(';').filter_map(address).collect(),
            former: vec![],
        }
    }
}

#[derive(Deserialize)]
struct Paging {
    next: Option<Next>,
}

#[derive(Deserialize)]
struct Next {
    after: String,
}

fn after(paging: Option<Paging>) -> Option<String> {
    paging.and_then(|paging| paging.next).map(|next| next.after)
}

/// One page of the list, and where the next begins.
pub fn read_list(reply: &Reply) -> Result<(Vec<Record>, Option<String>), ConnectorError> {
    #[derive(Deserialize)]
    struct Page {
        results: Vec<Contact>,
        paging: Option<Paging>,
    }
    if reply.status != 200 {
        return Err(failure(reply));
    }
    let page: Page = reply.json()?;
    let next = after(page.paging);
    if next.is_some() && page.results.is_empty() {
        return Err(ConnectorError::unknown("an empty page that is not the last"));
    }
    Ok((page.results.into_iter().map(Record::from).collect(), next))
}

/// One page of records, and where the next begins.
pub fn read_page(reply: &Reply) -> Result<(Vec<Record>, Option<String>), ConnectorError> {
    #[derive(Deserialize)]
    struct Page {
        total: u64,
        results: Vec<Contact>,
        paging: Option<Paging>,
    }
    if reply.status != 200 {
        return Err(failure(reply));
    }
    let page: Page = reply.json()?;
    if page.total > 0 && page.results.is_empty() {
        return Err(ConnectorError::unknown("a search counts records that it does not show"));
    }
    let next = after(page.paging);
    Ok((page.results.into_iter().map(Record::from).collect(), next))
}

/// A record by its id; one that was merged comes back as the record it became.
pub fn read_record(reply: &Reply) -> Result<Option<Record>, ConnectorError> {
    match reply.status {
        200 => reply.json::<Contact>().map(|contact| Some(contact.into())),
        404 if is_report(reply) => Ok(None),
        _ => Err(failure(reply)),
    }
}

/// What the vendor said to a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    TakenOn,
    /// No such record, or no such path: the words are alike.
    NotThere,
}

pub fn read_deleted(reply: &Reply) -> Result<Deleted, ConnectorError> {
    match reply.status {
        204 => Ok(Deleted::TakenOn),
        404 if is_report(reply) => Ok(Deleted::NotThere),
        _ => Err(failure(reply)),
    }
}
