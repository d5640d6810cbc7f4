//! What a rule found: where, what is wrong, what to do.

use std::fmt;

use anyhow::{Result, bail};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Printed, and no more.
    Warning,
    Failure,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    /// From 1; a rule about a whole file or folder says 1.
    pub line: usize,
    pub wrong: String,
    pub fix: String,
    pub weight: Weight,
}

impl Finding {
    pub fn new(path: &str, line: usize, wrong: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            wrong: wrong.into(),
            fix: fix.into(),
            weight: Weight::Failure,
        }
    }

    pub fn into_warning(mut self) -> Self {
        self.weight = Weight::Warning;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.weight {
            Weight::Warning => "warning: ",
            Weight::Failure => "",
        };
        write!(f, "{}:{}: {prefix}{} — {}", self.path, self.line, self.wrong, self.fix)
    }
}

/// Prints all of them, in the order of the tree, and fails if one weighs enough.
pub fn report(rules: &str, mut findings: Vec<Finding>) -> Result<()> {
    findings.sort_by(|a, b| (&a.path, a.line, &a.wrong).cmp(&(&b.path, b.line, &b.wrong)));
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.iter().filter(|finding| finding.weight == Weight::Failure).count() {
        0 => {
            eprintln!("{rules}: clean");
            Ok(())
        }
        1 => bail!("{rules}: 1 finding"),
        many => bail!("{rules}: {many} findings"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_place_fault_and_remedy() {
        let finding = Finding::new("a/b.rs", 3, "no docs", "write them");
        assert_eq!(finding.to_string(), "a/b.rs:3: no docs — write them");
        assert_eq!(finding.into_warning().to_string(), "a/b.rs:3: warning: no docs — write them");
    }

    #[test]
    fn only_failures_fail() {
        let finding = || Finding::new("a", 1, "w", "f");
        for (findings, expected) in [
            (vec![], None),
            (vec![finding().into_warning()], None),
            (vec![finding(), finding().into_warning()], Some("rules: 1 finding")),
            (vec![finding(), finding()], Some("rules: 2 findings")),
        ] {
            let said = report("rules", findings).err().map(|error| error.to_string());
            assert_eq!(said.as_deref(), expected);
        }
    }
}
