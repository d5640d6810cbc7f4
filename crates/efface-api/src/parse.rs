//! JSON and query texts into types. What is wrong is said with the field's name and what was
//! expected there; serde's own messages would repeat what was sent.

use serde::{Deserialize, de::DeserializeOwned};

use crate::problem::{Kind, Problem};

/// Reads a body. The happy path pays for no bookkeeping; a bad body is read a second time to find
/// the place.
pub fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => locate::<T>(bytes),
        _ if bytes.is_empty() => {
            Problem::new(Kind::MalformedBody, "the body is empty; a JSON object is expected")
        }
        _ => Problem::new(
            Kind::MalformedBody,
            format!(
                "the body stops being JSON at line {}, column {}",
                error.line(),
                error.column()
            ),
        ),
    })
}

fn locate<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Problem {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => Problem::new(Kind::MalformedBody, "the body cannot be read"),
        Err(error) => {
            let path = error.path().to_string();
            explain(if path == "." { "" } else { &path }, &error.into_inner().to_string())
        }
    }
}

/// Reads a query string, by the same words.
pub fn query<T: DeserializeOwned>(uri: &axum::http::Uri) -> Result<T, Problem> {
    axum::extract::Query::try_from_uri(uri).map(|axum::extract::Query(query)| query).map_err(
        |rejection| {
            let text = rejection.body_text();
            let message = text.strip_prefix("Failed to deserialize query string: ");
            explain("", message.unwrap_or(&text))
        },
    )
}

/// Serde's message, without what was sent.
fn explain(path: &str, message: &str) -> Problem {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let below = |name: &str| match (path.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (false, true) => path.to_owned(),
        (false, false) if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        (false, false) => format!("{path}.{name}"),
    };
    // the last one: what was sent may hold the word, too
    let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
    let named = |start: &str| message.find(start).map(|at| first_quoted(&message[at..]));
    let problem = |field: String, detail: String| {
        if field.is_empty() {
            Problem::new(Kind::Invalid, detail)
        } else {
            Problem::invalid(field, detail)
        }
    };
    if let Some(name) = named("missing field ") {
        return problem(below(name), "is required".into());
    }
    if let Some(name) = named("duplicate field ") {
        return problem(below(name), "is given twice".into());
    }
    if let Some(name) = named("unknown field ") {
        let known = match expected {
            Some(list) => format!("there is no such field; known here: {}", bare(list)),
            None => "there is no such field; no field is known here".into(),
        };
        // a field's name may be a person's address in the wrong place
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let safe = name.len() <= 40 && name.chars().all(plain);
        let parent = path.strip_suffix(name).map_or(path, |parent| parent.trim_end_matches('.'));
        return problem(if safe { below(name) } else { parent.to_owned() }, known);
    }
    match expected {
        Some(list) if message.contains("unknown variant ") => {
            problem(path.to_owned(), format!("must be one of {}", bare(list)))
        }
        Some(thing) => problem(path.to_owned(), format!("must be {}", in_words(thing))),
        None => problem(path.to_owned(), "is not valid".into()),
    }
}

fn first_quoted(text: &str) -> &str {
    text.split('`').nth(1).unwrap_or_default()
}

fn bare(list: &str) -> String {
    list.strip_prefix("one of ").unwrap_or(list).replace('`', "")
}

/// Rust's names for shapes are no words for callers.
fn in_words(thing: &str) -> String {
    if thing.starts_with("struct ") || thing.starts_with("internally tagged") {
        "an object".into()
    } else if thing == "a sequence" {
        "an array".into()
    } else if thing.starts_with('u') && thing[1..].parse::<u8>().is_ok() {
        "a whole number, zero or more".into()
    } else {
        bare(thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read by serde alone")]
    struct Outer {
        name: String,
        count: Option<u32>,
        #[serde(default)]
        parts: Vec<Part>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read by serde alone")]
    struct Part {
        kind: Word,
        flag: Option<bool>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        One,
        Two,
    }

    #[test]
    fn what_is_wrong_is_named_and_what_was_sent_is_not() {
        for (body, status, field, part) in [
            (r#"{"name":"a","parts":[{"kind":"one"}]}"#, 200, "", ""),
            (r#"{}"#, 422, "name", "is required"),
            (r#"{"name":5}"#, 422, "name", "must be a string"),
            (r#"{"name":"a","count":"canary"}"#, 422, "count", "a whole number"),
            (r#"{"name":"a","count":-1}"#, 422, "count", "a whole number"),
            (r#"{"name":"a","nmae":"canary"}"#, 422, "nmae", "known here: name, count, parts"),
            (r#"{"name":"a","canary@example.com":1}"#, 422, "", "known here"),
            (r#"{"name":"a","name":"b"}"#, 422, "name", "twice"),
            (r#"{"name":"a","parts":"canary"}"#, 422, "parts", "must be an array"),
            (r#"{"name":"a","parts":[{"kind":"one"},{}]}"#, 422, "parts[1].kind", "is required"),
            (
                r#"{"name":"a","parts":[{"kind":"canary"}]}"#,
                422,
                "parts[0].kind",
                "must be one of one or two",
            ),
            (
                r#"{"name":"a","parts":[{"kind":"canary, expected canary"}]}"#,
                422,
                "parts[0].kind",
                "must be one of one or two",
            ),
            (
                r#"{"name":"a","parts":[{"kind":"one","flga":1}]}"#,
                422,
                "parts[0].flga",
                "known here: kind or flag",
            ),
            (r#"{"name":"a","parts":["canary"]}"#, 422, "parts[0]", "must be an object"),
            (r#""canary""#, 422, "", "must be an object"),
            (r#"{"name":"#, 400, "", "line 1"),
            ("", 400, "", "empty"),
            (r#"{"name":"a"} canary"#, 400, "", "column 14"),
        ] {
            let problem = match json::<Outer>(body.as_bytes()) {
                Ok(_) => {
                    assert_eq!(status, 200, "{body}");
                    continue;
                }
                Err(problem) => serde_json::to_value(problem).expect("JSON"),
            };
            assert_eq!(problem["status"], status, "{body}: {problem}");
            assert_eq!(problem["field"].as_str().unwrap_or(""), field, "{body}: {problem}");
            let detail = problem["detail"].as_str().unwrap_or("");
            assert!(detail.contains(part), "{body}: {detail:?} lacks {part:?}");
            assert!(!problem.to_string().contains("canary"), "{body}: {problem}");
        }
    }
}
