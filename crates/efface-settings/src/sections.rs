//! The typed sections. What each setting means to its user stands in the
//! commented default file; here stands what the code may rely on.

use crate::schema::{Field, Kind, section};
use crate::secret::{Secret, VendorSettings};
use crate::shapes;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Everything that can be set, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where requests and tasks are stored.
    pub database: Database,
    /// Where the master key is.
    pub vault: Vault,
    /// The HTTP service.
    pub server: Server,
    /// The process that calls vendors.
    pub worker: Worker,
    /// Brakes, patience and deadlines.
    pub policy: Policy,
    /// Checkpoints of the log over the journal.
    pub ledger: Ledger,
    /// What is logged.
    pub log: Log,
    /// Traces of vendor calls.
    pub telemetry: Telemetry,
    /// Filing many requests from a file.
    pub import: Import,
    /// Recurring jobs.
    pub schedule: Schedule,
    /// Who answers for the data, by id; `default` is always there.
    pub controllers: BTreeMap<String, Controller>,
    /// The vendor accounts, by id.
    pub accounts: BTreeMap<String, Account>,
    /// The rendering without secrets.
    #[serde(skip)]
    pub(crate) shown: toml::Table,
    /// Which source gave each path.
    #[serde(skip)]
    pub(crate) origins: BTreeMap<String, String>,
    /// Vendors' settings that were not read.
    #[serde(skip)]
    pub(crate) left_alone: Vec<String>,
}

impl Settings {
    pub(crate) const FIELDS: &'static [Field] = {
        const fn part(name: &'static str, kind: Kind) -> Field {
            Field { name, kind }
        }
        &[
            part("database", Kind::Section(Database::FIELDS)),
            part("vault", Kind::Section(Vault::FIELDS)),
            part("server", Kind::Section(Server::FIELDS)),
            part("worker", Kind::Section(Worker::FIELDS)),
            part("policy", Kind::Section(Policy::FIELDS)),
            part("ledger", Kind::Section(Ledger::FIELDS)),
            part("log", Kind::Section(Log::FIELDS)),
            part("telemetry", Kind::Section(Telemetry::FIELDS)),
            part("import", Kind::Section(Import::FIELDS)),
            part("schedule", Kind::Section(Schedule::FIELDS)),
            part("controllers", Kind::Each(Controller::FIELDS, no_more)),
            part("accounts", Kind::Each(Account::FIELDS, account_defaults)),
        ]
    };
}

/// What a controller starts from.
fn no_more(_id: &str) -> toml::Table {
    toml::toml! {
        name = ""
        own_domains = []
        staff = []
        test_accounts = []
    }
}

/// What an account starts from: a lane of its own among others.
fn account_defaults(id: &str) -> toml::Table {
    let mut table = toml::toml! {
        controller = "default"
        accept_side_effects = []
        forwards_to = []
        daily_ceiling_people = 100
        linger_ms = 0
        allow_loopback = false
        settings = {}
    };
    // an account whose id is none is told so; its lane would only repeat it
    let lane = if shapes::is_id(id) { id } else { "unnamed" };
    table.insert("lane".to_owned(), toml::Value::String(lane.to_owned()));
    table
}

section! {
    /// `[database]`
    Database {
        /// `sqlite://…` or `postgres://…`; may hold a password.
        url: Secret = Kind::Secret(shapes::database_url);
        /// Connections held open at most.
        max_connections: u32 = Kind::Whole(1, 1000);
    }
}

section! {
    /// `[vault]`: exactly one of the master key's two is set.
    Vault {
        /// The master key's text.
        master_key: Option<Secret> = Kind::Secret(shapes::not_empty);
        /// The file that holds it; read by [`Vault::master_key_text`].
        master_key_file: Option<PathBuf> = Kind::Text(shapes::not_empty);
        /// Where the months' keys lie.
        key_folder: PathBuf = Kind::Text(shapes::not_empty);
        /// Where a copy of all keys lies, on another disk or machine.
        recovery_folder: Option<PathBuf> = Kind::Text(shapes::not_empty);
    }
}

section! {
    /// `[server]`
    Server {
        /// Address and port.
        listen: SocketAddr = Kind::Text(shapes::listen);
        /// Permits a listen address beyond this machine.
        allow_non_loopback: bool = Kind::Flag;
        /// Larger request bodies are refused.
        max_body_bytes: u64 = Kind::Whole(1024, 1 << 30);
        /// A slower answer is given up.
        request_timeout_seconds: u64 = Kind::Whole(1, 600);
    }
}

