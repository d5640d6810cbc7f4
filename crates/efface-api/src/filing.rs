//! A request as it comes over the counter: its JSON and the checks that name a field. One request and
//! a batch go through the same door.

use efface_core::{
    ControllerId, Identifier, Provenance, RequestAction, Scope,
    brakes::Guard,
    deadline,
    subject::{BadIdentifier, Relation, Requester, Value},
};
use efface_store::{ControllerRules, NewRequest, Proof, SqlStore, Store as _};
use jiff::civil::Date;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    caller::Caller,
    problem::Problem,
    words::{Action, RequesterRelation, SuppressScope},
};

/// The most identifiers of one request.
pub const MOST_IDENTIFIERS: usize = 50;
/// The longest text of a field that is not an identifier or a note, in bytes.
pub const LONGEST_FIELD: usize = 255;
/// The longest note, in bytes.
pub const LONGEST_NOTE: usize = 4000;

/// A request to erase or suppress a person.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRequestBody {
    /// On whose behalf; `default` where there is one controller.
    #[serde(default)]
    #[schema(default = "default", max_length = 63)]
    controller: Option<String>,
    #[schema(value_type = Action)]
    action: RequestAction,
    /// What is to stop; required for every action but `erase`.
    #[serde(default)]
    #[schema(value_type = Option<SuppressScope>)]
    scope: Option<Scope>,
    /// Whom it is about.
    #[schema(min_items = 1, max_items = 50)]
    identifiers: Vec<IdentifierBody>,
    /// How the requester showed to hold the identifiers. Without one the request waits.
    #[serde(default)]
    proof: Option<ProofBody>,
    /// Who asks, where it is not the person.
    #[serde(default)]
    requester: Option<RequesterBody>,
    /// The day it arrived, in the controller's time zone; today where left out.
    #[serde(default)]
    #[schema(format = Date, example = "2026-11-22")]
    received_on: Option<String>,
    /// The law or the person's residence, in your words.
    #[serde(default)]
    #[schema(max_length = 255)]
    regime: Option<String>,
    /// How it came in, in your words.
    #[serde(default)]
    #[schema(max_length = 255)]
    channel: Option<String>,
    /// Your own reference. Kept sealed.
    #[serde(default)]
    #[schema(max_length = 255)]
    external_reference: Option<String>,
    /// Kept sealed.
    #[serde(default)]
    #[schema(max_length = 4000)]
    note: Option<String>,
    /// Releases in the key's name; needs a proof. The cooling-off still runs.
    #[serde(default)]
    release: bool,
}

/// One identifier of the person.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentifierBody {
    #[schema(
        pattern = "^(email|phone|user_id|anonymous_id|device_id|advertising_id|vendor:[a-z0-9_-]{1,63})$",
        example = "email"
    )]
    kind: String,
    #[schema(value_type = String, min_length = 1, max_length = 512, example = "ada@example.org")]
    value: Value,
}

/// How the requester showed to hold the identifiers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofBody {
    #[schema(min_length = 1, max_length = 255, example = "account login")]
    how: String,
}

/// Who asks. Vendors never learn of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequesterBody {
    #[schema(value_type = RequesterRelation)]
    relation: Relation,
    /// Where the answer goes. Kept sealed.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 255)]
    contact: Option<Value>,
    #[serde(default)]
    #[schema(max_length = 255, example = "de")]
    language: Option<String>,
    /// Proof of authority to ask for somebody else.
    #[serde(default)]
    #[schema(max_length = 255)]
    authority: Option<String>,
}

/// A request that passed every check that names a field.
pub struct Checked {
    pub new: NewRequest,
    /// Where filing leads to, unless the person is known already.
    pub state: &'static str,
    pub received_on: Date,
    pub due_on: Date,
}

/// Checks a body and makes it a request, filed in the caller's name.
///
/// # Errors
/// A problem that names the field; never a value.
pub fn check(
    store: &SqlStore,
    caller: &Caller,
    body: NewRequestBody,
    filing_key: Option<[u8; 32]>,
) -> Result<Checked, Problem> {
    let (controller, rules) = controller(store, body.controller.as_deref())?;
    let identifiers = identifiers(rules, &body.identifiers, body.action.erases())?;
    check_scope(body.action, body.scope)?;
    let proof = body.proof.map(|proof| proof.checked("proof", caller)).transpose()?;
    if body.release && proof.is_none() {
        return Err(Problem::invalid("release", "needs a proof of identity; give `proof`"));
    }
    let today = store.now().date_in(&rules.zone);
    let received_on = body.received_on.as_deref().map_or(Ok(today), |text| {
        text.parse().map_err(|_| Problem::invalid("received_on", "must be a date, YYYY-MM-DD"))
    })?;
    let due_days = store.directory().policy.due_days;
    let due_on = deadline::provisional_due(received_on, today, due_days)
        .map_err(|why| Problem::invalid("received_on", why.to_string()))?;
    let state = state_after_filing(store, body.action, proof.is_some(), body.release);
    let new = NewRequest {
        scope: body.scope,
        proof,
        requester: requester(body.requester)?,
        received_on: Some(received_on),
        regime: field("regime", body.regime, LONGEST_FIELD)?,
        channel: field("channel", body.channel, LONGEST_FIELD)?,
        external_reference: field("external_reference", body.external_reference, LONGEST_FIELD)?,
        note: field("note", body.note, LONGEST_NOTE)?,
        filing_key,
        release_by: body.release.then(|| caller.actor.to_string()),
        ..NewRequest::new(controller, body.action, identifiers, &caller.actor)
    };
    Ok(Checked { new, state, received_on, due_on })
}

