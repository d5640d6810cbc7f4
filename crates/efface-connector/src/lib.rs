//! THE CONTRACT. What a vendor's crate offers the engine, and the clients it is lent.
//!
//! A connector is words ([`wire`-modules](Connector)) and an order of calls; it sleeps never,
//! retries never, logs never, reads no environment and builds no client of its own. The engine
//! owns persistence, time, chance, pace and every retry.

mod answer;
mod call;
mod error;
mod http;
pub mod limits;
mod plugin;
mod secret;

#[cfg(feature = "fake")]
pub mod fake;

use async_trait::async_trait;

pub use answer::{
    Accepted, Answer, Candidate, Found, Inbound, ItemAnswer, Listed, Page, Presence, Probe,
    Recalled, Received, Right, shown,
};
pub use call::{Call, Exchange, Item, ItemId, Memo, Order, Prepared, Receipt, Turn};
pub use error::{ConnectorError, NeedsPerson};
pub use http::{
    Body, Digest, Http, HttpConfig, Method, Reply, Request, encode_path, is_public, place_of,
};
pub use plugin::{Built, Plugin, SettingsError, parse_settings};
pub use secret::Secret;

pub use efface_core::{
    EvidenceLevel, Identifier, IdentifierKind, Manifest, Scope, TaskAction, Timestamp,
    evidence::Evidence,
    manifest::{
        ActionCard, EffectClass, Latency, ListCard, Lists, LookUpCard, Pace, Reversibility,
        SideEffect, Step, StepId, SuppressEffect, SuppressOrder,
    },
    subject::Value,
};

/// A vendor account that can be called.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Pure: the one changing request and which items fit in it (the rest stay Ready). A read-only
    /// step makes no changing request and returns [`Prepared::read_only`]. The digest of what is
    /// returned is stored before it is sent.
    ///
    /// # Errors
    /// When the order cannot be put into words at all.
    fn prepare(&self, now: Timestamp, order: &Order) -> Result<Prepared, ConnectorError>;

    /// Carries out the step: at most one changing call, the prepared one. `order` holds exactly the
    /// items that `prepared` names.
    ///
    /// # Errors
    /// For the whole order; an item's own trouble belongs into its [`ItemAnswer`].
    async fn submit(
        &self,
        call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError>;

    /// Asks how an accepted order fares; `order` holds the items still open, each with the memo
    /// that [`Accepted`] gave it.
    ///
    /// # Errors
    /// When the vendor could not be asked.
    async fn poll(
        &self,
        call: &Call<'_>,
        order: &Order,
        receipt: &Receipt,
    ) -> Result<Answer, ConnectorError>;

    /// Whether these people are (still) there. The default cannot tell; overriding it and the
    /// manifest's `look_up` go together.
    ///
    /// # Errors
    /// When the vendor could not be asked.
    async fn look_up(
        &self,
        _call: &Call<'_>,
        items: &[Item],
    ) -> Result<Vec<(ItemId, Presence, Evidence)>, ConnectorError> {
        Ok(items
            .iter()
            .map(|i| (i.id, Presence::CannotTell, Evidence::seen("this vendor offers no look-up")))
            .collect())
    }

    /// Who we are there, what the key may do, when it ends.
    ///
    /// # Errors
    /// When the vendor refuses or could not be asked.
    async fn probe(&self, call: &Call<'_>) -> Result<Probe, ConnectorError>;

    /// Whom the vendor holds, one page at a time, in an order that does not change between two pages:
    /// from the beginning, or from where the page before said. Makes one request, and shows no more of
    /// anybody than the identifiers that the card names.
    ///
    /// # Errors
    /// When the vendor could not be asked.
    async fn list(
        &self,
        _call: &Call<'_>,
        _from: Option<&Value>,
    ) -> Result<Listed, ConnectorError> {
        Ok(Listed::NotOffered)
    }

    /// Did an order whose answer we lost arrive?
    ///
    /// # Errors
    /// When the vendor could not be asked.
    async fn find(&self, _call: &Call<'_>, _order: &Order) -> Result<Found, ConnectorError> {
        Ok(Found::CannotTell)
    }

    /// Takes back an accepted order, where the vendor offers it. Asked again because its answer was
    /// lost, it takes nothing more back and tells the same: what is taken back already is no refusal.
    ///
    /// # Errors
    /// When the vendor could not be asked.
    async fn recall(
        &self,
        _call: &Call<'_>,
        _order: &Order,
        _receipt: &Receipt,
    ) -> Result<Recalled, ConnectorError> {
        Ok(Recalled::NotOffered)
    }

    /// Reads a callback that the API stored raw.
    ///
    /// # Errors
    /// When the message cannot be read.
    async fn receive(
        &self,
        _call: &Call<'_>,
        _message: &Inbound,
    ) -> Result<Received, ConnectorError> {
        Ok(Received::NotOffered)
    }
}
