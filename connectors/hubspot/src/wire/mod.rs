//! HubSpot's words: requests to send, and what each answer means. Pure, and total over status and
//! bytes.

mod contacts;
mod preferences;

use std::time::Duration;

use efface_connector::{ConnectorError, Method, Reply, Request, Secret};
use serde::Deserialize;
use serde_json::Value;

pub use contacts::{Deleted, Search, read_deleted, read_list, read_page, read_record};
pub use preferences::{read_opted_out, read_resubscribed, read_statuses, read_unsubscribed};

const TEN_SECONDS: Duration = Duration::from_secs(10);
/// The portal's midnight, at which the day's calls begin anew, is at most this far.
const A_DAY: Duration = Duration::from_secs(86_400);

/// Builds requests of one account.
pub struct Wire {
    base: String,
    token: Secret,
    contacts: String,
    preferences: String,
    account: String,
}

impl Wire {
    /// `version` is `v3`, or a dated one such as `2026-03`.
    pub fn new(base: String, token: Secret, version: &str) -> Self {
        let (contacts, preferences) = if version == "v3" {
            ("/crm/v3/objects/contacts".to_owned(), "/communication-preferences/v4".to_owned())
        } else {
            (
                format!("/crm/objects/{version}/contacts"),
                format!("/communication-preferences/{version}"),
            )
        };
        let account = format!("/account-info/{version}/details");
        Self { base, token, contacts, preferences, account }
    }

    fn request(&self, method: Method, template: &str) -> Request {
        Request::new(method, &self.base, template).bearer(&self.token)
    }

    pub fn account(&self) -> Request {
        self.request(Method::GET, &self.account)
    }
}

/// The id of the account ("portal").
pub fn read_account(reply: &Reply) -> Result<u64, ConnectorError> {
    #[derive(Deserialize)]
    struct Account {
        #[serde(rename = "portalId")]
        portal_id: u64,
    }
    if reply.status == 200 {
        reply.json::<Account>().map(|account| account.portal_id)
    } else {
        Err(failure(reply))
    }
}

/// Whether the body is HubSpot's own error report, not some other server's page.
fn is_report(reply: &Reply) -> bool {
    text_of(reply, "correlationId").is_some() && text_of(reply, "message").is_some()
}

fn text_of(reply: &Reply, key: &str) -> Option<String> {
    let report: Value = reply.json_lenient()?;
    report.get(key)?.as_str().map(str::to_owned)
}

fn failure(reply: &Reply) -> ConnectorError {
    match reply.status {
        429 => limited(reply),
        // the record is locked, or the account is moving to another hosting place
        423 | 477 => ConnectorError::Retryable {
            what: format!("HTTP {}: the vendor can't change this now", reply.status),
            retry_after: reply.retry_after().or(Some(TEN_SECONDS)),
        },
        _ => reply.failure(),
    }
}

/// Which limit was met stands in the body's `policyName`.
fn limited(reply: &Reply) -> ConnectorError {
    let policy = text_of(reply, "policyName").unwrap_or_default();
    let told = reply.retry_after();
    if policy.starts_with("DAILY") {
        let until = reply.received_at().plus(told.unwrap_or(A_DAY));
        return ConnectorError::QuotaSpent { until: Some(until) };
    }
    let wait = match (policy.as_str(), told) {
        ("SECONDLY", told) => told.unwrap_or(Duration::from_secs(1)),
        (_, Some(told)) if policy.starts_with("TEN_SECONDLY") => told.max(TEN_SECONDS),
        (_, told) => told.unwrap_or(TEN_SECONDS),
    };
    ConnectorError::Retryable {
        what: "HTTP 429: too many calls at a time".into(),
        retry_after: Some(wait),
    }
}
