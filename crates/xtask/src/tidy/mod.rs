//! The rules of the source tree that no compiler knows.

mod data;
mod doc_rules;
mod text_rules;
mod vendor_rules;

use anyhow::Result;

use crate::finding::{self, Finding};
use crate::tree::Tree;

#[cfg(test)]
pub use vendor_rules::file_set;

pub fn run() -> Result<()> {
    finding::report("tidy", findings(&Tree::of_the_workspace()?))
}

fn findings(tree: &Tree) -> Vec<Finding> {
    let vendors = tree.folders_in("connectors");
    let mut found = Vec::new();
    for path in tree.paths() {
        let Some(text) = tree.text(path) else { continue };
        found.extend(text_rules::machine_paths(path, &text));
        if path.ends_with(".rs") {
            found.extend(text_rules::module_docs(path, &text));
            found.extend(text_rules::length(path, &text));
            found.extend(text_rules::unfinished(path, &text));
            found.extend(vendor_rules::names_at_home(path, &text, &vendors));
        }
    }
    for vendor in &vendors {
        found.extend(vendor_rules::file_set(tree, vendor));
    }
    found.extend(doc_rules::named_paths(tree));
    found.extend(data::idle_exceptions(tree));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_tree_with_one_fault_of_each_kind_tells_them_all() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("crates/ARCHITECTURE.md", "See `crates/gone/src/lib.rs`.".to_owned()),
            ("crates/a/src/lib.rs", "fn a() { b(\"acme\") }".to_owned()),
            ("crates/a/src/b.rs", format!("//! b\nfn b() {{ {} }}", concat!("todo", "!()"))),
            ("connectors/acme/Cargo.toml", format!("# made in {}x", concat!("/ro", "ot/"))),
        ] {
            let full = folder.path().join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, text).unwrap();
        }
        let found = findings(&Tree::walk(folder.path()).unwrap());
        for wrong in [
            "names a path that does not exist",
            "does not start with module docs",
            "the vendor id \"acme\" outside",
            "unfinished",
            "names a folder of one machine",
            "lacks README.md",
        ] {
            assert!(
                found.iter().any(|finding| finding.wrong.contains(wrong)),
                "{wrong}: {found:#?}"
            );
        }
    }
}
