//! A vendor's card: plain data that says what each call really does, how fast, and what it leaves.

use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{EvidenceLevel, IdentifierKind, Scope, TaskAction, action::words};

/// One step of a task action, named by the vendor's crate.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(Cow<'static, str>);

impl StepId {
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for StepId {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a repeat of a step would do at the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    ReadOnly,
    /// Repeating changes nothing (deleting what is gone).
    NaturallyIdempotent,
    /// The vendor recognises our key for this long; past it the step counts as at-most-once.
    KeyIdempotent {
        key_lifetime: Duration,
    },
    /// A repeat harms nobody but costs quota or a mail.
    Wasteful,
    /// Never repeated without a definite answer.
    AtMostOnce,
}

words! {
    /// What a vendor's suppress call really stops.
    SuppressEffect, "suppress effect" {
        MarketingMail = "stops_marketing_mail",
        AllMail = "stops_all_mail",
        Collection = "stops_collection",
        SaleOrSharing = "stops_sale_or_sharing",
        LocksAccount = "locks_the_account",
    }
}

impl SuppressEffect {
    /// Whether this effect meets `scope`. A call that locks the account never serves marketing.
    #[must_use]
    pub const fn fits(self, scope: Scope) -> bool {
        match scope {
            Scope::Marketing => matches!(self, Self::MarketingMail | Self::AllMail),
            Scope::SaleOrSharing => matches!(self, Self::SaleOrSharing),
            Scope::Collection => matches!(self, Self::Collection),
            Scope::AllProcessing => {
                matches!(self, Self::AllMail | Self::Collection | Self::LocksAccount)
            }
        }
    }
}

words! {
    /// What else a call brings about; each must be accepted by name before an account goes live.
    SideEffect, "side effect" {
        EndsSubscription = "ends_subscription",
        ClosesAccount = "closes_account",
        DeletesCompanyRecords = "deletes_company_records",
        ContactsThePerson = "contacts_the_person",
        MailsAdmins = "mails_admins",
        CostsMoney = "costs_money",
        BlocksReentry = "blocks_reentry",
        IrreversibleDeviceBlock = "irreversible_device_block",
        CreatesRecordWhenAbsent = "creates_record_when_absent",
        EraseRemovesSuppression = "erase_removes_suppression",
        ForwardsToDestinations = "forwards_to_destinations",
    }
}

words! {
    /// Whether a suppress goes before, with or after an erase at this vendor.
    SuppressOrder, "suppress order" {
        Before = "before",
        With = "with",
        After = "after",
    }
}

words! {
    /// Whether an action can be taken back.
    Reversibility, "reversibility" {
        Irreversible = "irreversible",
        ByLift = "by_lift",
        ByThePersonOnly = "by_the_person_only",
        NothingChanges = "nothing_changes",
    }
}

/// One call of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub id: StepId,
    pub class: EffectClass,
    /// Most people in one call.
    pub batch_items: u32,
    /// Largest request body, in bytes.
    pub batch_bytes: u32,
}

/// How long the vendor takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    pub typical: Duration,
    pub worst: Duration,
    /// The vendor's own declared bound; a person still seen before it means "not yet".
    pub bound: Duration,
}

impl Latency {
    #[must_use]
    pub const fn days(typical: u64, worst: u64, bound: u64) -> Self {
        const DAY: u64 = 86_400;
        Self {
            typical: Duration::from_secs(typical * DAY),
            worst: Duration::from_secs(worst * DAY),
            bound: Duration::from_secs(bound * DAY),
        }
    }

    /// The answer to the call is the end.
    pub const AT_ONCE: Self = Self {
        typical: Duration::from_secs(1),
        worst: Duration::from_secs(60),
        bound: Duration::from_secs(3600),
    };
}

