//! Whom a request is about: identifiers, where each comes from, and how much it may drive.

mod kind;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroize;

pub use self::kind::IdentifierKind;
use crate::AccountId;

/// The longest identifier accepted, in bytes.
pub const MAX_IDENTIFIER_BYTES: usize = 512;

/// Personal data that cannot be printed by accident: reading it takes the word `expose`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Value(String);

impl Value {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Never into a log, an error, a URL template or a metric.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// How we came to an identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// The requester proved to hold it: how (say `account login`) and recorded by whom.
    Proved { how: String, by: String },
    /// The requester or a colleague told it; nothing proves it.
    Stated,
    /// An identity source told it.
    Discovered { at: AccountId },
}

/// Whether the identifier belongs to one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Personal,
    /// Filed for more than one person (a household's phone): never drives an irreversible call.
    Shared,
}

/// One identifier of the subject, parsed at the door.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identifier {
    pub kind: IdentifierKind,
    /// As typed, trimmed.
    pub typed: Value,
    /// The normal form: tags, duplicates and most vendors use this one.
    pub normal: Value,
    pub provenance: Provenance,
    pub standing: Standing,
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({}, {:?}, {:?})", self.kind, self.provenance, self.standing)
    }
}

/// Why a text was refused as an identifier. Never repeats the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadIdentifier {
    #[error(
        "{0:?} is not an identifier kind; use email, phone, user_id, anonymous_id, device_id, advertising_id or vendor:<namespace>"
    )]
    UnknownKind(String),
    #[error("{0} is empty; leave the field out or fill it")]
    Empty(IdentifierKind),
    #[error("{kind} is {bytes} bytes long; at most {MAX_IDENTIFIER_BYTES} are accepted")]
    TooLong { kind: IdentifierKind, bytes: usize },
    #[error("{0} holds a control character or an invisible one; remove it")]
    Control(IdentifierKind),
    #[error("email is not an address: {0}")]
    Email(&'static str),
    #[error("phone is not a telephone number: {0}")]
    Phone(&'static str),
}

impl Identifier {
    /// Parses a text as an identifier of `kind`.
    ///
    /// E-mail: trimmed, NFC; the normal form is lower-cased. Phone: E.164 (ITU-T), read with
    /// `default_phone_region` (ISO 3166-1 alpha-2) when it has no `+`.
    ///
    /// # Errors
    /// [`BadIdentifier`]; the message never holds the text.
    pub fn parse(
        kind: IdentifierKind,
        text: &str,
        provenance: Provenance,
        default_phone_region: Option<&str>,
    ) -> Result<Self, BadIdentifier> {
        if text.len() > MAX_IDENTIFIER_BYTES {
            return Err(BadIdentifier::TooLong { kind, bytes: text.len() });
        }
        let typed: String = text.trim().nfc().collect();
        if typed.is_empty() {
            return Err(BadIdentifier::Empty(kind));
        }
        if typed.chars().any(|c| c.is_control() || is_invisible(c)) {
            return Err(BadIdentifier::Control(kind));
        }
        let normal = match &kind {
            IdentifierKind::Email => normal_email(&typed)?,
            IdentifierKind::Phone => normal_phone(&typed, default_phone_region)?,
            IdentifierKind::UserId
            | IdentifierKind::AnonymousId
            | IdentifierKind::DeviceId
            | IdentifierKind::AdvertisingId
            | IdentifierKind::Vendor(_) => typed.clone(),
        };
        Ok(Self {
            kind,
            typed: Value::new(typed),
            normal: Value::new(normal),
            provenance,
            standing: Standing::Personal,
        })
    }

    /// Only proved, personal identifiers drive an irreversible call.
    #[must_use]
    pub fn drives(&self) -> bool {
        self.standing == Standing::Personal && matches!(self.provenance, Provenance::Proved { .. })
    }

    /// Enough for a colleague to recognise it, too little to tell a stranger: `j…@e….com`, `…4567`.
    #[must_use]
    pub fn masked(&self) -> String {
        let text = self.normal.expose();
        let first = |s: &str| s.chars().next().map(String::from).unwrap_or_default();
        match &self.kind {
            IdentifierKind::Email => {
                let (local, domain) = text.split_once('@').unwrap_or((text, ""));
                let ending = domain.rsplit_once('.').map_or("", |(_, ending)| ending);
                format!("{}…@{}….{}", first(local), first(domain), ending)
            }
            IdentifierKind::Phone => format!("…{}", tail(text, 2)),
            IdentifierKind::UserId
            | IdentifierKind::AnonymousId
            | IdentifierKind::DeviceId
            | IdentifierKind::AdvertisingId
            | IdentifierKind::Vendor(_) => format!("{}…", first(text)),
        }
    }
}

fn tail(text: &str, n: usize) -> String {
    let skip = text.chars().count().saturating_sub(n);
    text.chars().skip(skip).collect()
}

/// What looks like nothing and makes another value: zero-width and directional signs, as they come
/// along with copied text. The two joiners are part of words in some languages.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}')
}

