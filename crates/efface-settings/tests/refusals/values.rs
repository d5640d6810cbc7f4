//! Refusals of single settings: unknown keys, types, ranges, shapes, secrets.

use crate::{account, check};

#[test]
fn an_unknown_key_is_refused_with_the_nearest_right_name() {
    check(
        "[accounts.mailchimp-eu]\nconnector = 'mailchimp'\nkyed_by = ['email']\n",
        &[],
        &[
            "accounts.mailchimp-eu.kyed_by is not a setting (did you mean keyed_by?) [in efface.toml, line 3]",
        ],
    );
    check(
        "[sever]\n",
        &[],
        &["sever is not a setting (did you mean server?) [in efface.toml, line 1]"],
    );
    check(
        "[server]\ndrain_seconds = 3\nzzzzzzzz = 1\n",
        &[],
        &[
            "server.drain_seconds is not a setting (did you mean worker.drain_seconds?) [in efface.toml, line 2]",
            "server.zzzzzzzz is not a setting [in efface.toml, line 3]",
        ],
    );
    check(
        "[database]\nurl_fil = 'x'\n",
        &[],
        &["database.url_fil is not a setting (did you mean url_file?) [in efface.toml, line 2]"],
    );
    check(
        &account("api_key = 'sesame'\n"),
        &[],
        &[
            "accounts.a.api_key is not a setting (a setting of the vendor stands under [accounts.a.settings]) [in efface.toml, line 3]",
        ],
    );
    check(
        "",
        &[
            ("EFFACE__WORKER__NAEM", "x"),
            ("EFFACE__ACCOUNTS__MY_CRM__CONECTOR", "y"),
            ("EFFACE__WORKER__", "z"),
        ],
        &[
            "EFFACE__WORKER__ names no setting of its own (variables are EFFACE__SECTION__KEY, and a section takes no value)",
            "accounts.my-crm.conector is not a setting (did you mean connector?) [from EFFACE__ACCOUNTS__MY_CRM__CONECTOR]",
            "accounts.my-crm.connector is missing and has no default [from EFFACE__ACCOUNTS__MY_CRM__CONECTOR]",
            "worker.naem is not a setting (did you mean name?) [from EFFACE__WORKER__NAEM]",
        ],
    );
}

#[test]
fn a_wrong_type_is_refused_with_both_types() {
    check(
        "server = 3\n[worker]\nname = 1\nlease_seconds = 'sesame'\n[policy]\nauto_release_suppress = 'yes'\n\
         guard_role_mailboxes = 'info'\n[policy.retry]\ncap_hours = 1.5\n[accounts]\na = 'x'\n",
        &[("EFFACE__IMPORT__BATCH_ROWS", "sesame"), ("EFFACE__LOG", "x")],
        &[
            "accounts.a is text, a section [accounts.a] is wanted [in efface.toml, line 11]",
            "import.batch_rows is text, a whole number is wanted [from EFFACE__IMPORT__BATCH_ROWS]",
            "log is text, a section [log] is wanted [from EFFACE__LOG]",
            "policy.auto_release_suppress is text, true or false is wanted [in efface.toml, line 6]",
            "policy.guard_role_mailboxes is text, a list of texts is wanted [in efface.toml, line 7]",
            "policy.retry.cap_hours is a number with a fraction, a whole number is wanted [in efface.toml, line 9]",
            "server is a whole number, a section [server] is wanted [in efface.toml, line 1]",
            "worker.lease_seconds is text, a whole number is wanted [in efface.toml, line 4]",
            "worker.name is a whole number, text is wanted [in efface.toml, line 3]",
        ],
    );
    check(
        &account("keyed_by = ['email', 3, 'E-Mail']\ncalls_per_second = '3'\nsettings = 3\n"),
        &[],
        &[
            "accounts.a.calls_per_second is text, a number is wanted [in efface.toml, line 4]",
            "accounts.a.keyed_by[1] is a whole number, text is wanted [in efface.toml, line 3]",
            "accounts.a.keyed_by[2] is not an identifier kind such as `email`, `user_id` or `vendor:<namespace>`, as `connector show` prints it [in efface.toml, line 3]",
            "accounts.a.settings is a whole number, a section [accounts.a.settings] is wanted [in efface.toml, line 5]",
        ],
    );
}

