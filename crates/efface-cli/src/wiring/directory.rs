//! From the settings and the vendors' cards to what the store plans and brakes by.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use efface_connector::{Connector, Plugin};
use efface_core::{
    AccountId, ConnectorId, ControllerId, IdentifierKind, LaneId, Manifest,
    brakes::GuardList,
    manifest::SideEffect,
    request::{Keeping, Patience, Records},
    retry::RetryPolicy,
    watch::Days,
};
use efface_settings::{Account, Controller, Settings};
use efface_store::{AccountSpec, Connection, ControllerRules, Directory, Policy};

/// The row of the table `meta` that marks a database as one of `efface demo`.
pub const DEMO_MARK: &str = "demo";

/// One thing wrong with the settings that only the vendors' cards can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub path: String,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "config: {} {}", self.path, self.message)
    }
}

/// Everything found wrong, one line each.
#[derive(Debug)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// An account whose vendor was found and whose settings the vendor takes.
pub struct BuiltAccount {
    pub spec: AccountSpec,
    /// Missing where the vendor's secrets were not read: such an account cannot be called.
    pub connector: Option<Arc<dyn Connector>>,
    /// Side effects the settings accept by name.
    pub accepted: Vec<SideEffect>,
}

/// Builds every account; what cannot be built is told, and spoils no other.
#[must_use]
pub fn build_accounts(settings: &Settings) -> (Vec<BuiltAccount>, Vec<Problem>) {
    let mut problems = vec![];
    let mut built = vec![];
    for (id, account) in &settings.accounts {
        let mut desk = Check { path: format!("accounts.{id}"), problems: &mut problems };
        built.extend(desk.account(id, account, settings));
    }
    (built, problems)
}

/// Every account, for this database: one that `efface demo` made takes none of a real vendor.
///
/// # Errors
/// [`Problems`] with everything found, or when the database cannot be read.
pub async fn accounts_for(
    connection: &Connection,
    settings: &Settings,
) -> anyhow::Result<Vec<BuiltAccount>> {
    let (accounts, mut problems) = build_accounts(settings);
    if connection.meta(DEMO_MARK).await?.is_some() {
        let real = settings.accounts.iter().filter(|(_, account)| !account.is_on_this_machine());
        problems.extend(real.map(|(id, _)| Problem {
            path: format!("accounts.{id}"),
            message: "is at a real vendor, and this is efface demo's database; connect real accounts to a database of your own: efface init".into(),
        }));
    }
    if problems.is_empty() { Ok(accounts) } else { Err(Problems(problems).into()) }
}

/// What the store needs: controllers, accounts, policy.
///
/// # Errors
/// [`Problems`] with everything found.
pub fn directory(settings: &Settings, accounts: &[BuiltAccount]) -> Result<Directory, Problems> {
    let mut problems = vec![];
    let mut controllers = BTreeMap::new();
    let mut without_zone = BTreeSet::new();
    for (id, controller) in &settings.controllers {
        let has_accounts = accounts.iter().any(|a| a.spec.controller.as_str() == id);
        let zone = match settings.controller_zone(id) {
            Ok(zone) => zone,
            // asked for when the first request is filed
            Err(_) if !has_accounts => {
                without_zone.extend(ControllerId::new(id));
                continue;
            }
            Err(error) => {
                let path = format!("controllers.{id}.time_zone");
                let message = error.to_string();
                let message = message.trim_start_matches(&format!("config: {path} ")).to_owned();
                problems.push(Problem { path, message });
                continue;
            }
        };
        let Some(id) = (Check { path: format!("controllers.{id}"), problems: &mut problems })
            .name::<ControllerId>(id)
        else {
            continue;
        };
        let rules = ControllerRules {
            zone,
            default_phone_region: controller.default_phone_region.clone(),
            guard: guard(controller, &settings.policy.guard_role_mailboxes),
        };
        controllers.insert(id, rules);
    }
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let accounts = accounts.iter().map(|a| a.spec.clone()).collect();
    Ok(Directory {
        controllers,
        accounts,
        policy: policy(settings),
        records: records(settings),
        without_zone,
    })
}