/// RFC 5321 in the shape vendors accept: one `@`, a dotted domain, no blanks, no quoting.
fn normal_email(text: &str) -> Result<String, BadIdentifier> {
    let (local, domain) = text.rsplit_once('@').ok_or(BadIdentifier::Email("there is no '@'"))?;
    if local.is_empty() || local.contains('@') {
        return Err(BadIdentifier::Email("it needs exactly one '@' with text before it"));
    }
    if local.len() > 64 || text.len() > 254 {
        return Err(BadIdentifier::Email(
            "it is longer than RFC 5321 allows (64 before the '@', 254 in all)",
        ));
    }
    if text.chars().any(|c| {
        c.is_whitespace() || matches!(c, ',' | ';' | '<' | '>' | '(' | ')' | '[' | ']' | '"' | '\\')
    }) {
        return Err(BadIdentifier::Email(
            "it holds a blank, quote, bracket, comma or semicolon; give one bare address",
        ));
    }
    if text.contains("..") || local.starts_with('.') || local.ends_with('.') {
        return Err(BadIdentifier::Email("it holds a misplaced dot"));
    }
    let labels: Vec<&str> = domain.split('.').collect();
    let label_ok = |l: &&str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    if labels.len() < 2 || !labels.iter().all(label_ok) {
        return Err(BadIdentifier::Email("the part after '@' is not a domain name"));
    }
    Ok(text.to_lowercase())
}

fn normal_phone(text: &str, default_region: Option<&str>) -> Result<String, BadIdentifier> {
    if text.chars().any(char::is_alphabetic) {
        return Err(BadIdentifier::Phone("it holds letters; give one number"));
    }
    let region = match default_region {
        None => None,
        Some(code) => Some(code.parse().map_err(|_| {
            BadIdentifier::Phone("default_phone_region is not a known country code")
        })?),
    };
    if region.is_none() && !text.starts_with('+') {
        return Err(BadIdentifier::Phone(
            "it has no country code; write +<country><number> or set default_phone_region for the controller",
        ));
    }
    let number = phonenumber::parse(region, text)
        .map_err(|_| BadIdentifier::Phone("it can't be read as a number"))?;
    if !phonenumber::is_valid(&number) {
        return Err(BadIdentifier::Phone("no such number can exist in that country"));
    }
    Ok(number.format().mode(phonenumber::Mode::E164).to_string())
}

/// Who files, apart from the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    #[serde(rename = "self")]
    Oneself,
    ParentOrGuardian,
    AuthorisedAgent,
    Executor,
    Colleague,
}

impl Relation {
    pub const ALL: [Self; 5] = [
        Self::Oneself,
        Self::ParentOrGuardian,
        Self::AuthorisedAgent,
        Self::Executor,
        Self::Colleague,
    ];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Oneself => "self",
            Self::ParentOrGuardian => "parent_or_guardian",
            Self::AuthorisedAgent => "authorised_agent",
            Self::Executor => "executor",
            Self::Colleague => "colleague",
        }
    }
}

impl FromStr for Relation {
    type Err = crate::action::UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|r| r.word() == text).ok_or_else(|| crate::action::UnknownWord {
            what: "requester relation",
            word: text.chars().take(40).collect(),
            offered: Self::ALL.map(Self::word).join(", "),
        })
    }
}

/// The requester. The planner never sees the contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    pub relation: Relation,
    pub contact: Option<Value>,
    pub language: Option<String>,
    /// Proof of authority when the requester is not the subject.
    pub authority: Option<String>,
}

/// Everything about a request that is personal; sealed as one document under the request's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dossier {
    pub format: u16,
    pub identifiers: Vec<Identifier>,
    pub requester: Requester,
    /// Nonce of the commitments in the request's leaf, hex.
    pub nonce: String,
    pub external_reference: Option<String>,
    pub note: Option<String>,
}

impl Dossier {
    pub const FORMAT: u16 = 1;
}

