//! Secrets given by reference, and how a value is shown without its secret.

use crate::secret::MASK;
use crate::shapes;
use std::collections::BTreeMap;
use std::path::Path;
use url::Url;

/// Marks a value that stands in an environment variable.
const ENV: &str = "env:";

/// Resolves `env:NAME`. `None` when the text is no such reference; a refusal
/// is read after "path ".
pub(crate) fn from_environment(
    text: &str,
    environment: &BTreeMap<String, String>,
) -> Option<Result<String, String>> {
    let name = text.strip_prefix(ENV)?;
    if !is_good(text) {
        // not quoted: it may be the secret itself
        return Some(Err(
            "begins with `env:` and goes on with something that is no variable name".to_owned()
        ));
    }
    Some(match environment.get(name).map(String::as_str) {
        None => Err(format!("is to come from the environment variable {name}, which is not set")),
        Some("") => Err(format!("is to come from the environment variable {name}, which is empty")),
        Some(value) => Ok(value.to_owned()),
    })
}

/// Whether the text refers to a variable, and to one there could be.
pub(crate) fn is_good(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.strip_prefix(ENV).is_some_and(|name| !name.is_empty() && name.bytes().all(fits))
}

/// Reads a secret from its file, without the line end. A refusal names the
/// path and is read after "path ".
pub(crate) fn read_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    refuse_readable_by_all(path)?;
    let bytes = std::fs::read(path).map_err(|e| format!("cannot be read from {shown}: {e}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("in {shown} is not text"))?;
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err(format!("is to come from {shown}, which is empty")),
        secret => Ok(secret.to_owned()),
    }
}

#[cfg(unix)]
fn refuse_readable_by_all(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let shown = path.display();
    let about = std::fs::metadata(path).map_err(|e| format!("cannot be read from {shown}: {e}"))?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o006 == 0 {
        return Ok(());
    }
    Err(format!(
        "stands in {shown}, which everybody on this machine may read or write (mode {mode:03o}); run `chmod 600 {shown}`"
    ))
}

#[cfg(not(unix))]
fn refuse_readable_by_all(_path: &Path) -> Result<(), String> {
    Ok(())
}

/// Whether a vendor's key names something to be hidden. Hiding too much costs
/// nothing, so parts of words count.
pub(crate) fn sounds_secret(key: &str) -> bool {
    const SOUNDS: [&str; 8] =
        ["key", "secret", "token", "passw", "passphrase", "credential", "auth", "private"];
    let key = key.to_ascii_lowercase();
    SOUNDS.iter().any(|s| key.contains(s))
}

/// A text as it may be shown: an address loses its user, password and any
/// secret in its query.
pub(crate) fn show(text: &str) -> String {
    if from_reference(text) || !text.contains("://") {
        return text.to_owned();
    }
    let signs = text.matches('@').count();
    let Ok(mut url) = Url::parse(text) else {
        let plain = signs == 0 && !text.contains('?');
        return if plain { text } else { MASK }.to_owned();
    };
    let named = shapes::has_userinfo(&url);
    // an unescaped / or # in a password moves its end out of the user part
    let unclear = signs != usize::from(named);
    if unclear || url.query_pairs().any(|(name, _)| sounds_secret(&name)) {
        return MASK.to_owned();
    }
    if !named {
        return text.to_owned();
    }
    let cleared = url.set_password(None).and_then(|()| url.set_username(""));
    match cleared {
        Ok(()) => url.as_str().replacen("://", &format!("://{MASK}@"), 1),
        Err(()) => MASK.to_owned(),
    }
}

/// Whether the text is a reference and may be shown as it is.
pub(crate) fn from_reference(text: &str) -> bool {
    text.starts_with(ENV)
}
