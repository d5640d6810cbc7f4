//! A vendor is a folder: always the same files, and its name nowhere else.

use super::data::{ONE_VENDOR_NAME, VENDOR_FILES, VENDOR_NAMES, excepted};
use crate::finding::Finding;
use crate::tree::{Tree, matches};

/// A vendor's id as a string literal belongs in its own folder. Comments may name it.
pub fn names_at_home(path: &str, text: &str, vendors: &[&str]) -> Vec<Finding> {
    if excepted(VENDOR_NAMES, path) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for vendor in vendors {
        if path.starts_with(&format!("connectors/{vendor}/")) || allowed_here(path, vendor) {
            continue;
        }
        let literal = format!("\"{vendor}\"");
        for (number, line) in (1..).zip(text.lines()) {
            if line.contains(&literal) && !line.trim_start().starts_with("//") {
                found.push(Finding::new(
                    path,
                    number,
                    format!("the vendor id {literal} outside connectors/{vendor}"),
                    "ask the manifest or the settings for what differs between vendors",
                ));
            }
        }
    }
    found
}

fn allowed_here(path: &str, vendor: &str) -> bool {
    ONE_VENDOR_NAME.iter().any(|(id, place)| *id == vendor && matches(place.pattern, path))
}

pub fn file_set(tree: &Tree, vendor: &str) -> Vec<Finding> {
    let folder = format!("connectors/{vendor}");
    let lacks = |what: &str| {
        Finding::new(
            &folder,
            1,
            format!("lacks {what}"),
            "write it: every vendor's folder holds the same files",
        )
    };
    let mut found: Vec<Finding> = VENDOR_FILES
        .iter()
        .filter(|(_, paths)| !paths.iter().any(|path| tree.has(&format!("{folder}/{path}"))))
        .map(|(what, _)| lacks(what))
        .collect();
    let golden = format!("{folder}/golden/");
    if !tree.paths().any(|path| path.starts_with(&golden) && path.ends_with(".json")) {
        found.push(lacks("golden/*.json"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_vendors_name_lives_in_its_folder() {
        let vendors = ["acme", "segment"];
        for (path, line, expected) in [
            ("crates/efface-store/src/a.rs", "if id == \"acme\" {", 1),
            ("crates/efface-store/src/a.rs", "(\"acme\", \"segment\")", 2),
            ("crates/efface-store/src/a.rs", "// as \"acme\" does", 0),
            ("crates/efface-store/src/a.rs", "\"acme corporation\"", 0),
            ("connectors/acme/src/lib.rs", "id: \"acme\"", 0),
            ("connectors/other/src/lib.rs", "id: \"acme\"", 1),
            ("tests/src/story.rs", "\"acme\"", 0),
            ("crates/efface-api/tests/api.rs", "\"acme\"", 0),
            ("crates/efface-cli/src/demo.rs", "\"acme\"", 0),
            ("crates/efface-cli/src/demo/story.rs", "\"acme\"", 0),
            ("crates/efface-cli/src/main.rs", "\"acme\"", 1),
            ("crates/efface-api/src/segment/regulations.rs", "\"segment\"", 0),
            ("crates/efface-api/src/segment/regulations.rs", "\"acme\"", 1),
        ] {
            assert_eq!(names_at_home(path, line, &vendors).len(), expected, "{path}: {line}");
        }
    }

    #[test]
    fn a_folder_holds_the_whole_set() {
        const ALL: [&str; 9] = [
            "Cargo.toml",
            "README.md",
            "settings.example.toml",
            "golden/accepted.json",
            "src/lib.rs",
            "src/settings.rs",
            "src/connector.rs",
            "src/wire.rs",
            "src/fake.rs",
        ];
        for (without, instead, expected) in [
            (None, None, vec![]),
            (Some("README.md"), None, vec!["lacks README.md"]),
            (Some("golden/accepted.json"), Some("golden/notes.md"), vec!["lacks golden/*.json"]),
            (Some("src/wire.rs"), None, vec!["lacks src/wire.rs"]),
            (Some("src/wire.rs"), Some("src/wire/mod.rs"), vec![]),
            (Some("src/fake.rs"), Some("src/fake/mod.rs"), vec![]),
            (Some("src/fake.rs"), Some("src/fake/server.rs"), vec!["lacks src/fake.rs"]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            for path in ALL.into_iter().filter(|path| Some(*path) != without).chain(instead) {
                let full = folder.path().join("connectors/acme").join(path);
                fs::create_dir_all(full.parent().unwrap()).unwrap();
                fs::write(full, "").unwrap();
            }
            let found = file_set(&Tree::walk(folder.path()).unwrap(), "acme");
            let wrongs: Vec<&str> = found.iter().map(|finding| finding.wrong.as_str()).collect();
            assert_eq!(wrongs, expected, "without {without:?}, with {instead:?}");
        }
    }
}