#[test]
fn a_value_out_of_range_is_refused_with_the_range() {
    check(
        &account("calls_per_second = 0\nlinger_ms = -1\nbatch_items = 0\n"),
        &[("EFFACE__POLICY__DUE_DAYS", "0")],
        &[
            "accounts.a.batch_items is 0, allowed is 1 to 1000000 [in efface.toml, line 5]",
            "accounts.a.calls_per_second is 0, allowed is above 0 up to 10000 [in efface.toml, line 3]",
            "accounts.a.linger_ms is -1, allowed is 0 to 60000 [in efface.toml, line 4]",
            "policy.due_days is 0, allowed is 1 to 365 [from EFFACE__POLICY__DUE_DAYS]",
        ],
    );
}

#[test]
fn a_list_of_numbers_is_refused_with_the_place_of_the_wrong_one() {
    check(
        "[policy]\nwatch_days = [0, 7, 'x', 91]\n",
        &[],
        &[
            "policy.watch_days[0] is 0, allowed is 1 to 90 [in efface.toml, line 2]",
            "policy.watch_days[2] is text, a whole number is wanted [in efface.toml, line 2]",
            "policy.watch_days[3] is 91, allowed is 1 to 90 [in efface.toml, line 2]",
        ],
    );
    check(
        "",
        &[("EFFACE__POLICY__WATCH_DAYS", "1,2,3,4,5,6,7,8,9")],
        &["policy.watch_days has 9 numbers, allowed are 8 [from EFFACE__POLICY__WATCH_DAYS]"],
    );
    check(
        "[policy]\nwatch_days = 7\n",
        &[("EFFACE__POLICY__DUE_DAYS", "3")],
        &[
            "policy.watch_days is a whole number, a list of whole numbers is wanted [in efface.toml, line 2]",
        ],
    );
    check(
        "[policy]\nwatch_days = [30, 7]\n",
        &[],
        &[
            "policy.watch_days does not rise (name each day once, the earliest first, for example [7, 30]) [in efface.toml, line 2]",
        ],
    );
    check("[policy]\nwatch_days = []\n", &[], &[]);
    check("", &[("EFFACE__POLICY__WATCH_DAYS", "3, 90")], &[]);
}

#[test]
fn months_of_a_regime_are_refused_below_what_its_law_asks_for() {
    check(
        "[policy.keep_records]\nus-ca = 12\nus-co = 24\neu-gdpr = 1\nuk-gdpr = 0\n",
        &[("EFFACE__POLICY__KEEP_RECORDS__BR_LGPD", "x")],
        &[
            "policy.keep_records.br-lgpd is text, a whole number is wanted [from EFFACE__POLICY__KEEP_RECORDS__BR_LGPD]",
            "policy.keep_records.uk-gdpr is 0, allowed is 1 to 1200 [in efface.toml, line 5]",
            "policy.keep_records.us-ca is 12, and its law asks for at least 24 months (records of requests under it cannot end sooner) [in efface.toml, line 2]",
        ],
    );
}

#[test]
fn texts_have_their_shapes() {
    let one = |section: &str, key: &str, value: &str, wanted: &str| {
        let path = format!("{section}.{key}");
        let wanted = format!("{path} {wanted} [in efface.toml, line 2]");
        check(&format!("[{section}]\n{key} = {value}\n"), &[], &[&wanted]);
    };
    let zone = "is not an IANA time zone such as Europe/Paris or America/New_York";
    one("controllers.default", "time_zone", "'Paris'", zone);
    one("controllers.default", "time_zone", "'CET-1'", zone);
    one(
        "controllers.default",
        "default_phone_region",
        "'de'",
        "is not a country in two capital letters, such as FR",
    );
    one(
        "server",
        "listen",
        "'localhost'",
        "is not an address and port such as 127.0.0.1:8080 or [::1]:8080",
    );
    one("log", "format", "'xml'", "is not `text` or `json`");
    one("log", "filter", "' '", "is empty");
    one(
        "database",
        "url",
        "'mysql://u:sesame@h/d'",
        "is not a database address: sqlite://file or postgres://user@host/name",
    );
    one(
        "worker",
        "name",
        "'a b'",
        "is not a worker name: letters, digits, -, . and _, or empty for the host name",
    );
    let cron = "has 5 fields where a cron expression here has 6 or 7 (second minute hour day month weekday [year]), or is `off`";
    one("schedule", "desk_digest", "'0 7 * * *'", cron);
    one(
        "schedule",
        "desk_digest",
        "'0 0 7 * * ;'",
        "is not a cron expression: fields hold digits, names, * / , - and ?",
    );
    let lists = [
        ("own_domains", "'example'", "is not a mail domain such as `example.org`"),
        ("own_domains", "'@example.org'", "is not a mail domain such as `example.org`"),
        ("staff", "'ada'", "is not a mail address"),
        ("test_accounts", "''", "is empty"),
    ];
    for (key, value, wanted) in lists {
        let wanted = format!("controllers.default.{key}[0] {wanted} [in efface.toml, line 2]");
        check(&format!("[controllers.default]\n{key} = [{value}]\n"), &[], &[&wanted]);
    }
    for fine in ["'off'", "'0 0 7 * * MON-FRI'", "'*/10 0 7 ? * 1,2 2027'"] {
        check(&format!("[schedule]\ndesk_digest = {fine}\n"), &[], &[]);
    }
}

