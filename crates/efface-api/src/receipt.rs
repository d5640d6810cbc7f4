//! What became of a filing: the receipt, and the comparison with a request filed before under the
//! same idempotency key.

use efface_core::{
    ControllerId, Identifier, RequestAction, RequestId, Scope,
    request::{Request, RequestState},
    subject::Dossier,
};
use efface_store::{Filed, NewRequest, SqlStore};
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    filing::Checked,
    idempotency,
    problem::{Kind, Problem},
    words::{Action, RequestStateWord, Shown, SuppressScope},
};

/// What became of a filing.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Receipt {
    #[schema(value_type = uuid::Uuid)]
    pub id: RequestId,
    #[schema(value_type = RequestStateWord)]
    state: &'static str,
    /// The request under way already for the same person, action, scope and controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    duplicate_of: Option<RequestId>,
    #[schema(value_type = String)]
    controller: ControllerId,
    #[schema(value_type = Action)]
    action: RequestAction,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SuppressScope>)]
    scope: Option<Scope>,
    #[schema(value_type = String, format = Date)]
    received_on: Shown<Date>,
    /// When the person must have been told; provisional.
    #[schema(value_type = String, format = Date)]
    due_on: Shown<Date>,
}

/// A receipt and whether it was given before.
pub struct Outcome {
    pub receipt: Receipt,
    pub is_new: bool,
    pub replayed: bool,
}

/// What the receipt tells beyond the store's answer.
struct Said {
    state: &'static str,
    controller: ControllerId,
    action: RequestAction,
    scope: Option<Scope>,
    received_on: Date,
    due_on: Date,
}

impl Checked {
    /// Files requests together; each is told its own fate.
    pub async fn file(store: &SqlStore, checked: Vec<Self>) -> Vec<Result<Outcome, Problem>> {
        let has_key = checked.iter().any(|c| c.new.filing_key.is_some());
        // a copy to compare with, where the request may have been filed before
        let copies = if has_key { checked.iter().map(|c| c.new.clone()).collect() } else { vec![] };
        let (new, said): (Vec<_>, Vec<_>) = checked.into_iter().map(Self::split).unzip();
        let mut outcomes = Vec::with_capacity(said.len());
        for (n, (filed, said)) in store.file(new).await.into_iter().zip(said).enumerate() {
            outcomes.push(match filed {
                Ok(Filed::New(id)) => Ok(said.receipt(id, None)),
                Ok(Filed::Duplicate { id, of }) => Ok(said.receipt(id, Some(of))),
                Ok(Filed::Before(id)) => before(store, id, copies.get(n)).await,
                // the store's brakes found what no field check did
                Err(efface_store::Error::Refused(why)) => Err(Problem::new(Kind::Invalid, why)),
                Err(error) => Err(error.into()),
            });
        }
        outcomes
    }

    /// Files this one request.
    pub async fn file_alone(self, store: &SqlStore) -> Result<Outcome, Problem> {
        let outcome = Self::file(store, vec![self]).await.pop();
        outcome.unwrap_or_else(|| Err(Problem::new(Kind::Unavailable, "nothing was filed; retry")))
    }

    fn split(self) -> (NewRequest, Said) {
        let said = Said {
            state: self.state,
            controller: self.new.controller.clone(),
            action: self.new.action,
            scope: self.new.scope,
            received_on: self.received_on,
            due_on: self.due_on,
        };
        (self.new, said)
    }
}

impl Said {
    fn receipt(self, id: RequestId, duplicate_of: Option<RequestId>) -> Outcome {
        let receipt = Receipt {
            id,
            state: if duplicate_of.is_some() { "duplicate" } else { self.state },
            duplicate_of,
            controller: self.controller,
            action: self.action,
            scope: self.scope,
            received_on: Shown(self.received_on),
            due_on: Shown(self.due_on),
        };
        Outcome { receipt, is_new: duplicate_of.is_none(), replayed: false }
    }
}

/// The request filed before under the same key, compared with what comes now. What was added since
/// does not count against it.
async fn before(
    store: &SqlStore,
    id: RequestId,
    now: Option<&NewRequest>,
) -> Result<Outcome, Problem> {
    let request = store.request(id).await?.request;
    if let Some(now) = now {
        // what was forgotten cannot be compared any more, and is over
        let dossier = store.dossier_if_kept(id).await?;
        if let Some(dossier) = dossier
            && !is_the_same(&request, &dossier, now)
        {
            return Err(idempotency::reused());
        }
    }
    let duplicate_of = match request.state {
        RequestState::Duplicate { of } => Some(of),
        _ => None,
    };
    let receipt = Receipt {
        id,
        state: request.state.word(),
        duplicate_of,
        controller: request.controller,
        action: request.action,
        scope: request.scope,
        received_on: Shown(request.received_on),
        due_on: Shown(request.due_on),
    };
    Ok(Outcome { receipt, is_new: false, replayed: true })
}

fn is_the_same(filed: &Request, dossier: &Dossier, now: &NewRequest) -> bool {
    let known = |i: &Identifier| {
        dossier.identifiers.iter().any(|d| d.kind == i.kind && d.normal == i.normal)
    };
    filed.controller == now.controller
        && filed.action == now.action
        && filed.scope == now.scope
        && filed.regime == now.regime
        && filed.channel == now.channel
        && dossier.requester == now.requester
        && dossier.external_reference == now.external_reference
        && dossier.note == now.note
        && now.identifiers.iter().all(known)
}
