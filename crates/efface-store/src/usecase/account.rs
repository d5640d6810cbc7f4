//! Doors of an account: enable, pause, resume, floor, ceiling.

use efface_core::{
    AccountId, EvidenceLevel, TaskAction,
    account::{Condition, Credentials, Mode, Pause, StandingDecision},
    desk::Subject,
    journal::About,
};

use crate::{
    AccountRow, AccountSpec, AccountWrite, DeskClose, Error, SqlStore, Store, Unit,
    hot::{Cell, Tx},
    sql::encode_row,
    usecase::ATTEMPTS,
};

impl SqlStore {
    /// Gives every account of the settings a row; new ones begin in observe. What a person changes
    /// meanwhile stands.
    pub(crate) async fn write_missing_accounts(&self) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let known = self.accounts().await?;
            let differs = |spec: &&AccountSpec| {
                known.iter().find(|k| k.id == spec.id).is_none_or(|row| {
                    row.condition.ceiling.people_per_day != spec.people_per_day
                        || row.lane != spec.lane
                        || row.connector != spec.connector
                        || row.controller != spec.controller
                })
            };
            let different: Vec<&AccountSpec> =
                self.directory.accounts.iter().filter(differs).collect();
            if different.is_empty() {
                return Ok(());
            }
            let mut tx = self.database.begin().await?;
            let mut all = true;
            for spec in different {
                let row = known.iter().find(|k| k.id == spec.id);
                all &= write_account(&mut tx, spec, row).await?;
            }
            tx.commit().await?;
            if all {
                return Ok(());
            }
        }
        Err(Error::Refused("the accounts kept changing; try again".into()))
    }

    async fn change_account(
        &self,
        id: &AccountId,
        change: &str,
        by: &str,
        ends_desk_items: bool,
        edit: impl Fn(&mut Condition) -> Result<(), Error>,
    ) -> Result<AccountRow, Error> {
        self.until_fresh(|| async {
            let mut row = self.account(id).await?;
            let read_version = row.version;
            edit(&mut row.condition)?;
            let mut unit = Unit::default();
            unit.accounts.push(AccountWrite {
                read_version,
                id: id.clone(),
                condition: row.condition.clone(),
            });
            let about = About::AccountChanged {
                account: id.to_string(),
                change: change.to_owned(),
                by: by.to_owned(),
            };
            unit.entries.push(self.entry(by, about, &[], None));
            if ends_desk_items {
                unit.desk_closes.push(DeskClose {
                    subject: Subject::Account(id.clone()),
                    reason: None,
                    by: by.to_owned(),
                    how: change.to_owned(),
                    at: self.now(),
                });
            }
            unit.wakes.push(row.lane.clone());
            row.version += 1;
            Ok((unit, row))
        })
        .await
    }

    /// Takes an account live and pins the vendor's own account id.
    ///
    /// # Errors
    /// When the account is not known.
    pub async fn enable_account(
        &self,
        id: &AccountId,
        vendor_account: Option<&str>,
        by: &str,
    ) -> Result<AccountRow, Error> {
        self.refuse_while_set_back().await?;
        let at = self.now();
        self.change_account(id, "enabled (live)", by, true, |condition| {
            condition.mode = Mode::Live;
            condition.pinned = vendor_account.map(str::to_owned);
            condition.credentials = Credentials::Good { at };
            condition.settings_wrong = None;
            // its desk item ends with the others; one that is still spent parks and tells again
            condition.ceiling_reached = false;
            Ok(())
        })
        .await
    }

    /// Back to look-ups only.
    ///
    /// # Errors
    /// When the account is not known.
    pub async fn observe_account(&self, id: &AccountId, by: &str) -> Result<AccountRow, Error> {
        self.change_account(id, "set to observe", by, false, |condition| {
            condition.mode = Mode::Observe;
            Ok(())
        })
        .await
    }

    /// Pauses an account before its next order.
    ///
    /// # Errors
    /// When the account is not known or paused already.
    pub async fn pause_account(
        &self,
        id: &AccountId,
        reason: &str,
        by: &str,
    ) -> Result<AccountRow, Error> {
        let at = self.now();
        self.change_account(id, "paused", by, false, |condition| {
            if condition.pause.is_some() {
                return Err(Error::Refused(format!("account {id} is paused already")));
            }
            condition.pause = Some(Pause { by: by.to_owned(), reason: reason.to_owned(), at });
            Ok(())
        })
        .await
    }

    /// Ends what holds an account back: pause, refused key, wrong settings, a reached ceiling
    /// (raised by its own size where today's number is spent).
    ///
    /// # Errors
    /// When nothing holds the account back.
    pub async fn resume_account(&self, id: &AccountId, by: &str) -> Result<AccountRow, Error> {
        self.refuse_while_set_back().await?;
        let now = self.now();
        self.change_account(id, "resumed", by, true, |condition| {
            let held = condition.pause.is_some()
                || matches!(condition.credentials, Credentials::Refused { .. })
                || condition.settings_wrong.is_some()
                || condition.ceiling_reached
                || condition.quota_until.is_some();
            if !held {
                return Err(Error::Refused(format!("nothing holds account {id} back")));
            }
            condition.pause = None;
            condition.credentials = Credentials::Unproved;
            condition.settings_wrong = None;
            condition.quota_until = None;
            condition.lift_ceiling(now);
            Ok(())
        })
        .await
    }

    /// A standing decision: less evidence is enough at this account for this action.
    ///
    /// # Errors
    /// When the reason is missing or the level is above what the account can reach.
    pub async fn set_floor(
        &self,
        id: &AccountId,
        action: TaskAction,
        level: EvidenceLevel,
        reason: &str,
        review_on: &str,
        by: &str,
    ) -> Result<AccountRow, Error> {
        if reason.trim().is_empty() {
            return Err(Error::Refused("a standing decision needs a reason".into()));
        }
        let spec = self.directory.account(id).ok_or_else(|| Error::NotFound {
            what: "account",
            id: id.to_string(),
            list: "connector",
        })?;
        let highest =
            spec.manifest.action(action).map(|c| c.highest).ok_or_else(|| {
                Error::Refused(format!("{} offers no {action}", spec.manifest.title))
            })?;
        if !highest.reaches(level) {
            return Err(Error::Refused(format!(
                "{} can reach {highest} at most for {action}",
                spec.manifest.title
            )));
        }
        let decision = StandingDecision {
            level,
            by: by.to_owned(),
            reason: reason.to_owned(),
            review_on: review_on.to_owned(),
            decided_at: self.now(),
        };
        self.change_account(
            id,
            &format!("floor of {action} is {level}: {reason}"),
            by,
            false,
            |condition| {
                condition.floors.push((action, decision.clone()));
                Ok(())
            },
        )
        .await
    }
}

/// Writes an account's row as the settings have it; one that was changed since `row` was read stays
/// and `false` is told.
async fn write_account(
    tx: &mut Tx<'_>,
    spec: &AccountSpec,
    row: Option<&AccountRow>,
) -> Result<bool, Error> {
    let mut condition =
        row.map_or_else(|| Condition::new(spec.people_per_day), |r| r.condition.clone());
    condition.ceiling.people_per_day = spec.people_per_day;
    let mut cells = vec![
        spec.id.as_str().into(),
        spec.connector.as_str().into(),
        spec.controller.as_str().into(),
        spec.lane.as_str().into(),
        Cell::from(encode_row("account", &condition)?),
    ];
    let sql = if let Some(row) = row {
        cells.push(row.version.into());
        "UPDATE account SET connector = $2, controller = $3, lane = $4, version = version + 1, body = $5 WHERE id = $1 AND version = $6 RETURNING id"
    } else {
        "INSERT INTO account (id, connector, controller, lane, version, body) VALUES ($1, $2, $3, $4, 1, $5) ON CONFLICT (id) DO NOTHING RETURNING id"
    };
    Ok(!tx.small(sql, &cells).await?.is_empty())
}
