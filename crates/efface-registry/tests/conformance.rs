//! Every vendor against the suite that all share, and against its own checks.
//!
//! `cargo test -p efface-registry --test conformance mailchimp -- --nocapture` prints one vendor's
//! table.

use efface_connector::fake::Check;
use efface_registry::{CHECKS, find};
use efface_testkit::conformance::{suite, table};

/// The tests of one vendor.
macro_rules! vendor {
    ($name:ident, $id:literal) => {
        mod $name {
            #[test]
            fn keeps_every_sentence() {
                super::keeps_every_sentence($id);
            }

            #[test]
            fn passes_its_own_checks() {
                super::passes_its_own_checks($id);
            }
        }
    };
}

include!(concat!(env!("OUT_DIR"), "/tests.rs"));

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime")
}

fn keeps_every_sentence(id: &str) {
    let plugin = find(id).expect("a vendor of the list");
    let report = runtime().block_on(suite(plugin));
    println!("{}", table(std::slice::from_ref(&report)));
    let failures = report.failures();
    assert!(failures.is_empty(), "{} sentences broken:\n{}", failures.len(), failures.join("\n"));
}

fn passes_its_own_checks(id: &str) {
    let (_, checks) = CHECKS.iter().find(|(vendor, _)| *vendor == id).expect("a vendor's checks");
    let checks = checks();
    assert!(!checks.is_empty(), "{id} has no checks of its own");
    let mut broken = vec![];
    for Check { name, run } in checks {
        println!("{name}");
        if let Err(why) = runtime().block_on(run()) {
            broken.push(format!("{id}: {name}: {why}"));
        }
    }
    assert!(broken.is_empty(), "{} checks broken:\n{}", broken.len(), broken.join("\n"));
}
