//! The files of the workspace, as the rules see them: paths from the root with `/`, and their text.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};

use crate::shell;

/// Larger files are data, not something people wrote.
const LARGEST_TEXT: u64 = 2 * 1024 * 1024;
const NOT_OURS: [&str; 3] = ["target", ".git", "node_modules"];

pub struct Tree {
    root: PathBuf,
    paths: Vec<String>,
}

/// The workspace this program was built in.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

impl Tree {
    /// What git knows or would add; without git, all there is but build output.
    pub fn of_the_workspace() -> Result<Self> {
        match from_git() {
            Some(paths) => Ok(Self::new(root().to_owned(), paths)),
            None => Self::walk(root()),
        }
    }

    pub fn walk(root: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        collect(root, "", &mut paths)?;
        Ok(Self::new(root.to_owned(), paths))
    }

    fn new(root: PathBuf, mut paths: Vec<String>) -> Self {
        paths.retain(|path| root.join(path).is_file());
        paths.sort();
        paths.dedup();
        Self { root, paths }
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn has(&self, path: &str) -> bool {
        self.paths.binary_search_by(|known| known.as_str().cmp(path)).is_ok()
    }

    /// Is there a file below this folder?
    pub fn has_folder(&self, path: &str) -> bool {
        self.paths().any(|known| known.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    }

    /// The folder names directly below `parent`.
    pub fn folders_in(&self, parent: &str) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .paths()
            .filter_map(|path| path.strip_prefix(parent)?.strip_prefix('/')?.split_once('/'))
            .map(|(name, _)| name)
            .collect();
        names.dedup();
        names
    }

    /// None for what is not text.
    pub fn text(&self, path: &str) -> Option<String> {
        let full = self.root.join(path);
        if fs::metadata(&full).ok()?.len() > LARGEST_TEXT {
            return None;
        }
        let text = fs::read_to_string(full).ok()?;
        (!text.contains('\0')).then_some(text)
    }
}

fn from_git() -> Option<Vec<String>> {
    let output = shell::program("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn collect(folder: &Path, prefix: &str, paths: &mut Vec<String>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            if !NOT_OURS.contains(&name.as_str()) {
                collect(&entry.path(), &format!("{path}/"), paths)?;
            }
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

/// `*` stands for anything within one name, `**` for anything at all.
pub fn matches(pattern: &str, path: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == path };
    let Some(rest) = path.strip_prefix(before) else { return false };
    let (after, across) = after.strip_prefix('*').map_or((after, false), |after| (after, true));
    for (at, _) in rest.char_indices().chain([(rest.len(), ' ')]) {
        if !across && rest[..at].contains('/') {
            return false;
        }
        if matches(after, &rest[at..]) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_within_a_name_or_across() {
        for (pattern, path, expected) in [
            ("a/b.rs", "a/b.rs", true),
            ("a/b.rs", "a/b.rs2", false),
            ("a/*.rs", "a/b.rs", true),
            ("a/*.rs", "a/b/c.rs", false),
            ("a/**", "a/b/c.rs", true),
            ("a/**", "ab/c.rs", false),
            ("crates/*/tests/**", "crates/x/tests/y/z.rs", true),
            ("crates/*/tests/**", "crates/x/src/tests.rs", false),
            ("src/demo*", "src/demo.rs", true),
            ("src/demo*", "src/demo/a.rs", false),
            ("src/demo**", "src/demo/a.rs", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn a_walk_leaves_out_build_output() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a/x/one.rs", "a/y/two.rs", "target/debug/no.rs", ".git/HEAD", "top.md"] {
            let full = folder.path().join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, "text").unwrap();
        }
        let tree = Tree::walk(folder.path()).unwrap();
        assert_eq!(tree.paths().collect::<Vec<_>>(), ["a/x/one.rs", "a/y/two.rs", "top.md"]);
        assert_eq!(tree.folders_in("a"), ["x", "y"]);
        assert!(tree.has("top.md") && !tree.has("a"));
        assert!(tree.has_folder("a/x") && !tree.has_folder("a/z"));
        assert_eq!(tree.text("top.md").as_deref(), Some("text"));
    }
}
