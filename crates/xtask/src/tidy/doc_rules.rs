//! A map that names what is not there misleads: paths in the code map exist.

use crate::finding::Finding;
use crate::tree::Tree;

const MAP: &str = "crates/ARCHITECTURE.md";
/// What makes a word with a slash a path of ours even if its first part is unknown.
const ENDINGS: [&str; 8] = [".rs", ".toml", ".md", ".json", ".sql", ".html", ".yml", ".yaml"];

pub fn named_paths(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(MAP) else { return Vec::new() };
    let first_parts = [tree.folders_in("crates"), top_folders(tree)].concat();
    let mut found = Vec::new();
    for (number, path) in paths_in(&text, &first_parts) {
        if !exists(tree, &path) && !exists(tree, &format!("crates/{path}")) {
            found.push(Finding::new(
                MAP,
                number,
                format!("names a path that does not exist: {path}"),
                "name where it went, or take it off the map",
            ));
        }
    }
    found
}

fn exists(tree: &Tree, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    tree.has(path) || tree.has_folder(path) || tree.root().join(path).is_dir()
}

fn top_folders(tree: &Tree) -> Vec<&str> {
    let mut names: Vec<&str> =
        tree.paths().filter_map(|path| path.split_once('/')).map(|(name, _)| name).collect();
    names.dedup();
    names
}

/// Backticked words that mean a file or folder here; blocks of code are left out.
fn paths_in(text: &str, first_parts: &[&str]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            let spans = line.split('`').skip(1).step_by(2);
            found.extend(
                spans.filter_map(|span| as_path(span, first_parts)).map(|path| (number, path)),
            );
        }
    }
    found
}

fn as_path(span: &str, first_parts: &[&str]) -> Option<String> {
    // `file.rs:12` names a line of the file.
    let path = match span.rsplit_once(':') {
        Some((path, line)) if line.parse::<u32>().is_ok() => path,
        Some(_) | None => span,
    };
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "_-./".contains(sign);
    let (first, _) = path.split_once('/')?;
    let ours = first_parts.contains(&first) || ENDINGS.iter().any(|ending| path.ends_with(ending));
    (ours && !first.is_empty() && path.chars().all(plain)).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn backticked_paths_are_told_from_other_words() {
        let first_parts = ["crates", "efface-core", "config"];
        for (text, expected) in [
            ("see `crates/efface-core/src/task.rs`", vec!["crates/efface-core/src/task.rs"]),
            (
                "`efface-core/src/` and `config/efface.toml`",
                vec!["efface-core/src/", "config/efface.toml"],
            ),
            ("`crates/a.rs:12`", vec!["crates/a.rs"]),
            ("`gone/file.rs`", vec!["gone/file.rs"]),
            ("crates/without/ticks", vec![]),
            ("`application/json`, `and/or`, `GET /v1/x`", vec![]),
            ("`connectors/<id>/src`, `crates/*`, `crates/{a,b}`", vec![]),
            ("`/absolute/file.rs`", vec![]),
            ("```\n`crates/in/code.rs`\n```\n`crates/after.rs`", vec!["crates/after.rs"]),
        ] {
            let found: Vec<String> =
                paths_in(text, &first_parts).into_iter().map(|(_, path)| path).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_path_counts_from_the_root_or_from_the_map() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("crates/a/src")).unwrap();
        fs::write(folder.path().join("crates/a/src/lib.rs"), "").unwrap();
        let map = "`crates/a/src/lib.rs` `a/src/lib.rs` `a/src/`\n`a/src/gone.rs`";
        fs::write(folder.path().join(MAP), map).unwrap();
        let found = named_paths(&Tree::walk(folder.path()).unwrap());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].wrong.contains("a/src/gone.rs")), (2, true));
    }
}
