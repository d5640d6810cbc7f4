//! What outlives a request: entries of the suppression list, watches, and the end of its record.

use efface_core::{
    EntryId, Identifier, IdentifierKind, LaneId, RequestId, Timestamp,
    request::Request,
    restore::SavedTag,
    scan::Known,
    suppression::{Noted, Stand, Suppression},
    watch::Watch,
};

/// An entry of the suppression list as it should stand; refused when the row is not at `read_version`.
#[derive(Clone, Debug)]
pub struct Listing {
    /// None when it is new.
    pub read_version: u32,
    pub entry: Suppression,
    /// The request whose identifiers, and states before a suppress, it takes up.
    pub from: Option<RequestId>,
    /// Identifiers that a door brings.
    pub identifiers: Vec<Identifier>,
    /// Keyed tags that it must have besides, where the identifiers are not known.
    pub tags: Vec<SavedTag>,
    /// What has become known of accounts.
    pub stands: Vec<Stand>,
    /// Its key, and everything that would find the person, goes.
    pub is_empty: bool,
}

impl Listing {
    /// What a request leaves.
    #[must_use]
    pub fn after(request: &Request, noted: Noted) -> Self {
        let takes_up = request.action != efface_core::RequestAction::Lift;
        Self {
            read_version: noted.read_version(),
            entry: noted.entry,
            from: takes_up.then_some(request.id),
            identifiers: vec![],
            tags: vec![],
            stands: noted.stands,
            is_empty: noted.is_empty,
        }
    }
}

/// What the suppression list says of a request's person, for that request's controller, scope and kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnList {
    Absent,
    Entry(Box<Suppression>),
    /// Another of those asked about at once may be about the same person, and goes first.
    AfterAnother,
}

impl OnList {
    #[must_use]
    pub fn entry(entry: Suppression) -> Self {
        Self::Entry(Box::new(entry))
    }
}

/// Somebody of a page of a vendor's own list of whom the suppression list speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListHit {
    /// Which of the page's people.
    pub person: usize,
    pub known: Known,
}

/// A watch that begins. Whom it looks for is taken from its request's dossier and sealed anew: the
/// proved, personal identifiers of these kinds.
#[derive(Clone, Debug)]
pub struct NewWatch {
    pub watch: Watch,
    pub lane: LaneId,
    pub kinds: Vec<IdentifierKind>,
}

/// A watch as it should stand; refused when the row is not at `read_version`. With the last look go
/// its key and whom it looked for.
#[derive(Clone, Debug)]
pub struct WatchWrite {
    pub read_version: u32,
    pub watch: Watch,
}

/// A watch whose next look is due, opened.
#[derive(Clone, Debug)]
pub struct DueWatch {
    pub watch: Watch,
    pub identifiers: Vec<Identifier>,
}

/// Why a record cannot end yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InTheWay {
    /// Something of it waits on the desk.
    Desk,
    /// A leaf of it has no position in the log yet.
    Unplaced,
}

/// What would end with a request's record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordOf {
    /// Why it cannot end yet.
    pub in_the_way: Option<InTheWay>,
    /// Entries of the journal that speak of this request alone.
    pub entries: Vec<EntryId>,
}

/// The record of a request that ends: its rows and what only they lead to. Of its entries the hash is
/// kept, of the request that there was one.
#[derive(Clone, Debug)]
pub struct RecordEnd {
    /// As it was read.
    pub request: Request,
    pub entries: Vec<EntryId>,
    pub at: Timestamp,
}
