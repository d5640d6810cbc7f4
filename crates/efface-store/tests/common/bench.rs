//! Where a case runs: a temporary SQLite file or a fresh PostgreSQL database; and the runner of a
//! table of cases.

use std::{pin::Pin, sync::Arc};

use efface_store::Directory;
use efface_testkit::postgres::TempPostgres;
use futures::{StreamExt, stream};
use tempfile::TempDir;

use super::{World, directory};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// A database of the case's own.
#[derive(Clone)]
pub struct Bench {
    pub kind: Kind,
    pub url: String,
    pub folder: Arc<TempDir>,
}

impl Bench {
    pub fn new(kind: Kind) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("folder"));
        let url = match kind {
            Kind::Sqlite => format!("sqlite://{}", folder.path().join("t.db").display()),
            Kind::Postgres => {
                TempPostgres::shared().expect("PostgreSQL").create_database().expect("database")
            }
        };
        Self { kind, url, folder }
    }

    pub fn is_postgres(&self) -> bool {
        self.kind == Kind::Postgres
    }

    /// Every account live.
    pub async fn world(self) -> World {
        World::open(self, directory(), true).await
    }

    /// Accounts as they begin: in observe.
    pub async fn observing(self) -> World {
        World::open(self, directory(), false).await
    }

    pub async fn world_with(self, directory: Directory) -> World {
        World::open(self, directory, true).await
    }
}

/// A sentence and what proves it.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub run: fn(Bench) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Runs only the sentences that hold this text.
const ONLY: &str = "EFFACE_ONLY";

/// Runs every case in a database of its own and names all that do not hold.
pub async fn check_all(kind: Kind, cases: &[Case]) {
    #[expect(clippy::disallowed_methods, reason = "a developer picks sentences")]
    let only = std::env::var(ONLY).unwrap_or_default();
    let chosen: Vec<Case> = cases.iter().filter(|c| c.name.contains(&only)).copied().collect();
    let broken: Vec<&str> = stream::iter(chosen)
        .map(|case| async move {
            let bench = tokio::task::spawn_blocking(move || Bench::new(kind)).await.expect("bench");
            let held = tokio::spawn((case.run)(bench)).await.is_ok();
            if !held {
                eprintln!("^ {}", case.name);
            }
            (case.name, held)
        })
        .buffer_unordered(4)
        .filter_map(|(name, held)| async move { (!held).then_some(name) })
        .collect()
        .await;
    let sentences: Vec<String> = broken.iter().map(|name| name.replace('_', " ")).collect();
    assert!(
        broken.is_empty(),
        "{} of {} do not hold on {kind:?}:\n  {}",
        broken.len(),
        cases.len(),
        sentences.join("\n  ")
    );
}

/// The table: `module: sentence, sentence;`
#[macro_export]
macro_rules! cases {
    ($($module:ident: $($name:ident),+ $(,)?;)+) => {
        &[$($($crate::common::bench::Case {
            name: stringify!($name),
            run: |bench| Box::pin($module::$name(bench)),
        }),+),+]
    };
}