fn guard(controller: &Controller, role_mailboxes: &[String]) -> GuardList {
    let lower = |texts: &[String]| texts.iter().map(|t| t.trim().to_lowercase()).collect();
    GuardList {
        own_domains: lower(&controller.own_domains),
        staff: lower(&controller.staff),
        test_accounts: lower(&controller.test_accounts),
        role_mailboxes: lower(role_mailboxes),
    }
}

fn records(settings: &Settings) -> Records {
    let by_regime = settings.policy.keep_records.iter();
    Records {
        months: settings.policy.keep_records_months,
        by_regime: by_regime.map(|(regime, months)| (regime.to_lowercase(), *months)).collect(),
    }
}

fn policy(settings: &Settings) -> Policy {
    let policy = &settings.policy;
    let hours = |n: u32| Duration::from_secs(u64::from(n) * 3600);
    Policy {
        cooling_off: hours(policy.cooling_off_hours),
        phase_patience: hours(policy.phase_patience_hours),
        due_days: u16::try_from(policy.due_days).unwrap_or(u16::MAX),
        expire_unproved: Patience::of(hours(policy.expire_unproved_days.saturating_mul(24))),
        keeping: Keeping {
            after_answer: hours(policy.forget_days.saturating_mul(24)),
            unanswered: hours(policy.forget_unanswered_days.saturating_mul(24)),
        },
        // read from settings that were checked
        watch: Days::new(&policy.watch_days).unwrap_or(Days::NONE),
        auto_release_suppress: policy.auto_release_suppress,
        verify_after: Duration::from_secs(u64::from(policy.verify_after_minutes) * 60),
        retry: RetryPolicy {
            base: Duration::from_secs(policy.retry.base_seconds),
            cap: hours(policy.retry.cap_hours),
            tries_before_desk: policy.retry.tries_before_desk,
        },
    }
}

/// The vendor of this id, or a sentence that names the nearest.
///
/// # Errors
/// To be read after the setting's path.
pub fn plugin(id: &str) -> Result<&'static Plugin, String> {
    efface_registry::find(id).ok_or_else(|| {
        let near = nearest(id, efface_registry::PLUGINS.iter().map(|p| p.id));
        let near = near.map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
        format!(
            "is `{id}`, and there is no such connector; {near}`efface connector list` names them"
        )
    })
}

/// The offered word most like `word`, if any is like it at all.
#[must_use]
pub fn nearest<'a>(word: &str, offered: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    offered
        .map(|o| (strsim::jaro_winkler(&word, o), o))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, offered)| offered)
}

/// Collects what is wrong below one path.
struct Check<'a> {
    path: String,
    problems: &'a mut Vec<Problem>,
}

