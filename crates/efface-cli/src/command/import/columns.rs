//! Which column means what: names as people write them, `--map`, `--ignore-column`.

use efface_core::IdentifierKind;

use crate::{exit::Failure, wiring::directory::nearest};

/// What a column holds apart from identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Action,
    Scope,
    Controller,
    RequesterRelation,
    RequesterContact,
    Proof,
    ReceivedOn,
    Regime,
    Channel,
    ExternalReference,
    Language,
    Note,
}

impl Field {
    pub const ALL: [Self; 12] = [
        Self::Action,
        Self::Scope,
        Self::Controller,
        Self::RequesterRelation,
        Self::RequesterContact,
        Self::Proof,
        Self::ReceivedOn,
        Self::Regime,
        Self::Channel,
        Self::ExternalReference,
        Self::Language,
        Self::Note,
    ];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Scope => "scope",
            Self::Controller => "controller",
            Self::RequesterRelation => "requester_relation",
            Self::RequesterContact => "requester_contact",
            Self::Proof => "proof",
            Self::ReceivedOn => "received_on",
            Self::Regime => "regime",
            Self::Channel => "channel",
            Self::ExternalReference => "external_reference",
            Self::Language => "language",
            Self::Note => "note",
        }
    }
}

/// What a column means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    Field(Field),
    Identifier(IdentifierKind),
    /// Named by `--ignore-column`.
    Ignored,
}

/// Every name a file may use, for messages.
pub const KNOWN: &str = "action, scope, controller, requester_relation, requester_contact, proof, \
email, phone, user_id, anonymous_id, device_id, advertising_id, vendor:NAMESPACE, received_on, \
regime, channel, external_reference, language, note";

/// A name without what people write differently: case, blanks and underscores.
fn squashed(name: &str) -> String {
    let kept = name.chars().filter(|c| !c.is_whitespace() && *c != '_' && !c.is_control());
    kept.flat_map(char::to_lowercase).collect()
}

/// The column a name stands for. Identifier columns may be numbered: `email_2`.
fn known(name: &str) -> Option<Column> {
    if let Some((prefix, namespace)) = name.split_once(':')
        && squashed(prefix) == "vendor"
    {
        let kind = format!("vendor:{}", namespace.trim().to_lowercase()).parse().ok()?;
        return Some(Column::Identifier(kind));
    }
    let wanted = squashed(name);
    if let Some(field) = Field::ALL.into_iter().find(|f| squashed(f.word()) == wanted) {
        return Some(Column::Field(field));
    }
    let unnumbered = wanted.trim_end_matches(|c: char| c.is_ascii_digit());
    let kind = IdentifierKind::PLAIN.into_iter().find(|k| squashed(&k.word()) == unnumbered)?;
    Some(Column::Identifier(kind))
}

fn suggestion(name: &str) -> Option<&'static str> {
    const WORDS: [&str; 18] = [
        "action",
        "scope",
        "controller",
        "requester_relation",
        "requester_contact",
        "proof",
        "received_on",
        "regime",
        "channel",
        "external_reference",
        "language",
        "note",
        "email",
        "phone",
        "user_id",
        "anonymous_id",
        "device_id",
        "advertising_id",
    ];
    let name = name.trim().to_lowercase();
    let bare: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let holds = |word: &&&str| {
        bare.len() > 3 && (bare.contains(&squashed(word)) || squashed(word).contains(&bare))
    };
    WORDS.iter().find(holds).copied().or_else(|| nearest(&name, WORDS.into_iter()))
}

/// Whether a name looks like a person's data: a file without a header must not be quoted back.
fn looks_personal(name: &str) -> bool {
    name.contains('@') || name.chars().filter(char::is_ascii_digit).count() > 4 || name.len() > 60
}

/// What is wrong with a header, and what may help.
#[derive(Debug)]
pub struct BadHeader {
    pub problems: String,
    pub hint: Option<String>,
}

/// How the columns of a file are called.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    /// `(squashed name, name as typed, meaning)`
    maps: Vec<(String, String, Column)>,
    ignored: Vec<String>,
}

