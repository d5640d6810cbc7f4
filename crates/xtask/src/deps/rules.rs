//! What a manifest must and must not say.

use super::manifest::{Dependency, Kind, Manifest};
use super::table::{KEPT_OUT, MAY_FAKE, allows, row_of};
use crate::finding::Finding;
use crate::tree::matches;

const TABLE: &str = "crates/xtask/src/deps/table.rs";
const FAKE: &str = "fake";

/// A feature turned on for all would be on for those who may not.
pub fn of_the_root(root: &Manifest) -> Vec<Finding> {
    let faked = |dependency: &&Dependency| is_ours(&dependency.name) && turns_fake_on(dependency);
    root.shared_dependencies()
        .iter()
        .filter(faked)
        .map(|dependency| {
            Finding::new(
                &root.path,
                dependency.line,
                format!("turns on the fakes of {} for everybody", dependency.name),
                "turn the feature on in the crate that needs it",
            )
        })
        .collect()
}

pub fn of_a_member(manifest: &Manifest) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |line: usize, wrong: String, fix: &str| {
        found.push(Finding::new(&manifest.path, line, wrong, fix));
    };
    let name = manifest.name.as_str();
    if name != expected_name(manifest.folder()) {
        let wrong = format!("the package in {} is called `{name}`", manifest.folder());
        say(
            manifest.line_of("name"),
            wrong,
            &format!("call it `{}`", expected_name(manifest.folder())),
        );
    }
    if manifest.says("lints", "workspace") != Some(true) {
        say(
            1,
            "does not take the workspace's lints".into(),
            "add `[lints]` with `workspace = true`",
        );
    }
    if matches("efface-connector-*", name) {
        for key in ["test", "doctest"] {
            if manifest.says("lib", key) != Some(false) {
                let fix = format!(
                    "add `{key} = false` under `[lib]`: the registry's one test binary runs it"
                );
                say(1, format!("links a `{key}` binary of its own"), &fix);
            }
        }
    }
    let Some(row) = row_of(name) else {
        say(
            1,
            format!("`{name}` is not in the import table"),
            &format!("give it a row in {TABLE}"),
        );
        return found;
    };
    for dependency in manifest.dependencies() {
        let to = dependency.name.as_str();
        if is_ours(to) {
            let in_tests = dependency.kind == Kind::Dev && allows(row.in_tests, to);
            if !allows(row.imports, to) && !in_tests {
                let place = if dependency.kind == Kind::Dev { " in tests" } else { "" };
                let wrong = format!("{name} may not import {to}{place}");
                say(
                    dependency.line,
                    wrong,
                    &format!("go through what it may import; the table is {TABLE}"),
                );
            }
            if turns_fake_on(&dependency) && !MAY_FAKE.contains(&name) {
                let wrong = format!("{name} may not turn on the fakes of {to}");
                say(dependency.line, wrong, "leave the feature to the crates that play with fakes");
            }
        }
        for (who, what, why) in KEPT_OUT {
            if matches(who, name) && dependency.kind == Kind::Normal && what.contains(&to) {
                say(dependency.line, format!("{name} may not use {to}"), why);
            }
        }
    }
    for (feature, parts) in manifest.features() {
        let its_own = feature == FAKE && matches("efface-connector-*", name);
        for part in parts.iter().filter(|part| part.ends_with("/fake")) {
            if !its_own && !MAY_FAKE.contains(&name) {
                let wrong = format!("{name}'s feature `{feature}` turns on `{part}`");
                say(
                    manifest.line_of(feature),
                    wrong,
                    "leave it to the crates that play with fakes",
                );
            }
        }
    }
    found
}

fn is_ours(package: &str) -> bool {
    package.starts_with("efface-") || package == "xtask"
}

fn turns_fake_on(dependency: &Dependency) -> bool {
    dependency.features.iter().any(|feature| feature == FAKE)
}

