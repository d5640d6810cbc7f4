//! One `Cargo.toml`, as far as the rules look into it.

use anyhow::{Context as _, Result};
use toml::{Table, Value};

pub struct Manifest {
    pub path: String,
    pub name: String,
    text: String,
    table: Table,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Also build-dependencies and those of one platform.
    Normal,
    Dev,
}

pub struct Dependency {
    pub name: String,
    pub kind: Kind,
    pub features: Vec<String>,
    pub line: usize,
}

impl Manifest {
    pub fn parse(path: &str, text: String) -> Result<Self> {
        let table: Table = text.parse().with_context(|| format!("cannot read {path}"))?;
        let name =
            table.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
        let name = name.unwrap_or_default().to_owned();
        Ok(Self { path: path.to_owned(), name, text, table })
    }

    /// The folder the manifest lies in, from the root.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    pub fn dependencies(&self) -> Vec<Dependency> {
        let mut found = self.section(&self.table);
        let targets = self.table.get("target").and_then(Value::as_table);
        for target in targets.into_iter().flat_map(Table::values).filter_map(Value::as_table) {
            found.extend(self.section(target));
        }
        found
    }

    /// What `[workspace.dependencies]` offers to all.
    pub fn shared_dependencies(&self) -> Vec<Dependency> {
        let workspace = self.table.get("workspace").and_then(Value::as_table);
        workspace.map(|workspace| self.section(workspace)).unwrap_or_default()
    }

    pub fn features(&self) -> Vec<(&str, Vec<&str>)> {
        let features = self.table.get("features").and_then(Value::as_table);
        let strings =
            |value| Value::as_array(value).into_iter().flatten().filter_map(Value::as_str);
        features
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), strings(value).collect()))
            .collect()
    }

    /// `[section] key = true`?
    pub fn says(&self, section: &str, key: &str) -> Option<bool> {
        self.table.get(section)?.get(key)?.as_bool()
    }

    /// The first line that starts with this word.
    pub fn line_of(&self, word: &str) -> usize {
        let starts = |line: &str| {
            line.trim_start().strip_prefix(word).is_some_and(|rest| {
                !rest.starts_with(|sign: char| {
                    sign.is_ascii_alphanumeric() || sign == '-' || sign == '_'
                })
            })
        };
        (1..).zip(self.text.lines()).find(|(_, line)| starts(line)).map_or(1, |(number, _)| number)
    }

    fn section(&self, table: &Table) -> Vec<Dependency> {
        let sections = [
            ("dependencies", Kind::Normal),
            ("build-dependencies", Kind::Normal),
            ("dev-dependencies", Kind::Dev),
        ];
        let mut found = Vec::new();
        for (section, kind) in sections {
            for (key, value) in table.get(section).and_then(Value::as_table).into_iter().flatten() {
                let name = value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned();
                let features = value.get("features").and_then(Value::as_array);
                let features = features.into_iter().flatten().filter_map(Value::as_str);
                let features = features.map(str::to_owned).collect();
                found.push(Dependency { name, kind, features, line: self.line_of(key) });
            }
        }
        found
    }
}
