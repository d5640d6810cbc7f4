//! The suppression list for people: nothing personal.

use efface_core::{
    AccountId, ControllerId, IdentifierKind, Scope, SuppressionId, Timestamp,
    account::Mode,
    plan::Account,
    suppression::{Kind, Observed, Suppression, drifts},
};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value as SeaValue};

use crate::{Error, SqlStore, Store, hot::Cell, sql::list};

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct SuppressionFilter {
    pub controller: Option<ControllerId>,
    pub scope: Option<Scope>,
    pub kind: Option<Kind>,
    /// A word of the entry's state.
    pub state: Option<String>,
    /// Ids after this one (older); newest first.
    pub after: Option<SuppressionId>,
    pub limit: u32,
}

/// What one account was told of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountStand {
    pub account: AccountId,
    pub observed: Observed,
    pub since: Option<Timestamp>,
    /// Whether somebody has to act.
    pub drifts: bool,
    /// Whether the entry names a kind that the account is keyed by.
    pub reachable: bool,
}

/// An entry for people.
#[derive(Clone, Debug)]
pub struct SuppressionView {
    pub entry: Suppression,
    /// The controller's accounts in the settings; none of a hash-only entry, of which nobody is told.
    pub accounts: Vec<AccountStand>,
}

impl SuppressionView {
    /// How many accounts are not as they should be.
    #[must_use]
    pub fn drift(&self) -> usize {
        self.accounts.iter().filter(|a| a.drifts).count()
    }
}

/// A row of `suppression_account`.
struct Stored {
    account: String,
    observed: Observed,
    since: Timestamp,
}

