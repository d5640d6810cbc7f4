//! Checked-in files that are made from the code, and the check that they still are.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::{shell, tree};

struct Generator {
    package: &'static str,
    example: &'static str,
    /// Where the example's source lies; without it there is nothing to generate yet.
    source: &'static str,
    target: Target,
}

enum Target {
    /// The part of a document between its markers.
    Block {
        document: &'static str,
        name: &'static str,
    },
    WholeFile(&'static str),
}

const GENERATORS: &[Generator] = &[
    Generator {
        package: "efface-core",
        example: "state_diagrams",
        source: "crates/efface-core/examples/state_diagrams.rs",
        target: Target::Block { document: "crates/ARCHITECTURE.md", name: "state-diagrams" },
    },
    Generator {
        package: "efface-api",
        example: "openapi",
        source: "crates/efface-api/examples/openapi.rs",
        target: Target::WholeFile("crates/efface-api/openapi.json"),
    },
];

pub fn run(check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for generator in GENERATORS {
        if !tree::root().join(generator.source).is_file() {
            eprintln!(
                "generate: skipped `{}`, for there is no {}",
                generator.example, generator.source
            );
            continue;
        }
        let mut command = shell::cargo();
        command.args([
            "run",
            "--quiet",
            "--package",
            generator.package,
            "--example",
            generator.example,
        ]);
        let made = shell::answer(&mut command)?;
        let (path, old, new) = generator.target.with(&made)?;
        if old == new {
            eprintln!("generate: {path} is as the code says");
        } else if check {
            eprintln!(
                "{path}:{}: is not as the code says — run `cargo xtask generate`",
                first_difference(&old, &new)
            );
            stale.push(path);
        } else {
            fs::write(tree::root().join(path), new)
                .with_context(|| format!("cannot write {path}"))?;
            eprintln!("generate: wrote {path}");
        }
    }
    if !stale.is_empty() {
        bail!("generate: stale {}", stale.join(", "));
    }
    Ok(())
}

impl Target {
    /// The file, its text now, and its text with what was made.
    fn with(&self, made: &str) -> Result<(&'static str, String, String)> {
        match self {
            Self::Block { document, name } => {
                let old = fs::read_to_string(tree::root().join(document)).with_context(|| {
                    format!("cannot read {document}, which holds the block `{name}`")
                })?;
                let new = with_block(&old, name, made).with_context(|| format!("in {document}"))?;
                Ok((document, old, new))
            }
            Self::WholeFile(path) => {
                // A file that is not there is one that is stale.
                let old = fs::read_to_string(tree::root().join(path)).unwrap_or_default();
                Ok((path, old, format!("{}\n", made.trim_end())))
            }
        }
    }
}

fn with_block(document: &str, name: &str, made: &str) -> Result<String> {
    let (open, close) = (format!("<!-- generated: {name} -->"), "<!-- /generated -->");
    let (before, rest) =
        document.split_once(&open).with_context(|| format!("there is no line `{open}`"))?;
    let (_, after) =
        rest.split_once(close).with_context(|| format!("`{open}` is not closed by `{close}`"))?;
    Ok(format!("{before}{open}\n{}\n{close}{after}", made.trim()))
}

fn first_difference(old: &str, new: &str) -> usize {
    1 + old.lines().zip(new.lines()).take_while(|(old, new)| old == new).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_block_is_replaced() {
        let document = "# A\n<!-- generated: x -->\nold\n<!-- /generated -->\ntext\n<!-- generated: y -->\nkept\n<!-- /generated -->\n";
        let once = with_block(document, "x", "\nnew\nlines\n\n").unwrap();
        assert_eq!(
            once,
            "# A\n<!-- generated: x -->\nnew\nlines\n<!-- /generated -->\ntext\n<!-- generated: y -->\nkept\n<!-- /generated -->\n"
        );
        assert_eq!(with_block(&once, "x", "new\nlines").unwrap(), once, "twice is once");
        assert_eq!(first_difference(document, &once), 3);
    }

    #[test]
    fn a_document_without_its_markers_is_refused() {
        for document in [
            "",
            "<!-- generated: other --><!-- /generated -->",
            "<!-- generated: x --> never closed",
        ] {
            assert!(with_block(document, "x", "new").is_err(), "{document}");
        }
    }
}