#[test]
fn a_secret_given_twice_is_refused() {
    check(
        "[database]\nurl = 'sqlite://a'\nurl_file = 'HERE/fine.key'\n",
        &[],
        &[
            "database.url is given twice, the other time as database.url_file (remove one; the other is in efface.toml, line 3) [in efface.toml, line 2]",
        ],
    );
    check(
        "[vault]\nmaster_key_file = 'x'\n",
        &[("EFFACE__VAULT__MASTER_KEY", "sesame")],
        &[
            "vault.master_key is given twice, the other time as vault.master_key_file (remove one; the other is in efface.toml, line 2) [from EFFACE__VAULT__MASTER_KEY]",
        ],
    );
    check(
        &account("[accounts.a.settings]\ntoken = 'sesame'\ntoken_file = 'HERE/fine.key'\n"),
        &[],
        &[
            "accounts.a.settings.token is given twice, the other time as accounts.a.settings.token_file (remove one; the other is in efface.toml, line 5) [in efface.toml, line 4]",
        ],
    );
}

#[test]
fn a_secret_that_cannot_be_had_is_refused() {
    check(
        &account(
            "[accounts.a.settings]\na = 'env:NOT_SET'\nb = 'env:EMPTY'\nc = 'env:sesame open'\nd_file = 3\n",
        ),
        &[("EMPTY", "")],
        &[
            "accounts.a.settings.a is to come from the environment variable NOT_SET, which is not set [in efface.toml, line 4]",
            "accounts.a.settings.b is to come from the environment variable EMPTY, which is empty [in efface.toml, line 5]",
            "accounts.a.settings.c begins with `env:` and goes on with something that is no variable name [in efface.toml, line 6]",
            "accounts.a.settings.d_file is a whole number, the path of a file is wanted [in efface.toml, line 7]",
        ],
    );
    check(
        "[database]\nurl_file = 'HERE/empty.key'\n",
        &[],
        &["database.url_file is to come from empty.key, which is empty [in efface.toml, line 2]"],
    );
    check(
        "[database]\nurl_file = 'HERE/fine.key'\n",
        &[],
        &[
            "database.url_file is not a database address: sqlite://file or postgres://user@host/name [in efface.toml, line 2]",
        ],
    );
}

#[cfg(unix)]
#[test]
fn a_secret_file_that_everybody_can_read_is_refused() {
    let message = "stands in open.key, which everybody on this machine may read or write (mode 644); run `chmod 600 open.key`";
    check(
        &account("[accounts.a.settings]\ntoken_file = 'HERE/open.key'\n"),
        &[],
        &[&format!("accounts.a.settings.token_file {message} [in efface.toml, line 4]")],
    );
    check(
        "[database]\nurl_file = 'HERE/open.key'\n",
        &[],
        &[&format!("database.url_file {message} [in efface.toml, line 2]")],
    );
}

#[test]
fn traces_go_over_tls_or_stay_on_this_machine() {
    for endpoint in ["http://127.0.0.1:4318", "http://[::1]:4318/", "https://collector.example"] {
        check(&format!("[telemetry]\notlp_endpoint = '{endpoint}'\n"), &[], &[]);
    }
    let local = "is not an https:// URL; http:// is for a collector on this machine";
    for (endpoint, why) in [
        ("http://collector.example:4318", local),
        ("http://127.0.0.1.example.com", local),
        (
            "https://me:sesame@collector.example",
            "holds a user or password, which belong into settings of their own",
        ),
        ("collector:4318", "is not an https:// URL with a host"),
    ] {
        let said = format!("telemetry.otlp_endpoint {why} [in efface.toml, line 2]");
        check(&format!("[telemetry]\notlp_endpoint = '{endpoint}'\n"), &[], &[&said]);
    }
    check(
        "[telemetry]\notlp_authorization = \"Bearer sesame\\nx: y\"\nsample_ratio = 0.0\n",
        &[],
        &[
            "telemetry.otlp_authorization is not the value of a header: printable ASCII on one line [in efface.toml, line 2]",
            "telemetry.sample_ratio is 0, allowed is above 0 up to 1 [in efface.toml, line 3]",
        ],
    );
}
