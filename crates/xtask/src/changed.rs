//! Which packages differ from the last commit.

use anyhow::Result;

use crate::deps::Manifest;
use crate::shell;

/// Files whose change shows in another package's tests.
const SHOWS_IN: &[(&str, &str)] = &[
    // Vendor crates have no test binary: the registry runs conformance for all of them.
    ("connectors/", "efface-registry"),
    ("migrations/", "efface-store"),
    ("config/", "efface-settings"),
    ("crates/xtask/templates/", "xtask"),
];

/// Files of no package that bear on all of them.
const EVERYWHERE: [&str; 2] = ["Cargo.toml", "Cargo.lock"];

#[derive(Debug, PartialEq, Eq)]
pub struct Changed {
    pub packages: Vec<String>,
    pub everywhere: bool,
}

pub fn since_head(members: &[Manifest]) -> Result<Changed> {
    let has_head = shell::succeeds(shell::program("git").args(["rev-parse", "--verify", "HEAD"]));
    let mut paths = if has_head {
        lines_of(&["diff", "--name-only", "--no-renames", "--relative", "HEAD"])?
    } else {
        lines_of(&["ls-files", "--cached"])?
    };
    paths.extend(lines_of(&["ls-files", "--others", "--exclude-standard"])?);
    let folders: Vec<(&str, &str)> =
        members.iter().map(|member| (member.folder(), member.name.as_str())).collect();
    Ok(touched(&paths, &folders))
}

fn lines_of(arguments: &[&str]) -> Result<Vec<String>> {
    let answer = shell::answer(shell::program("git").args(arguments))?;
    Ok(answer.lines().map(str::to_owned).collect())
}

fn touched(paths: &[String], members: &[(&str, &str)]) -> Changed {
    let mut packages = Vec::new();
    for path in paths {
        let home = members
            .iter()
            .filter(|(folder, _)| {
                path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
            })
            .max_by_key(|(folder, _)| folder.len());
        packages.extend(home.map(|(_, name)| (*name).to_owned()));
        for (prefix, package) in SHOWS_IN {
            if path.starts_with(prefix) && members.iter().any(|(_, name)| name == package) {
                packages.push((*package).to_owned());
            }
        }
    }
    packages.sort();
    packages.dedup();
    let everywhere = paths.iter().any(|path| EVERYWHERE.contains(&path.as_str()));
    Changed { packages, everywhere }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_its_package_and_to_those_it_shows_in() {
        let members = [
            ("crates/efface-core", "efface-core"),
            ("crates/efface-store", "efface-store"),
            ("crates/efface-registry", "efface-registry"),
            ("connectors/acme", "efface-connector-acme"),
            ("migrations", "efface-migrations"),
            ("tests", "efface-tests"),
        ];
        for (paths, packages, everywhere) in [
            (
                vec!["crates/efface-core/src/lib.rs", "crates/efface-core/Cargo.toml"],
                vec!["efface-core"],
                false,
            ),
            (vec!["crates/efface-core2/src/lib.rs", "README.md"], vec![], false),
            (
                vec!["connectors/acme/golden/a.json"],
                vec!["efface-connector-acme", "efface-registry"],
                false,
            ),
            (vec!["migrations/src/lib.rs"], vec!["efface-migrations", "efface-store"], false),
            (vec!["config/efface.toml"], vec![], false),
            (vec!["Cargo.lock", "tests/src/lib.rs"], vec!["efface-tests"], true),
        ] {
            let owned: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            let packages = packages.into_iter().map(str::to_owned).collect();
            assert_eq!(touched(&owned, &members), Changed { packages, everywhere }, "{paths:?}");
        }
    }
}
