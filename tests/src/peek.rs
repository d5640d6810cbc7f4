//! A second connection to the worker's database, which only looks.

use std::collections::BTreeMap;

use efface_core::{OrderId, RequestId, TaskId, order::Order};
use efface_migrations::Migrator;
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, QueryResult,
    Statement, TransactionTrait as _, sqlx::types::uuid::Uuid,
};
use sea_orm_migration::MigratorTrait as _;

/// One exchange as it is stored.
pub struct StoredExchange {
    pub order: Option<OrderId>,
    pub request_digest: Option<String>,
}

/// A table that is shut.
pub(crate) struct Shut(DatabaseTransaction);

impl Shut {
    pub(crate) async fn open(self) {
        self.0.commit().await.expect("opened");
    }
}

/// The onlooker.
pub struct Peek {
    database: DatabaseConnection,
}

const MOVING: &str = "SELECT count(*) FROM task WHERE state IN ('ready', 'sending', 'unknown', 'waiting', 'confirmed')";

impl Peek {
    /// # Panics
    /// When the database does not answer, here and below: this is a test's wiring.
    pub async fn at(url: &str) -> Self {
        let options = ConnectOptions::new(url).max_connections(2).sqlx_logging(false).to_owned();
        Self { database: sea_orm::Database::connect(options).await.expect("a second connection") }
    }

    pub(crate) async fn rows(&self, sql: &str) -> Vec<QueryResult> {
        let statement = Statement::from_string(self.database.get_database_backend(), sql);
        self.database.query_all_raw(statement).await.expect(sql)
    }

    /// Prepares the database for a scene: roles, triggers, locks.
    pub(crate) async fn execute(&self, sql: &str) {
        self.database.execute_unprepared(sql).await.expect(sql);
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let rows = self.rows(sql).await;
        rows.first().expect("a row").try_get_by_index(0).expect("a number")
    }

    /// The one text a query gives.
    pub async fn text(&self, sql: &str) -> String {
        let rows = self.rows(sql).await;
        rows.first().expect("a row").try_get_by_index(0).expect("a text")
    }

    /// Orders whose call may be out.
    pub async fn sending(&self) -> i64 {
        self.number("SELECT count(*) FROM orders WHERE state = 'sending'").await
    }

    /// The same of these lanes alone.
    pub async fn sending_in(&self, lanes: &[String]) -> i64 {
        let lanes: Vec<String> = lanes.iter().map(|lane| format!("'{lane}'")).collect();
        let lanes = lanes.join(", ");
        self.number(&format!(
            "SELECT count(*) FROM orders WHERE state = 'sending' AND lane IN ({lanes})"
        ))
        .await
    }

    /// Who holds each lane.
    pub async fn owners(&self) -> BTreeMap<String, String> {
        let rows = self.rows("SELECT name, owner FROM lane WHERE owner IS NOT NULL").await;
        rows.iter()
            .map(|r| (r.try_get_by_index(0).expect("name"), r.try_get_by_index(1).expect("owner")))
            .collect()
    }

    /// Tasks and follow-ups that go on by themselves, at one moment: what a follow-up opens goes on.
    pub async fn moving(&self, now_millis: i64) -> i64 {
        let due = Self::due(now_millis);
        self.number(&format!("SELECT ({MOVING}) + ({due})")).await
    }

    /// Tasks that go on by themselves.
    pub async fn moving_tasks(&self) -> i64 {
        self.number(MOVING).await
    }

    /// Tasks that have not ended.
    pub async fn unsettled(&self) -> i64 {
        self.number("SELECT count(*) FROM task WHERE state <> 'settled'").await
    }

    /// How often each lane has changed hands.
    pub async fn epochs(&self) -> BTreeMap<String, i64> {
        let rows = self.rows("SELECT name, epoch FROM lane").await;
        rows.iter()
            .map(|r| (r.try_get_by_index(0).expect("name"), r.try_get_by_index(1).expect("epoch")))
            .collect()
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {table}")).await
    }

    /// Follow-ups that the `requests` lane should have taken.
    pub async fn due_follow_ups(&self, now_millis: i64) -> i64 {
        self.number(&Self::due(now_millis)).await
    }

    fn due(now_millis: i64) -> String {
        format!("SELECT count(*) FROM follow_up WHERE due_at <= {now_millis}")
    }

    /// Keeps everybody from PostgreSQL's table of lanes until it is opened again.
    pub(crate) async fn shut_lanes(&self) -> Shut {
        let shut = self.database.begin().await.expect("a transaction");
        let lock = "LOCK TABLE lane IN ACCESS EXCLUSIVE MODE";
        shut.execute_unprepared(lock).await.expect(lock);
        Shut(shut)
    }

