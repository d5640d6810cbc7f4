//! The import table. What is not in it is not allowed.

use crate::tree::matches;

/// Which of our packages one package (or one kind of package, by pattern) may name.
pub struct Row {
    pub package: &'static str,
    pub imports: &'static [&'static str],
    /// In tests, beside the above.
    pub in_tests: &'static [&'static str],
}

const fn row(
    package: &'static str,
    imports: &'static [&'static str],
    in_tests: &'static [&'static str],
) -> Row {
    Row { package, imports, in_tests }
}

const VENDORS: &str = "efface-connector-*";
const EVERYTHING: &[&str] = &["efface-*"];
const KIT: &[&str] = &["efface-testkit"];

pub const TABLE: &[Row] = &[
    row("efface-core", &[], &[]),
    row("efface-connector", &["efface-core"], &[]),
    row(VENDORS, &["efface-connector"], KIT),
    row("efface-registry", &["efface-connector", VENDORS], KIT),
    row("efface-migrations", &[], &[]),
    row("efface-vault", &["efface-core"], &[]),
    row("efface-ledger", &["efface-core"], &[]),
    row(
        "efface-store",
        &["efface-core", "efface-vault", "efface-ledger", "efface-migrations"],
        KIT,
    ),
    row("efface-settings", &["efface-core"], &[]),
    row("efface-worker", &["efface-core", "efface-connector", "efface-store"], KIT),
    row(
        "efface-api",
        &["efface-core", "efface-store", "efface-ledger"],
        &["efface-testkit", "efface-vault"],
    ),
    row("efface-console", &["efface-core", "efface-store", "efface-ledger"], KIT),
    row("efface-cli", EVERYTHING, &[]),
    row(
        "efface-testkit",
        &["efface-core", "efface-connector", "efface-store", "efface-vault"],
        &[],
    ),
    row("efface-tests", EVERYTHING, &[]),
    row("xtask", &[], &[]),
];

/// Who may turn on the feature that holds the fakes; a vendor may do so within its own `fake`.
pub const MAY_FAKE: &[&str] = &["efface-cli", "efface-testkit", "efface-registry", "efface-tests"];

/// Packages of the wider world that a room keeps out, and why.
pub const KEPT_OUT: &[(&str, &[&str], &str)] = &[
    (
        "efface-core",
        &["tokio", "sea-orm", "sqlx", "reqwest", "tracing", "log", "rand", "getrandom"],
        "the rules are pure: no runtime, database, network, log or chance",
    ),
    (
        "efface-ledger",
        &["tokio", "sea-orm", "sqlx", "reqwest", "tracing", "log", "rand", "getrandom"],
        "a stranger verifies with it: no runtime, database, network, log or chance",
    ),
    ("efface-store", &["reqwest", "hyper"], "the memory talks to no vendor"),
    (
        VENDORS,
        &["reqwest", "hyper", "tracing", "log", "sea-orm", "sqlx", "rand", "getrandom"],
        "the contract lends the clients, and the worker logs",
    ),
];

pub fn row_of(package: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| matches(row.package, package))
}

pub fn allows(list: &[&str], package: &str) -> bool {
    list.iter().any(|pattern| matches(pattern, package))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_answers_for_each_kind_of_package() {
        for (from, to, expected) in [
            ("efface-core", "efface-connector", false),
            ("efface-connector", "efface-core", true),
            ("efface-connector-acme", "efface-connector", true),
            ("efface-connector-acme", "efface-core", false),
            ("efface-connector-acme", "efface-connector-other", false),
            ("efface-registry", "efface-connector-acme", true),
            ("efface-store", "efface-connector", false),
            ("efface-worker", "efface-registry", false),
            ("efface-api", "efface-worker", false),
            ("efface-worker", "efface-settings", false),
            ("efface-cli", "efface-settings", true),
            ("efface-testkit", "efface-vault", true),
            ("efface-tests", "efface-connector-acme", true),
            ("xtask", "efface-core", false),
        ] {
            let row = row_of(from).unwrap();
            assert_eq!(allows(row.imports, to), expected, "{from} imports {to}");
        }
        assert!(row_of("efface-unheard-of").is_none());
    }
}
