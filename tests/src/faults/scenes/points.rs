//! Crash points: a build that ends itself, as if its plug were pulled, at a named point of the work;
//! before and after each commit, and between a vendor's answer and its record.

use std::{
    process::{Command, ExitStatus},
    sync::Arc,
    time::Duration,
};

use efface_core::{AccountId, Scope, outside::Clock as _};
use efface_store::ErrandKind;
use tokio::sync::OnceCell;

use crate::{
    dice::Dice,
    faults::{Figures, Setting, Stage, Ways, stage::LOOK, variant},
    world::{WallClock, stopwatch},
};

/// Where the worker may end.
const POINTS: &[&str] = &[
    "order-before-commit",
    "order-after-commit",
    "answer-read",
    "record-before-commit",
    "record-after-commit",
    "poll-before-commit",
    "poll-after-commit",
    "checkpoint-before-signing",
    "checkpoint-signed",
    "checkpoint-kept-outside",
    "errand-asked",
    "scan-page-read",
    "scan-page-written",
];
/// Ends at one point, one stage.
const ENDS: usize = 3;
/// How long a life may take to its point; some have none left.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn play(setting: Setting) -> Figures {
    static BUILT: OnceCell<Arc<std::path::PathBuf>> = OnceCell::const_new();
    let program = BUILT
        .get_or_init(async || {
            Arc::new(tokio::task::block_in_place(|| variant::build("crash-points")))
        })
        .await;
    assert!(variant::holds_crash_points(program), "the build has no crash points");
    let setting = Setting { efface: program.to_path_buf(), ..setting };
    let mut figures = intake(&setting).await;
    for (n, point) in POINTS.iter().enumerate() {
        if setting.time_is_up() {
            figures.note(format!("no time for {point} and what follows"));
            break;
        }
        let ended = run(&setting, point, setting.seed_of(n)).await;
        assert!(ended.trials > 0, "{point} is never passed");
        figures.note(format!("{point}: {}", ended.trials));
        figures.add(ended);
    }
    figures
}

async fn run(setting: &Setting, point: &str, seed: u64) -> Figures {
    let mut figures = Figures::default();
    let mut dice = Dice::new(seed);
    let ways = Ways { people: 30, people_per_call: 2, ..Ways::default() };
    let mut stage = Stage::build(setting, ways).await;
    let store = stage.store().await;
    let peek = stage.peek().await;
    let account = AccountId::new(&stage.vendors.all[0].vendor).expect("name");
    for _ in 0..ENDS {
        if point == "errand-asked" {
            store.send_errand(&account, &ErrandKind::Probe, &[]).await.expect("an errand");
        }
        if point.starts_with("scan") {
            let kind = ErrandKind::Scan { scope: Scope::AllProcessing, by: "test".into() };
            store.send_errand(&account, &kind, &[]).await.expect("an errand");
        }
        let passes = match point {
            p if ["checkpoint", "errand", "scan"].iter().any(|word| p.starts_with(word)) => 0,
            _ => dice.between(0, 8),
        };
        let armed = [
            ("FAILPOINTS", format!("{point}={passes}*off->return")),
            ("EFFACE__LEDGER__CHECKPOINT_LEAVES", "20".to_owned()),
        ];
        let mut worker = stage.worker_with(1, &armed);
        let begun = stopwatch();
        let ended = loop {
            if worker.ended().is_some() {
                break true;
            }
            if stopwatch() - begun > PATIENCE || peek.moving(WallClock.now().millis()).await == 0 {
                break false;
            }
            tokio::time::sleep(LOOK).await;
        };
        if ended {
            figures.trials += 1;
        } else {
            figures.missed += 1;
            break;
        }
    }
    stage.finish(vec![], &mut figures).await;
    figures
}

/// Whoever files ends before or after the commit: the request is not there, or whole.
async fn intake(setting: &Setting) -> Figures {
    let mut figures = Figures::default();
    let stage = Stage::build(setting, Ways { people: 2, ..Ways::default() }).await;
    let peek = stage.peek().await;
    for n in 0..ENDS {
        for (point, kept) in [("intake-before-commit", 0), ("intake-after-commit", 1)] {
            let before = peek.request_count().await;
            let who = format!("{point}-{n}@example.com");
            let filed = file(setting, &stage, &who, Some(point));
            assert!(!filed.success(), "{point} is never passed");
            assert_eq!(peek.request_count().await, before + kept, "{point}");
            if kept == 0 {
                assert!(file(setting, &stage, &who, None).success(), "it can be filed again");
                assert_eq!(peek.request_count().await, before + 1);
            }
            figures.trials += 1;
        }
    }
    figures.note(format!("intake: {}", figures.trials));
    figures
}

fn file(setting: &Setting, stage: &Stage, who: &str, point: Option<&str>) -> ExitStatus {
    let mut command = Command::new(&setting.efface);
    command.args(["request", "file", "--action", "erase", "--proof", "account login", "--email"]);
    command.arg(who).arg("--config").arg(&stage.home.settings);
    if let Some(point) = point {
        command.env("FAILPOINTS", format!("{point}=return"));
    }
    command.output().expect("efface runs").status
}
