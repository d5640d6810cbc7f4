//! A copy of the database while it is at work, and putting it back after a loss.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use efface_core::{OrderId, order::Order};
use efface_testkit::postgres::{Binaries, TempPostgres};

use super::{Database, Stage, stage::sqlite_in};
use crate::peek::Peek;

/// The copy.
pub struct Backup {
    database: Database,
    file: PathBuf,
}

impl Backup {
    /// As somebody makes it beside the work: `VACUUM INTO`, or `pg_dump`.
    pub async fn take(stage: &Stage, database: Database, name: &str) -> Self {
        let file = stage.folder().join(name);
        match database {
            Database::Sqlite => stage.peek().await.copy_to(&file).await,
            Database::Postgresql => {
                tool("pg_dump", &["-Fc", "-f"], &file, &["-d", &stage.url]);
            }
        }
        Self { database, file }
    }

    /// Puts it in the place of a database on which nobody works any more. What vendors saw and the copy
    /// does not know is remembered for the oracle.
    pub async fn put_back(&self, stage: &mut Stage) {
        let lost = stage.peek().await.orders().await;
        match self.database {
            Database::Sqlite => {
                let there = sqlite_in(stage.folder());
                let there = PathBuf::from(there.trim_start_matches("sqlite://"));
                for ending in ["", "-wal", "-shm"] {
                    let mut part = there.clone().into_os_string();
                    part.push(ending);
                    // the last to leave may have cleared up
                    let _ = std::fs::remove_file(part);
                }
                std::fs::copy(&self.file, there).expect("a copy");
            }
            Database::Postgresql => {
                let (server, name) = stage.url.rsplit_once('/').expect("a database's name");
                assert!(!name.contains('?') && !server.is_empty(), "{}", stage.url);
                let cluster = TempPostgres::shared().expect("PostgreSQL");
                let all = Peek::at(cluster.url()).await;
                all.execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
                all.execute(&format!("CREATE DATABASE {name}")).await;
                tool("pg_restore", &["-d", &stage.url], &self.file, &[]);
            }
        }
        let kept = stage.peek().await.orders().await;
        stage.lost_orders.extend(beyond(lost, &kept));
    }
}

fn tool(name: &str, before: &[&str], file: &Path, after: &[&str]) {
    let program = Binaries::find().expect("PostgreSQL").folder.join(name);
    let done = Command::new(program).args(before).arg(file).args(after).output();
    let done = done.expect("the tool runs");
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Orders that are not among those kept, and those that were repeated oftener.
fn beyond(lost: Vec<Order>, kept: &[Order]) -> Vec<Order> {
    let kept: BTreeMap<OrderId, u32> = kept.iter().map(|o| (o.id, o.repeats)).collect();
    let more = |order: Order| match kept.get(&order.id) {
        None => Some(order),
        Some(repeats) => {
            let oftener = order.repeats.saturating_sub(*repeats).checked_sub(1)?;
            Some(Order { repeats: oftener, ..order })
        }
    };
    lost.into_iter().filter_map(more).collect()
}
