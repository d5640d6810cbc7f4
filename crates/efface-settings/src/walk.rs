//! Checks the merged sources against the schema and resolves references.
//!
//! A bad value is noted and replaced by its default, so that one walk finds
//! every problem and the cross-checks still have something to look at. Two
//! trees come out: one to read, one to show.

use crate::Settings;
use crate::error::Problem;
use crate::layers::{BUILT_IN, Layers, PREFIX, join};
use crate::references;
use crate::schema::{Field, Kind, Shape, nearest};
use crate::secret::MASK;
use crate::{VendorSecrets, vendor};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// A value as the program reads it and as it may be shown.
pub(crate) type Pair = (Json, Value);

/// The walk's memory.
pub(crate) struct Walk<'a> {
    origins: &'a BTreeMap<String, String>,
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// The settings file's folder; `None` when it is the one efface is started in.
    folder: Option<&'a Path>,
    vendors: VendorSecrets,
    left_alone: Vec<String>,
    problems: Vec<Problem>,
}

/// What a walk finds.
pub(crate) struct Walked {
    pub(crate) clean: Json,
    pub(crate) shown: Table,
    pub(crate) problems: Vec<Problem>,
    /// Vendors' settings that were given by reference and not read.
    pub(crate) left_alone: Vec<String>,
}

/// Checks everything: what to read, what to show, what is wrong.
pub(crate) fn walk(
    layers: &Layers,
    environment: &BTreeMap<String, String>,
    folder: Option<&Path>,
    vendors: VendorSecrets,
) -> Walked {
    let mut walk = Walk {
        origins: &layers.origins,
        environment,
        folder,
        vendors,
        left_alone: Vec::new(),
        problems: Vec::new(),
    };
    let stray = layers.stray.iter().map(|variable| Problem {
        path: variable.clone(),
        source: String::new(),
        message: "names no setting of its own".to_owned(),
        hint: Some("variables are EFFACE__SECTION__KEY, and a section takes no value".to_owned()),
    });
    walk.problems.extend(stray);
    let (clean, shown) = walk.section("", Settings::FIELDS, &layers.merged, &layers.defaults);
    let Walk { left_alone, problems, .. } = walk;
    Walked { clean: Json::Object(clean), shown, problems, left_alone }
}

/// A path as it is opened: what the environment gives is relative to the folder efface is started
/// in, everything else to the folder of the settings file.
pub(crate) fn anchored(
    origins: &BTreeMap<String, String>,
    folder: Option<&Path>,
    setting: &str,
    given: &Path,
) -> PathBuf {
    match folder {
        Some(folder) if !origin_of(origins, setting).starts_with(PREFIX) => folder.join(given),
        Some(_) | None => given.to_owned(),
    }
}

/// Where a path came from, or the nearest section above it.
pub(crate) fn origin_of(origins: &BTreeMap<String, String>, path: &str) -> String {
    let mut path = path;
    loop {
        if let Some(origin) = origins.get(path) {
            return origin.clone();
        }
        match path.rsplit_once(['.', '[']) {
            Some((above, _)) => path = above,
            None => return String::new(),
        }
    }
}