/// The controller named, or `default`, and its rules.
pub fn controller<'a>(
    store: &'a SqlStore,
    name: Option<&str>,
) -> Result<(ControllerId, &'a ControllerRules), Problem> {
    let unknown = || Problem::invalid("controller", "is not in the settings");
    let id = ControllerId::new(name.unwrap_or("default")).map_err(|_| unknown())?;
    let rules = store.controller(&id).map_err(|error| {
        // it is known, and the words name what is missing
        let known = store.directory().without_zone.contains(&id);
        if known { Problem::invalid("controller", error.to_string()) } else { unknown() }
    })?;
    Ok((id, rules))
}

/// Identifiers as stated, past the guard list.
pub fn identifiers(
    rules: &ControllerRules,
    bodies: &[IdentifierBody],
    erases: bool,
) -> Result<Vec<Identifier>, Problem> {
    if bodies.is_empty() {
        return Err(Problem::invalid("identifiers", "give at least one"));
    }
    if bodies.len() > MOST_IDENTIFIERS {
        return Err(Problem::invalid(
            "identifiers",
            format!("at most {MOST_IDENTIFIERS} for one person"),
        ));
    }
    let mut identifiers = Vec::with_capacity(bodies.len());
    for (n, body) in bodies.iter().enumerate() {
        let at = |problem: Problem| problem.within(&format!("identifiers[{n}]"));
        let identifier = body.read(rules).map_err(at)?;
        match rules.guard.check(&identifier) {
            Ok(()) => {}
            // what can be lifted again may concern a role or a colleague, but never a pattern
            Err(hit) if !erases && !matches!(hit.guard, Guard::Wildcard | Guard::Placeholder) => {}
            Err(hit) => return Err(at(Problem::invalid("value", hit.to_string()))),
        }
        identifiers.push(identifier);
    }
    Ok(identifiers)
}

impl IdentifierBody {
    pub const fn new(kind: String, value: Value) -> Self {
        Self { kind, value }
    }

    /// # Errors
    /// A problem with `kind` or `value`.
    pub fn read(&self, rules: &ControllerRules) -> Result<Identifier, Problem> {
        let kind = self.kind.parse().map_err(|_| {
            Problem::invalid(
                "kind",
                "must be email, phone, user_id, anonymous_id, device_id, advertising_id or vendor:<namespace>",
            )
        })?;
        let region = rules.default_phone_region.as_deref();
        Identifier::parse(kind, self.value.expose(), Provenance::Stated, region)
            .map_err(|why: BadIdentifier| Problem::invalid("value", why.to_string()))
    }
}

impl ProofBody {
    /// # Errors
    /// When `how` is empty or too long.
    pub fn checked(self, at: &str, caller: &Caller) -> Result<Proof, Problem> {
        let how = required("how", self.how, LONGEST_FIELD)
            .map_err(|p| if at.is_empty() { p } else { p.within(at) })?;
        Ok(Proof { how, by: caller.actor.to_string() })
    }
}

fn check_scope(action: RequestAction, scope: Option<Scope>) -> Result<(), Problem> {
    match (action.needs_scope(), scope) {
        (true, None) => {
            let offered: Vec<&str> = Scope::ALL.iter().map(|s| s.word()).collect();
            let detail = format!("is required for {action}: one of {}", offered.join(", "));
            Err(Problem::invalid("scope", detail))
        }
        (false, Some(_)) => {
            Err(Problem::invalid("scope", format!("does not go with {action}; leave it out")))
        }
        (true, Some(_)) | (false, None) => Ok(()),
    }
}

fn requester(body: Option<RequesterBody>) -> Result<Requester, Problem> {
    let Some(body) = body else {
        return Ok(Requester {
            relation: Relation::Oneself,
            contact: None,
            language: None,
            authority: None,
        });
    };
    let at = |problem: Problem| problem.within("requester");
    if body.contact.as_ref().is_some_and(|contact| contact.expose().len() > LONGEST_FIELD) {
        return Err(at(too_long("contact", LONGEST_FIELD)));
    }
    Ok(Requester {
        relation: body.relation,
        contact: body.contact,
        language: field("language", body.language, LONGEST_FIELD).map_err(at)?,
        authority: field("authority", body.authority, LONGEST_FIELD).map_err(at)?,
    })
}

/// An optional text within its length; blank counts as left out.
pub fn field(name: &str, text: Option<String>, longest: usize) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.len() > longest => Err(too_long(name, longest)),
        Some(text) if text.trim().is_empty() => Ok(None),
        other => Ok(other),
    }
}

/// A text that must say something.
pub fn required(name: &str, text: String, longest: usize) -> Result<String, Problem> {
    field(name, Some(text), longest)?.ok_or_else(|| Problem::invalid(name, "must not be empty"))
}

fn too_long(name: &str, longest: usize) -> Problem {
    Problem::invalid(name, format!("at most {longest} bytes"))
}

/// The state that filing leads to; the store's own rule, said without reading the row back.
fn state_after_filing(
    store: &SqlStore,
    action: RequestAction,
    proved: bool,
    released: bool,
) -> &'static str {
    let by_policy = !action.erases() && store.directory().policy.auto_release_suppress;
    match (proved, released || by_policy) {
        (false, _) => "received",
        (true, false) => "identified",
        (true, true) => "released",
    }
}
