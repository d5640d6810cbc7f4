//! The guard list: what must never be erased because somebody was in a hurry.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::subject::{Identifier, IdentifierKind};

/// What a guarded identifier ran into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// `*`, `%`, `?` …: a pattern, not a person.
    Wildcard,
    /// `null`, `0`, `unknown` …: a placeholder.
    Placeholder,
    /// `info@`, `support@` …: a role, not a person.
    RoleMailbox,
    /// An address at one of the controller's own domains.
    OwnDomain,
    Staff,
    TestAccount,
}

impl Guard {
    #[must_use]
    pub const fn sentence(&self) -> &'static str {
        match self {
            Self::Wildcard => "is a pattern, not one person",
            Self::Placeholder => "is a placeholder (null, 0, unknown …), not a person",
            Self::RoleMailbox => "is a role mailbox that several people share",
            Self::OwnDomain => "is at one of the controller's own domains",
            Self::Staff => "belongs to a member of staff",
            Self::TestAccount => "is a test account",
        }
    }
}

impl Guard {
    /// What the filer can do instead, where the refusal is not what was meant.
    #[must_use]
    pub const fn way_out(&self) -> &'static str {
        match self {
            Self::Wildcard | Self::Placeholder => {
                "leave it out and name the person by another identifier"
            }
            Self::RoleMailbox => {
                "name the person by another identifier; if one person alone reads this mailbox, take its name out of policy.guard_role_mailboxes"
            }
            Self::OwnDomain => {
                "name the person by another identifier; if customers have addresses there, take the domain out of the controller's own_domains"
            }
            Self::Staff => {
                "if the person no longer works here, take the address out of the controller's staff"
            }
            Self::TestAccount => {
                "if it is a person after all, take it out of the controller's test_accounts"
            }
        }
    }
}

/// A refusal by the guard list; names the kind, never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {}; such a request needs a second person's release, which this installation does not offer yet: {}", guard.sentence(), guard.way_out())]
pub struct Guarded {
    pub kind: IdentifierKind,
    pub guard: Guard,
}

/// The controller's guard list, lower-cased.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardList {
    pub own_domains: Vec<String>,
    pub staff: Vec<String>,
    pub test_accounts: Vec<String>,
    /// Local parts such as `info`, `support`.
    pub role_mailboxes: Vec<String>,
}

/// Local parts that name a role (RFC 2142 and common practice).
pub const ROLE_MAILBOXES: &[&str] = &[
    "abuse",
    "accounts",
    "admin",
    "administrator",
    "all",
    "billing",
    "careers",
    "contact",
    "dpo",
    "enquiries",
    "everyone",
    "finance",
    "ftp",
    "help",
    "helpdesk",
    "hello",
    "hostmaster",
    "hr",
    "info",
    "invoices",
    "it",
    "jobs",
    "legal",
    "list",
    "mail",
    "mailer-daemon",
    "marketing",
    "news",
    "newsletter",
    "no-reply",
    "noc",
    "noreply",
    "office",
    "orders",
    "postmaster",
    "press",
    "privacy",
    "root",
    "sales",
    "security",
    "service",
    "shop",
    "staff",
    "support",
    "team",
    "test",
    "usenet",
    "users",
    "webmaster",
    "www",
];

const PLACEHOLDERS: &[&str] = &[
    "0",
    "00",
    "000",
    "-",
    "--",
    ".",
    "n/a",
    "na",
    "nan",
    "nil",
    "none",
    "null",
    "undefined",
    "unknown",
    "anonymous",
    "anon",
    "guest",
    "test",
    "deleted",
    "(null)",
    "[object object]",
    "true",
    "false",
    "-1",
    "1",
    "xxx",
    "todo",
    "00000000-0000-0000-0000-000000000000",
    "#n/a",
    "(none)",
    "(not set)",
    "n.a.",
    "no-email",
    "noemail",
    "nomail",
    "not set",
    "{}",
    "[]",
];

/// Whether words given as a proof of identity say nothing: empty, or what stands for nothing in an
/// export.
#[must_use]
pub fn proves_nothing(how: &str) -> bool {
    let text = how.trim().to_lowercase();
    !text.chars().any(char::is_alphanumeric)
        || matches!(text.as_str(), "no" | "n" | "yes" | "y" | "0")
        || PLACEHOLDERS.contains(&text.as_str())
}

impl GuardList {
    /// Looks one identifier up.
    ///
    /// # Errors
    /// [`Guarded`] when it must not pass without a second person.
    pub fn check(&self, identifier: &Identifier) -> Result<(), Guarded> {
        match self.hit(identifier) {
            None => Ok(()),
            Some(guard) => Err(Guarded { kind: identifier.kind.clone(), guard }),
        }
    }

    fn hit(&self, identifier: &Identifier) -> Option<Guard> {
        let text = identifier.normal.expose().to_lowercase();
        if text.contains(['*', '%', '?']) {
            return Some(Guard::Wildcard);
        }
        let zeros_only = text.chars().all(|c| matches!(c, '0' | '-'));
        if PLACEHOLDERS.contains(&text.as_str()) || zeros_only {
            return Some(Guard::Placeholder);
        }
        let text = with_ascii_domain(&text);
        let bare = without_tag(&text);
        if self.staff.iter().map(|one| with_ascii_domain(one)).any(|one| one == text || one == bare)
        {
            return Some(Guard::Staff);
        }
        if self.test_accounts.iter().map(|one| with_ascii_domain(one)).any(|one| one == text) {
            return Some(Guard::TestAccount);
        }
        // whatever the column is called: many know their people by address
        self.email_hit(&text)
    }

