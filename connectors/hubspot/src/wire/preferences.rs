//! Communication preferences: who is opted out, and from what.

use efface_connector::{ConnectorError, Method, Reply, Request};
use serde::Deserialize;
use serde_json::json;

use super::{Wire, failure};
use crate::settings::Lift;

const SUBSCRIBED: &str = "SUBSCRIBED";
const UNSUBSCRIBED: &str = "UNSUBSCRIBED";
const NOT_SPECIFIED: &str = "NOT_SPECIFIED";

impl Wire {
    fn statuses_of(&self, method: Method, rest: &str, address: &str) -> Request {
        self.request(method, &format!("{}/statuses/{{address}}{rest}", self.preferences))
            .path("address", address)
    }

    pub fn opted_out(&self, address: &str, unit: Option<u64>) -> Request {
        by_mail(self.statuses_of(Method::GET, "/unsubscribe-all", address), unit)
    }

    pub fn unsubscribe(&self, address: &str, unit: Option<u64>) -> Request {
        by_mail(self.statuses_of(Method::POST, "/unsubscribe-all", address), unit)
    }

    pub fn statuses(&self, address: &str, unit: Option<u64>) -> Request {
        by_mail(self.statuses_of(Method::GET, "", address), unit)
    }

    pub fn resubscribe(
        &self,
        address: &str,
        subscription: u64,
        lift: &Lift,
    ) -> Result<Request, ConnectorError> {
        self.statuses_of(Method::POST, "", address).json(&json!({
            "subscriptionId": subscription,
            "statusState": SUBSCRIBED,
            "channel": "EMAIL",
            "legalBasis": lift.legal_basis,
            "legalBasisExplanation": lift.explanation,
        }))
    }
}

fn by_mail(request: Request, unit: Option<u64>) -> Request {
    let request = request.query("channel", "EMAIL");
    match unit {
        Some(unit) => request.query("businessUnitId", unit.to_string()),
        None => request,
    }
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    results: Vec<Status>,
    #[serde(default, rename = "numErrors")]
    errors_counted: u64,
    #[serde(default)]
    errors: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Status {
    status: String,
    #[serde(rename = "subscriptionId")]
    subscription: Option<u64>,
}

/// The results of an answer that is whole: complete, without errors, in words that are known.
fn complete(reply: &Reply) -> Result<Vec<Status>, ConnectorError> {
    if reply.status != 200 {
        return Err(failure(reply));
    }
    let answer: Answer = reply.json()?;
    if answer.errors_counted > 0 || !answer.errors.is_empty() {
        return Err(ConnectorError::permanent("errors_inside_a_success"));
    }
    match answer.status.as_str() {
        "COMPLETE" => {}
        "CANCELED" => return Err(ConnectorError::permanent("canceled_by_the_vendor")),
        "PENDING" | "PROCESSING" => {
            return Err(ConnectorError::unknown("the vendor has not finished"));
        }
        _ => return Err(ConnectorError::unknown("an answer with a status nobody knows")),
    }
    let known = [SUBSCRIBED, UNSUBSCRIBED, NOT_SPECIFIED];
    if !answer.results.iter().all(|one| known.contains(&one.status.as_str())) {
        return Err(ConnectorError::unknown("a subscription with a status nobody knows"));
    }
    Ok(answer.results)
}

/// Whether the address gets no mail of any type; without any result it was never opted out.
pub fn read_opted_out(reply: &Reply) -> Result<bool, ConnectorError> {
    Ok(complete(reply)?.iter().any(|one| one.status == UNSUBSCRIBED))
}

/// The types of mail the address is subscribed to.
pub fn read_statuses(reply: &Reply) -> Result<Vec<u64>, ConnectorError> {
    let subscribed = complete(reply)?.into_iter().filter(|one| one.status == SUBSCRIBED);
    let ids = subscribed.map(|one| one.subscription);
    ids.collect::<Option<_>>()
        .ok_or_else(|| ConnectorError::unknown("a subscription without an id"))
}

/// An opt-out counts when nothing in the answer shows another status.
pub fn read_unsubscribed(reply: &Reply) -> Result<(), ConnectorError> {
    if complete(reply)?.iter().all(|one| one.status == UNSUBSCRIBED) {
        Ok(())
    } else {
        Err(ConnectorError::unknown("the vendor shows another status than the one set"))
    }
}

/// A subscription counts when the answer shows it.
pub fn read_resubscribed(reply: &Reply, subscription: u64) -> Result<(), ConnectorError> {
    let shown = complete(reply)?
        .iter()
        .any(|one| one.subscription == Some(subscription) && one.status == SUBSCRIBED);
    if shown {
        Ok(())
    } else {
        Err(ConnectorError::unknown("the vendor does not show the subscription that was set"))
    }
}