impl SqlStore {
    /// Entries, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn suppressions(
        &self,
        filter: &SuppressionFilter,
    ) -> Result<Vec<SuppressionView>, Error> {
        let mut sql = "SELECT body FROM suppression WHERE 1 = 1".to_owned();
        let mut values: Vec<SeaValue> = vec![];
        let mut also = |clause: &str, value: SeaValue| {
            values.push(value);
            sql.push_str(&format!(" AND {clause} ${}", values.len()));
        };
        if let Some(controller) = &filter.controller {
            also("controller =", controller.as_str().into());
        }
        if let Some(scope) = filter.scope {
            also("scope =", scope.word().into());
        }
        if let Some(kind) = filter.kind {
            also("kind =", kind.word().into());
        }
        if let Some(state) = &filter.state {
            also("state =", state.as_str().into());
        }
        if let Some(after) = &filter.after {
            also("id <", after.bytes().to_vec().into());
        }
        values.push(i64::from(filter.limit.clamp(1, 1000)).into());
        sql.push_str(&format!(" ORDER BY id DESC LIMIT ${}", values.len()));
        let backend =
            if self.database.is_postgres() { DbBackend::Postgres } else { DbBackend::Sqlite };
        let statement = Statement::from_sql_and_values(backend, sql, values);
        let found = self.database.orm().query_all_raw(statement).await?;
        let accounts = self.accounts_for_list().await?;
        let mut views = Vec::with_capacity(found.len());
        for row in &found {
            let body: String = row.try_get_by_index(0)?;
            let entry = crate::sql::decode_row("entry", &body)?;
            views.push(self.suppression_view(entry, &accounts).await?);
        }
        Ok(views)
    }

    /// One entry.
    ///
    /// # Errors
    /// When there is none.
    pub async fn suppression(&self, id: SuppressionId) -> Result<SuppressionView, Error> {
        let entry = list::entry(&self.database, id).await?.ok_or_else(|| list::not_found(id))?;
        let accounts = self.accounts_for_list().await?;
        self.suppression_view(entry, &accounts).await
    }

    /// How many entries there are, and how many of them keep tags alone, by controller and state.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn suppression_counts(
        &self,
        controller: &ControllerId,
    ) -> Result<Vec<(Kind, String, u64)>, Error> {
        let sql = "SELECT kind, state, count(*) FROM suppression WHERE controller = $1 GROUP BY kind, state ORDER BY kind, state";
        let found = self.database.rows(sql, &[controller.as_str().into()]).await?;
        found
            .iter()
            .map(|row| {
                let kind = row.text(0)?.parse().map_err(|e| Error::corrupt("entry", e))?;
                Ok((kind, row.text(1)?, u64::try_from(row.int(2)?).unwrap_or(0)))
            })
            .collect()
    }

    /// Entries of a controller and scope that are in force, and how many of them are known by none of
    /// these kinds.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn suppressions_beyond(
        &self,
        controller: &ControllerId,
        scope: Scope,
        kinds: &[IdentifierKind],
    ) -> Result<(u64, u64), Error> {
        let now = self.now();
        let (mut in_force, mut beyond) = (0, 0);
        let sql = "SELECT s.id, s.body, t.kind FROM suppression s LEFT JOIN suppression_tag t ON t.suppression_id = s.id AND t.hashed = 0 WHERE s.controller = $1 AND s.scope = $2 AND s.state <> 'lifted' ORDER BY s.id";
        let cells = [Cell::from(controller.as_str()), Cell::word(scope.word())];
        let mut last: Option<(uuid::Uuid, bool)> = None;
        let mut end = |last: Option<(uuid::Uuid, bool)>| {
            if let Some((_, reached)) = last {
                in_force += 1;
                beyond += u64::from(!reached);
            }
        };
        for row in self.database.rows(sql, &cells).await? {
            let id = row.id(0)?;
            if !list::read_entry(&row, 1)?.in_force(now) {
                continue;
            }
            let kind = row.opt_text(2)?;
            let reaches = kind.is_some_and(|kind| kinds.iter().any(|k| k.word() == kind));
            last = match last {
                Some((known, reached)) if known == id => Some((id, reached || reaches)),
                other => {
                    end(other);
                    Some((id, reaches))
                }
            };
        }
        end(last);
        Ok((in_force, beyond))
    }

    /// Every account of the settings as the planner sees it.
    async fn accounts_for_list(&self) -> Result<Vec<Account>, Error> {
        let rows = Store::accounts(self).await?;
        let condition =
            |id: &AccountId| rows.iter().find(|r| r.id == *id).map(|r| r.condition.clone());
        let controllers: Vec<&ControllerId> = self.directory.controllers.keys().collect();
        Ok(controllers
            .into_iter()
            .flat_map(|c| self.directory.planned_accounts(c, condition))
            .collect())
    }

    async fn suppression_view(
        &self,
        entry: Suppression,
        accounts: &[Account],
    ) -> Result<SuppressionView, Error> {
        if entry.kind == Kind::HashOnly {
            return Ok(SuppressionView { entry, accounts: vec![] });
        }
        let id = [Cell::from(entry.id.bytes())];
        let sql = "SELECT account, observed, since FROM suppression_account WHERE suppression_id = $1 ORDER BY account";
        let mut stored = vec![];
        for row in self.database.rows(sql, &id).await? {
            stored.push(Stored {
                account: row.text(0)?,
                observed: row.text(1)?.parse().map_err(|e| Error::corrupt("entry", e))?,
                since: Timestamp::from_millis(row.int(2)?),
            });
        }
        let sql =
            "SELECT DISTINCT kind FROM suppression_tag WHERE suppression_id = $1 AND hashed = 0";
        let mut kinds: Vec<IdentifierKind> = vec![];
        for row in self.database.rows(sql, &id).await? {
            kinds.push(row.text(0)?.parse().map_err(|e| Error::corrupt("entry", e))?);
        }
        let now = self.now();
        let mine = accounts.iter().filter(|a| a.controller == entry.controller);
        let accounts = mine.map(|a| stand(&entry, a, &stored, &kinds, now)).collect();
        Ok(SuppressionView { entry, accounts })
    }
}

/// What is stored, or what follows from the account where nothing is. One that only observes is told of
/// nobody, so nothing drifts there.
fn stand(
    entry: &Suppression,
    account: &Account,
    stored: &[Stored],
    kinds: &[IdentifierKind],
    now: Timestamp,
) -> AccountStand {
    let known = stored.iter().find(|s| s.account == account.id.as_str());
    let offers = account.suppresses(entry.scope);
    let observed = match known.map_or(Observed::NotTold, |s| s.observed) {
        Observed::NotTold | Observed::Unsupported if !offers => Observed::Unsupported,
        Observed::NotTold | Observed::Unsupported => Observed::NotTold,
        told => told,
    };
    AccountStand {
        account: account.id.clone(),
        observed,
        since: known.map(|s| s.since),
        drifts: account.mode == Mode::Live && drifts(entry.desired(now), observed),
        reachable: account.suppresses_by(kinds),
    }
}
