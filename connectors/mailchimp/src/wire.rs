//! Mailchimp's words: requests to send, and what each answer means. Pure, and total over status and
//! bytes.

use std::time::Duration;

use efface_connector::{ConnectorError, Method, Reply, Request, Secret};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::manifest::LIST_PAGE;

/// How long a vendor that is too busy to say why is left alone.
const BUSY: Duration = Duration::from_secs(30);

/// Builds requests of one account.
pub struct Wire {
    base: String,
    api_key: Secret,
}

impl Wire {
    pub fn new(base: String, api_key: Secret) -> Self {
        Self { base, api_key }
    }

    fn request(&self, method: Method, template: &str) -> Request {
        Request::new(method, &self.base, template).basic("efface", &self.api_key)
    }

    pub fn account(&self) -> Request {
        self.request(Method::GET, "/3.0/").query("fields", "account_id,account_name")
    }

    pub fn audience(&self, audience: &str) -> Request {
        self.request(Method::GET, "/3.0/lists/{audience}")
            .path("audience", audience)
            .query("fields", "id")
    }

    /// Asks for the status alone: no more of the person than is needed.
    pub fn member(&self, audience: &str, hash: &str) -> Request {
        self.of_member(Method::GET, "", audience, hash).query("fields", "status")
    }

    /// One page of an audience, oldest first: the addresses alone.
    pub fn members(&self, audience: &str, offset: u64) -> Request {
        self.request(Method::GET, "/3.0/lists/{audience}/members")
            .path("audience", audience)
            .query("fields", "members.email_address,total_items")
            .query("count", LIST_PAGE.to_string())
            .query("offset", offset.to_string())
            .query("sort_field", "timestamp_opt")
            .query("sort_dir", "ASC")
    }

    pub fn delete(&self, audience: &str, hash: &str) -> Request {
        self.of_member(Method::POST, "/actions/delete-permanent", audience, hash)
    }

    pub fn set_status(
        &self,
        audience: &str,
        hash: &str,
        status: &str,
    ) -> Result<Request, ConnectorError> {
        self.of_member(Method::PATCH, "", audience, hash).json(&json!({ "status": status }))
    }

    fn of_member(&self, method: Method, action: &str, audience: &str, hash: &str) -> Request {
        self.request(method, &format!("/3.0/lists/{{audience}}/members/{{member}}{action}"))
            .path("audience", audience)
            .path("member", hash)
    }
}

#[derive(Debug, Deserialize)]
pub struct Account {
    pub account_id: String,
    pub account_name: String,
}

pub fn read_account(reply: &Reply) -> Result<Account, ConnectorError> {
    if reply.status == 200 { reply.json() } else { Err(failure(reply)) }
}

/// Whether an audience is there.
pub fn read_audience(reply: &Reply) -> Result<bool, ConnectorError> {
    #[derive(Deserialize)]
    struct Audience {
        #[serde(rename = "id")]
        _id: String,
    }
    match reply.status {
        200 => reply.json::<Audience>().map(|_| true),
        404 => Ok(false),
        _ => Err(failure(reply)),
    }
}

/// Addresses on one page of an audience, and how many members it has.
#[derive(Deserialize)]
pub struct Members {
    pub members: Vec<Address>,
    pub total_items: u64,
}

#[derive(Deserialize)]
pub struct Address {
    pub email_address: String,
}

pub fn read_members(reply: &Reply) -> Result<Members, ConnectorError> {
    match reply.status {
        200 => reply.json(),
        404 if is_problem(reply) => {
            Err(ConnectorError::settings("audiences: the vendor knows no such audience"))
        }
        _ => Err(failure(reply)),
    }
}

/// A membership's status, or that the vendor finds none. "None" may also mean that the audience is
/// unknown: the vendor's words are the same.
pub fn read_member(reply: &Reply) -> Result<Option<String>, ConnectorError> {
    match reply.status {
        200 => status(reply).map(Some),
        404 if is_problem(reply) => Ok(None),
        _ => Err(failure(reply)),
    }
}

/// What the vendor said to a change of one membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Done,
    NotThere,
    /// Not in the member's present state.
    NotNow,
}

pub fn read_deleted(reply: &Reply) -> Result<Changed, ConnectorError> {
    match reply.status {
        204 => Ok(Changed::Done),
        404 if is_problem(reply) => Ok(Changed::NotThere),
        405 => Ok(Changed::NotNow),
        _ => Err(failure(reply)),
    }
}

/// A change of status counts when the answer shows the wanted one.
pub fn read_set(reply: &Reply, wanted: &str) -> Result<Changed, ConnectorError> {
    match reply.status {
        200 if status(reply)? == wanted => Ok(Changed::Done),
        200 => Err(ConnectorError::unknown("the vendor shows another status than the one set")),
        404 if is_problem(reply) => Ok(Changed::NotThere),
        400 if title(reply).as_deref() == Some("Member In Compliance State") => {
            Err(ConnectorError::permanent("member_in_compliance_state"))
        }
        _ => Err(failure(reply)),
    }
}

fn status(reply: &Reply) -> Result<String, ConnectorError> {
    #[derive(Deserialize)]
    struct Member {
        status: String,
    }
    reply.json::<Member>().map(|member| member.status)
}

fn title(reply: &Reply) -> Option<String> {
    let problem: Value = reply.json_lenient()?;
    problem.get("title")?.as_str().map(str::to_owned)
}

/// Whether the body is the vendor's own problem report (RFC 9457), not some other server's page.
fn is_problem(reply: &Reply) -> bool {
    title(reply).is_some()
}

/// Under heavy load the vendor answers 403 without a report; with one it refuses the key.
fn failure(reply: &Reply) -> ConnectorError {
    if reply.status == 403 && !is_problem(reply) {
        return ConnectorError::Retryable {
            what: "HTTP 403 without a report, as the vendor answers when it is too busy".into(),
            retry_after: reply.retry_after().or(Some(BUSY)),
        };
    }
    reply.failure()
}
