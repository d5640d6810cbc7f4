//! The memory kept in SQLite or PostgreSQL.

pub(crate) mod commit;
mod committer;
pub(crate) mod company;
mod connect;
mod database;
mod dossiers;
mod filing;
mod keeper;
mod kept;
mod lanes;
pub(crate) mod list;
mod log;
mod notify;
pub(crate) mod read;
pub(crate) mod receipts;
mod restore;
mod retention;
mod rows;
pub(crate) mod scan;
mod seal;
pub(crate) mod watch;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use efface_core::{
    AccountId, Identifier, LaneId, ReceiptId, RequestId, Scope, Timestamp,
    outside::{Chance, Clock},
    request::Request,
    restore::Saved,
    task::Queue,
};
use efface_vault::Vault;

pub use connect::Connection;
pub(crate) use connect::PLANS;
pub use database::Database;
pub(crate) use filing::tags_of;
pub use read::journal_tail;
pub(crate) use restore::{LAST_WRITTEN, RESTORES, millis as millis_of, read as read_restore};
pub(crate) use rows::{
    decode as decode_row, encode as encode_row, read_order as read_order_row,
    read_request as read_request_row, read_task as read_task_row, task_columns, task_query,
};
pub(crate) use seal::month_of;

use crate::{
    AccountRow, Attendance, CheckpointRow, Directory, DueFollowUp, DueReceipt, DueTask, DueWatch,
    Errand, Error, Filed, Filing, Lease, LeaseTerms, ListHit, OnList, OpenOrder, RecordOf, Store,
    Unit, Wakes,
    sql::{committer::Committer, seal::Sealer},
};

/// The store on a database.
pub struct SqlStore {
    pub(crate) database: Database,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Arc<dyn Chance>,
    committer: Committer,
    wakes: Arc<Wakes>,
    cached_accounts: Mutex<Option<(Timestamp, Arc<Vec<AccountRow>>)>>,
}

/// How long account conditions read for planning may be old.
const ACCOUNTS_FRESH: Duration = Duration::from_millis(250);

impl SqlStore {
    /// Opens the store over a connected, migrated database.
    ///
    /// Accounts of the directory get a row in observe mode when they have none.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn open(
        connection: Connection,
        vault: Arc<Vault>,
        directory: Directory,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
    ) -> Result<Self, Error> {
        let database = connection.into_database();
        let wakes = Arc::new(Wakes::default());
        let sealer = Arc::new(Sealer::new(vault, chance.clone()));
        let directory = Arc::new(directory);
        let committer = Committer::start(
            database.clone(),
            sealer.clone(),
            wakes.clone(),
            clock.clone(),
            directory.clone(),
        )?;
        let store = Self {
            database,
            sealer,
            directory,
            clock,
            chance,
            committer,
            wakes,
            cached_accounts: Mutex::new(None),
        };
        store.write_missing_accounts().await?;
        Ok(store)
    }

    /// The store's clock: what is due and what is late is told by this one.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Begins to hear what other processes write; for those that serve lanes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn listen(&self) -> Result<(), Error> {
        notify::listen(self.database.clone(), self.wakes.clone()).await
    }

    /// Files a group of requests; each is told its own fate.
    pub(crate) async fn file_all(&self, filings: Vec<Filing>) -> Vec<Result<Filed, Error>> {
        self.committer.file(filings).await
    }

    /// Account conditions, at most a quarter of a second old.
    pub(crate) async fn recent_accounts(&self) -> Result<Arc<Vec<AccountRow>>, Error> {
        let now = self.now();
        let cached =
            self.cached_accounts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if let Some((at, rows)) = cached
            && now >= at
            && now.since(at) < ACCOUNTS_FRESH
        {
            return Ok(rows);
        }
        let rows = Arc::new(read::accounts(&self.database).await?);
        *self.cached_accounts.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Some((now, rows.clone()));
        Ok(rows)
    }

    pub(crate) fn forget_cached_accounts(&self) {
        *self.cached_accounts.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }
}

#[async_trait]
impl Store for SqlStore {
    fn directory(&self) -> &Directory {
        &self.directory
    }

    fn wakes(&self) -> &Wakes {
        &self.wakes
    }

    async fn attend(
        &self,
        name: &str,
        serves: u32,
        terms: LeaseTerms,
    ) -> Result<Attendance, Error> {
        lanes::attend(&self.database, name, serves, terms).await
    }

    async fn leave(&self, name: &str) -> Result<(), Error> {
        lanes::leave(&self.database, name).await
    }

    async fn take_lanes(
        &self,
        owner: &str,
        lanes: &[LaneId],
        terms: LeaseTerms,
    ) -> Result<Vec<(Lease, u64)>, Error> {
        lanes::take(&self.database, owner, lanes, terms).await
    }

    async fn renew(&self, leases: &[Lease], terms: LeaseTerms) -> Result<Vec<Lease>, Error> {
        lanes::renew(&self.database, leases, terms).await
    }

    async fn give_back(&self, leases: &[Lease]) -> Result<(), Error> {
        lanes::give_back(&self.database, leases).await
    }

