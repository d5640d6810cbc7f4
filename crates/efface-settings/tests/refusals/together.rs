//! Refusals that look at several settings at once.

use crate::{account, check};

#[test]
fn the_service_stays_on_this_machine_unless_told() {
    check(
        "[server]\nlisten = '0.0.0.0:8080'\n",
        &[],
        &[
            "server.listen is reachable from other machines (whoever reaches it can file requests; set server.allow_non_loopback = true if that is meant) [in efface.toml, line 2]",
        ],
    );
    check("[server]\nlisten = '0.0.0.0:8080'\nallow_non_loopback = true\n", &[], &[]);
    check(
        "[ledger]\nanchor_webhook = 'http://witness.example.com'\n",
        &[],
        &[
            "ledger.anchor_webhook would send its token in the clear over http (use https://) [in efface.toml, line 2]",
        ],
    );
    check("[ledger]\nanchor_webhook = 'http://127.0.0.1:9/x'\n", &[], &[]);
    check("[server]\nlisten = '[::1]:8080'\n", &[], &[]);
}

#[test]
fn a_time_stamp_is_asked_over_http_only_where_that_is_meant_and_has_a_place() {
    let one = |url: &str, more: &str, wanted: &[&str]| {
        let file = format!("[ledger]\nanchor_timestamp_url = '{url}'\n{more}");
        let wanted: Vec<String> = wanted
            .iter()
            .map(|w| format!("ledger.anchor_timestamp_url {w} [in efface.toml, line 2]"))
            .collect();
        check(&file, &[], &wanted.iter().map(String::as_str).collect::<Vec<_>>());
    };
    let folder = "anchor_folder = 'kept'\n";
    one("https://tsa.example.com", folder, &[]);
    one("http://127.0.0.1:9/tsa", folder, &[]);
    let plain = "would be asked over http (use https://, or set ledger.anchor_timestamp_allow_http = true: the answer is signed, and verified by that alone)";
    one("http://tsa.example.com", folder, &[plain]);
    let meant = format!("{folder}anchor_timestamp_allow_http = true\n");
    one("http://tsa.example.com", &meant, &[]);
    let nowhere = "has nowhere to keep its time stamps (set ledger.anchor_folder: each lies there beside its checkpoint)";
    one("https://tsa.example.com", "", &[nowhere]);
}

#[test]
fn a_mailbox_has_a_sender_a_server_and_no_open_line() {
    let one = |lines: &str, wanted: &[&str]| check(&format!("[ledger]\n{lines}"), &[], wanted);
    let whole = "anchor_mail_to = 'w@example.com'\nanchor_mail_from = 'e@example.com'\n";
    one(&format!("{whole}anchor_mail_server = 'smtp.example.com:587'\n"), &[]);
    one(&format!("{whole}anchor_mail_server = '[::1]:25'\nanchor_mail_security = 'none'\n"), &[]);
    let part = "(a mail has a sender, and a server that takes it) [in efface.toml, line 2]";
    one(
        "anchor_mail_to = 'w@example.com'\n",
        &[
            &format!("ledger.anchor_mail_to needs ledger.anchor_mail_from {part}"),
            &format!("ledger.anchor_mail_to needs ledger.anchor_mail_server {part}"),
        ],
    );
    one(
        "anchor_mail_server = 'smtp.example.com:587'\nanchor_mail_user = 'e'\n",
        &[
            "ledger.anchor_mail_server is set, and nobody is mailed (set ledger.anchor_mail_to) [in efface.toml, line 2]",
            "ledger.anchor_mail_user has no password (set ledger.anchor_mail_password, best as anchor_mail_password_file or env:NAME) [in efface.toml, line 3]",
        ],
    );
    one(
        "anchor_mail_password = 'sesame'\nanchor_mail_security = 'ssl'\nanchor_webhook_secret = 'sesame'\n",
        &[
            "ledger.anchor_mail_password is nobody's (set ledger.anchor_mail_user) [in efface.toml, line 2]",
            "ledger.anchor_mail_security is not `starttls`, `tls` or `none` [in efface.toml, line 3]",
            "ledger.anchor_webhook_secret is not `whsec_` and 24 to 64 random bytes in base64, as `echo whsec_$(openssl rand -base64 32)` makes one [in efface.toml, line 4]",
        ],
    );
    one(
        &format!(
            "{whole}anchor_mail_server = 'smtp.example.com:25'\nanchor_mail_security = 'none'\n"
        ),
        &[
            "ledger.anchor_mail_security would speak to another machine in the clear (use \"starttls\" or \"tls\"; \"none\" is for a server on this machine) [in efface.toml, line 5]",
        ],
    );
    for wrong in ["smtp.example.com", "smtp.example.com:0", ":25", "smtp example:25"] {
        one(
            &format!("{whole}anchor_mail_server = '{wrong}'\n"),
            &[
                "ledger.anchor_mail_server is not a host and port such as smtp.example.com:587 [in efface.toml, line 4]",
                &format!("ledger.anchor_mail_to needs ledger.anchor_mail_server {part}"),
            ],
        );
    }
}

#[test]
fn times_that_contradict_each_other_are_refused() {
    check(
        "[worker]\ncall_timeout_seconds = 40\n[policy.retry]\nbase_seconds = 3600\ncap_hours = 1\n",
        &[],
        &[
            "worker.drain_seconds must not be shorter than worker.call_timeout_seconds (a stop would cut off calls whose outcome is then not known) [in the built-in defaults]",
            "worker.lease_seconds must be longer than worker.call_timeout_seconds (a lane could be given away while its call is still out) [in the built-in defaults]",
        ],
    );
}

