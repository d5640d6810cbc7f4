//! What people are shown: lists, one request, why it is not done, the desk, counts.

mod desk;
mod suppression;
mod upkeep;
mod why;

use efface_core::{
    AccountId, ImportId, OrderId, RequestId, TaskId, Timestamp,
    desk::DeskItem,
    request::{Request, RequestState},
    watch::Watch,
};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value as SeaValue};
use serde::Serialize;

pub use suppression::{AccountStand, SuppressionFilter, SuppressionView};
pub use why::WhyLine;

use crate::{
    Error, SqlStore, TaskRow,
    hot::{Batch, Cell},
    sql::{decode_row, read_request_row, read_task_row, task_query},
};

/// A request for people: nothing personal.
#[derive(Clone, Debug)]
pub struct RequestView {
    pub request: Request,
    pub tasks: Vec<TaskView>,
    /// Once it is closed.
    pub watches: Vec<Watch>,
}

/// A task for people.
#[derive(Clone, Debug)]
pub struct TaskView {
    pub row: TaskRow,
    /// The vendor's id, e.g. for a table.
    pub connector: String,
}

/// Which requests to list.
#[derive(Clone, Debug, Default)]
pub struct RequestFilter {
    pub state: Option<String>,
    pub controller: Option<String>,
    pub action: Option<String>,
    pub import: Option<ImportId>,
    pub overdue_at: Option<Timestamp>,
    /// Ids after this one (older); newest first.
    pub after: Option<RequestId>,
    pub limit: u32,
}

/// A desk item with what it concerns.
#[derive(Clone, Debug)]
pub struct DeskRow {
    pub item: DeskItem,
    pub request: Option<RequestId>,
    pub account: Option<AccountId>,
}

/// One exchange for people.
#[derive(Clone, Debug, Serialize)]
pub struct ExchangeView {
    pub order: Option<OrderId>,
    pub account: String,
    pub at: Timestamp,
    pub status: Option<i64>,
    pub detail: serde_json::Value,
}

/// How an errand fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrandState {
    Waiting,
    /// The answer, JSON.
    Done(String),
}

/// What a stop did and what is out already: `(account, state, how many, can be recalled)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StopReport {
    pub stopped: Vec<String>,
    /// Requests of an import that were on hold already: they go on when that hold ends.
    pub held_before: Vec<String>,
    pub out: Vec<(String, String, u64, bool)>,
}

/// An import for people.
#[derive(Clone, Debug, Serialize)]
pub struct ImportRow {
    pub id: ImportId,
    pub name: String,
    pub at: Timestamp,
    pub by: String,
    pub rows: i64,
    pub filed: i64,
    pub refused: i64,
    pub finished: bool,
}

/// An API key for people; the hash for checking.
#[derive(Clone, Debug)]
pub struct ApiKeyRow {
    pub id: String,
    pub name: String,
    pub hash: Vec<u8>,
    pub created_at: Timestamp,
    pub created_by: String,
    pub revoked_at: Option<Timestamp>,
}

/// How many of what: `(word, count)`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    pub requests: Vec<(String, u64)>,
    /// `(account, state, count)`
    pub tasks: Vec<(String, String, u64)>,
    pub desk: u64,
}

#[derive(FromQueryResult)]
struct BodyRow {
    body: String,
}