section! {
    /// `[worker]`
    Worker {
        /// Empty: the host's name.
        name: String = Kind::Text(shapes::worker_name);
        /// The longest a vendor call may take.
        call_timeout_seconds: u64 = Kind::Whole(1, 600);
        /// How long a lane stays with a worker that went silent; longer than a call may take.
        lease_seconds: u64 = Kind::Whole(2, 3600);
        /// Vendor calls under way at once, over all lanes.
        calls_in_flight_total: u32 = Kind::Whole(1, 10_000);
        /// Answers waiting to be written; more of them pause the calls.
        records_in_flight: u32 = Kind::Whole(1, 100_000);
        /// How long a stopping worker waits for its calls.
        drain_seconds: u64 = Kind::Whole(1, 3600);
    }
}

section! {
    /// `[policy]`
    Policy {
        /// Between release and the first irreversible call.
        cooling_off_hours: u32 = Kind::Whole(0, 720);
        /// How long a later phase waits for an earlier one at most.
        phase_patience_hours: u32 = Kind::Whole(1, 720);
        /// From confirmed to the first look whether the person is gone.
        verify_after_minutes: u32 = Kind::Whole(0, 43_200);
        /// Days until an answer is due where no rule says otherwise.
        due_days: u32 = Kind::Whole(1, 365);
        /// Days until a request expires that nobody proves.
        expire_unproved_days: u32 = Kind::Whole(1, 3650);
        /// Days after the answer until what is personal is forgotten.
        forget_days: u32 = Kind::Whole(0, 3650);
        /// The same where no answer is on record.
        forget_unanswered_days: u32 = Kind::Whole(1, 3650);
        /// Days after a request was closed on which its vendors are looked at again.
        watch_days: Vec<u32> = Kind::Wholes(1, 90, 8);
        /// Months the record of a request is kept, once nothing personal of it is left.
        keep_records_months: u32 = Kind::Whole(1, 1200);
        /// The same by regime, where the law asks for another number.
        keep_records: BTreeMap<String, u32> = Kind::Named(1, 1200);
        /// Whether a suppress request needs no release by a person.
        auto_release_suppress: bool = Kind::Flag;
        /// Local parts of addresses that belong to no one person.
        guard_role_mailboxes: Vec<String> = Kind::Texts(shapes::local_part);
        /// Trying again.
        retry: Retry = Kind::Section(Retry::FIELDS);
    }
}

section! {
    /// `[policy.retry]`
    Retry {
        /// The first pause; each later one may be twice as long.
        base_seconds: u64 = Kind::Whole(1, 3600);
        /// No pause is longer.
        cap_hours: u32 = Kind::Whole(1, 168);
        /// After so many failures a person is told as well.
        tries_before_desk: u32 = Kind::Whole(1, 1000);
    }
}

section! {
    /// `[ledger]`
    Ledger {
        /// New leaves after which a checkpoint is signed.
        checkpoint_leaves: u64 = Kind::Whole(1, 1_000_000);
        /// Minutes after which one is signed, if there are any.
        checkpoint_minutes: u64 = Kind::Whole(1, 1440);
        /// Where copies of the checkpoints go.
        anchor_folder: Option<PathBuf> = Kind::Text(shapes::not_empty);
        /// Where the newest checkpoint is posted.
        anchor_webhook: Option<String> = Kind::Text(shapes::base_url);
        /// What is shown there as a bearer.
        anchor_webhook_token: Option<Secret> = Kind::Secret(shapes::not_empty);
        /// What messages there are signed with: `whsec_` and the key in base64 (Standard Webhooks).
        anchor_webhook_secret: Option<Secret> = Kind::Secret(shapes::webhook_secret);
        /// The time-stamping authority (RFC 3161) that stamps the newest checkpoint.
        anchor_timestamp_url: Option<String> = Kind::Text(shapes::base_url);
        /// Permits one that speaks plain http.
        anchor_timestamp_allow_http: bool = Kind::Flag;
        /// Whom the newest checkpoint is mailed to.
        anchor_mail_to: Option<String> = Kind::Text(shapes::email);
        /// In whose name.
        anchor_mail_from: Option<String> = Kind::Text(shapes::email);
        /// The mail server, host and port.
        anchor_mail_server: Option<String> = Kind::Text(shapes::host_and_port);
        /// Who logs in there; set with the password or not at all.
        anchor_mail_user: Option<String> = Kind::Text(shapes::not_empty);
        /// Its password.
        anchor_mail_password: Option<Secret> = Kind::Secret(shapes::not_empty);
        /// `starttls`, `tls` or, on this machine, `none`.
        anchor_mail_security: String = Kind::Text(shapes::mail_security);
        /// Hours between two mails.
        anchor_mail_every_hours: u32 = Kind::Whole(1, 720);
    }
}