#[test]
fn ids_have_one_shape() {
    for id in ["Mail", "a_b", "-a", "'a b'", "''", &"a".repeat(64)] {
        let file = format!("[accounts.{id}]\nconnector = 'x'\nlane = 'l'\n");
        let id = id.trim_matches('\'');
        let wanted = format!(
            "accounts.{id} is not an id: 1 to 63 of a-z, 0-9 and -, beginning with a letter or digit (rename the section) [in efface.toml, line 1]"
        );
        check(&file, &[], &[&wanted]);
    }
    check(&format!("[accounts.{}]\nconnector = 'x'\n", "a".repeat(63)), &[], &[]);
    check("[accounts.7-x]\nconnector = 'x'\n", &[], &[]);
}

#[test]
fn an_account_needs_a_connector_and_a_known_controller() {
    check(
        "[controllers.acme-fr]\n[accounts.a]\ncontroller = 'acme-rf'\n[accounts.b]\nconnector = 'X'\ncontroller = 'other'\n",
        &[],
        &[
            "accounts.a.connector is missing and has no default [in efface.toml, line 2]",
            "accounts.a.controller is `acme-rf`, and there is no such controller (did you mean acme-fr?) [in efface.toml, line 3]",
            "accounts.b.connector is not an id: 1 to 63 of a-z, 0-9 and -, beginning with a letter or digit [in efface.toml, line 5]",
            "accounts.b.controller is `other`, and there is no such controller (add a section [controllers.other]) [in efface.toml, line 6]",
        ],
    );
}

#[test]
fn lanes_are_shared_at_one_vendor_and_one_pace_only() {
    let two = |a: &str, b: &str| {
        format!("[accounts.a]\nlane = 'l'\n{a}\n[accounts.b]\nlane = 'l'\n{b}\n")
    };
    let same = "connector = 'x'\ncalls_per_second = 2";
    check(&two(same, same), &[], &[]);
    check(
        &two(same, "connector = 'y'\ncalls_per_second = 2"),
        &[],
        &[
            "accounts.b.lane is shared with accounts.a, which is at another vendor (a lane is one vendor's quota; accounts at two vendors have none in common) [in efface.toml, line 6]",
        ],
    );
    check(
        &two(same, "connector = 'x'"),
        &[],
        &[
            "accounts.b.lane is shared with accounts.a, which sets another pace (give both the same calls_per_second and calls_in_flight) [in efface.toml, line 6]",
        ],
    );
    check(
        "[accounts.ledger]\nconnector = 'x'\n[accounts.requests-2]\nconnector = 'x'\n[accounts.a]\nconnector = 'y'\nlane = 'requests'\n",
        &[],
        &[
            "accounts.a.lane is `requests`, a name the engine uses for its own lanes (choose another lane, or another id for the account) [in efface.toml, line 7]",
            "accounts.ledger.lane is `ledger`, a name the engine uses for its own lanes (choose another lane, or another id for the account) [in efface.toml, line 1]",
            "accounts.requests-2.lane is `requests-2`, a name the engine uses for its own lanes (choose another lane, or another id for the account) [in efface.toml, line 3]",
        ],
    );
}

#[test]
fn a_vendor_is_reached_one_way_only() {
    let hint = "(deletions reach a vendor one way only: remove the account, or take the vendor out of forwards_to and switch the forwarding off) [in efface.toml, line 3]";
    for target in ["braze", "braze-eu"] {
        let file = account(&format!(
            "forwards_to = ['{target}', 'unconnected']\n[accounts.braze-eu]\nconnector = 'braze'\n"
        ));
        let wanted = format!(
            "accounts.a.forwards_to names `{target}`, and accounts.braze-eu of the same controller is connected to it directly: each person would be deleted there twice {hint}"
        );
        check(&file, &[], &[&wanted]);
    }
    let elsewhere = "forwards_to = ['braze']\n[controllers.other]\n[accounts.braze-eu]\nconnector = 'braze'\ncontroller = 'other'\n";
    check(&account(elsewhere), &[], &[]);
    check(
        &account("forwards_to = ['a', 'acme']\n"),
        &[],
        &[
            "accounts.a.forwards_to names the account itself (leave it out) [in efface.toml, line 3]",
        ],
    );
}

#[test]
fn a_base_url_is_https_or_development() {
    let one = |lines: &str, wanted: &[&str]| {
        let wanted: Vec<String> = wanted
            .iter()
            .map(|w| format!("accounts.a.base_url {w} [in efface.toml, line 3]"))
            .collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        check(&account(&format!("base_url = {lines}\n")), &[], &wanted);
    };
    one("'https://api.example.com/v1'", &[]);
    one("'http://127.0.0.1:9999'\nallow_loopback = true", &[]);
    one("'https://localhost'\nallow_loopback = true", &[]);
    let clear = "would send people's identifiers and the key in the clear over http (use https://)";
    one("'http://api.example.com'", &[clear]);
    one("'http://127.0.0.1.example.com'\nallow_loopback = true", &[clear]);
    let here = "points at this machine (for development set accounts.a.allow_loopback = true)";
    for url in [
        "http://127.0.0.1:9",
        "http://localhost",
        "http://[::1]:9",
        "https://[::ffff:127.0.0.1]",
        "http://x.localhost",
        "http://127.1",
    ] {
        one(&format!("'{url}'"), &[here]);
    }
    one("'api.example.com'", &["is not a URL such as https://api.example.com"]);
    one("'ftp://api.example.com'", &["is not an https:// URL with a host"]);
    one(
        "'https://u:sesame@api.example.com'",
        &["holds a user or password, which belong into settings of their own"],
    );
    one(
        "'https://api.example.com?key=sesame'",
        &["holds a query or fragment, which a base URL cannot have"],
    );
}
