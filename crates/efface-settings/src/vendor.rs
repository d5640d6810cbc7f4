//! A vendor's own table: free in form, but references are resolved for every
//! key, so that no plugin has to know how secrets are kept.

use crate::layers::join;
use crate::references::{self, sounds_secret};
use crate::secret::{MASK, NOT_READ};
use crate::walk::{Pair, Walk, sort};
use serde_json::{Map, Value as Json};
use toml::{Table, Value};

/// Resolves `<key>_file` and `env:` throughout; hides what sounds secret.
pub(crate) fn resolve(
    walk: &mut Walk<'_>,
    path: &str,
    table: &Table,
    hidden: bool,
) -> (Map<String, Json>, Table) {
    let (mut clean, mut shown) = (Map::new(), Table::new());
    for (key, given) in table {
        let below = join(path, key);
        let stem = key.strip_suffix("_file").filter(|stem| !stem.is_empty());
        if let Some(stem) = stem {
            if table.contains_key(stem) {
                walk.twice(&join(path, stem));
            } else if let Some(text) = from_file(walk, &below, given) {
                clean.insert(stem.to_owned(), text);
                shown.insert(key.clone(), given.clone());
            }
            continue;
        }
        if let Some((value, show)) = resolve_one(walk, &below, given, hidden || sounds_secret(key))
        {
            clean.insert(key.clone(), value);
            shown.insert(key.clone(), show);
        }
    }
    (clean, shown)
}

fn from_file(walk: &mut Walk<'_>, path: &str, file: &Value) -> Option<Json> {
    let Value::String(file) = file else {
        let message = format!("is {}, the path of a file is wanted", sort(file));
        walk.problem(path, message, None);
        return None;
    };
    if walk.leaves_alone(path) {
        return Some(NOT_READ.into());
    }
    walk.read_file(path, file)
        .map(Json::from)
        .map_err(|refusal| walk.problem(path, refusal, None))
        .ok()
}

fn resolve_one(walk: &mut Walk<'_>, path: &str, given: &Value, hidden: bool) -> Option<Pair> {
    let show = |value: &Value| match hidden {
        true => Value::String(MASK.to_owned()),
        false => value.clone(),
    };
    Some(match given {
        Value::String(text) if references::is_good(text) && walk.leaves_alone(path) => {
            (NOT_READ.into(), given.clone())
        }
        Value::String(text) => match references::from_environment(text, walk.environment) {
            Some(Ok(resolved)) => (resolved.into(), given.clone()),
            Some(Err(refusal)) => {
                walk.problem(path, refusal, None);
                return None;
            }
            None if hidden => (text.as_str().into(), show(given)),
            None => (text.as_str().into(), Value::String(references::show(text))),
        },
        Value::Integer(whole) => ((*whole).into(), show(given)),
        Value::Boolean(flag) => ((*flag).into(), show(given)),
        Value::Datetime(date) => (date.to_string().into(), show(given)),
        Value::Float(number) if number.is_finite() => ((*number).into(), show(given)),
        Value::Float(_) => {
            walk.problem(path, "is not a finite number", None);
            return None;
        }
        Value::Array(items) => {
            let mut pairs = Vec::with_capacity(items.len());
            for (position, item) in items.iter().enumerate() {
                let place = format!("{path}[{position}]");
                pairs.extend(resolve_one(walk, &place, item, hidden));
            }
            let (clean, shown): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            (Json::Array(clean), Value::Array(shown))
        }
        Value::Table(table) => {
            let (clean, shown) = resolve(walk, path, table, hidden);
            (Json::Object(clean), Value::Table(shown))
        }
    })
}