fn expected_name(folder: &str) -> String {
    match folder.split_once('/') {
        Some(("connectors", id)) => format!("efface-connector-{id}"),
        Some((_, name)) => name.to_owned(),
        None => format!("efface-{folder}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, name: &str, rest: &str, expected: &[&str]) {
        let text = format!("[package]\nname = \"{name}\"\n{rest}");
        let manifest = Manifest::parse(path, text).unwrap();
        let found = of_a_member(&manifest);
        let wrongs: Vec<&str> = found.iter().map(|finding| finding.wrong.as_str()).collect();
        assert_eq!(wrongs, expected, "{path}:\n{rest}");
    }

    #[test]
    fn edges_are_those_of_the_table() {
        const LINTS: &str = "[lints]\nworkspace = true\n";
        for (package, rest, expected) in [
            ("efface-worker", "[dependencies]\nefface-store.workspace = true\n", vec![]),
            (
                "efface-worker",
                "[dependencies]\nefface-api.workspace = true\n",
                vec!["efface-worker may not import efface-api"],
            ),
            ("efface-worker", "[dev-dependencies]\nefface-testkit.workspace = true\n", vec![]),
            (
                "efface-worker",
                "[dependencies]\nefface-testkit.workspace = true\n",
                vec!["efface-worker may not import efface-testkit"],
            ),
            (
                "efface-core",
                "[dev-dependencies]\nefface-testkit.workspace = true\n",
                vec!["efface-core may not import efface-testkit in tests"],
            ),
            (
                "efface-api",
                "[dependencies]\nother = { package = \"efface-vault\", path = \"x\" }\n",
                vec!["efface-api may not import efface-vault"],
            ),
            (
                "efface-api",
                "[build-dependencies]\nefface-vault = { path = \"x\" }\n",
                vec!["efface-api may not import efface-vault"],
            ),
            (
                "efface-api",
                "[target.'cfg(unix)'.dependencies]\nefface-vault = { path = \"x\" }\n",
                vec!["efface-api may not import efface-vault"],
            ),
            (
                "efface-core",
                "[dependencies]\ntokio.workspace = true\n",
                vec!["efface-core may not use tokio"],
            ),
            (
                "efface-worker",
                "[dependencies]\nefface-connector = { workspace = true, features = [\"fake\"] }\n",
                vec!["efface-worker may not turn on the fakes of efface-connector"],
            ),
            (
                "efface-testkit",
                "[dependencies]\nefface-connector = { workspace = true, features = [\"fake\"] }\n",
                vec![],
            ),
            (
                "efface-worker",
                "[features]\nplay = [\"efface-connector/fake\"]\n",
                vec!["efface-worker's feature `play` turns on `efface-connector/fake`"],
            ),
            ("efface-new", "", vec!["`efface-new` is not in the import table"]),
        ] {
            check(
                &format!("crates/{package}/Cargo.toml"),
                package,
                &format!("{LINTS}{rest}"),
                &expected,
            );
        }
    }

    #[test]
    fn a_manifest_takes_the_lints_and_the_name_of_its_folder() {
        const WHOLE: &str = "[lints]\nworkspace = true\n[lib]\ntest = false\ndoctest = false\n";
        check(
            "crates/efface-core/Cargo.toml",
            "efface-core",
            "",
            &["does not take the workspace's lints"],
        );
        check("tests/Cargo.toml", "efface-tests", WHOLE, &[]);
        check(
            "connectors/acme/Cargo.toml",
            "efface-connector-acme",
            &format!("{WHOLE}[features]\nfake = [\"efface-connector/fake\"]\n"),
            &[],
        );
        check(
            "connectors/acme/Cargo.toml",
            "efface-connector-other",
            WHOLE,
            &["the package in connectors/acme is called `efface-connector-other`"],
        );
        check(
            "connectors/acme/Cargo.toml",
            "efface-connector-acme",
            "[lints]\nworkspace = true\n[lib]\ntest = false\n",
            &["links a `doctest` binary of its own"],
        );
    }

    #[test]
    fn the_root_turns_no_fake_on_and_a_finding_names_its_line() {
        for (features, expected) in [("", vec![]), (", features = [\"fake\"]", vec![3])] {
            let text = format!(
                "[workspace]\n[workspace.dependencies]\nefface-connector = {{ path = \"x\"{features} }}\n"
            );
            let root = Manifest::parse("Cargo.toml", text).unwrap();
            let lines: Vec<usize> = of_the_root(&root).iter().map(|finding| finding.line).collect();
            assert_eq!(lines, expected);
        }
    }
}
