//! Refusals: every problem is found, placed and explained, and none tells a
//! secret.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod places;
mod together;
mod values;

use efface_settings::{Error, Problem, Settings};

/// Loads `file` with `env` and compares the problems, as they are printed,
/// with `wanted`. The file's own path is cut down to its name.
fn check(file: &str, env: &[(&str, &str)], wanted: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("efface.toml");
    let here = format!("{}/", folder.path().display());
    std::fs::write(&path, file.replace("HERE/", &here)).unwrap();
    for (name, mode) in [("open.key", 0o644), ("empty.key", 0o600), ("fine.key", 0o600)] {
        let text = if name == "empty.key" { "\n" } else { "sesame" };
        write(&folder.path().join(name), text, mode);
    }
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let problems = match Settings::load(Some(&path), env) {
        Ok(_) => Vec::new(),
        Err(Error::Invalid(problems)) => problems,
        Err(other) => panic!("{other}"),
    };
    let said: Vec<String> = problems.iter().map(|p| p.to_string().replace(&here, "")).collect();
    assert_eq!(said, wanted, "{file}");
    assert!(!said.join(" ").contains("sesame"), "{said:?}");
}

#[cfg(unix)]
fn write(path: &std::path::Path, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn write(path: &std::path::Path, text: &str, _mode: u32) {
    std::fs::write(path, text).unwrap();
}

/// One account `a` with the given lines in it.
fn account(lines: &str) -> String {
    format!("[accounts.a]\nconnector = 'acme'\n{lines}")
}

#[test]
fn all_problems_are_told_at_once_each_on_its_line() {
    let error = Error::Invalid(vec![
        Problem {
            path: "a.b".into(),
            source: "efface.toml".into(),
            message: "is not a setting".into(),
            hint: Some("did you mean c?".into()),
        },
        Problem { path: "d".into(), source: String::new(), message: "is empty".into(), hint: None },
    ]);
    let wanted =
        "config: a.b is not a setting (did you mean c?) [in efface.toml]\nconfig: d is empty";
    assert_eq!(error.to_string(), wanted);
}
