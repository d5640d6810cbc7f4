//! The three sources, read and laid over each other.
//!
//! The merging is the `config` crate's. Beside it a map remembers which source
//! gave each path, down to the line, so that a problem can point at it.

use crate::error::Error;
use crate::schema::{Field, Kind};
use crate::{DEFAULT_FILE, Settings};
use config::{Map, Source, Value, ValueKind};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// What every variable that is a setting begins with.
pub(crate) const PREFIX: &str = "EFFACE__";
/// The origin of what the baked-in file gives.
pub(crate) const BUILT_IN: &str = "the built-in defaults";

/// The merged sources, not yet checked.
pub(crate) struct Layers {
    /// All sources merged.
    pub(crate) merged: toml::Table,
    /// The defaults alone, to fall back on while collecting problems.
    pub(crate) defaults: toml::Table,
    /// Path → file and line, or variable.
    pub(crate) origins: BTreeMap<String, String>,
    /// Variables that begin like settings and name none.
    pub(crate) stray: Vec<String>,
}

impl Layers {
    pub(crate) fn read(
        path: Option<&Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let mut origins = BTreeMap::new();
        let defaults = parse(DEFAULT_FILE, BUILT_IN, &mut origins, |_| BUILT_IN.to_owned())?;
        let file = match path {
            None => toml::Table::new(),
            Some(path) => {
                let text = read(path)?;
                let name = path.display().to_string();
                parse(&text, &name, &mut origins, |line| format!("{name}, line {line}"))?
            }
        };
        let mut stray = Vec::new();
        let variables = variables(environment, &file, &mut origins, &mut stray);
        let merged = config::Config::builder()
            .add_source(Layer(defaults.clone()))
            .add_source(Layer(file))
            .add_source(Layer(variables))
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(Error::Merge)?;
        Ok(Self { merged, defaults, origins, stray })
    }
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|cause| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        match cause.kind() {
            std::io::ErrorKind::NotFound => Error::NoFile { path },
            _ => Error::Unreadable { path, cause },
        }
    })
}

fn parse(
    text: &str,
    name: &str,
    origins: &mut BTreeMap<String, String>,
    origin: impl Fn(usize) -> String,
) -> Result<toml::Table, Error> {
    let refused = |e: toml::de::Error| {
        let at = e.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |n| n + 1);
        Error::Syntax {
            file: name.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: e.message().to_owned(),
        }
    };
    let spanned = DeTable::parse(text).map_err(refused)?;
    let line = |at: usize| text.get(..at).unwrap_or_default().matches('\n').count() + 1;
    note(spanned.get_ref(), "", origins, &|at| origin(line(at)));
    toml::from_str(text).map_err(refused)
}

fn note(
    table: &DeTable<'_>,
    above: &str,
    origins: &mut BTreeMap<String, String>,
    origin: &dyn Fn(usize) -> String,
) {
    for (key, value) in table {
        let path = join(above, key.get_ref());
        origins.insert(path.clone(), origin(key.span().start));
        if let DeValue::Table(inner) = value.get_ref() {
            note(inner, &path, origins, origin);
        }
    }
}

/// `above.key`
pub(crate) fn join(above: &str, key: &str) -> String {
    if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") }
}

/// The variables as a table, each value in the type its setting has.
fn variables(
    environment: &BTreeMap<String, String>,
    file: &toml::Table,
    origins: &mut BTreeMap<String, String>,
    stray: &mut Vec<String>,
) -> toml::Table {
    let mut table = toml::Table::new();
    for (variable, text) in environment {
        let Some(rest) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        let mut parts: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
        if parts.iter().any(String::is_empty) {
            stray.push(variable.clone());
            continue;
        }
        let kind = find(Settings::FIELDS, &mut parts);
        let value = typed(kind, text, at(file, &parts));
        if put(&mut table, &parts, value).is_none() {
            stray.push(variable.clone());
            continue;
        }
        for depth in 1..parts.len() {
            let path = parts[..depth].join(".");
            origins.entry(path).or_insert_with(|| variable.clone());
        }
        origins.insert(parts.join("."), variable.clone());
    }
    table
}

