//! Checks that look at several settings at once.

use crate::error::Problem;
use crate::schema::nearest;
use crate::sections::{Account, Settings};
use crate::{shapes, walk};
use std::collections::BTreeMap;
use url::{Host, Url};

/// The engine's own lanes; `requests-0`, `requests-1` … belong to the first.
const SYSTEM_LANES: [&str; 2] = ["requests", "ledger"];

/// Regimes whose law asks for records to be kept at least so many months, as the engine keeps them.
const LEAST_MONTHS: [(&str, u32); 2] = [("us-ca", 24), ("us-co", 24)];

impl Settings {
    /// The cross-checks, run by [`Settings::load`]; to be run again after
    /// settings were changed in memory.
    #[must_use]
    pub fn validate(&self) -> Vec<Problem> {
        let mut found = Found { origins: &self.origins, problems: Vec::new() };
        self.server_is_local(&mut found);
        self.times_fit(&mut found);
        self.anchors_are_safe(&mut found);
        self.mail_can_be_sent(&mut found);
        self.ids_fit(&mut found);
        self.lanes_fit(&mut found);
        for (id, account) in &self.accounts {
            self.controller_is_known(id, account, &mut found);
            self.nobody_is_deleted_twice(id, account, &mut found);
            base_url_is_safe(id, account, &mut found);
        }
        found.problems
    }

    fn server_is_local(&self, found: &mut Found<'_>) {
        if !self.server.listen.ip().is_loopback() && !self.server.allow_non_loopback {
            found.add(
                "server.listen",
                "is reachable from other machines",
                "whoever reaches it can file requests; set server.allow_non_loopback = true if that is meant",
            );
        }
    }

    fn times_fit(&self, found: &mut Found<'_>) {
        let (worker, retry) = (&self.worker, &self.policy.retry);
        if worker.lease_seconds <= worker.call_timeout_seconds {
            found.add(
                "worker.lease_seconds",
                "must be longer than worker.call_timeout_seconds",
                "a lane could be given away while its call is still out",
            );
        }
        if worker.drain_seconds < worker.call_timeout_seconds {
            found.add(
                "worker.drain_seconds",
                "must not be shorter than worker.call_timeout_seconds",
                "a stop would cut off calls whose outcome is then not known",
            );
        }
        if !self.policy.watch_days.is_sorted_by(|a, b| a < b) {
            found.add(
                "policy.watch_days",
                "does not rise",
                "name each day once, the earliest first, for example [7, 30]",
            );
        }
        for (regime, least) in LEAST_MONTHS {
            let named = self.policy.keep_records.get(regime);
            if let Some(months) = named.filter(|months| **months < least) {
                let message = format!("is {months}, and its law asks for at least {least} months");
                found.add(
                    &format!("policy.keep_records.{regime}"),
                    &message,
                    "records of requests under it cannot end sooner",
                );
            }
        }
        if retry.base_seconds > u64::from(retry.cap_hours) * 3600 {
            found.add(
                "policy.retry.base_seconds",
                "is longer than policy.retry.cap_hours",
                "the first pause cannot be longer than the longest",
            );
        }
    }

    fn anchors_are_safe(&self, found: &mut Found<'_>) {
        let ledger = &self.ledger;
        let read = |url: &Option<String>| url.as_deref().and_then(|u| Url::parse(u).ok());
        let plain = |url: &Url| url.scheme() == "http" && !is_loopback(url);
        if read(&ledger.anchor_webhook).is_some_and(|url| plain(&url)) {
            found.add(
                "ledger.anchor_webhook",
                "would send its token in the clear over http",
                "use https://",
            );
        }
        let authority = read(&ledger.anchor_timestamp_url);
        if authority.as_ref().is_some_and(plain) && !ledger.anchor_timestamp_allow_http {
            found.add(
                "ledger.anchor_timestamp_url",
                "would be asked over http",
                "use https://, or set ledger.anchor_timestamp_allow_http = true: the answer is signed, and verified by that alone",
            );
        }
        if authority.is_some() && ledger.anchor_folder.is_none() {
            found.add(
                "ledger.anchor_timestamp_url",
                "has nowhere to keep its time stamps",
                "set ledger.anchor_folder: each lies there beside its checkpoint",
            );
        }
    }

    fn mail_can_be_sent(&self, found: &mut Found<'_>) {
        let ledger = &self.ledger;
        let parts = [
            ("ledger.anchor_mail_from", ledger.anchor_mail_from.is_some()),
            ("ledger.anchor_mail_server", ledger.anchor_mail_server.is_some()),
        ];
        for (part, is_set) in parts {
            match (ledger.anchor_mail_to.is_some(), is_set) {
                (true, false) => found.add(
                    "ledger.anchor_mail_to",
                    &format!("needs {part}"),
                    "a mail has a sender, and a server that takes it",
                ),
                (false, true) => {
                    found.add(part, "is set, and nobody is mailed", "set ledger.anchor_mail_to");
                }
                (true, true) | (false, false) => {}
            }
        }
        match (&ledger.anchor_mail_user, &ledger.anchor_mail_password) {
            (Some(_), None) => found.add(
                "ledger.anchor_mail_user",
                "has no password",
                "set ledger.anchor_mail_password, best as anchor_mail_password_file or env:NAME",
            ),
            (None, Some(_)) => found.add(
                "ledger.anchor_mail_password",
                "is nobody's",
                "set ledger.anchor_mail_user",
            ),
            (Some(_), Some(_)) | (None, None) => {}
        }
        let server = ledger.anchor_mail_server.as_deref();
        let url = server.and_then(|server| Url::parse(&format!("http://{server}")).ok());
        if ledger.anchor_mail_security == "none" && url.is_some_and(|url| !is_loopback(&url)) {
            found.add(
                "ledger.anchor_mail_security",
                "would speak to another machine in the clear",
                "use \"starttls\" or \"tls\"; \"none\" is for a server on this machine",
            );
        }
    }

