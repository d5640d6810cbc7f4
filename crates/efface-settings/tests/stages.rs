//! What of the settings is needed for what: vendors' secrets, the emergency brake, folders.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use efface_settings::{Error, Settings, VendorSecrets};
use std::fs;
use std::path::Path;

const ACCOUNT: &str = "[accounts.a]\nconnector = 'mailchimp'\n[accounts.a.settings]\n\
                       api_key = 'env:MISSING'\nother_file = 'secrets/missing'\nplain = 'seen'\n";

fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("efface.toml"), text).unwrap();
    folder
}

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn refusal(loaded: Result<Settings, Error>) -> String {
    loaded.map(|_| "loaded".to_owned()).unwrap_or_else(|e| e.to_string())
}

#[test]
fn vendors_secrets_are_read_only_where_a_vendor_is_called() {
    let folder = folder(ACCOUNT);
    let path = folder.path().join("efface.toml");
    let read = refusal(Settings::load(Some(&path), []));
    for part in ["settings.api_key", "MISSING", "settings.other_file"] {
        assert!(read.contains(part), "{part}: {read}");
    }
    let without = Settings::load_with(Some(&path), [], VendorSecrets::LeftAlone).unwrap();
    let mut left = without.left_alone("a");
    left.sort_unstable();
    assert_eq!(left, ["api_key", "other_file"]);
    assert_eq!(without.accounts["a"].settings.expose()["plain"], "seen");
    let shown = without.redacted().to_string();
    assert!(shown.contains("env:MISSING") && !shown.contains("not-read"), "{shown}");
    // set or not, it is the same
    let set = env(&[("MISSING", "s3cret")]);
    let without = Settings::load_with(Some(&path), set, VendorSecrets::LeftAlone).unwrap();
    assert_eq!(without.left_alone("a").len(), 2);
}

#[test]
fn what_is_wrong_in_the_file_is_refused_without_the_secrets_too() {
    for (more, part) in [
        ("[acounts.b]\nx = 1\n", "acounts is not a setting"),
        ("[accounts.b.settings]\n", "accounts.b.connector is missing"),
        ("[accounts.b]\nconnector = 'x'\n[accounts.b.settings]\nk = 'env:no-name'\n", "env:"),
        ("[accounts.b]\nconnector = 'x'\n[accounts.b.settings]\nk = '1'\nk_file = '2'\n", "twice"),
        ("[database]\nurl = 'env:MISSING'\n", "database.url"),
        ("[[[\n", "line"),
    ] {
        let folder = folder(&format!("{ACCOUNT}{more}"));
        let path = folder.path().join("efface.toml");
        let told = refusal(Settings::load_with(Some(&path), [], VendorSecrets::LeftAlone));
        assert!(told.contains(part), "{more}: {told}");
    }
}

#[test]
fn the_brake_needs_database_and_key_alone() {
    let base = "[database]\nurl = 'sqlite://here.db'\n";
    let load = |more: &str, pairs: &[(&str, &str)]| {
        let folder = folder(&format!("{base}{ACCOUNT}{more}"));
        Settings::load_to_stop(Some(&folder.path().join("efface.toml")), env(pairs))
    };
    let (good, problems) = load("", &[]).unwrap();
    assert_eq!((good.accounts.len(), problems.len()), (1, 0));

    let (wrong, problems) = load("[server]\nlisten = 'nowhere'\n[nonsense]\n", &[]).unwrap();
    assert!(wrong.database.url.expose().ends_with("/here.db"));
    // their values may be defaults that nobody chose
    assert!(wrong.accounts.is_empty());
    assert_eq!(problems.len(), 2, "{problems:?}");

    let told = load("[vault]\nmaster_key = 'env:MISSING'\n", &[]).err().unwrap().to_string();
    assert!(told.contains("vault.master_key") && told.contains("MISSING"), "{told}");

    let told = load("[[[", &[]).err().unwrap().to_string();
    assert!(told.contains("line"), "{told}");
    let named = [("EFFACE__DATABASE__URL", "sqlite://x.db"), ("EFFACE__VAULT__MASTER_KEY", "k")];
    let (settings, problems) = load("[[[", &named).unwrap();
    assert_eq!(settings.database.url.expose(), "sqlite://x.db");
    assert!(problems[0].message.contains("was left out"), "{problems:?}");
}

#[test]
fn paths_are_relative_to_the_settings_unless_the_environment_gives_them() {
    let check = |text: &str, pairs: &[(&str, &str)], url: &str, key: &str| {
        let folder = folder(text);
        let at = folder.path().display().to_string();
        let path = folder.path().join("efface.toml");
        let loaded = Settings::load(Some(&path), env(pairs)).unwrap();
        assert_eq!(loaded.database.url.expose(), url.replace("AT", &at), "{text} {pairs:?}");
        let found = loaded.vault.master_key_file.unwrap();
        assert_eq!(found, Path::new(&key.replace("AT", &at)), "{text} {pairs:?}");
    };
    check("", &[], "sqlite://AT/efface.db", "AT/efface.key");
    let file = "[database]\nurl = 'sqlite:d/my.db?mode=ro'\n[vault]\nmaster_key_file = 'k'\n";
    check(file, &[], "sqlite:AT/d/my.db?mode=ro", "AT/k");
    let absolute = "[database]\nurl = 'sqlite:///d/my.db'\n[vault]\nmaster_key_file = '/k'\n";
    check(absolute, &[], "sqlite:///d/my.db", "/k");
    let from_outside =
        [("EFFACE__DATABASE__URL", "sqlite://x.db"), ("EFFACE__VAULT__MASTER_KEY_FILE", "k2")];
    check(file, &from_outside, "sqlite://x.db", "k2");
    check(
        "[database]\nurl = 'env:DB'\n",
        &[("DB", "sqlite://x.db")],
        "sqlite://x.db",
        "AT/efface.key",
    );
    for plain in ["sqlite::memory:", "sqlite://:memory:", "postgres://u@h/n"] {
        check(&format!("[database]\nurl = '{plain}'\n"), &[], plain, "AT/efface.key");
    }
}

#[test]
fn a_folder_with_signs_of_an_address_is_escaped() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("a?b%c");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("efface.toml"), "").unwrap();
    let loaded = Settings::load(Some(&folder.join("efface.toml")), []).unwrap();
    assert!(loaded.database.url.expose().ends_with("/a%3Fb%25c/efface.db"));
}

#[test]
fn secrets_in_files_lie_beside_the_settings() {
    let text = "[accounts.a]\nconnector = 'x'\n[accounts.a.settings]\nkey_file = 'k'\n";
    let folder = folder(text);
    let secret = folder.path().join("k");
    fs::write(&secret, "beside\n").unwrap();
    #[cfg(unix)]
    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let loaded = Settings::load(Some(&folder.path().join("efface.toml")), []).unwrap();
    assert_eq!(loaded.accounts["a"].settings.expose()["key"], "beside");
}