impl SqlStore {
    /// Requests, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn requests(&self, filter: &RequestFilter) -> Result<Vec<Request>, Error> {
        let mut sql = "SELECT body FROM request WHERE 1 = 1".to_owned();
        let mut values: Vec<SeaValue> = vec![];
        let mut also = |clause: &str, value: SeaValue| {
            values.push(value);
            sql.push_str(&format!(" AND {clause} ${}", values.len()));
        };
        if let Some(state) = &filter.state {
            also("state =", state.as_str().into());
        }
        if let Some(controller) = &filter.controller {
            also("controller =", controller.as_str().into());
        }
        if let Some(action) = &filter.action {
            also("action =", action.as_str().into());
        }
        if let Some(import) = &filter.import {
            also("import_id =", import.bytes().to_vec().into());
        }
        if let Some(after) = &filter.after {
            also("id <", after.bytes().to_vec().into());
        }
        if let Some(at) = filter.overdue_at {
            also(
                "state IN ('received', 'identified', 'released', 'running') AND due_at <",
                at.millis().into(),
            );
        }
        values.push(i64::from(filter.limit.clamp(1, 1000)).into());
        sql.push_str(&format!(" ORDER BY id DESC LIMIT ${}", values.len()));
        let backend =
            if self.database.is_postgres() { DbBackend::Postgres } else { DbBackend::Sqlite };
        let found =
            BodyRow::find_by_statement(Statement::from_sql_and_values(backend, sql, values))
                .all(&self.database.orm())
                .await?;
        found.iter().map(|r| read_request_row(&r.body)).collect()
    }

    /// One request with its tasks.
    ///
    /// # Errors
    /// When there is none.
    pub async fn request(&self, id: RequestId) -> Result<RequestView, Error> {
        let loaded = self.load(id).await?;
        let tasks = loaded
            .tasks
            .into_iter()
            .map(|row| TaskView {
                connector: self
                    .directory
                    .account(&row.task.account)
                    .map_or_else(String::new, |a| a.connector.to_string()),
                row,
            })
            .collect();
        let watches = match &loaded.request.state {
            RequestState::Closed { .. } => self.watches(id).await?,
            RequestState::Received
            | RequestState::Identified
            | RequestState::Released { .. }
            | RequestState::Running { .. }
            | RequestState::Denied { .. }
            | RequestState::Cancelled { .. }
            | RequestState::Expired { .. }
            | RequestState::Duplicate { .. } => vec![],
        };
        Ok(RequestView { request: loaded.request, tasks, watches })
    }

    /// Requests whose id begins with a prefix typed by a person.
    ///
    /// # Errors
    /// When none or several begin so.
    pub async fn resolve_request(&self, text: &str) -> Result<RequestId, Error> {
        if let Ok(id) = text.parse::<RequestId>() {
            return Ok(id);
        }
        Err(Error::NotFound {
            what: "request",
            id: text.chars().take(60).collect(),
            list: "request",
        })
    }

    /// Tasks, optionally of one state word or account, oldest deadline first, from after the one
    /// named by its deadline and id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn tasks(
        &self,
        state: Option<&str>,
        account: Option<&AccountId>,
        after: Option<(Timestamp, TaskId)>,
        limit: u32,
    ) -> Result<Vec<TaskView>, Error> {
        let (deadline, id) = after
            .map_or((i64::MIN, vec![]), |(deadline, id)| (deadline.millis(), id.bytes().to_vec()));
        let cells = [
            Cell::from(state.unwrap_or("")),
            Cell::from(account.map_or("", AccountId::as_str)),
            Cell::from(limit.clamp(1, 10_000)),
            Cell::from(deadline),
            Cell::from(id),
        ];
        let sql = task_query!(
            "WHERE ($1 = '' OR t.state = $1) AND ($2 = '' OR t.account = $2) AND (t.deadline, t.id) > ($4, $5) ORDER BY t.deadline, t.id LIMIT $3"
        );
        let found = self.database.rows(sql, &cells).await?;
        found
            .iter()
            .map(|r| {
                let row = read_task_row(r)?;
                Ok(TaskView {
                    connector: self
                        .directory
                        .account(&row.task.account)
                        .map_or_else(String::new, |a| a.connector.to_string()),
                    row,
                })
            })
            .collect()
    }

    /// One task.
    ///
    /// # Errors
    /// When there is none.
    pub async fn task(&self, id: TaskId) -> Result<TaskView, Error> {
        let row = self.load_task(id).await?;
        Ok(TaskView {
            connector: self
                .directory
                .account(&row.task.account)
                .map_or_else(String::new, |a| a.connector.to_string()),
            row,
        })
    }

    /// By which kinds of identifier a person is known to a request: `(kind, how many, how many of
    /// them proved)`. Read from the blind index: nothing is opened.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn identifier_kinds(&self, id: RequestId) -> Result<Vec<(String, u64, u64)>, Error> {
        let number = |n: i64| u64::try_from(n).unwrap_or(0);
        let sql = "SELECT kind, count(*), count(CASE WHEN drives = 1 THEN 1 END) FROM tag WHERE request_id = $1 GROUP BY kind ORDER BY kind";
        let found = self.database.rows(sql, &[Cell::from(id.bytes())]).await?;
        found.iter().map(|r| Ok((r.text(0)?, number(r.int(1)?), number(r.int(2)?)))).collect()
    }

    /// The exchanges that carried a task, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn exchanges(&self, task: TaskId) -> Result<Vec<ExchangeView>, Error> {
        let sql = "SELECT orders FROM task WHERE id = $1";
        let found = self.database.rows(sql, &[Cell::from(task.bytes())]).await?;
        let orders = found.first().map(|r| r.opt_bytes(0)).transpose()?.flatten();
        let (orders, _) = orders.as_deref().unwrap_or_default().as_chunks::<16>();
        let found = self
            .database
            .rows_by_batch(
                "SELECT e.order_id, e.account, e.at, e.status, e.body FROM (VALUES {rows}) AS x CROSS JOIN exchange e ON e.order_id = x.column1 ORDER BY e.id",
                "SELECT e.order_id, e.account, e.at, e.status, e.body FROM unnest($1::bytea[]) AS x(id) JOIN exchange e ON e.order_id = x.id ORDER BY e.id",
                &Batch::ids(orders),
            )
            .await?;
        found
            .iter()
            .map(|r| {
                Ok(ExchangeView {
                    order: r
                        .opt_bytes(0)?
                        .and_then(|b| uuid::Uuid::from_slice(&b).ok())
                        .map(OrderId),
                    account: r.text(1)?,
                    at: Timestamp::from_millis(r.int(2)?),
                    status: r.opt_int(3)?,
                    detail: decode_row("exchange", &r.text(4)?)?,
                })
            })
            .collect()
    }

    /// Counts by state, each from its own query.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn counts(&self) -> Result<Counts, Error> {
        let number = |n: i64| u64::try_from(n).unwrap_or(0);
        let mut counts = Counts::default();
        for row in &self
            .database
            .rows("SELECT state, count(*) FROM request GROUP BY state ORDER BY state", &[])
            .await?
        {
            counts.requests.push((row.text(0)?, number(row.int(1)?)));
        }
        for row in &self.database.rows("SELECT account, state, count(*) FROM task GROUP BY account, state ORDER BY account, state", &[]).await? {
            counts.tasks.push((row.text(0)?, row.text(1)?, number(row.int(2)?)));
        }
        if let Some(row) = self
            .database
            .rows("SELECT count(*) FROM desk WHERE closed_at IS NULL", &[])
            .await?
            .first()
        {
            counts.desk = number(row.int(0)?);
        }
        Ok(counts)
    }

    /// Settled tasks by account, action, outcome word and evidence word, with how many.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn outcomes(&self) -> Result<Vec<(String, String, String, String, u64)>, Error> {
        let found = self.database.rows("SELECT account, action, body, evidence, count(*) FROM task WHERE state = 'settled' GROUP BY account, action, body, evidence ORDER BY account, action, body", &[]).await?;
        let mut out: Vec<(String, String, String, String, u64)> = vec![];
        for row in &found {
            let state: efface_core::task::TaskState = decode_row("task state", &row.text(2)?)?;
            let action: efface_core::TaskAction = row
                .text(1)?
                .parse()
                .map_err(|e: efface_core::action::UnknownWord| Error::corrupt("task action", e))?;
            let efface_core::task::TaskState::Settled { outcome, evidence } = state else {
                continue;
            };
            let key = (
                row.text(0)?,
                action.word().to_owned(),
                outcome.word(action).to_owned(),
                evidence.word().to_owned(),
            );
            let count = u64::try_from(row.int(4)?).unwrap_or(0);
            match out
                .iter_mut()
                .find(|o| (&o.0, &o.1, &o.2, &o.3) == (&key.0, &key.1, &key.2, &key.3))
            {
                Some(known) => known.4 += count,
                None => out.push((key.0, key.1, key.2, key.3, count)),
            }
        }
        Ok(out)
    }

    /// How many requests are over, and how many open, by two separate queries.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn closed_and_open(&self) -> Result<(u64, u64), Error> {
        let one = |rows: Vec<crate::hot::Returned>| -> Result<u64, Error> {
            rows.first().map_or(Ok(0), |r| Ok(u64::try_from(r.int(0)?).unwrap_or(0)))
        };
        let closed = one(self.database.rows("SELECT count(*) FROM request WHERE state IN ('closed', 'denied', 'cancelled', 'expired', 'duplicate')", &[]).await?)?;
        let open = one(self.database.rows("SELECT count(*) FROM request WHERE state IN ('received', 'identified', 'released', 'running')", &[]).await?)?;
        Ok((closed, open))
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        self.database.orm().execute_unprepared("SELECT 1").await?;
        Ok(())
    }

    /// Whether any worker holds a lane now, and which.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn lanes_held(&self) -> Result<Vec<(String, String)>, Error> {
        let leases = self.leases().await?;
        Ok(leases.into_iter().map(|(lane, owner, _)| (lane, owner)).collect())
    }

    /// The lanes that are leased now: `(lane, owner, until)`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn leases(&self) -> Result<Vec<(String, String, Timestamp)>, Error> {
        let sql = if self.database.is_postgres() {
            "SELECT name, owner, lease_until FROM lane WHERE owner IS NOT NULL AND lease_until > (extract(epoch FROM clock_timestamp()) * 1000)::int8 ORDER BY name"
        } else {
            "SELECT name, owner, lease_until FROM lane WHERE owner IS NOT NULL AND lease_until > CAST(unixepoch('subsec') * 1000 AS INTEGER) ORDER BY name"
        };
        let found = self.database.rows(sql, &[]).await?;
        let one = |r: &crate::hot::Returned| {
            Ok((r.text(0)?, r.text(1)?, Timestamp::from_millis(r.int(2)?)))
        };
        found.iter().map(one).collect()
    }
}

/// Whether a state word is one a request can have.
#[must_use]
pub fn is_request_state(word: &str) -> bool {
    RequestState::WORDS.contains(&word)
}