/// One action the vendor offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActionCard {
    pub action: TaskAction,
    /// In order; an answer may name its own next step.
    pub steps: Vec<Step>,
    /// Kinds of identifier the vendor can be asked by for this action.
    pub keyed_by: Vec<IdentifierKind>,
    /// What a suppress call really stops; `None` for other actions.
    pub stops: Option<SuppressEffect>,
    pub side_effects: Vec<SideEffect>,
    pub reversibility: Reversibility,
    pub latency: Latency,
    /// The highest level this action can reach, the look-up included.
    pub highest: EvidenceLevel,
    /// Whether a look-up that finds nobody proves this action.
    pub verified_by_look_up: bool,
    /// Whether the vendor says so when it does not hold the person. One that takes any identifier
    /// on in silence proves nothing about whether anybody was there.
    pub tells_absence: bool,
}

impl ActionCard {
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|s| s.id == *id)
    }

    #[must_use]
    pub fn first_step(&self) -> Option<&StepId> {
        self.steps.first().map(|s| &s.id)
    }
}

/// What the look-up can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LookUpCard {
    pub batch_items: u32,
    pub by: Vec<IdentifierKind>,
}

/// Whether the vendor lists the people it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lists {
    InPages(ListCard),
    /// Why not, in half a sentence.
    Cannot(&'static str),
}

impl Lists {
    #[must_use]
    pub const fn card(&self) -> Option<&ListCard> {
        match self {
            Self::InPages(card) => Some(card),
            Self::Cannot(_) => None,
        }
    }
}

/// What the vendor's list tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListCard {
    /// Most people on one page.
    pub page_items: u32,
    /// Kinds of identifier that it shows.
    pub by: Vec<IdentifierKind>,
}

/// How fast the vendor may be called.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pace {
    pub calls_per_second: f64,
    pub calls_in_flight: u32,
}

/// A vendor's whole card.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Manifest {
    /// Equals the folder's name.
    pub id: &'static str,
    pub title: &'static str,
    pub category: &'static str,
    pub actions: Vec<ActionCard>,
    /// Where a suppress stands beside an erase.
    pub suppress_order: SuppressOrder,
    /// `None` ⇔ the connector does not override `look_up`.
    pub look_up: Option<LookUpCard>,
    /// In pages ⇔ the connector overrides `list`.
    pub lists: Lists,
    /// Whether a lost order can be found again (`find`).
    pub finds: bool,
    /// Whether an accepted order can be recalled (`recall`).
    pub recalls: bool,
    /// Whether callbacks are read (`receive`).
    pub receives: bool,
    /// Statuses at which the vendor is known to have done nothing (beyond 401, 403, 425 and 429).
    pub does_nothing_at: &'static [u16],
    pub pace: Pace,
    /// Quota in the vendor's words.
    pub quota: Option<&'static str>,
    /// Hosts the connector may call, `*.` for any sub-domain.
    pub hosts: &'static [&'static str],
    /// Largest response read, in bytes.
    pub body_cap_bytes: u64,
    /// What the vendor keeps after an erasure.
    pub keeps: &'static [&'static str],
    /// Rights the key needs.
    pub scopes: &'static [&'static str],
    pub documentation: &'static str,
    /// Date the documentation was read, `YYYY-MM-DD`.
    pub read_on: &'static str,
}

impl Manifest {
    #[must_use]
    pub fn action(&self, action: TaskAction) -> Option<&ActionCard> {
        self.actions.iter().find(|a| a.action == action)
    }

    /// Every side effect of every action, once each.
    #[must_use]
    pub fn side_effects(&self) -> Vec<SideEffect> {
        let mut all: Vec<SideEffect> =
            self.actions.iter().flat_map(|a| a.side_effects.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_serves_only_a_scope_that_its_real_effect_fits() {
        use {Scope as S, SuppressEffect as E};
        for (effect, fits) in [
            (E::MarketingMail, vec![S::Marketing]),
            (E::AllMail, vec![S::Marketing, S::AllProcessing]),
            (E::Collection, vec![S::Collection, S::AllProcessing]),
            (E::SaleOrSharing, vec![S::SaleOrSharing]),
            (E::LocksAccount, vec![S::AllProcessing]),
        ] {
            let got: Vec<Scope> = Scope::ALL.iter().copied().filter(|s| effect.fits(*s)).collect();
            assert_eq!(got, fits, "{effect}");
        }
    }
}