impl Naming {
    /// From `--map NAME=COLUMN` and `--ignore-column NAME`.
    ///
    /// # Errors
    /// When one of them makes no sense.
    pub fn new(maps: &[String], ignored: &[String]) -> Result<Self, Failure> {
        let mut naming = Self::default();
        for map in maps {
            let Some((from, to)) = map.rsplit_once('=').filter(|(from, _)| !from.is_empty()) else {
                return Err(Failure::usage("--map is not of the form NAME=COLUMN")
                    .hint("for example --map 'E-Mail=email'"));
            };
            let Some(column) = known(to) else {
                let near = suggestion(to).map(|n| format!(" (did you mean `{n}`?)"));
                let near = near.unwrap_or_default();
                return Err(Failure::usage(format!(
                    "--map names a column `{to}` that efface does not know{near}"
                ))
                .hint(format!("the columns are {KNOWN}")));
            };
            if naming.maps.iter().any(|(name, _, _)| *name == squashed(from)) {
                return Err(Failure::usage(format!("--map gives `{from}` two meanings")));
            }
            naming.maps.push((squashed(from), from.to_owned(), column));
        }
        for name in ignored {
            if naming.maps.iter().any(|(mapped, _, _)| *mapped == squashed(name)) {
                return Err(Failure::usage(format!("`{name}` is both mapped and ignored")));
            }
            naming.ignored.push(squashed(name));
        }
        Ok(naming)
    }