section! {
    /// `[log]`
    Log {
        /// `text` or `json`.
        format: String = Kind::Text(shapes::log_format);
        /// What is logged, in the syntax of tracing's filter.
        filter: String = Kind::Text(shapes::not_empty);
    }
}

section! {
    /// `[telemetry]`
    Telemetry {
        /// Base address of an OpenTelemetry collector (OTLP over HTTP); none: nothing is exported.
        otlp_endpoint: Option<String> = Kind::Text(shapes::collector);
        /// The `Authorization` header it wants, whole.
        otlp_authorization: Option<Secret> = Kind::Secret(shapes::header_value);
        /// How many traces out of one are exported.
        sample_ratio: f64 = Kind::Positive(1.0);
    }
}

section! {
    /// `[import]`
    Import {
        /// Longer lines are refused.
        max_line_bytes: u64 = Kind::Whole(256, 16 << 20);
        /// Rows saved in one transaction.
        batch_rows: u32 = Kind::Whole(1, 100_000);
    }
}

section! {
    /// `[schedule]`: cron expressions with a seconds field, or `off`.
    Schedule {
        /// Marks requests whose day has passed.
        overdue_check: String = Kind::Text(shapes::cron);
        /// Tells what waits on people's desks.
        desk_digest: String = Kind::Text(shapes::cron);
        /// Lets the database clean up after itself.
        database_tidy: String = Kind::Text(shapes::cron);
        /// Makes the next month's key in time.
        key_care: String = Kind::Text(shapes::cron);
        /// Posts the newest checkpoint to the anchor on another machine.
        anchor_outside: String = Kind::Text(shapes::cron);
    }
}

section! {
    /// `[controllers.<id>]`
    Controller {
        /// As it stands in answers and packs.
        name: String = Kind::Text(shapes::any);
        /// IANA name; read it through [`Settings::controller_zone`].
        time_zone: Option<String> = Kind::Text(shapes::time_zone);
        /// Where numbers without a country prefix are, as ISO 3166 letters.
        default_phone_region: Option<String> = Kind::Text(shapes::region);
        /// Mail domains of the controller itself.
        own_domains: Vec<String> = Kind::Texts(shapes::domain);
        /// Addresses of its own people.
        staff: Vec<String> = Kind::Texts(shapes::email);
        /// Identifiers that belong to nobody.
        test_accounts: Vec<String> = Kind::Texts(shapes::not_empty);
    }
}

section! {
    /// `[accounts.<id>]`: one account at one vendor.
    Account {
        /// The plugin that speaks to the vendor.
        connector: String = Kind::Needed(shapes::id);
        /// Whose account it is.
        controller: String = Kind::Text(shapes::id);
        /// Accounts of one lane share their pace.
        lane: String = Kind::Text(shapes::id);
        /// Identifier kinds this account is keyed by; none: the plugin's.
        keyed_by: Option<Vec<String>> = Kind::Texts(shapes::identifier_kind);
        /// Side effects accepted by name.
        accept_side_effects: Vec<String> = Kind::Texts(shapes::word);
        /// Connectors or accounts the vendor passes a deletion on to.
        forwards_to: Vec<String> = Kind::Texts(shapes::id);
        /// People erased or suppressed per day (UTC); past it a person decides.
        daily_ceiling_people: u32 = Kind::Whole(0, 10_000_000);
        /// Overrides the plugin's pace.
        calls_per_second: Option<f64> = Kind::Positive(10_000.0);
        /// Overrides the plugin's calls at once.
        calls_in_flight: Option<u32> = Kind::Whole(1, 1024);
        /// Overrides the plugin's people per call.
        batch_items: Option<u32> = Kind::Whole(1, 1_000_000);
        /// How long an order waits for company.
        linger_ms: u64 = Kind::Whole(0, 60_000);
        /// Another address of the vendor.
        base_url: Option<String> = Kind::Text(shapes::base_url);
        /// Development: permits a base URL on this machine.
        allow_loopback: bool = Kind::Flag;
        /// Development: shrinks the vendor's waits for a stand-in on this machine.
        stand_in_time_scale: Option<f64> = Kind::Positive(1.0);
        /// The vendor's own table, references resolved.
        settings: VendorSettings = Kind::Vendor;
    }
}