    async fn accounts(&self) -> Result<Vec<AccountRow>, Error> {
        read::accounts(&self.database).await
    }

    async fn account(&self, id: &AccountId) -> Result<AccountRow, Error> {
        let rows = read::accounts(&self.database).await?;
        rows.into_iter().find(|a| a.id == *id).ok_or_else(|| Error::NotFound {
            what: "account",
            id: id.to_string(),
            list: "connector",
        })
    }

    async fn wake_due(&self, lane: &LaneId, now: Timestamp) -> Result<usize, Error> {
        // most looks find nothing, and a look need not wait for the writer
        if read::anything_to_wake(&self.database, lane, now).await? {
            self.committer.wake_due(lane, now).await
        } else {
            Ok(0)
        }
    }

    async fn due_tasks(
        &self,
        account: &AccountId,
        queue: Queue,
        limit: u32,
    ) -> Result<Vec<DueTask>, Error> {
        read::due_tasks(&self.database, &self.sealer, account, queue, limit).await
    }

    async fn open_orders(&self, lane: &LaneId) -> Result<Vec<OpenOrder>, Error> {
        read::open_orders(&self.database, &self.sealer, lane).await
    }

    async fn unknown_orders(&self, lane: &LaneId, now: Timestamp) -> Result<Vec<OpenOrder>, Error> {
        read::unknown_orders(&self.database, &self.sealer, lane, now).await
    }

    async fn due_receipts(
        &self,
        lane: &LaneId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueReceipt>, Error> {
        read::due_receipts(&self.database, &self.sealer, lane, now, limit).await
    }

    async fn receipts(&self, ids: &[ReceiptId]) -> Result<Vec<DueReceipt>, Error> {
        receipts::receipts(&self.database, &self.sealer, ids).await
    }

    async fn due_follow_ups(&self, now: Timestamp, limit: u32) -> Result<Vec<DueFollowUp>, Error> {
        read::due_follow_ups(&self.database, now, limit).await
    }

    async fn on_list(&self, requests: &[Request]) -> Result<Vec<OnList>, Error> {
        list::on_list(&self.database, requests, self.now()).await
    }

    async fn list_hits(
        &self,
        account: &AccountId,
        scope: Scope,
        people: &[Vec<Identifier>],
    ) -> Result<Vec<ListHit>, Error> {
        let spec = self.directory.account(account).ok_or_else(|| Error::NotFound {
            what: "account",
            id: account.to_string(),
            list: "connector",
        })?;
        let (controller, now) = (spec.controller.as_str(), self.now());
        let page = scan::Page { account, controller, scope, people, now };
        scan::hits(&self.database, &self.sealer, &page).await
    }

    async fn due_watches(
        &self,
        account: &AccountId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueWatch>, Error> {
        watch::due(&self.database, &self.sealer, account, now, limit).await
    }

    async fn record_of(&self, request: RequestId) -> Result<RecordOf, Error> {
        Self::record_of(self, request).await
    }

    async fn due_errands(&self, lane: &LaneId) -> Result<Vec<Errand>, Error> {
        read::due_errands(&self.database, &self.sealer, lane).await
    }

    async fn next_wake(&self, lane: &LaneId) -> Result<Option<Timestamp>, Error> {
        read::next_wake(&self.database, lane, self.now()).await
    }

    async fn place_leaves(&self, lease: &Lease, most: u32) -> Result<u64, Error> {
        self.place(lease, most).await
    }

    async fn last_checkpoint(&self) -> Result<Option<CheckpointRow>, Error> {
        Self::last_checkpoint(self).await
    }

    async fn sign_checkpoint(&self) -> Result<Option<CheckpointRow>, Error> {
        Self::sign_checkpoint(self).await
    }

    async fn not_anchored(&self) -> Result<Vec<CheckpointRow>, Error> {
        self.unanchored().await
    }

    async fn anchored(&self, checkpoint: &CheckpointRow) -> Result<(), Error> {
        self.write_anchored(checkpoint.size, self.now()).await
    }

    async fn saved(&self, checkpoint: &CheckpointRow) -> Result<Saved, Error> {
        self.read_saved(checkpoint).await
    }

    async fn database_time(&self) -> Result<Timestamp, Error> {
        Self::database_time(self).await
    }

    async fn commit(&self, unit: Unit) -> Result<(), Error> {
        let mut done = self.commit_each(vec![unit]).await;
        done.pop().unwrap_or_else(|| Err(Error::Unavailable("the store is closing".into())))
    }

    async fn commit_each(&self, units: Vec<Unit>) -> Vec<Result<(), Error>> {
        let touches_accounts = units.iter().any(|u| !u.accounts.is_empty());
        let done = self.committer.commit(units).await;
        if touches_accounts {
            self.forget_cached_accounts();
        }
        done
    }

    fn digest(&self, bytes: &[u8]) -> String {
        self.sealer.digest(bytes)
    }
}

/// The statement that finds other requests by their tags, on SQLite and on PostgreSQL.
pub(crate) const fn match_tags_sql() -> (&'static str, &'static str) {
    crate::hot::Hot::MATCH_TAGS.texts()
}