    fn ids_fit(&self, found: &mut Found<'_>) {
        let named = |section: &'static str, id: &String| (format!("{section}.{id}"), id.clone());
        let controllers = self.controllers.keys().map(|id| named("controllers", id));
        let accounts = self.accounts.keys().map(|id| named("accounts", id));
        for (path, id) in controllers.chain(accounts) {
            if let Err(refusal) = shapes::id(&id) {
                found.add(&path, &refusal, "rename the section");
            }
        }
    }

    fn lanes_fit(&self, found: &mut Found<'_>) {
        let mut first: BTreeMap<&str, (&str, &Account)> = BTreeMap::new();
        for (id, account) in &self.accounts {
            let path = format!("accounts.{id}.lane");
            let lane = account.lane.as_str();
            let system = |own: &str| lane == own || lane.starts_with(&format!("{own}-"));
            if SYSTEM_LANES.iter().any(|own| system(own)) {
                let message = format!("is `{lane}`, a name the engine uses for its own lanes");
                found.add(&path, &message, "choose another lane, or another id for the account");
            }
            let Some((other, shared)) = first.get(lane) else {
                first.insert(lane, (id, account));
                continue;
            };
            if shared.connector != account.connector {
                let message =
                    format!("is shared with accounts.{other}, which is at another vendor");
                found.add(
                    &path,
                    &message,
                    "a lane is one vendor's quota; accounts at two vendors have none in common",
                );
            } else if shared.calls_per_second != account.calls_per_second
                || shared.calls_in_flight != account.calls_in_flight
            {
                let message = format!("is shared with accounts.{other}, which sets another pace");
                found.add(
                    &path,
                    &message,
                    "give both the same calls_per_second and calls_in_flight",
                );
            }
        }
    }

    fn controller_is_known(&self, id: &str, account: &Account, found: &mut Found<'_>) {
        let name = &account.controller;
        if self.controllers.contains_key(name) {
            return;
        }
        let hint = nearest(name, self.controllers.keys().map(String::as_str)).map_or_else(
            || format!("add a section [controllers.{name}]"),
            |near| format!("did you mean {near}?"),
        );
        let message = format!("is `{name}`, and there is no such controller");
        found.add(&format!("accounts.{id}.controller"), &message, &hint);
    }

    fn nobody_is_deleted_twice(&self, id: &str, account: &Account, found: &mut Found<'_>) {
        let path = format!("accounts.{id}.forwards_to");
        for target in &account.forwards_to {
            if target == id {
                found.add(&path, "names the account itself", "leave it out");
                continue;
            }
            let twin = self.accounts.iter().find(|(other_id, other)| {
                *other_id != id
                    && other.controller == account.controller
                    && (*other_id == target || other.connector == *target)
            });
            if let Some((twin, _)) = twin {
                let message = format!(
                    "names `{target}`, and accounts.{twin} of the same controller is connected to it directly: each person would be deleted there twice"
                );
                found.add(
                    &path,
                    &message,
                    "deletions reach a vendor one way only: remove the account, or take the vendor out of forwards_to and switch the forwarding off",
                );
            }
        }
    }
}

fn base_url_is_safe(id: &str, account: &Account, found: &mut Found<'_>) {
    let url = account.base_url.as_deref().and_then(|u| Url::parse(u).ok());
    if account.stand_in_time_scale.is_some_and(|scale| scale < 1.0)
        && !url.as_ref().is_some_and(is_loopback)
    {
        found.add(
            &format!("accounts.{id}.stand_in_time_scale"),
            "is for a stand-in on this machine alone",
            "remove it, or give a loopback base_url",
        );
    }
    let Some(url) = url else {
        return;
    };
    let path = format!("accounts.{id}.base_url");
    if !is_loopback(&url) {
        if url.scheme() == "http" {
            found.add(
                &path,
                "would send people's identifiers and the key in the clear over http",
                "use https://",
            );
        }
        if let Some((message, hint)) = nowhere_public(&url) {
            found.add(&path, message, hint);
        }
        return;
    }
    if !account.allow_loopback {
        let hint = format!("for development set accounts.{id}.allow_loopback = true");
        found.add(&path, "points at this machine", &hint);
    }
}

/// Why a host is no vendor's, as far as its name tells; what it resolves to is looked at with each
/// connection.
fn nowhere_public(url: &Url) -> Option<(&'static str, &'static str)> {
    const LOCAL: [&str; 5] = ["local", "internal", "home.arpa", "lan", "localdomain"];
    let Host::Domain(name) = url.host()? else {
        return Some((
            "is an address instead of a name",
            "a vendor proves who it is by its name; give the host name",
        ));
    };
    if name.ends_with('.') {
        return Some(("ends its host in a dot", "leave the dot out"));
    }
    let below = |parent: &&str| name.strip_suffix(*parent).is_some_and(|rest| rest.ends_with('.'));
    (!name.contains('.') || LOCAL.iter().any(below)).then_some((
        "is a name of a local network",
        "only addresses of the public internet are called; give the vendor's public name",
    ))
}

impl Account {
    /// Whether the account is at a stand-in on this machine.
    #[must_use]
    pub fn is_on_this_machine(&self) -> bool {
        let url = self.base_url.as_deref().and_then(|u| Url::parse(u).ok());
        url.as_ref().is_some_and(is_loopback)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
        }
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

struct Found<'a> {
    origins: &'a BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn add(&mut self, path: &str, message: &str, hint: &str) {
        self.problems.push(Problem {
            path: path.to_owned(),
            source: walk::origin_of(self.origins, path),
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
        });
    }
}
