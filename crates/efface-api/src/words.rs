//! The words of the rules as schemas: the lists in the documentation are core's own.

use std::borrow::Cow;

use efface_core::{
    EvidenceLevel, RequestAction, Scope, TaskAction, Timestamp,
    account::Mode,
    desk::Choice,
    request::{DenialCode, RequestState},
    subject::Relation,
    suppression::{EntryState, Kind, Observed, Reason},
};
use serde::{Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type},
};

/// The states of a task, in the order of life.
pub const TASK_STATES: [&str; 8] =
    ["blocked", "ready", "sending", "unknown", "waiting", "confirmed", "desk", "settled"];

fn text(words: impl IntoIterator<Item = &'static str>, about: &'static str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(about))
        .enum_values(Some(words))
        .into()
}

macro_rules! word_schemas {
    ($($marker:ident = $words:expr, $about:literal;)+) => {$(
        #[doc = $about]
        pub struct $marker;

        impl PartialSchema for $marker {
            fn schema() -> RefOr<Schema> {
                text($words, $about)
            }
        }

        impl ToSchema for $marker {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($marker))
            }
        }
    )+};
}

word_schemas! {
    Action = RequestAction::ALL.iter().map(|w| w.word()), "What a request asks for.";
    SuppressScope = Scope::ALL.iter().map(|w| w.word()), "What is to stop. Required for every action but `erase`; there is no default.";
    RequesterRelation = Relation::ALL.into_iter().map(Relation::word), "What the requester is to the person.";
    DenialReason = DenialCode::ALL.iter().map(|w| w.word()), "Why a request is denied.";
    Decision = Choice::ALL.iter().map(|w| w.word()), "What a person may decide about a desk item.";
    AccountMode = Mode::ALL.iter().map(|w| w.word()), "`observe`: look-ups only; `live`: requests are carried out.";
    TaskActionWord = TaskAction::ALL.iter().map(|w| w.word()), "What a task does at its vendor.";
    Evidence = EvidenceLevel::ALL.iter().map(|w| w.word()), "How much stands behind the outcome, weakest first.";
    EntryKind = Kind::ALL.iter().map(|w| w.word()), "`sealed`: the person can still be told to an account connected later; `hash_only`: recognised, and no more.";
    EntryReason = Reason::ALL.iter().map(|w| w.word()), "Why somebody stands on the suppression list.";
    EntryStateWord = EntryState::WORDS, "Where an entry stands.";
    ObservedWord = Observed::ALL.iter().map(|w| w.word()), "What an account was told.";
    RequestStateWord = RequestState::WORDS, "Where a request stands.";
    TaskStateWord = TASK_STATES, "Where a task stands.";
}

/// An instant, written as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2026-11-22T09:30:00.000Z"])
            .into()
    }
}

impl ToSchema for Moment {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Moment")
    }
}

/// A value of core written by its `Display`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<T>(pub T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
