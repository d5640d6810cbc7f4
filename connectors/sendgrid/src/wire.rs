//! SendGrid's words: requests to send, and what each answer means. Pure, and total over status and
//! bytes.

use efface_connector::{ConnectorError, Method, Reply, Request, Right, Secret};
use serde::Deserialize;
use serde_json::{Value, json};

/// Builds requests of one account.
pub struct Wire {
    pub base: String,
    pub api_key: Secret,
    pub on_behalf_of: Option<String>,
}

impl Wire {
    /// A key is `SG.<its id>.<its secret>`; whose people it reaches, the subuser says as well.
    pub fn key_name(&self) -> Option<Secret> {
        let mut parts = self.api_key.expose().split('.');
        let (Some("SG"), Some(id), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let of = self.on_behalf_of.as_deref().unwrap_or_default();
        (!id.is_empty()).then(|| Secret::new(format!("{id} {of}")))
    }

    fn request(&self, method: Method, template: &str) -> Request {
        let request = Request::new(method, &self.base, template).bearer(&self.api_key);
        match &self.on_behalf_of {
            Some(name) => request.header("on-behalf-of", name.clone()),
            None => request,
        }
    }

    pub fn scopes(&self) -> Request {
        self.request(Method::GET, "/v3/scopes")
    }

    pub fn search(&self, emails: &[String]) -> Result<Request, ConnectorError> {
        self.request(Method::POST, "/v3/marketing/contacts/search/emails")
            .json(&json!({ "emails": emails }))
    }

    /// Always by ids: the other form of this call deletes everybody.
    pub fn delete_contacts(&self, ids: &[String]) -> Result<Request, ConnectorError> {
        let plain = |id: &String| {
            !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        if ids.is_empty() || !ids.iter().all(plain) {
            return Err(ConnectorError::permanent("contact_id_unusable"));
        }
        Ok(self.request(Method::DELETE, "/v3/marketing/contacts").query("ids", ids.join(",")))
    }

    pub fn job(&self, job: &str) -> Request {
        self.request(Method::GET, "/v3/marketing/contacts/imports/{job}").path("job", job)
    }

    pub fn erase(&self, emails: &[String]) -> Result<Request, ConnectorError> {
        self.request(Method::POST, "/v3/recipients/erasejob")
            .json(&json!({ "email_addresses": emails }))
    }

    pub fn suppression(&self, email: &str) -> Request {
        self.request(Method::GET, "/v3/asm/suppressions/global/{email}").path("email", email)
    }

    pub fn suppress(&self, emails: &[String]) -> Result<Request, ConnectorError> {
        self.request(Method::POST, "/v3/asm/suppressions/global")
            .json(&json!({ "recipient_emails": emails }))
    }

    pub fn release(&self, email: &str) -> Request {
        self.request(Method::DELETE, "/v3/asm/suppressions/global/{email}").path("email", email)
    }
}

/// One address in the answer to a contact search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contact {
    Id(String),
    NotThere,
    /// The answer says nothing we know of this address.
    Unclear,
}

/// Reads the answer for each address asked, in that order.
pub fn read_search(reply: &Reply, asked: &[String]) -> Result<Vec<Contact>, ConnectorError> {
    #[derive(Deserialize)]
    struct Search {
        result: serde_json::Map<String, Value>,
    }
    match reply.status {
        200 => {
            let search: Search = reply.json()?;
            Ok(asked.iter().map(|email| contact(search.result.get(email))).collect())
        }
        // none of the addresses is a contact
        404 if is_report(reply) => Ok(asked.iter().map(|_| Contact::NotThere).collect()),
        _ => Err(reply.failure()),
    }
}

fn contact(entry: Option<&Value>) -> Contact {
    let Some(entry) = entry else { return Contact::Unclear };
    match (entry["contact"]["id"].as_str(), entry["error"].as_str()) {
        (Some(id), None) if !id.is_empty() => Contact::Id(id.to_owned()),
        (None, Some("contact not found")) => Contact::NotThere,
        _ => Contact::Unclear,
    }
}

/// The id of an accepted job.
pub fn read_accepted(reply: &Reply) -> Result<String, ConnectorError> {
    #[derive(Deserialize)]
    struct Job {
        job_id: String,
    }
    match reply.status {
        202 => reply.json::<Job>().map(|job| job.job_id),
        _ => Err(reply.failure()),
    }
}

/// Which addresses a refused erase job names as no addresses; `None` when it is refused otherwise.
pub fn read_culprits(reply: &Reply, sent: &[String]) -> Option<Vec<String>> {
    if reply.status != 400 {
        return None;
    }
    let report: Value = reply.json_lenient()?;
    let mut culprits = vec![];
    for error in report["errors"].as_array()? {
        let named = error["message"].as_str()?.strip_prefix("Email_address ")?;
        let named = named.strip_suffix(" is not valid")?;
        culprits.push(sent.iter().find(|email| email.eq_ignore_ascii_case(named))?.clone());
    }
    (!culprits.is_empty()).then_some(culprits)
}

/// How a deletion job fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    Pending,
    Completed,
    /// Finished with errors, or the vendor knows it no more: the contacts themselves must be asked
    /// for.
    Doubtful,
}