/// Finds the kind of setting the parts name, and writes ids as ids.
fn find(fields: &[Field], parts: &mut [String]) -> Option<Kind> {
    let (first, rest) = parts.split_first_mut()?;
    let kind = fields.iter().find(|f| f.name == first)?.kind;
    match kind {
        Kind::Section(inner) => find(inner, rest),
        Kind::Each(inner, _) => {
            let (id, rest) = rest.split_first_mut()?;
            *id = id.replace('_', "-");
            find(inner, rest)
        }
        Kind::Named(..) => {
            let name = rest.first_mut()?;
            *name = name.replace('_', "-");
            Some(kind)
        }
        Kind::Vendor
        | Kind::Text(_)
        | Kind::Needed(_)
        | Kind::Texts(_)
        | Kind::Whole(..)
        | Kind::Wholes(..)
        | Kind::Positive(_)
        | Kind::Flag
        | Kind::Secret(_) => Some(kind),
    }
}

/// What does not read as the wanted type stays text; the check then says so.
fn typed(kind: Option<Kind>, text: &str, in_file: Option<&toml::Value>) -> toml::Value {
    let whole = || text.trim().parse().ok().map(toml::Value::Integer);
    let number = || text.trim().parse().ok().map(toml::Value::Float);
    let flag = || text.trim().parse().ok().map(toml::Value::Boolean);
    let list = || {
        let items = text.split(',').map(str::trim).filter(|i| !i.is_empty());
        let texts = items.map(|i| toml::Value::String(i.to_owned()));
        Some(toml::Value::Array(texts.collect()))
    };
    let read = match kind {
        Some(Kind::Whole(..) | Kind::Named(..)) => whole(),
        Some(Kind::Positive(_)) => number(),
        Some(Kind::Flag) => flag(),
        Some(Kind::Texts(_)) => list(),
        Some(Kind::Wholes(..)) => {
            let items = text.split(',').map(str::trim).filter(|i| !i.is_empty());
            let number = |item: &str| item.parse().map(toml::Value::Integer);
            items.map(number).collect::<Result<Vec<_>, _>>().ok().map(toml::Value::Array)
        }
        // a vendor's value takes the type it has in the file
        Some(Kind::Vendor) => match in_file {
            Some(toml::Value::Integer(_)) => whole(),
            Some(toml::Value::Float(_)) => number(),
            Some(toml::Value::Boolean(_)) => flag(),
            Some(toml::Value::Array(_)) => list(),
            Some(toml::Value::String(_) | toml::Value::Datetime(_) | toml::Value::Table(_))
            | None => None,
        },
        Some(
            Kind::Text(_) | Kind::Needed(_) | Kind::Secret(_) | Kind::Section(_) | Kind::Each(..),
        )
        | None => None,
    };
    read.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

fn at<'a>(table: &'a toml::Table, parts: &[String]) -> Option<&'a toml::Value> {
    let (first, rest) = parts.split_first()?;
    let value = table.get(first)?;
    if rest.is_empty() {
        return Some(value);
    }
    at(value.as_table()?, rest)
}

/// `None` when another variable already made a value of what is a section here.
fn put(table: &mut toml::Table, parts: &[String], value: toml::Value) -> Option<()> {
    let (first, rest) = parts.split_first()?;
    if rest.is_empty() {
        let clash = table.contains_key(first);
        table.entry(first.clone()).or_insert(value);
        return (!clash).then_some(());
    }
    let inner =
        table.entry(first.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    put(inner.as_table_mut()?, rest, value)
}

/// One source, handed to the `config` crate. Does not print: it holds secrets.
#[derive(Clone)]
struct Layer(toml::Table);

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layer({} sections)", self.0.len())
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(entries(&self.0))
    }
}

fn entries(table: &toml::Table) -> Map<String, Value> {
    let value = |(key, value): (&String, &toml::Value)| (key.clone(), convert(value));
    table.iter().map(value).collect()
}

fn convert(value: &toml::Value) -> Value {
    let kind = match value {
        toml::Value::String(text) => ValueKind::String(text.clone()),
        toml::Value::Integer(whole) => ValueKind::I64(*whole),
        toml::Value::Float(number) => ValueKind::Float(*number),
        toml::Value::Boolean(flag) => ValueKind::Boolean(*flag),
        toml::Value::Datetime(date) => ValueKind::String(date.to_string()),
        toml::Value::Array(items) => ValueKind::Array(items.iter().map(convert).collect()),
        toml::Value::Table(table) => ValueKind::Table(entries(table)),
    };
    Value::new(None, kind)
}