impl Check<'_> {
    fn problem(&mut self, key: &str, message: impl Into<String>) {
        let path = if key.is_empty() { self.path.clone() } else { format!("{}.{key}", self.path) };
        self.problems.push(Problem { path, message: message.into() });
    }

    fn name<T: FromStr<Err: fmt::Display>>(&mut self, text: &str) -> Option<T> {
        text.parse().map_err(|e: T::Err| self.problem("", e.to_string())).ok()
    }

    fn account(
        &mut self,
        id: &str,
        account: &Account,
        settings: &Settings,
    ) -> Option<BuiltAccount> {
        let before = self.problems.len();
        self.forwards(account, settings);
        let accepted = self.words::<SideEffect>(
            "accept_side_effects",
            &account.accept_side_effects,
            SideEffect::ALL.iter().map(|s| s.word()),
        );
        let plugin = plugin(&account.connector).map_err(|e| self.problem("connector", e)).ok()?;
        let base_url = account.base_url.as_deref();
        let unread = settings.left_alone(id);
        let built = (plugin.build)(account.settings.expose(), base_url);
        let (manifest, connector) = match built {
            Ok(built) => (built.manifest, unread.is_empty().then(|| Arc::from(built.connector))),
            // it may be for want of the secret: the vendor's own card does for looking and braking
            Err(e) if !unread.is_empty() && !is_at_fault(&e.key, account, &unread) => {
                ((plugin.manifest)(), None)
            }
            Err(e) => {
                self.problem(&format!("settings.{}", e.key), e.problem);
                return None;
            }
        };
        let keyed_by = self.keyed_by(account, &manifest, unread.is_empty());
        let spec = AccountSpec {
            id: self.name::<AccountId>(id)?,
            connector: self.name::<ConnectorId>(&account.connector)?,
            controller: self.name::<ControllerId>(&account.controller)?,
            lane: self.name::<LaneId>(&account.lane)?,
            manifest: Arc::new(manifest),
            keyed_by,
            people_per_day: account.daily_ceiling_people,
            time_scale: account.stand_in_time_scale.unwrap_or(1.0),
        };
        let whole = self.problems.len() == before;
        whole.then_some(BuiltAccount { spec, connector, accepted })
    }

    /// What the account is keyed by; the card's own kinds when the settings are silent.
    fn keyed_by(
        &mut self,
        account: &Account,
        manifest: &Manifest,
        is_whole: bool,
    ) -> Vec<IdentifierKind> {
        let Some(words) = &account.keyed_by else { return vec![] };
        let offered = offered_kinds(manifest);
        let kinds = IdentifierKind::PLAIN.map(|k| k.word());
        let read: Vec<IdentifierKind> =
            self.words("keyed_by", words, kinds.iter().map(String::as_str));
        // a card made without the secrets may name fewer
        for kind in read.iter().filter(|k| is_whole && !offered.contains(k)) {
            let known: Vec<String> = offered.iter().map(IdentifierKind::word).collect();
            self.problem(
                "keyed_by",
                format!(
                    "names `{kind}`, by which {} knows nobody; it can be asked by {}",
                    manifest.title,
                    known.join(", ")
                ),
            );
        }
        read
    }

    fn words<'w, T: FromStr<Err: fmt::Display>>(
        &mut self,
        key: &str,
        words: &[String],
        offered: impl Iterator<Item = &'w str> + Clone,
    ) -> Vec<T> {
        let mut read = vec![];
        for word in words {
            match word.parse() {
                Ok(value) => read.push(value),
                Err(error) => {
                    let near = nearest(word, offered.clone());
                    let near = near.map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default();
                    self.problem(key, format!("holds a word that is not known: {error}{near}"));
                }
            }
        }
        read
    }

    /// A mistyped name here would switch off the protection against deleting twice.
    fn forwards(&mut self, account: &Account, settings: &Settings) {
        let connectors = || efface_registry::PLUGINS.iter().map(|p| p.id);
        for target in &account.forwards_to {
            if settings.accounts.contains_key(target) || efface_registry::find(target).is_some() {
                continue;
            }
            let names = settings.accounts.keys().map(String::as_str);
            let near = nearest(target, names.chain(connectors()));
            let near = near.map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
            self.problem(
                "forwards_to",
                format!(
                    "names `{target}`, which is neither a connector nor an account; {near}leave it out when efface has no connector for it"
                ),
            );
        }
    }
}

/// Whether a key of the vendor's table is written there and wrong by itself, whatever was not read.
fn is_at_fault(key: &str, account: &Account, unread: &[&str]) -> bool {
    let at = |value: &serde_json::Value, part: &str| value.get(part).cloned();
    let table = account.settings.expose().clone();
    let is_written = key.split('.').try_fold(table, |value, part| at(&value, part)).is_some();
    is_written && !unread.iter().any(|u| *u == key || u.strip_suffix("_file") == Some(key))
}

/// Every kind some action of the card, or its look-up, can be asked by.
#[must_use]
pub fn offered_kinds(manifest: &Manifest) -> Vec<IdentifierKind> {
    let of_actions = manifest.actions.iter().flat_map(|a| a.keyed_by.iter());
    let of_look_up = manifest.look_up.iter().flat_map(|l| l.by.iter());
    let mut kinds: Vec<IdentifierKind> = of_actions.chain(of_look_up).cloned().collect();
    kinds.sort();
    kinds.dedup();
    kinds
}