/// Whether two requests that share a proved identifier are about one person, from their blind-index
/// tags by kind. A household shares telephones and devices: a match on those alone, while both name
/// an e-mail address or user id and none of these agrees, is two persons.
#[must_use]
pub fn same_person<T: PartialEq>(mine: &[(String, T)], theirs: &[(String, T)]) -> bool {
    let of_household =
        |kind: &str| matches!(kind, "phone" | "device_id" | "advertising_id" | "anonymous_id");
    let agree = |strong: bool| {
        mine.iter().any(|(kind, tag)| {
            of_household(kind) != strong && theirs.iter().any(|(k, t)| k == kind && t == tag)
        })
    };
    if agree(true) {
        return true;
    }
    if !agree(false) {
        return false;
    }
    let both_name =
        |kind: &str| mine.iter().any(|(k, _)| k == kind) && theirs.iter().any(|(k, _)| k == kind);
    !(both_name("email") || both_name("user_id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: IdentifierKind, text: &str, want: Result<&str, &str>) {
        let got = Identifier::parse(kind, text, Provenance::Stated, Some("DE"))
            .map(|i| i.normal.expose().to_owned())
            .map_err(|e| e.to_string());
        match want {
            Ok(normal) => assert_eq!(got.as_deref(), Ok(normal), "{text}"),
            Err(part) => assert!(
                got.as_ref().is_err_and(|e| e.contains(part)),
                "{text}: {got:?} lacks {part}"
            ),
        }
    }

    #[test]
    fn what_cannot_be_seen_is_no_part_of_an_identifier() {
        for text in ["\u{200b}", "u-\u{feff}7", "\u{202e}7", "so\u{ad}ft"] {
            check(IdentifierKind::UserId, text, Err("an invisible one"));
        }
        check(IdentifierKind::Email, "info\u{200b}@example.com", Err("an invisible one"));
        check(
            IdentifierKind::UserId,
            "\u{645}\u{6cc}\u{200c}\u{62e}",
            Ok("\u{645}\u{6cc}\u{200c}\u{62e}"),
        );
    }

    #[test]
    fn e_mail_addresses_are_normalised_or_refused_with_the_reason() {
        check(IdentifierKind::Email, " Ada@Example.COM ", Ok("ada@example.com"));
        check(IdentifierKind::Email, "ada+news@example.co.uk", Ok("ada+news@example.co.uk"));
        check(IdentifierKind::Email, "*@example.com", Ok("*@example.com")); // the guard list stops it, not the parser
        for bad in [
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a b@example.com",
            "a@b@example.com",
            "a@x..com",
            "<a@x.com>",
            "a@-x.com",
        ] {
            check(IdentifierKind::Email, bad, Err("email is not an address"));
        }
    }

    #[test]
    fn phones_become_e_164() {
        check(IdentifierKind::Phone, "+44 20 7946 0958", Ok("+442079460958"));
        check(IdentifierKind::Phone, "030 901820", Ok("+4930901820"));
        for bad in ["12", "+999123456789", "call me", "+1-800-FLOWERS"] {
            check(IdentifierKind::Phone, bad, Err("phone is not a telephone number"));
        }
        let no_region =
            Identifier::parse(IdentifierKind::Phone, "030 901820", Provenance::Stated, None);
        assert!(no_region.is_err_and(|e| e.to_string().contains("default_phone_region")));
    }

    #[test]
    fn empty_long_and_control_are_refused() {
        check(IdentifierKind::UserId, "  ", Err("user_id is empty"));
        check(IdentifierKind::UserId, &"x".repeat(10_000), Err("10000 bytes"));
        check(IdentifierKind::UserId, "a\u{0}b", Err("control character"));
        check(IdentifierKind::UserId, " U-7 ", Ok("U-7"));
    }

    #[test]
    fn kinds_read_back() {
        for word in [
            "email",
            "phone",
            "user_id",
            "anonymous_id",
            "device_id",
            "advertising_id",
            "vendor:crm",
        ] {
            assert_eq!(word.parse::<IdentifierKind>().map(|k| k.word()), Ok(word.to_owned()));
        }
        assert!("vendor:".parse::<IdentifierKind>().is_err());
        assert!("mail".parse::<IdentifierKind>().is_err());
    }

    #[test]
    fn debug_never_shows_the_person() {
        let i = Identifier::parse(
            IdentifierKind::Email,
            "canary@example.com",
            Provenance::Stated,
            None,
        );
        assert!(!format!("{i:?}").contains("canary"));
        assert_eq!(i.map(|i| i.masked()).as_deref(), Ok("c…@e….com"));
    }

    #[test]
    fn a_shared_telephone_does_not_make_one_person_of_two() {
        let person =
            |ids: &[(&str, u8)]| ids.iter().map(|(k, t)| ((*k).to_owned(), *t)).collect::<Vec<_>>();
        let jane = person(&[("email", 1), ("phone", 9)]);
        for (other, same) in [
            (person(&[("email", 1)]), true),
            (person(&[("email", 2), ("phone", 9)]), false),
            (person(&[("phone", 9)]), true),
            (person(&[("email", 2)]), false),
            (person(&[("user_id", 5), ("phone", 9)]), true),
            (person(&[("email", 1), ("phone", 8)]), true),
        ] {
            assert_eq!(same_person(&jane, &other), same, "{other:?}");
        }
    }

    #[test]
    fn only_proved_and_personal_identifiers_drive() {
        let proved = Provenance::Proved { how: "account login".into(), by: "cli".into() };
        let mut i = Identifier::parse(IdentifierKind::UserId, "u1", proved, None).expect("parses");
        assert!(i.drives());
        i.standing = Standing::Shared;
        assert!(!i.drives());
        let stated = Identifier::parse(IdentifierKind::UserId, "u1", Provenance::Stated, None)
            .expect("parses");
        assert!(!stated.drives());
    }
}
