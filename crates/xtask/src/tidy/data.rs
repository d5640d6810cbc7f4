//! The exceptions, each with its reason, and the lists the rules work from.

use crate::finding::Finding;
use crate::tree::{Tree, matches};

/// Above this a file asks whether it is two.
pub const LONG: usize = 400;
/// Above this it is.
pub const TOO_LONG: usize = 600;

/// A place where a rule does not hold.
pub struct Exception {
    /// As in `tree::matches`.
    pub pattern: &'static str,
    pub reason: &'static str,
}

/// Files that may be longer than [`TOO_LONG`].
pub const LONG_FILES: &[Exception] = &[];

/// Where any vendor may be named.
pub const VENDOR_NAMES: &[Exception] = &[
    Exception {
        pattern: "config/**",
        reason: "settings and demo accounts name the vendors they set up",
    },
    Exception {
        pattern: "tests/**",
        reason: "whole-system scenarios play with real vendors' fakes",
    },
    Exception {
        pattern: "crates/*/tests/**",
        reason: "tests from outside a crate may play with a vendor's fake",
    },
    Exception {
        pattern: "crates/efface-cli/src/demo**",
        reason: "the demo's story is told with named vendors",
    },
    Exception { pattern: "docs/**", reason: "examples in documentation" },
    Exception {
        pattern: "crates/xtask/src/tidy/**",
        reason: "the rule itself has to name what it looks for",
    },
];

/// Where one vendor's name has a meaning of its own.
pub const ONE_VENDOR_NAME: &[(&str, Exception)] = &[(
    "segment",
    Exception {
        pattern: "crates/efface-api/src/segment**",
        reason: "the façade speaks the dialect that is called so",
    },
)];

/// Text files that may name a folder of a machine.
pub const MACHINE_PATHS: &[Exception] = &[];

/// Folders that exist on somebody's machine only.
pub const MACHINE_FOLDERS: &[&str] =
    &[concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/")];

/// What marks work that is not done, and what to do about it.
pub const UNFINISHED: &[(&str, &str)] = &[
    (concat!("todo", "!("), "write it, or return an error that says so"),
    (concat!("unimplemented", "!("), "write it, or return an error that says so"),
    (concat!("#[igno", "re"), "a test that is not run is not a test: mend it or remove it"),
];

/// What each vendor's folder holds, in the words of the finding; any of the paths will do.
pub const VENDOR_FILES: &[(&str, &[&str])] = &[
    ("Cargo.toml", &["Cargo.toml"]),
    ("README.md", &["README.md"]),
    ("settings.example.toml", &["settings.example.toml"]),
    ("src/lib.rs", &["src/lib.rs"]),
    ("src/settings.rs", &["src/settings.rs"]),
    ("src/connector.rs", &["src/connector.rs"]),
    ("src/wire.rs", &["src/wire.rs", "src/wire/mod.rs"]),
    ("src/fake.rs", &["src/fake.rs", "src/fake/mod.rs"]),
];

/// An exception for one file that is no longer there would hide the next file of that name.
pub fn idle_exceptions(tree: &Tree) -> Vec<Finding> {
    let idle = |exception: &&Exception| !tree.paths().any(|path| matches(exception.pattern, path));
    LONG_FILES
        .iter()
        .chain(MACHINE_PATHS)
        .filter(idle)
        .map(|exception| {
            let wrong = format!(
                "the exception for {} ({}) meets no file",
                exception.pattern, exception.reason
            );
            Finding::new("crates/xtask/src/tidy/data.rs", 1, wrong, "take it out")
        })
        .collect()
}

pub fn excepted(exceptions: &[Exception], path: &str) -> bool {
    exceptions.iter().any(|exception| matches(exception.pattern, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exception_says_why() {
        let all = LONG_FILES.iter().chain(VENDOR_NAMES).chain(MACHINE_PATHS);
        for exception in all.chain(ONE_VENDOR_NAME.iter().map(|(_, exception)| exception)) {
            assert!(exception.reason.len() > 10, "{}", exception.pattern);
        }
    }
}
