//! Rules that look at one file's text.

use super::data::{
    LONG, LONG_FILES, MACHINE_FOLDERS, MACHINE_PATHS, TOO_LONG, UNFINISHED, excepted,
};
use crate::finding::Finding;

pub fn module_docs(path: &str, text: &str) -> Option<Finding> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    (!first.starts_with("//!")).then(|| {
        Finding::new(
            path,
            1,
            "does not start with module docs",
            "say in a `//!` line what the module is for",
        )
    })
}

pub fn length(path: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    if lines <= LONG || excepted(LONG_FILES, path) {
        return None;
    }
    let wrong = format!("{lines} lines");
    if lines > TOO_LONG {
        return Some(Finding::new(
            path,
            lines,
            wrong,
            format!("split it: {TOO_LONG} is the limit"),
        ));
    }
    Some(Finding::new(path, lines, wrong, "see whether it is two files").into_warning())
}

pub fn unfinished(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for (sign, fix) in UNFINISHED {
            if line.contains(sign) {
                found.push(Finding::new(path, number, format!("unfinished: `{sign}`"), *fix));
            }
        }
    }
    found
}

pub fn machine_paths(path: &str, text: &str) -> Vec<Finding> {
    if excepted(MACHINE_PATHS, path) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(folder) = MACHINE_FOLDERS.iter().find(|folder| starts_a_path(line, folder)) {
            found.push(Finding::new(
                path,
                number,
                format!("names a folder of one machine: {folder}"),
                "name it from the root of the repository, or not at all",
            ));
        }
    }
    found
}

/// `a/x/` and `https://host/x/` are not the folder `/x/`.
fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|sign| sign.is_alphanumeric() || "._-/}>*)".contains(sign))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Weight;

    #[test]
    fn a_module_starts_with_docs() {
        for (text, expected) in [
            ("//! What it is for.\n", true),
            ("\n\n//! What it is for.\nuse x;", true),
            ("use x;\n//! too late", false),
            ("/// docs of the next item", false),
            ("// SPDX\n//! docs", false),
            ("", false),
        ] {
            assert_eq!(module_docs("a.rs", text).is_none(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_long_file_is_warned_of_and_a_longer_one_refused() {
        for (lines, expected) in [
            (LONG, None),
            (LONG + 1, Some(Weight::Warning)),
            (TOO_LONG, Some(Weight::Warning)),
            (TOO_LONG + 1, Some(Weight::Failure)),
        ] {
            assert_eq!(length("a.rs", &"x\n".repeat(lines)).map(|f| f.weight), expected, "{lines}");
        }
    }

    #[test]
    fn what_is_not_done_is_found_with_its_line() {
        for (line, expected) in [
            (concat!("    todo", "!()"), 1),
            (concat!("unimplemented", "!(\"later\")"), 1),
            (concat!("#[igno", "re = \"slow\"]"), 1),
            ("// to do: nothing", 0),
            ("let todos = 1;", 0),
        ] {
            let found = unfinished("a.rs", &format!("//! a\n{line}\n"));
            assert_eq!(found.len(), expected, "{line}");
            assert!(found.iter().all(|finding| finding.line == 2));
        }
    }

    #[test]
    fn a_folder_of_one_machine_is_found_and_a_part_of_a_path_is_not() {
        for folder in MACHINE_FOLDERS {
            for (line, expected) in [
                (format!("see {folder}notes"), 1),
                (format!("\"{folder}notes\""), 1),
                (format!("{folder}notes and {folder}more"), 1),
                (format!("https://example.com{folder}item"), 0),
                (format!("crates{folder}item"), 0),
                (format!("..{folder}item"), 0),
                (format!("{{base}}{folder}item"), 0),
            ] {
                assert_eq!(machine_paths("a.md", &line).len(), expected, "{line}");
            }
        }
    }
}
