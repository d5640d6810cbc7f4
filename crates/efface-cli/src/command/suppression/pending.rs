//! What is missing at the accounts, and filing it.

use std::collections::BTreeMap;

use anyhow::Result;
use efface_core::{
    AccountId, ControllerId, ImportId, SuppressionId,
    suppression::{Desired, Kind},
};
use efface_store::{Pushed, SuppressionFilter, SuppressionView};
use serde::Serialize;

use crate::{
    exit::Failure,
    print::{self, Table},
    wiring::Context,
};

/// Entries read at once.
const PAGE: u32 = 500;

/// Hands every entry that fits to `each`, newest first.
///
/// # Errors
/// When the database cannot be read.
pub async fn every(
    context: &Context,
    mut filter: SuppressionFilter,
    mut each: impl FnMut(SuppressionView),
) -> Result<()> {
    filter.limit = PAGE;
    loop {
        let page = context.store.suppressions(&filter).await?;
        let Some(last) = page.last().map(|view| view.entry.id) else { return Ok(()) };
        filter.after = Some(last);
        page.into_iter().for_each(&mut each);
    }
}

/// What one account lacks.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Lacks {
    /// Entries it can be told of.
    pub to_tell: usize,
    /// Entries that name no kind of identifier it is keyed by.
    pub unreachable: usize,
    /// Lifted or ended entries that it still holds as suppressed.
    pub to_give_back: usize,
}

/// What is missing.
#[derive(Debug, Default)]
pub struct Pending {
    pub by_account: BTreeMap<AccountId, Lacks>,
    /// In force, of which nobody can be told.
    pub hash_only: usize,
    /// What would be filed.
    pub to_file: Vec<(SuppressionId, Vec<AccountId>)>,
}

impl Pending {
    /// What is missing at a controller's accounts, or at one of them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn read(
        context: &Context,
        controller: &ControllerId,
        account: Option<&AccountId>,
    ) -> Result<Self> {
        let now = context.now();
        let mut pending = Self::default();
        let filter = SuppressionFilter {
            controller: Some(controller.clone()),
            ..SuppressionFilter::default()
        };
        every(context, filter, |view| {
            let desired = view.entry.desired(now);
            if view.entry.kind == Kind::HashOnly {
                pending.hash_only += usize::from(desired == Desired::Suppressed);
                return;
            }
            let wanted = |a: &&efface_store::AccountStand| {
                a.drifts && account.is_none_or(|wanted| a.account == *wanted)
            };
            let mut tell = vec![];
            for part in view.accounts.iter().filter(wanted) {
                let lacks = pending.by_account.entry(part.account.clone()).or_default();
                match desired {
                    Desired::NotSuppressed => lacks.to_give_back += 1,
                    Desired::Suppressed if part.reachable => {
                        lacks.to_tell += 1;
                        tell.push(part.account.clone());
                    }
                    Desired::Suppressed => lacks.unreachable += 1,
                }
            }
            if !tell.is_empty() {
                pending.to_file.push((view.entry.id, tell));
            }
        })
        .await?;
        Ok(pending)
    }

    /// # Errors
    /// When it cannot be printed.
    pub fn print(&self) -> Result<()> {
        let mut table =
            Table::new(&["account", "to tell", "without a usable identifier", "to give back"]);
        for (account, lacks) in &self.by_account {
            table.row([
                account.to_string(),
                lacks.to_tell.to_string(),
                lacks.unreachable.to_string(),
                lacks.to_give_back.to_string(),
            ]);
        }
        table.print("every live account that takes such a wish knows what it should")?;
        Ok(())
    }
}

/// What was filed.
#[derive(Debug, Serialize)]
pub struct Filed {
    pub import: String,
    pub filed: usize,
    /// A request with the same wish for the same person is under way.
    pub under_way: usize,
    pub refused: usize,
}

/// Files what is missing as one import, which a person releases.
///
/// # Errors
/// When the database cannot be written; what was filed before stays filed.
pub async fn file(context: &Context, pending: &Pending, name: &str) -> Result<Filed> {
    let store = &context.store;
    // nothing of another run is taken up: what it filed shows as told
    let digest = format!("{name} {}", ImportId::new(context.now(), &*context.chance));
    let import = store.begin_import(name, &digest, &context.actor).await?;
    let mut done = Filed { import: import.to_string(), filed: 0, under_way: 0, refused: 0 };
    for (entry, accounts) in &pending.to_file {
        match store.push_entry(*entry, accounts, Some(import), &context.actor).await {
            Ok(Pushed::Filed(_)) => done.filed += 1,
            Ok(Pushed::UnderWay(_)) => done.under_way += 1,
            Err(error) => {
                let failure = Failure::from(error);
                if !failure.is_refusal() {
                    return Err(failure.into());
                }
                done.refused += 1;
                print::aside(format!("entry {entry}: {failure}"));
            }
        }
    }
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    store
        .finish_import(
            import,
            number(pending.to_file.len()),
            number(done.filed),
            number(done.refused),
            &context.actor,
        )
        .await?;
    Ok(done)
}
