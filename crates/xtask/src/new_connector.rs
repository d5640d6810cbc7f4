//! `new-connector`: a vendor's folder from the template, and its one line in the registry.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::tree;

const REGISTRY: &str = "crates/efface-registry/Cargo.toml";
const FIRST: &str = "# -- vendors: one line each --";
const LAST: &str = "# -- end of vendors --";

macro_rules! template {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../templates/connector/", $path, ".tmpl")))),+]
    };
}

/// The fixed file set, by the path in the vendor's folder.
const TEMPLATE: &[(&str, &str)] = template![
    "Cargo.toml",
    "README.md",
    "settings.example.toml",
    "golden/accepted.json",
    "src/lib.rs",
    "src/settings.rs",
    "src/wire.rs",
    "src/connector.rs",
    "src/fake.rs",
];

pub fn run(id: &str) -> Result<()> {
    create(tree::root(), id)?;
    eprintln!("wrote connectors/{id} and its line in {REGISTRY}");
    eprintln!("next: fill the manifest from the vendor's documentation, then `cargo xtask check`");
    Ok(())
}

/// Nothing is written before everything is known to fit.
fn create(root: &Path, id: &str) -> Result<()> {
    validate(id)?;
    let folder = root.join("connectors").join(id);
    ensure!(!folder.exists(), "connectors/{id} is there already");
    let registry = root.join(REGISTRY);
    let manifest =
        fs::read_to_string(&registry).with_context(|| format!("cannot read {REGISTRY}"))?;
    let manifest = with_line(&manifest, id).with_context(|| format!("in {REGISTRY}"))?;
    for (path, template) in TEMPLATE {
        let full = folder.join(path);
        let parent = full.parent().unwrap_or(&folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&full, rendered(template, id)))
            .with_context(|| format!("cannot write connectors/{id}/{path}"))?;
    }
    fs::write(&registry, manifest).with_context(|| format!("cannot write {REGISTRY}"))
}

fn validate(id: &str) -> Result<()> {
    let word = |word: &str| {
        !word.is_empty()
            && word.chars().all(|sign| sign.is_ascii_lowercase() || sign.is_ascii_digit())
    };
    let fits = id.split('-').all(word) && id.starts_with(|sign: char| sign.is_ascii_lowercase());
    ensure!(
        fits && (2..=40).contains(&id.len()),
        "`{id}` cannot be a vendor's id: it takes 2 to 40 lower-case letters and digits, in words joined by single hyphens, and starts with a letter"
    );
    Ok(())
}

fn rendered(template: &str, id: &str) -> String {
    template.replace("{{id}}", id).replace("{{Title}}", &title(id))
}

fn title(id: &str) -> String {
    let words = id.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The registry's manifest with the vendor's line at its place in the alphabet.
fn with_line(manifest: &str, id: &str) -> Result<String> {
    let line = format!("efface-connector-{id} = {{ path = \"../../connectors/{id}\" }}");
    let mut lines: Vec<&str> = manifest.lines().collect();
    let place = |mark: &str| lines.iter().position(|line| line.trim() == mark);
    let first = place(FIRST).with_context(|| format!("there is no line `{FIRST}`"))?;
    let last = place(LAST).filter(|last| *last > first);
    let last = last.with_context(|| format!("`{FIRST}` is not followed by `{LAST}`"))?;
    let name = |line: &str| line.split([' ', '=', '.']).next().unwrap_or_default().to_owned();
    let new = name(&line);
    let vendors = &lines[first + 1..last];
    if vendors.iter().any(|line| name(line) == new) {
        bail!("there is a line for {new} already");
    }
    let at = vendors.iter().position(|line| name(line) > new).unwrap_or(vendors.len());
    lines.insert(first + 1 + at, &line);
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy;
    use crate::tree::Tree;

    #[test]
    fn ids_are_plain_words() {
        for (id, expected) in [
            ("acme", true),
            ("acme-ads", true),
            ("ac4", true),
            ("a", false),
            ("4ga", false),
            ("Acme", false),
            ("acme_ads", false),
            ("acme--ads", false),
            ("-ads", false),
            ("ads-", false),
            ("../ads", false),
            ("", false),
        ] {
            assert_eq!(validate(id).is_ok(), expected, "{id}");
        }
    }

    #[test]
    fn the_line_stands_at_its_place_in_the_alphabet() {
        let manifest =
            |vendors: &str| format!("[dependencies]\n{FIRST}\n{vendors}{LAST}\nserde = \"1\"\n");
        let line =
            |id: &str| format!("efface-connector-{id} = {{ path = \"../../connectors/{id}\" }}\n");
        for (before, id, after) in [
            (vec![], "m", vec!["m"]),
            (vec!["b", "x"], "m", vec!["b", "m", "x"]),
            (vec!["b"], "a", vec!["a", "b"]),
            (vec!["b"], "c", vec!["b", "c"]),
            (vec!["acme"], "acme-ads", vec!["acme", "acme-ads"]),
        ] {
            let lines = |ids: &[&str]| ids.iter().map(|id| line(id)).collect::<String>();
            assert_eq!(
                with_line(&manifest(&lines(&before)), id).unwrap(),
                manifest(&lines(&after)),
                "{id}"
            );
        }
        assert!(with_line(&manifest(&line("m")), "m").is_err());
        assert!(with_line("[dependencies]\n", "m").is_err());
        assert!(with_line(&format!("{LAST}\n{FIRST}\n"), "m").is_err());
    }

    #[test]
    fn a_new_folder_is_complete_and_leaves_no_placeholder() {
        let root = tempfile::tempdir().unwrap();
        let registry = root.path().join(REGISTRY);
        fs::create_dir_all(registry.parent().unwrap()).unwrap();
        fs::write(&registry, format!("[dependencies]\n{FIRST}\n{LAST}\n")).unwrap();

        create(root.path(), "acme-ads").unwrap();

        let tree = Tree::walk(root.path()).unwrap();
        assert_eq!(tidy::file_set(&tree, "acme-ads"), []);
        let mut titles = 0;
        for path in tree.paths() {
            let text = tree.text(path).unwrap();
            assert!(!text.contains("{{id}}") && !text.contains("{{Title}}"), "{path}: {text}");
            assert!(!path.ends_with(".rs") || text.starts_with("//!"), "{path}");
            assert!(!path.ends_with(".toml") || text.parse::<toml::Table>().is_ok(), "{path}");
            titles += text.matches("Acme Ads").count();
        }
        assert!(titles > 0);
        assert!(fs::read_to_string(&registry).unwrap().contains("connectors/acme-ads"));
        assert!(create(root.path(), "acme-ads").is_err(), "a second time");
    }
}
