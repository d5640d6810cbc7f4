//! Loading: which source wins, what the defaults are, how secrets come in.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use efface_settings::{DEFAULT_FILE, Error, Settings};
use std::path::{Path, PathBuf};

type Env<'a> = &'a [(&'a str, &'a str)];

fn env(pairs: Env<'_>) -> Vec<(String, String)> {
    let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    pairs.iter().map(owned).collect()
}

/// A folder with a settings file in it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(text: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(place.path("efface.toml"), text).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn secret(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        set_mode(&path, mode);
        path.display().to_string()
    }

    fn load(&self, pairs: Env<'_>) -> Result<Settings, Error> {
        Settings::load(Some(&self.path("efface.toml")), env(pairs))
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) {}

const ACCOUNT: &str = "[accounts.mailchimp-eu]\nconnector = 'mailchimp'\n";

#[test]
fn without_a_file_the_defaults_hold() {
    let s = Settings::load(None, []).unwrap();
    assert_eq!(s.database.url.expose(), "sqlite://efface.db");
    assert_eq!(s.vault.master_key_file.as_deref(), Some(Path::new("efface.key")));
    assert!(s.vault.master_key.is_none());
    assert_eq!(s.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(s.worker.call_timeout_seconds, 20);
    assert_eq!(s.worker.lease_seconds, 30);
    assert_eq!(s.worker.calls_in_flight_total, 64);
    assert_eq!(s.worker.drain_seconds, 25);
    assert_eq!(s.policy.cooling_off_hours, 24);
    assert_eq!(s.policy.phase_patience_hours, 72);
    assert_eq!(s.policy.due_days, 30);
    assert_eq!(s.policy.expire_unproved_days, 90);
    assert!(s.policy.auto_release_suppress);
    assert!(s.policy.guard_role_mailboxes.iter().any(|m| m == "info"));
    assert_eq!(s.policy.retry.base_seconds, 5);
    assert_eq!(s.policy.retry.cap_hours, 24);
    assert_eq!(s.policy.retry.tries_before_desk, 10);
    assert_eq!(s.log.format, "text");
    assert!(s.controllers.contains_key("default"));
    assert!(s.accounts.is_empty());
    assert_eq!(s.validate(), []);
}

#[test]
fn an_account_starts_from_its_defaults() {
    let s = Place::new(ACCOUNT).load(&[]).unwrap();
    let a = &s.accounts["mailchimp-eu"];
    assert_eq!((&*a.connector, &*a.controller, &*a.lane), ("mailchimp", "default", "mailchimp-eu"));
    assert_eq!((a.daily_ceiling_people, a.linger_ms, a.allow_loopback), (100, 0, false));
    assert_eq!((&a.keyed_by, a.calls_per_second, a.batch_items), (&None, None, None));
    assert_eq!(a.settings.expose(), &serde_json::json!({}));
}

#[test]
fn an_account_may_be_keyed_by_a_vendors_own_id() {
    let s = Place::new(&format!("{ACCOUNT}keyed_by = ['email', 'vendor:mailchimp-eu_2']\n"));
    let a = &s.load(&[]).unwrap().accounts["mailchimp-eu"];
    let wanted = ["email", "vendor:mailchimp-eu_2"].map(str::to_owned);
    assert_eq!(a.keyed_by.as_deref(), Some(&wanted[..]));
    for bad in ["vendor:", "vendor:Mail", "vendor:a b", "vendors:a", "mail:a", "1x"] {
        assert!(
            Place::new(&format!("{ACCOUNT}keyed_by = ['{bad}']\n")).load(&[]).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn the_file_beats_the_defaults_and_the_environment_beats_the_file() {
    let place = Place::new("[worker]\nname = 'file'\ndrain_seconds = 60\n");
    let s =
        place.load(&[("EFFACE__WORKER__NAME", "variable"), ("EFFACE_WORKER_NAME", "no")]).unwrap();
    assert_eq!(s.worker.name, "variable");
    assert_eq!(s.worker.drain_seconds, 60);
    assert_eq!(s.worker.lease_seconds, 30);
}

#[test]
fn variables_take_the_type_of_their_setting() {
    let text = format!(
        "{ACCOUNT}[accounts.mailchimp-eu.settings]\nlists = ['a']\nsize = 3\ndry = false\n"
    );
    let s = Place::new(&text)
        .load(&[
            ("EFFACE__POLICY__RETRY__CAP_HOURS", "12"),
            ("EFFACE__POLICY__GUARD_ROLE_MAILBOXES", "info, sales"),
            ("EFFACE__POLICY__AUTO_RELEASE_SUPPRESS", "false"),
            ("EFFACE__CONTROLLERS__DEFAULT__TIME_ZONE", "Europe/Paris"),
            ("EFFACE__CONTROLLERS__NORTH_STAR__NAME", "North Star"),
            ("EFFACE__ACCOUNTS__MAILCHIMP_EU__CALLS_PER_SECOND", "0.5"),
            ("EFFACE__ACCOUNTS__MAILCHIMP_EU__SETTINGS__LISTS", "b,c"),
            ("EFFACE__ACCOUNTS__MAILCHIMP_EU__SETTINGS__SIZE", "7"),
            ("EFFACE__ACCOUNTS__MAILCHIMP_EU__SETTINGS__DRY", "true"),
            ("EFFACE__ACCOUNTS__MAILCHIMP_EU__SETTINGS__API_KEY", "0123"),
        ])
        .unwrap();
    assert_eq!(s.policy.retry.cap_hours, 12);
    assert_eq!(s.policy.guard_role_mailboxes, ["info", "sales"]);
    assert!(!s.policy.auto_release_suppress);
    assert_eq!(s.controllers["north-star"].name, "North Star");
    let account = &s.accounts["mailchimp-eu"];
    assert_eq!(account.calls_per_second, Some(0.5));
    let wanted =
        serde_json::json!({"lists": ["b", "c"], "size": 7, "dry": true, "api_key": "0123"});
    assert_eq!(account.settings.expose(), &wanted);
    assert_eq!(
        s.redacted()["accounts"]["mailchimp-eu"]["settings"]["api_key"].as_str(),
        Some("[secret]")
    );
}

#[test]
fn a_named_file_that_is_missing_is_refused_with_the_way_to_get_one() {
    let missing = Path::new("no-such-folder/efface.toml");
    let error = Settings::load(Some(missing), []).unwrap_err();
    assert!(matches!(error, Error::NoFile { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "there is no settings file at {}: `efface init` writes one, or name another",
            std::path::absolute(missing).unwrap().display()
        )
    );
}

#[test]
fn a_syntax_error_names_the_place_and_not_the_line() {
    let place = Place::new("[vault]\nmaster_key = sesame open\n");
    let error = place.load(&[]).unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(matches!(error, Error::Syntax { line: 2, .. }), "{said}");
    assert!(!said.contains("sesame"), "{said}");
}

#[test]
fn secrets_come_by_value_file_or_variable() {
    let place = Place::new("");
    let url = place.secret("url", "postgres://e:pw@db/efface\n", 0o600);
    let pem = place.secret("pem", "-----BEGIN\nEND-----\n", 0o400);
    let text = format!(
        "[database]\nurl_file = '{url}'\n[vault]\nmaster_key = 'env:MASTER'\n{ACCOUNT}\
         [accounts.mailchimp-eu.settings]\nlist = 'abc'\nendpoint = 'https://u:p@example.com/x'\n\
         private_key_file = '{pem}'\nnested = {{ token = 'env:TOKEN', deep = ['env:TOKEN', 'x'] }}\n\
         credentials = {{ user = 'u', number = 4 }}\n"
    );
    std::fs::write(place.path("efface.toml"), text).unwrap();
    let s = place.load(&[("MASTER", "mk"), ("TOKEN", "tk")]).unwrap();
    assert_eq!(s.database.url.expose(), "postgres://e:pw@db/efface");
    assert_eq!(s.vault.master_key_text().unwrap().expose(), "mk");
    assert!(s.vault.master_key_file.is_none());
    let wanted = serde_json::json!({
        "list": "abc", "endpoint": "https://u:p@example.com/x",
        "private_key": "-----BEGIN\nEND-----",
        "nested": { "token": "tk", "deep": ["tk", "x"] },
        "credentials": { "user": "u", "number": 4 },
    });
    assert_eq!(s.accounts["mailchimp-eu"].settings.expose(), &wanted);

    let shown = s.redacted();
    assert_eq!(shown["database"]["url_file"].as_str(), Some(&*url));
    assert!(shown["database"].get("url").is_none());
    assert_eq!(shown["vault"]["master_key"].as_str(), Some("env:MASTER"));
    assert!(shown["vault"].get("master_key_file").is_none());
    let vendor = toml::toml! {
        list = "abc"
        endpoint = "https://[secret]@example.com/x"
        nested = { token = "env:TOKEN", deep = ["env:TOKEN", "x"] }
        credentials = { user = "[secret]", number = "[secret]" }
    };
    let mut vendor_shown =
        shown["accounts"]["mailchimp-eu"]["settings"].as_table().unwrap().clone();
    assert_eq!(vendor_shown.remove("private_key_file").unwrap().as_str(), Some(&*pem));
    assert_eq!(vendor_shown, vendor);

    let said = format!("{s:?} {:?} {shown}", s.database.url);
    for secret in ["pw", "mk\"", "tk", "u:p@", "BEGIN"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

#[test]
fn addresses_are_shown_without_user_and_password() {
    let check = |url: &str, wanted: &str| {
        let s = Settings::load(None, env(&[("EFFACE__DATABASE__URL", url)])).unwrap();
        assert_eq!(s.database.url.expose(), url);
        assert_eq!(s.redacted()["database"]["url"].as_str(), Some(wanted), "{url}");
    };
    check("sqlite://efface.db", "sqlite://efface.db");
    check("sqlite://var/efface.db?mode=rwc", "sqlite://var/efface.db?mode=rwc");
    check("postgres://db:5432/efface", "postgres://db:5432/efface");
    check("postgres://u:pw@db:5432/e", "postgres://[secret]@db:5432/e");
    check("postgres://u@db/e", "postgres://[secret]@db/e");
    check("postgres://u:p@ss@db/e", "[secret]");
    check("postgres://u:p/ss@db/e", "[secret]");
    check("postgres://u:12#ss@db/e", "[secret]");
    check("postgres://u:p@ss/w@db/e", "[secret]");
    check("postgres://db/e?password=pw", "[secret]");
    check("sqlite::memory:", "sqlite::memory:");
}

#[test]
fn the_master_key_is_read_when_it_is_needed_and_not_before() {
    let place = Place::new("[vault]\nmaster_key_file = 'no-such.key'\n");
    let s = place.load(&[]).unwrap();
    let said = s.vault.master_key_text().unwrap_err().to_string();
    assert!(
        said.starts_with("config: vault.master_key_file: cannot be read from ")
            && said.contains(&place.path("no-such.key").display().to_string()),
        "{said}"
    );
    assert!(said.contains("`efface init`"), "{said}");

    let key = place.secret("good.key", "efface-master-1:…\n", 0o600);
    let s = place.load(&[("EFFACE__VAULT__MASTER_KEY_FILE", &key)]).unwrap();
    assert_eq!(s.vault.master_key_text().unwrap().expose(), "efface-master-1:…");
}

#[test]
fn a_master_key_by_value_is_kept_and_not_shown() {
    let s = Place::new("[vault]\nmaster_key = 'ses://ame'\n").load(&[]).unwrap();
    assert_eq!(s.vault.master_key_text().unwrap().expose(), "ses://ame");
    assert_eq!(s.redacted()["vault"]["master_key"].as_str(), Some("[secret]"));
    let said = format!("{s:?} {}", s.vault.master_key_text().unwrap());
    assert!(!said.contains("ame'") && !said.contains("ses://"), "{said}");
}

#[test]
fn a_zone_is_asked_for_at_first_use_only() {
    let s = Settings::load(None, []).unwrap();
    let said = s.controller_zone("default").unwrap_err().to_string();
    assert!(said.contains("controllers.default.time_zone is not set"), "{said}");
    assert!(said.contains("Europe/Paris"), "{said}");
    let said = s.controller_zone("acme").unwrap_err().to_string();
    assert_eq!(said, "config: there is no controller `acme`; there are: default");
    let s = Place::new("[controllers.default]\ntime_zone = 'Asia/Tokyo'\n").load(&[]).unwrap();
    assert_eq!(s.controller_zone("default").unwrap().iana_name(), Some("Asia/Tokyo"));
}

#[test]
fn every_commented_setting_of_the_default_file_is_right_once_uncommented() {
    // settings that stand for another one above them
    let instead = ["#url_file", "#master_key"];
    let uncommented: Vec<&str> = DEFAULT_FILE
        .lines()
        .filter(|line| !instead.iter().any(|i| line.starts_with(i)))
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') && !rest.is_empty() => rest,
            _ => line,
        })
        .collect();
    let s = Place::new(&uncommented.join("\n"))
        .load(&[
            ("MAILCHIMP_API_KEY", "k"),
            ("ANCHOR_TOKEN", "t"),
            ("ANCHOR_SECRET", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"),
            ("ANCHOR_MAIL_PASSWORD", "p"),
        ])
        .unwrap();
    assert_eq!(s.ledger.anchor_webhook_token.map(|t| t.expose().to_owned()).as_deref(), Some("t"));
    assert_eq!(s.ledger.anchor_mail_password.map(|p| p.expose().to_owned()).as_deref(), Some("p"));
    assert_eq!(s.accounts["mailchimp-eu"].settings.expose()["api_key"], "k");
    assert_eq!(s.accounts["mailchimp-eu"].calls_in_flight, Some(4));
    assert_eq!(s.controllers["default"].default_phone_region.as_deref(), Some("DE"));
}

#[test]
fn the_rendering_without_secrets_can_be_loaded_again() {
    let s = Place::new(ACCOUNT).load(&[]).unwrap();
    let text = toml::to_string(&s.redacted()).unwrap();
    let again = Place::new(&text).load(&[]).unwrap();
    assert_eq!(again.redacted(), s.redacted());
}