impl Walk<'_> {
    pub(crate) fn problem(&mut self, path: &str, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem {
            path: path.to_owned(),
            source: origin_of(self.origins, path),
            message: message.into(),
            hint,
        });
    }

    /// Whether a vendor's reference is to be left alone; it is then noted.
    pub(crate) fn leaves_alone(&mut self, path: &str) -> bool {
        let left = self.vendors == VendorSecrets::LeftAlone;
        if left {
            self.left_alone.push(path.to_owned());
        }
        left
    }

    /// The content of a secret's file.
    pub(crate) fn read_file(&self, path: &str, file: &str) -> Result<String, String> {
        references::read_file(&anchored(self.origins, self.folder, path, Path::new(file)))
    }

    /// Both forms of one secret were given.
    pub(crate) fn twice(&mut self, path: &str) {
        let file = format!("{path}_file");
        let message = format!("is given twice, the other time as {file}");
        let place = origin_of(self.origins, &file);
        self.problem(path, message, Some(format!("remove one; the other is in {place}")));
    }

    fn section(
        &mut self,
        path: &str,
        fields: &'static [Field],
        given: &Table,
        defaults: &Table,
    ) -> (Map<String, Json>, Table) {
        let mut given = given.clone();
        let (mut clean, mut shown) = (Map::new(), Table::new());
        let mut settled: Vec<String> = Vec::new();
        for field in fields {
            settled.extend(self.settle_twice(path, field, &mut given));
        }
        for field in fields {
            let below = join(path, field.name);
            let fallback = defaults.get(field.name);
            let file_form = field.file_form(fields);
            let by_file = file_form.as_ref().and_then(|form| given.remove(form));
            let value = given.remove(field.name);
            let aside = by_file.is_none() && settled.iter().any(|s| s == field.name);
            let mut pair = match (by_file, &value) {
                (Some(file), _) => {
                    let form = file_form.unwrap_or_default();
                    self.secret_file(&join(path, &form), field.kind, &file).map(|text| {
                        shown.insert(form, file);
                        (text, None)
                    })
                }
                (None, Some(value)) => self
                    .field(&below, field.kind, value, fallback)
                    .map(|(clean, shown)| (clean, Some(shown))),
                (None, None) => {
                    if let Kind::Needed(_) = field.kind {
                        self.problem(&below, "is missing and has no default", None);
                    }
                    None
                }
            };
            if pair.is_none() && !aside {
                let filled = fallback.and_then(|f| self.field(&below, field.kind, f, None));
                pair = filled.map(|(clean, shown)| (clean, Some(shown)));
            }
            match (pair, field.kind) {
                (Some((value, show)), _) => {
                    clean.insert(field.name.to_owned(), value);
                    if let Some(show) = show {
                        shown.insert(field.name.to_owned(), show);
                    }
                }
                // there is a problem about it already; the rest is still read
                (None, Kind::Needed(_)) => {
                    clean.insert(field.name.to_owned(), Json::String(String::new()));
                }
                (None, Kind::Each(..)) => {
                    clean.insert(field.name.to_owned(), Json::Object(Map::new()));
                }
                (None, _) => {}
            }
        }
        for key in given.keys() {
            self.unknown(path, key, fields);
        }
        (clean, shown)
    }

    /// Of a secret's two forms a default gives way; two given ones are refused.
    /// Answers which form was set aside.
    fn settle_twice(&mut self, path: &str, field: &Field, given: &mut Table) -> Option<String> {
        let form = format!("{}_file", field.name);
        let secret = matches!(field.kind, Kind::Secret(_));
        if !secret || !given.contains_key(field.name) || !given.contains_key(&form) {
            return None;
        }
        let below = join(path, field.name);
        let built_in = |path: &str| self.origins.get(path).is_none_or(|o| o == BUILT_IN);
        let aside = if built_in(&below) {
            field.name.to_owned()
        } else {
            if !built_in(&format!("{below}_file")) {
                self.twice(&below);
            }
            form
        };
        given.remove(&aside);
        Some(aside)
    }

    fn unknown(&mut self, path: &str, key: &str, fields: &[Field]) {
        let forms: Vec<String> = fields.iter().filter_map(|f| f.file_form(fields)).collect();
        let names = fields.iter().map(|f| f.name);
        let near = nearest(key, names.chain(forms.iter().map(String::as_str)));
        let elsewhere = || {
            Settings::FIELDS.iter().find_map(|section| match section.kind {
                Kind::Section(inner) if inner.iter().any(|f| f.name == key) => {
                    Some(format!("did you mean {}.{key}?", section.name))
                }
                _ => None,
            })
        };
        let vendor = || {
            let holds = fields.iter().any(|f| matches!(f.kind, Kind::Vendor));
            holds.then(|| format!("a setting of the vendor stands under [{path}.settings]"))
        };
        let hint =
            near.map(|name| format!("did you mean {name}?")).or_else(elsewhere).or_else(vendor);
        self.problem(&join(path, key), "is not a setting", hint);
    }

    fn field(
        &mut self,
        path: &str,
        kind: Kind,
        value: &Value,
        fallback: Option<&Value>,
    ) -> Option<Pair> {
        let wrong = |walk: &mut Self, wanted: &str| {
            walk.problem(path, format!("is {}, {wanted} is wanted", sort(value)), None);
            None
        };
        match (kind, value) {
            (Kind::Text(shape) | Kind::Needed(shape), Value::String(text)) => {
                self.shaped(path, shape, text)?;
                Some((text.as_str().into(), Value::String(references::show(text))))
            }
            (Kind::Text(_) | Kind::Needed(_), _) => wrong(self, "text"),
            (Kind::Texts(shape), Value::Array(items)) => self.texts(path, shape, items),
            (Kind::Texts(_), _) => wrong(self, "a list of texts"),
            (Kind::Whole(least, most), Value::Integer(n)) => {
                if (least..=most).contains(n) {
                    return Some(((*n).into(), value.clone()));
                }
                self.problem(path, format!("is {n}, allowed is {least} to {most}"), None);
                None
            }
            (Kind::Whole(..), _) => wrong(self, "a whole number"),
            (Kind::Wholes(least, most, count), Value::Array(items)) => {
                self.wholes(path, least..=most, count, items)
            }
            (Kind::Wholes(..), _) => wrong(self, "a list of whole numbers"),
            (Kind::Named(least, most), Value::Table(table)) => {
                let (mut clean, mut shown) = (Map::new(), Table::new());
                for (name, value) in table {
                    let each = Kind::Whole(least, most);
                    if let Some((c, s)) = self.field(&join(path, name), each, value, None) {
                        clean.insert(name.clone(), c);
                        shown.insert(name.clone(), s);
                    }
                }
                Some((Json::Object(clean), Value::Table(shown)))
            }
            (Kind::Positive(most), Value::Integer(_) | Value::Float(_)) => {
                let n = match value {
                    #[expect(clippy::cast_precision_loss, reason = "the bound is far below 2^52")]
                    Value::Integer(n) => *n as f64,
                    _ => value.as_float().unwrap_or_default(),
                };
                if n > 0.0 && n <= most {
                    return Some((n.into(), value.clone()));
                }
                self.problem(path, format!("is {n}, allowed is above 0 up to {most}"), None);
                None
            }
            (Kind::Positive(_), _) => wrong(self, "a number"),
            (Kind::Flag, Value::Boolean(flag)) => Some(((*flag).into(), value.clone())),
            (Kind::Flag, _) => wrong(self, "true or false"),
            (Kind::Secret(shape), Value::String(text)) => self.secret(path, shape, text),
            (Kind::Secret(_), _) => wrong(self, "text"),
            (Kind::Section(fields), Value::Table(table)) => {
                let empty = Table::new();
                let defaults = fallback.and_then(Value::as_table).unwrap_or(&empty);
                let (clean, shown) = self.section(path, fields, table, defaults);
                Some((Json::Object(clean), Value::Table(shown)))
            }
            (Kind::Each(fields, defaults), Value::Table(table)) => {
                Some(self.each(path, fields, defaults, table))
            }
            (Kind::Vendor, Value::Table(table)) => {
                let (clean, shown) = vendor::resolve(self, path, table, false);
                Some((Json::Object(clean), Value::Table(shown)))
            }
            (Kind::Section(_) | Kind::Each(..) | Kind::Named(..) | Kind::Vendor, _) => {
                wrong(self, &format!("a section [{path}]"))
            }
        }
    }

    fn each(
        &mut self,
        path: &str,
        fields: &'static [Field],
        defaults: fn(&str) -> Table,
        table: &Table,
    ) -> Pair {
        let (mut clean, mut shown) = (Map::new(), Table::new());
        for (id, value) in table {
            let below = join(path, id);
            let Value::Table(inner) = value else {
                let wanted = format!("is {}, a section [{below}] is wanted", sort(value));
                self.problem(&below, wanted, None);
                continue;
            };
            let (c, s) = self.section(&below, fields, inner, &defaults(id));
            clean.insert(id.clone(), Json::Object(c));
            shown.insert(id.clone(), Value::Table(s));
        }
        (Json::Object(clean), Value::Table(shown))
    }

    fn texts(&mut self, path: &str, shape: Shape, items: &[Value]) -> Option<Pair> {
        let before = self.problems.len();
        for (position, item) in items.iter().enumerate() {
            let place = format!("{path}[{position}]");
            match item {
                Value::String(text) => {
                    self.shaped(&place, shape, text);
                }
                other => self.problem(&place, format!("is {}, text is wanted", sort(other)), None),
            }
        }
        if self.problems.len() > before {
            return None;
        }
        let texts = || items.iter().filter_map(Value::as_str);
        let shown = texts().map(|t| Value::String(references::show(t)));
        Some((texts().collect(), Value::Array(shown.collect())))
    }

    fn wholes(
        &mut self,
        path: &str,
        allowed: RangeInclusive<i64>,
        count: usize,
        items: &[Value],
    ) -> Option<Pair> {
        let before = self.problems.len();
        if items.len() > count {
            self.problem(path, format!("has {} numbers, allowed are {count}", items.len()), None);
        }
        for (position, item) in items.iter().enumerate() {
            let place = format!("{path}[{position}]");
            match item {
                Value::Integer(n) if allowed.contains(n) => {}
                Value::Integer(n) => {
                    let (least, most) = (allowed.start(), allowed.end());
                    self.problem(&place, format!("is {n}, allowed is {least} to {most}"), None);
                }
                other => {
                    let message = format!("is {}, a whole number is wanted", sort(other));
                    self.problem(&place, message, None);
                }
            }
        }
        let numbers = items.iter().filter_map(Value::as_integer);
        (self.problems.len() == before).then(|| (numbers.collect(), Value::Array(items.to_vec())))
    }

    fn shaped(&mut self, path: &str, shape: Shape, text: &str) -> Option<()> {
        shape(text).map_err(|refusal| self.problem(path, refusal, None)).ok()
    }

    fn secret(&mut self, path: &str, shape: Shape, text: &str) -> Option<Pair> {
        let (text, shown) = match references::from_environment(text, self.environment) {
            Some(Ok(resolved)) => (resolved, text.to_owned()),
            Some(Err(refusal)) => {
                self.problem(path, refusal, None);
                return None;
            }
            None if !references::sounds_secret(path) => (text.to_owned(), references::show(text)),
            None => (text.to_owned(), MASK.to_owned()),
        };
        self.shaped(path, shape, &text)?;
        Some((text.into(), Value::String(shown)))
    }

    fn secret_file(&mut self, path: &str, kind: Kind, file: &Value) -> Option<Json> {
        let Value::String(file) = file else {
            let message = format!("is {}, the path of a file is wanted", sort(file));
            self.problem(path, message, None);
            return None;
        };
        let text =
            self.read_file(path, file).map_err(|refusal| self.problem(path, refusal, None)).ok()?;
        if let Kind::Secret(shape) = kind {
            self.shaped(path, shape, &text)?;
        }
        Some(text.into())
    }
}

/// What a value is, in words.
pub(crate) fn sort(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}