    /// Lets every lease run out now, whatever its holder believes.
    pub async fn end_leases(&self) {
        self.execute("UPDATE lane SET lease_until = 0 WHERE owner IS NOT NULL").await;
    }

    /// How many connections to this database stand before a lock.
    pub(crate) async fn before_a_lock(&self) -> i64 {
        self.number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").await
    }

    /// Writes the SQLite database as it is now to another file.
    pub async fn copy_to(&self, file: &std::path::Path) {
        let sql = format!("VACUUM INTO '{}'", file.display());
        self.database.execute_unprepared(&sql).await.expect("a copy");
    }

    /// Requests and tasks under which anything personal is still sealed.
    pub async fn kept_secrets(&self) -> i64 {
        let requests = "SELECT count(*) FROM request WHERE length(sealed) > 0 OR length(wrapped_key) > 0 OR wrapped_by <> ''";
        let tasks = "SELECT count(*) FROM task WHERE memo IS NOT NULL OR prior IS NOT NULL";
        self.number(requests).await + self.number(tasks).await
    }

    /// Watches that keep a key and whom they look for.
    pub async fn watch_keys(&self) -> i64 {
        self.number("SELECT count(*) FROM watch WHERE length(sealed) > 0 OR length(wrapped_key) > 0 OR wrapped_by <> ''").await
    }

    /// Puts something on the desk that a person has to dismiss.
    pub async fn open_desk_item(&self, task: TaskId) {
        let id = task.to_string();
        let item = serde_json::json!({
            "id": id, "subject": { "task": id }, "reason": "slow", "opened_at": 1, "closed": null,
        });
        self.execute(&format!(
            "INSERT INTO desk (id, subject_kind, subject_id, reason, opened_at, body) VALUES ({}, 'task', '{id}', 'slow', 1, '{item}')",
            self.literal(task.bytes())
        ))
        .await;
    }

    /// Rows that name a request, but for the one that says that it ended.
    pub async fn rows_of(&self, request: RequestId) -> i64 {
        let id = self.literal(request.bytes());
        let mut rows = self.number(&format!("SELECT count(*) FROM request WHERE id = {id}")).await;
        for table in ["task", "tag", "watch", "follow_up"] {
            let sql = format!("SELECT count(*) FROM {table} WHERE request_id = {id}");
            rows += self.number(&sql).await;
        }
        rows
    }

    /// Empties one of a request's entries in the journal.
    pub async fn empty_an_entry(&self, request: RequestId) {
        let id = self.literal(request.bytes());
        self.execute(&format!(
            "UPDATE journal SET body = '', items = '', request_id = NULL WHERE id = (SELECT id FROM journal WHERE request_id = {id} ORDER BY id LIMIT 1)"
        ))
        .await;
    }

    /// The texts a query gives, one a row.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.rows(sql).await;
        rows.iter().map(|r| r.try_get_by_index(0).expect("a text")).collect()
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.database.get_database_backend() == sea_orm::DbBackend::Sqlite
    }

    /// Takes so many steps of the schema that it lacks.
    pub(crate) async fn steps_up(&self, steps: u32) {
        Migrator::up(&self.database, Some(steps)).await.expect("steps of the schema");
    }

    /// Takes the last step of the schema back, or says why not.
    pub(crate) async fn step_back(&self) -> Result<(), String> {
        Migrator::down(&self.database, Some(1)).await.map_err(|error| error.to_string())
    }

    pub(crate) fn literal(&self, id: &[u8]) -> String {
        let hex = hex::encode(id);
        match self.database.get_database_backend() {
            sea_orm::DbBackend::Sqlite => format!("x'{hex}'"),
            _ => format!("'\\x{hex}'::bytea"),
        }
    }

    pub async fn request_count(&self) -> i64 {
        self.number("SELECT count(*) FROM request").await
    }

    pub async fn orders(&self) -> Vec<Order> {
        let rows = self.rows("SELECT body FROM orders ORDER BY id").await;
        let body = |r: &QueryResult| r.try_get_by_index::<String>(0).expect("a body");
        rows.iter().map(|r| serde_json::from_str(&body(r)).expect("an order")).collect()
    }

    pub async fn exchanges(&self) -> Vec<StoredExchange> {
        let rows = self.rows("SELECT order_id, body FROM exchange ORDER BY id").await;
        rows.iter()
            .map(|row| {
                let order: Option<Vec<u8>> = row.try_get_by_index(0).expect("an order's id");
                let body: String = row.try_get_by_index(1).expect("a body");
                let body: serde_json::Value = serde_json::from_str(&body).expect("an exchange");
                StoredExchange {
                    order: order.map(|id| OrderId(Uuid::from_slice(&id).expect("an id"))),
                    request_digest: body["request_digest"].as_str().map(str::to_owned),
                }
            })
            .collect()
    }
}