    fn email_hit(&self, text: &str) -> Option<Guard> {
        let (local, domain) = text.rsplit_once('@')?;
        let bare = local.split('+').next().unwrap_or(local);
        if PLACEHOLDERS.contains(&bare) && bare != "test" && bare != "1" {
            return Some(Guard::Placeholder);
        }
        if self.own_domains.iter().map(|own| ascii_domain(own)).any(|own| {
            domain == own || domain.strip_suffix(&*own).is_some_and(|rest| rest.ends_with('.'))
        }) {
            return Some(Guard::OwnDomain);
        }
        if ROLE_MAILBOXES.contains(&bare) || self.role_mailboxes.iter().any(|r| r == bare) {
            return Some(Guard::RoleMailbox);
        }
        None
    }
}

/// A domain in the one spelling that mail travels by (UTS 46); `bücher.example` has two.
fn ascii_domain(domain: &str) -> Cow<'_, str> {
    if domain.is_ascii() {
        return Cow::Borrowed(domain);
    }
    idna::domain_to_ascii(domain).map_or(Cow::Borrowed(domain), Cow::Owned)
}

/// An address with its domain in that spelling; anything else as it is.
fn with_ascii_domain(text: &str) -> Cow<'_, str> {
    match text.rsplit_once('@') {
        Some((local, domain)) if !domain.is_ascii() => {
            format!("{local}@{}", ascii_domain(domain)).into()
        }
        Some(_) | None => Cow::Borrowed(text),
    }
}

/// An address without its `+tag`: the same mailbox.
fn without_tag(text: &str) -> String {
    let Some((local, domain)) = text.rsplit_once('@') else { return text.to_owned() };
    let bare = local.split('+').next().unwrap_or(local);
    format!("{bare}@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Provenance;

    fn check(kind: IdentifierKind, text: &str, want: Option<Guard>) {
        let list = GuardList {
            own_domains: ["acme.example", "bücher.example", "xn--strae-oqa.example"]
                .map(str::to_owned)
                .into(),
            staff: vec!["eve@home.example.org".into(), "zoe@münchen.example".into()],
            test_accounts: vec!["qa-1".into(), "qa@münchen.example".into()],
            role_mailboxes: vec!["crew".into()],
        };
        let id = Identifier::parse(kind, text, Provenance::Stated, Some("GB")).expect(text);
        assert_eq!(list.check(&id).err().map(|g| g.guard), want, "{text}");
    }

    #[test]
    fn a_proof_that_says_nothing_is_none() {
        for how in ["", "  ", "-", "no", "No ", "n/a", "NULL", "false", "?", "0"] {
            assert!(proves_nothing(how), "{how:?}");
        }
        for how in ["account login", "ID card", "e-mail link 2026-11-02"] {
            assert!(!proves_nothing(how), "{how:?}");
        }
    }

    #[test]
    fn patterns_placeholders_roles_staff_and_own_people_are_guarded() {
        use IdentifierKind::{Email, Phone, UserId};
        check(Email, "*@example.com", Some(Guard::Wildcard));
        check(UserId, "%", Some(Guard::Wildcard));
        for placeholder in ["null", "NULL", "0", "unknown", "undefined", "000000", "N/A"] {
            check(UserId, placeholder, Some(Guard::Placeholder));
        }
        check(Email, "null@example.com", Some(Guard::Placeholder));
        check(Email, "Support@example.com", Some(Guard::RoleMailbox));
        check(Email, "crew@example.com", Some(Guard::RoleMailbox));
        check(Email, "info+shop@example.com", Some(Guard::RoleMailbox));
        check(Email, "jane@mail.acme.example", Some(Guard::OwnDomain));
        check(Email, "jane@notacme.example", None);
        check(Email, "Eve@Home.example.org", Some(Guard::Staff));
        check(Email, "eve+news@home.example.org", Some(Guard::Staff));
        check(Email, "eve.news@home.example.org", None);
        // an address is one in any column
        check(UserId, "eve+x@home.example.org", Some(Guard::Staff));
        check(UserId, "Jane@Acme.example", Some(Guard::OwnDomain));
        check(UserId, "info@example.com", Some(Guard::RoleMailbox));
        check(UserId, "ada@example.com", None);
        check(Email, "noemail@noemail.example", Some(Guard::Placeholder));
        check(UserId, "(not set)", Some(Guard::Placeholder));
        check(UserId, "qa-1", Some(Guard::TestAccount));
        // a domain has two spellings, on either side
        check(Email, "jane@mail.bücher.example", Some(Guard::OwnDomain));
        check(Email, "jane@XN--BCHER-KVA.example", Some(Guard::OwnDomain));
        check(Email, "jane@straße.example", Some(Guard::OwnDomain));
        check(Email, "jane@xn--strae-oqa.example", Some(Guard::OwnDomain));
        check(UserId, "jane@bücher.example", Some(Guard::OwnDomain));
        check(Email, "jane@bucher.example", None);
        check(Email, "zoe@xn--mnchen-3ya.example", Some(Guard::Staff));
        check(Email, "zoe+x@münchen.example", Some(Guard::Staff));
        check(Email, "qa@xn--mnchen-3ya.example", Some(Guard::TestAccount));
        check(Email, "ada@example.com", None);
        check(UserId, "u-1001", None);
        check(Phone, "+442079460958", None);
    }
}
