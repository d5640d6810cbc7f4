//! Every vendor against the suite that all share, and against its own checks.

use efface_connector::fake::Check;
use efface_registry::{CHECKS, PLUGINS};
use efface_testkit::conformance::{Report, suite, table};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("runtime")
}

#[test]
fn every_vendor_keeps_every_sentence() {
    let reports: Vec<Report> = runtime().block_on(async {
        let running: Vec<_> =
            PLUGINS.iter().map(|plugin| (plugin.id, tokio::spawn(suite(plugin)))).collect();
        let mut reports = vec![];
        for (id, task) in running {
            let report = task.await;
            reports.push(report.unwrap_or_else(|panic| Report::broken(id, panic.to_string())));
        }
        reports
    });
    println!("{}", table(&reports));
    let failures: Vec<String> = reports.iter().flat_map(Report::failures).collect();
    assert!(failures.is_empty(), "{} sentences broken:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_vendor_passes_its_own_checks() {
    let broken: Vec<String> = runtime().block_on(async {
        let mut broken = vec![];
        for (id, checks) in CHECKS {
            let checks = checks();
            assert!(!checks.is_empty(), "{id} has no checks of its own");
            for Check { name, run } in checks {
                if let Err(why) = run().await {
                    broken.push(format!("{id}: {name}: {why}"));
                }
            }
        }
        broken
    });
    assert!(broken.is_empty(), "{} checks broken:\n{}", broken.len(), broken.join("\n"));
}
