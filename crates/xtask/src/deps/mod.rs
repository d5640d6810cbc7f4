//! Who may import whom: the manifests against the table.

mod manifest;
mod rules;
mod table;

use anyhow::{Context as _, Result};

use crate::finding;
use crate::tree::{Tree, matches};

pub use manifest::Manifest;

/// Where the packages of the workspace are.
const MEMBERS: [&str; 4] =
    ["crates/*/Cargo.toml", "connectors/*/Cargo.toml", "migrations/Cargo.toml", "tests/Cargo.toml"];

pub fn run() -> Result<()> {
    let tree = Tree::of_the_workspace()?;
    let root = read(&tree, "Cargo.toml")?;
    let mut findings = rules::of_the_root(&root);
    for manifest in members(&tree)? {
        findings.extend(rules::of_a_member(&manifest));
    }
    finding::report("deps", findings)
}

pub fn members(tree: &Tree) -> Result<Vec<Manifest>> {
    tree.paths()
        .filter(|path| MEMBERS.iter().any(|pattern| matches(pattern, path)))
        .map(|path| read(tree, path))
        .collect()
}

fn read(tree: &Tree, path: &str) -> Result<Manifest> {
    let text = tree.text(path).with_context(|| format!("cannot read {path}"))?;
    Manifest::parse(path, text)
}