    /// What a name stands for.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<Column> {
        let wanted = squashed(name);
        if let Some((_, _, column)) = self.maps.iter().find(|(from, _, _)| *from == wanted) {
            return Some(column.clone());
        }
        if self.ignored.contains(&wanted) {
            return Some(Column::Ignored);
        }
        known(name)
    }

    /// Why a key of a row is refused.
    #[must_use]
    pub fn unknown_key(&self, name: &str) -> String {
        if looks_personal(name) {
            return "holds a key that looks like a person's data, not like a name".into();
        }
        let near = suggestion(name).map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default();
        format!(
            "holds an unknown key `{name}`{near}; map it (--map) or leave it out (--ignore-column)"
        )
    }

    /// The meaning of each column of a header.
    ///
    /// # Errors
    /// With every name that is not known, missing or given twice.
    pub fn layout(&self, header: &[&str]) -> Result<Vec<Column>, BadHeader> {
        let columns: Vec<Option<Column>> = header.iter().map(|name| self.column(name)).collect();
        let any_known =
            columns.iter().any(|c| matches!(c, Some(Column::Field(_) | Column::Identifier(_))));
        let mut problems = vec![];
        let mut hint = None;
        for ((name, column), n) in header.iter().zip(&columns).zip(1..) {
            if column.is_some() {
                continue;
            }
            let near = suggestion(name);
            if name.trim().is_empty() {
                problems.push(format!("column {n} has no name"));
                hint.get_or_insert(
                    "--ignore-column '' leaves columns without a name out".to_owned(),
                );
            } else if looks_personal(name) || (!any_known && near.is_none()) {
                problems.push(format!("column {n} is not called anything efface knows"));
                hint.get_or_insert(format!(
                    "a CSV file begins with a line of column names; they are {KNOWN}"
                ));
            } else {
                let meant = near.map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default();
                problems.push(format!(
                    "column {n} is called `{name}`, which efface does not know{meant}"
                ));
                let map = near.unwrap_or("COLUMN");
                hint.get_or_insert(format!("--map '{name}={map}' gives it a meaning, --ignore-column '{name}' leaves it out; the columns are {KNOWN}"));
            }
        }
        for (wanted, typed, _) in &self.maps {
            if !header.iter().any(|name| squashed(name) == *wanted) {
                let near = nearest(typed, header.iter().copied().filter(|n| !looks_personal(n)));
                let near = near.map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default();
                problems.push(format!(
                    "--map names a column `{typed}` that the file does not have{near}"
                ));
            }
        }
        for field in Field::ALL {
            if columns.iter().filter(|c| **c == Some(Column::Field(field))).count() > 1 {
                problems.push(format!("two columns mean `{}`", field.word()));
            }
        }
        if problems.is_empty() && !columns.iter().any(|c| matches!(c, Some(Column::Identifier(_))))
        {
            problems.push("no column holds an identifier, such as email or user_id".into());
        }
        if problems.is_empty() {
            return Ok(columns.into_iter().flatten().collect());
        }
        Err(BadHeader { problems: problems.join("; "), hint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &[&str], maps: &[&str], ignored: &[&str], want: Result<&[&str], &str>) {
        let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let read = Naming::new(&texts(maps), &texts(ignored))
            .map_err(|e| e.to_string())
            .and_then(|n| n.layout(header).map_err(|e| e.problems));
        let words = read.map(|columns| {
            let word = |c: &Column| match c {
                Column::Field(field) => field.word().to_owned(),
                Column::Identifier(kind) => kind.word(),
                Column::Ignored => "-".into(),
            };
            columns.iter().map(word).collect::<Vec<_>>()
        });
        match want {
            Ok(want) => assert_eq!(words.as_deref(), Ok(texts(want).as_slice()), "{header:?}"),
            Err(part) => {
                assert!(words.as_ref().is_err_and(|e| e.contains(part)), "{header:?}: {words:?}");
            }
        }
    }

    #[test]
    fn names_are_read_in_any_case_with_blanks_and_numbers() {
        check(&["email"], &[], &[], Ok(&["email"]));
        check(&[" EMAIL ", "Action"], &[], &[], Ok(&["email", "action"]));
        check(&["User ID", "userId", "USER_ID"], &[], &[], Ok(&["user_id"; 3]));
        check(&["email", "email_2", "Email 3"], &[], &[], Ok(&["email"; 3]));
        check(
            &["vendor:hubspot", "Vendor: Zen-Desk"],
            &[],
            &[],
            Ok(&["vendor:hubspot", "vendor:zen-desk"]),
        );
        check(
            &["email", "Received On", "external reference"],
            &[],
            &[],
            Ok(&["email", "received_on", "external_reference"]),
        );
    }

    #[test]
    fn maps_and_ignored_columns_are_told_by_name() {
        check(&["E-Mail"], &["E-Mail=email"], &[], Ok(&["email"]));
        check(
            &["e-mail", "Zweite"],
            &["E-Mail=email", "Zweite=email"],
            &[],
            Ok(&["email", "email"]),
        );
        check(&["a=b"], &["a=b=user_id"], &[], Ok(&["user_id"]));
        check(&["email", "Name", ""], &[], &["name", ""], Ok(&["email", "-", "-"]));
        check(&["email"], &["E-Mail=mail"], &[], Err("did you mean `email`?"));
        check(&["email"], &["Mail=email"], &[], Err("the file does not have"));
        check(&["email"], &["email"], &[], Err("NAME=COLUMN"));
        check(&["x"], &["x=email", "X=phone"], &[], Err("two meanings"));
        check(&["x"], &["x=email"], &["x"], Err("both mapped and ignored"));
    }

    #[test]
    fn a_wrong_header_is_refused_with_what_may_be_meant() {
        check(
            &["emial"],
            &[],
            &[],
            Err("column 1 is called `emial`, which efface does not know (did you mean `email`?)"),
        );
        check(&["E-Mail"], &[], &[], Err("did you mean `email`?"));
        check(
            &["email", "favourite colour"],
            &[],
            &[],
            Err("column 2 is called `favourite colour`"),
        );
        check(&["email", ""], &[], &[], Err("column 2 has no name"));
        check(&["email", "action", "Action"], &[], &[], Err("two columns mean `action`"));
        check(&["action", "note"], &[], &[], Err("no column holds an identifier"));
        check(&["email", "vendor:"], &[], &[], Err("column 2"));
    }

    #[test]
    fn a_person_in_the_first_line_is_not_quoted() {
        for header in [&["ada@example.org", "erase"][..], &["U-7"], &["+442079460958", "email"]] {
            let refused = Naming::default().layout(header).map_err(|e| format!("{e:?}"));
            assert!(refused.is_err_and(|e| !e.contains(header[0])), "{header:?}");
        }
    }
}
