//! What a connector is handed for one order.

use std::sync::Mutex;

use efface_core::{
    Identifier, IdentifierKind, Scope, TaskAction, TaskId, Timestamp, manifest::StepId,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{ConnectorError, Http, http::Request};

/// An item is a task seen by the vendor's crate.
pub type ItemId = TaskId;

/// Intermediate state of one person between steps; sealed under that person's key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memo {
    /// The connector reads this format and the one before.
    pub format: u16,
    body: String,
}

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memo(format {}, [personal])", self.format)
    }
}

impl Memo {
    /// # Errors
    /// When the value cannot be encoded as JSON.
    pub fn new<T: Serialize>(format: u16, value: &T) -> Result<Self, ConnectorError> {
        let body = serde_json::to_string(value)
            .map_err(|_| ConnectorError::permanent("memo cannot be encoded"))?;
        Ok(Self { format, body })
    }

    /// # Errors
    /// When the memo was written by a version this one does not read.
    pub fn read<T: DeserializeOwned>(&self, newest: u16) -> Result<T, ConnectorError> {
        if self.format > newest || self.format + 1 < newest {
            return Err(ConnectorError::person(format!(
                "a memo of format {} was written by another version",
                self.format
            )));
        }
        serde_json::from_str(&self.body)
            .map_err(|_| ConnectorError::person("a stored memo cannot be read"))
    }
}

/// What the vendor gave us to ask again by; belongs to the order and holds no personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub format: u16,
    pub body: String,
}

impl Receipt {
    /// # Errors
    /// When the value cannot be encoded as JSON.
    pub fn new<T: Serialize>(format: u16, value: &T) -> Result<Self, ConnectorError> {
        let body = serde_json::to_string(value)
            .map_err(|_| ConnectorError::permanent("receipt cannot be encoded"))?;
        Ok(Self { format, body })
    }

    /// # Errors
    /// When the receipt was written by a version this one does not read.
    pub fn read<T: DeserializeOwned>(&self, newest: u16) -> Result<T, ConnectorError> {
        if self.format > newest || self.format + 1 < newest {
            return Err(ConnectorError::person(format!(
                "a receipt of format {} was written by another version",
                self.format
            )));
        }
        serde_json::from_str(&self.body)
            .map_err(|_| ConnectorError::person("a stored receipt cannot be read"))
    }
}

/// One person in an order.
#[derive(Clone, Debug)]
pub struct Item {
    pub id: ItemId,
    pub generation: u32,
    /// The identifiers this order may use here: for an irreversible call, proved and personal ones
    /// alone.
    pub identifiers: Vec<Identifier>,
    pub memo: Option<Memo>,
    /// The state kept by the suppress that is being lifted.
    pub prior: Option<Memo>,
}

impl Item {
    /// All identifiers of one kind, in the order they were filed.
    pub fn of_kind<'a>(&'a self, kind: &'a IdentifierKind) -> impl Iterator<Item = &'a Identifier> {
        self.identifiers.iter().filter(move |i| i.kind == *kind)
    }

    /// The first of a kind.
    #[must_use]
    pub fn first(&self, kind: &IdentifierKind) -> Option<&Identifier> {
        self.identifiers.iter().find(|i| i.kind == *kind)
    }

    /// An id to show the vendor for this person that tells nothing.
    #[must_use]
    pub fn vendor_uuid(&self) -> Uuid {
        self.id.vendor_uuid(self.generation)
    }
}

/// One order as the vendor's crate sees it.
#[derive(Clone, Debug)]
pub struct Order {
    pub action: TaskAction,
    pub scope: Option<Scope>,
    pub step: StepId,
    pub items: Vec<Item>,
    /// Stays the same however often the order is sent.
    pub idempotency_key: String,
    /// When the order was first sent; a vendor's day-range status is asked from here.
    pub first_sent_at: Timestamp,
}

/// The one changing request of an order.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// `None` for a read-only step.
    pub request: Option<Request>,
    /// The items that fit; the rest stay Ready.
    pub items: Vec<ItemId>,
}

impl Prepared {
    #[must_use]
    pub fn read_only(items: Vec<ItemId>) -> Self {
        Self { request: None, items }
    }

    #[must_use]
    pub fn sends(request: Request, items: Vec<ItemId>) -> Self {
        Self { request: Some(request), items }
    }

    /// The changing request.
    ///
    /// # Errors
    /// When this order has none; a connector's own mistake.
    pub fn changing(&self) -> Result<&Request, ConnectorError> {
        self.request
            .as_ref()
            .ok_or_else(|| ConnectorError::permanent("this step prepared no request"))
    }
}

/// One HTTP exchange, kept as evidence. No identifiers: a URL template, keyed digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    pub method: String,
    pub url_template: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Keyed digest of the request body, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_digest: Option<String>,
    /// Keyed digest of the response body, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_request_id: Option<String>,
    pub started_at: Timestamp,
    pub took_millis: u64,
    /// Why there is no status, in our words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// An account's pace: each request of a call waits for its turn.
pub trait Turn: Send + Sync {
    /// Nothing when the request may leave at once. An error where it may not leave at all.
    fn wait(&self) -> Option<futures::future::BoxFuture<'_, Result<(), ConnectorError>>>;
}

/// Lends the clients and the time for one call, and collects what was exchanged.
pub struct Call<'a> {
    http: &'a Http,
    now: Timestamp,
    /// The order's own request, and its digest as it was stored before the call.
    digested: Option<(&'a Request, &'a str)>,
    turn: Option<&'a dyn Turn>,
    exchanges: Mutex<Vec<Exchange>>,
}

impl<'a> Call<'a> {
    #[must_use]
    pub fn new(http: &'a Http, now: Timestamp) -> Self {
        Self { http, now, digested: None, turn: None, exchanges: Mutex::new(vec![]) }
    }

    /// For an order whose request was digested when it was prepared: it is not digested again.
    #[must_use]
    pub fn digested(mut self, prepared: &'a Prepared, digest: &'a str) -> Self {
        self.digested = prepared.request.as_ref().map(|request| (request, digest));
        self
    }

    /// Each of its requests waits for its turn.
    #[must_use]
    pub fn in_turn(mut self, turn: &'a dyn Turn) -> Self {
        self.turn = Some(turn);
        self
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Sends a request through the account's client; the exchange is kept whatever comes back.
    ///
    /// # Errors
    /// See [`Http::send`]; unknown where its turn does not come any more.
    pub async fn send(&self, request: &Request) -> Result<crate::Reply, ConnectorError> {
        let digest = match self.digested {
            Some((prepared, digest)) if std::ptr::eq(prepared, request) => digest.to_owned(),
            Some(_) | None => self.http.digest(request),
        };
        if let Some(wait) = self.turn.and_then(Turn::wait) {
            wait.await?;
        }
        let (exchange, outcome) = self.http.send(request, digest, self.now).await;
        if let Ok(mut all) = self.exchanges.lock() {
            all.push(exchange);
        }
        outcome
    }

    /// What was exchanged so far.
    #[must_use]
    pub fn take_exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().map(|mut all| std::mem::take(&mut *all)).unwrap_or_default()
    }
}