pub fn read_job(reply: &Reply) -> Result<Job, ConnectorError> {
    #[derive(Deserialize)]
    struct Status {
        status: String,
    }
    match reply.status {
        200 => match reply.json::<Status>()?.status.as_str() {
            "pending" => Ok(Job::Pending),
            "completed" => Ok(Job::Completed),
            "errored" | "failed" => Ok(Job::Doubtful),
            _ => Err(ConnectorError::unknown("a job status the vendor does not document")),
        },
        404 if is_report(reply) => Ok(Job::Doubtful),
        _ => Err(reply.failure()),
    }
}

/// Whether an address is globally suppressed.
pub fn read_suppression(reply: &Reply, email: &str) -> Result<bool, ConnectorError> {
    if reply.status != 200 {
        return Err(reply.failure());
    }
    let body: serde_json::Map<String, Value> = reply.json()?;
    match body.get("recipient_email").and_then(Value::as_str) {
        Some(shown) if shown.eq_ignore_ascii_case(email) => Ok(true),
        None if body.is_empty() => Ok(false),
        _ => Err(ConnectorError::unknown("a suppression of another address than the one asked")),
    }
}

/// The addresses the vendor says are suppressed now, in lower case.
pub fn read_suppressed(reply: &Reply) -> Result<Vec<String>, ConnectorError> {
    #[derive(Deserialize)]
    struct Suppressed {
        recipient_emails: Vec<String>,
    }
    match reply.status {
        201 => {
            let all = reply.json::<Suppressed>()?.recipient_emails;
            Ok(all.iter().map(|email| email.to_lowercase()).collect())
        }
        _ => Err(reply.failure()),
    }
}

/// Whether an address was taken off the suppressions (`false`: it was not on them any more).
pub fn read_released(reply: &Reply) -> Result<bool, ConnectorError> {
    match reply.status {
        204 => Ok(true),
        404 if is_report(reply) => Ok(false),
        _ => Err(reply.failure()),
    }
}

/// What the key may do. A missing scope is a "no" only where the vendor documents its name.
pub fn read_scopes(
    reply: &Reply,
    wanted: &[(&str, &[&str], bool)],
) -> Result<Vec<(String, Right)>, ConnectorError> {
    #[derive(Deserialize)]
    struct Scopes {
        scopes: Vec<String>,
    }
    if reply.status != 200 {
        return Err(reply.failure());
    }
    let held = reply.json::<Scopes>()?.scopes;
    let right = |(words, names, documented): &(&str, &[&str], bool)| {
        let all = names.iter().all(|name| held.iter().any(|scope| scope == name));
        let right = match (all, documented) {
            (true, _) => Right::Yes,
            (false, true) => Right::No,
            (false, false) => Right::CannotTell,
        };
        ((*words).to_owned(), right)
    };
    Ok(wanted.iter().map(right).collect())
}

/// Whether the body is the vendor's own report of errors, not some other server's page.
fn is_report(reply: &Reply) -> bool {
    reply.json_lenient::<Value>().is_some_and(|report| report["errors"].is_array())
}
